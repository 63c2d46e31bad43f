"""The fused kernels give what sums and products give, and so do their gradients."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from ganzoo import normalization
from ganzoo.layers import Crop2D, InstanceNorm
from ganzoo.normalization import BatchNorm


def images(*shape, seed=0):
    return tf.constant(np.random.RandomState(seed).normal(3.0, 2.0, shape).astype("float32"))


def outputs_and_slopes(layer, inputs, **options):
    weights = layer.trainable_variables
    with tf.GradientTape() as tape:
        tape.watch(inputs)
        outputs = layer(inputs, **options)
        loss = tf.reduce_sum(outputs * images(*outputs.shape, seed=1))
    return [outputs, *tape.gradient(loss, [inputs, *weights])]


def built(layer, shape):
    layer.build((None, *shape[1:]))
    for weight in layer.trainable_variables:
        weight.assign(images(*weight.shape, seed=2))
    return layer


def test_batch_norm_equals_keras_s_in_results_slopes_and_averages():
    shape = (6, 5, 4, 3)
    ours, theirs = (
        built(kind(momentum=0.9, epsilon=1e-5), shape)
        for kind in (BatchNorm, keras.layers.BatchNormalization)
    )
    found, expected = (
        outputs_and_slopes(layer, images(*shape), training=True) for layer in (ours, theirs)
    )
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-4)
    for one, other in zip(ours.variables, theirs.variables, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-5)
    np.testing.assert_allclose(ours(images(*shape)), theirs(images(*shape)), rtol=1e-5)


def test_batch_norm_uses_the_kernel_where_one_replica_trains_alone():
    layer = built(BatchNorm(), (2, 4, 4, 3))
    function = tf.function(lambda x, training: layer(x, training=training))
    for training, used in ((True, True), (False, False)):
        graph = function.get_concrete_function(tf.TensorSpec((None, 4, 4, 3)), training).graph
        assert any(op.type == "FusedBatchNormV3" for op in graph.get_operations()) == used


def test_batch_norm_keeps_its_averages_where_it_is_frozen():
    layer = built(BatchNorm(), (2, 4, 4, 3))
    layer.trainable = False
    layer(images(2, 4, 4, 3), training=True)
    np.testing.assert_array_equal(layer.moving_mean, np.zeros(3))


def test_batch_norm_over_replicas_uses_the_kernels_and_equals_that_of_one(monkeypatch):
    shape = (6, 5, 4, 3)
    layer = built(BatchNorm(epsilon=1e-3), shape)
    alone = outputs_and_slopes(layer, images(*shape), training=True)
    monkeypatch.setattr(normalization, "replica_count", lambda: 2)  # one exchanges with itself
    for one, other in zip(
        outputs_and_slopes(layer, images(*shape), training=True), alone, strict=True
    ):
        np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-4)
    traced = tf.function(lambda x: layer(x, training=True))
    graph = traced.get_concrete_function(tf.TensorSpec((None, *shape[1:]))).graph
    assert [op.type for op in graph.get_operations()].count("FusedBatchNormV3") == 2


def test_batch_norm_that_is_not_synchronized_asks_no_other_replica(monkeypatch):
    shape = (6, 5, 4, 3)
    ours = built(BatchNorm(synchronized=False), shape)
    theirs = built(keras.layers.BatchNormalization(), shape)
    monkeypatch.setattr(normalization, "replica_count", lambda: 2)
    monkeypatch.setattr(normalization, "normalize_together", None)
    found, expected = (layer(images(*shape), training=True) for layer in (ours, theirs))
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-4)


def test_batch_norm_of_rows_works_as_before():
    rows = images(8, 3)
    layer = built(BatchNorm(epsilon=1e-5), rows.shape)
    expected = (rows - tf.reduce_mean(rows, 0)) / tf.math.reduce_std(rows, 0)
    expected = expected * layer.gamma + layer.beta
    np.testing.assert_allclose(layer(rows, training=True), expected, atol=1e-4)


@pytest.mark.parametrize("affine", [True, False])
@pytest.mark.parametrize("count", [1, 3])
def test_instance_norm_in_training_on_few_images_equals_that_of_use(affine, count):
    inputs = images(count, 6, 5, 3)
    layer = built(InstanceNorm(affine), inputs.shape)
    found, expected = (
        outputs_and_slopes(layer, inputs, training=training) for training in (True, False)
    )
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-4)


def test_instance_norm_uses_the_kernel_in_training_on_few_images_only():
    layer = InstanceNorm()
    function = tf.function(lambda x, training: layer(x, training=training))
    for count, training, used in ((2, True, 2), (2, False, 0), (None, True, 0), (5, True, 0)):
        graph = function.get_concrete_function(tf.TensorSpec((count, 4, 4, 3)), training).graph
        assert [op.type for op in graph.get_operations()].count("FusedBatchNormV3") == used


def test_a_crop_cuts_rows_and_columns_and_passes_zeros_back():
    inputs = images(2, 6, 5, 3)
    outputs, slope = outputs_and_slopes(Crop2D(2, 1), inputs)
    np.testing.assert_array_equal(outputs, inputs[:, 2:5, 2:4])
    np.testing.assert_array_equal(slope[:, 2:5, 2:4], images(2, 3, 2, 3, seed=1))
    assert np.count_nonzero(slope) == 2 * 3 * 2 * 3
    symbolic = Crop2D(1, 0)(keras.Input((None, 8, 3)))
    assert symbolic.shape == (None, None, 7, 3)
