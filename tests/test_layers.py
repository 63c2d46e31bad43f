"""The layers that Keras does not have, or not in our form, against known answers.

Instance norm and reflection padding are tested with CycleGAN's networks, equalised layers with
those of the progressive GAN.
"""

import keras
import numpy as np
import pytest
import tensorflow as tf

from ganzoo import randomness
from ganzoo.layers import (
    LeakyReLU,
    Maxout,
    ScaleShift,
    StatelessDropout,
    is_power_of_two,
    normal_initializer,
)

KEY = randomness.key_for(seed=0, step=0, purpose="test")


def drop(layer, inputs, key=KEY):
    with randomness.scope(key):
        return np.asarray(layer(inputs, training=True))


def test_maxout_takes_the_largest_of_its_pieces():
    layer = Maxout(units=2, pieces=3)
    layer.build((None, 2))
    # Unit 0 has the pieces x, y, x + y - 1, unit 1 the constants 0, -1 and -x.
    layer.kernel.assign([[1.0, 0.0, 1.0, 0.0, 0.0, -1.0], [0.0, 1.0, 1.0, 0.0, 0.0, 0.0]])
    layer.bias.assign([0.0, 0.0, -1.0, 0.0, -1.0, 0.0])
    found = layer(tf.constant([[2.0, 0.5], [0.5, 3.0], [2.0, 3.0], [-7.0, -9.0]]))
    np.testing.assert_array_equal(found, [[2.0, 0.0], [3.0, 0.0], [4.0, 0.0], [-7.0, 7.0]])


def test_maxout_counts_its_weights_before_the_maximum():
    layer = Maxout(240, 5, kernel_initializer=keras.initializers.RandomUniform(-0.005, 0.005))
    layer.build((None, 784))
    assert layer.count_params() == 784 * 1200 + 1200
    assert layer.compute_output_shape((None, 784)) == (None, 240)
    kernel = np.asarray(layer.kernel)
    assert np.abs(kernel).max() <= 0.005
    assert kernel.std() == pytest.approx(0.005 / 3**0.5, rel=0.01)


def test_dropout_zeroes_a_share_and_scales_the_rest():
    found = drop(StatelessDropout(0.2), tf.ones((200, 500)))
    assert set(np.unique(found)) == {np.float32(0.0), np.float32(1.25)}
    assert (found == 0).mean() == pytest.approx(0.2, abs=0.005)  # four standard deviations
    assert found.mean() == pytest.approx(1.0, abs=0.01)
    # Neither rows nor columns share their draws.
    assert (found == 0).mean(axis=0).std() == pytest.approx((0.16 / 200) ** 0.5, rel=0.2)
    assert (found == 0).mean(axis=1).std() == pytest.approx((0.16 / 500) ** 0.5, rel=0.2)


def test_dropout_masks_are_functions_of_the_key_and_the_row():
    layer, inputs = StatelessDropout(0.5), tf.ones((8, 64))
    first = drop(layer, inputs)
    np.testing.assert_array_equal(drop(layer, inputs), first)
    np.testing.assert_array_equal(drop(StatelessDropout(0.5), inputs), first)
    np.testing.assert_array_equal(drop(layer, inputs[:3]), first[:3])
    for other in [
        randomness.key_for(seed=0, step=1, purpose="test"),
        randomness.key_for(seed=1, step=0, purpose="test"),
        randomness.key_for(seed=0, step=0, purpose="other"),
    ]:
        assert 0.3 < (drop(layer, inputs, other) == first).mean() < 0.7


def test_dropout_layers_of_one_scope_have_masks_of_their_own():
    layer, inputs = StatelessDropout(0.5), tf.ones((8, 64))
    with randomness.scope(KEY):
        one, two = (np.asarray(layer(inputs, training=True)) for _ in range(2))
    assert 0.3 < (one == two).mean() < 0.7


