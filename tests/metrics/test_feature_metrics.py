"""Kernel distance, inception score, precision to coverage, neighbours, modes."""

import numpy as np
import pytest

from ganzoo.errors import DataError
from ganzoo.metrics import (
    count_modes,
    density_coverage,
    duplicate_rate,
    inception_score,
    kernel_distance,
    nearest_neighbours,
    neighbours,
    precision_recall,
)
from ganzoo.metrics.kernel import squared_discrepancy
from tests.metrics import reference_inputs


def test_kernel_distance_agrees_with_torch_fidelity_on_the_same_subsets(references):
    real, fake = reference_inputs.feature_pairs()["plain"]
    got = kernel_distance(real, fake, subsets=20, subset_size=100, seed=2020)
    np.testing.assert_allclose(got, references["kernel"], rtol=1e-6)


def test_kernel_discrepancy_is_the_average_over_pairs():
    """By hand, one feature: k(x, y) = (xy + 1)³ over pairs 0-1 | 2-3 and all crossings."""
    real, fake = np.array([[0.0], [1.0]]), np.array([[2.0], [3.0]])
    crossings = np.mean([1, 1, 3**3, 4**3])
    assert squared_discrepancy(real, fake) == pytest.approx(1 + 7**3 - 2 * crossings)


def test_kernel_distance_of_equal_distributions_straddles_zero():
    random = np.random.RandomState(0)
    sides = random.standard_normal((2, 400, 8))
    mean, std = kernel_distance(*sides, subsets=50, subset_size=200, seed=1)
    assert abs(mean) < 2 * std


@pytest.mark.parametrize(("subsets", "size"), [(0, 10), (5, 601), (5, 501), (5, 1)])
def test_kernel_distance_refuses_subsets_that_cannot_be_drawn(subsets, size):
    real, fake = reference_inputs.feature_pairs()["plain"]
    with pytest.raises(DataError, match=f"{subsets} subsets of {size} from 600 real and 500"):
        kernel_distance(real, fake, subsets, size)


def test_inception_score_agrees_with_torch_fidelity(references):
    logits = reference_inputs.class_logits()
    expected = references["inception_score"]
    np.testing.assert_allclose(inception_score(logits), expected["in_order"], rtol=1e-12)
    np.testing.assert_allclose(inception_score(logits, seed=2020), expected["shuffled"], rtol=1e-12)


def test_inception_score_runs_from_one_to_the_number_of_classes():
    sure = np.eye(6).repeat(5, axis=0) * 1e4
    assert inception_score(sure, splits=1).mean == pytest.approx(6)
    assert inception_score(np.zeros((12, 6)), splits=3) == pytest.approx((1, 0))
    with pytest.raises(DataError, match="12 rows into 13 splits"):
        inception_score(np.zeros((12, 6)), splits=13)


@pytest.mark.parametrize("k", [3, 5])
def test_manifold_scores_equal_prdc(references, k, monkeypatch):
    # Blocks far smaller than the arrays, so that the seams between them are crossed.
    monkeypatch.setattr(neighbours, "BLOCK_BYTES", 1 << 13)
    real, fake = reference_inputs.neighbour_features()
    expected = references["manifold"][str(k)]
    assert precision_recall(real, fake, k) == (expected["precision"], expected["recall"])
    assert density_coverage(real, fake, k) == pytest.approx(
        (expected["density"], expected["coverage"]), abs=1e-15
    )


def test_manifold_scores_by_hand():
    """Real 0, 1, 2 (radii 1 with k = 1), fake 0.5 and 9 (radii 8.5)."""
    real, fake = np.array([[0.0], [1], [2]]), np.array([[0.5], [9.0]])
    assert precision_recall(real, fake, k=1) == (0.5, 1.0)
    assert density_coverage(real, fake, k=1) == (1.0, 2 / 3)
    # On the edge is outside, as in the reference package.
    assert precision_recall(real, np.array([[-1.0], [9.0]]), k=1).precision == 0
    assert density_coverage(real, np.array([[-1.0], [9.0]]), k=1) == (0, 0)
    edges = np.array([[-1.0], [5], [11]])  # of balls around 1 and 3, whose radii are 2
    assert precision_recall(edges, np.array([[1.0], [3]]), k=1) == (1, 0)
    with pytest.raises(
        DataError, match="2 fake features have no 2 neighbours each. .* below their"
    ):
        precision_recall(real, fake, k=2)
    with pytest.raises(DataError, match="3 real features have no 0 neighbours .* 1 or more"):
        precision_recall(real, fake, k=0)


def test_nearest_neighbours_equal_a_full_sort(monkeypatch):
    monkeypatch.setattr(neighbours, "BLOCK_BYTES", 1 << 12)
    real, fake = reference_inputs.neighbour_features()
    full = np.linalg.norm(fake[:, None].astype(float) - real[None], axis=2)
    distances, indices = nearest_neighbours(fake, real, k=4)
    np.testing.assert_array_equal(indices, full.argsort(axis=1)[:, :4])
    np.testing.assert_allclose(distances, np.sort(full, axis=1)[:, :4], rtol=1e-6)
    with pytest.raises(DataError, match="301 neighbours among 300. Give a k from 1 to 300"):
        nearest_neighbours(fake, real, k=301)


def test_duplicate_rate_counts_copies():
    random = np.random.RandomState(4)
    real = random.standard_normal((500, 8))
    assert duplicate_rate(real, real) == pytest.approx(0.01, abs=0.003)
    collapsed = real[:100] + 1e-6 * random.standard_normal((5, 100, 8))
    assert duplicate_rate(collapsed.reshape(500, 8), real) == 1
    few = np.array([[0.0], [0.25], [5.0], [9.0]])
    assert [duplicate_rate(few, threshold=far) for far in (0.24, 0.25, 4.0)] == [0, 0.5, 1]
    with pytest.raises(DataError, match="needs real features or a threshold"):
        duplicate_rate(real)


def test_modes_are_counted_by_hand():
    centres = [[0.0, 0.0], [10.0, 0.0], [0.0, 10.0]]
    points = np.zeros((200, 2))
    points[:198] += [0.29, 0.0]
    points[198] = [10.0, 0.31]
    points[199] = [10.0, 0.3 - 1e-9]
    assert count_modes(points, centres, sigma=0.1) == (1, 3, 199 / 200)
    # To VEEGAN one good point hits a mode, and no point none.
    assert count_modes(points, centres, sigma=0.1, share=0) == (2, 3, 199 / 200)
    points[198] = [10.0, 0.0]
    assert count_modes(points, centres, sigma=0.1) == (2, 3, 1.0)


def test_points_that_are_not_finite_are_not_good():
    points = np.array([[0.0, 0.0], [np.nan, 0.0], [np.inf, 0.0], [0.0, -np.inf]])
    assert count_modes(points, [[0.0, 0.0]], sigma=1.0) == (1, 1, 0.25)


def test_modes_refuse_what_does_not_match():
    with pytest.raises(DataError, match=r"\(5, 3\) do not match centres of shape \(8, 2\)"):
        count_modes(np.zeros((5, 3)), np.zeros((8, 2)), 0.1)
    with pytest.raises(DataError, match="0 points with sigma"):
        count_modes(np.zeros((0, 2)), np.zeros((8, 2)), 0.1)
    with pytest.raises(DataError, match="by the share nan of the points. Give 0 to 1"):
        count_modes(np.zeros((5, 2)), np.zeros((8, 2)), 0.1, share=float("nan"))
