"""Downloads from a server that does everything wrong."""

import hashlib
import logging
import pathlib
import subprocess
import sys
import threading
import time

import pytest

from ganzoo import cache, downloads, hub
from ganzoo.errors import WeightsError
from tests.hub.serving import CONTENT, GIT_BLOB, SHA256, entry, gets


def test_a_file_is_downloaded_once(server, home):
    path = hub.fetch([entry(server)])
    assert path == home / "weights" / SHA256[:12] / "net.pth"
    assert path.read_bytes() == CONTENT
    assert hub.fetch([entry(server)]) == path
    assert len(gets(server)) == 1
    assert not list(home.rglob("*.part"))


@pytest.mark.parametrize("pin", [{"git_blob": GIT_BLOB}, {"sha256": SHA256[:8].upper()}])
def test_other_pins(server, pin):
    fetched, used = hub.fetch_entry([{"source": f"{server.url}/w/net.pth"} | pin])
    assert fetched.read_bytes() == CONTENT
    assert used["source"].endswith("net.pth")


def test_a_git_blob_id_is_that_of_git(tmp_path):
    (tmp_path / "hello").write_bytes(b"hello world\n")
    pin = cache.pin_of({"git_blob": "3b18e512dba79e4c8300dd08aeb37f8e728b8dad"})
    assert pin.matches(tmp_path / "hello")
    (tmp_path / "hello").write_bytes(b"hello world!")
    assert not pin.matches(tmp_path / "hello")


def test_a_tampered_file_is_fetched_again(server, caplog):
    path = hub.fetch([entry(server)])
    path.write_bytes(b"?" + CONTENT[1:])
    with caplog.at_level(logging.WARNING, "ganzoo"):
        assert hub.fetch([entry(server)]).read_bytes() == CONTENT
    assert "is damaged: fetching it again" in caplog.text
    assert len(gets(server)) == 2


@pytest.mark.parametrize("cuts", [["truncate 1000"], ["truncate 50000", "truncate 7", "hang-up"]])
def test_a_cut_download_goes_on(server, cuts):
    server.behaviours += cuts
    assert hub.fetch([entry(server)]).read_bytes() == CONTENT
    places = [request[2] for request in gets(server)]
    assert places[:2] == [None, f"bytes={cuts[0].partition(' ')[2]}-"]


def test_a_download_goes_on_in_the_next_process(server, home):
    server.behaviours += ["truncate 1000"] + ["refuse 404"]
    with pytest.raises(WeightsError, match="404"):
        hub.fetch([entry(server)])
    partial = home / "weights" / SHA256[:12] / "net.pth.part"
    assert partial.read_bytes() == CONTENT[:1000]
    assert hub.fetch([entry(server)]).read_bytes() == CONTENT
    assert gets(server)[-1][2] == "bytes=1000-"


@pytest.mark.parametrize("start", [b"something else", CONTENT + b"more", CONTENT])
def test_a_partial_file_of_something_else(server, home, start):
    partial = home / "weights" / SHA256[:12] / "net.pth.part"
    partial.parent.mkdir(parents=True)
    partial.write_bytes(start)
    assert hub.fetch([entry(server)]).read_bytes() == CONTENT


def test_a_server_without_ranges(server):
    server.behaviours += ["truncate 1000", "ignore-range"]
    assert hub.fetch([entry(server)]).read_bytes() == CONTENT


def test_a_server_that_sends_another_range(server):
    server.behaviours += ["truncate 1000", "wrong-range"]
    with pytest.raises(WeightsError, match="the server sent bytes 1-.* when asked for byte 1000"):
        hub.fetch([entry(server)])


def test_a_corrupt_download_is_never_used(server, home):
    server.behaviours += ["corrupt"]
    with pytest.raises(WeightsError, match=f"the sha256 of what came is .*, not {SHA256}"):
        hub.fetch([entry(server)])
    assert not [path for path in home.rglob("net.pth*") if path.suffix in (".pth", ".part")]
    assert hub.fetch([entry(server)]).read_bytes() == CONTENT


@pytest.mark.parametrize(
    ("given", "asked"), [("é t.pth", "%C3%A9%20t.pth"), ("%C3%A9.pth?a=%20é", "%C3%A9.pth")]
)
def test_an_address_may_hold_any_letter(server, given, asked):
    server.files[f"/w/{asked}"] = CONTENT
    fetched = hub.fetch([{"source": f"{server.url}/w/{given}", "sha256": SHA256}])
    assert fetched.read_bytes() == CONTENT


def test_a_server_that_is_busy_is_asked_again(server):
    server.behaviours += ["refuse 503", "refuse 429", "hang-up"]
    assert hub.fetch([entry(server)]).read_bytes() == CONTENT


