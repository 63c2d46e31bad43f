"""Workers hear each other, and know a peer that has ended from one that is lost."""

import socket
import threading

import pytest

from ganzoo.errors import TrainingError
from ganzoo.training import heartbeat
from ganzoo.training.heartbeat import Heartbeat


@pytest.fixture
def addresses(monkeypatch):
    """Two places on this machine, between which workers speak a hundred times a second."""
    monkeypatch.setattr(heartbeat, "_INTERVAL", 0.01)
    sockets = [socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in range(2)]
    for each in sockets:
        each.bind(("127.0.0.1", 0))
    found = [f"127.0.0.1:{each.getsockname()[1]}" for each in sockets]
    for each in sockets:
        each.close()
    return found


def wait_for(condition):
    """Waits until something holds; says whether it did within five seconds."""
    pause = threading.Event()
    return any(condition() or pause.wait(0.01) for _ in range(500))


def test_a_peer_that_ends_well_is_not_missed(addresses):
    lost = []
    with Heartbeat(addresses, 0, timeout=60, on_loss=lost.append) as first:
        with Heartbeat(addresses, 1, timeout=60):
            assert wait_for(lambda: 1 in first.last_heard)
        assert wait_for(lambda: first.done == {1})
        assert first.silent(first.last_heard[1] + 100) == []
    assert lost == []


def test_a_peer_that_fails_is_lost(addresses):
    lost = []
    with Heartbeat(addresses, 0, timeout=0.3, on_loss=lost.append) as first:
        second = Heartbeat(addresses, 1, timeout=60).__enter__()
        assert wait_for(lambda: 1 in first.last_heard)
        second.__exit__(MemoryError, MemoryError(), None)
        assert wait_for(lambda: lost)
    assert first.done == set()
    assert lost[0].startswith(f"error: worker 1 ({addresses[1]}) has not been heard of for 0.3 s")


def test_silence_counts_from_the_last_word():
    watch = Heartbeat(["a:1", "b:2", "c:3", "d:4"], 0, timeout=10)
    watch.last_heard, watch.done = {1: 100.0, 2: 105.0, 3: 100.0}, {3}
    assert watch.silent(110.0) == []
    assert watch.silent(110.5) == [1]
    assert watch.silent(115.5) == [1, 2]


@pytest.mark.parametrize("word", [b"ganzoo alive 2", b"ganzoo alive x", b"ganzoo dead 1", b""])
def test_words_of_strangers_are_passed_over(addresses, word):
    host, _, port = addresses[0].rpartition(":")
    with (
        Heartbeat(addresses, 0, timeout=60) as first,
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as stranger,
    ):
        stranger.sendto(word, (host, int(port)))
        stranger.sendto(b"ganzoo alive 1", (host, int(port)))
        assert wait_for(lambda: first.last_heard)
    assert first.last_heard.keys() == {1}
    assert first.done == set()


@pytest.mark.parametrize("timeout", [0, -1, "60"])
def test_a_timeout_that_is_none_is_refused(timeout):
    with pytest.raises(TrainingError, match="^peer_timeout is "):
        Heartbeat(["a:1"], 0, timeout=timeout)
