"""The Fréchet distance between Gaussians fitted to features (Heusel et al. 2017, equation 6)."""

import warnings

import numpy as np
import scipy.linalg

from ganzoo.errors import DataError
from ganzoo.metrics.inputs import blocks, check_features, rows_within


def frechet_distance(real, fake) -> float:
    """Computes the Fréchet distance between Gaussians fitted to two sets of features.

    |μ₁ − μ₂|² + tr Σ₁ + tr Σ₂ − 2 tr (Σ₁Σ₂)^½, with covariances divided by n − 1
    (Dowson and Landau 1982; Heusel et al. 2017, equation 6). On features of the Inception
    network of 2015-12-05 it is the FID.

    With Σ₁ = AᵀA and Σ₂ = BᵀB, the last trace is the sum of the singular values of ABᵀ. The
    usual way, a matrix square root of Σ₁Σ₂, takes roots of eigenvalues that carry an error of
    the size of the largest; here rounding stays at 1e-14 of the traces, also where the features
    are rank-deficient.

    Args:
        real: Features `(n, d)`, or their `Moments`.
        fake: Features `(m, d)` of the same extractor, or their `Moments`.

    Returns:
        The distance in float64, in squared feature units; 0 for equal sets, up to rounding.

    Raises:
        DataError: A wrong shape, two widths, fewer than two rows, or values that are not finite.

    Warns:
        UserWarning: One side has no more rows than columns or is rank-deficient for another
            reason. The distance of the fitted Gaussians is still right, but few rows bias it up.
    """
    first, second = moments_of(real, "real"), moments_of(fake, "fake")
    if first.width != second.width:
        raise DataError(
            f"Real features have {first.width} columns and fake ones {second.width}. "
            "Take both from the same extractor."
        )
    difference = first.mean - second.mean
    cross = _root(first, "real") @ _root(second, "fake").T
    trace = scipy.linalg.svdvals(cross, overwrite_a=True, check_finite=False).sum()
    spread = np.trace(first.covariance) + np.trace(second.covariance)
    return float(difference @ difference + spread - 2 * trace)


def moments_of(features, name: str = "features") -> "Moments":
    """Returns the `Moments` of features `(n, d)`; passes moments through."""
    if isinstance(features, Moments):
        return features
    features = check_features(features, name)
    moments = Moments(features.shape[1])
    for block in blocks(len(features), rows_within(features.shape[1], 1 << 26)):
        moments.update(features[block])
    return moments


class Moments:
    """Count, mean and covariance of feature rows that arrive batch by batch, in float64.

    Batches are merged as in Chan, Golub and LeVeque 1979, so that nothing cancels as it does
    in E[xx'] − E[x]E[x]'. Memory is d² + d numbers, whatever the count.

    Args:
        width: Number of columns, d.
    """

    def __init__(self, width: int) -> None:
        self.width = width
        self.count = 0
        self.mean = np.zeros(width)
        self.scatter = np.zeros((width, width))

    def update(self, features) -> None:
        """Adds rows `(n, d)`, n of any size.

        Raises:
            DataError: The rows have another width or are not finite.
        """
        rows = np.asarray(features, np.float64)
        if rows.ndim != 2 or rows.shape[1] != self.width:
            raise DataError(
                f"Expected rows of {self.width} features, got shape {rows.shape}. "
                "Take all batches from the same extractor."
            )
        if not len(rows):
            return
        mean = rows.mean(axis=0)
        if not np.isfinite(mean).all():
            raise DataError(
                f"Features are not finite among rows {self.count} to "
                f"{self.count + len(rows) - 1}. Look at the model or the images."
            )
        total = self.count + len(rows)
        step = mean - self.mean
        rows = rows - mean
        self.scatter += rows.T @ rows
        self.scatter += np.outer(step, step * (self.count * len(rows) / total))
        self.mean += step * (len(rows) / total)
        self.count = total

    @property
    def covariance(self) -> np.ndarray:
        """The covariance `(d, d)`, divided by n − 1."""
        if self.count < 2:
            raise DataError(f"A covariance needs at least 2 rows, got {self.count}. Give more.")
        return self.scatter / (self.count - 1)


def _root(moments: Moments, name: str) -> np.ndarray:
    """Finds A `(d, d)` with AᵀA the covariance, and warns where its rank is not full."""
    covariance = moments.covariance
    # A Cholesky factor is as exact and six times faster, but only where no pivot drowns in
    # rounding; the eigendecomposition serves every other case and counts the rank.
    negligible = len(covariance) * np.finfo(np.float64).eps
    if moments.count > moments.width:
        try:
            factor = np.linalg.cholesky(covariance)
        except np.linalg.LinAlgError:
            pass
        else:
            pivots = np.diag(factor) ** 2
            if pivots.min() > negligible * pivots.max():
                return factor.T
    values, vectors = np.linalg.eigh(covariance)
    # What rounding left of an eigenvalue 0 would add its square root, half the digits.
    values = np.where(values > negligible * max(values[-1], 0), values, 0)
    _warn_of_rank(moments, int((values > 0).sum()), name)
    return np.sqrt(values)[:, None] * vectors.T


def _warn_of_rank(moments: Moments, rank: int, name: str) -> None:
    if moments.count <= moments.width:
        reason = f"{moments.count} rows cannot fill {moments.width} columns"
    elif rank < moments.width:
        reason = "some columns are constant or depend on others"
    else:
        return
    warnings.warn(
        f"The covariance of the {name} features has rank {rank} of {moments.width}, because "
        f"{reason}. The distance is right for these rows, but says little about more of them.",
        stacklevel=4,
    )
