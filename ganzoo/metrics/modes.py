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

    The measure of Srivastava et al. 2017 (VEEGAN) and others on rings and grids of Gaussians:
    a point is good where it lies within 3σ of its nearest centre.

    Args:
        points: Samples `(n, d)`.
        centres: The modes' centres `(modes, d)`.
        sigma: Standard deviation of one mode, along each axis.
        share: A mode is hit by this share of all points or more.

    Returns:
        Modes hit, number of modes, and the share of good points, from 0 to 1. A point that is
        not finite is not good.

    Raises:
        DataError: Shapes that do not match, or no points.
    """
    points, centres = np.asarray(points, np.float64), np.asarray(centres, np.float64)
    if points.ndim != 2 or centres.ndim != 2 or points.shape[1:] != centres.shape[1:]:
        raise DataError(
            f"Points of shape {points.shape} do not match centres of shape {centres.shape}. "
            "Both need two axes and the same number of coordinates."
        )
    if not len(points) or not sigma > 0:
        raise DataError(f"Cannot count modes of {len(points)} points with sigma {sigma}.")
    with np.errstate(invalid="ignore", over="ignore"):
        distances = np.linalg.norm(points[:, None] - centres[None], axis=2)
    nearest = np.nan_to_num(distances, nan=np.inf).argmin(axis=1)
    good = distances[np.arange(len(points)), nearest] <= 3 * sigma
    hits = np.bincount(nearest[good], minlength=len(centres))
    return ModeCount(int((hits >= share * len(points)).sum()), len(centres), float(good.mean()))
