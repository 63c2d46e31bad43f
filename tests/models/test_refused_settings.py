"""Settings that no family can train with: refused when the model is made, not in a step."""

import re

import keras
import numpy as np
import pytest
import tensorflow as tf

import ganzoo
from ganzoo.errors import DataError, GanzooError, TrainingError
from ganzoo.models import cyclegan, dcgan, gan, progan

SMALL = {
    "gan": {"image_shape": (4, 4, 1), "generator_units": (4, 4), "discriminator_units": (4, 4)},
    "dcgan": {"image_size": 16, "base_filters": 2, "latent_dim": 4},
    "progan": {"image_size": 8, "base_filters": 2, "max_filters": 4, "latent_dim": 4},
    "cyclegan": {"base_filters": 2, "residual_blocks": 1, "discriminator_filters": 2},
}
FAMILIES = {"gan": gan, "dcgan": dcgan, "progan": progan, "cyclegan": cyclegan}


def falling():
    return keras.optimizers.SGD(keras.optimizers.schedules.ExponentialDecay(1e-3, 10, 0.9))


def built(family, **changes):
    return FAMILIES[family].build(**SMALL[family] | changes)


@pytest.mark.parametrize("family", FAMILIES)
def test_policies_are_looked_at_before_the_first_step(family):
    model = built(family)
    message = r"'colour' is not an augmentation\. Did you mean 'color'"
    with pytest.raises(DataError, match=message):
        model.compile("sgd", "sgd", augment=["color", "colour"])
    with pytest.raises(DataError, match=r"augment is 3\. Give a list"):
        model.compile("sgd", "sgd", augment=3)
    for nothing in (None, (), []):
        model.compile("sgd", "sgd", augment=nothing)
        assert list(model.augment) == []


def test_points_are_not_augmented():
    with pytest.raises(DataError, match=r"augment is \['cutout'\], which is for images"):
        built("gan", image_shape=(2,), output_activation="linear").compile(
            "sgd", "sgd", augment=["cutout"]
        )


def test_a_wrong_policy_ends_no_command_in_a_traceback(fails, tmp_path):
    message = fails(
        *("train", "gan_ring", "--out", tmp_path / "run", "--steps", 1),
        *("--set", "training.augment=[colour]"),
    )
    assert message.startswith("'colour' is not an augmentation. Did you mean 'color'?")


@pytest.mark.parametrize(
    ("family", "settings", "message"),
    [
        ("gan", {"discriminator_loss_weight": -1}, r"discriminator_loss_weight is -1\."),
        ("dcgan", {"l2_weight": float("nan")}, r"l2_weight is nan\. Give a finite number"),
        ("progan", {"gradient_norm_target": 0}, r"target is 0\. Give a finite number above 0"),
        (
            "progan",
            {"gradient_norm_at": "full"},
            r"gradient_norm_at is 'full'.* resolution, i",
        ),
        ("progan", {"gradient_penalty_weight": -1.0}, r"gradient_penalty_weight is -1\.0\."),
        ("progan", {"drift_weight": float("inf")}, r"drift_weight is inf\. Give a finite number"),
        ("progan", {"rampup_kimg": -1}, r"rampup_kimg is -1\. Give a finite number from 0 on"),
        ("cyclegan", {"cycle_weight_a": -10.0}, r"cycle_weight_a is -10\.0\."),
        ("cyclegan", {"cycle_weight_b": None}, r"cycle_weight_b is None\."),
        ("cyclegan", {"identity_weight": -0.5}, r"identity_weight is -0\.5\."),
        ("cyclegan", {"pool_size": -1}, r"pool_size is -1\. Give a whole number from 0 up"),
        ("cyclegan", {"pool_size": 1.5}, r"pool_size is 1\.5\. Give a whole number from 0 up"),
        ("cyclegan", {"warmup_steps": -3}, r"warmup_steps is -3\. Give a whole number from 0 up"),
        ("gan", {"loss": "wasserstein"}, r"'wasserstein' for a vanilla GAN\..*least_squares"),
        ("dcgan", {"loss": "wasserstein"}, r"'wasserstein' for a DCGAN\..*least_squares"),
        ("cyclegan", {"loss": "wasserstein"}, r"'wasserstein' for a CycleGAN\..*least_squares"),
        (
            "cyclegan",
            {"loss": "leastsquares"},
            r"'leastsquares' for a CycleGAN\. Did you mean 'least_squares'",
        ),
    ],
    ids=str,
)
def test_numbers_that_no_loss_can_have_are_refused(family, settings, message):
    with pytest.raises(GanzooError, match=message):
        built(family).compile("sgd", "sgd", **settings)


