"""CycleGAN's learning rate falls in `fit` too, by the epochs of the data that it is given."""

import math
import types

import keras
import numpy as np
import pytest
import tensorflow as tf

import ganzoo.data
from ganzoo.fitting import FitLoop, FitState
from ganzoo.models import cyclegan
from ganzoo.rates import RateWarning, fill_schedules
from ganzoo.training.stopping import StopAfter

STEPS = 2  # in an epoch


def falling():
    """A rate of 0.5 in one epoch, half of it in the next, and then 0."""
    return cyclegan.LinearDecay(0.5, constant_epochs=1, fall=2)


@pytest.fixture
def model():
    keras.utils.set_random_seed(0)
    model = cyclegan.build(
        base_filters=2, residual_blocks=1, discriminator_filters=2, discriminator_layers=1
    )
    model.compile(keras.optimizers.SGD(falling()), keras.optimizers.SGD(falling()), pool_size=0)
    return model


@pytest.fixture
def datasets(tmp_path):
    """The same images as a ganzoo dataset, as one of known and as one of unknown length."""
    pixels = np.random.default_rng(0).integers(0, 256, (2, STEPS, 16, 16, 3)).astype("uint8")
    paths = tuple(tmp_path / f"{name}.npy" for name in "ab")
    for path, images in zip(paths, pixels, strict=True):
        np.save(path, images)
    floats = tuple((pixels / 127.5 - 1.0).astype("float32"))
    known = tf.data.Dataset.from_tensor_slices(floats).batch(1, drop_remainder=True)
    return {
        "ganzoo": ganzoo.data.load(paths, image_size=16, batch_size=1),
        "known": known,
        "unknown": known.filter(lambda a, b: True),
    }


class Rates(keras.callbacks.Callback):
    """Notes the rate of each step."""

    def on_train_begin(self, logs=None):
        self.taken = []

    def on_train_batch_begin(self, batch, logs=None):
        self.before = float(self.model.generator_optimizer.learning_rate)

    def on_train_batch_end(self, batch, logs=None):
        self.taken.append(self.before)


def steps_of(model):
    return [
        optimizer.get_config()["learning_rate"]["config"]["steps_per_epoch"]
        for optimizer in model.optimizers.values()
    ]


@pytest.mark.parametrize("kind", ["ganzoo", "known"])
def test_fit_fills_in_the_steps_of_an_epoch(model, datasets, kind):
    rates, model.run_eagerly = Rates(), True  # for a few steps faster than compiling
    assert steps_of(model) == [None, None]
    with pytest.warns(RateWarning):
        model.fit(datasets[kind], epochs=3, verbose=0, callbacks=[rates])
    assert steps_of(model) == [STEPS, STEPS]
    assert rates.taken == [0.5] * STEPS + [0.25] * STEPS + [0.0] * STEPS


def test_a_step_that_was_traced_before_falls_too(model, datasets):
    model.fit(datasets["unknown"], epochs=2, verbose=0)
    assert steps_of(model) == [None, None]
    before = [weight.numpy() for weight in model.generator_ab.trainable_variables]
    with pytest.warns(RateWarning):
        model.fit(datasets["ganzoo"], epochs=1, verbose=0)  # the third, whose rate is 0
    for old, weight in zip(before, model.generator_ab.trainable_variables, strict=True):
        np.testing.assert_array_equal(old, weight)


def test_a_fit_that_outlasts_the_schedule_says_so_once(model, datasets):
    model.run_eagerly = True
    model.fit(datasets["known"], epochs=2, verbose=0)  # of two epochs: no warning
    model.fit(datasets["known"], epochs=1, initial_epoch=1, verbose=0)  # takes no step
    text = (
        r"The learning rate of generator_optimizer and discriminator_optimizer is 0 after 4 "
        r"updates, before this fit ends, .* call ganzoo\.fine_tune\(model, learning_rate="
    )
    with pytest.warns(RateWarning, match=text) as caught:
        model.fit(datasets["unknown"], epochs=1, verbose=0)
    assert [warning.filename for warning in caught] == [__file__], "it shows the call of fit"


def test_only_steps_that_are_taken_can_outlast_the_schedule(model, datasets):
    model.run_eagerly = True
    model.fit(datasets["known"], epochs=9, verbose=0, callbacks=[StopAfter(3)])
    assert model.steps_taken == 3
    for optimizer in model.optimizers.values():
        optimizer.learning_rate = falling()
        assert optimizer._learning_rate.length is None
        optimizer.learning_rate = cyclegan.LinearDecay(0.5, 5, 6, steps_per_epoch=10)
        assert optimizer._learning_rate.length == 100
        optimizer.iterations.assign(98)
    model.fit(datasets["known"], epochs=1, verbose=0)
    with pytest.warns(RateWarning, match="is 0 after 100 updates"):
        model.fit(datasets["known"], epochs=1, verbose=0)


def test_steps_that_an_epoch_has_taken_are_not_planned_again():
    model = types.SimpleNamespace(steps_taken=13, last_step=math.inf)
    loop = types.SimpleNamespace(model=model, feed=types.SimpleNamespace(steps_per_epoch=10))
    state = FitState(epoch=1, batch=3)
    assert FitLoop._planned_steps(loop, state, 4) == 27
    model.last_step = 20
    assert FitLoop._planned_steps(loop, state, 4) == 7
    loop.feed.steps_per_epoch, model.last_step = None, math.inf
    assert FitLoop._planned_steps(loop, state, math.inf) == 1, "nobody knows"


def test_what_knows_its_epoch_or_has_none_is_left_alone():
    schedule = cyclegan.LinearDecay(steps_per_epoch=7)
    constant, known = keras.optimizers.SGD(0.1), keras.optimizers.SGD(schedule)
    assert not fill_schedules([constant, known], 3)
    assert schedule.steps_per_epoch == 7
    waiting = cyclegan.LinearDecay()
    scaled = keras.optimizers.LossScaleOptimizer(keras.optimizers.SGD(waiting))
    assert not fill_schedules([scaled], None)
    assert fill_schedules([constant, scaled], 3)
    assert waiting.steps_per_epoch == 3
