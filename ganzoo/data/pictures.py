"""Pictures in files: folders and zip archives, checked once and then read at any index."""

import concurrent.futures
import hashlib
import io
import os
import pathlib
import warnings
import zipfile
import zlib
from collections.abc import Sequence
from typing import Any, BinaryIO, Protocol

import numpy as np
import tensorflow as tf

from ganzoo.data import decoding
from ganzoo.data.walking import walk
from ganzoo.errors import DataError

SUFFIXES = (".png", ".jpg", ".jpeg", ".jfif", ".webp", ".bmp", ".gif")


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

    def __init__(self, name: str, files: "Files", skip_bad: bool = False):
        self.name = name
        self.files = files
        found = _examine(files, skip_bad)
        good = [number for number, facts in enumerate(found) if isinstance(facts, tuple)]
        if len(good) < len(found):
            _report_bad(name, [str(facts) for facts in found if not isinstance(facts, tuple)])
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


class Files(Protocol):
    """Numbered files of pictures."""

    @property
    def names(self) -> Sequence[Any]:
        """What tells the pictures apart, in their order."""

    def path(self, number: int) -> str:
        """Names a picture for messages."""

    def open(self, number: int) -> BinaryIO:
        """Opens a picture's bytes."""

    def read_in_graph(self, number: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """Reads a picture in a graph: its bytes and its name, strings."""


class Folder:
    """The picture files in and below a folder, links followed, by their paths in order.

    What of it cannot be listed is refused; with `skip_bad` a warning names it.
    """

    def __init__(self, root: pathlib.Path, skip_bad: bool = False):
        self.root = root
        found = []
        errors: list[OSError] = []
        for folder, folders, files, _ in walk(root, onerror=errors.append):
            folders[:] = [name for name in folders if not is_hidden(name)]
            found += [folder / name for name in files if is_picture_name(name)]
        if errors:
            _refuse_unlisted(root, errors, skip_bad)
        self.names = sorted(path.relative_to(root).as_posix() for path in found)
        self._held: tf.Tensor | None = None

    def path(self, number: int) -> str:
        return str(self.root / self.names[number])

    def open(self, number: int) -> BinaryIO:
        return open(self.path(number), "rb")

    @tf.autograph.experimental.do_not_convert  # which would warn of `fsencode`
    def read_in_graph(self, number: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        if self._held is None:
            with tf.init_scope(), tf.device("CPU:0"):
                self._held = tf.constant([os.fsencode(name) for name in self.names])
        path = tf.strings.join([os.fsencode(self.root), tf.gather(self._held, number)], os.sep)
        return tf.io.read_file(path), path


class Archive:
    """The picture files in a zip archive, in alphabetical order, read without unpacking it."""

    def __init__(self, path: pathlib.Path):
        self.archive = path
        try:
            with zipfile.ZipFile(path) as archive:
                members = archive.infolist()
        except (zipfile.BadZipFile, OSError, NotImplementedError) as error:
            raise DataError(
                f"{str(path)!r} cannot be read as a zip archive: {error}. Pack it again."
            ) from error
        _refuse_unsafe(path, members)
        chosen = [member for member in members if is_picture_name(member.filename)]
        self.members = sorted(chosen, key=lambda member: member.filename)
        self.names = [member.filename for member in self.members]
        self._starts = self._data_starts()

    def path(self, number: int) -> str:
        return f"{self.archive}/{self.names[number]}"

    def open(self, number: int) -> BinaryIO:
        return io.BytesIO(self.read(number))

    def read(self, number: int) -> bytes:
        """Reads one member's bytes; threads may do so at once."""
        member = self.members[number]
        with open(self.archive, "rb") as file:
            file.seek(self._starts[number])
            data = file.read(member.compress_size)
        if member.compress_type == zipfile.ZIP_DEFLATED:
            try:
                data = zlib.decompressobj(-15).decompress(data, member.file_size)
            except zlib.error:
                data = b""
        if zlib.crc32(data) != member.CRC:
            raise DataError(
                f"{self.path(number)!r} is damaged: its checksum does not fit. Pack it again, or "
                "pass skip_bad=True (--skip-bad) to leave such files out."
            )
        return data

    def read_in_graph(self, number: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        return decoding.read_by_number(self, number)

    def _data_starts(self):
        starts = []
        with open(self.archive, "rb") as file:
            for member in self.members:
                file.seek(member.header_offset + 26)
                lengths = file.read(4)
                name, extra = int.from_bytes(lengths[:2], "little"), lengths[2:]
                starts.append(member.header_offset + 30 + name + int.from_bytes(extra, "little"))
        return starts


def is_picture_name(name: str, suffixes: tuple[str, ...] = SUFFIXES) -> bool:
    """Tells a picture's file by the ending of its path; what is hidden is none."""
    hidden = any(map(is_hidden, name.replace("\\", "/").split("/")))
    return name.lower().endswith(suffixes) and not hidden


def is_hidden(name: str) -> bool:
    """Tells a file or folder that is not for the user, as those that macOS adds to an archive."""
    return name == "__MACOSX" or (name.startswith(".") and name != ".")


def open_pictures(path: pathlib.Path, name: str, skip_bad: bool) -> PictureSource:
    """Opens a folder or a zip archive of pictures."""
    files = Folder(path, skip_bad) if path.is_dir() else Archive(path)
    if not files.names:
        raise DataError(
            f"{name!r} holds no pictures. Give a folder or .zip with files ending in "
            f"{', '.join(SUFFIXES)}, at any depth."
        )
    return PictureSource(name, files, skip_bad)


def _refuse_unlisted(root, errors, skip_bad):
    unlisted = [
        f"The folder {each.filename!r} cannot be listed: {each.strerror}" for each in errors
    ]
    if not skip_bad:
        raise DataError(
            f"{unlisted[0]}. Put it right, or pass skip_bad=True (--skip-bad) to leave it out."
        ) from errors[0]
    _report_bad(str(root), unlisted, "cannot be listed")


def _refuse_unsafe(path, members):
    for member in members:
        parts = member.filename.replace("\\", "/").split("/")
        if ".." in parts or parts[0] == "" or parts[0].endswith(":"):
            raise DataError(
                f"{str(path)!r} holds the path {member.filename!r}, which leads out of it. Do not "
                "use this archive, or pack its pictures again."
            )
        if member.flag_bits & 1:
            raise DataError(f"{str(path)!r} is encrypted. Pack it again without a password.")
        if member.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            raise DataError(
                f"{str(path)!r} compresses {member.filename!r} in an unusual way. Pack it again "
                "with deflate, or without compression."
            )


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


def _report_bad(name, errors, what="is no complete picture", shown=20):
    listed = "\n".join(f"  {error.partition('. ')[0]}" for error in errors[:shown])
    more = f"\n  and {len(errors) - shown} more" if len(errors) > shown else ""
    warnings.warn(
        f"Left out of {name!r} what {what}, {len(errors)} in all:\n{listed}{more}",
        stacklevel=2,
    )
