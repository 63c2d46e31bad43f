"""DCGAN: the counts and outputs of the networks that people know, and its training step.

The outputs of PyTorch's networks, published ones among them, are in tests/porting.
"""

import keras
import numpy as np
import pytest
import tensorflow as tf

import ganzoo
from ganzoo.errors import GanzooError
from ganzoo.models import dcgan
from tests.models import dcgan_reference
from tests.models.dcgan_reference import Shape


def tiny(preset):
    """Overrides that make a preset of this family small."""
    size = 28 if preset.model["image_size"] == 28 else 16
    return {"model.image_size": size, "model.base_filters": 4, "model.latent_dim": 5}


OFFICIAL = {"kernel_size": 5, "dense_ends": True, "batch_norm_epsilon": 1e-8}
RATE = 0.05


def build(image_size=16, *, settings=None, seed=1, **shape):
    """A small DCGAN, compiled with plain SGD, with random weights and statistics."""
    small = {"channels": 1, "latent_dim": 3, "base_filters": 2, "seed": seed}
    model = dcgan.build(image_size=image_size, **small | shape)
    random = np.random.default_rng(seed)
    for network in model.networks.values():
        for item in network.variables:
            spread = {"gamma": (1.0, 0.3), "moving_variance": (2.0, 0.3)}
            mean, deviation = spread.get(item.name, (0.0, 0.4))
            item.assign(random.normal(mean, deviation, item.shape))
    model.compile(*(keras.optimizers.SGD(RATE) for _ in range(2)), **settings or {})
    return model


def real_batch(step, image_size=16, count=5):
    random = np.random.default_rng(100 + step)
    shape = (count, image_size, image_size, 1)
    return tf.constant(random.uniform(-1, 1, shape).astype("float32"))


def shape_of(image_size, settings):
    return Shape(
        image_size,
        dense_ends=settings.get("dense_ends", False),
        epsilon=settings.get("batch_norm_epsilon", 1e-5),
    )


# --- the networks -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("preset", "generator", "discriminator"),
    [
        ("dcgan_celeba64", 3_576_704, 2_765_568),
        ("dcgan_lsun_bedroom", 18_885_760, 17_232_768),
    ],
    ids=["common", "official"],
)
def test_networks_have_the_known_numbers_of_parameters(preset, generator, discriminator):
    model = ganzoo.load(preset, weights=False)
    for network, wanted in ((model.generator, generator), (model.discriminator, discriminator)):
        counted = sum(int(np.prod(weight.shape)) for weight in network.trainable_variables)
        assert counted == wanted
        assert not [weight for weight in network.trainable_variables if weight.name == "bias"]
    norms = [layer for layer in model.generator.layers if hasattr(layer, "moving_mean")]
    assert {norm.epsilon for norm in norms} == {1e-8 if preset.startswith("dcgan_lsun") else 1e-5}


def is_up(layer):
    return isinstance(layer, keras.layers.Conv2DTranspose)


@pytest.mark.parametrize("settings", [{}, OFFICIAL], ids=["common", "official"])
@pytest.mark.parametrize("image_size", [16, 28, 32, 64, 128, 256])
def test_every_size_ends_in_one_logit(image_size, settings):
    model = dcgan.build(image_size, channels=3, latent_dim=4, base_filters=1, **settings)
    assert model.generator.output.shape == (None, image_size, image_size, 3)
    assert model.discriminator.input.shape == (None, image_size, image_size, 3)
    assert model.discriminator.output.shape == (None, 1)
    deepest = [layer.output.shape for layer in model.discriminator.layers if "feat" in layer.name]
    assert deepest[-1][1] == (3 if image_size == 28 and not settings else 4)
    kernels = {layer.name: layer.kernel_size for layer in model.generator.layers if is_up(layer)}
    usual = settings.get("kernel_size", 4)
    sides = {name: 3 if name == "up_7" else usual for name in kernels}
    assert kernels == {name: (side, side) for name, side in sides.items()}
    assert ("up_7" in kernels) == (image_size == 28)


