"""A file that cannot be made to give more than it should, and how a reader says it is damaged."""

from typing import BinaryIO

MAX_LINE = 4096
MAX_READ = 64 * 2**20


class Damaged(Exception):
    """A file that breaks off or contradicts itself; the reader says so with the file's name."""


class BoundedFile:
    """A file that gives no more than `limit` bytes at once, however many are asked for."""

    def __init__(self, file: BinaryIO, size: int, limit: int = MAX_READ):
        self.file, self.size, self.limit = file, size, limit
        self.seek, self.tell, self.seekable = file.seek, file.tell, file.seekable

    def read(self, count: int = -1) -> bytes:
        left = max(self.size - self.tell(), 0)
        wanted = left if count < 0 else min(count, left)
        if wanted > self.limit:
            raise Damaged(f"one item of {wanted} bytes, where {self.limit} is the most expected")
        return self.file.read(wanted)

    def readline(self) -> bytes:
        line = self.file.readline(MAX_LINE)
        if not line.endswith(b"\n"):
            raise Damaged("a line of text without an end")
        return line
