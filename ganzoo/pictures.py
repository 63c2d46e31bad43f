"""Grids, strips, scatter plots and films, as arrays and as files."""

import math

import numpy as np
from PIL import Image

from ganzoo.errors import GanzooError
from ganzoo.files import replacing

_POINT_LIMIT = 1.5  # point sets lie within ± this
_POINT_SIDE = 256


def make_grid(images, *, columns: int | None = None, gap: int = 2) -> np.ndarray:
    """Lays images out in rows, as near to a square as they go.

    Args:
        images: uint8 `(count, h, w, c)`, or points, float `(count, 2)`, which become one
            scatter plot.
        columns: Images in a row.
        gap: White pixels between images.

    Returns:
        uint8 `(height, width, c)`.
    """
    images = np.asarray(images)
    if images.ndim == 2:
        return scatter(images)
    if not len(images):
        raise GanzooError("A grid needs at least one image, got 0. Ask for more samples.")
    columns = columns or math.ceil(math.sqrt(len(images)))
    rows = math.ceil(len(images) / columns)
    _, height, width, channels = images.shape
    grid = np.full(
        (rows * (height + gap) - gap, columns * (width + gap) - gap, channels), 255, "uint8"
    )
    for index, image in enumerate(images):
        top = index // columns * (height + gap)
        left = index % columns * (width + gap)
        grid[top : top + height, left : left + width] = image
    return grid


def scatter(points, *, side: int = _POINT_SIDE, limit: float = _POINT_LIMIT) -> np.ndarray:
    """Draws points, float `(count, 2)`, into a uint8 picture `(side, side, 1)`, y upwards."""
    points = np.asarray(points, "float64")
    points = points[np.isfinite(points).all(axis=1)]
    counts, _, _ = np.histogram2d(
        points[:, 1], points[:, 0], bins=side, range=[[-limit, limit]] * 2
    )
    shade = 1.0 - np.exp(-counts[::-1])
    return (255 - np.round(shade * 215 + 40 * (counts[::-1] > 0)).astype("uint8"))[..., None]


def write_png(path, image) -> None:
    """Writes a uint8 image `(h, w, 1 or 3)` as PNG, whole or not at all."""
    with replacing(path) as partial:
        _picture(image).save(partial, format="png")


def write_gif(path, frames, *, seconds_a_frame: float = 0.2) -> None:
    """Writes uint8 images `(h, w, 1 or 3)` as a looping GIF; takes one at a time."""
    pages = (_picture(frame).convert("RGB") for frame in frames)
    with replacing(path) as partial:
        next(pages).save(
            partial,
            format="gif",
            save_all=True,
            append_images=pages,
            duration=round(1000 * seconds_a_frame),
            loop=0,
        )


def _picture(image):
    image = np.asarray(image)
    return Image.fromarray(image[..., 0] if image.shape[-1] == 1 else image)
