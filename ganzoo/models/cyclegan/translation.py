"""From whatever a user calls a picture to what a generator takes, and back."""

import os

import numpy as np
import tensorflow as tf

from ganzoo import shortcuts
from ganzoo.data.decoding import from_uint8, read_image, to_uint8
from ganzoo.errors import DataError
from ganzoo.layers import use_statistics
from ganzoo.models.cyclegan import tiling
from ganzoo.tracing import compiled

SMALLEST_SIDE = 8  # of a picture: reflection padding needs 2 pixels after two halvings
_MULTIPLE = 4
_PIXELS_AT_ONCE = 2**20


class CompiledGenerator:
    """A generator as functions in a graph, traced once for all sizes of pictures and tiles."""

    def __init__(self, generator):
        self.network = generator
        self.channels = generator.input.shape[-1]

        def translate(images):
            with shortcuts.scope():
                return generator(images, training=False)

        def translate_with(images, statistics):
            with use_statistics(statistics):
                return translate(images)

        self._translate_one, self._translate_many = (
            compiled(translate, [tf.TensorSpec((count, None, None, self.channels), "float32")])
            for count in (1, None)
        )
        self.translate_with = compiled(translate_with, reduce_retracing=True)

    def translate(self, images):
        """Translates float32 images `(n, h, w, c)`, sides multiples of 4."""
        # Of one image its statistics come from a faster kernel.
        return (self._translate_one if len(images) == 1 else self._translate_many)(images)


def translate_pictures(images, generators, tile=None, advance=None):
    """Sends pictures through generators, one after the other.

    Args:
        images: A picture `(h, w, c)`, a batch `(n, h, w, c)`, a path, or a list of such.
        generators: `CompiledGenerator`s.
        tile: Side of a tile, or None.
        advance: As `tiling.translate_in_tiles` has it.

    Returns:
        An array of the shape and type of the input, or a list of such.
    """
    if isinstance(images, list | tuple):
        return [translate_pictures(item, generators, tile, advance) for item in images]
    name = "The picture"
    if isinstance(images, str | os.PathLike):
        name = repr(os.fspath(images))
        images = read_image(images, generators[0].channels)
    pictures = np.asarray(images)
    check_pictures(pictures, generators[0].channels, name)
    is_pixels = pictures.dtype == np.uint8
    batch = pictures.reshape(-1, *pictures.shape[-3:])
    batch = _by_rows(from_uint8, batch, "float32") if is_pixels else np.asarray(batch, "float32")
    for generator in generators:
        batch = translate_batch(batch, generator, tile, advance)
    if is_pixels:
        batch = _by_rows(to_uint8, batch, "uint8")
    return batch.reshape(pictures.shape).astype(pictures.dtype, copy=False)


def _by_rows(function, images, dtype):
    """Maps images `(n, h, w, c)` by a function of pixels, part by part.

    In one go a large image would take several times its own memory.
    """
    results = np.empty(images.shape, dtype)
    rows = max(1, _PIXELS_AT_ONCE // max(1, images.shape[2]))
    for image, result in zip(images, results, strict=True):
        for start in range(0, len(image), rows):
            result[start : start + rows] = function(image[start : start + rows])
    return results


def translate_batch(images, generator, tile=None, advance=None):
    """Translates float32 images `(n, h, w, c)` of any size with one generator."""
    height, width = images.shape[1:3]
    around = [_around(side) for side in (height, width)]
    padded = images
    if height % _MULTIPLE or width % _MULTIPLE:  # np.pad copies also where it adds nothing
        padded = np.pad(images, [(0, 0), *around, (0, 0)], mode="reflect")
    tile = tiling.tile_for(height, width) if tile is None else tile
    if tiling.fits(images.shape, tile):  # what padding adds makes no picture too large
        count = max(1, _PIXELS_AT_ONCE // (padded.shape[1] * padded.shape[2]))
        parts = [
            generator.translate(padded[start : start + count]).numpy()
            for start in range(0, len(padded), count)
        ]
        translated = np.concatenate(parts) if parts else padded
    else:
        translated = np.empty_like(padded)
        for image, result in zip(padded, translated, strict=True):
            tiling.translate_in_tiles(image, generator, tile, result, advance)
    (top, _), (left, _) = around
    return translated[:, top : top + height, left : left + width]


def check_pictures(pictures, channels, name="The picture"):
    """Refuses what is no picture `(h, w, c)` or batch `(n, h, w, c)`, uint8 or in [-1, 1].

    Args:
        pictures: What is translated, an array.
        channels: Those of the model.
        name: What it is called, for the message.

    Raises:
        DataError: Names what is wrong and what to give.
    """
    shape = pictures.shape
    if len(shape) not in (3, 4) or shape[-1] != channels:
        raise DataError(
            f"This model translates pictures of shape (height, width, {channels}) or batches "
            f"of them, and got {shape}. {_advice(shape, channels)}"
        )
    if min(shape[-3:-1]) < SMALLEST_SIDE:
        raise DataError(
            f"{name} has {shape[-3]}×{shape[-2]} pixels, too few to translate. Give sides of "
            f"{SMALLEST_SIDE} or more."
        )
    if pictures.dtype == np.uint8:
        return
    if not np.issubdtype(pictures.dtype, np.floating):
        # Of 16 bits astype alone would keep the lower ones, which wrap.
        levels = "(pictures >> 8)" if pictures.dtype == np.uint16 else "pictures"
        raise DataError(
            f"Pictures are uint8, or floats in [-1, 1], and these are {pictures.dtype}. "
            f"Convert them: {levels}.astype('uint8')."
        )
    low, high = (float(pictures.min()), float(pictures.max())) if pictures.size else (0.0, 0.0)
    if not -1.5 <= low <= high <= 1.5:
        raise DataError(
            f"Float pictures lie in [-1, 1], and these in [{low:.4g}, {high:.4g}]. Give uint8 "
            "pixels, or pictures / 127.5 - 1."
        )


def _advice(shape, channels):
    """Says how an array of this shape becomes one of pictures with so many channels."""
    found = shape[-1] if len(shape) in (3, 4) else None
    if found == 1:
        return "Repeat the channel of grey: np.repeat(pictures, 3, axis=-1)."
    if found == channels + 1:
        return f"Drop the alpha channel: pictures[..., :{channels}]."
    if channels == 1 and found in (3, 4):
        return "Make colour grey: pictures[..., :3].mean(axis=-1, keepdims=True), rounded to uint8."
    return "Give the pictures' channels as the last axis."


def _around(side):
    """Splits the padding that `side` needs to be a multiple of 4 evenly."""
    missing = -side % _MULTIPLE
    return missing // 2, missing - missing // 2
