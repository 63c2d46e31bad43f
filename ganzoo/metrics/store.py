"""Rows that outgrow memory: a fixed number of float32 vectors, on disk beyond a limit."""

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
    """

    def __init__(self, capacity: int, width: int, limit: int = MEMORY_LIMIT) -> None:
        shape = (capacity, width)
        self._rows: np.ndarray
        if capacity * width * 4 <= limit:
            self._rows = np.empty(shape, np.float32)
        else:
            with tempfile.TemporaryFile(prefix="ganzoo-") as file:
                self._rows = np.memmap(file, np.float32, "w+", shape=shape)
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
