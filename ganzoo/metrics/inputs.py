"""Checks on what the metrics are given, so that a wrong array never becomes a number."""

import numpy as np

from ganzoo.errors import DataError


def check_features(features, name: str) -> np.ndarray:
    """Returns `features` as a float array `(n, d)`, n ≥ 2, all finite; refuses anything else.

    Integers become float64; float32, float64 and memory maps pass as they are, uncopied.

    Raises:
        DataError: Another rank, too few rows, or values that are not finite.
    """
    features = np.asanyarray(features)
    if features.ndim != 2 or len(features) < 2:
        raise DataError(
            f"{name} must be features of shape (n, d) with n of at least 2, got shape "
            f"{features.shape}. Give one row for each image."
        )
    if features.dtype.kind in "iub":
        features = features.astype(np.float64)
    if features.dtype.kind != "f":
        raise DataError(f"{name} must be numbers, got {features.dtype}. Give float32 or float64.")
    for block in blocks(len(features), rows_within(features.shape[1], 1 << 25)):
        if not np.isfinite(features[block]).all():
            raise DataError(
                f"{name} holds values that are not finite, in rows {block.start} to "
                f"{block.stop - 1}. Look at the model or the images that they come from."
            )
    return features


def check_same_width(real: np.ndarray, fake: np.ndarray) -> None:
    """Refuses features of two different extractors."""
    if real.shape[1] != fake.shape[1]:
        raise DataError(
            f"Real features have {real.shape[1]} columns and fake ones {fake.shape[1]}. "
            "Take both from the same extractor."
        )


def check_images(images, name: str) -> np.ndarray:
    """Returns `images` as an array `(n, h, w, c)`; refuses another rank or an empty one."""
    images = np.asanyarray(images)
    if images.ndim != 4 or not images.size:
        raise DataError(
            f"{name} must be images of shape (n, height, width, channels), got {images.shape}. "
            "Add the missing axis, or give at least one image."
        )
    return images


def blocks(count: int, size: int) -> list[slice]:
    """Slices of at most `size` that cover range(count)."""
    return [slice(start, min(start + size, count)) for start in range(0, count, size)]


def rows_within(width: int, limit: int, itemsize: int = 8) -> int:
    """How many rows of `width` numbers of `itemsize` bytes fit `limit` bytes, at least one."""
    return max(1, limit // (max(width, 1) * itemsize))
