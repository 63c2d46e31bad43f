"""What surrounds CycleGAN's step: the rate, the warm-up, frozen parts, and refused input."""

import keras
import numpy as np
import pytest
import tensorflow as tf

import ganzoo
from ganzoo.errors import DataError, GanzooError, PresetError
from ganzoo.models import cyclegan
from ganzoo.training.state import read_state, write_state

DISCRIMINATORS = {"discriminator_a", "discriminator_b"}
GENERATORS = {"generator_ab", "generator_ba"}


def small_model(freeze=(), **settings):
    keras.utils.set_random_seed(1)
    model = cyclegan.build(
        base_filters=2, residual_blocks=1, discriminator_filters=2, discriminator_layers=1
    )
    model.freeze(*freeze)
    settings = {"identity_weight": 0.0, "pool_size": 0} | settings
    model.compile("sgd", "sgd", run_eagerly=True, **settings)
    return model


def dataset(count=4, side=16, channels=3):
    random = np.random.default_rng(0)
    pair = tuple(random.uniform(-1, 1, (count, side, side, channels)) for _ in range(2))
    pair = tuple(images.astype("float32") for images in pair)
    return tf.data.Dataset.from_tensor_slices(pair).batch(1, drop_remainder=True)


def weights(model):
    return {
        name: {weight.path: np.array(weight) for weight in network.trainable_variables}
        | {weight.path: np.array(weight) for weight in network.non_trainable_variables}
        for name, network in model.networks.items()
    }


def moved(before, after):
    return {
        name: {path for path in before[name] if (before[name][path] != after[name][path]).any()}
        for name in before
    }


class Watch(keras.callbacks.Callback):
    """Notes after every step which networks it moved."""

    def __init__(self):
        super().__init__()
        self.moved = []

    def on_train_begin(self, logs=None):
        self.before = weights(self.model)

    def on_train_batch_end(self, batch, logs=None):
        after = weights(self.model)
        self.moved.append({name for name, paths in moved(self.before, after).items() if paths})
        self.before = after


# --- the learning rate ------------------------------------------------------------------------


def test_official_rate_is_constant_and_falls_to_a_hundredth_and_first():
    rate = cyclegan.LinearDecay(2e-4, constant_epochs=100, fall=101, steps_per_epoch=1334)
    for epoch in (0, 50, 99, 100, 101, 150, 199):
        # The authors' formula, epoch_count 1: 1 - max(0, epoch + 1 - 100) / 101.
        expected = 2e-4 * (1 - max(0, epoch + 1 - 100) / 101)
        for step in (epoch * 1334, epoch * 1334 + 1333):
            assert float(rate(tf.constant(step, "int64"))) == pytest.approx(expected, rel=1e-6)
    assert float(rate(199 * 1334)) == pytest.approx(2e-4 / 101, rel=1e-5)
    assert float(rate(10**7)) == 0.0


def test_rate_of_the_paper_falls_after_the_epoch():
    rate = cyclegan.LinearDecay(2e-4, constant_epochs=101, fall=100, steps_per_epoch=10)
    learning_rate, expected = 2e-4, []
    for epoch in range(1, 201):
        expected.append(learning_rate)
        if epoch > 100:
            learning_rate -= 2e-4 / 100
    found = [float(rate(10 * epoch)) for epoch in range(200)]
    np.testing.assert_allclose(found, expected, atol=1e-10)


def test_rate_without_an_epoch_is_constant_and_survives_its_config():
    rate = cyclegan.LinearDecay(3e-4)
    assert float(rate(10**6)) == pytest.approx(3e-4)
    optimizer = keras.optimizers.Adam(cyclegan.LinearDecay(3e-4, 1, 2, steps_per_epoch=5))
    again = keras.optimizers.deserialize(keras.optimizers.serialize(optimizer))
    again.build([keras.Variable(1.0)])
    again.iterations.assign(6)
    assert float(again.learning_rate) == pytest.approx(1.5e-4)


