"""Reads PyTorch checkpoints without PyTorch, and without trusting them.

Three formats: the zip archive that `torch.save` has written since PyTorch 1.6, the legacy one
before it (pickles, then raw storages), and `.npz` files of arrays under state-dict names.
"""

import io
import os
import struct
import zipfile
import zlib
from collections.abc import Collection
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from ganzoo.errors import WeightsError
from ganzoo.porting.bounded import MAX_READ, BoundedFile, Damaged
from ganzoo.porting.npz import read_npz
from ganzoo.porting.pickles import read_pickle
from ganzoo.porting.tensors import (
    INERT_CLASSES,
    Storage,
    StorageType,
    global_finder,
    persistent_loader,
)

LEGACY_MAGIC = 0x1950A86A20F9469CFC6C
LEGACY_VERSION = 1001
MAX_DIRECTORY = 8 * 2**20

# What pickletools, zipfile and numpy raise on bytes that are not what they should be.
_DAMAGE = (
    Damaged,
    zipfile.BadZipFile,
    zlib.error,
    struct.error,
    ArithmeticError,
    EOFError,
    LookupError,
    MemoryError,
    NotImplementedError,
    RuntimeError,
    TypeError,
    ValueError,
)


def read_checkpoint(
    path: str | os.PathLike, *, inert_classes: Collection[str] = INERT_CLASSES
) -> dict[str, Any]:
    """Reads a PyTorch checkpoint (zip or legacy format) or an `.npz` file of its arrays.

    Nothing in the file is imported or called. Memory stays near the size of the file (twice it
    for bfloat16, which becomes float32), whatever sizes the file claims; only a `.npz` may be
    compressed, and then grows to no more than 32 times its size and 64 MiB.

    Args:
        path: The file.
        inert_classes: Classes, as "module.name", that may lie beside the tensors. They are not
            imported: each object becomes a dict of its attributes.

    Returns:
        The checkpoint: dicts and lists of numpy arrays in PyTorch's layouts, read-only where
        they share a storage, and of numbers and strings. A file that holds a list or one
        tensor gives it under the key "".

    Raises:
        WeightsError: The file is missing, damaged, of another format, or asks for code.
    """
    path = Path(path)
    try:
        with open(path, "rb") as file:
            content = _read(file, path, inert_classes)
    except WeightsError:
        raise
    except OSError as error:
        raise WeightsError(
            f"{path} cannot be read: {error.strerror or error}. Give the path of a checkpoint."
        ) from error
    except _DAMAGE as error:
        reason = str(error)[:200] or type(error).__name__
        raise WeightsError(
            f"{path} is damaged, or not a PyTorch checkpoint: {reason}. "
            "Bring it again, and compare its hash with the published one."
        ) from error
    return content if isinstance(content, dict) else {"": content}


def _read(file: BinaryIO, path: Path, inert_classes: Collection[str]) -> Any:
    size = os.fstat(file.fileno()).st_size
    start = file.read(512)
    file.seek(0)
    if start.startswith(b"PK\x03\x04"):
        return _read_zip(file, size, path, inert_classes)
    if start.startswith(b"\x80"):
        return _read_legacy(file, size, path, inert_classes)
    if start.startswith(b"\x89HDF"):
        raise WeightsError(
            f"{path} is an HDF5 file, as Keras writes them, and not a PyTorch checkpoint. "
            "One that ganzoo wrote goes to ganzoo.load(PRESET, weights=FILE), one of Keras to "
            "model.load_weights."
        )
    if start[8:9] == b"{" and int.from_bytes(start[:8], "little") <= size - 8:
        raise WeightsError(
            f"{path} is a safetensors file, and not a PyTorch checkpoint. {how_to_convert(path)}"
        )
    if start[257:262] == b"ustar":
        raise WeightsError(
            f"{path} is a tar archive, the format before PyTorch 0.1.10. "
            "Open it with an old PyTorch and save its state_dict() again."
        )
    raise Damaged("it begins like no known format")


def how_to_convert(path: Path) -> str:
    """Says how a safetensors file becomes one that `read_checkpoint` reads."""
    files = f"safetensors.torch.load_file({str(path)!r}), {str(path.with_suffix('.pth'))!r}"
    return f"Write its tensors as PyTorch does: torch.save({files})"


# --- the zip format ---------------------------------------------------------------------------


def _read_zip(file: BinaryIO, size: int, path: Path, inert_classes: Collection[str]) -> Any:
    bounded = BoundedFile(file, size, limit=MAX_DIRECTORY)
    with zipfile.ZipFile(bounded) as archive:  # type: ignore[arg-type]
        bounded.limit = size
        entries = _checked_entries(archive)
        pickles = [name for name in entries if name.rpartition("/")[2] == "data.pkl"]
        if not pickles and any(name.endswith(".npy") for name in entries):
            return read_npz(archive, entries, size)
        if len(pickles) != 1:
            raise Damaged("an archive without a data.pkl")
        folder = pickles[0].removesuffix("data.pkl")
        if folder + "constants.pkl" in entries:
            raise WeightsError(
                f"{path} is a TorchScript program, and reading weights runs no code of a file. "
                "Save its tensors alone, with torch.save(module.state_dict(), path)."
            )
        _check_stored(entries, size)
        if folder + "byteorder" in entries and archive.read(folder + "byteorder") != b"little":
            raise Damaged("big-endian numbers")
        if entries[pickles[0]].file_size > MAX_READ:
            raise Damaged(f"a data.pkl of {entries[pickles[0]].file_size} bytes")
        content = archive.read(pickles[0])
        storages = persistent_loader(_ZipStorages(archive, entries, folder))
        finder = global_finder(str(path), inert_classes)
        return read_pickle(BoundedFile(io.BytesIO(content), len(content)), finder, storages)


