"""Images that lie in one array: idx files, .npy and .npz, and what is small enough to hold."""

import gzip
import math
import os
import pathlib
import zipfile
import zlib

import numpy as np
import tensorflow as tf

from ganzoo.errors import DataError, nearest

HELD_BYTES = 1 << 30  # larger files that can be are read through a memory map
_LOOKED_AT = 64  # images of a memory map, where these show its range
_DEFLATED = 1032  # bytes that gzip can make of one, at most


class ArraySource:
    """Images of one size, gathered a batch at a time.

    Attributes:
        name: What the user calls it, for messages.
        levels: `(count, height, width, channels)`, uint8 or float32 in [0, 255]; for points
            `(count, 2)`, float32 as they are.
        split: The split of a larger set that this is, or None where nothing tells.
    """

    split: str | None = None

    def __init__(self, name: str, levels: np.ndarray):
        self.name = name
        self.levels = levels
        self.is_points = levels.ndim == 2
        self._held: tf.Tensor | None = None

    @property
    def count(self) -> int:
        return len(self.levels)

    @property
    def channels(self) -> int:
        return self.levels.shape[-1]

    def smaller_than(self, side: int) -> int:
        """Counts the images with a side shorter than `side`."""
        return self.count if min(self.levels.shape[1:3]) < side else 0

    def digest(self) -> str:
        """Gives a short fingerprint of the contents (large files: of their ends)."""
        levels = self.levels
        ends = [levels] if levels.nbytes <= HELD_BYTES else [levels[:64], levels[-64:]]
        check = zlib.crc32(repr((levels.shape, str(levels.dtype))).encode())
        for part in ends:
            check = zlib.crc32(np.ascontiguousarray(part).data, check)
        return f"{check:08x}"

    def gather(self, indices: tf.Tensor) -> tf.Tensor:
        """Takes the images `(n, …)` at int64 `indices`, in a graph or outside."""
        if isinstance(self.levels, np.memmap):
            rows = tf.numpy_function(lambda i: self.levels[i], [indices], self.levels.dtype)
            return tf.ensure_shape(rows, (*indices.shape, *self.levels.shape[1:]))
        if self._held is None:
            with tf.init_scope(), tf.device("CPU:0"):
                self._held = tf.constant(self.levels)
        return tf.gather(self._held, indices)


def read_idx(path: pathlib.Path) -> np.ndarray:
    """Reads an idx file of uint8, `(count, rows, columns)`, gzipped or not.

    The format is that of yann.lecun.com: two zero bytes, the type, the number of dimensions,
    the sizes as big-endian uint32, the values.
    """
    advice = "Give a file such as train-images-idx3-ubyte.gz, complete and unchanged."
    try:
        with open(path, "rb") as file:
            gzipped = file.read(2) == b"\x1f\x8b"
        with (gzip.open if gzipped else open)(path, "rb") as file:
            head = file.read(4)
            if len(head) < 4 or head[:2] != b"\0\0" or head[2] != 8 or not 1 <= head[3] <= 4:
                raise DataError(f"{str(path)!r} is not an idx file of bytes. {advice}")
            sizes = file.read(4 * head[3])
            if len(sizes) < 4 * head[3]:
                raise DataError(f"{str(path)!r} ends within its head. {advice}")
            shape = tuple(int(n) for n in np.frombuffer(sizes, ">u4"))
            if len(shape) not in (3, 4):
                raise DataError(
                    f"{str(path)!r} holds {len(shape)}-dimensional values, labels perhaps, "
                    f"not images. {advice}"
                )
            size, stored = math.prod(shape), path.stat().st_size
            if not gzipped and size > HELD_BYTES and stored >= size + file.tell():
                return np.memmap(path, "uint8", "r", file.tell(), shape)
            # A damaged head may announce more than any memory holds.
            most = stored * (_DEFLATED if gzipped else 1)
            values = np.frombuffer(file.read(min(size, most)), "uint8")
    except (OSError, EOFError, zlib.error) as error:
        raise DataError(f"{str(path)!r} cannot be read as idx: {error}. {advice}") from error
    if values.size != size:
        raise DataError(
            f"{str(path)!r} ends after {values.size:,} of the {size:,} bytes its head "
            f"announces. {advice}"
        )
    return values.reshape(shape)


def looks_like_idx(path: str | os.PathLike) -> bool:
    """Tells an idx file by its name."""
    name = pathlib.Path(path).name.removesuffix(".gz")
    return name.endswith(("-ubyte", ".idx", ".idx3", ".ubyte")) or "-idx3" in name


