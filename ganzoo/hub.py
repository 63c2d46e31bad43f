"""Where weights come from: the package, a file or folder, a URL, or Hugging Face.

A preset's `weights` is a list of `{source, sha256 | git_blob, networks}`, and the first source
that can be had is used. Its hash is checked every time, wherever the file lies.
"""

import importlib.resources
import logging
import os
import re
import urllib.parse
from collections.abc import Callable, Sequence
from pathlib import Path, PurePosixPath
from typing import Any

from ganzoo import downloads, hugging_face
from ganzoo.cache import (
    PARTIAL,
    CacheError,
    Pin,
    beside,
    is_offline,
    locked,
    pin_of,
    place_of,
    write_note,
)
from ganzoo.cache_contents import cache_clear, cache_list, cache_verify
from ganzoo.errors import MissingExtraError, WeightsError
from ganzoo.files import WEIGHTS_FILE, check_sums
from ganzoo.hugging_face import fetch_folder, push

__all__ = [
    "cache_clear",
    "cache_list",
    "cache_verify",
    "fetch",
    "fetch_entry",
    "fetch_folder",
    "push",
]

_log = logging.getLogger("ganzoo")

Entry = dict[str, Any]


class Unavailable(Exception):
    """Why one source does not give its file, as part of a sentence."""


def fetch(weights_entries: Sequence[Entry], *, offline: bool | None = None) -> Path:
    """Gives the path of a weights file, from the first source that it can be had from.

    Args:
        weights_entries: Dicts of `source` ("package:NAME", a path, a URL, or
            "hf://owner/name[@revision][/file]") and `sha256` or `git_blob`; `bytes`, where it
            is given, is the most that is downloaded from a URL.
        offline: True never asks the network; None reads GANZOO_OFFLINE.

    Returns:
        A file whose hash was checked just now.

    Raises:
        WeightsError: No source gives it. The message names the file, where to put it, and its
            hash.
        MissingExtraError: The only source needs a package that is not installed.
    """
    return fetch_entry(weights_entries, offline=offline)[0]


def fetch_entry(
    weights_entries: Sequence[Entry], *, offline: bool | None = None
) -> tuple[Path, Entry]:
    """Does as `fetch` does, and also gives the entry that the file belongs to."""
    if not weights_entries:
        raise WeightsError("No source of weights is given. Train the model, or add one.")
    reasons = []
    for entry in weights_entries:
        try:
            return _fetch_one(entry, is_offline(offline)), entry
        except Unavailable as error:
            reasons.append(f"{entry['source']}: {error}")
        except (MissingExtraError, CacheError) as error:
            if len(weights_entries) == 1:
                raise
            reasons.append(f"{entry['source']}: {str(error).rstrip('.')}")
    raise WeightsError(_nowhere(weights_entries, reasons))


def _fetch_one(entry: Entry, offline: bool) -> Path:
    source = entry.get("source")
    if not isinstance(source, str) or not source:
        raise WeightsError(f"The weights {entry} have no source. Give a file, a URL or hf://…")
    pin = pin_of(entry)
    if source.startswith("package:"):
        return _checked(_packaged(source.removeprefix("package:")), pin, source)
    if not _is_remote(source):
        return _local(source, pin)

    def download(partial: Path) -> None:
        if source.startswith("hf://"):
            hugging_face.download_file(source, partial)
        else:
            downloads.download(source, partial, most_bytes=entry.get("bytes"))

    return _cached(_needed(pin, source), source, offline, download)


def _is_remote(source: str) -> bool:
    return source.startswith(("http://", "https://", "hf://"))


def _place(source: str, pin: Pin) -> Path:
    if source.startswith("hf://"):
        return place_of(hugging_face.file_name(source), pin)
    name = PurePosixPath(urllib.parse.unquote(urllib.parse.urlsplit(source).path)).name
    # A URL may end in anything: only what is a plain file name everywhere becomes one.
    return place_of(re.sub(r"[^\w.-]", "_", name).lstrip(".") or "weights", pin)


def _packaged(name: str) -> Path:
    if not re.fullmatch(r"[\w][\w.-]*", name):
        raise WeightsError(f"package:{name} is no file name. Name a file of ganzoo/weights.")
    return Path(str(importlib.resources.files("ganzoo.weights") / name))


def _local(source: str, pin: Pin | None) -> Path:
    address = source.removeprefix("file://")
    # In what `Path.as_uri` gives a space is %20; in a path % is itself.
    path = Path(address if address == source else urllib.parse.unquote(address)).expanduser()
    if not path.is_dir():
        return _checked(path, pin, source)
    file = path / WEIGHTS_FILE
    if pin is None and file.is_file() and (path / "SHA256SUMS").is_file():
        wrong = check_sums(path, required=(WEIGHTS_FILE,))
        if wrong:
            raise Unavailable(f"{', '.join(wrong)} is absent or not as its SHA256SUMS says")
        return file
    return _checked(file, pin, source)


def _checked(path: Path, pin: Pin | None, source: str) -> Path:
    if not path.is_file():
        raise Unavailable("there is no such file" + (f", {path}" if source != str(path) else ""))
    pin = _needed(pin, source)
    if not pin.matches(path):
        raise Unavailable(f"its {pin.kind} is {pin.hash_of(path)}, not {pin.digest}")
    return path


def _needed(pin: Pin | None, source: str) -> Pin:
    if pin is None:
        raise WeightsError(
            f"The weights {source} have no hash, so that they cannot be checked. "
            "Give their sha256 (or git_blob) beside the source."
        )
    return pin


def _cached(pin: Pin, source: str, offline: bool, download: Callable[[Path], None]) -> Path:
    """Gives the cached file, downloading it where it is absent or damaged."""
    place = _place(source, pin)
    if place.is_file() and pin.matches(place):
        write_note(place, source, pin)
        return place
    if offline:
        damaged = f", and {place} is damaged" if place.is_file() else ""
        raise Unavailable(f"offline, and not in the cache{damaged}")
    with locked(place):
        # Another process may have brought it while this one waited.
        if place.is_file() and pin.matches(place):
            return place
        if place.is_file():
            _log.warning("%s is damaged: fetching it again from %s", place, source)
        write_note(place, source, pin)
        _bring(place, pin, download)
    return place


def _bring(place: Path, pin: Pin, download: Callable[[Path], None]) -> None:
    partial = beside(place, PARTIAL)
    resumed = partial.exists()
    try:
        download(partial)
        if resumed and not pin.matches(partial):
            # What was there may have been the start of something else.
            partial.unlink()
            download(partial)
        if not pin.matches(partial):
            found = pin.hash_of(partial)
            partial.unlink()
            raise Unavailable(f"the {pin.kind} of what came is {found}, not {pin.digest}")
        os.replace(partial, place)
    except downloads.DownloadError as error:
        raise Unavailable(str(error)) from error
    except OSError as error:
        raise Unavailable(f"{partial} cannot be written ({error.strerror or error})") from error


def _nowhere(entries: Sequence[Entry], reasons: list[str]) -> str:
    pinned = [(entry["source"], pin_of(entry)) for entry in entries]
    ways = [
        f"bring {source} and put it at {_place(source, pin)} ({pin})"
        for source, pin in pinned
        if pin and _is_remote(source)
    ]
    advice = "; or ".join(ways) or "give the path of a weights file, or install ganzoo again"
    return f"The weights cannot be had. {'; '.join(reasons)}. {advice[0].upper()}{advice[1:]}."
