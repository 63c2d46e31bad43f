"""The vanilla GAN: the official numbers, the game's rules, and a world whose truth is known."""

import keras
import numpy as np
import pytest
import tensorflow as tf

import ganzoo
from ganzoo.data.samples import POINT_SETS
from ganzoo.errors import DataError, GanzooError, TrainingError
from ganzoo.metrics import count_modes
from ganzoo.models import gan
from ganzoo.optimizers import AnnealedSGD
from tests.models import gan_reference


def tiny(preset):
    """Overrides that make a preset of this family small."""
    shape = preset.model["image_shape"]
    size = {"model.image_shape": [8, 8, shape[2]]} if len(shape) == 3 else {}
    return size | {
        "model.generator_units": [8, 8],
        "model.discriminator_units": [6, 6],
        "model.latent_dim": 5,
        # With the authors' small weights so few units would hardly move at all.
        "model.generator_scale": 0.5,
        "model.discriminator_scale": 0.5,
    }


PIECES = 3
SMALL = {
    "image_shape": (4, 4, 1),
    "latent_dim": 3,
    "generator_units": (7, 6),
    "generator_scale": 0.5,
    "discriminator_units": (5, 4),
    "discriminator_scale": 0.5,
    "maxout_pieces": PIECES,
}


def build(*, seed=1, rate=0.5, momentum=0.5, settings=None, **shape):
    """A small VanillaGAN, compiled with annealed SGD, all of whose weights count."""
    keras.utils.set_random_seed(seed)
    model = gan.build(seed=seed, **SMALL | shape)
    for network in model.networks.values():
        for weight in network.trainable_variables:
            if weight.name == "bias":
                weight.assign(np.random.default_rng(seed).normal(0, 0.3, weight.shape))
    optimizers = [AnnealedSGD(rate, momentum, decay_factor=1.0) for _ in range(2)]
    model.compile(*optimizers, **settings or {})
    return model


def real_batch(step, count=6, shape=(4, 4, 1)):
    random = np.random.default_rng(100 + step)
    return tf.constant(random.uniform(-1, 1, (count, *shape)).astype("float32"))


# --- the official networks --------------------------------------------------------------------


def test_the_official_networks_have_the_official_numbers():
    keras.utils.set_random_seed(0)
    model = ganzoo.load("gan_mnist", weights=False)
    assert model.generator.count_params() == 2_503_984
    assert model.discriminator.count_params() == 1_231_441
    for network, bound in ((model.generator, 0.05), (model.discriminator, 0.005)):
        for weight in network.trainable_variables:
            values = np.asarray(weight)
            if weight.name == "bias":
                assert not values.any()
            else:
                assert np.abs(values).max() <= bound
                assert values.std() == pytest.approx(bound / 3**0.5, rel=0.1)
    rates = [layer.rate for layer in model.discriminator.layers if hasattr(layer, "rate")]
    assert rates == [0.2, 0.5, 0.5]
    assert isinstance(model.generator_optimizer, AnnealedSGD)
    assert (model.loss, model.update_order) == ("non_saturating", "simultaneous")
    assert (model.discriminator_steps, model.discriminator_loss_weight) == (1, 0.5)


def test_the_official_network_for_cifar10_has_a_wider_last_layer():
    model = gan.build((8, 8, 3), generator_scale=0.05, generator_output_scale=0.5)
    spread = {layer.name: np.std(layer.kernel) for layer in model.generator.layers if layer.weights}
    wanted = {"hidden_1": 0.05, "hidden_2": 0.05, "output": 0.5}
    assert spread == pytest.approx({name: x / 3**0.5 for name, x in wanted.items()}, rel=0.02)


def test_latents_have_variance_1():
    model = ganzoo.load("gan_mnist", weights=False)
    latents = np.asarray(model.training_latents(500))
    assert latents.shape == (500, 100)
    assert np.abs(latents).max() <= 3**0.5
    assert latents.var() == pytest.approx(1.0, abs=0.01)