def read_numpy(path: pathlib.Path, key: str | None) -> tuple[np.ndarray, str]:
    """Reads the array of a .npy file, or one of a .npz file: `key`, or the one with images.

    Returns:
        The array, and its name in the .npz file, or "".
    """
    try:
        single = path.suffix.lower() == ".npy"
        large = single and path.stat().st_size > HELD_BYTES
        loaded = np.load(path, mmap_mode="r" if large else None)
        if isinstance(loaded, np.ndarray) != single:
            suffix, other = path.suffix, ".npz" if single else ".npy"
            raise DataError(f"{str(path)!r} is no {suffix} file, but a {other} file. Rename it.")
        if single:
            return loaded, ""
        with loaded as arrays:
            name = _pick_array(path, arrays, key)
            return arrays[name], name
    except (OSError, ValueError, EOFError, zipfile.BadZipFile, zlib.error) as error:
        if isinstance(error, DataError):
            raise
        raise DataError(
            f"{str(path)!r} cannot be read as a NumPy file: {error}. Write it again with "
            "numpy.save or numpy.savez, without objects."
        ) from error


def _pick_array(path, arrays, key):
    names = arrays.files
    if key is not None:
        for name in (key, f"x_{key}", f"{key}_images", f"{key}_x"):
            if name in names:
                return name
        raise DataError(
            f"{str(path)!r} has no array {key!r}. Choose among {', '.join(names)}."
            + nearest(key, names)
        )
    if not names:
        raise DataError(f"{str(path)!r} holds no array. Write it again with numpy.savez.")
    usual = [n for n in ("x_train", "train_images", "images", "x", "X", "data") if n in names]
    if usual or len(names) == 1:
        return (usual or names)[0]
    images = [name for name in names if arrays[name].ndim in (3, 4)]
    if len(images) == 1:
        return images[0]
    raise DataError(
        f"{str(path)!r} holds several arrays: {', '.join(names)}. Name the one with the images, "
        f"as in '{path.name}:{(images or names or ['images'])[0]}'."
    )


def image_levels(array: np.ndarray, name: str) -> np.ndarray:
    """Checks an array of images and brings it to `(count, h, w, c)`, uint8 or levels in float32.

    Points, float `(count, 2)`, stay as they are.

    Clear ranges are booleans, integers from 0 to 255 of which one is above 1, uint16 with one
    above 255 (of which the upper byte is taken), floats in [0, 1], in [-1, 1], and whole floats
    in [0, 255]. Of a memory map of uint8 that shows its range in some images, only these are read.

    Raises:
        DataError: The shape, the type or the range is no clear case.
    """
    if array.ndim == 2 and array.shape[1] == 2 and array.dtype.kind == "f" and len(array):
        with np.errstate(over="ignore"):  # which becomes an infinity
            return _finite(array.astype("float32"), name)
    if array.ndim == 3 and array.shape[2] in (3, 4) and array.shape[1] > 4:
        raise DataError(
            f"{name} has shape {array.shape}, that of one colour picture. Give (1, height, width, "
            "3), or more of them."
        )
    array = array[..., None] if array.ndim == 3 else array
    if array.ndim == 4 and array.shape[-1] not in (1, 3) and array.shape[1] in (1, 3):
        raise DataError(
            f"{name} has shape {array.shape}, channels first. Transpose it to (count, height, "
            "width, channels)."
        )
    if array.ndim != 4 or array.shape[-1] not in (1, 3) or 0 in array.shape:
        raise DataError(
            f"{name} has shape {array.shape}, which is not that of images. Give (count, height, "
            "width), or (count, height, width, channels) with 1 or 3 channels, not empty; points "
            "are float (count, 2)."
        )
    if array.dtype.kind not in "buif":
        raise DataError(f"{name} holds {array.dtype}, not numbers. Give uint8 images.")
    return _levels(array, name)


def _levels(array, name):
    if array.dtype == bool:
        return array.astype("uint8") * 255
    if isinstance(array, np.memmap) and array.dtype == np.uint8:
        few = array[:: -(-len(array) // _LOOKED_AT)]
        if few.max() > 1:
            return array
    _finite(array, name)
    low, high = float(array.min()), float(array.max())
    if array.dtype.kind in "ui":
        if low >= 0 and 1 < high <= 255:
            return array.astype("uint8", copy=False)
        if array.dtype == np.uint16 and high > 255:
            return (array >> 8).astype("uint8")
        if low >= 0 and high <= 1:
            raise DataError(
                f"{name} holds 0 and 1 alone as {array.dtype}, which would be black. If they mean "
                "black and white, multiply by 255: array.astype('uint8') * 255."
            )
    elif -1 <= low < 0 and high <= 1:
        return (array.astype("float32") + 1) * np.float32(127.5)
    elif low >= 0 and 0 < high <= 1:
        return array.astype("float32") * np.float32(255)
    elif low >= 0 and 1 < high <= 255 and (array == np.floor(array)).all():
        return array.astype("uint8")
    raise DataError(
        f"{name} ranges from {low:g} to {high:g} as {array.dtype}, which is no clear range of "
        "grey levels. Give uint8 in [0, 255], uint16, or floats in [0, 1] or [-1, 1]."
    )


def _finite(array, name):
    """Gives the array, all of whose values have to be numbers that float32 holds."""
    if not np.isfinite([array.min(), array.max()]).all():
        bad = int((~np.isfinite(array)).sum())
        raise DataError(f"{name} holds {bad:,} values that are NaN or infinite. Remove them.")
    return array