@pytest.mark.parametrize(
    ("name", "value", "least"),
    [
        ("constant_epochs", -1, 0),
        ("fall", 0, 1),
        ("fall", 2.5, 1),
        ("steps_per_epoch", 0, 1),
        ("steps_per_epoch", -3, 1),
    ],
)
def test_a_rate_that_is_none_is_refused(name, value, least):
    message = rf"{name} is {value}\. Give a whole number from {least} up"
    with pytest.raises(GanzooError, match="^" + message):
        cyclegan.LinearDecay(**{name: value})
    place = "optimizers.generator_optimizer.config.learning_rate.config"
    with pytest.raises(PresetError, match="in optimizers.generator_optimizer, " + message):
        preset_with(**{f"{place}.{name}": value})


# --- optimizers of its own for each network ----------------------------------------------------


def preset_with(**settings):
    """Builds the preset of textures, tiny, with other settings of its optimizers and training."""
    size = {"base_filters": 2, "residual_blocks": 1, "discriminator_filters": 2}
    changes = {f"model.{name}": value for name, value in size.items()}
    return ganzoo.load("cyclegan_textures", weights=False, **changes | settings)


def test_every_optimizer_of_a_preset_is_used():
    second = {"class_name": "SGD", "config": {"learning_rate": 0.25}}
    settings = {"training.update_order": "alternating", "optimizers.generator_ba_optimizer": second}
    model = preset_with(**settings)
    assert type(model.generator_ba_optimizer) is keras.optimizers.SGD
    assert float(model.generator_ba_optimizer.learning_rate) == 0.25
    first, copied = model.discriminator_optimizer, model.discriminator_a_optimizer
    assert type(first) is type(copied) is type(model.generator_optimizer)
    assert first is not copied
    assert set(model.optimizers) == {
        *("generator_optimizer", "generator_ba_optimizer"),
        *("discriminator_optimizer", "discriminator_a_optimizer"),
    }


@pytest.mark.parametrize("name", ["generator_ba_optimizer", "discriminator_a_optimizer"])
def test_an_optimizer_that_would_move_nothing_is_refused(name):
    message = f"update_order is 'joint', in which {name} would move nothing. Leave that out, or"
    with pytest.raises(GanzooError, match=message):
        small_model(**{name: "sgd"})
    with pytest.raises(GanzooError, match=message):
        preset_with(**{f"optimizers.{name}": "SGD"})


# --- the warm-up ------------------------------------------------------------------------------


def test_fresh_discriminators_move_alone_at_first():
    model, watch = small_model(warmup_steps=2), Watch()
    model.trained = frozenset(GENERATORS)
    model.fit(dataset(3), epochs=1, verbose=0, callbacks=[watch])
    assert watch.moved == [DISCRIMINATORS] * 2 + [DISCRIMINATORS | GENERATORS]
    watch = Watch()
    model.fit(dataset(1), epochs=1, verbose=0, callbacks=[watch])  # now all are trained
    assert watch.moved == [DISCRIMINATORS | GENERATORS]


def test_what_a_warm_up_has_not_moved_stays_untrained():
    model, watch = small_model(warmup_steps=2), Watch()
    model.trained = frozenset({"generator_ab"})
    model.fit(dataset(2), epochs=1, verbose=0)
    assert model.directions == ("ab",)
    assert model.trained == {"generator_ab"}, "discriminators of half a warm-up count as fresh"
    model.fit(dataset(3), epochs=1, verbose=0, callbacks=[watch])
    assert watch.moved == [DISCRIMINATORS] * 2 + [DISCRIMINATORS | GENERATORS]
    assert model.directions == ("ab", "ba")
    assert model.trained == DISCRIMINATORS | GENERATORS


def test_a_frozen_network_does_not_count_as_trained():
    model = small_model()
    model.freeze("generator_ba")
    model.fit(dataset(1), epochs=1, verbose=0)
    assert model.trained == DISCRIMINATORS | {"generator_ab"}


