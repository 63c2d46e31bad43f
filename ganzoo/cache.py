"""The folder where fetched weights are kept, and the hashes that they are held to.

`GANZOO_HOME`, or the platform's own cache folder, holds `weights/<pin>/<file>` for single files
and `hub/<owner>--<name>@<revision>/` for model folders. Beside a file, `<file>.json` says where
it came from; `<file>.part` is a download that was cut off and goes on from there, as is
`.<folder>.part` beside a model folder.
"""

import contextlib
import dataclasses
import hashlib
import json
import os
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ganzoo.errors import GanzooError, WeightsError
from ganzoo.files import check_sums, sha256_of, write_text

LOCK_SECONDS = 3600
PARTIAL, NOTE, LOCK = ".part", ".json", ".lock"
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
        WeightsError: It cannot be made.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise WeightsError(
            f"The cache folder {folder} cannot be made: {error.strerror}. Set GANZOO_HOME to a "
            "folder that you may write to."
        ) from error


@contextlib.contextmanager
def locked(place: Path) -> Iterator[None]:
    """Keeps other processes from fetching to the same place.

    Raises:
        WeightsError: Another process has kept the place for an hour.
    """
    import filelock

    make_folder(place.parent)
    lock = filelock.FileLock(beside(place, LOCK), timeout=LOCK_SECONDS)
    try:
        with lock:
            yield
    except filelock.Timeout as error:
        raise WeightsError(
            f"Another process has been fetching {place} for {LOCK_SECONDS // 60} minutes. "
            f"End it, or remove {beside(place, LOCK)}."
        ) from error


def folder_part(folder: Path) -> Path:
    """Gives the place where the files of a cached model folder gather."""
    return folder.with_name(f".{folder.name}{PARTIAL}")


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


# --- what is there ----------------------------------------------------------------------------


@dataclasses.dataclass(frozen=True)
class Cached:
    """One thing in the cache.

    Attributes:
        path: Where it is.
        source: Where it came from, "" if that is not known.
        bytes: Its size on disk.
        state: "file", "folder" (a model from Hugging Face) or "partial" (a download cut off).
        pin: The hash it has to have; None for folders, which have their own SHA256SUMS.
    """

    path: Path
    source: str
    bytes: int
    state: str
    pin: Pin | None = None


def cache_list() -> list[Cached]:
    """Lists what the cache holds, by path."""
    files = [path for path in home().glob("weights/*/[!.]*") if path.is_file()]
    found = [_describe(path) for path in files if path.suffix not in (NOTE, LOCK)]
    for folder in home().glob("hub/*"):
        if folder.is_dir():
            size = sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())
            state = "partial" if folder.name.startswith(".") else "folder"
            name = folder.name.removeprefix(".").removesuffix(PARTIAL)
            found.append(Cached(folder, "hf://" + name.replace("--", "/", 1), size, state))
    return sorted(found, key=lambda item: item.path)


def cache_verify() -> list[tuple[Cached, str]]:
    """Hashes what the cache holds.

    Returns:
        Each thing in it with "" if it is whole, or else what is wrong with it.
    """
    return [(item, _fault(item)) for item in cache_list()]


def cache_clear(pattern: str = "*") -> list[Cached]:
    """Removes what the cache holds, and returns what was removed.

    Args:
        pattern: Only what has a name or a source that matches this wildcard.
    """
    import fnmatch

    removed = []
    for item in cache_list():
        if not any(fnmatch.fnmatch(text, pattern) for text in (item.path.name, item.source)):
            continue
        if item.path.is_dir():
            shutil.rmtree(item.path)
            beside(item.path, LOCK).unlink(missing_ok=True)
        else:
            _remove(item.path)
        removed.append(item)
    return removed


def _remove(path: Path) -> None:
    path.unlink()
    place = path.with_name(path.name.removesuffix(PARTIAL))
    if place.exists() or beside(place, PARTIAL).exists():
        return
    for suffix in (NOTE, LOCK):
        beside(place, suffix).unlink(missing_ok=True)
    with contextlib.suppress(OSError):  # other files have the same hash
        place.parent.rmdir()


def _describe(path: Path) -> Cached:
    partial = path.suffix == PARTIAL
    note = _read_note(path.with_name(path.name.removesuffix(PARTIAL)))
    state = "partial" if partial else "file"
    return Cached(path, note.get("source", ""), path.stat().st_size, state, pin_of(note))


def _read_note(place: Path) -> dict[str, Any]:
    try:
        note = json.loads(beside(place, NOTE).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return note if isinstance(note, dict) else {}


def _fault(item: Cached) -> str:
    if item.state == "partial":
        return "a download that was cut off; it goes on when the weights are next loaded"
    if item.state == "folder":
        try:
            named = (item.path / "SHA256SUMS").is_file()
            wrong = check_sums(item.path) if named else ["SHA256SUMS"]
        except WeightsError as error:
            return str(error)
        return f"absent or changed: {', '.join(wrong)}" if wrong else ""
    if item.pin is None:
        return "not known: nothing says which hash it should have"
    if item.pin.matches(item.path):
        return ""
    return f"changed: its {item.pin.kind} is {item.pin.hash_of(item.path)}, not {item.pin.digest}"
