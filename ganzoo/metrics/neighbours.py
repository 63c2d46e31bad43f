"""Nearest neighbours in feature space, in blocks: memorised pictures and repeated samples."""

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from ganzoo.errors import DataError
from ganzoo.metrics.inputs import blocks, check_features, check_same_width, rows_within

# The largest block of distances, and of rows converted to float64, held at once.
BLOCK_BYTES = 1 << 26


def nearest_neighbours(queries, gallery, k: int = 1) -> tuple[np.ndarray, np.ndarray]:
    """Finds the k rows of `gallery` nearest to each query, by Euclidean distance.

    Features of samples against those of the training set show memorisation: a picture that was
    learnt by heart lies far nearer to a training picture than a held-out one does.

    Args:
        queries: Features `(n, d)`.
        gallery: Features `(m, d)`, m ≥ k. Memory does not grow with m beyond m rows of float32.
        k: How many neighbours.

    Returns:
        Distances `(n, k)`, ascending, and the rows' indices in the gallery `(n, k)`.

    Raises:
        DataError: Bad features, or k is not between 1 and m.
    """
    queries, gallery = check_features(queries, "queries"), check_features(gallery, "gallery")
    check_same_width(gallery, queries)
    if not 1 <= k <= len(gallery):
        raise DataError(
            f"Cannot find {k} neighbours among {len(gallery)}. Give a k from 1 to {len(gallery)}."
        )
    distances = np.empty((len(queries), k))
    indices = np.empty((len(queries), k), np.int64)
    for rows in row_blocks(queries):
        best = np.full((rows.stop - rows.start, k), np.inf)
        where = np.zeros_like(best, dtype=np.int64)
        for columns, block in distance_blocks(queries, gallery, rows):
            near = np.argpartition(block, min(k, block.shape[1]) - 1, axis=1)[:, :k]
            best, where = _merge(
                np.concatenate([best, np.take_along_axis(block, near, 1)], axis=1),
                np.concatenate([where, near + columns.start], axis=1),
                k,
            )
        distances[rows], indices[rows] = best, where
    return distances, indices


def duplicate_rate(
    samples,
    real=None,
    threshold: float | None = None,
    advance: Callable[[int], Any] = lambda count: None,
) -> float:
    """Measures which share of the samples all but repeats another sample.

    A sample counts where its nearest other sample is at most `threshold` away. Without one, the
    threshold is what only 1 % of the real images fall below among themselves, so that real data
    scores 0.01 and a collapsed generator near 1.

    Args:
        samples: Features `(n, d)`.
        real: Features `(m, d)` of real images; needed without a threshold. Their number should
            be near n, because neighbours draw closer as rows are added.
        threshold: A distance in feature units.
        advance: Told how many rows of either were done, after each block.

    Returns:
        A share between 0 and 1.

    Raises:
        DataError: Bad features, or neither `real` nor `threshold`.
    """
    if threshold is None:
        if real is None:
            raise DataError("A duplicate rate needs real features or a threshold. Give either.")
        threshold = float(np.quantile(nearest_other(real, "real", advance=advance), 0.01))
    return float((nearest_other(samples, "samples", advance=advance) <= threshold).mean())


def nearest_other(
    features,
    name: str = "features",
    k: int = 1,
    advance: Callable[[int], Any] = lambda count: None,
) -> np.ndarray:
    """Finds each row's distance `(n,)` to its k-th nearest other row.

    `advance` is told how many rows were done, after each block.

    Raises:
        DataError: Bad features, or k is not between 1 and n − 1.
    """
    features = check_features(features, name)
    if not 1 <= k < len(features):
        raise DataError(
            f"{len(features)} {name} have no {k} neighbours each. Give a k of 1 or more, and "
            "below their number."
        )
    radii = np.empty(len(features))
    for rows in row_blocks(features):
        best = np.full((rows.stop - rows.start, k + 1), np.inf)
        for _, block in distance_blocks(features, features, rows):
            best = np.partition(np.concatenate([best, block], axis=1), k, axis=1)[:, : k + 1]
        # A row is its own nearest, at 0: the k-th other one is the one after k.
        radii[rows] = best.max(axis=1)
        advance(rows.stop - rows.start)
    return radii


def row_blocks(features: np.ndarray) -> list[slice]:
    """Slices of rows whose float64 copies stay within the memory bound."""
    return blocks(len(features), min(2048, rows_within(features.shape[1], BLOCK_BYTES)))


def distance_blocks(
    queries: np.ndarray, gallery: np.ndarray, rows: slice
) -> Iterator[tuple[slice, np.ndarray]]:
    """Yields a slice of the gallery and the distances of `queries[rows]` to it, in float64.

    From |x|² + |y|² − 2xᵀy, clipped at 0; a row's distance to itself is exactly 0 where both
    sides are one array, as in the reference packages.
    """
    left = np.asarray(queries[rows], np.float64)
    left_norms = np.einsum("ij,ij->i", left, left)[:, None]
    size = min(rows_within(gallery.shape[1], BLOCK_BYTES), rows_within(len(left), BLOCK_BYTES))
    for columns in blocks(len(gallery), size):
        right = np.asarray(gallery[columns], np.float64)
        squares = left @ right.T
        squares *= -2
        squares += left_norms
        squares += np.einsum("ij,ij->i", right, right)
        np.maximum(squares, 0, out=squares)
        if queries is gallery:
            same = np.arange(max(rows.start, columns.start), min(rows.stop, columns.stop))
            squares[same - rows.start, same - columns.start] = 0
        yield columns, np.sqrt(squares, out=squares)


def _merge(distances: np.ndarray, indices: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
    """Keeps the k smallest of each row, ascending."""
    order = np.argsort(distances, axis=1, kind="stable")[:, :k]
    return np.take_along_axis(distances, order, 1), np.take_along_axis(indices, order, 1)
