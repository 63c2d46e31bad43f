"""From whatever a user calls a picture to what a generator takes, and back."""

import os

import numpy as np
import tensorflow as tf

from ganzoo.data.decoding import from_uint8, read_image, to_uint8
from ganzoo.errors import DataError
from ganzoo.layers import use_statistics
from ganzoo.models.cyclegan import tiling

SMALLEST_SIDE = 8  # of a picture: reflection padding needs 2 pixels after two halvings
_MULTIPLE = 4
_PIXELS_AT_ONCE = 2**20


class CompiledGenerator:
    """A generator as functions in a graph, traced once for all sizes of pictures and of tiles."""

    def __init__(self, generator):
        self.network = generator
        self.channels = generator.input.shape[-1]
        images = tf.TensorSpec((None, None, None, self.channels), "float32")

        def translate(images):
            return generator(images, training=False)

        def translate_with(images, statistics):
            with use_statistics(statistics):
                return generator(images, training=False)

        self.translate = tf.function(translate, [images])
        self.translate_with = tf.function(translate_with, reduce_retracing=True)


def translate_pictures(images, generators, tile=None):
    """Sends pictures through generators, one after the other.

    Args:
        images: A picture `(h, w, c)`, a batch `(n, h, w, c)`, a path, or a list of such.
        generators: `CompiledGenerator`s.
        tile: Side of a tile, or None.

    Returns:
        An array of the shape and type of the input, or a list of such.
    """
    if isinstance(images, list | tuple):
        return [translate_pictures(item, generators, tile) for item in images]
    if isinstance(images, str | os.PathLike):
        images = read_image(images, generators[0].channels)
    pictures = np.asarray(images)
    check_pictures(pictures, generators[0].channels)
    is_pixels = pictures.dtype == np.uint8
    batch = pictures.reshape(-1, *pictures.shape[-3:])
    batch = _by_rows(from_uint8, batch, "float32") if is_pixels else np.asarray(batch, "float32")
    for generator in generators:
        batch = translate_batch(batch, generator, tile)
    if is_pixels:
        batch = _by_rows(to_uint8, batch, "uint8")
    return batch.reshape(pictures.shape).astype(pictures.dtype, copy=False)


def _by_rows(function, images, dtype):
    """Maps images `(n, h, w, c)` by a function of pixels, part by part: large ones in one go
    would take several times their size."""
    results = np.empty(images.shape, dtype)
    rows = max(1, _PIXELS_AT_ONCE // max(1, images.shape[2]))
    for image, result in zip(images, results, strict=True):
        for start in range(0, len(image), rows):
            result[start : start + rows] = function(image[start : start + rows])
    return results


def translate_batch(images, generator, tile=None):
    """Translates float32 images `(n, h, w, c)` of any size with one generator."""
    height, width = images.shape[1:3]
    around = [_around(side) for side in (height, width)]
    padded = images
    if height % _MULTIPLE or width % _MULTIPLE:  # np.pad copies also where it adds nothing
        padded = np.pad(images, [(0, 0), *around, (0, 0)], mode="reflect")
    tile = tile or tiling.tile_for(height, width)
    if tiling.fits(padded.shape, tile):
        count = max(1, _PIXELS_AT_ONCE // (padded.shape[1] * padded.shape[2]))
        parts = [
            generator.translate(padded[start : start + count]).numpy()
            for start in range(0, len(padded), count)
        ]
        translated = np.concatenate(parts) if parts else padded
    else:
        translated = np.empty_like(padded)
        for image, result in zip(padded, translated, strict=True):
            tiling.translate_in_tiles(image, generator, tile, result)
    (top, _), (left, _) = around
    return translated[:, top : top + height, left : left + width]


def check_pictures(pictures, channels):
    """Refuses what is no picture `(h, w, c)` or batch `(n, h, w, c)`, uint8 or in [-1, 1].

    Raises:
        DataError: Names what is wrong and what to give.
    """
    shape = pictures.shape
    if len(shape) not in (3, 4) or shape[-1] != channels:
        raise DataError(
            f"This model translates pictures of shape (height, width, {channels}) or batches "
            f"of them, and got {shape}. Repeat a grey picture's channel, drop an alpha channel."
        )
    if min(shape[-3:-1]) < SMALLEST_SIDE:
        raise DataError(
            f"A picture of {shape[-3]}×{shape[-2]} is too small to translate. Give sides of "
            f"{SMALLEST_SIDE} or more."
        )
    if pictures.dtype == np.uint8:
        return
    if not np.issubdtype(pictures.dtype, np.floating):
        raise DataError(
            f"Pictures are uint8, or floats in [-1, 1], and these are {pictures.dtype}. "
            "Convert them: pictures.astype('uint8')."
        )
    low, high = (float(pictures.min()), float(pictures.max())) if pictures.size else (0.0, 0.0)
    if not -1.5 <= low <= high <= 1.5:
        raise DataError(
            f"Float pictures lie in [-1, 1], and these in [{low:.4g}, {high:.4g}]. Give uint8 "
            "pixels, or pictures / 127.5 - 1."
        )


def _around(side):
    """Splits the padding that `side` needs to be a multiple of 4 evenly."""
    missing = -side % _MULTIPLE
    return missing // 2, missing - missing // 2
