"""CycleGAN's networks: sizes, layers, and outputs equal to PyTorch's."""

import pathlib

import keras
import numpy as np
import pytest
import tensorflow as tf

from ganzoo.errors import GanzooError
from ganzoo.layers import InstanceNorm, ReflectionPad2D, use_statistics
from ganzoo.models import cyclegan
from ganzoo.models.cyclegan.networks import (
    build_discriminator,
    build_generator,
    part_of,
    smallest_side,
)
from ganzoo.porting.pytorch import read_checkpoint


def tiny(preset):
    """Overrides that make a preset of this family small, with pools that fill in a few steps."""
    return {
        "model.base_filters": 4,
        "model.residual_blocks": 1,
        "model.discriminator_filters": 4,
        "model.discriminator_layers": 2,
        "training.pool_size": 1 if preset.training.get("pool_whole_batches") else 3,
    }


FIXTURES = pathlib.Path(__file__).parents[1] / "porting" / "fixtures"


def tiny_generator(blocks=1, affine=False, filters=2):
    return build_generator(
        "generator_ab", channels=3, base_filters=filters, residual_blocks=blocks, affine=affine
    )


def tiny_discriminator(filters=2, affine=False, padding=1, layer_count=3):
    return build_discriminator(
        "discriminator_a",
        channels=3,
        base_filters=filters,
        layer_count=layer_count,
        padding=padding,
        affine=affine,
    )


def statistics_of(network, images):
    """Gives what each instance norm finds in images: pairs of mean and variance."""
    found = [layer.input for layer in network.layers if isinstance(layer, InstanceNorm)]
    return [
        tf.nn.moments(values, (1, 2), keepdims=True)
        for values in keras.Model(network.input, found)(images)
    ]


def fill(network, state):
    """Fills layers in order from a PyTorch state dict, whose order is that of the modules.

    OIHW of a convolution and IOHW of a transposed one both become Keras's layout by the same
    transposition.
    """
    arrays = [np.asarray(array) for array in state.values()]
    for layer in network.layers:
        if layer.weights:
            kernel, bias = arrays.pop(0), arrays.pop(0)
            layer.set_weights([kernel.transpose(2, 3, 1, 0) if kernel.ndim == 4 else kernel, bias])
    assert not arrays


@pytest.mark.parametrize(
    ("blocks", "affine", "parameters"),
    [(9, False, 11_378_179), (6, False, 7_837_699), (9, True, 11_388_675)],
)
def test_generators_have_the_official_number_of_parameters(blocks, affine, parameters):
    assert tiny_generator(blocks, affine, filters=64).count_params() == parameters


def test_discriminator_has_the_official_parameters_and_logits():
    discriminator = tiny_discriminator(64)
    assert discriminator.count_params() == 2_764_737
    assert discriminator.compute_output_shape((1, 256, 256, 3)) == (1, 30, 30, 1)
    # The paper's Lua code pads by 2: 256 → 129 → 65 → 33 → 34 → 35.
    lua = tiny_discriminator(64, padding=2)
    assert lua.compute_output_shape((1, 256, 256, 3)) == (1, 35, 35, 1)


def test_one_logit_sees_a_patch_of_70():
    discriminator = tiny_discriminator()
    # Instance norm spreads every pixel over the image: given statistics keep it local.
    statistics = statistics_of(discriminator, tf.zeros((1, 256, 256, 3)))
    with tf.GradientTape() as tape, use_statistics(statistics):
        images = tf.random.stateless_normal((1, 256, 256, 3), (1, 2))
        tape.watch(images)
        logit = discriminator(images)[0, 15, 15, 0]
    touched = np.abs(tape.gradient(logit, images)[0]).sum(axis=-1) > 0
    assert np.flatnonzero(touched.any(axis=0)).tolist() == list(
        range(touched.any(axis=0).argmax(), touched.any(axis=0).argmax() + 70)
    )
    assert touched.any(axis=1).sum() == 70


