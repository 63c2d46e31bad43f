"""Is the run still well? Numbers that are not finite, collapse, and a game that is over."""

import math
import warnings

import keras
import numpy as np

from ganzoo.errors import TrainingError
from ganzoo.optimizers import scales_loss
from ganzoo.rates import follows_schedule
from ganzoo.sampling import images_to_look_at
from ganzoo.training.checkpoints import newest_sound
from ganzoo.training.intervals import Interval
from ganzoo.training.state import first_not_finite

_COLLAPSED_SPREAD = 0.1  # of the data's
_DUPLICATE_DISTANCE = 0.05  # of the data's mean distance between two images
_DUPLICATE_SHARE = 0.5
_SURE = 0.995
_OVERFLOWS = 50  # steps in a row, each of which halves the loss scale


class HealthCheck(keras.callbacks.Callback):
    """Stops a run whose numbers are not finite, and speaks once of collapse and of a won game.

    Whether a game is won is seen where a model reports probabilities: under "least_squares" a
    discriminator gives none.

    A loss that is not finite is let pass where the weights are, for up to 50 steps, with
    optimizers that scale it: theirs then halve the scale and leave the step out.

    Args:
        checkpoints: The run's `Checkpoints`, to say or do how to go on.
        on_nan: "stop", or "rollback": restore the newest checkpoint and halve the rates.
        examples: Real images, float `(n, h, w, c)` in [-1, 1], to compare samples with: as varied
            as the data.
        every: Steps between two looks at the samples and at the discriminator's answers.
        tell: What receives the messages; warnings by default.

    Raises:
        TrainingError: `on_nan` is neither; or, when training begins, it is "rollback" and a
            learning rate follows a schedule.
    """

    def __init__(self, checkpoints=None, on_nan="stop", examples=None, every=500, tell=None):
        super().__init__()
        if on_nan not in ("stop", "rollback"):
            raise TrainingError(f"on_nan is {on_nan!r}. Choose 'stop' or 'rollback'.")
        self.checkpoints = checkpoints
        self.on_nan = on_nan
        self.examples = examples
        self.interval = Interval(every)
        self.tell = tell or (lambda text: warnings.warn(text, stacklevel=2))
        self.rollbacks = 0
        self._said = set()
        self._answers = []
        self._looked_ill = False
        self._last_finite = 0

    def on_train_begin(self, logs=None):
        check_rollback(self.model, self.on_nan)
        self.interval.start(self.model.steps_taken)
        self._last_finite = self.model.steps_taken

    def on_train_batch_end(self, batch, logs=None):
        values = self.model.fit_state.values
        finite = all(math.isfinite(value) for value in values.values())
        if not (finite and self.model.fit_state.weights_finite):
            if not self._overflows():
                self._not_finite(values)
            return
        self._last_finite = self.model.steps_taken
        if "real_probability" in values:
            self._answers.append((values["real_probability"], values["fake_probability"]))
        if self.interval.passed(self.model.steps_taken):
            self._look_at_game()
            self._look_at_samples()

    def _overflows(self):
        """Says whether this is but a loss scale that is still too large."""
        steps = self.model.steps_taken - self._last_finite
        whole = self.model.fit_state.weights_finite and scales_loss(self.model)
        return whole and steps <= _OVERFLOWS

    def _not_finite(self, values):
        found = [f"{key} is {value}" for key, value in values.items() if not math.isfinite(value)]
        culprit = ", and ".join([*found[:1], *filter(None, [first_not_finite(self.model)])])
        if self.on_nan == "rollback" and self.checkpoints is not None and self.rollbacks < 5:
            self._roll_back(culprit)
            return
        raise TrainingError(self._message(culprit))

    def _message(self, culprit):
        text = f"Training stopped at step {self.model.steps_taken}: {culprit}. "
        if self.checkpoints is None:
            return text + "Lower the learning rate, or use precision float32."
        self.checkpoints.wait()
        if newest_sound(self.checkpoints.folder) is None:
            return text + (
                "There is no checkpoint to go back to. Train anew with lower learning rates, or "
                "with precision float32."
            )
        text += f"The last good checkpoint in {self.checkpoints.folder} is kept; "
        if self.on_nan == "rollback" or any(map(follows_schedule, self.model.optimizers.values())):
            return text + "train anew with lower learning rates, or with precision float32."
        return text + (
            "go on from it with --on-nan rollback, which halves the learning rates, or train anew "
            "with lower ones."
        )

    def _roll_back(self, culprit):
        step, state = self.model.steps_taken, self.model.fit_state
        factor = state.rate_factor / 2
        state.rate_factor = 1.0  # that of a checkpoint which does not say it
        if not self.checkpoints.restore():
            raise TrainingError(self._message(culprit))
        state.weights_finite = True
        self.rollbacks += 1
        self._last_finite = self.model.steps_taken
        for optimizer in self.model.optimizers.values():
            rate = float(keras.ops.convert_to_numpy(optimizer.learning_rate))
            optimizer.learning_rate = rate * factor / state.rate_factor
        state.rate_factor = factor
        self.tell(
            f"At step {step} {culprit}. The run is back at step {self.model.steps_taken} with "
            f"{factor:g} times the learning rates."
        )

    def _look_at_game(self):
        if not self._answers:
            return
        real, fake = np.mean(self._answers, axis=0)
        self._answers = []
        if real > _SURE and fake < 1 - _SURE:
            self._say(
                "won",
                f"The discriminator has won: by step {self.model.steps_taken} it calls "
                f"{real:.1%} of real images real and {fake:.1%} of generated ones, so that the "
                "generator learns little. Usual remedies: a lower learning rate for the "
                "discriminator, more or more varied data, or augmentation.",
            )

    def _look_at_samples(self):
        if self.examples is None or not hasattr(self.model, "training_samples"):
            return
        count = images_to_look_at(self.examples.shape[1:])
        real = _flat(self.model.training_examples(self.examples[:count]))
        fake = _flat(self.model.training_samples(count))
        spread = fake.std(axis=0).mean() / max(real.std(axis=0).mean(), 1e-12)
        limit = _DUPLICATE_DISTANCE * _distances(real).mean()
        copies, copies_in_data = (_share_of_copies(rows, limit) for rows in (fake, real))
        ill = spread < _COLLAPSED_SPREAD or copies > copies_in_data + _DUPLICATE_SHARE
        # A generator that has hardly begun is not ill: the next look decides.
        if ill and self._looked_ill:
            self._say(
                "collapse",
                f"The generator has collapsed: at step {self.model.steps_taken} its images vary "
                f"{spread:.0%} as much as the data, and {copies:.0%} of them are nearly copies "
                "of another. It often does not recover; usual remedies: go back to an earlier "
                "checkpoint, a lower learning rate, or a larger batch.",
            )
        self._looked_ill = ill

    def _say(self, kind, text):
        if kind not in self._said:
            self._said.add(kind)
            self.tell(text)


def check_rollback(model, on_nan):
    """Refuses to promise a rollback where a learning rate cannot be halved.

    Raises:
        TrainingError: `on_nan` is "rollback", and an optimizer follows a schedule.
    """
    scheduled = [name for name, each in model.optimizers.items() if follows_schedule(each)]
    if on_nan == "rollback" and scheduled:
        raise TrainingError(
            f"on_nan is 'rollback', and the {scheduled[0]} follows a schedule, which a rollback "
            "cannot lower. Use on_nan='stop' (--on-nan stop), or a constant learning rate."
        )


def _flat(images):
    images = np.asarray(images, "float64")
    # Divided by √size, distances at one resolution compare with those at another.
    return images.reshape(len(images), -1) / math.sqrt(images[0].size)


def _share_of_copies(rows, limit):
    return float((_distances(rows).min(axis=1) < limit).mean())


def _distances(rows):
    """Distances between all pairs of rows; that of a row to itself counts as the largest."""
    squares = np.square(rows).sum(axis=1)
    squared = np.maximum(squares[:, None] + squares[None] - 2.0 * rows @ rows.T, 0.0)
    np.fill_diagonal(squared, squared.max())
    return np.sqrt(squared)
