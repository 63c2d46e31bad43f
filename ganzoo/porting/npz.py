"""Reads the arrays of an opened `.npz` archive, with every size checked before it is reserved."""

import math
import re
import struct
import zipfile
from typing import Any

import numpy as np

from ganzoo.porting.bounded import Damaged

# Trained weights hardly compress. The allowance is for small files of zeros.
MAX_GROWTH = 32
GROWTH_ALLOWANCE = 64 * 2**20

# Written by `numpy.save` for every array that is not a record. Its own reader of headers parses
# Python, which is more than a header needs.
_MAGIC = b"\x93NUMPY"
_LENGTHS = {1: "<H", 2: "<I", 3: "<I"}
_HEADER = re.compile(
    rb"\{'descr': '([<>|=][a-zA-Z]\d{0,6})', 'fortran_order': (True|False), "
    rb"'shape': \(([\d, ]*)\), \}\s*"
)
MAX_HEADER = 4096


def read_npz(
    archive: zipfile.ZipFile, entries: dict[str, zipfile.ZipInfo], size: int
) -> dict[str, np.ndarray]:
    """Reads all arrays of an archive of `size` bytes, by name without `.npy`.

    Raises:
        Damaged: An array of objects (a pickle), a size that the archive cannot hold, or an
            entry that is no array.
    """
    claimed = sum(entry.file_size for entry in entries.values())
    if claimed > MAX_GROWTH * size + GROWTH_ALLOWANCE:
        raise Damaged(f"entries that claim to grow from {size} to {claimed} bytes")
    arrays = {}
    for name, entry in entries.items():
        if entry.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            raise Damaged(f"entry {name[:200]!r} compressed in a way that numpy never does")
        with archive.open(entry) as stream:
            arrays[name.removesuffix(".npy")] = _read_array(stream, name, entry.file_size)
    return arrays


def _read_array(stream: Any, name: str, size: int) -> np.ndarray:
    dtype, fortran, shape = _read_header(stream, name)
    count = math.prod(shape)
    if count * dtype.itemsize != size - stream.tell():
        raise Damaged(f"entry {name[:200]!r} of {count} numbers, with {size} bytes")
    data = stream.read()
    if len(data) != count * dtype.itemsize:
        raise Damaged(f"entry {name[:200]!r} that breaks off")
    return np.frombuffer(data, dtype).reshape(shape, order="F" if fortran else "C")


def _read_header(stream: Any, name: str) -> tuple[np.dtype, bool, tuple[int, ...]]:
    start = stream.read(len(_MAGIC) + 2)
    if not start.startswith(_MAGIC) or len(start) < 8 or start[6] not in _LENGTHS:
        raise Damaged(f"entry {name[:200]!r} is not an array")
    layout = _LENGTHS[start[6]]
    (length,) = struct.unpack(layout, stream.read(struct.calcsize(layout)))
    match = _HEADER.fullmatch(stream.read(min(length, MAX_HEADER)))
    if not match:
        raise Damaged(f"entry {name[:200]!r} is not an array of numbers")
    descr, fortran, sides = match.groups()
    if descr[1:2] == b"O":
        raise Damaged(f"entry {name[:200]!r} holds Python objects, which are never opened")
    shape = tuple(int(side) for side in sides.split(b",") if side.strip())
    return np.dtype(descr.decode()), fortran == b"True", shape
