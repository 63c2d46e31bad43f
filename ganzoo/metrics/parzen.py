"""The Parzen window log-likelihood of Goodfellow et al. 2014, section 5."""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from scipy.special import logsumexp

from ganzoo.errors import DataError
from ganzoo.metrics.inputs import blocks, check_same_width, rows_within


class ParzenLikelihood(NamedTuple):
    """Mean log-likelihood of the test set in nats, its standard error, and the width chosen."""

    mean: float
    standard_error: float
    sigma: float


def parzen_log_likelihood(
    samples,
    valid,
    test,
    sigmas=None,
    valid_limit: int = 1000,
    advance: Callable[[int], Any] = lambda count: None,
) -> ParzenLikelihood:
    """Fits Gaussian windows to samples and evaluates the test set's mean log-likelihood.

    log p(x) = log 1/n Σᵢ N(x; sampleᵢ, σ²I), as in Goodfellow et al. 2014, Table 1, and the
    authors' `parzen_ll.py`: 10,000 samples, not rounded to grey levels; σ is the value of
    `sigmas` under which the first `valid_limit` validation images are likeliest; the error is
    the standard deviation over the test set divided by √n. For MNIST, train is the first 50,000
    images of the train set and `valid` the other 10,000.

    Args:
        samples: Generated images `(n, …)`, pixels in [0, 1]; flattened here.
        valid: Held-out images `(v, …)` in [0, 1], never the test set.
        test: Test images `(m, …)` in [0, 1].
        sigmas: Widths to choose from; the authors' logspace(-1, 0, 10) by default.
        valid_limit: How many validation images decide.
        advance: Told how many validation or test images were done, after each block.

    Raises:
        DataError: Sizes differ, a set is empty, or pixels lie outside [0, 1] by more than
            rounding.
    """
    sigmas = np.logspace(-1, 0, 10) if sigmas is None else np.atleast_1d(sigmas).astype(float)
    if not len(sigmas) or not (sigmas > 0).all():
        raise DataError(f"Parzen windows need widths above 0, got {sigmas}. Give such sigmas.")
    samples = _flat_pixels(samples, "samples")
    valid = _flat_pixels(valid, "valid")[:valid_limit]
    test = _flat_pixels(test, "test")
    check_same_width(test, samples)
    check_same_width(test, valid)
    means = _log_likelihoods(valid, samples, sigmas, advance).mean(axis=1)
    sigma = float(sigmas[int(means.argmax())])
    likelihoods = _log_likelihoods(test, samples, np.array([sigma]), advance)[0]
    error = likelihoods.std() / np.sqrt(len(test))
    return ParzenLikelihood(float(likelihoods.mean()), float(error), sigma)


def _log_likelihoods(points, samples, sigmas, advance) -> np.ndarray:
    """Evaluates log p of each point under each width: `(sigmas, points)`."""
    count, width = samples.shape
    result = np.empty((len(sigmas), len(points)))
    norms = np.einsum("ij,ij->i", samples, samples)
    for block in blocks(len(points), rows_within(count, 1 << 27)):
        rows = points[block]
        squares = rows @ samples.T
        squares *= -2
        squares += norms
        squares += np.einsum("ij,ij->i", rows, rows)[:, None]
        np.maximum(squares, 0, out=squares)
        for index, sigma in enumerate(sigmas):
            scale = np.log(count) + width * np.log(sigma * np.sqrt(2 * np.pi))
            result[index, block] = logsumexp(squares * (-0.5 / sigma**2), axis=1) - scale
        advance(block.stop - block.start)
    return result


def _flat_pixels(images, name: str) -> np.ndarray:
    """Returns images as float64 rows, after a look at their range."""
    images = np.asarray(images)
    if images.ndim < 2 or not images.size:
        raise DataError(f"{name} must hold images, got shape {images.shape}. Give at least one.")
    rows = images.reshape(len(images), -1).astype(np.float64)
    if not (rows.min() >= -1e-6 and rows.max() <= 1 + 1e-6):
        raise DataError(
            f"{name} must be pixels in [0, 1], got {rows.min():g} to {rows.max():g}. Divide "
            "grey levels by 255, or map [-1, 1] by (x + 1) / 2."
        )
    return rows