@pytest.mark.parametrize("image_size", [8, 20, 27, 48, 512, 0, -16])
def test_other_sizes_are_refused(image_size):
    with pytest.raises(GanzooError, match=f"cannot have image_size {image_size}. Use 28, 16, 32"):
        dcgan.build(image_size=image_size)


@pytest.mark.parametrize("settings", [{}, OFFICIAL], ids=["common", "official"])
@pytest.mark.parametrize("image_size", [16, 28, 32])
def test_networks_give_the_outputs_of_the_reference(image_size, settings):
    model = build(image_size, **settings)
    shape = shape_of(image_size, settings)
    latents = np.random.default_rng(0).normal(size=(4, 3))
    weights = dcgan_reference.copied(model.generator)
    wanted = dcgan_reference.generate(weights, latents, shape)
    assert np.std(wanted) > 0.02
    np.testing.assert_allclose(model(latents.astype("float32")), wanted, atol=2e-5)
    images = real_batch(0, image_size)
    weights = dcgan_reference.copied(model.discriminator)
    wanted = dcgan_reference.judge(weights, np.asarray(images, "float64"), shape)
    np.testing.assert_allclose(model.discriminator(images), wanted, rtol=1e-4, atol=1e-4)


def test_weights_start_as_the_paper_says():
    keras.utils.set_random_seed(0)
    model = dcgan.build(image_size=32, base_filters=32)
    kernels = {}
    for network in model.networks.values():
        for item in network.variables:
            values = np.asarray(item)
            if item.name == "kernel":
                kernels[item.path] = values
                assert values.std() == pytest.approx(0.02, rel=0.05 if values.size > 5000 else 0.1)
            elif item.name == "gamma":
                assert values.mean() == pytest.approx(1.0, abs=0.02)
                assert 0.01 < values.std() < 0.03
            else:
                assert (values == (1.0 if item.name == "moving_variance" else 0.0)).all()
    firsts = [kernel.ravel()[0] for kernel in kernels.values()]
    assert len(set(firsts)) == len(firsts), "no initializer is shared"


def test_batch_norm_sees_all_replicas():
    model = build()
    norms = [
        layer
        for network in model.networks.values()
        for layer in network.layers
        if hasattr(layer, "moving_mean")
    ]
    assert len(norms) == 3
    assert all(norm.synchronized for norm in norms)


# --- the step ---------------------------------------------------------------------------------

RULES = [
    (16, {}, {}),
    (16, {}, {"update_order": "generator_first", "l2_weight": 0.05}),
    (16, OFFICIAL, {"update_order": "generator_first", "l2_weight": 0.05}),
    (28, {}, {"l2_weight": 0.05}),
]


@pytest.mark.parametrize(("image_size", "settings", "rules"), RULES)
def test_steps_are_those_of_the_reference(image_size, settings, rules, noise):
    model = build(image_size, settings=rules, **settings)
    reference = dcgan_reference.Reference(model, RATE, shape_of(image_size, settings))
    start = dcgan_reference.copied(model.generator)["project/kernel"].numpy()
    for step in range(3):
        found = model.counted_train_step(real_batch(step, image_size))
        wanted = reference.step(real_batch(step, image_size), noise)
        assert noise == [], "all that was drawn has its place in the reference"
        found = [float(found[name]) for name in ("discriminator_loss", "generator_loss")]
        assert found == pytest.approx(wanted, rel=1e-3)
    for name, owned in reference.weights.items():
        for item in model.networks[name].variables:
            wanted = owned[item.path]
            np.testing.assert_allclose(item, wanted, rtol=1e-3, atol=1e-4, err_msg=item.path)
    assert np.abs(reference.weights["generator"]["project/kernel"] - start).max() > 1e-2


def trainable(network):
    return [np.array(weight) for weight in network.trainable_variables]


def moved(before, network):
    return [bool((a != b).any()) for a, b in zip(before, trainable(network), strict=True)]