def _checked_entries(archive: zipfile.ZipFile) -> dict[str, zipfile.ZipInfo]:
    """The archive's entries by name; none of them twice, or with a path that leads out of it."""
    entries: dict[str, zipfile.ZipInfo] = {}
    for entry in archive.infolist():
        name = entry.filename
        parts = name.replace("\\", "/").split("/")
        if ".." in parts or not parts[0] or ":" in parts[0]:
            raise Damaged(f"an entry named {name[:200]!r}, which leads out of the archive")
        if name in entries:
            raise Damaged(f"two entries named {name[:200]!r}")
        entries[name] = entry
    return entries


def _check_stored(entries: dict[str, zipfile.ZipInfo], size: int):
    """PyTorch never compresses: entries that would grow, or overlap, are no work of its."""
    for name, entry in entries.items():
        if entry.compress_type != zipfile.ZIP_STORED or entry.file_size != entry.compress_size:
            raise Damaged(f"entry {name[:200]!r} is compressed, which PyTorch never does")
    if sum(entry.file_size for entry in entries.values()) > size:
        raise Damaged("entries that claim more bytes than the file has")


def _fill(target: np.ndarray, stream: Any):
    """Reads a flat array's bytes from a stream in steps; in a zip the last checks the CRC."""
    raw = memoryview(target.view("u1"))  # type: ignore[arg-type]
    done = 0
    while done < len(raw):
        count = stream.readinto(raw[done : done + 2**20])
        if not count:
            raise Damaged(f"a storage that ends after {done} of {len(raw)} bytes")
        done += count


class _ZipStorages:
    """Storages that lie as entries `data/KEY` of an archive."""

    def __init__(self, archive, entries, folder):
        self.archive, self.entries, self.folder = archive, entries, folder
        self.loaded: dict = {}

    def load(self, key: str, kind: StorageType, count: int) -> Storage:
        if key not in self.loaded:
            self.loaded[key] = (kind, count, self._read(key, kind, count))
        known_kind, known_count, storage = self.loaded[key]
        if (known_kind, known_count) != (kind, count):
            raise Damaged(f"storage {key!r} twice, with different sizes")
        return storage

    def _read(self, key: str, kind: StorageType, count: int) -> Storage:
        entry = self.entries.get(f"{self.folder}data/{key}")
        if entry is None:
            raise Damaged(f"storage {key!r} is not in the archive")
        if entry.file_size != count * np.dtype(kind.stored).itemsize:
            raise Damaged(f"storage {key!r} of {count} numbers, with {entry.file_size} bytes")
        raw = np.empty(count, kind.stored)
        with self.archive.open(entry) as stream:
            _fill(raw, stream)
        return Storage(kind.decode(raw))


# --- the legacy format ------------------------------------------------------------------------


def _read_legacy(file: BinaryIO, size: int, path: Path, inert_classes: Collection[str]) -> Any:
    bounded = BoundedFile(file, size)
    finder = global_finder(str(path), inert_classes)
    if read_pickle(bounded, finder) != LEGACY_MAGIC:
        raise Damaged("a pickle, but not one of PyTorch")
    if read_pickle(bounded, finder) != LEGACY_VERSION:
        raise Damaged("a version of the legacy format that is not known")
    system = read_pickle(bounded, finder)
    if not isinstance(system, dict) or system.get("little_endian") is not True:
        raise Damaged("big-endian numbers")
    storages = _LegacyStorages(size)
    content = read_pickle(bounded, finder, persistent_loader(storages))
    storages.fill(file, read_pickle(bounded, finder))
    return content


class _LegacyStorages:
    """Storages that follow the pickles: reserved while reading those, filled in afterwards."""

    def __init__(self, size: int):
        self.bytes_left = size
        self.reserved: dict = {}

    def load(self, key: str, kind: StorageType, count: int) -> Storage:
        if key not in self.reserved:
            self.bytes_left -= count * np.dtype(kind.stored).itemsize
            if self.bytes_left < 0:
                raise Damaged("storages that claim more bytes than the file has")
            elements = np.empty(count, kind.given)
            self.reserved[key] = (kind, elements, Storage(elements))
        known_kind, elements, storage = self.reserved[key]
        if known_kind != kind or elements.size != count:
            raise Damaged(f"storage {key!r} twice, with different sizes")
        return storage

    def fill(self, file: BinaryIO, keys: Any):
        """Reads the storages in the order of `keys`, each after its length of 8 bytes."""
        if not isinstance(keys, list) or not all(isinstance(key, str) for key in keys):
            raise Damaged("storages without names")
        if sorted(keys) != sorted(self.reserved):
            raise Damaged("storages that are not those of its tensors")
        for key in keys:
            kind, elements, _ = self.reserved[key]
            (count,) = struct.unpack("<q", file.read(8))
            if count != elements.size:
                raise Damaged(f"storage {key!r} of {elements.size} numbers, with {count}")
            raw = elements if kind.stored == kind.given else np.empty(count, kind.stored)
            _fill(raw, file)
            elements[:] = kind.decode(raw)
