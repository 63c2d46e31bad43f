"""The layers of the progressive GAN against plain formulas."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from ganzoo import shortcuts, winograd
from ganzoo.equalized import Bias, EqualizedConv2D, EqualizedDense, MinibatchStdDev, PixelNorm

RNG = np.random.default_rng(0)


def draw(*shape):
    return RNG.normal(size=shape).astype("float32")


def test_dense_weights_are_standard_normal_and_scaled_in_the_call():
    layer = EqualizedDense(400, gain=0.5)
    inputs = draw(3, 100)
    outputs = layer(inputs)
    kernel = layer.kernel.numpy()
    assert kernel.std() == pytest.approx(1.0, abs=0.02)
    np.testing.assert_allclose(outputs, inputs @ kernel * 0.5 / 10, rtol=1e-4, atol=1e-5)


def test_biases_are_added_unscaled():
    dense, convolution = EqualizedDense(2), EqualizedConv2D(2, 3)
    for layer, inputs in ((dense, np.zeros((1, 3))), (convolution, np.zeros((1, 4, 4, 3)))):
        layer(inputs)
        layer.bias.assign([1.0, -2.0])
        np.testing.assert_array_equal(layer(inputs).numpy().reshape(-1, 2)[0], [1.0, -2.0])


def test_convolution_scales_by_its_fan_in():
    layer = EqualizedConv2D(5, 3)
    images = draw(2, 6, 6, 4)
    outputs = layer(images)
    expected = tf.nn.conv2d(images, layer.kernel.numpy() * np.sqrt(2 / 36), 1, "SAME")
    np.testing.assert_allclose(outputs, expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    ("size", "resample", "shorter"),
    [(3, None, True), (1, None, False), (5, None, False), (3, "up", False), (3, "down", False)],
)
def test_plain_convolutions_of_3_by_3_go_by_winograd_where_it_is_allowed(
    monkeypatch, size, resample, shorter
):
    for bound in ("_FEWEST_PIXELS", "_FEWEST_CHANNELS"):
        monkeypatch.setattr(winograd, bound, 1)
    layer = EqualizedConv2D(5, size, resample=resample)
    images = draw(2, 6, 10, 4)
    plain = layer(images)

    def found():
        graph = tf.function(layer).get_concrete_function(images).graph
        return {op.type for op in graph.get_operations()}

    with shortcuts.scope():
        np.testing.assert_allclose(layer(images), plain, rtol=1e-4, atol=1e-4)
        assert ("GatherV2" in found()) == shorter
    assert "GatherV2" not in found()


def test_up_equals_enlarging_and_then_convolving():
    fused, plain = EqualizedConv2D(5, 3, resample="up"), EqualizedConv2D(5, 3)
    images = draw(2, 6, 6, 4)
    enlarged = keras.layers.UpSampling2D(2)(images)
    plain.build(enlarged.shape), fused.build(images.shape)
    fused.set_weights(plain.get_weights())
    assert fused.compute_output_shape(images.shape) == (2, 12, 12, 5)
    np.testing.assert_allclose(fused(images), plain(enlarged), rtol=1e-4, atol=1e-5)


def test_down_equals_convolving_and_then_averaging():
    fused, plain = EqualizedConv2D(5, 3, resample="down"), EqualizedConv2D(5, 3)
    images = draw(2, 6, 6, 4)
    plain.build(images.shape), fused.build(images.shape)
    fused.set_weights([plain.get_weights()[0], draw(5)])
    plain.set_weights(fused.get_weights())
    averaged = keras.layers.AveragePooling2D(2)(plain(images))
    assert fused.compute_output_shape(images.shape) == (2, 3, 3, 5)
    np.testing.assert_allclose(fused(images), averaged, rtol=1e-4, atol=1e-5)


def test_weights_are_scaled_before_they_are_cast():
    layer = EqualizedDense(8, dtype="mixed_float16")
    inputs = np.eye(16, dtype="float16")
    outputs = layer(inputs)
    scaled = (layer.kernel.numpy() * np.float32(np.sqrt(2) / 4)).astype("float16")
    np.testing.assert_array_equal(outputs, scaled)


def test_pixel_norm_gives_each_pixel_a_mean_square_of_one():
    outputs = PixelNorm()(100 * draw(2, 3, 3, 7)).numpy()
    np.testing.assert_allclose((outputs**2).mean(axis=-1), 1.0, rtol=1e-5)
    np.testing.assert_allclose(PixelNorm(epsilon=3.0)(np.ones((1, 4))), 0.5)


def test_pixel_norm_of_half_precision_neither_over_nor_underflows():
    layer = PixelNorm(dtype="mixed_float16")
    for size in (1e3, 3e-3):
        outputs = layer(np.full((1, 8), size, "float16"))
        assert outputs.dtype == "float16"
        np.testing.assert_allclose(outputs, 1.0, rtol=1e-3)


def plain_statistic(images, size):
    """The authors' rule, image by image: group m of M holds the images m, m + M, …"""
    groups = len(images) // size
    statistic = np.empty(len(images))
    for group in range(groups):
        members = images[group::groups].astype("float64")
        deviation = np.sqrt(members.var(axis=0) + 1e-8)
        statistic[group::groups] = deviation.mean()
    return statistic


