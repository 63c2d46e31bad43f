"""Files that are either there whole or not at all, and their hashes."""

import contextlib
import errno
import hashlib
import os
import pathlib
import shutil

from ganzoo.errors import GanzooError

_LONG_NAME = 200  # bytes; most file systems have 255
WEIGHTS_FILE = "model.weights.h5"  # of a model folder


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
    with _explained(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            yield partial
            flush_to_disk(partial)
            os.replace(partial, path)
        finally:
            partial.unlink(missing_ok=True)


@contextlib.contextmanager
def replacing_folder(path):
    """Gives a new folder, which takes the place of `path` when the block ends well."""
    path = pathlib.Path(path)
    partial = _beside(path, "partial")
    with _explained(path):
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


def flush_to_disk(path) -> None:
    """Waits until a file's content would survive a power cut."""
    with open(path, "rb") as file:
        os.fsync(file.fileno())


def write_sums(folder, names) -> None:
    """Writes `SHA256SUMS` for some files of a folder, as the tool sha256sum does."""
    folder = pathlib.Path(folder)
    lines = [f"{sha256_of(folder / name)}  {name}\n" for name in sorted(names)]
    write_text(folder / "SHA256SUMS", "".join(lines))


def check_sums(folder, required=()) -> list[str]:
    """Lists the files of a folder that are absent or not as its `SHA256SUMS` says.

    Args:
        folder: The folder.
        required: Names of files that it has to list: what it leaves out is not checked.
    """
    folder = pathlib.Path(folder)
    wrong = []
    left = set(required)
    for line in (folder / "SHA256SUMS").read_text(encoding="utf-8").splitlines():
        digest, _, name = line.partition("  ")
        left.discard(name)
        file = folder / name
        inside = file.resolve().is_relative_to(folder.resolve())
        if not inside or not file.is_file() or sha256_of(file) != digest:
            wrong.append(name)
    return wrong + sorted(left)


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
def _explained(path):
    try:
        yield
    except OSError as error:
        if error.errno not in _EXPLANATIONS:
            raise
        raise GanzooError(f"Cannot write {path}: {_EXPLANATIONS[error.errno]}") from error
