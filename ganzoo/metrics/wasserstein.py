"""The sliced Wasserstein distance of the progressive GAN (Karras et al. 2018, section 5).

Written from the definition in `metrics/sliced_wasserstein.py` of the official code.
"""

import numpy as np
import scipy.ndimage

from ganzoo.errors import DataError
from ganzoo.metrics.inputs import blocks, check_images, rows_within
from ganzoo.metrics.store import RowStore

PATCH_SIZE = 7
SMALLEST_LEVEL = 16
BINOMIAL = np.array([1, 4, 6, 4, 1], np.float32) / 16


def sliced_wasserstein(
    real_images,
    fake_images,
    *,
    patches_per_image: int = 128,
    repeats: int = 4,
    directions: int = 128,
    seed: int = 0,
) -> dict[str, float]:
    """Measures how the patches of two sets of images differ, level by level of detail.

    Karras et al. 2018: from every level of a Laplacian pyramid, down to a side of 16, 7×7
    patches are drawn at random places, normalised by channel over the whole set, and projected
    on random directions; the distance is the mean difference of the sorted projections, times
    1,000. The paper takes 16,384 images on either side.

    Args:
        real_images: `(n, h, w, c)`, sides that halve evenly down to 16; grey levels or any other
            range, since patches are normalised.
        fake_images: As many, of the same shape.
        patches_per_image: Patches of each level and image.
        repeats: Draws of directions, averaged.
        directions: Directions a draw.
        seed: Decides places and directions; image i's places depend on (seed, i) only.

    Returns:
        The distance × 1,000 by the level's side, coarsest last, and their "average".

    Raises:
        DataError: Shapes or counts differ, or the images are too small.
    """
    real_images = check_images(real_images, "real_images")
    fake_images = check_images(fake_images, "fake_images")
    if real_images.shape != fake_images.shape:
        raise DataError(
            f"Real images {real_images.shape} and fake ones {fake_images.shape} differ. "
            "Give equally many of the same size."
        )
    sides = []
    for name, images in (("real", real_images), ("fake", fake_images)):
        patches = LevelPatches(len(images), images.shape[1:], patches_per_image, seed, name)
        for block in blocks(len(images), 64):
            patches.update(images[block])
        sides.append(patches)
    return distances_of_levels(*sides, repeats=repeats, directions=directions, seed=seed)


class LevelPatches:
    """Collects the patches of images that arrive batch by batch, one store for each level.

    Args:
        count: How many images will come.
        image_shape: `(h, w, c)`.
        patches_per_image: Patches of each level and image.
        seed: With `side`, decides their places.
        side: "real" or "fake", so that the two do not share places.
    """

    def __init__(
        self,
        count: int,
        image_shape: tuple[int, ...],
        patches_per_image: int = 128,
        seed: int = 0,
        side: str = "real",
    ) -> None:
        self.shapes = level_shapes(image_shape)
        self.patches_per_image = patches_per_image
        width = PATCH_SIZE**2 * image_shape[2]
        self.stores = [RowStore(count * patches_per_image, width) for _ in self.shapes]
        # One stream a level and an axis, read in the order of the images, makes the places
        # independent of the size of the batches.
        key = [seed, side == "fake"]
        self.streams = [
            (np.random.RandomState([*key, level, 0]), np.random.RandomState([*key, level, 1]))
            for level in range(len(self.shapes))
        ]

    def update(self, images) -> None:
        """Adds images `(n, h, w, c)`."""
        levels = laplacian_pyramid(images, len(self.shapes))
        for level, store, streams in zip(levels, self.stores, self.streams, strict=True):
            shape = (len(level), self.patches_per_image)
            corners = [
                stream.randint(0, side - PATCH_SIZE + 1, shape)
                for stream, side in zip(streams, level.shape[1:3], strict=True)
            ]
            store.append(patches_at(level, *corners))


def distances_of_levels(
    real: LevelPatches, fake: LevelPatches, *, repeats: int, directions: int, seed: int
) -> dict[str, float]:
    """Computes the distance × 1,000 of each level and their average."""
    channels = real.shapes[0][2]
    result = {}
    for index, shape in enumerate(real.shapes):
        random = np.random.RandomState([seed, 2, index])
        distance = mean_sliced_distance(
            real.stores[index].rows, fake.stores[index].rows, channels, repeats, directions, random
        )
        result[f"{min(shape[:2])}"] = distance * 1e3
    return result | {"average": float(np.mean(list(result.values())))}