@pytest.mark.parametrize(
    ("batch", "group_size", "taken"),
    [(8, 4, 4), (12, 4, 4), (4, 4, 4), (3, 4, 3), (6, 4, 3), (7, 4, 1), (6, None, 6), (14, 16, 14)],
)
def test_minibatch_statistic_of_strided_groups(batch, group_size, taken):
    images = draw(batch, 4, 4, 3) * np.arange(1, batch + 1, dtype="float32")[:, None, None, None]
    outputs = MinibatchStdDev(group_size)(images).numpy()
    np.testing.assert_array_equal(outputs[..., :3], images)
    assert np.ptp(outputs[..., 3], axis=(1, 2)).max() == 0
    np.testing.assert_allclose(outputs[:, 0, 0, 3], plain_statistic(images, taken), rtol=1e-5)


def test_minibatch_statistic_is_the_same_for_a_batch_of_unknown_size():
    layer = MinibatchStdDev(4)
    images = draw(6, 4, 4, 3)
    compiled = tf.function(layer, [tf.TensorSpec((None, 4, 4, 3))])
    np.testing.assert_allclose(compiled(images), layer(images), rtol=1e-6)


def test_minibatch_statistic_of_equal_images_is_the_root_of_epsilon():
    outputs = MinibatchStdDev(4)(np.ones((4, 4, 4, 2), "float32"))
    np.testing.assert_allclose(outputs[..., 2], 1e-4, rtol=1e-5)


@pytest.mark.parametrize(
    "layer",
    [
        EqualizedDense(3, gain=0.5, use_bias=False, name="a"),
        EqualizedConv2D(3, 1, gain=1.0, resample="up", name="b"),
        Bias(per_value=True, name="c"),
        PixelNorm(1e-4, name="d"),
        MinibatchStdDev(None, "pytorch_gan_zoo", 1e-6, name="e"),
    ],
)
def test_layers_come_back_from_their_config(layer):
    config = keras.saving.serialize_keras_object(layer)
    again = keras.saving.deserialize_keras_object(config)
    assert type(again) is type(layer)
    assert again.get_config() == layer.get_config()
    assert layer.get_config().keys() > {"name"}


def test_bias_of_channels_and_of_values():
    for per_value, shape in ((False, (2,)), (True, (4, 4, 2))):
        layer = Bias(per_value)
        layer.build((None, 4, 4, 2))
        assert tuple(layer.bias.shape) == shape
        layer.bias.assign(tf.ones(shape))
        np.testing.assert_array_equal(layer(np.zeros((1, 4, 4, 2))), np.ones((1, 4, 4, 2)))