def test_networks_give_the_outputs_of_the_reference():
    model = build()
    latents = np.random.default_rng(0).normal(size=(9, 3))
    generator, discriminator = (
        [np.asarray(weight, "float64") for weight in network.trainable_variables]
        for network in (model.generator, model.discriminator)
    )
    wanted = np.asarray(gan_reference.generate(generator, latents))
    np.testing.assert_allclose(np.reshape(model(latents), (9, 16)), wanted, atol=1e-6)
    images = real_batch(0)
    wanted = gan_reference.judge(discriminator, np.asarray(images, "float64"), PIECES)
    np.testing.assert_allclose(model.discriminator(images), wanted, atol=1e-6)


def fill(network, arrays):
    """Fills dense layers in order with weights `(out, in)` and biases, as PyTorch keeps them."""
    kernels = [arrays[name].T if arrays[name].ndim == 2 else arrays[name] for name in arrays]
    network.set_weights(kernels)


def test_published_networks_give_their_reference_outputs(shared_data):
    settings = {
        "image_shape": (28, 28, 1),
        "latent_dim": 64,
        "generator_units": (256, 256),
        "output_activation": "tanh",
        "discriminator_units": (256, 256),
        "discriminator_activation": "leaky_relu",
    }
    model = gan.build(**settings)
    outputs = {}
    for name in ("generator", "discriminator"):
        with np.load(shared_data / "weights" / f"mlp_gan_mnist_{name}.npz") as file:
            outputs[name] = {key: file[key] for key in file.files if key.startswith("ref/")}
            arrays = {key: file[key] for key in file.files if not key.startswith("ref/")}
        fill(model.networks[name], arrays)
    made, judged = outputs["generator"], outputs["discriminator"]
    images = np.reshape(model.generator(made["ref/z"]), (-1, 784))
    np.testing.assert_allclose(images, made["ref/images_flat"], atol=1e-4)
    logits = model.discriminator(judged["ref/images_flat"].reshape(-1, 28, 28, 1))
    np.testing.assert_allclose(tf.sigmoid(logits), judged["ref/prob"], atol=1e-4)


# --- the updates ------------------------------------------------------------------------------

RULES = [
    {"loss": "non_saturating", "update_order": "simultaneous"},
    {"loss": "minimax", "update_order": "simultaneous", "discriminator_loss_weight": 1.0},
    {"loss": "minimax", "update_order": "alternating"},
    {"loss": "non_saturating", "update_order": "alternating", "discriminator_steps": 3},
]


@pytest.mark.parametrize("rules", RULES, ids=lambda rules: " ".join(map(str, rules.values())))
def test_steps_are_those_of_the_reference(rules, noise):
    model = build(settings=rules)
    reference = gan_reference.Reference(model, pieces=PIECES, rate=0.5, momentum=0.5)
    start = reference.weights["generator"][0].numpy()
    for step in range(4):
        found = model.counted_train_step(real_batch(step))
        if rules["update_order"] == "simultaneous":
            wanted = reference.simultaneous(real_batch(step), noise)
        else:
            steps = rules.get("discriminator_steps", 1)
            wanted = reference.alternating(real_batch(step), noise, steps)
        assert noise == [], "all that was drawn has its place in the reference"
        assert {name: float(value) for name, value in found.items()} == pytest.approx(
            wanted, rel=1e-4, abs=1e-5
        )
    for name, owned in reference.weights.items():
        for weight, value in zip(model.networks[name].trainable_variables, owned, strict=True):
            np.testing.assert_allclose(weight, value, atol=1e-5, err_msg=weight.path)
    assert np.abs(reference.weights["generator"][0] - start).max() > 1e-2
    assert int(model.step) == 4


