"""Pictures in files: folders and zip archives, checked once and then read at any index."""

import concurrent.futures
import hashlib
import os
import pathlib

import numpy as np
import tensorflow as tf

from ganzoo.data import decoding
from ganzoo.data.picture_files import SUFFIXES, Archive, Files, Folder, report_left_out
from ganzoo.errors import DataError


class PictureSource:
    """Encoded pictures, in an order that never changes.

    Opening one reads every picture's head and last bytes, some 0.1 ms each: what is plainly
    no picture, or cut short, is found before any training.

    Args:
        name: What the user calls it, for messages.
        files: Gives each picture's name and bytes (`Folder`, `Archive`, tfds's `Records`).
        skip_bad: Decode every picture once, and leave out those that cannot be; one warning
            counts and lists them.

    Attributes:
        split: The split of a larger set that this is, or None where nothing tells.
    """

    is_points = False
    split: str | None = None

    def __init__(self, name: str, files: Files, skip_bad: bool = False):
        self.name = name
        self.files = files
        found = _examine(files, skip_bad)
        good = [number for number, facts in enumerate(found) if isinstance(facts, tuple)]
        if len(good) < len(found):
            report_left_out(name, [str(facts) for facts in found if not isinstance(facts, tuple)])
        if not good:
            raise DataError(f"No picture in {name!r} can be read. Check what it holds.")
        facts = np.array([found[number] for number in good])
        self.numbers = np.array(good)
        self.decoders, self.sizes = facts[:, 0].astype("int8"), facts[:, 1:]

    @property
    def count(self) -> int:
        return len(self.numbers)

    def smaller_than(self, side: int) -> int:
        """Counts the pictures with a side shorter than `side`."""
        return int((self.sizes.min(axis=1) < side).sum())

    def find_bad(self) -> Exception | None:
        """Decodes every picture and gives the first one's error, if any cannot be decoded."""
        found = _examine(self.files, skip_bad=True)
        for number, decoder in zip(self.numbers, self.decoders, strict=True):
            facts = found[number]
            if isinstance(facts, Exception):
                return facts
            if facts[0] != decoder:  # only Pillow forgives what is wrong with it
                return DataError(
                    f"{self.files.path(number)!r} is damaged. Save it again, or pass "
                    "skip_bad=True (--skip-bad), which looks at every picture first."
                )
        return None

    def digest(self) -> str:
        """Gives a short fingerprint of the names, the sizes and the order."""
        digest = hashlib.sha256()
        for number, size in zip(self.numbers, self.sizes, strict=True):
            line = f"{self.files.names[number]} {size[0]}x{size[1]}\n"
            # Names that are no UTF-8 came in as surrogates.
            digest.update(line.encode("utf-8", "surrogateescape"))
        return digest.hexdigest()[:16]

    def picture(self, index: tf.Tensor, channels: int) -> tf.Tensor:
        """Decodes picture `index`, `(height, width, channels)`, uint8, in a graph."""
        number = tf.gather(self.numbers, index)
        data, name = self.files.read_in_graph(number)
        return decoding.decode(data, tf.gather(self.decoders, index), name, channels)


def open_pictures(path: pathlib.Path, name: str, skip_bad: bool) -> PictureSource:
    """Opens a folder or a zip archive of pictures."""
    files = Folder(path, skip_bad) if path.is_dir() else Archive(path)
    if not files.names:
        raise DataError(
            f"{name!r} holds no pictures. Give a folder or .zip with files ending in "
            f"{', '.join(SUFFIXES)}, at any depth."
        )
    return PictureSource(name, files, skip_bad)


def _examine(files, skip_bad):
    """Gives for each picture (decoder, width, height), or the error where it is bad."""

    def examine(number):
        try:
            return _facts(files, number, decode_all=skip_bad)
        except OSError as error:
            # Not an OSError: whoever writes files would take it for one of theirs.
            unread = DataError(
                f"{files.path(number)!r} cannot be read: {error.strerror or error}. Put it right, "
                "or pass skip_bad=True (--skip-bad) to leave such files out."
            )
            if not skip_bad:
                raise unread from error
            return unread
        except DataError as error:
            if not skip_bad:
                raise
            return error

    decoding.prepare()
    # Reading heads waits for the disk more than it computes.
    with concurrent.futures.ThreadPoolExecutor(min(16, 2 * (os.cpu_count() or 1))) as pool:
        try:
            return list(pool.map(examine, range(len(files.names)), chunksize=64))
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise


def _facts(files, number, decode_all):
    with files.open(number) as file:
        decoder, width, height, whole = decoding.classify(file, files.path(number))
        if decode_all or not whole:
            file.seek(0)
            return decoding.check(file.read(), decoder, files.path(number))
    return decoder, width, height
