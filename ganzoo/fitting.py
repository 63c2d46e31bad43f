"""The loop behind `fit`.

Keras's own loop cannot start in the middle of an epoch, change the batch size on its way, or
run under `MultiWorkerMirroredStrategy`. This one can; its callbacks are Keras's.
"""

import dataclasses
import math
import warnings

import numpy as np
import tensorflow as tf

from ganzoo.data.pipeline import READ_ERRORS
from ganzoo.errors import TrainingError
from ganzoo.optimizers import scales_loss
from ganzoo.rates import fill_schedules, warn_of_rates_that_end


@dataclasses.dataclass
class FitState:
    """Where a `fit` stands. `Checkpoints` saves it and puts it back in `on_train_begin`.

    Attributes:
        epoch: The current epoch, counted from 0.
        batch: Steps taken in this epoch.
        position: Where in the stream this `fit` is: images taken, with those of fits before it
            that it goes on from.
        epoch_start: `position` at which this epoch began.
        sums: Sums of each reported value over the steps of this epoch.
        values: The reported values of the last step, by name.
        weights_finite: Whether all weights were finite after it.
        rate_factor: What rollbacks have multiplied the learning rates by.
        skipped: Steps of this epoch that `sums` leaves out: the loss scale of half precision
            overflowed, and the optimizer took no step.
    """

    epoch: int = 0
    batch: int = 0
    position: int = 0
    epoch_start: int = 0
    sums: np.ndarray | float = 0.0
    values: dict = dataclasses.field(default_factory=dict)
    weights_finite: bool = True
    rate_factor: float = 1.0
    skipped: int = 0
    # Whether a checkpoint was put back. Without a type this is no field, and none holds it.
    restored = False

    def advance(self, names, values, sums, steps, images, scales_loss=False):
        """Counts one execution of the compiled step.

        Args:
            names: Names of the reported values.
            values: Those of its last step, `(len(names) + 1,)`: the last number is not finite
                where a weight is not.
            sums: The same, added up over its steps.
            steps: How many steps it took.
            images: How many images these took, over all replicas.
            scales_loss: Whether an optimizer scales its loss, and leaves out steps that overflow.
        """
        self.batch += steps
        self.position += images
        self.values = dict(zip(names, np.asarray(values).tolist(), strict=False))
        self.weights_finite = bool(np.isfinite(values[-1]))
        sums = np.asarray(sums, "float64")[:-1]
        if scales_loss and self.weights_finite and not np.isfinite(sums).all():
            self.skipped += steps
        else:
            self.sums = self.sums + sums

    def means(self, names):
        """Averages the reported values over this epoch's steps; NaN where all were skipped."""
        if not self.batch:
            return {}
        if self.skipped == self.batch:
            return dict.fromkeys(names, math.nan)
        means = self.sums / (self.batch - self.skipped)
        return dict(zip(names, means.tolist(), strict=True))

    def next_epoch(self):
        """Moves on to the start of the next epoch."""
        self.epoch += 1
        self.batch = self.skipped = 0
        self.epoch_start = self.position
        self.sums = 0.0


def planned_epochs(model, feed, epochs):
    """Counts the epochs of a `fit`: those asked for, or what the model asks for, or one.

    Raises:
        TrainingError: The model asks for no more.
    """
    check_length(model, epochs)
    images = model.images_to_train() if epochs is None else None
    if images is None:
        return 1 if epochs is None else epochs
    return feed.epochs_of(images)


def check_length(model, epochs):
    """Refuses a `fit` whose length is left to a model that asks for no more.

    Raises:
        TrainingError: Names what to pass.
    """
    if epochs is None and model.images_to_train() == 0:
        raise TrainingError(
            f"{type(model).__name__} has trained for as long as it is meant to. Pass epochs to "
            "train it further (on the command line --steps or --epochs)."
        )