@pytest.mark.parametrize(
    ("name", "blocks", "affine"),
    [
        ("cyclegan_resnet9", 9, False),
        ("cyclegan_resnet9_affine", 9, True),
        ("cyclegan_resnet6_affine", 6, True),
    ],
)
def test_generators_give_the_outputs_of_pytorch(name, blocks, affine):
    reference = np.load(FIXTURES / f"{name}.npz")
    generator = tiny_generator(blocks, affine)
    fill(generator, read_checkpoint(FIXTURES / f"{name}.pth"))
    images = reference["inputs"].transpose(0, 2, 3, 1)
    expected = reference["outputs"].transpose(0, 2, 3, 1)
    np.testing.assert_allclose(generator(images), expected, atol=2e-5)


def test_discriminators_give_the_outputs_of_pytorch():
    reference = np.load(FIXTURES / "cyclegan_both.npz")
    states = read_checkpoint(FIXTURES / "cyclegan_both.pth")
    for name in ("D_A", "D_B"):
        discriminator = tiny_discriminator()
        fill(discriminator, states[name])
        images = reference[f"{name}_inputs"].transpose(0, 2, 3, 1)
        expected = reference[f"{name}_outputs"].transpose(0, 2, 3, 1)
        np.testing.assert_allclose(discriminator(images), expected, atol=2e-5)


@pytest.mark.parametrize("size", [(8, 8), (8, 20), (36, 12)])
def test_generators_keep_any_size_that_4_divides(size):
    assert tiny_generator()(tf.zeros((2, *size, 3))).shape == (2, *size, 3)


@pytest.mark.parametrize(
    ("layer_count", "padding", "side"), [(1, 1, 8), (2, 1, 12), (3, 1, 24), (3, 2, 8)]
)
def test_smallest_side_is_the_smallest_that_gives_a_logit(layer_count, padding, side):
    discriminator = tiny_discriminator(layer_count=layer_count, padding=padding)
    assert smallest_side(discriminator) == side
    assert min(discriminator(tf.zeros((1, side, side, 3))).shape) >= 1


def test_instance_norm_matches_numpy():
    images = np.random.default_rng(0).normal(3.0, 2.0, (2, 5, 7, 3)).astype("float32")
    mean = images.astype("float64").mean(axis=(1, 2), keepdims=True)
    variance = images.astype("float64").var(axis=(1, 2), keepdims=True)
    expected = (images - mean) / np.sqrt(variance + 1e-5)
    np.testing.assert_allclose(InstanceNorm()(images), expected, atol=2e-6)
    affine = InstanceNorm(affine=True)
    affine.build(images.shape)
    affine.gamma.assign([1.0, 2.0, -1.0])
    affine.beta.assign([0.0, 0.5, 3.0])
    expected = expected * [1.0, 2.0, -1.0] + [0.0, 0.5, 3.0]
    np.testing.assert_allclose(affine(images), expected, atol=5e-6)


def test_instance_norm_keeps_its_precision_in_half_precision():
    # The mean of 65,536 values near 8 is wrong by percents if it is summed in bfloat16.
    images = 8.0 + tf.random.stateless_normal((1, 256, 256, 1), (1, 2))
    images = tf.cast(images, "bfloat16")
    normalised = InstanceNorm(dtype="mixed_bfloat16")(images)
    assert normalised.dtype == "bfloat16"
    expected = InstanceNorm(dtype="float32")(tf.cast(images, "float32"))
    assert float(tf.reduce_max(tf.abs(tf.cast(normalised, "float32") - expected))) < 0.02


def test_scales_of_instance_norm_are_drawn_around_one():
    layer = InstanceNorm(affine=True)
    layer.build((None, None, None, 10_000))
    gamma = np.asarray(layer.gamma)
    assert abs(gamma.mean() - 1.0) < 0.001
    assert abs(gamma.std() - 0.02) < 0.001
    assert not np.asarray(layer.beta).any()


