"""The networks of the progressive GAN: sizes, names, and how blocks fade in."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from ganzoo.errors import GanzooError
from ganzoo.models import progan
from ganzoo.models.progan import networks
from ganzoo.models.progan.growth import enlarge, shrink

OFFICIAL = {
    "group_size": 4,
    "group_statistic": "official",
    "pool_activations": False,
}


def build(image_size=16, channels=3, base_filters=4, max_filters=8, latent_dim=8, **changes):
    shape = {
        "image_size": image_size,
        "channels": channels,
        "base_filters": base_filters,
        "max_filters": max_filters,
    }
    generator = networks.build_generator(latent_dim, unit_biases=False, **shape)
    return generator, networks.build_discriminator(**shape, **(OFFICIAL | changes))


@pytest.fixture(scope="module")
def pair():
    generator, discriminator = build()
    rng = np.random.default_rng(0)
    for weight in generator.trainable_weights + discriminator.trainable_weights:
        weight.assign(rng.normal(size=weight.shape))  # biases too, so that they tell
    return generator, discriminator


LATENTS = np.random.default_rng(1).normal(size=(4, 8)).astype("float32")


def test_networks_of_1024_have_the_authors_number_of_parameters():
    generator, discriminator = build(1024, base_filters=16, max_filters=512, latent_dim=512)
    assert generator.count_params() == 23_079_115
    assert discriminator.count_params() == 23_087_249


def test_networks_for_cifar10_have_1_3_million_parameters():
    generator, discriminator = build(32, base_filters=128, max_filters=128, latent_dim=128)
    assert generator.count_params() == 1_296_908
    assert discriminator.count_params() == 1_298_689


def test_every_layer_of_weights_is_named_after_its_resolution():
    generator, discriminator = build(8)
    weighted = [layer.name for layer in generator.layers if layer.weights]
    assert sorted(weighted) == [
        "4x4_bias", "4x4_conv", "4x4_dense", "8x8_conv_0", "8x8_conv_1", "to_rgb_4", "to_rgb_8",
    ]  # fmt: skip
    weighted = [layer.name for layer in discriminator.layers if layer.weights]
    assert sorted(weighted) == [
        "4x4_conv", "4x4_dense", "8x8_conv_0", "8x8_conv_1", "from_rgb_4", "from_rgb_8", "logits",
    ]  # fmt: skip


def test_first_layer_has_a_quarter_of_the_usual_gain(pair):
    assert pair[0].get_layer("4x4_dense").scale == pytest.approx(np.sqrt(2) / 4 / np.sqrt(8))
    assert pair[0].get_layer("to_rgb_8").scale == pytest.approx(1 / np.sqrt(8))
    assert pair[1].get_layer("logits").gain == 1.0


def test_only_the_length_of_latents_is_lost(pair):
    images = pair[0](LATENTS)
    np.testing.assert_allclose(pair[0](5 * LATENTS), images, rtol=1e-3, atol=1e-4)
    assert np.abs(images).max() > 1  # linear at the end


def test_a_network_is_its_own_wiring_at_the_highest_resolution(pair):
    generator, discriminator = pair
    images = generator(LATENTS)
    wired = networks.wire_generator(generator.get_layer, LATENTS, 16)
    np.testing.assert_array_equal(images, wired)
    np.testing.assert_array_equal(
        discriminator(images), networks.wire_discriminator(discriminator.get_layer, images)
    )


def test_alpha_leads_from_the_images_below_to_those_of_a_block(pair):
    def draw(resolution, alpha=None):
        return networks.wire_generator(pair[0].get_layer, LATENTS, resolution, alpha).numpy()

    np.testing.assert_array_equal(draw(8, 0.0), enlarge(draw(4), 2))
    np.testing.assert_array_equal(draw(8, 1.0), draw(8))
    np.testing.assert_allclose(
        draw(8, 0.25), 0.75 * enlarge(draw(4), 2) + 0.25 * draw(8), 1e-4, 1e-4
    )


def test_alpha_leads_from_judging_half_the_side_to_all_of_it(pair):
    images = pair[0](LATENTS)

    def judge(images, alpha=None):
        return networks.wire_discriminator(pair[1].get_layer, images, alpha).numpy()

    np.testing.assert_allclose(judge(images, 0.0), judge(shrink(images, 8)), rtol=1e-5)
    np.testing.assert_array_equal(judge(images, 1.0), judge(images))
    assert np.abs(judge(images, 0.5) - judge(images)).min() > 1e-4


@pytest.mark.parametrize(("resolution", "alpha"), [(4, None), (8, 0.5), (16, 0.5), (16, None)])
def test_active_weights_are_those_that_move(pair, resolution, alpha):
    generator, discriminator = pair
    with tf.GradientTape(persistent=True) as tape:
        images = networks.wire_generator(generator.get_layer, LATENTS, resolution, alpha)
        loss = tf.reduce_sum(
            networks.wire_discriminator(discriminator.get_layer, images, alpha) ** 2
        )
    for network in pair:
        weights = network.trainable_weights
        moved = {
            weight.path
            for weight, slope in zip(weights, tape.gradient(loss, weights), strict=True)
            if slope is not None and np.abs(slope).max() > 0
        }
        active = networks.active_weights(network, resolution, fades=alpha is not None)
        assert moved == {weight.path for weight in active}


def test_pooling_after_the_activation_is_another_network():
    _, before = build(8)
    _, after = build(8, pool_activations=True)
    after.set_weights(before.get_weights())
    images = np.random.default_rng(0).normal(size=(4, 8, 8, 3)).astype("float32")
    assert np.abs(before(images) - after(images)).max() > 1e-3


def test_shrinking_takes_means_of_squares_and_fades_detail():
    images = np.arange(16, dtype="float32").reshape(1, 4, 4, 1)
    np.testing.assert_array_equal(shrink(images, 2)[0, ..., 0], [[2.5, 4.5], [10.5, 12.5]])
    faded = shrink(images, 4, 0.25)[0, ..., 0].numpy()
    np.testing.assert_allclose(
        faded[0], 0.75 * np.array([2.5, 2.5, 4.5, 4.5]) + [0, 0.25, 0.5, 0.75]
    )


def test_networks_come_back_from_their_config(pair):
    for network in pair:
        config = keras.saving.serialize_keras_object(network)
        again = keras.saving.deserialize_keras_object(config)
        again.set_weights(network.get_weights())
        inputs = LATENTS if network is pair[0] else np.ones((4, 16, 16, 3), "float32")
        np.testing.assert_array_equal(network(inputs), again(inputs))


def test_impossible_sizes_are_refused():
    for image_size in (2, 48, 2048):
        with pytest.raises(GanzooError, match=f"cannot have image_size {image_size}"):
            progan.build(image_size=image_size)
    with pytest.raises(GanzooError, match="Did you mean 'official'"):
        progan.build(image_size=4, group_statistic="oficial")
