"""The losses of a model on a dataset, without an update: `evaluate`, and tests within a `fit`."""

import math
from collections.abc import Container

import numpy as np
import tensorflow as tf

from ganzoo.checks import check_whole
from ganzoo.data.pipeline import READ_ERRORS
from ganzoo.errors import DataError, TrainingError
from ganzoo.feeds import feed_for


def run_tests(model, feed, callbacks=None):
    """Runs `test_step` over a feed once; returns the means of the reported values.

    Each batch has draws of its own, the same in every run of one step, and counts by its images.
    """
    iterator = feed.iterator(0, feed.batch_size)
    step = model.step_function(testing=True)
    model.test_batch.assign(0)
    total, taken, images = 0.0, 0, 0.0
    limit = feed.steps_per_epoch or math.inf
    if callbacks is not None:
        callbacks.on_test_begin()
    while taken < limit:
        try:
            values, _ = step(iterator, 1)
        except (tf.errors.OutOfRangeError, StopIteration):
            break
        except READ_ERRORS as error:
            raise feed.explain(error) from error
        *means, rows, _ = np.asarray(values, "float64")
        total, images, taken = total + rows * np.array(means), images + rows, taken + 1
    if not taken:
        raise DataError("The dataset gave no batch. Check that it holds images.")
    means = dict(zip(model.reported_names, (total / images).tolist(), strict=True))
    if callbacks is not None:
        callbacks.on_test_end(means)
    return means


def validation(model, data, *, batch_size, steps, every):
    """Makes the function of an epoch and the callbacks that gives what a test adds to the logs.

    Args:
        model: The model that trains.
        data: As `fit` takes `validation_data`; None for no validation.
        batch_size: Images in a batch, where the data is not in batches yet.
        steps: Batches to test; None for all.
        every: Epochs between two validations; or the numbers of the epochs that end with one,
            counted from 1.

    Raises:
        DataError: The data is not what the model trains on.
        TrainingError: `every` is neither.
    """
    if data is None:
        return None
    listed = isinstance(every, Container) and not isinstance(every, str)
    if not listed:
        check_whole("validation_freq", every, error=TrainingError)
    feed = feed_for(model, data, batch_size=batch_size, training=False, steps_per_epoch=steps)

    def validate(epoch, callbacks):
        chosen = epoch + 1 in every if listed else (epoch + 1) % every == 0
        if not chosen:
            return {}
        means = run_tests(model, feed, callbacks)
        return {f"val_{name}": value for name, value in means.items()}

    return validate
