"""Downloads over HTTP that go on where they were cut off, and end when nothing arrives.

The hash of the whole is the caller's business: here a download is a file that grows.
"""

import contextlib
import http.client
import os
import string
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

from ganzoo._version import __version__

STALL_SECONDS = 30.0  # without any byte, or with less than STALL_BYTES in all of them
STALL_BYTES = 1024
ATTEMPTS = 5  # in a row that bring nothing new
PAUSES = (0.5, 1.0, 2.0, 4.0)
BLOCK = 2**18

_PASSING = (408, 425, 429, 500, 502, 503, 504)


class DownloadError(Exception):
    """Why a download did not end well, as part of a sentence."""


class _Cut(Exception):
    """A connection that ended before the file did; another attempt goes on from there."""


def download(url: str, partial: Path, *, most_bytes: int | None = None) -> None:
    """Downloads to `partial`, on from what it holds already.

    Attempts that bring something are repeated without end, five that bring nothing are not.

    Args:
        url: http or https.
        partial: The file to write; it stays, as far as it got, when the download fails.
        most_bytes: The most that the file can have.

    Raises:
        DownloadError: The server refuses, nothing arrives, or more than `most_bytes` does.
    """
    if urllib.parse.urlsplit(url).scheme not in ("http", "https"):
        raise DownloadError("only http and https are downloaded")
    failures, reason = 0, ""
    with _progress(Path(urllib.parse.urlsplit(url).path).name) as report:
        while failures < ATTEMPTS:
            before = _size(partial)
            try:
                _attempt(url, partial, most_bytes, report)
                return
            except _Cut as cut:
                reason = str(cut)
            failures = 0 if _size(partial) > before else failures + 1
            if failures < ATTEMPTS:
                time.sleep(PAUSES[min(failures, len(PAUSES)) - 1] if failures else 0)
    raise DownloadError(reason)


def _attempt(url: str, partial: Path, most_bytes: int | None, report: Callable) -> None:
    start = _size(partial)
    headers = {"User-Agent": f"ganzoo/{__version__}", "Accept-Encoding": "identity"}
    if start:
        headers["Range"] = f"bytes={start}-"
    response = _open(urllib.request.Request(_sendable(url), headers=headers))
    if response is None:
        return
    with response:
        start = _start_of(response, start)
        length = response.headers.get("Content-Length")
        total = start + int(length) if length and length.isdigit() else None
        if most_bytes is not None and (total or 0) > most_bytes:
            raise DownloadError(f"the file there has {total} bytes instead of {most_bytes}")
        with open(partial, "r+b" if start else "wb") as file:
            file.truncate(start)
            file.seek(start)
            _copy(response, file, total, most_bytes, report)


def _sendable(url: str) -> str:
    """Writes what a request cannot hold, such as é and spaces, as browsers do; leaves %41 alone."""
    parts = urllib.parse.urlsplit(url)
    path, query = (
        urllib.parse.quote(part, safe=string.punctuation) for part in (parts.path, parts.query)
    )
    return urllib.parse.urlunsplit(parts._replace(path=path, query=query))


def _open(request: urllib.request.Request):
    """Opens a connection; None where the server says that nothing is left to send."""
    try:
        return _OPENER.open(request, timeout=STALL_SECONDS)
    except urllib.error.HTTPError as error:
        error.close()
        if error.code == 416:
            return None
        answer = f"the server answers {error.code} {error.reason}"
        raise (_Cut if error.code in _PASSING else DownloadError)(answer) from error
    except (OSError, http.client.HTTPException) as error:
        reason = getattr(error, "reason", None) or error
        raise _Cut(f"the connection failed ({_one_line(reason)})") from error


def _read(response) -> bytes:
    try:
        return response.read1(BLOCK)
    except (OSError, http.client.HTTPException) as error:
        raise _Cut(f"the connection failed ({_one_line(error)})") from error


def _start_of(response, wanted: int) -> int:
    """Where what the server sends begins: servers may ignore the wish to go on."""
    if response.status != 206:
        return 0
    sent = response.headers.get("Content-Range", "")
    if not sent.startswith(f"bytes {wanted}-"):
        raise DownloadError(f"the server sent {sent or 'no range'} when asked for byte {wanted}")
    return wanted


def _copy(response, file, total: int | None, most_bytes: int | None, report: Callable) -> None:
    done = mark = file.tell()
    marked = time.monotonic()
    while block := _read(response):
        file.write(block)
        done += len(block)
        report(done, total)
        if most_bytes is not None and done > most_bytes:
            raise DownloadError(f"more than its {most_bytes} bytes arrived")
        if time.monotonic() - marked > STALL_SECONDS:
            if done - mark < STALL_BYTES:
                raise _Cut(f"fewer than {STALL_BYTES} bytes arrived in {STALL_SECONDS:g} s")
            mark, marked = done, time.monotonic()
    file.flush()
    os.fsync(file.fileno())
    if total is not None and done < total:
        raise _Cut(f"the connection ended after {done} of {total} bytes")


class _Redirects(urllib.request.HTTPRedirectHandler):
    """Follows redirections, but never from https to http."""

    def redirect_request(self, request, file, code, message, headers, new_url):
        schemes = [urllib.parse.urlsplit(url).scheme for url in (request.full_url, new_url)]
        if schemes[0] == "https" and schemes[1] != "https":
            raise DownloadError(f"the server redirects to {new_url}, which is not https")
        return super().redirect_request(request, file, code, message, headers, new_url)


_OPENER = urllib.request.build_opener(_Redirects)


@contextlib.contextmanager
def _progress(name: str) -> Iterator[Callable[[int, int | None], None]]:
    """Shows a bar on the terminal's standard error, and nothing anywhere else."""
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TransferSpeedColumn

    console = Console(stderr=True)
    columns = TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TransferSpeedColumn()
    with Progress(*columns, console=console, disable=not console.is_terminal) as bars:
        bar = bars.add_task(name, total=None)
        yield lambda done, total: bars.update(bar, completed=done, total=total)


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0


def _one_line(reason) -> str:
    return " ".join(str(reason).split())[:200] or type(reason).__name__
