"""What the cache holds: listed, verified, and cleared."""

import contextlib
import dataclasses
import json
import shutil
import zipfile
import zlib
from pathlib import Path
from typing import Any

from ganzoo.cache import (
    HUGGING,
    LOCK,
    NOTE,
    PARTIAL,
    BusyError,
    Pin,
    beside,
    home,
    hugging_part,
    locked,
    pin_of,
)
from ganzoo.errors import WeightsError
from ganzoo.files import check_sums

_STATISTICS = "statistics"


@dataclasses.dataclass(frozen=True)
class Cached:
    """One thing in the cache.

    Attributes:
        path: Where it is.
        source: Where it came from, "" if that is not known.
        bytes: Its size on disk.
        state: "file", "folder" (a model from Hugging Face), "statistics" (of real images) or
            "partial" (a download cut off).
        pin: The hash it has to have; None for folders, which have their own SHA256SUMS, and for
            statistics.
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
    found += [_describe(path) for path in home().glob(f"weights/*/.*{HUGGING}") if path.is_dir()]
    for folder in home().glob("hub/*"):
        if folder.is_dir():
            state = "partial" if folder.name.startswith(".") else "folder"
            name = folder.name.removeprefix(".").removesuffix(PARTIAL)
            source = "hf://" + name.replace("--", "/", 1)
            found.append(Cached(folder, source, _size(folder), state))
    for file in home().glob(f"{_STATISTICS}/*"):
        if file.is_file():
            state = "partial" if file.suffix == PARTIAL else "statistics"
            found.append(Cached(file, "", _size(file), state))
    return sorted(found, key=lambda item: item.path)


def _size(path: Path) -> int:
    size = 0
    for file in path.rglob("*") if path.is_dir() else [path]:
        with contextlib.suppress(FileNotFoundError):  # a download may take its place meanwhile
            size += file.stat().st_size if file.is_file() else 0
    return size


def cache_verify() -> list[tuple[Cached, str]]:
    """Hashes what the cache holds.

    Returns:
        Each thing in it with "" if it is whole, or else what is wrong with it.
    """
    return [(item, _fault(item)) for item in cache_list()]


def cache_clear(pattern: str = "*") -> list[Cached]:
    """Removes what the cache holds, and returns what was removed.

    What another process is fetching just now stays, and so do the empty files of locks.

    Args:
        pattern: Only what has a name or a source that matches this wildcard.

    Raises:
        CacheError: The cache may only be read.
    """
    import fnmatch

    removed = []
    for item in cache_list():
        if not any(fnmatch.fnmatch(text, pattern) for text in (item.path.name, item.source)):
            continue
        if item.path.parent.name == _STATISTICS:
            item.path.unlink(missing_ok=True)
            removed.append(item)
            continue
        with contextlib.suppress(BusyError), locked(_place_of_part(item.path), seconds=0):
            _remove(item.path)
            removed.append(item)
    return removed


def _remove(path: Path) -> None:
    """Removes a file or folder whose place is locked, and the note if nothing else is there."""
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
    place = _place_of_part(path)
    partial = beside(place, PARTIAL)
    if not (place.exists() or partial.exists() or hugging_part(partial).exists()):
        beside(place, NOTE).unlink(missing_ok=True)


def _describe(path: Path) -> Cached:
    note = _read_note(_place_of_part(path))
    state = "partial" if path.suffix in (PARTIAL, HUGGING) else "file"
    return Cached(path, note.get("source", ""), _size(path), state, pin_of(note))


def _place_of_part(path: Path) -> Path:
    """Gives the place of what a download, cut off, was to become; or the path itself."""
    # Names of files and folders do not begin with a dot, but for those that a download makes.
    return path.with_name(path.name.removeprefix(".").removesuffix(HUGGING).removesuffix(PARTIAL))


def _read_note(place: Path) -> dict[str, Any]:
    try:
        note = json.loads(beside(place, NOTE).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return note if isinstance(note, dict) else {}


def _fault(item: Cached) -> str:
    if item.state == "partial":
        if item.path.parent.name == _STATISTICS:
            return "left by a run that was cut off; it serves nothing and can be cleared"
        return "a download that was cut off; it goes on when the weights are next loaded"
    if item.state == "folder":
        try:
            named = (item.path / "SHA256SUMS").is_file()
            wrong = check_sums(item.path) if named else ["SHA256SUMS"]
        except WeightsError as error:
            return str(error)
        return f"absent or changed: {', '.join(wrong)}" if wrong else ""
    if item.state == "statistics":
        return "" if _is_whole_archive(item.path) else "damaged: it is made anew when next needed"
    if item.pin is None:
        return "not known: nothing says which hash it should have"
    if item.pin.matches(item.path):
        return ""
    return f"changed: its {item.pin.kind} is {item.pin.hash_of(item.path)}, not {item.pin.digest}"


def _is_whole_archive(path: Path) -> bool:
    try:
        with zipfile.ZipFile(path) as archive:
            return archive.testzip() is None
    except (OSError, ValueError, EOFError, zlib.error, zipfile.BadZipFile):
        return False