@pytest.mark.parametrize("wrap", [lambda optimizer: optimizer, keras.optimizers.LossScaleOptimizer])
@pytest.mark.parametrize("family", FAMILIES)
def test_networks_do_not_share_an_optimizer(family, wrap):
    shared = keras.optimizers.SGD()
    message = "^generator_optimizer and discriminator_optimizer are one optimizer, .*Make another"
    with pytest.raises(TrainingError, match=message):
        built(family).compile(wrap(shared), wrap(shared))


@pytest.mark.parametrize(
    ("family", "wrong"),
    [
        ("gan", {"update_order": "both"}),
        ("gan", {"steps_per_execution": 0}),
        ("dcgan", {"l2_weight": -1.0}),
        ("progan", {"steps_per_execution": 0, "phases": [{"resolution": 8, "stabilize_kimg": 1}]}),
        ("progan", {"rampup_kimg": 1, "generator_optimizer": falling()}),
        ("cyclegan", {"update_order": "alternating", "cycle_weight_a": -1.0}),
        ("cyclegan", {"update_order": "alternating", "steps_per_execution": 0}),
    ],
)
def test_a_refused_compile_leaves_the_model_as_it_was(family, wrong):
    model = built(family)
    model.compile("sgd", "sgd")
    before = dict(vars(model)), model.optimizers, model.settings
    with pytest.raises(GanzooError, match="Give|Choose|or leave"):
        model.compile(**{"generator_optimizer": "adam", "discriminator_optimizer": "adam"} | wrong)
    after = dict(vars(model)), model.optimizers, model.settings
    assert after == before


def test_a_pool_that_no_memory_could_hold_is_refused():
    """One that TensorFlow looks for memory for, ten seconds long, is among the command line's."""
    size = 10**20
    model = built("cyclegan", discriminator_layers=1)
    model.compile("sgd", "sgd", pool_size=size)
    images = np.zeros((1, 64, 64, 3), "float32")
    message = rf"A pool of {size:,} images takes .* GB, .* Use a smaller training\.pool_size"
    with pytest.raises(TrainingError, match=message):
        model.fit(tf.data.Dataset.from_tensors((images, images)), verbose=0)


@pytest.mark.parametrize(
    ("family", "settings", "message"),
    [
        ("progan", {"channels": 0}, r"channels is 0\. Give a whole number from 1 up"),
        ("progan", {"base_filters": 0}, r"base_filters is 0\."),
        ("progan", {"max_filters": 0}, r"max_filters is 0\."),
        ("progan", {"latent_dim": 4.0}, r"latent_dim is 4\.0\."),
        ("progan", {"group_size": 0}, r"group_size is 0\."),
        ("progan", {"group_size": -2}, r"group_size is -2\."),
        ("progan", {"image_size": 8.0}, r"cannot have image_size 8\.0\. Use a power of two"),
        ("progan", {"ema_decay": 1.0}, r"ema_decay is 1\.0\. .* from 0 on and below 1"),
        ("progan", {"ema_decay": -0.1}, r"ema_decay is -0\.1\."),
        ("progan", {"ema_half_life": 0}, r"ema_half_life is 0\. Give a finite number above 0"),
        ("gan", {"latent_dim": 0}, r"latent_dim is 0\. Give a whole number from 1 up"),
        ("gan", {"latent_bound": 0}, r"latent_bound is 0\. Give a finite number above 0"),
        ("gan", {"hidden_dropout": 1.0}, r"hidden_dropout is 1\.0\. .* and below 1"),
        ("gan", {"maxout_pieces": 0}, r"maxout_pieces is 0\."),
        ("gan", {"generator_scale": -1}, r"generator_scale is -1\."),
        ("gan", {"generator_output_scale": 0}, r"generator_output_scale is 0\."),
        ("dcgan", {"base_filters": 2.5}, r"base_filters is 2\.5\."),
        ("dcgan", {"batch_norm_momentum": 7}, r"batch_norm_momentum is 7\."),
        ("dcgan", {"batch_norm_epsilon": -1}, r"batch_norm_epsilon is -1\."),
        ("cyclegan", {"channels": 1.0}, r"channels is 1\.0\."),
        ("cyclegan", {"residual_blocks": 0}, r"residual_blocks is 0\. Give a whole number from 1"),
        ("cyclegan", {"discriminator_padding": -1}, r"discriminator_padding is -1\."),
        ("gan", {"ema_half_life": -5}, r"ema_half_life is -5\."),
        ("dcgan", {"ema_half_life": "long"}, r"ema_half_life is 'long'\."),
        ("dcgan", {"image_size": 16.0}, r"cannot have image_size 16\.0\."),
        ("dcgan", {"image_size": 28.0}, r"cannot have image_size 28\.0\. Use 28, 16, 32"),
    ],
    ids=str,
)
def test_networks_that_cannot_be_are_refused(family, settings, message):
    with pytest.raises(GanzooError, match=message):
        built(family, **settings)