class FitLoop:
    """One `fit`: steps, epochs, validation and callbacks, from the model's `FitState` on.

    Args:
        model: A compiled `AdversarialModel`.
        feed: What `ganzoo.feeds.feed_for` makes of the data.
        callbacks: A `keras.callbacks.CallbackList`.
        validate: Function of an epoch and the callbacks that gives what a test adds to the logs;
            None for no validation.
    """

    def __init__(self, model, feed, callbacks, validate=None):
        self.model = model
        self.feed = feed
        self.callbacks = callbacks
        self.validate = validate
        self.batch_size = feed.batch_size
        self.stage_end = 0  # position of the next `begin_stage`
        self.end = math.inf  # position at which the run ends
        self.model_decides_end = False
        self.is_new_stage = False  # the next step is the first one of its stage
        self.iterator = None
        self.next_position = None  # of the iterator's next batch
        self.ran_out = False  # the dataset ended within this epoch
        self.scales_loss = scales_loss(model)

    def run(self, epochs, initial_epoch):
        """Trains to the end of epoch `epochs`, or, if that is None, of `images_to_train`."""
        model, state = self.model, self.model.fit_state
        state.epoch = initial_epoch
        state.position = state.epoch_start = self.feed.start_of(initial_epoch)
        model.stop_training, model.last_step = False, math.inf
        model._initial_epoch = None  # Keras leaves there what an earlier fit was resumed from
        if fill_schedules(model.optimizers.values(), self.feed.steps_per_epoch):
            model.retrace()  # the step was traced with rates that stay constant
        model.prepare(self.feed.batch_size)
        model.check_batch_size(self.feed.batch_size, fixed=not self.feed.exact)
        self.callbacks.on_train_begin()
        self._accept_restored(state)
        epochs = self._limit(state) if epochs is None else epochs
        warn_of_rates_that_end(model.optimizers, self._planned_steps(state, epochs))
        logs = None
        while state.epoch < epochs and state.position < self.end and not model.stop_training:
            logs = self._run_epoch(state)
        self.callbacks.on_train_end(logs)

    def _limit(self, state):
        """Gives the epoch at which a run ends that was given no number of epochs."""
        images = self.model.images_to_train()  # after a checkpoint was restored
        if images is None:
            return 1
        self.end = state.position + images
        self.model_decides_end = True
        return math.inf

    def _planned_steps(self, state, epochs):
        """Counts the steps to the end, at least; one where nobody knows."""
        steps = (epochs - state.epoch) * (self.feed.steps_per_epoch or 1) - state.batch
        steps = min(steps, self.model.last_step - self.model.steps_taken)
        return steps if steps < math.inf else 1

    def _accept_restored(self, state):
        """Starts where a callback has put the run back to: an epoch, or a step inside one."""
        restored = self.model._initial_epoch  # set by BackupAndRestore
        if restored:
            state.epoch = restored
            state.position = state.epoch_start = self.feed.start_of(restored)
        self._restart_epoch(state)

    def _restart_epoch(self, state):
        """Begins an epoch anew where the data cannot be entered in the middle."""
        # An epoch whose steps are all taken needs no batch, and ends.
        if not state.batch or self.feed.exact or state.batch == self.feed.steps_per_epoch:
            return
        warnings.warn(
            f"This dataset cannot be entered at batch {state.batch}, so epoch {state.epoch} runs "
            "again from its start. One that ganzoo.data.load returns goes on at the very step.",
            stacklevel=2,
        )
        state.batch, state.sums, state.position = 0, 0.0, state.epoch_start
        state.skipped = 0

    def _run_epoch(self, state):
        self.callbacks.on_epoch_begin(state.epoch)
        self.model.follow_freezing()
        if self.feed.restarts:
            self.iterator = None
        self.ran_out = False
        self._take_steps(state)
        logs = state.means(self.model.reported_names)
        if self.validate is not None:
            logs |= self.validate(state.epoch, self.callbacks)
        self.callbacks.on_epoch_end(state.epoch, logs)
        # What was stopped inside an epoch goes on there, should the run be made longer.
        if not self._stopped_inside(state):
            state.next_epoch()
        return logs

    def _stopped_inside(self, state):
        ended = self.model.stop_training or state.position >= self.end
        return ended and not self.ran_out and self.feed.steps_left(state, self.batch_size) > 0

    def _take_steps(self, state):
        model = self.model
        while not model.stop_training and state.position < self.end:
            moved = state.position != self.next_position  # by a rollback, or a restored checkpoint
            if self.iterator is None or moved or state.position >= self.stage_end:
                self._begin_stage(state, moved)
            steps = self._steps_at_once(state)
            if steps == 0:
                return
            self.callbacks.on_train_batch_begin(state.batch)
            try:
                values, sums = model.step_function()(self.iterator, steps)
            except (tf.errors.OutOfRangeError, StopIteration):
                self._end_of_dataset(state)
                return
            except READ_ERRORS as error:
                raise self.feed.explain(error) from error
            images = steps * self.batch_size
            state.advance(
                model.reported_names, values, sums, steps, images, scales_loss=self.scales_loss
            )
            self.next_position = state.position
            if self.is_new_stage:
                model.trained |= model.moved_networks
                self.is_new_stage = False
            if self.model_decides_end:  # its count of a smaller last batch is the exact one
                self.end = state.position + model.images_to_train()
            self.callbacks.on_train_batch_end(state.batch - 1, state.means(model.reported_names))
            self._check_weights(state)

    def _check_weights(self, state):
        """Ends a `fit` of which nothing can come, unless a callback has gone back or stopped it."""
        if not (state.weights_finite or self.model.stop_training):
            raise TrainingError(
                f"Training ended at step {self.model.steps_taken}: a weight is not finite. Look "
                "for NaN in the images, or lower the learning rates; with on_nan='rollback' "
                "ganzoo.training.HealthCheck goes back to the last checkpoint."
            )

    def _begin_stage(self, state, moved):
        if moved:
            self._restart_epoch(state)
        self.batch_size, self.stage_end = self.model.begin_stage(
            state.position, self.feed.batch_size, fixed=not self.feed.exact
        )
        # A foreign dataset goes on where it is: it cannot be entered in the middle.
        if self.iterator is None or moved or self.feed.exact:
            self.iterator = self.feed.iterator(state.position, self.batch_size)
        self.next_position = state.position
        self.is_new_stage = True

    def _steps_at_once(self, state):
        """Counts the steps to take in one execution; 0 at the end of an epoch."""
        model = self.model
        limits = [model.steps_per_execution, self.feed.steps_left(state, self.batch_size)]
        images = min(self.stage_end, self.end) - state.position
        if self.batch_size and images < math.inf:
            limits.append(math.ceil(images / self.batch_size))
        if model.last_step < math.inf:
            limits.append(model.last_step - model.steps_taken)
        if self.feed.steps_per_epoch is None:
            limits.append(1)  # a dataset of unknown length may end inside an execution
        return int(min(limits))

    def _end_of_dataset(self, state):
        self.ran_out = True
        if self.feed.steps_per_epoch and state.batch < self.feed.steps_per_epoch:
            raise TrainingError(
                f"The dataset ended after {state.batch} of {self.feed.steps_per_epoch} steps of "
                f"epoch {state.epoch + 1}. Give it .repeat(), or a smaller steps_per_epoch."
            )
