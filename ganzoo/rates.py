"""Learning rates that follow a schedule: which do, how long they last, and who has to be told."""

import warnings

import keras
import tensorflow as tf

from ganzoo.optimizers import inner
from ganzoo.tracing import read


def follows_schedule(optimizer):
    """Says whether an optimizer's learning rate is a schedule, which nobody else can set."""
    # Keras shows a schedule's present value only.
    rate = getattr(inner(optimizer), "_learning_rate", None)
    return isinstance(rate, keras.optimizers.schedules.LearningRateSchedule)


def constant_rate(optimizer):
    """Reads an optimizer's learning rate, or gives None where it follows a schedule."""
    return None if follows_schedule(optimizer) else read(inner(optimizer).learning_rate)


def fill_schedules(optimizers, steps_per_epoch):
    """Tells learning rates that fall by the epoch how many updates one has, unless they know.

    Args:
        optimizers: Keras optimizers. A schedule says by an attribute `steps_per_epoch` of None
            that it does not know.
        steps_per_epoch: Updates in an epoch; None where that is not known, which fills nothing.

    Returns:
        Whether a schedule has changed, so that steps that were traced with it are out of date.
    """
    rates = [getattr(inner(optimizer), "_learning_rate", 0.0) for optimizer in optimizers]
    waiting = [rate for rate in rates if getattr(rate, "steps_per_epoch", "known") is None]
    for rate in waiting if steps_per_epoch else ():
        rate.steps_per_epoch = steps_per_epoch
    return bool(waiting and steps_per_epoch)


class RateWarning(UserWarning):
    """A learning rate is 0 before training ends."""


def warn_of_rates_that_end(optimizers, steps):
    """Says which learning rates are 0 within so many steps.

    Args:
        optimizers: Keras optimizers by name. A schedule says by an attribute `length` after how
            many updates its rate is 0, None where it does not know.
        steps: Updates that each takes, beside those that it has taken.

    Warns:
        RateWarning: Names the optimizers, and after how many updates the first is at 0.
    """
    lengths = {}
    for name, optimizer in optimizers.items():
        length = getattr(getattr(inner(optimizer), "_learning_rate", None), "length", None)
        if length is None or steps < 1:
            continue
        if int(tf.convert_to_tensor(inner(optimizer).iterations)) + steps > length:
            lengths[name] = length
    if lengths:
        warnings.warn(
            f"The learning rate of {' and '.join(lengths)} is 0 after {min(lengths.values()):,} "
            "updates, before this fit ends, and what follows changes nothing. For a constant "
            "rate call ganzoo.fine_tune(model, learning_rate=…) before fit.",
            RateWarning,
            stacklevel=4,  # who called fit
        )
