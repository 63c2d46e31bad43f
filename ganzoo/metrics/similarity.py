"""Structural similarity of images, at several scales, and peak signal-to-noise ratio."""

import numpy as np
import scipy.ndimage

from ganzoo.errors import DataError
from ganzoo.metrics.inputs import blocks, check_images

# Wang, Simoncelli and Bovik 2003, section 3.2. They sum to 1.0001, as published.
SCALE_WEIGHTS = np.array([0.0448, 0.2856, 0.3001, 0.2363, 0.1333])


def multi_scale_ssim(images, other=None, *, data_range: float = 255.0) -> float:
    """Averages the multi-scale structural similarity of pairs: the spread of a set of images.

    Wang et al. 2003, by the protocol of the progressive GAN's official code (Karras et al. 2018,
    section 5): images 0 and 1, 2 and 3, … are pairs, 10,000 of them for 20,000 samples; five
    scales, 11×11 Gaussian window with σ 1.5, both reduced for small images, box halving, means
    below 0 clipped. Values near 1 say that all images look alike; compare with real images.

    Args:
        images: `(n, h, w, c)`, n even unless `other` is given, sides that halve evenly four
            times, in [0, `data_range`].
        other: Compares each image with the one here instead of with its neighbour.
        data_range: The largest minus the smallest possible value.

    Returns:
        The mean over the pairs, at most 1.

    Raises:
        DataError: An odd count, shapes that differ, or sides that do not halve evenly.
    """
    images = check_images(images, "images")
    if other is None:
        if len(images) % 2:
            raise DataError(f"Pairs need an even number of images, got {len(images)}. Drop one.")
        first, second = images[0::2], images[1::2]
    else:
        first, second = images, check_images(other, "other")
    if first.shape != second.shape:
        raise DataError(f"Pairs differ in shape: {first.shape} and {second.shape}. Match them.")
    total = 0.0
    for block in blocks(len(first), 32):
        total += pair_scores(first[block], second[block], data_range).sum()
    return float(total / len(first))


def pair_scores(first, second, data_range: float = 255.0) -> np.ndarray:
    """Computes the multi-scale similarity of each pair of images: `(n,)`, float64.

    Raises:
        DataError: The sides do not halve evenly.
    """
    if first.shape[1] % 16 or first.shape[2] % 16:
        raise DataError(
            f"Images of {first.shape[1]}×{first.shape[2]} do not halve evenly four times. "
            "Resize them so that 16 divides both sides, for example to 32×32, or leave MS-SSIM out."
        )
    first, second = np.asarray(first, np.float64), np.asarray(second, np.float64)
    score = np.ones(len(first))
    for scale, weight in enumerate(SCALE_WEIGHTS):
        similarity, contrast = structural_similarity(first, second, data_range)
        last = scale == len(SCALE_WEIGHTS) - 1
        score *= np.maximum(similarity if last else contrast, 0) ** weight
        if not last:
            first, second = _halve(first), _halve(second)
    return score


def structural_similarity(first, second, data_range: float = 255.0):
    """Computes SSIM and its contrast-structure part for each pair of images.

    Wang et al. 2004, equations 12 and 13, K₁ 0.01, K₂ 0.03, population covariances, averaged
    over the places where the whole window lies inside the image.

    Args:
        first: `(n, h, w, c)` in float64.
        second: The same shape.
        data_range: The largest minus the smallest possible value.

    Returns:
        Two arrays `(n,)`.
    """
    size = min(11, first.shape[1], first.shape[2])
    window = _gaussian(size, 1.5 * size / 11)
    mean_first, mean_second = _filter(first, window), _filter(second, window)
    variances = _filter(first**2, window) - mean_first**2
    variances += _filter(second**2, window) - mean_second**2
    covariance = _filter(first * second, window) - mean_first * mean_second
    c1, c2 = (0.01 * data_range) ** 2, (0.03 * data_range) ** 2
    contrast = (2 * covariance + c2) / (variances + c2)
    luminance = (2 * mean_first * mean_second + c1) / (mean_first**2 + mean_second**2 + c1)
    axes = (1, 2, 3)
    return (luminance * contrast).mean(axis=axes), contrast.mean(axis=axes)


def peak_signal_to_noise(first, second, data_range: float = 255.0) -> np.ndarray:
    """Computes 10 log₁₀(range² / mean squared error) for each pair of images: `(n,)`, decibels.

    Infinite for equal images.
    """
    first, second = check_images(first, "first"), check_images(second, "second")
    if first.shape != second.shape:
        raise DataError(f"Pairs differ in shape: {first.shape} and {second.shape}. Match them.")
    errors = np.array(
        [
            np.square(np.subtract(a, b, dtype=np.float64)).mean()
            for a, b in zip(first, second, strict=True)
        ]
    )
    with np.errstate(divide="ignore"):
        return 10 * np.log10(data_range**2 / errors)


def _gaussian(size: int, sigma: float) -> np.ndarray:
    """A normalised 1-D Gaussian of `size` taps around its middle."""
    offsets = np.arange(size) - (size - 1) / 2
    weights = np.exp(-(offsets**2) / (2 * sigma**2))
    return weights / weights.sum()


def _filter(images: np.ndarray, window: np.ndarray) -> np.ndarray:
    """Convolves along height and width, keeping the places where the window fits."""
    for axis in (1, 2):
        size = images.shape[axis]
        filtered = scipy.ndimage.correlate1d(images, window, axis=axis, mode="nearest")
        start = len(window) // 2
        keep = np.arange(start, start + size - len(window) + 1)
        images = filtered.take(keep, axis=axis)
    return images


def _halve(images: np.ndarray) -> np.ndarray:
    """Averages each 2×2 square."""
    rows = images[:, 0::2] + images[:, 1::2]
    return (rows[:, :, 0::2] + rows[:, :, 1::2]) / 4
