"""The Fréchet distance: closed forms, the reference packages, streams, degenerate features."""

import time

import numpy as np
import pytest
import scipy.linalg

from ganzoo.errors import DataError
from ganzoo.metrics import Moments, frechet_distance
from tests.metrics import reference_inputs


def moments_with(mean, covariance, count=10_000):
    """Moments that say exactly this mean and covariance."""
    moments = Moments(len(mean))
    moments.count = count
    moments.mean = np.asarray(mean, float)
    moments.scatter = np.asarray(covariance, float) * (count - 1)
    return moments


def test_gaussians_on_one_set_of_axes_have_the_closed_form():
    """|μ₁ − μ₂|² + Σ (σ₁ − σ₂)² where the covariances commute."""
    turn, _ = np.linalg.qr(np.random.RandomState(0).standard_normal((5, 5)))
    first, second = np.array([1.0, 2, 3, 4, 5]), np.array([2.0, 2, 1, 7, 0.5])
    real = moments_with(np.arange(5), turn @ np.diag(first**2) @ turn.T)
    fake = moments_with(np.arange(5) + 0.5, turn @ np.diag(second**2) @ turn.T)
    expected = 5 * 0.25 + ((first - second) ** 2).sum()
    assert frechet_distance(real, fake) == pytest.approx(expected, rel=1e-12)


def test_gaussians_that_do_not_commute_have_the_closed_form_in_two_dimensions():
    """tr √M = √(tr M + 2 √det M) for a 2×2 product M = Σ₁Σ₂."""
    first, second = np.array([[2.0, 0.6], [0.6, 1.0]]), np.array([[1.0, -0.7], [-0.7, 3.0]])
    product = first @ second
    root = np.sqrt(np.trace(product) + 2 * np.sqrt(np.linalg.det(product)))
    expected = np.trace(first) + np.trace(second) - 2 * root
    got = frechet_distance(moments_with([0, 0], first), moments_with([0, 0], second))
    assert got == pytest.approx(expected, rel=1e-12)


def test_one_set_against_itself_is_zero_and_the_order_of_the_sides_does_not_matter():
    real, fake = reference_inputs.feature_pairs()["plain"]
    assert abs(frechet_distance(real, real)) < 1e-12
    assert frechet_distance(real, fake) == pytest.approx(frechet_distance(fake, real), rel=1e-12)


def test_features_agree_with_torch_fidelity_and_ttur(references):
    real, fake = reference_inputs.feature_pairs()["plain"]
    expected = references["frechet"]["plain"]
    bound = 1e-6 * expected["traces"]
    assert abs(frechet_distance(real, fake) - expected["torch_fidelity"]) < bound
    assert abs(frechet_distance(real, fake) - expected["ttur"]) < bound


@pytest.mark.parametrize(
    ("case", "words"),
    [("few_rows", "40 rows cannot fill 64"), ("dependent_columns", "rank 62 of 64.*depend")],
)
def test_degenerate_features_agree_too_and_warn(references, case, words):
    real, fake = reference_inputs.feature_pairs()[case]
    expected = references["frechet"][case]
    with (
        pytest.warns(UserWarning, match=f"covariance of the real features.*{words}"),
        pytest.warns(UserWarning, match="covariance of the fake features"),
    ):
        got = frechet_distance(real, fake)
    assert abs(got - expected["torch_fidelity"]) < 1e-6 * expected["traces"]


def test_as_many_rows_as_columns_are_too_few_by_one():
    rows = np.random.RandomState(0).standard_normal((8, 8))
    real = np.random.RandomState(1).standard_normal((9, 8))  # enough: no warning
    with pytest.warns(UserWarning, match="fake .* rank 7 of 8, because 8 rows cannot fill 8 colu"):
        frechet_distance(real, rows)