@pytest.mark.parametrize("trained", [(), GENERATORS | DISCRIMINATORS, DISCRIMINATORS])
def test_others_need_no_warm_up(trained):
    model, watch = small_model(warmup_steps=3), Watch()
    model.trained = frozenset(trained)
    model.fit(dataset(1), epochs=1, verbose=0, callbacks=[watch])
    assert watch.moved == [DISCRIMINATORS | GENERATORS]


def test_an_interrupted_warm_up_goes_on():
    class Restore(Watch):
        def on_train_begin(self, logs=None):
            write_state(self.model, state, "state")
            super().on_train_begin(logs)

    model = small_model(warmup_steps=2)
    model.trained = frozenset(GENERATORS)
    model.fit(dataset(1), epochs=1, verbose=0)
    state = {name: value for name, value in read_state(model).items() if name[:4] != "fit/"}
    again, watch = small_model(warmup_steps=2), Restore()
    again.fit(dataset(2), epochs=1, verbose=0, callbacks=[watch])
    assert watch.moved == [DISCRIMINATORS, DISCRIMINATORS | GENERATORS]


# --- frozen parts -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("freeze", "network", "still", "moving"),
    [
        (["encoder"], "generator_ba", {"stem", "down_1", "down_2"}, {"block_1_conv_1", "head"}),
        (["decoder"], "generator_ab", {"up_1", "up_2", "head"}, {"stem", "block_1_conv_2"}),
        (["generator_ab.transformer"], "generator_ab", {"block_1_conv_1"}, {"stem", "head"}),
        (["generator_ab.transformer"], "generator_ba", set(), {"block_1_conv_1"}),
        (["generator_ab", "generator_ba"], "generator_ba", {"stem", "head"}, set()),
        (["discriminator_a"], "discriminator_a", {"conv_1", "logits"}, set()),
    ],
)
def test_frozen_parts_stay(freeze, network, still, moving):
    model = small_model(freeze)
    before = weights(model)
    model.fit(dataset(1), epochs=1, verbose=0)
    layers = {path.split("/")[0] for path in moved(before, weights(model))[network]}
    assert not layers & still
    assert layers >= moving


def test_freezing_nothing_frees_all_and_unknown_parts_are_refused():
    model = small_model(["encoder", "discriminator_b"])
    model.freeze()
    assert all(layer.trainable for net in model.networks.values() for layer in net.layers)
    for part in ("encoders", "generator_ac.encoder", "discriminator_a.encoder"):
        with pytest.raises(GanzooError, match="is no part of a CycleGAN"):
            model.freeze(part)


# --- what is refused --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("batches", "message"),
    [
        (dataset(side=18), "are multiples of 4, from 8 up, and these have 18×18"),
        (dataset(side=4), "and these have 4×4"),
        (dataset(channels=1), "trains on batches of shape"),
        (dataset().map(lambda a, b: a), "has 2 array"),
        (dataset().map(lambda a, b: (a, b * 127.5)), r"lies in"),
    ],
)
def test_fit_refuses_what_it_cannot_train_on(batches, message):
    with pytest.raises(DataError, match=message):
        small_model().fit(batches, verbose=0)


def test_unknown_settings_are_refused_by_name():
    model = small_model()
    with pytest.raises(GanzooError, match="update_order is 'jointly'.*Did you mean 'joint'"):
        model.compile("sgd", "sgd", update_order="jointly")
    with pytest.raises(GanzooError, match="no loss named 'least_square'"):
        model.compile("sgd", "sgd", loss="least_square")


def test_an_alternating_model_keeps_four_optimizers():
    model = small_model(update_order="alternating")
    optimizers = list(model.optimizers.values())
    assert len({id(optimizer) for optimizer in optimizers}) == 4
    model.fit(dataset(1), epochs=1, verbose=0)
    assert [int(optimizer.iterations) for optimizer in optimizers] == [1] * 4
