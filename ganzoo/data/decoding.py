"""From the bytes of a picture to uint8 pixels, and from pixels to what networks see.

TensorFlow decodes plain JPEG and PNG files in parallel; Pillow decodes all others (16-bit,
CMYK, palette, transparency, animated, turned by an EXIF tag). Both give the same pixels for a file
that both can read: colour becomes grey by the ITU-R 601 weights in Pillow's integer form.
"""

import io
import os
import pathlib
from typing import Any, BinaryIO

import numpy as np
import tensorflow as tf
from PIL import Image, ImageOps, UnidentifiedImageError

from ganzoo.errors import DataError

PILLOW, JPEG, PNG = 0, 1, 2  # who decodes a file, as `decode` takes it

# Not all that Pillow knows: opening PostScript, for one, starts another program.
FORMATS = ("JPEG", "PNG", "WEBP", "BMP", "DIB", "GIF", "TIFF", "PPM")


def read_image(path: str | os.PathLike, channels: int = 3) -> np.ndarray:
    """Reads a picture file: JPEG, PNG, WebP, BMP, GIF, TIFF or PPM.

    Transparent parts lie on white, an animation gives its first frame, the EXIF orientation
    is applied, and of 16 bits the upper 8 are kept.

    Args:
        path: The file.
        channels: 3 for colour, 1 for grey.

    Returns:
        Pixels `(height, width, channels)`, uint8.

    Raises:
        DataError: There is no such file, or it is no complete picture.
    """
    path = pathlib.Path(path)
    try:
        data = path.read_bytes()
    except OSError as error:
        raise DataError(
            f"{str(path)!r} cannot be read: {error.strerror}. Give the path of a picture file."
        ) from error
    return decode_with_pillow(data, channels, str(path), alone=True)


def to_uint8(images: Any) -> tf.Tensor:
    """Turns images nominally in [-1, 1] into uint8, rounded to the nearest level and clipped."""
    levels = tf.round((tf.cast(images, "float32") + 1.0) * 127.5)
    return tf.cast(tf.clip_by_value(levels, 0.0, 255.0), "uint8")


def from_uint8(images: Any) -> tf.Tensor:
    """Turns uint8 images into float32 in [-1, 1]."""
    return tf.cast(images, "float32") / 127.5 - 1


_LEAVE_OUT = "pass skip_bad=True (--skip-bad) to leave such files out."


def decode_with_pillow(data: bytes, channels: int, name: str, alone: bool = False) -> np.ndarray:
    """Decodes any picture to `(height, width, channels)`, uint8.

    `name` is for the error, and whether it is of a source, whose bad pictures can be left out.
    """
    instead = "take it out of its folder." if alone else _LEAVE_OUT
    try:
        with _open(io.BytesIO(data)) as picture:
            colour = _flat_colour(picture, name)
    except UnidentifiedImageError as error:
        raise DataError(
            f"{name!r} is not a picture that can be read. "
            f"{'Give another file' if alone else 'Remove it'}, or {instead}"
        ) from error
    except Image.DecompressionBombError as error:
        raise DataError(f"{name!r} is too large to open safely: {error}. Reduce it.") from error
    except (OSError, SyntaxError, ValueError, EOFError) as error:
        if isinstance(error, DataError):
            raise
        raise DataError(f"{name!r} is damaged: {error}. Replace it, or {instead}") from error
    pixels = np.asarray(colour.convert("L") if channels == 1 else colour)
    return pixels[..., None] if channels == 1 else pixels


def prepare() -> None:
    """Imports Pillow's plugins now, which it would do unguarded in the first thread."""
    Image.init()


def _open(file):
    return Image.open(file, formats=FORMATS)


def _flat_colour(picture: Image.Image, name: str) -> Image.Image:
    """Gives the first frame as 8-bit RGB, upright, with transparent parts on white."""
    picture.seek(0)
    clear = _clear_levels(picture)
    picture.load()
    upright = ImageOps.exif_transpose(picture)
    if upright.mode == "F":
        raise DataError(f"{name!r} holds floats of an unclear range. Save it with 8 or 16 bits.")
    if upright.mode.startswith("I"):
        levels = np.asarray(upright).astype("int64")
        is_clear = levels == clear
        levels = levels >> 8 if upright.mode != "I" or levels.max(initial=0) > 255 else levels
        levels = np.where(is_clear, 255, np.clip(levels, 0, 255))
        return Image.fromarray(levels.astype("uint8")).convert("RGB")
    if clear is not None:
        upright.info["transparency"] = clear
    if upright.has_transparency_data:
        white = Image.new("RGBA", upright.size, "white")
        return Image.alpha_composite(white, upright.convert("RGBA")).convert("RGB")
    return upright.convert("RGB")


def _clear_levels(picture: Image.Image) -> Any:
    """Gives the transparent colour of a PNG file without a palette, or None.

    The file tells it in its own bits; it is brought to those that Pillow decodes to.
    """
    clear = picture.info.get("transparency")
    if picture.format != "PNG" or picture.mode == "P" or clear is None:
        return None
    tiles = getattr(picture, "tile", ())  # of a damaged file there are none
    kind = str(tiles[0].args) if tiles else ""
    if kind == "RGB;16B":
        return tuple(level >> 8 for level in clear)
    return clear * {"L;2": 85, "L;4": 17}.get(kind, 1) if picture.mode == "L" else clear