def level_shapes(image_shape: tuple[int, ...]) -> list[tuple[int, ...]]:
    """Lists the pyramid's level shapes `(h, w, c)`, halving while both sides are 16 or more.

    Raises:
        DataError: The image is smaller than 16, or a side that must be halved is odd.
    """
    height, width, channels = image_shape
    if min(height, width) < SMALLEST_LEVEL:
        raise DataError(
            f"Images of {height}×{width} are too small for the sliced Wasserstein distance. "
            f"Give sides of at least {SMALLEST_LEVEL}."
        )
    shapes: list[tuple[int, ...]] = [(height, width, channels)]
    while min(height, width) // 2 >= SMALLEST_LEVEL:
        if height % 2 or width % 2:
            raise DataError(
                f"Images of {image_shape[0]}×{image_shape[1]} do not halve evenly down to "
                f"{SMALLEST_LEVEL}. Resize them, for example to a power of two."
            )
        height, width = height // 2, width // 2
        shapes.append((height, width, channels))
    return shapes


def laplacian_pyramid(images, levels: int) -> list[np.ndarray]:
    """Splits images `(n, h, w, c)` into bands of detail, finest first; the last is what is left.

    Burt and Adelson 1983, with the 5×5 binomial filter and mirrored borders.
    """
    pyramid = [np.asarray(images).astype(np.float32)]
    for _ in range(1, levels):
        smaller = _blur(pyramid[-1], BINOMIAL)[:, ::2, ::2]
        pyramid[-1] = pyramid[-1] - _enlarge(smaller)
        pyramid.append(smaller)
    return pyramid


def patches_at(level: np.ndarray, rows: np.ndarray, columns: np.ndarray) -> np.ndarray:
    """Cuts 7×7 patches at top-left corners `(n, k)`: `(n·k, c·49)`, in the images' order."""
    windows = np.lib.stride_tricks.sliding_window_view(level, (PATCH_SIZE, PATCH_SIZE), (1, 2))
    patches = windows[np.arange(len(level))[:, None], rows, columns]
    return patches.reshape(rows.size, -1)


def mean_sliced_distance(
    real: np.ndarray,
    fake: np.ndarray,
    channels: int,
    repeats: int,
    directions: int,
    random: np.random.RandomState,
) -> float:
    """Averages the 1-D Wasserstein distances of normalised patches over random directions.

    Args:
        real: Patches `(n, c·49)`, not normalised.
        fake: As many.
        channels: c.
        repeats: Draws of directions.
        directions: Directions a draw.
        random: Where the directions come from.
    """
    normalise_real, normalise_fake = _Normaliser(real, channels), _Normaliser(fake, channels)
    means = []
    for _ in range(repeats):
        axes = random.standard_normal((real.shape[1], directions))
        axes /= np.sqrt(np.square(axes).sum(axis=0, keepdims=True))
        # A few directions at a time: the projections of two million patches are the memory.
        for part in blocks(directions, rows_within(len(real), 1 << 27, itemsize=4)):
            first = np.sort(normalise_real.project(real, axes[:, part]), axis=1)
            second = np.sort(normalise_fake.project(fake, axes[:, part]), axis=1)
            means.extend(np.abs(first - second).mean(axis=1, dtype=np.float64))
    return float(np.mean(means))


class _Normaliser:
    """Maps patches to zero mean and unit deviation by channel, folded into the projection."""

    def __init__(self, patches: np.ndarray, channels: int) -> None:
        total = np.zeros(channels)
        squares = np.zeros(channels)
        for block in blocks(len(patches), 1 << 16):
            values = patches[block].reshape(-1, channels, PATCH_SIZE**2).astype(np.float64)
            total += values.sum(axis=(0, 2))
            squares += np.square(values).sum(axis=(0, 2))
        count = len(patches) * PATCH_SIZE**2
        mean = total / count
        deviation = np.sqrt(np.maximum(squares / count - mean**2, 0))
        if not (deviation > 0).all():
            raise DataError(
                "A channel of the images is constant at one level of detail. Look at the "
                "images: there is nothing to compare."
            )
        self.mean = np.repeat(mean, PATCH_SIZE**2)
        self.deviation = np.repeat(deviation, PATCH_SIZE**2)

    def project(self, patches: np.ndarray, axes: np.ndarray) -> np.ndarray:
        """Projects patches `(n, w)` on axes `(w, k)`: `(k, n)` float32."""
        scaled = axes / self.deviation[:, None]
        offset = (self.mean @ scaled)[:, None]
        projected = np.empty((axes.shape[1], len(patches)), np.float32)
        for block in blocks(len(patches), 1 << 16):
            projected[:, block] = scaled.T.astype(np.float32) @ patches[block].T - offset
        return projected


def _blur(images: np.ndarray, weights: np.ndarray) -> np.ndarray:
    rows = scipy.ndimage.correlate1d(images, weights, axis=1, mode="mirror")
    return scipy.ndimage.correlate1d(rows, weights, axis=2, mode="mirror")


def _enlarge(images: np.ndarray) -> np.ndarray:
    """Doubles both sides: zeros between the pixels, then the same filter at four times."""
    count, height, width, channels = images.shape
    spread = np.zeros((count, 2 * height, 2 * width, channels), images.dtype)
    spread[:, ::2, ::2] = images
    return _blur(spread, 2 * BINOMIAL)