@pytest.mark.filterwarnings("ignore:The covariance")
def test_few_rows_match_the_singular_values_of_the_rows_themselves():
    """With Σ = XᵀX, tr √(Σ₁Σ₂) is the nuclear norm of X₁X₂ᵀ: no covariance is formed."""
    real, fake = reference_inputs.feature_pairs()["few_rows"]
    centred = [(side - side.mean(0)) / np.sqrt(len(side) - 1) for side in (real, fake)]
    traces = sum((side**2).sum() for side in centred)
    gap = real.mean(0) - fake.mean(0)
    expected = gap @ gap + traces - 2 * scipy.linalg.svdvals(centred[0] @ centred[1].T).sum()
    assert frechet_distance(real, fake) == pytest.approx(expected, rel=1e-12)


def test_a_fast_decaying_spectrum_keeps_full_precision():
    """Where a root of the product's eigenvalues would lose half the digits."""
    random = np.random.RandomState(1)
    turn, _ = np.linalg.qr(random.standard_normal((200, 200)))
    values = np.arange(1, 201.0) ** -5
    real = moments_with(np.zeros(200), (turn * values) @ turn.T)
    fake = moments_with(np.zeros(200), (turn * (2 * values)) @ turn.T)
    expected = values.sum() * (1 - np.sqrt(2)) ** 2
    assert frechet_distance(real, fake) == pytest.approx(expected, rel=1e-10)


def test_batches_of_any_size_give_the_moments_of_the_whole():
    rows = np.random.RandomState(2).standard_normal((1000, 7)) * 0.01 + 1e4
    moments = Moments(7)
    for start, stop in [(0, 1), (1, 130), (130, 131), (131, 1000), (1000, 1000)]:
        moments.update(rows[start:stop])
    assert moments.count == 1000
    np.testing.assert_allclose(moments.mean, rows.mean(0), rtol=1e-14)
    np.testing.assert_allclose(moments.covariance, np.cov(rows, rowvar=False), atol=1e-13)


def test_constant_features_on_both_sides_differ_by_their_means():
    with pytest.warns(UserWarning, match="rank 0 of 3"):
        assert frechet_distance(np.ones((9, 3)), np.ones((9, 3)) * 3) == pytest.approx(12)


@pytest.mark.parametrize(
    ("real", "fake", "words"),
    [
        (np.zeros((4, 3)), np.zeros((4, 2)), "3 columns and fake ones 2"),
        (np.zeros((1, 3)), np.zeros((4, 3)), "real must be features"),
        (np.zeros((4, 3)), np.zeros(4), "fake must be features"),
        (np.full((4, 3), np.nan), np.zeros((4, 3)), "real holds values that are not finite"),
        (np.zeros((4, 3)), np.full((4, 3), "a"), "fake must be numbers"),
    ],
)
def test_what_is_not_features_is_refused(real, fake, words):
    with pytest.raises(DataError, match=words):
        frechet_distance(real, fake)


def test_moments_refuse_rows_that_do_not_belong():
    with pytest.raises(DataError, match="rows of 3 features, got shape"):
        Moments(3).update(np.zeros((2, 4)))
    with pytest.raises(DataError, match="not finite among rows 0 to 1"):
        Moments(3).update(np.full((2, 3), np.inf))
    with pytest.raises(DataError, match="at least 2 rows, got 0"):
        Moments(3).covariance  # noqa: B018


@pytest.mark.soak
def test_2048_columns_take_a_third_of_the_time_of_sqrtm():
    random = np.random.RandomState(3)
    scales = np.arange(1, 2049) ** -0.75
    sides = []
    for _ in range(2):
        moments = Moments(2048)
        for _ in range(5):
            moments.update(random.standard_normal((1000, 2048)) * scales)
        sides.append(moments)
    timings = []
    for _ in range(3):  # the best of three: the machine may be busy
        start = time.perf_counter()
        ours = frechet_distance(*sides)
        timings.append(time.perf_counter() - start)
    start = time.perf_counter()
    root = scipy.linalg.sqrtm(sides[0].covariance @ sides[1].covariance)
    reference = time.perf_counter() - start
    traces = sum(np.trace(side.covariance) for side in sides)
    gap = sides[0].mean - sides[1].mean
    assert abs(ours - (gap @ gap + traces - 2 * np.trace(root).real)) < 1e-6 * traces
    assert 3 * min(timings) < reference
