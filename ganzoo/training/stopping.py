"""Ends of a run between two steps: at a length, on Ctrl-C, when the machine is taken away."""

import signal
import threading

import keras

from ganzoo.distribution import gather_numbers
from ganzoo.errors import TrainingError


class Interrupted(TrainingError):
    """A run was stopped by a signal, after saving; `signal` is which."""

    def __init__(self, message, number):
        super().__init__(message)
        self.signal = number


class StopAfter(keras.callbacks.Callback):
    """Ends `fit` when the model has taken `steps` steps in all, also inside an execution."""

    def __init__(self, steps: int):
        super().__init__()
        self.steps = steps

    def on_train_begin(self, logs=None):
        self.model.last_step = self.steps
        if self.model.steps_taken >= self.steps:
            self.model.stop_training = True

    def on_train_batch_end(self, batch, logs=None):
        if self.model.steps_taken >= self.steps:
            self.model.stop_training = True


class GracefulStop(keras.callbacks.Callback):
    """On SIGINT or SIGTERM, saves a checkpoint after the current step and raises `Interrupted`.

    A second signal acts at once, as it would without this. Put it after all callbacks that
    look at a step, so that theirs is complete.

    Args:
        checkpoints: The run's `Checkpoints`.
        how_to_continue: Text for the message, such as a command.
    """

    SIGNALS = (signal.SIGINT, signal.SIGTERM)

    def __init__(self, checkpoints, how_to_continue: str):
        super().__init__()
        self.checkpoints = checkpoints
        self.how_to_continue = how_to_continue
        self.received = 0
        self._before: dict = {}

    def on_train_begin(self, logs=None):
        if threading.current_thread() is threading.main_thread():
            for number in self.SIGNALS:
                self._before[number] = signal.signal(number, self._receive)

    def on_train_batch_end(self, batch, logs=None):
        # All workers stop at one step: the others would wait for the one that stopped.
        received = max(gather_numbers(self.model.distribute_strategy, self.received))
        if received:
            self.checkpoints.save_unless_saved()
            self.checkpoints.wait()
            name = signal.Signals(received).name
            raise Interrupted(
                f"Stopped by {name} at step {self.model.steps_taken}; everything up to it is "
                f"saved. {self.how_to_continue}",
                received,
            )

    def on_train_end(self, logs=None):
        self.close()

    def close(self):
        """Gives the signals back to whoever had them; safe to call twice."""
        while self._before:
            signal.signal(*self._before.popitem())

    def _receive(self, number, frame):
        del frame
        self.received = number
        self.close()
