"""Short cuts give what the plain convolution gives, and so do their gradients."""

import threading

import keras
import numpy as np
import pytest
import tensorflow as tf

from ganzoo import shortcuts, winograd
from ganzoo.convolutions import FastConv2D, convolve_together
from ganzoo.layers import InstanceNorm


def values(*shape, seed=0):
    return tf.constant(np.random.RandomState(seed).normal(size=shape).astype("float32"))


def plain(images, kernel):
    return tf.nn.conv2d(images, kernel, 1, "VALID")


def together(images, kernel):
    return convolve_together(images, kernel, 4)


def operations(function, *inputs):
    graph = tf.function(function).get_concrete_function(*inputs).graph
    return {op.type for op in graph.get_operations()}


@pytest.fixture
def all_pay(monkeypatch):
    """Has Winograd's way taken where it is not faster."""
    monkeypatch.setattr(winograd, "_FEWEST_PIXELS", 0)
    monkeypatch.setattr(winograd, "_FEWEST_CHANNELS", 1)


def test_winograd_equals_the_sum_on_sides_that_tiles_divide_and_on_others():
    for height, width in ((3, 3), (6, 6), (3, 6), (7, 12), (8, 9), (34, 18)):
        images, kernel = values(2, height, width, 5), values(3, 3, 5, 4, seed=1)
        found = winograd.convolve(images, kernel)
        np.testing.assert_allclose(found, plain(images, kernel), rtol=1e-5, atol=5e-5)


def test_winograd_keeps_apart_what_no_window_joins():
    image = np.zeros((2, 12, 12, 1), "float32")
    image[0, 5, 6] = 1.0
    kernel = values(3, 3, 1, 1)
    result = winograd.convolve(image, kernel).numpy()
    np.testing.assert_allclose(result[0, 3:6, 4:7, 0], kernel[::-1, ::-1, 0, 0], atol=1e-5)
    result[0, 3:6, 4:7] = 0.0
    np.testing.assert_allclose(result, 0.0, atol=1e-5)


def test_winograd_rounds_by_twice_the_plain_sums_rounding():
    images, kernel = values(1, 34, 34, 256), values(3, 3, 256, 128, seed=1)
    exact = plain(tf.cast(images, "float64"), tf.cast(kernel, "float64"))

    def rounding(result):
        return np.sqrt(np.mean((result - exact.numpy()) ** 2)) / np.std(exact)

    assert rounding(winograd.convolve(images, kernel).numpy()) < 2.5e-6
    assert rounding(plain(images, kernel).numpy()) < 1.5e-6


def test_zeros_around_an_image_are_those_of_a_padded_one():
    images, kernel = values(2, 7, 8, 5), values(3, 3, 5, 4, seed=1)
    for padding in (0, 1):
        edge = (padding, padding)
        padded = tf.pad(images, ((0, 0), edge, edge, (0, 0)))
        found = winograd.convolve(images, kernel, padding)
        np.testing.assert_allclose(found, plain(padded, kernel), rtol=1e-5, atol=5e-5)


def winograd_around(images, kernel):
    return winograd.convolve(images, kernel, padding=1)


def plain_around(images, kernel):
    return tf.nn.conv2d(images, kernel, 1, "SAME")


@pytest.mark.parametrize(
    ("convolve", "plain"),
    [(winograd.convolve, plain), (winograd_around, plain_around), (together, plain)],
)
def test_gradients_and_theirs_are_those_of_the_plain_sum(convolve, plain):
    images, kernel = values(2, 9, 10, 3), values(3, 3, 3, 2, seed=1) / 5.0
    found = []
    for function in (convolve, plain):
        with tf.GradientTape() as outer:
            outer.watch([images, kernel])
            with tf.GradientTape() as inner:
                inner.watch([images, kernel])
                loss = tf.reduce_sum(tf.sin(function(images, kernel)) ** 2)
            first = inner.gradient(loss, [images, kernel])
            length = tf.add_n([tf.reduce_sum(one**2) for one in first])
        found.append([*first, *outer.gradient(length, [images, kernel])])
    for ours, theirs in zip(*found, strict=True):
        np.testing.assert_allclose(ours, theirs, atol=1e-5 * np.abs(theirs).max())


@pytest.mark.parametrize("padding", [0, 1])
def test_half_precision_adds_up_windows_in_single_precision(padding):
    exact = [values(2, 9, 10, 8), values(3, 3, 8, 4, seed=1) / 5.0]
    half = [tf.cast(one, "bfloat16") for one in exact]

    def first_and_second(function, images, kernel):
        with tf.GradientTape() as outer:
            outer.watch([images, kernel])
            with tf.GradientTape() as inner:
                inner.watch([images, kernel])
                result = function(images, kernel)
                loss = tf.reduce_sum(tf.cast(result, "float32") ** 2)
            first = inner.gradient(loss, [images, kernel])
            length = tf.add_n([tf.reduce_sum(tf.cast(one, "float32") ** 2) for one in first])
        return [result, *first, *outer.gradient(length, [images, kernel])]

    def ours(images, kernel):
        return winograd.convolve(images, kernel, padding)

    found = first_and_second(ours, *half)
    expected = first_and_second(
        (plain, plain_around)[padding], *(tf.cast(one, "float32") for one in half)
    )
    for mine, theirs in zip(found, expected, strict=True):
        assert mine.dtype == "bfloat16"
        error = np.abs(tf.cast(mine, "float32") - theirs).max()
        assert error < 2**-6 * np.abs(theirs).max()
    kinds = operations(lambda *inputs: first_and_second(ours, *inputs), *half)
    assert "Conv2D" in kinds
    assert "Conv2DBackpropFilter" not in kinds


