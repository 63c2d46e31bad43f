"""Keras's callbacks beside several optimizers: the list for a `fit`, and those that cannot work."""

import keras
import tensorflow as tf

from ganzoo.errors import TrainingError

_RATES = (
    "Give compile optimizers that follow a keras.optimizers.schedules.LearningRateSchedule, or "
    "set self.model.{optimizer}.learning_rate in a callback of your own."
)
# Callbacks that need `model.optimizer`, which is None here, and what to do instead.
_OF_ONE_OPTIMIZER = {
    keras.callbacks.LearningRateScheduler: _RATES,
    keras.callbacks.ReduceLROnPlateau: _RATES,
    keras.callbacks.SwapEMAWeights: (
        "Leave it out: a model with an ema_generator averages weights by itself."
    ),
    keras.callbacks.TensorBoard: "Leave write_steps_per_second out.",
}


def callback_list(model, callbacks, *, verbose, epochs, steps):
    """Makes Keras's list of callbacks, with its history and progress bar.

    Raises:
        TrainingError: One of them is for a model's one optimizer.
    """
    listed = isinstance(callbacks, keras.callbacks.CallbackList)
    for callback in callbacks.callbacks if listed else tf.nest.flatten(callbacks):
        _check_callback(model, callback)
    if listed:
        return callbacks
    return keras.callbacks.CallbackList(
        callbacks,
        add_history=True,
        add_progbar=verbose != 0,
        verbose=verbose,
        epochs=epochs,
        steps=steps,
        model=model,
    )


def _check_callback(model, callback):
    for kind, advice in _OF_ONE_OPTIMIZER.items():
        # TensorBoard's own switch: without it, it does not ask for the optimizer's count.
        if not isinstance(callback, kind) or not getattr(callback, "write_steps_per_second", True):
            continue
        names = list(model.optimizers)
        raise TrainingError(
            f"{kind.__name__} works with a model's one optimizer, and {type(model).__name__} has "
            f"{len(names)}: {', '.join(names)}. {advice.format(optimizer=names[0])}"
        )