def test_given_statistics_make_a_part_of_an_image_that_of_the_whole():
    generator = tiny_generator(affine=True)
    images = tf.random.stateless_normal((1, 32, 128, 3), (3, 4))
    whole, statistics = generator(images), statistics_of(generator, images)
    assert len(statistics) == 7
    part = images[:, :, :96]
    with use_statistics(statistics):
        # What lies further from the cut than the network sees is that of the whole.
        np.testing.assert_allclose(generator(part)[:, :, :60], whole[:, :, :60], atol=1e-5)
    # Afterwards each image has its own statistics again.
    assert np.abs(generator(part)[:, :, :60] - whole[:, :, :60]).max() > 1e-3


def test_reflection_pad_is_that_of_numpy():
    images = np.arange(60.0, dtype="float32").reshape(1, 5, 4, 3)
    expected = np.pad(images, ((0, 0), (3, 3), (3, 3), (0, 0)), mode="reflect")
    np.testing.assert_array_equal(ReflectionPad2D(3)(images), expected)
    assert ReflectionPad2D(3).compute_output_shape((None, None, 4, 3)) == (None, None, 10, 3)


@pytest.mark.parametrize("side", [1, 3])
def test_images_are_larger_than_what_is_reflected(side):
    padded = tf.function(ReflectionPad2D(side), [tf.TensorSpec((None, None, None, 3))])
    for shape in ((1, side, side + 1, 3), (1, side + 1, side, 3)):
        with pytest.raises(tf.errors.InvalidArgumentError, match=r"is not in \[0, "):
            padded(tf.zeros(shape))
    assert padded(tf.zeros((1, side + 1, side + 1, 3))).shape == (1, *(3 * side + 1,) * 2, 3)


@pytest.mark.parametrize("padding", [1, 3])
def test_gradients_flow_through_reflection_as_through_tensorflows_own(padding):
    images = tf.random.stateless_normal((2, 6, 5, 3), (1, padding))
    around = (padding, padding)
    found = []
    for pad in (
        ReflectionPad2D(padding),
        lambda images: tf.pad(images, ((0, 0), around, around, (0, 0)), mode="REFLECT"),
    ):
        with tf.GradientTape() as outer:
            outer.watch(images)
            with tf.GradientTape() as inner:
                inner.watch(images)
                loss = tf.reduce_sum(tf.sin(pad(images)) ** 2)
            first = inner.gradient(loss, images)
            length = tf.reduce_sum(first**2)
        found.append([first, outer.gradient(length, images)])
    for ours, theirs in zip(*found, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(
    "layer", [InstanceNorm(affine=True, epsilon=1e-3), ReflectionPad2D(2)], ids=["norm", "pad"]
)
def test_layers_survive_their_config(layer):
    again = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(layer))
    assert again.get_config() == layer.get_config()


def test_every_layer_with_weights_belongs_to_a_part():
    parts = {layer.name: part_of(layer) for layer in tiny_generator(2).layers}
    assert parts["stem"] == parts["down_2"] == parts["down_1_norm"] == "encoder"
    assert parts["block_1_conv_2"] == parts["block_2_norm_1"] == "transformer"
    assert parts["up_1"] == parts["head"] == "decoder"
    assert parts["images"] is parts["translated"] is None


def test_convolutions_start_at_a_hundredth_and_without_bias():
    generator = tiny_generator(filters=32)
    kernels = np.concatenate(
        [np.ravel(layer.kernel) for layer in generator.layers if hasattr(layer, "kernel")]
    )
    assert abs(kernels.std() - 0.02) < 0.0005
    assert not any(
        np.asarray(layer.bias).any() for layer in generator.layers if hasattr(layer, "bias")
    )
    first, second = (generator.get_layer(f"block_1_conv_{n}").kernel for n in (1, 2))
    assert np.abs(np.asarray(first) - np.asarray(second)).max() > 0.01  # no shared draw


def test_impossible_sizes_are_refused():
    with pytest.raises(GanzooError, match="residual_blocks is 0"):
        cyclegan.build(residual_blocks=0)