def test_dropout_lets_everything_pass_outside_training_or_at_rate_0():
    inputs = tf.random.stateless_normal((4, 8), (1, 2))
    np.testing.assert_array_equal(StatelessDropout(0.5)(inputs), inputs)
    np.testing.assert_array_equal(StatelessDropout(0.5)(inputs, training=False), inputs)
    np.testing.assert_array_equal(drop(StatelessDropout(0.0), inputs), inputs)


def test_dropout_outside_a_scope_follows_the_seed_of_keras():
    masks = []
    for seed in (1, 1, 2):
        keras.utils.set_random_seed(seed)
        masks.append(np.asarray(StatelessDropout(0.5)(tf.ones((8, 64)), training=True)))
    np.testing.assert_array_equal(masks[0], masks[1])
    assert (masks[0] != masks[2]).any()


def test_dropout_blocks_the_gradient_of_what_it_drops():
    inputs = tf.ones((4, 32))
    with tf.GradientTape() as tape, randomness.scope(KEY):
        tape.watch(inputs)
        outputs = StatelessDropout(0.5)(inputs, training=True)
    np.testing.assert_array_equal(tape.gradient(outputs, inputs), outputs)


def test_the_leaky_rectifier_and_its_slopes():
    layer = LeakyReLU(0.2)
    values = tf.constant([-3.0, -1e-45, 0.0, 2.0])
    with tf.GradientTape() as outer:
        outer.watch(values)
        with tf.GradientTape() as tape:
            tape.watch(values)
            result = layer(values)
            energy = tf.reduce_sum(result**2)
        slopes = tape.gradient(energy, values)  # 2 slope² x
    np.testing.assert_allclose(result, [-0.6, 0, 0, 2], atol=1e-7)
    np.testing.assert_allclose(slopes, [-0.24, 0, 0, 4], atol=1e-7)
    np.testing.assert_allclose(outer.gradient(slopes, values), [0.08, 0.08, 0.08, 2], atol=1e-7)


def test_the_leaky_rectifiers_gradient_keeps_no_input_in_memory():
    convolution, layer = keras.layers.Conv2D(2, 1), LeakyReLU(0.2)
    convolution.build((None, 4, 4, 2))

    @tf.function
    def slopes(images):
        with tf.GradientTape() as tape:
            loss = tf.reduce_sum(layer(convolution(images)))
        return tape.gradient(loss, convolution.trainable_variables)

    graph = slopes.get_concrete_function(tf.TensorSpec((1, 4, 4, 2))).graph
    (rectifier,) = [op for op in graph.get_operations() if op.type == "LeakyRelu"]
    (gradient,) = [op for op in graph.get_operations() if op.type == "LeakyReluGrad"]
    kept = gradient.inputs[1].op
    while kept.type in ("StopGradient", "Identity", "IdentityN"):
        kept = kept.inputs[0].op
    assert kept is rectifier


def test_scale_and_shift():
    np.testing.assert_array_equal(ScaleShift(2.0, -1.0)(tf.constant([0.0, 0.5, 1.0])), [-1, 0, 1])


@pytest.mark.parametrize(
    "layer",
    [
        Maxout(3, 2, kernel_initializer=keras.initializers.RandomUniform(-0.1, 0.1), name="m"),
        StatelessDropout(0.3, name="d"),
        ScaleShift(0.5, 0.25, name="s"),
        LeakyReLU(0.2, name="l"),
    ],
    ids=lambda layer: type(layer).__name__,
)
def test_layers_survive_their_config(layer):
    again = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(layer))
    assert again.get_config() == layer.get_config()
    assert again.compute_output_shape((None, 4)) == layer.compute_output_shape((None, 4))


def test_each_initializer_draws_its_own_values():
    one, two = (np.asarray(normal_initializer()((100, 100))) for _ in range(2))
    assert (one != two).any()
    assert one.std() == pytest.approx(0.02, rel=0.05)
    assert np.asarray(normal_initializer(mean=1.0)((1000,))).mean() == pytest.approx(1.0, abs=0.01)


def test_powers_of_two():
    assert [n for n in range(-2, 70) if is_power_of_two(n)] == [1, 2, 4, 8, 16, 32, 64]
