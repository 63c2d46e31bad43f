"""Rows that outgrow memory: a fixed number of float32 vectors, on disk beyond a limit."""

import errno
import os
import tempfile

import numpy as np

from ganzoo.errors import DataError

MEMORY_LIMIT = 1 << 28


class RowStore:
    """Holds `capacity` rows of `width` float32 numbers, filled in order.

    Beyond `limit` bytes the rows lie in a nameless temporary file, which the system reads back
    by pages and which vanishes with the object; so memory stays bounded for any capacity.

    Args:
        capacity: How many rows will come.
        width: Numbers a row.
        limit: Bytes to hold in memory.

    Raises:
        DataError: The temporary folder has no room for the rows.
    """

    def __init__(self, capacity: int, width: int, limit: int = MEMORY_LIMIT) -> None:
        shape = (capacity, width)
        self._rows: np.ndarray
        if capacity * width * 4 <= limit:
            self._rows = np.empty(shape, np.float32)
        else:
            self._rows = _on_disk(shape)
        self.count = 0

    def append(self, rows) -> None:
        """Adds rows `(n, width)`.

        Raises:
            DataError: More rows than the store was made for.
        """
        stop = self.count + len(rows)
        if stop > len(self._rows):
            raise DataError(
                f"{stop} rows came where {len(self._rows)} were announced. Check the count that "
                "the source states."
            )
        self._rows[self.count : stop] = rows
        self.count = stop

    @property
    def rows(self) -> np.ndarray:
        """The rows stored so far, `(count, width)`, without a copy."""
        return self._rows[: self.count]


def _on_disk(shape: tuple[int, int]) -> np.ndarray:
    """Maps a nameless temporary file, whose blocks are reserved before anything is written.

    A page of a file with holes that finds the disk full would end the process.
    """
    size, folder = 4 * shape[0] * shape[1], "for temporary files"
    try:
        folder = tempfile.gettempdir()
        with tempfile.TemporaryFile(prefix="ganzoo-") as file:
            if hasattr(os, "posix_fallocate"):  # not on every platform
                _reserve(file.fileno(), size)
            return np.memmap(file, np.float32, "w+", shape=shape)
    except OSError as error:
        raise DataError(
            f"{size:,} bytes of features do not fit the folder {folder} "
            f"({error.strerror or error}). Free some space, or set TMPDIR to a folder of a larger "
            "disk."
        ) from error


def _reserve(file: int, size: int) -> None:
    try:
        os.posix_fallocate(file, 0, size)
    except OSError as error:
        # Some file systems cannot reserve, and are none the fuller for it.
        if error.errno not in (errno.EINVAL, errno.EOPNOTSUPP, errno.ENOSYS):
            raise
