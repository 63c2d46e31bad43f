"""Counts the modes of a mixture with known centres that samples reach."""

from typing import NamedTuple

import numpy as np

from ganzoo.errors import DataError


class ModeCount(NamedTuple):
    """How many modes were hit, of how many, and the share of good points."""

    modes_hit: int
    modes: int
    good_share: float


def count_modes(points, centres, sigma: float, share: float = 0.01) -> ModeCount:
    """Counts the centres that hold at least `share` of the points within 3 `sigma`.

    As Srivastava et al. 2017 (VEEGAN) measure rings and grids of Gaussians, a point is good where
    it lies within 3σ of its nearest centre. To them a single good point, among 2,500, hits a
    mode, which is `share` 0; a share keeps the count from growing with the number of points.

    Args:
        points: Samples `(n, d)`.
        centres: The modes' centres `(modes, d)`.
        sigma: Standard deviation of one mode, along each axis.
        share: A mode is hit by this share of all points or more, from 0 to 1, and by one point
            at least.

    Returns:
        Modes hit, number of modes, and the share of good points, from 0 to 1. A point that is
        not finite is not good.

    Raises:
        DataError: Shapes that do not match, no points, or a share out of its range.
    """
    points, centres = np.asarray(points, np.float64), np.asarray(centres, np.float64)
    if points.ndim != 2 or centres.ndim != 2 or points.shape[1:] != centres.shape[1:]:
        raise DataError(
            f"Points of shape {points.shape} do not match centres of shape {centres.shape}. "
            "Both need two axes and the same number of coordinates."
        )
    if not len(points) or not sigma > 0:
        raise DataError(f"Cannot count modes of {len(points)} points with sigma {sigma}.")
    if not 0 <= share <= 1:
        raise DataError(f"A mode cannot be hit by the share {share} of the points. Give 0 to 1.")
    with np.errstate(invalid="ignore", over="ignore"):
        distances = np.linalg.norm(points[:, None] - centres[None], axis=2)
    nearest = np.nan_to_num(distances, nan=np.inf).argmin(axis=1)
    good = distances[np.arange(len(points)), nearest] <= 3 * sigma
    hits = np.bincount(nearest[good], minlength=len(centres))
    least = max(1, share * len(points))
    return ModeCount(int((hits >= least).sum()), len(centres), float(good.mean()))
