"""Precision and recall, density and coverage, from balls around neighbours in feature space."""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from ganzoo.metrics.inputs import check_features, check_same_width
from ganzoo.metrics.neighbours import distance_blocks, nearest_other, row_blocks


class PrecisionRecall(NamedTuple):
    """Shares between 0 and 1."""

    precision: float
    recall: float


class DensityCoverage(NamedTuple):
    """Density is 1 on average for equal distributions, unbounded above; coverage is a share."""

    density: float
    coverage: float


def precision_recall(real, fake, k: int = 3) -> PrecisionRecall:
    """Measures how many samples lie among the real images, and the other way round.

    Kynkäänniemi et al. 2019, equations 1 and 2, with the strict inequality of the reference
    package `prdc`: a sample is precise where it lies inside the ball of some real image, whose
    radius is that image's distance to its k-th nearest real neighbour.

    Args:
        real: Features `(n, d)`, n > k.
        fake: Features `(m, d)`, m > k.
        k: Which neighbour sets the radius.

    Raises:
        DataError: Bad features, or k is too large.
    """
    return manifold_scores(real, fake, k)[0]


def density_coverage(real, fake, k: int = 5) -> DensityCoverage:
    """Measures how densely samples fill the real images' balls, and how many balls hold one.

    Naeem et al. 2020, equations 3 and 4. Arguments and errors as in `precision_recall`.
    """
    return manifold_scores(real, fake, k)[1]


def manifold_scores(
    real, fake, k: int, advance: Callable[[int], Any] = lambda count: None
) -> tuple[PrecisionRecall, DensityCoverage]:
    """Computes both pairs in one pass over the distances, in blocks of bounded memory.

    `advance` is told of rows that are done: each of `fake` once and each of `real` twice.
    """
    real, fake = check_features(real, "real"), check_features(fake, "fake")
    check_same_width(real, fake)
    real_radii = nearest_other(real, "real features", k, advance)
    fake_radii = nearest_other(fake, "fake features", k, advance)
    balls_around_fake = np.zeros(len(fake), np.int64)
    recalled = np.zeros(len(real), bool)
    covered = np.zeros(len(real), bool)
    for rows in row_blocks(real):
        radii = real_radii[rows, None]
        for columns, distances in distance_blocks(real, fake, rows):
            inside_real = distances < radii
            balls_around_fake[columns] += inside_real.sum(axis=0)
            covered[rows] |= inside_real.any(axis=1)
            recalled[rows] |= (distances < fake_radii[columns]).any(axis=1)
        advance(rows.stop - rows.start)
    precision = float((balls_around_fake > 0).mean())
    density = float(balls_around_fake.mean() / k)
    return (
        PrecisionRecall(precision, float(recalled.mean())),
        DensityCoverage(density, float(covered.mean())),
    )