def test_every_turn_has_noise_of_its_own(noise):
    model = build(settings={"update_order": "alternating", "discriminator_steps": 3})
    for step in range(2):
        model.counted_train_step(real_batch(step))
    latents = [draw for draw in noise if draw.shape[1:] == (3,)]
    assert len(latents) == 2 * (3 + 1)
    masks = [draw for draw in noise if draw.shape[1:] == (5,)]
    assert len(masks) == 2 * (3 + 1), "dropout is on in G's update too"
    for draws in (latents, masks):
        firsts = [tuple(draw[0]) for draw in draws]
        assert len(set(firsts)) == len(firsts)


def test_a_compiled_step_is_an_eager_one():
    eager, compiled = build(), build()
    for step in range(2):
        eager.counted_train_step(real_batch(step))
    dataset = tf.data.Dataset.from_tensor_slices(tf.concat([real_batch(0), real_batch(1)], 0))
    compiled.fit(dataset.batch(6, drop_remainder=True), verbose=0)
    for name, network in eager.networks.items():
        for one, other in zip(network.variables, compiled.networks[name].variables, strict=True):
            np.testing.assert_allclose(one, other, atol=1e-6)


def test_every_turn_has_augmentations_of_its_own(monkeypatch):
    keys = []

    def watched(images, key, positions, policies):
        keys.append(tuple(np.asarray(key)))
        return images

    monkeypatch.setattr("ganzoo.data.augment.diff_augment", watched)
    rules = {"update_order": "alternating", "discriminator_steps": 3, "augment": ["color"]}
    build(settings=rules).counted_train_step(real_batch(0))
    assert len(keys) == 3 * 2 + 1, "real and fake in each turn of D, fake in that of G"
    assert len(set(keys)) == len(keys)


@pytest.mark.parametrize("order", gan.model.UPDATE_ORDERS)
def test_real_and_fake_are_augmented_in_both_updates(order, monkeypatch):
    seen, judged = [], []

    def halve(images, key, positions, policies):
        assert policies == ["cutout"]
        np.testing.assert_array_equal(positions, range(6))
        seen.append(tuple(np.asarray(key)))
        return images * 0.5

    model = build(settings={"update_order": order, "augment": ["cutout"]})
    plain = type(model.discriminator).__call__

    def watched(network, images, **options):
        if network is model.discriminator:
            judged.append(float(tf.reduce_max(tf.abs(images))))
        return plain(network, images, **options)

    monkeypatch.setattr("ganzoo.data.augment.diff_augment", halve)
    monkeypatch.setattr(type(model.discriminator), "__call__", watched)
    before = [np.array(weight) for weight in model.generator.trainable_variables]
    model.counted_train_step(real_batch(0))
    assert len(set(seen)) == len(seen) == {"simultaneous": 2, "alternating": 3}[order]
    assert max(judged) <= 0.5, "the discriminator sees nothing else"
    moved = [np.abs(a - b).max() for a, b in zip(before, model.generator.weights, strict=True)]
    assert min(moved) > 0, "the gradient goes through the augmentation"
    model.test_step(real_batch(0))
    assert max(judged) > 0.5, "tests look at the images themselves"


def test_a_test_step_drops_nothing_and_moves_nothing(noise):
    model = build()
    reference = gan_reference.Reference(model, pieces=PIECES, rate=0.5, momentum=0.5)
    found = model.test_step(real_batch(0))
    assert len(noise) == 1
    logits = (
        reference.judge(np.asarray(images, "float64"), None)
        for images in (real_batch(0), reference.generate(noise[0]))
    )
    real_logits, fake_logits = logits
    wanted = gan_reference.summary(
        real_logits, fake_logits, *reference.losses(real_logits, fake_logits)
    )
    assert {name: float(value) for name, value in found.items()} == pytest.approx(wanted, rel=1e-5)
    for name, owned in reference.weights.items():
        for weight, value in zip(model.networks[name].trainable_variables, owned, strict=True):
            np.testing.assert_array_equal(weight, value.numpy().astype("float32"))


