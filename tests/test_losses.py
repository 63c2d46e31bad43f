"""The losses against closed forms of the papers in float64, and where floats get hard."""

import math

import numpy as np
import pytest
import tensorflow as tf

from ganzoo import losses
from ganzoo.errors import GanzooError

RNG = np.random.default_rng(0)
# Not symmetric, and of different numbers: a swapped sign or argument shows.
REAL = RNG.normal(1.5, 2.0, (5, 1))
FAKE = RNG.normal(-0.7, 2.0, (7, 1))
FAMILIES = ("least_squares", "minimax", "non_saturating", "wasserstein")


def probability(logits):
    """D(x) as the papers write it."""
    return 1.0 / (1.0 + np.exp(-logits))


def expected_pair(family):
    """The two losses as the papers' equations state them, in float64."""
    real, fake = probability(REAL), probability(FAKE)
    cross_entropy = -np.mean(np.log(real)) - np.mean(np.log(1.0 - fake))
    return {
        "non_saturating": (cross_entropy, -np.mean(np.log(fake))),
        "minimax": (cross_entropy, np.mean(np.log(1.0 - fake))),
        "least_squares": (
            np.mean((REAL - 1.0) ** 2) + np.mean(FAKE**2),
            np.mean((FAKE - 1.0) ** 2),
        ),
        "wasserstein": (np.mean(FAKE) - np.mean(REAL), -np.mean(FAKE)),
    }[family]


def as_float32(array):
    return tf.constant(array, "float32")


@pytest.mark.parametrize("family", FAMILIES)
def test_values_are_those_of_the_equations(family):
    discriminator_loss, generator_loss = losses.loss_pair(family)
    for_discriminator, for_generator = expected_pair(family)
    found = discriminator_loss(as_float32(REAL), as_float32(FAKE))
    assert float(found) == pytest.approx(for_discriminator, rel=1e-6)
    assert float(generator_loss(as_float32(FAKE))) == pytest.approx(for_generator, rel=1e-6)


@pytest.mark.parametrize("family", FAMILIES)
def test_the_players_pull_the_logits_the_right_way(family):
    discriminator_loss, generator_loss = losses.loss_pair(family)
    real, fake = tf.constant([0.3]), tf.constant([0.4])
    with tf.GradientTape(persistent=True) as tape:
        tape.watch([real, fake])
        for_discriminator = discriminator_loss(real, fake)
        for_generator = generator_loss(fake)
    assert float(tape.gradient(for_discriminator, real)[0]) < 0, "D raises what is real"
    assert float(tape.gradient(for_discriminator, fake)[0]) > 0, "D lowers what is fake"
    assert float(tape.gradient(for_generator, fake)[0]) < 0, "G has D raise its fakes"


@pytest.mark.parametrize("family", ["minimax", "non_saturating"])
@pytest.mark.parametrize("logit", [-1e4, -100.0, 100.0, 1e4])
def test_losses_and_slopes_stay_finite_at_extreme_logits(family, logit):
    discriminator_loss, generator_loss = losses.loss_pair(family)
    real, fake = tf.constant(logit), tf.constant(-logit)
    with tf.GradientTape(persistent=True) as tape:
        tape.watch([real, fake])
        for_discriminator = discriminator_loss(real, fake)
        for_generator = generator_loss(real)
    # -log D is the logit itself where D is far from right, and 0 where it is right.
    assert float(for_discriminator) == pytest.approx(max(0.0, -2 * logit), abs=1e-30)
    wanted = max(0.0, -logit) if family == "non_saturating" else -max(0.0, logit)
    assert float(for_generator) == pytest.approx(wanted, abs=1e-30)
    wrong = float(logit < 0)
    assert float(tape.gradient(for_discriminator, real)) == pytest.approx(-wrong, abs=1e-30)
    assert float(tape.gradient(for_discriminator, fake)) == pytest.approx(wrong, abs=1e-30)
    assert np.isfinite(tape.gradient(for_generator, real)).all()


@pytest.mark.parametrize("logit", [-12.0, -3.0, 0.0, 3.0])
def test_minimax_saturates_where_non_saturating_does_not(logit):
    slopes = {}
    for family in ("minimax", "non_saturating"):
        fake = tf.constant(logit)
        with tf.GradientTape() as tape:
            tape.watch(fake)
            loss = losses.loss_pair(family)[1](fake)
        slopes[family] = float(tape.gradient(loss, fake))
    # d log(1 - D) / dx = -D and d(-log D) / dx = D - 1: at D = 6e-6 one is gone.
    assert slopes["minimax"] == pytest.approx(-probability(logit), rel=1e-4)
    assert slopes["non_saturating"] == pytest.approx(probability(logit) - 1.0, rel=1e-4)


def test_the_value_of_the_game_is_minus_log_4_where_the_discriminator_cannot_tell():
    undecided = tf.zeros((4, 1))
    assert float(losses.game_value(undecided, undecided)) == pytest.approx(-math.log(4.0))
    real, fake = probability(REAL), probability(FAKE)
    value = np.mean(np.log(real)) + np.mean(np.log(1.0 - fake))
    assert float(losses.game_value(as_float32(REAL), as_float32(FAKE))) == pytest.approx(
        value, rel=1e-6
    )


def test_mean_probability():
    found = losses.mean_probability(as_float32(FAKE))
    assert float(found) == pytest.approx(probability(FAKE).mean(), rel=1e-6)


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_half_precision_logits_give_losses_in_float32(family, dtype):
    # 60,000 squares or sums overflow float16, and bfloat16 cannot count beyond 256.
    real, fake = tf.fill((1000, 1), tf.constant(300.0, dtype)), tf.zeros((1000, 1), dtype)
    discriminator_loss, generator_loss = losses.loss_pair(family)
    for found, exact in [
        (discriminator_loss(real, fake), discriminator_loss(tf.fill((1, 1), 300.0), [[0.0]])),
        (generator_loss(real), generator_loss(tf.fill((1, 1), 300.0))),
    ]:
        assert found.dtype == "float32"
        assert float(found) == pytest.approx(float(exact), rel=1e-6)


def test_an_unknown_loss_is_answered_with_the_known_ones():
    expected = (
        r"no loss named 'wasserstien'\. Did you mean 'wasserstein'\? Choose one of: "
        r"least_squares, minimax, non_saturating, wasserstein\.$"
    )
    with pytest.raises(GanzooError, match=expected):
        losses.loss_pair("wasserstien")