def waits(op):
    """Says whether an operation, or one that it takes values from, waits for another."""
    return bool(op.control_inputs) or any(waits(tensor.op) for tensor in op.inputs)


def reads(op, name):
    """Says whether an operation takes values from the one of this name."""
    return op.name == name or any(reads(tensor.op, name) for tensor in op.inputs)


def test_a_gradient_holds_no_values_of_tiles_and_no_kernels_are_ready_too_soon():
    @tf.function
    def slopes(images, kernel):
        with tf.GradientTape() as tape:
            tape.watch(kernel)
            result = winograd.convolve(images, kernel)
        return tape.gradient(result, kernel)

    graph = slopes.get_concrete_function(values(1, 12, 12, 4), values(3, 3, 4, 4)).graph
    gathered = [
        op
        for op in graph.get_operations()
        if op.type == "GatherV2" and op.outputs[0].dtype == "float32" and reads(op, "images")
    ]
    # The gradient gathers again. Did it not wait, TensorFlow would join the two and hold one.
    assert [waits(op) for op in gathered] == [False, True]
    products = [op for op in graph.get_operations() if op.type == "MatMul"]
    transformed = [op for op in products if op.outputs[0].shape == (36, 4 * 4)]
    assert len(transformed) == 2
    assert all(waits(op) for op in transformed)


@pytest.mark.parametrize(("size", "width", "filters"), [(7, 14, 3), (3, 6, 1)])
def test_pixels_side_by_side_are_those_one_by_one(size, width, filters):
    images, kernel = values(2, 9, width, 8), values(size, size, 8, filters, seed=1)
    narrow = plain(images, kernel)
    np.testing.assert_allclose(together(images, kernel), narrow, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(("convolve", "kernel"), [(winograd.convolve, 3), (together, 7)])
def test_one_trace_serves_all_sizes(convolve, kernel):
    spec = tf.TensorSpec((None, None, None, 2), "float32")
    weights = values(kernel, kernel, 2, 2, seed=1)
    traced = tf.function(lambda images: convolve(images, weights), [spec])
    for shape in ((1, 8 + kernel, 7 + kernel, 2), (3, 4 + kernel, 11 + kernel, 2)):
        images = values(*shape)
        np.testing.assert_allclose(traced(images), plain(images, weights), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(("size", "together"), [(3, 1), (7, 4)])
def test_a_layer_takes_short_cuts_where_they_are_allowed_only(all_pay, size, together):
    layer = FastConv2D(2, size, together=together)
    images = values(1, 10, 13 + size // 7 * 5, 3)
    plainly = layer(images)

    def within(*allow):
        with shortcuts.scope(*allow):
            return operations(layer, images)

    usual = operations(layer, images)
    assert "Conv2D" in usual
    assert not shortcuts.allowed()
    assert within() != usual
    with shortcuts.scope(False):
        assert within() == usual  # what is forbidden around it is so within
    with shortcuts.scope():
        assert within(False) == usual
        np.testing.assert_allclose(layer(images), plainly, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(
    "kind", [{"strides": 2}, {"padding": "same"}, {"dilation_rate": 2}, {"groups": 2}], ids=str
)
def test_convolutions_of_other_kinds_take_no_short_cut(all_pay, kind):
    for size, together in ((3, 1), (5, 2)):
        layer = FastConv2D(2, size, together=together, **kind)
        images = values(1, 12, 12, 4)
        plainly = layer(images)
        with shortcuts.scope():
            np.testing.assert_array_equal(layer(images), plainly)


def test_an_accelerator_keeps_its_own_kernels(monkeypatch):
    monkeypatch.setattr(tf.config, "get_visible_devices", lambda kind: [kind])
    with shortcuts.scope():
        assert not shortcuts.allowed()


def test_a_scope_is_its_threads_own():
    found = []
    with shortcuts.scope():
        thread = threading.Thread(target=lambda: found.append(shortcuts.allowed()))
        thread.start()
        thread.join()
        assert shortcuts.allowed()
    assert found == [False]


def test_winograds_way_is_for_many_values_of_types_that_it_gains_with():
    kernel = tf.zeros((3, 3, 128, 128))
    images = tf.zeros((1, 34, 34, 128))
    assert winograd.pays(images, kernel)
    assert not winograd.pays(images[:, :10, :10], kernel)
    assert winograd.pays(tf.zeros((8, 10, 10, 128)), kernel)
    assert winograd.pays(keras.Input((34, 34, 128)), kernel)
    assert winograd.pays(keras.Input((None, None, 128)), kernel)
    # The batch may be of one image.
    assert not winograd.pays(keras.Input((10, 10, 128)), kernel)
    assert not winograd.pays(images[..., :64], kernel[:, :, :64])
    assert not winograd.pays(images, kernel[..., :64])
    assert not winograd.pays(images, tf.zeros((4, 4, 128, 128)))
    assert winograd.pays(*(tf.cast(one, "bfloat16") for one in (images, kernel)))
    assert not winograd.pays(images, tf.cast(kernel, "bfloat16"))
    assert not winograd.pays(*(tf.cast(one, "float16") for one in (images, kernel)))


def test_a_layer_survives_its_config():
    layer = FastConv2D(3, 7, together=4, name="head")
    again = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(layer))
    assert again.get_config() == layer.get_config()
    assert again.together == 4


def test_one_images_statistics_come_from_the_kernel_where_short_cuts_are_allowed():
    layer, image = InstanceNorm(), values(1, 6, 5, 4)
    with shortcuts.scope():
        assert "FusedBatchNormV3" in operations(layer, image)
        fused = layer(image)
    assert "FusedBatchNormV3" not in operations(layer, image)
    np.testing.assert_allclose(layer(image), fused, rtol=1e-5, atol=1e-5)
