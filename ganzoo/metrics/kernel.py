"""The kernel distance: an unbiased estimate of squared MMD (Bińkowski et al. 2018)."""

from typing import NamedTuple

import numpy as np

from ganzoo.errors import DataError
from ganzoo.metrics.inputs import check_features, check_same_width


class KernelDistance(NamedTuple):
    """Mean and standard deviation of the estimates over the subsets."""

    mean: float
    std: float


def kernel_distance(
    real, fake, subsets: int = 100, subset_size: int = 1000, seed: int = 2020
) -> KernelDistance:
    """Estimates the squared maximum mean discrepancy with the kernel (xᵀy / d + 1)³.

    On Inception features it is the KID (Bińkowski et al. 2018, section 3; the unbiased
    estimator is Gretton et al. 2012, equation 3). Each subset draws rows of `fake`, then of
    `real`, without replacement, from NumPy's frozen RandomState stream: the same subsets as
    torch-fidelity takes with the same seed when the generated images are its first input.

    Args:
        real: Features `(n, d)`.
        fake: Features `(m, d)`.
        subsets: How many subsets to average over.
        subset_size: Rows a subset takes from either side, at most n and m.
        seed: Decides which rows.

    Returns:
        Mean and standard deviation over the subsets. Around 0, either sign, for equal
        distributions.

    Raises:
        DataError: Bad features, or fewer rows than a subset needs.
    """
    real, fake = check_features(real, "real"), check_features(fake, "fake")
    check_same_width(real, fake)
    if subsets < 1 or not 2 <= subset_size <= min(len(real), len(fake)):
        raise DataError(
            f"Cannot draw {subsets} subsets of {subset_size} from {len(real)} real and "
            f"{len(fake)} fake rows. Ask for at least one subset of 2 rows or more, and for no "
            "more rows than there are."
        )
    random = np.random.RandomState(seed)
    estimates = np.empty(subsets)
    for index in range(subsets):
        chosen_fake = fake[random.choice(len(fake), subset_size, replace=False)]
        chosen_real = real[random.choice(len(real), subset_size, replace=False)]
        estimates[index] = squared_discrepancy(chosen_real, chosen_fake)
    return KernelDistance(float(estimates.mean()), float(estimates.std()))


def squared_discrepancy(real, fake) -> float:
    """Estimates squared MMD from all pairs of rows `(n, d)` and `(m, d)`, without bias."""
    real, fake = np.asarray(real, np.float64), np.asarray(fake, np.float64)
    between = _kernel(real, fake).mean()
    return float(_mean_off_diagonal(real) + _mean_off_diagonal(fake) - 2 * between)


def _mean_off_diagonal(rows: np.ndarray) -> float:
    """Averages the kernel over the ordered pairs of different rows."""
    values = _kernel(rows, rows)
    count = len(rows)
    return (values.sum() - np.trace(values)) / (count * (count - 1))


def _kernel(rows: np.ndarray, columns: np.ndarray) -> np.ndarray:
    return (rows @ columns.T / rows.shape[1] + 1) ** 3