# --- adapting to data -------------------------------------------------------------------------


def test_the_output_bias_is_the_logit_of_the_datas_mean():
    model = build(image_shape=(2, 2, 1), ema_half_life=100)
    share = np.array([0.0, 0.25, 0.9, 1.0])
    pixels = (np.arange(20)[:, None] < 20 * share).astype("float32").reshape(20, 2, 2, 1)
    dataset = tf.data.Dataset.from_tensor_slices(2 * pixels - 1).batch(8)  # 8, 8 and 4
    model.adapt(dataset)
    bias = np.asarray(model.generator.get_layer("output").bias)
    bounded = np.clip(share, 1 / 510, 509 / 510)
    np.testing.assert_allclose(bias, np.log(bounded / (1 - bounded)), rtol=1e-5)
    np.testing.assert_array_equal(model.ema_generator.get_layer("output").bias, bias)
    model.ema_generator.get_layer("output").kernel.assign(np.zeros((6, 4)))
    images = model.generate(1, seed=0)
    np.testing.assert_array_equal(images.ravel(), [0, 64, 230, 254])  # 255 share, 1/2 from the end


def test_other_outputs_are_not_adapted():
    model = build(output_activation="tanh")
    before = np.array(model.generator.get_layer("output").bias)
    model.adapt([real_batch(0)])
    np.testing.assert_array_equal(model.generator.get_layer("output").bias, before)


# --- settings ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"loss": "minmax"}, r"'minmax' for a vanilla GAN\. Did you mean 'minimax'"),
        ({"update_order": "alternate"}, r"is 'alternate'\. Did you mean 'alternating'"),
        ({"discriminator_steps": 2}, r"is 2, and simultaneous updates .*'alternating'"),
        (
            {"discriminator_steps": 0, "update_order": "alternating"},
            r"discriminator_steps is 0\. Give a whole number from 1 up",
        ),
    ],
)
def test_settings_that_make_no_game_are_refused(settings, message):
    with pytest.raises(GanzooError, match=message):
        build(settings=settings)


def test_a_batch_that_k_does_not_divide_is_refused():
    model = build(settings={"update_order": "alternating", "discriminator_steps": 4})
    with pytest.raises(TrainingError, match=r"6 images .* 4 updates .* multiple of 4"):
        model.fit(np.asarray(real_batch(0)), batch_size=6, verbose=0)


def test_a_last_batch_that_k_does_not_divide_is_explained():
    model = build(settings={"update_order": "alternating", "discriminator_steps": 2})
    dataset = tf.data.Dataset.from_tensor_slices(real_batch(0, count=5)).batch(4)  # 4 and 1
    message = r"^A batch .* by the 2 updates .* drop_remainder=True and a multiple of 2\.$"
    with pytest.raises(DataError, match=message):
        model.fit(dataset, verbose=0)
    assert model.steps_taken == 1


def test_layers_and_activations_have_to_be_as_many():
    with pytest.raises(GanzooError, match="generator_units has 2 layers and .* has 1. Give one"):
        gan.build(generator_units=(5, 5), generator_activations=("relu",))


# --- a world whose truth is known -------------------------------------------------------------


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_gan_ring_finds_all_modes(seed):
    keras.utils.set_random_seed(seed)
    settings = {"model.seed": seed, "training.steps_per_execution": 50}
    model = ganzoo.load("gan_ring", weights=False, **settings)
    dataset = ganzoo.data.load("ring8", batch_size=256, seed=seed)
    model.fit(dataset, epochs=25, verbose=0)
    points = model.generate(2000, seed=1)
    assert (points.dtype, points.shape) == (np.float32, (2000, 2))
    found = count_modes(points, POINT_SETS["ring8"].centers, POINT_SETS["ring8"].sigma)
    assert found.modes_hit == 8
    assert found.good_share >= 0.8
    assert model.preview(seed=0).shape == (256, 256, 1)
