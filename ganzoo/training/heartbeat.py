"""Workers that notice when another has died or stalls, and end instead of waiting for ever.

TensorFlow's collective operations wait without a limit, and neither SIGTERM nor an exception
ends that wait. Each worker therefore tells the others every second that it lives, by UDP on
the port whose TCP half TensorFlow uses; a watchdog thread ends the process when one has fallen
silent. A worker whose datagrams never arrive at all, because something blocks them, is not
watched.
"""

import contextlib
import os
import socket
import sys
import threading
import time
import warnings

from ganzoo.checks import check_number
from ganzoo.errors import TrainingError

STATUS = 75  # "temporary failure" of sysexits.h: start all workers again
_INTERVAL = 1.0
_ALIVE, _DONE = b"ganzoo alive", b"ganzoo done"


class Heartbeat:
    """A context in which this worker is heard, and listens for the others.

    Args:
        addresses: "host:port" of every worker.
        index: This worker's place among them.
        timeout: Seconds of silence after which a worker counts as lost.
        on_loss: Called with the message; ends the process by default.

    Raises:
        TrainingError: `timeout` is no number above 0.
    """

    def __init__(self, addresses, index: int, timeout: float = 60.0, on_loss=None):
        check_number("peer_timeout", timeout, error=TrainingError, positive=True)
        self.addresses = [_split(address) for address in addresses]
        self.index = index
        self.timeout = timeout
        self.on_loss = on_loss or _end_process
        self.last_heard: dict[int, float] = {}
        self.done: set[int] = set()
        self._stop = threading.Event()
        self._thread = None

    def __enter__(self):
        if len(self.addresses) > 1:
            self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            self._socket.bind(("", self.addresses[self.index][1]))
            self._socket.settimeout(_INTERVAL / 4)
            self._thread = threading.Thread(target=self._run, name="heartbeat", daemon=True)
            self._thread.start()
        return self

    def __exit__(self, kind, error, trace):
        if self._thread is not None:
            self._stop.set()
            self._thread.join()
            if kind is None:
                self._send(_DONE)
            self._socket.close()

    def wait_for_verdict(self) -> None:
        """Gives the watchdog the time to name the worker that a failed operation was due to."""
        if self._thread is not None:
            self._thread.join(self.timeout + 2 * _INTERVAL)

    def _run(self):
        began, said, warned = time.monotonic(), 0.0, False
        while not self._stop.is_set():
            now = time.monotonic()
            if now - said >= _INTERVAL:
                self._send(_ALIVE)
                said = now
            self._listen()
            lost = self.silent(time.monotonic())
            if lost:
                self.on_loss(self._message(lost[0]))
                return
            unheard = len(self.addresses) - 1 - len(self.last_heard)
            if unheard and not warned and now - began > self.timeout:
                warned = True
                warnings.warn(
                    f"No heartbeat of {unheard} worker(s) arrives: UDP may be blocked. They are "
                    "not watched.",
                    stacklevel=2,
                )

    def silent(self, now: float) -> list[int]:
        """Lists the workers that were heard once, are not done, and are silent for too long."""
        return [
            worker
            for worker, heard in sorted(self.last_heard.items())
            if worker not in self.done and now - heard > self.timeout
        ]

    def _send(self, word):
        for worker, address in enumerate(self.addresses):
            if worker != self.index:
                with contextlib.suppress(OSError):
                    self._socket.sendto(word + b" %d" % self.index, address)

    def _listen(self):
        try:
            message, _ = self._socket.recvfrom(64)
        except OSError:
            return
        word, _, number = message.rpartition(b" ")
        if number.isdigit() and int(number) < len(self.addresses):
            if word == _DONE:
                self.done.add(int(number))
            elif word == _ALIVE:
                self.last_heard[int(number)] = time.monotonic()

    def _message(self, worker):
        host, port = self.addresses[worker]
        return (
            f"error: worker {worker} ({host}:{port}) has not been heard of for "
            f"{self.timeout:g} s: it has died or stalled. Start all workers again with the same "
            "command; the run goes on from its last checkpoint."
        )


def _split(address):
    host, _, port = address.rpartition(":")
    return host, int(port)


def _end_process(message):
    sys.stderr.write(message + "\n")
    sys.stderr.flush()
    os._exit(STATUS)
