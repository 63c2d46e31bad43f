"""The gradient penalty: known answers, and its own gradient against finite differences."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from ganzoo import losses
from ganzoo.models.progan import networks

RNG = np.random.default_rng(0)


def linear(slope):
    return lambda images: tf.reduce_sum(images * slope, axis=(1, 2, 3))[:, None]


def images(*shape):
    return tf.constant(RNG.normal(size=shape).astype("float32"))


@pytest.mark.parametrize(("target", "expected"), [(1.0, 1.0), (4.0, 4 / 16)])
def test_penalty_of_a_linear_discriminator(target, expected):
    slope = np.full((2, 2, 1), 1.0, "float32")  # norm 2
    one, other, weights = images(3, 2, 2, 1), images(3, 2, 2, 1), tf.fill((3, 1, 1, 1), 0.3)
    penalty, norm = losses.gradient_penalty(linear(slope), one, other, weights, target)
    assert float(norm) == pytest.approx(2.0)
    assert float(penalty) == pytest.approx(expected)


def test_penalty_is_taken_between_real_and_fake():
    real, fake = tf.zeros((2, 1, 1, 1)), tf.ones((2, 1, 1, 1))
    weights = tf.reshape(tf.constant([0.0, 0.75]), (2, 1, 1, 1))
    # D(x) = x² has the slope 2x: 0 at the real image, 1.5 at three quarters of the way.
    penalty, norm = losses.gradient_penalty(lambda x: x[..., 0, 0] ** 2, real, fake, weights)
    assert float(norm) == pytest.approx(0.75, abs=1e-6)
    assert float(penalty) == pytest.approx((1.0 + 0.25) / 2)


def test_the_scale_leaves_the_penalty_alone():
    slope = RNG.normal(size=(4, 4, 3)).astype("float32")
    arguments = (images(2, 4, 4, 3), images(2, 4, 4, 3), tf.fill((2, 1, 1, 1), 0.5))
    plain = losses.gradient_penalty(linear(slope), *arguments)
    scaled = losses.gradient_penalty(linear(slope), *arguments, scale=2.0**15)
    np.testing.assert_allclose(plain, scaled, rtol=1e-6)


def test_the_scale_saves_slopes_that_half_precision_cannot_hold():
    def half(images):
        small = tf.cast(images, "float16") * tf.constant(1e-4, "float16")
        return tf.cast(small * tf.constant(1e-4, "float16"), "float32")[..., 0, 0]

    arguments = (tf.ones((1, 1, 1, 1)), tf.ones((1, 1, 1, 1)), tf.ones((1, 1, 1, 1)))
    _, lost = losses.gradient_penalty(half, *arguments)
    _, kept = losses.gradient_penalty(half, *arguments, scale=2.0**15)
    assert float(kept) == pytest.approx(1e-8, rel=0.01)
    assert abs(float(lost) / 1e-8 - 1) > 0.5


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_half_precision_logits_are_differentiated_in_float32(dtype):
    arguments = (images(2, 2, 2, 1), images(2, 2, 2, 1), tf.fill((2, 1, 1, 1), 0.5))
    slope = np.full((2, 2, 1), 1.0, "float32")
    penalty, norm = losses.gradient_penalty(
        lambda images: tf.cast(linear(slope)(images), dtype), *arguments, scale=4.0
    )
    assert penalty.dtype == norm.dtype == "float32"
    assert (float(norm), float(penalty)) == pytest.approx((2.0, 1.0))


def test_a_flat_discriminator_has_a_finite_gradient():
    slope = tf.Variable(tf.zeros((2, 2, 1)))
    with tf.GradientTape() as tape:
        penalty, _ = losses.gradient_penalty(
            linear(slope), images(2, 2, 2, 1), images(2, 2, 2, 1), tf.zeros((2, 1, 1, 1))
        )
    assert float(penalty) == pytest.approx(1.0)
    assert np.isfinite(tape.gradient(penalty, slope)).all()


def test_the_images_get_no_gradient():
    one = images(2, 2, 2, 1)
    with tf.GradientTape() as tape:
        tape.watch(one)
        penalty, _ = losses.gradient_penalty(
            lambda x: tf.reduce_sum(x**3, axis=(1, 2))[:, 0:1], one, one, tf.zeros((2, 1, 1, 1))
        )
    assert tape.gradient(penalty, one) is None


@pytest.fixture(scope="module", params=[False, True], ids=["official", "paper"])
def discriminator(request):
    """A discriminator of 4 filters up to 64×64, in float64, whose biases tell too."""
    keras.config.set_dtype_policy("float64")
    try:
        network = networks.build_discriminator(
            image_size=64,
            channels=3,
            base_filters=4,
            max_filters=4,
            group_size=None if request.param else 4,
            group_statistic="official",
            pool_activations=request.param,
        )
    finally:
        keras.config.set_dtype_policy("float32")
    rng = np.random.default_rng(1)
    for weight in network.trainable_weights:
        weight.assign(rng.normal(size=weight.shape))
    return network


@pytest.mark.parametrize("alpha", [0.0, 0.5, 1.0])
@pytest.mark.parametrize("resolution", [4, 8, 16, 32, 64])
def test_directional_derivative_of_the_penalty(discriminator, resolution, alpha):
    """Second derivatives are silently absent through some operations; differences show it."""
    weights = networks.active_weights(discriminator, resolution, fades=resolution > 4)
    rng = np.random.default_rng(resolution)
    directions = [rng.normal(size=weight.shape) for weight in weights]
    real, fake = rng.normal(size=(2, 4, resolution, resolution, 3))
    mixing = rng.uniform(size=(4, 1, 1, 1))

    def penalty():
        return losses.gradient_penalty(
            lambda x: networks.wire_discriminator(
                discriminator.get_layer, x, alpha if resolution > 4 else None
            ),
            *map(tf.constant, (real, fake, mixing)),
        )[0]

    def after(step):
        for weight, direction in zip(weights, directions, strict=True):
            weight.assign_add(step * direction)
        return penalty().numpy()

    with tf.GradientTape() as tape:
        value = penalty()
    assert value.dtype == "float64"
    slopes = tape.gradient(value, weights)
    missing = {w.path for w, slope in zip(weights, slopes, strict=True) if slope is None}
    assert all(path.endswith("/bias") for path in missing), "a kernel always counts"
    derivative = sum(
        np.sum(slope * direction)
        for slope, direction in zip(slopes, directions, strict=True)
        if slope is not None
    )
    step = 1e-7  # so small that hardly any of the leaky ReLUs changes sides
    difference = (after(step) - after(-2 * step)) / (2 * step)
    after(step)
    assert abs(derivative) > 1e-3
    assert derivative == pytest.approx(difference, rel=1e-5)
