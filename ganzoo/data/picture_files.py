"""Files of pictures: those in a folder, and those in a zip archive, by number."""

import io
import os
import pathlib
import warnings
import zipfile
import zlib
from collections.abc import Sequence
from typing import Any, BinaryIO, Protocol

import tensorflow as tf

from ganzoo.data import decoding
from ganzoo.data.walking import walk
from ganzoo.errors import DataError

SUFFIXES = (".png", ".jpg", ".jpeg", ".jfif", ".webp", ".bmp", ".gif")
_OTHERS = (
    ".tif", ".tiff", ".heic", ".heif", ".avif", ".jp2", ".jxl", ".ppm", ".pgm", ".pbm", ".pnm",
    ".tga", ".psd", ".svg",
)  # fmt: skip


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
            found += [folder / name for name in files]
        if errors:
            _refuse_unlisted(root, errors, skip_bad)
        names = sorted(path.relative_to(root).as_posix() for path in found)
        self.names = list(filter(is_picture_name, names))
        _warn_of_others(root, names)
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
        _warn_of_others(path, sorted(member.filename for member in members))
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


def _refuse_unlisted(root, errors, skip_bad):
    unlisted = [
        f"The folder {each.filename!r} cannot be listed: {each.strerror}" for each in errors
    ]
    if not skip_bad:
        raise DataError(
            f"{unlisted[0]}. Put it right, or pass skip_bad=True (--skip-bad) to leave it out."
        ) from errors[0]
    report_left_out(str(root), unlisted, "cannot be listed")


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


def _warn_of_others(place, names):
    """Warns of pictures whose format training does not read, unless there are no others."""
    left_out = [name for name in names if is_picture_name(name, _OTHERS)]
    if left_out and any(map(is_picture_name, names)):
        report_left_out(str(place), left_out, "is in a format that training does not read")


def report_left_out(name, errors, what="is no complete picture", shown=20):
    """Warns of what a source leaves out: the first sentence of each error, or a name."""
    listed = "\n".join(f"  {error.partition('. ')[0]}" for error in errors[:shown])
    more = f"\n  and {len(errors) - shown} more" if len(errors) > shown else ""
    warnings.warn(
        f"Left out of {name!r} what {what}, {len(errors)} in all:\n{listed}{more}",
        stacklevel=2,
    )