def test_a_turn_moves_one_player_alone():
    model = build()
    before = {name: trainable(network) for name, network in model.networks.items()}
    fake_images, tape = model.make_fakes(5, "latents")
    model.train_generator(fake_images, tape)
    assert all(moved(before["generator"], model.generator))
    assert not any(moved(before["discriminator"], model.discriminator))
    before = trainable(model.generator)
    model.train_discriminator(real_batch(0), fake_images)
    assert not any(moved(before, model.generator))


def test_real_and_fake_images_are_normalised_apart(monkeypatch):
    model, seen = build(), []
    plain = type(model.discriminator).__call__

    def watched(network, images, **options):
        if network is model.discriminator:
            seen.append((np.asarray(images), options))
        return plain(network, images, **options)

    monkeypatch.setattr(type(model.discriminator), "__call__", watched)
    model.counted_train_step(real_batch(0))
    assert [(len(images), options) for images, options in seen] == [(5, {"training": True})] * 3
    np.testing.assert_array_equal(seen[0][0], real_batch(0))
    np.testing.assert_array_equal(seen[1][0], seen[2][0])


@pytest.mark.parametrize("order", dcgan.model.UPDATE_ORDERS)
def test_real_and_fake_are_augmented_in_both_updates(order, monkeypatch):
    seen, judged = [], []
    model = build(settings={"update_order": order, "augment": ["color", "cutout"]})
    plain = type(model.discriminator).__call__

    def halve(images, key, positions, policies):
        assert policies == ["color", "cutout"]
        np.testing.assert_array_equal(positions, range(5))
        seen.append(tuple(np.asarray(key)))
        return images * 0.5

    def watched(network, images, **options):
        if network is model.discriminator:
            judged.append(float(tf.reduce_max(tf.abs(images))))
        return plain(network, images, **options)

    monkeypatch.setattr("ganzoo.data.augment.diff_augment", halve)
    monkeypatch.setattr(type(model.discriminator), "__call__", watched)
    before = trainable(model.generator)
    model.counted_train_step(real_batch(0))
    assert len(set(seen)) == len(seen) == len(judged) == 3
    assert max(judged) <= 0.5, "the discriminator sees nothing else"
    assert all(moved(before, model.generator)), "the gradient goes through the augmentation"


def test_a_test_step_is_inference_and_moves_nothing(noise):
    model = build()
    before = {name: network.get_weights() for name, network in model.networks.items()}
    found = model.test_step(real_batch(0))
    real, fake = (
        np.asarray(model.discriminator(images, training=False), "float64")
        for images in (real_batch(0), model(noise.pop().astype("float32")))
    )
    softplus = np.logaddexp
    assert float(found["generator_loss"]) == pytest.approx(softplus(0, -fake).mean(), rel=1e-5)
    wanted = softplus(0, -real).mean() + softplus(0, fake).mean()
    assert float(found["discriminator_loss"]) == pytest.approx(wanted, rel=1e-5)
    assert float(found["game_value"]) == pytest.approx(-wanted, rel=1e-5)
    for name, network in model.networks.items():
        for one, other in zip(before[name], network.get_weights(), strict=True):
            np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("loss", ["minimax", "least_squares"])
def test_other_losses_train_too(loss):
    model = build(settings={"loss": loss})
    values = model.counted_train_step(real_batch(0))
    assert all(np.isfinite(float(value)) for value in values.values())
    other = build().counted_train_step(real_batch(0))
    assert float(values["generator_loss"]) != float(other["generator_loss"])


def test_settings_that_do_not_exist_are_refused():
    with pytest.raises(
        GanzooError, match=r"no loss named 'hinge' for a DCGAN\. Choose one of: least_"
    ):
        build(settings={"loss": "hinge"})
    with pytest.raises(GanzooError, match=r"'generator_frist'\. Did you mean 'generator_first'"):
        build(settings={"update_order": "generator_frist"})