@pytest.mark.parametrize(
    "shape", [[28, 28], (28,), (3,), (2.0,), (0, 4, 1), (4, 4, 1.5), (2, 4, 4, 1), (), 28, None]
)
def test_a_gan_makes_images_or_points(shape):
    message = (
        rf"^image_shape is {re.escape(repr(shape))}\. Give height, width and channels of the "
        r"images, such as \[28, 28, 1\], or \[2\] for points in the plane\.$"
    )
    with pytest.raises(GanzooError, match=message):
        built("gan", image_shape=shape)


@pytest.mark.parametrize("shape", [(2,), [np.int64(2)], [4, 6, 3], (4, 4, 1)])
def test_shapes_of_images_and_points_are_taken(shape):
    assert built("gan", image_shape=shape).image_shape == tuple(shape)


def test_an_image_shape_without_channels_is_refused_in_a_preset():
    with pytest.raises(GanzooError, match=r"^image_shape is \[28, 28\]\. Give height, width and"):
        ganzoo.load("gan_mnist", weights=False, **{"model.image_shape": [28, 28]})


@pytest.mark.parametrize("given", [8, 8.0, np.int64(8), np.float32(8)])
def test_a_resolution_is_known_by_its_value(given):
    keras.utils.set_random_seed(0)
    model = built("progan")  # nothing was generated yet: no function to fall back on
    assert model.generate(1, seed=0, resolution=given).shape == (1, 8, 8, 3)


@pytest.mark.parametrize("seed", [2**70, "a", [1, 2], 1.5])
@pytest.mark.parametrize("family", ["gan", "progan"])
def test_a_seed_that_is_none_is_refused(family, seed):
    with pytest.raises(GanzooError, match=r"^seed is .*\. Give a whole number of at most 64 bits"):
        built(family).generate(1, seed=seed)


@pytest.mark.parametrize("family", FAMILIES)
def test_a_model_has_a_seed(family):
    with pytest.raises(
        GanzooError, match=r"^seed is None\. Give a whole number of at most 64 bits"
    ):
        built(family, seed=None)
    assert built(family, seed=np.int64(-3)).get_config()["seed"] == -3


@pytest.mark.parametrize("seed", [-1, 2**32])
def test_a_seed_that_a_run_cannot_have_is_refused(fails, tmp_path, seed):
    out = tmp_path / "run"
    message = fails("train", "gan_ring", "--out", out, "--steps", 1, "--seed", seed)
    assert message == (f"The run's seed is {seed}. Give a whole number from 0 to 4294967295.")
    assert not out.exists()


def test_no_phases_are_not_the_default_ones():
    with pytest.raises(TrainingError, match=r"The phases have the resolutions \[\]"):
        ganzoo.load("progan_mnist", weights=False, phases=[])