@pytest.mark.parametrize(("code", "asked"), [(404, 1), (403, 1), (500, 5)])
def test_a_server_that_refuses(server, code, asked):
    server.behaviours += [f"refuse {code}"] * 9
    with pytest.raises(WeightsError, match=f"the server answers {code}"):
        hub.fetch([entry(server)])
    assert len(gets(server)) == asked


def test_a_stalled_connection_is_given_up(server, monkeypatch):
    monkeypatch.setattr(downloads, "STALL_SECONDS", 0.3)
    server.behaviours += ["stall 1"] * 9
    with pytest.raises(WeightsError, match="the connection failed .*timed out"):
        hub.fetch([entry(server)])


def test_a_dripping_connection_is_given_up(server, monkeypatch):
    monkeypatch.setattr(downloads, "STALL_SECONDS", 0.3)
    server.behaviours += ["drip 0.05"]
    assert hub.fetch([entry(server)]).read_bytes() == CONTENT
    assert 0 < int(gets(server)[1][2].strip("bytes=-")) < 100


def test_redirections(server):
    server.behaviours += [f"redirect {server.url}/w/net.pth?token=1"]
    assert hub.fetch([entry(server)]).read_bytes() == CONTENT
    assert server.requests[-1][1] == "/w/net.pth?token=1"


@pytest.mark.parametrize(
    ("target", "match"),
    [("file:///etc/passwd", "not allowed"), ("/w/net.pth", "infinite loop")],
)
def test_redirections_that_lead_nowhere(server, target, match):
    server.behaviours += [f"redirect {target}"] * 100
    with pytest.raises(WeightsError, match=match):
        hub.fetch([entry(server)])
    assert len(gets(server)) < 20


def test_https_never_becomes_http():
    handler = downloads._Redirects()
    request = downloads.urllib.request.Request("https://a.org/x")
    with pytest.raises(downloads.DownloadError, match=r"redirects to http://b\.org/x"):
        handler.redirect_request(request, None, 302, "Found", {}, "http://b.org/x")


@pytest.mark.parametrize(
    ("behaviour", "match"),
    [("endless", "more than its 102400 bytes"), ("fine", "102401 bytes instead of 102400")],
)
def test_no_more_is_downloaded_than_the_entry_says(server, home, behaviour, match):
    server.files["/w/net.pth"] = CONTENT + b"x"
    server.behaviours += [behaviour]
    with pytest.raises(WeightsError, match=match):
        hub.fetch([entry(server, bytes=len(CONTENT))])
    assert sum(file.stat().st_size for file in home.rglob("*.part")) < 2**20


def test_a_full_disk_is_said(server, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(downloads, "_copy", full)
    with pytest.raises(WeightsError, match="cannot be written .No space left on device"):
        hub.fetch([entry(server)])
    assert len(gets(server)) == 1


def test_threads_download_once(server):
    server.pause = 0.1
    paths = []
    threads = [
        threading.Thread(target=lambda: paths.append(hub.fetch([entry(server)]))) for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(paths)) == 1
    assert len(paths) == 4
    assert len(gets(server)) == 1


def test_two_processes_download_once(server):
    server.pause = 0.7
    code = f"from ganzoo import hub; print(hub.fetch([{entry(server)!r}]))"
    runs = [
        subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE) for _ in range(2)
    ]
    paths = {pathlib.Path(run.communicate(timeout=60)[0].decode().strip()) for run in runs}
    assert [path.read_bytes() for path in paths] == [CONTENT]
    assert len(gets(server)) == 1


def test_a_process_that_dies_leaves_what_the_next_one_goes_on_with(server, home):
    half = 3 * downloads.BLOCK  # more than what waits in a buffer to be written
    content = (CONTENT * (2 * half // len(CONTENT) + 1))[: 2 * half]
    server.files["/w/net.pth"] = content
    server.pause = 600  # when half of it is sent
    wanted = entry(server, sha256=hashlib.sha256(content).hexdigest())
    code = f"from ganzoo import hub; hub.fetch([{wanted!r}])"
    run = subprocess.Popen([sys.executable, "-c", code])
    partial = home / "weights" / wanted["sha256"][:12] / "net.pth.part"
    while not partial.exists() or partial.stat().st_size < downloads.BLOCK:
        assert run.poll() is None
        time.sleep(0.01)
    run.kill()
    run.wait()
    left = partial.stat().st_size
    assert downloads.BLOCK <= left <= half
    assert partial.read_bytes() == content[:left]
    server.pause = 0.0
    assert hub.fetch([wanted]).read_bytes() == content
    assert gets(server)[-1][2] == f"bytes={left}-"
