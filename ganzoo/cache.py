"""The folder where fetched weights are kept, and the hashes that they are held to.

`GANZOO_HOME`, or the platform's own cache folder, holds `weights/<pin>/<file>` for single files,
`hub/<owner>--<name>@<revision>/` for model folders, and `statistics/` for what scores keep of real
images. Beside a file, `<file>.json` says where it came from; `<file>.part`, or the folder
`.<file>.part.hf`, is a download that was cut off and goes on from there, as is `.<folder>.part`
beside a model folder.
"""

import contextlib
import dataclasses
import hashlib
import json
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ganzoo.errors import GanzooError, WeightsError
from ganzoo.files import sha256_of, write_text

LOCK_SECONDS = 3600
PARTIAL, NOTE, LOCK, HUGGING = ".part", ".json", ".lock", ".hf"
_NAME_DIGITS = 12
_FORMS = {"sha256": r"[0-9a-f]{8,64}", "git_blob": r"[0-9a-f]{40}"}


@dataclasses.dataclass(frozen=True)
class Pin:
    """The hash that a file has to have.

    Attributes:
        kind: "sha256", of which the first 8 or more digits may be given where no more was
            published; or "git_blob", Git's sha1 of `blob <size>\\0` and the content.
        digest: In lower-case hexadecimal.
    """

    kind: str
    digest: str

    def __str__(self):
        return f"{self.kind} {self.digest}"

    def matches(self, path: Path) -> bool:
        """Says whether a file has this hash."""
        return self.hash_of(path).startswith(self.digest)

    def hash_of(self, path: Path) -> str:
        """Computes the file's hash of this kind, in hexadecimal."""
        if self.kind == "sha256":
            return sha256_of(path)
        with open(path, "rb") as file:
            head = f"blob {os.fstat(file.fileno()).st_size}\0".encode()
            # Git's own hash: it is compared with what Git published, not chosen here.
            digest = hashlib.sha1(head, usedforsecurity=False)
            while block := file.read(2**20):
                digest.update(block)
            return digest.hexdigest()


class CacheError(WeightsError):
    """The cache cannot be written to."""


class BusyError(CacheError):
    """Another process is at work at a place of the cache."""


def pin_of(entry: dict[str, Any]) -> Pin | None:
    """Reads the hash out of an entry of a preset's `weights`, or None where it has none.

    Raises:
        WeightsError: It is not a hash.
    """
    for kind, form in _FORMS.items():
        if entry.get(kind) is None:
            continue
        digest = str(entry[kind]).lower()
        if not re.fullmatch(form, digest):
            raise WeightsError(
                f"The weights {entry.get('source')} have {kind} {entry[kind]!r}, which is no such "
                "hash. Write its hexadecimal digits, in quotes."
            )
        return Pin(kind, digest)
    return None


def home() -> Path:
    """Gives the cache folder, which need not exist yet."""
    folder = os.environ.get("GANZOO_HOME")
    if folder:
        return Path(folder).expanduser().absolute()
    import platformdirs

    return Path(platformdirs.user_cache_dir("ganzoo", appauthor=False))


def is_offline(offline: bool | None = None) -> bool:
    """Says whether the network must not be asked: by the argument, or else GANZOO_OFFLINE."""
    if offline is not None:
        return bool(offline)
    return os.environ.get("GANZOO_OFFLINE", "").lower() not in ("", "0", "false", "no", "off")


def place_of(name: str, pin: Pin) -> Path:
    """Gives the place in the cache for a file with this hash."""
    return home() / "weights" / pin.digest[:_NAME_DIGITS] / name


def make_folder(folder: Path) -> None:
    """Makes a folder of the cache; never falls back on another one.

    Raises:
        CacheError: It cannot be made.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise CacheError(
            f"The cache folder {folder} cannot be made: {error.strerror}. Set GANZOO_HOME to a "
            "folder that you may write to."
        ) from error


@contextlib.contextmanager
def locked(place: Path, seconds: float | None = None) -> Iterator[None]:
    """Keeps other processes from fetching to the same place, or clearing it.

    The lock's file stays: whoever waits for it would else wait for one that nobody sees.

    Args:
        place: What is fetched.
        seconds: How long to wait for another process; an hour by default.

    Raises:
        BusyError: Another process has kept the place for so long.
        CacheError: There cannot be a lock, as in a cache that may only be read.
    """
    import filelock

    make_folder(place.parent)
    seconds = LOCK_SECONDS if seconds is None else seconds
    lock = filelock.FileLock(beside(place, LOCK), timeout=seconds)
    try:
        held = lock.acquire()
    except filelock.Timeout as error:
        raise BusyError(
            f"Another process has been fetching {place} for {seconds // 60} minutes. "
            f"End it, or remove {beside(place, LOCK)}."
        ) from error
    except OSError as error:
        raise CacheError(
            f"The cache's {beside(place, LOCK)} cannot be written: {error.strerror or error}. Set "
            "GANZOO_HOME to a folder that you may write to."
        ) from error
    with held:
        yield


def folder_part(folder: Path) -> Path:
    """Gives the place where the files of a cached model folder gather."""
    return folder.with_name(f".{folder.name}{PARTIAL}")


def hugging_part(partial: Path) -> Path:
    """Gives the folder in which Hugging Face's library gathers a file before it is `partial`."""
    return partial.with_name(f".{partial.name}{HUGGING}")


def beside(place: Path, suffix: str) -> Path:
    """Gives the name of a file that belongs to a cached one."""
    return place.with_name(place.name + suffix)


def write_note(place: Path, source: str, pin: Pin) -> None:
    """Writes down where a cached file comes from and what it is held to."""
    if beside(place, NOTE).is_file():
        return
    note = {"source": source, pin.kind: pin.digest}
    # A cache that many share may be read-only: the note only serves `cache_list`.
    with contextlib.suppress(OSError, GanzooError):
        write_text(beside(place, NOTE), json.dumps(note, indent=2) + "\n")
