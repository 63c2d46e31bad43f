"""Translating a picture in tiles, where the whole would not fit the memory.

Instance norm makes every pixel depend on the mean of the whole picture: tiles that are
normalised one by one differ in colour and contrast. Here all tiles share one set of
statistics, those of the whole picture.
"""

import itertools
import math

import numpy as np
import tensorflow as tf

from ganzoo.checks import check_whole
from ganzoo.errors import GanzooError
from ganzoo.models.cyclegan.statistics import picture_statistics

OVERLAP = 128  # of neighbours, in pixels; a generator of 9 blocks sees 90 to each side
_MARGIN = 32  # of a tile that is not used, because padding shines through there most
SMALLEST_TILE = 2 * OVERLAP
_WHOLE_PIXELS = 2**22
_DEFAULT_TILE = 1024
_STRIP = 256
_TILES_OF_STATISTICS = 16  # what their features take is then as much as a tile's pass


def tile_for(height, width):
    """Chooses the tile for a picture where the user named none."""
    return max(height, width) if height * width <= _WHOLE_PIXELS else _DEFAULT_TILE


def fits(shape, tile):
    """Says whether images `(n, h, w, c)` go through in one piece.

    Raises:
        GanzooError: The tile is no whole number, or smaller than what neighbours share.
    """
    check_whole("tile", tile)
    if max(shape[1:3]) <= tile:
        return True
    if tile < SMALLEST_TILE:
        raise GanzooError(
            f"tile is {tile}, and neighbours share {OVERLAP} pixels. Use {SMALLEST_TILE} or more."
        )
    return False


def translate_in_tiles(image, generator, tile, result, advance=None):
    """Translates one image in overlapping tiles that are blended into each other.

    Args:
        image: float32 `(h, w, c)` in [-1, 1], sides multiples of 4.
        generator: A `CompiledGenerator`.
        tile: Side of a tile, which bounds the memory: some 1.5 kB a pixel of a tile, beside the
            12 bytes a pixel of the picture and of its translation each. A picture of more
            than 16 tiles is reduced to as many for its statistics.
        result: float32 `(h, w, c)`, which the translation is written to.
        advance: Told how many tiles are done, and of how many, before the first and after each.
    """
    tile -= tile % 4
    reduced = reduce_to(image, _TILES_OF_STATISTICS * tile**2)
    statistics = picture_statistics(generator.network, reduced, tile**2)
    result[:] = 0.0
    height, width = image.shape[:2]
    places = list(itertools.product(shares(height, tile), shares(width, tile)))
    advance = advance or (lambda done, total: None)
    advance(0, len(places))
    for done, ((top, rows), (left, columns)) in enumerate(places, 1):
        window = np.s_[top : top + tile, left : left + tile]
        translated = generator.translate_with(image[window][None], statistics)[0].numpy()
        result[window] += rows[:, None, None] * columns[None, :, None] * translated
        advance(done, len(places))


def reduce_to(image, pixels):
    """Reduces an image `(h, w, c)` to at most so many pixels, sides multiples of 4."""
    height, width = image.shape[:2]
    factor = math.sqrt(pixels / (height * width))
    if factor >= 1.0:
        return image
    rows, columns = (max(8, int(side * factor) // 4 * 4) for side in (height, width))
    # First each row and then each column, in strips: at once it takes twice the image.
    narrow = np.empty((height, columns, image.shape[2]), "float32")
    for start in range(0, height, _STRIP):
        narrow[start : start + _STRIP] = _resize(image[start : start + _STRIP], None, columns)
    reduced = np.empty((rows, columns, image.shape[2]), "float32")
    for start in range(0, columns, _STRIP):
        part = np.s_[:, start : start + _STRIP]
        reduced[part] = _resize(narrow[part], rows, None)
    return reduced


def _resize(image, height, width):
    size = (height or image.shape[0], width or image.shape[1])
    return tf.image.resize(image, size, method="bicubic", antialias=True)


def starts(length, tile):
    """Lists where tiles begin along a side, multiples of 4, evenly, the last at the end."""
    if length <= tile:
        return [0]
    count = math.ceil((length - OVERLAP) / (tile - OVERLAP))
    return [index * (length - tile) // (count - 1) // 4 * 4 for index in range(count)]


def shares(length, tile):
    """Lists where tiles begin along a side, and what each pixel of a tile weighs, 1 in all."""
    size, begins = min(tile, length), starts(length, tile)
    ramps = [ramp(start, size, length) for start in begins]
    total = np.zeros(length, "float32")
    for start, weights in zip(begins, ramps, strict=True):
        total[start : start + size] += weights
    return [
        (start, weights / total[start : start + size])
        for start, weights in zip(begins, ramps, strict=True)
    ]


def ramp(start, size, length):
    """Weighs the pixels of a tile along a side: less towards each edge inside the image."""
    places = np.arange(size, dtype="float32") + 0.5
    weights = np.ones(size, "float32")
    for place, inside in ((places, start > 0), (size - places, start + size < length)):
        if inside:
            weights *= np.clip((place - _MARGIN) / (OVERLAP - 2 * _MARGIN), 0.0, 1.0)
    return weights
