"""Files that are either there whole or not at all, and their hashes."""

import contextlib
import errno
import hashlib
import os
import pathlib
import shutil
import tempfile

from ganzoo.errors import GanzooError, WeightsError

_LONG_NAME = 200  # bytes; most file systems have 255
WEIGHTS_FILE = "model.weights.h5"  # of a model folder
_LONGEST_NAME = 255  # bytes, on every usual file system


def sha256_of(path) -> str:
    """Computes the sha256 of a file's content, in hexadecimal."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@contextlib.contextmanager
def replacing(path):
    """Gives the name of a new file, which takes the place of `path` when the block ends well.

    Raises:
        GanzooError: The folder cannot be written to, or the disk is full.
    """
    path = pathlib.Path(path)
    partial = _beside(path, "partial")
    with explained(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            yield partial
            flush_to_disk(partial)
            os.replace(partial, path)
        finally:
            partial.unlink(missing_ok=True)


@contextlib.contextmanager
def replacing_folder(path):
    """Gives a new folder, which takes the place of `path` when the block ends well.

    Where that is a link, of the folder that it leads to.

    Raises:
        GanzooError: It cannot be written, or this process works in it.
    """
    given, path = path, pathlib.Path(os.path.realpath(path))
    if pathlib.Path.cwd().is_relative_to(path):
        # Whoever is in it would find themselves in a folder that is gone.
        raise GanzooError(
            f"Cannot write {given}: that is the folder you are in, or one around it. Name another "
            "folder, or go out of it first."
        )
    partial = _beside(path, "partial")
    with explained(given):
        shutil.rmtree(partial, ignore_errors=True)
        partial.mkdir(parents=True)
        try:
            yield partial
            for file in partial.rglob("*"):
                if file.is_file():
                    flush_to_disk(file)
            move_in(partial, path)
        finally:
            shutil.rmtree(partial, ignore_errors=True)


def _beside(path, state):
    """Names a file or folder of this process beside `path`; any name that can be has room."""
    name = path.name
    if len(os.fsencode(name)) > _LONG_NAME:
        name = hashlib.sha256(os.fsencode(name)).hexdigest()[:16]
    return path.with_name(f".{name}.{os.getpid()}.{state}")


def move_in(new, place) -> None:
    """Moves a folder to its place; an old one there is kept until the new one is in."""
    if not place.exists():
        os.replace(new, place)
        return
    if not place.is_dir():
        raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), str(place))
    old = _beside(place, "old")
    os.replace(place, old)
    try:
        os.replace(new, place)
    except OSError:
        os.replace(old, place)
        raise
    shutil.rmtree(old, ignore_errors=True)


def write_text(path, text: str) -> None:
    """Writes a text file, whole or not at all."""
    with replacing(path) as partial:
        partial.write_text(text, encoding="utf-8")


def read_text(path) -> str:
    """Reads a text file of a model folder, which may come from anywhere.

    Raises:
        WeightsError: It is not UTF-8.
    """
    try:
        return pathlib.Path(path).read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise WeightsError(
            f"{path} is no text in UTF-8: byte {error.start} is no part of one. Fetch or save the "
            "model again."
        ) from error


def flush_to_disk(path) -> None:
    """Waits until a file's content would survive a power cut."""
    with open(path, "rb") as file:
        os.fsync(file.fileno())


def write_sums(folder, names) -> None:
    """Writes `SHA256SUMS` for some files of a folder, as the tool sha256sum does."""
    folder = pathlib.Path(folder)
    lines = [f"{sha256_of(folder / name)}  {name}\n" for name in sorted(names)]
    write_text(folder / "SHA256SUMS", "".join(lines))


def read_sums(folder) -> dict[str, str]:
    """Reads the hashes of a folder's `SHA256SUMS`, by the name of the file.

    Raises:
        WeightsError: It is no such list.
    """
    place = pathlib.Path(folder) / "SHA256SUMS"
    sums = {}
    for line in read_text(place).splitlines():
        digest, _, name = line.partition("  ")
        # What no file system takes as a name would end in an error of its own.
        if not name.isprintable() or not 0 < len(name.encode()) <= _LONGEST_NAME:
            raise WeightsError(
                f"{place} holds a line that names no file, {line[:80]!r}. Fetch or save the model "
                "again."
            )
        sums[name] = digest
    return sums


def check_sums(folder, required=()) -> list[str]:
    """Lists the files of a folder that are absent or not as its `SHA256SUMS` says.

    Args:
        folder: The folder.
        required: Names of files that it has to list: what it leaves out is not checked.

    Raises:
        WeightsError: Its `SHA256SUMS` is no such list.
    """
    folder = pathlib.Path(folder)
    sums = read_sums(folder)
    wrong = [name for name, digest in sums.items() if not _is_as_said(folder, name, digest)]
    return wrong + sorted(set(required) - set(sums))


def _is_as_said(folder, name, digest):
    file = folder / name
    # Unlike `Path.resolve`, it takes links that lead in a circle.
    inside = pathlib.Path(os.path.realpath(file)).is_relative_to(os.path.realpath(folder))
    return inside and file.is_file() and sha256_of(file) == digest


@contextlib.contextmanager
def temporary_folder():
    """Gives a folder that is removed when the block ends.

    Raises:
        GanzooError: There is none, or no space in it: that is said of it, and not of the place
            that a result goes to.
    """
    place = tempfile.tempdir or os.environ.get("TMPDIR") or "/tmp"
    with (
        explained(f"temporary files in {place}, which TMPDIR names"),
        tempfile.TemporaryDirectory() as folder,
    ):
        yield folder


_FULL = "the disk is full. Free some space, or choose another place."
_DENIED = "permission is denied. Choose a folder that you may write to."
_FILE = "part of the path is a file. Choose another place."
_EXPLANATIONS = {
    errno.ENOSPC: _FULL,
    errno.EDQUOT: _FULL,
    errno.EACCES: _DENIED,
    errno.EPERM: _DENIED,
    errno.EROFS: "the disk is read-only. Choose a folder that you may write to.",
    errno.ENOTDIR: _FILE,
    errno.EEXIST: _FILE,
    errno.ENAMETOOLONG: "the name is too long. Choose a shorter one.",
    errno.ENOENT: "nothing can be made there. Choose another folder.",
    errno.EISDIR: "a folder has that name. Choose another name.",
}


@contextlib.contextmanager
def explained(path):
    """Says in a GanzooError why `path` cannot be written, where users can put that right."""
    try:
        yield
    except OSError as error:
        if error.errno not in _EXPLANATIONS:
            raise
        raise GanzooError(f"Cannot write {path}: {_EXPLANATIONS[error.errno]}") from error