def decode(data: tf.Tensor, decoder: tf.Tensor, name: tf.Tensor, channels: int) -> tf.Tensor:
    """Decodes a picture in a graph.

    Args:
        data: The file's bytes, a string.
        decoder: `PILLOW`, `JPEG` or `PNG`, as `classify` found.
        name: The file's name, for errors.
        channels: 3 or 1.

    Returns:
        Pixels `(height, width, channels)`, uint8.
    """

    def with_pillow():
        def decode_named(data, name):
            return decode_with_pillow(data, 3, os.fsdecode(name))

        return tf.numpy_function(decode_named, [data, name], "uint8", stateful=False)

    def as_jpeg():
        # The default inverse transform is a faster one that is off by up to a few levels.
        return tf.io.decode_jpeg(data, channels=3, dct_method="INTEGER_ACCURATE")

    branches = {PILLOW: with_pillow, JPEG: as_jpeg, PNG: lambda: tf.io.decode_png(data, 3)}
    pixels = tf.ensure_shape(tf.switch_case(tf.cast(decoder, "int32"), branches), (None, None, 3))
    return colour_to_grey(pixels) if channels == 1 else pixels


def check(data: bytes, decoder: int, name: str) -> tuple[int, int, int]:
    """Decodes a picture as training will, to see that it can: (decoder, width, height).

    Raises:
        DataError: It cannot be decoded.
    """
    if decoder != PILLOW:
        decode_native = tf.io.decode_jpeg if decoder == JPEG else tf.io.decode_png
        try:
            height, width, _ = decode_native(data, channels=3).shape
            return decoder, width, height
        except tf.errors.OpError:
            pass  # Pillow may know more, and words the error if not
    height, width, _ = decode_with_pillow(data, 3, name).shape
    return PILLOW, width, height


def read_by_number(files: Any, number: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """Reads a picture in a graph through `files.read`: its bytes and its name, strings."""

    def read_named(number):
        return files.read(int(number)), os.fsencode(files.path(int(number)))

    data, name = tf.numpy_function(read_named, [number], ["string", "string"], stateful=False)
    return tf.ensure_shape(data, ()), tf.ensure_shape(name, ())


def colour_to_grey(images: tf.Tensor) -> tf.Tensor:
    """Weighs uint8 colours `(…, 3)` to uint8 grey `(…, 1)` exactly as Pillow's mode L does."""
    weights = tf.constant([19595, 38470, 7471], "int32")
    total = tf.reduce_sum(tf.cast(images, "int32") * weights, axis=-1, keepdims=True)
    return tf.cast(tf.bitwise.right_shift(total + 0x8000, 16), "uint8")


def classify(file: BinaryIO, name: str) -> tuple[int, int, int, bool]:
    """Reads a picture's head and last bytes: (decoder, width, height, whether it is whole).

    A file whose end is not its format's end may still be whole, with bytes appended: only
    decoding it can tell.

    Raises:
        DataError: It is no picture.
    """
    try:
        with _open(file) as picture:
            width, height = picture.size
            # Asking a PNG file that has no such tags before its pixels would decode it all.
            tagged = picture.format != "PNG" or "exif" in picture.info
            orientation = picture.getexif().get(0x0112, 1) if tagged else 1
            decoder = _decoder_of(picture) if orientation == 1 else PILLOW
            width, height = (height, width) if orientation in (5, 6, 7, 8) else (width, height)
            whole = _ends_well(file, picture.format)
    except DataError:
        raise
    except Exception:
        # Pillow raises many kinds on damaged heads; its full decoder words each of them.
        file.seek(0)
        decode_with_pillow(file.read(), 3, name)
        return PILLOW, 1, 1, True
    return (decoder if whole else PILLOW), width, height, whole


def _decoder_of(picture: Image.Image) -> int:
    if picture.format == "JPEG" and picture.mode in ("L", "RGB"):
        return JPEG
    plain = picture.mode in ("L", "RGB") and "transparency" not in picture.info
    still = not getattr(picture, "is_animated", False)
    return PNG if picture.format == "PNG" and plain and still else PILLOW


def _ends_well(file: BinaryIO, picture_format: str | None) -> bool:
    size = file.seek(0, io.SEEK_END)
    file.seek(max(0, size - 64))
    tail = file.read(64)
    file.seek(0)
    head = file.read(8)
    if picture_format in ("JPEG", "MPO"):
        return tail.endswith(b"\xff\xd9")
    if picture_format == "PNG":
        return tail[-8:-4] == b"IEND"
    if picture_format == "GIF":
        return tail.endswith(b";")
    if picture_format == "WEBP":
        return int.from_bytes(head[4:8], "little") + 8 <= size
    if picture_format == "BMP":
        return int.from_bytes(head[2:6], "little") <= size
    return False
