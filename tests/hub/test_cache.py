"""What the cache holds, and how it is kept."""

import errno
import json
import pathlib
import subprocess
import sys

import numpy as np
import pytest

from ganzoo import cache, cache_contents, hub
from ganzoo.errors import WeightsError
from ganzoo.files import write_sums
from tests.hub.serving import CONTENT, SHA256, entry


def test_the_cache_is_listed_verified_and_cleared(face, home):
    assert hub.cache_list() == []
    path = hub.fetch([entry(face)])
    folder = hub.fetch_folder("hf://someone/digits")
    face.files["/w/other.pth"] = b"other"
    face.behaviours += ["truncate 3", "refuse 404"]
    with pytest.raises(WeightsError, match="404"):
        hub.fetch([{"source": f"{face.url}/w/other.pth", "sha256": "0" * 64}])
    items = {item.path: item for item in hub.cache_list()}
    assert [item.state for item in items.values()] == ["folder", "partial", "file"]
    assert items[path].bytes == len(CONTENT)
    assert items[path].source == f"{face.url}/w/net.pth"
    assert items[path].pin == cache.Pin("sha256", SHA256)
    assert items[folder].source == "hf://someone/digits"
    write_sums(folder, ["model.weights.h5", "preset.yaml", "README.md"])  # without evil.py
    faults = {item.state: fault for item, fault in hub.cache_verify()}
    assert faults["file"] == faults["folder"] == ""
    assert "cut off" in faults["partial"]

    path.write_bytes(b"changed")
    (folder / "README.md").unlink()
    faults = {item.state: fault for item, fault in hub.cache_verify()}
    assert faults["file"].startswith("changed: its sha256 is ")
    assert faults["folder"] == "absent or changed: README.md"

    assert [item.path for item in hub.cache_clear("net.*")] == [path]
    assert [file.name for file in path.parent.iterdir()] == ["net.pth.lock"]
    assert [item.path for item in hub.cache_clear("hf://someone/*")] == [folder]
    assert [item.state for item in hub.cache_clear()] == ["partial"]
    assert hub.cache_list() == []
    left = [file for file in home.rglob("*") if file.is_file()]
    assert {file.suffix for file in left} == {".lock"}
    assert sum(file.stat().st_size for file in left) == 0


def test_what_hugging_faces_library_left_is_listed_and_cleared(face, home, monkeypatch):
    def cut(self, repository, name, revision=None, local_dir=None):
        (local_dir / ".cache").mkdir(parents=True)
        (local_dir / ".cache" / f"{name}.incomplete").write_bytes(b"12345")
        raise OSError("the connection ended")

    monkeypatch.setattr("huggingface_hub.HfApi.hf_hub_download", cut)
    source = "hf://someone/digits"
    with pytest.raises(WeightsError, match="the connection ended"):
        hub.fetch([{"source": source, "sha256": SHA256}])
    (item,) = hub.cache_list()
    assert (item.state, item.source, item.bytes) == ("partial", source, 5)
    assert item.path == home / "weights" / SHA256[:12] / ".model.weights.h5.part.hf"
    assert "cut off" in dict(hub.cache_verify())[item]
    assert hub.cache_clear("hf://someone/*") == [item]
    assert [file.name for file in item.path.parent.iterdir()] == ["model.weights.h5.lock"]


def test_statistics_of_real_images_are_listed_verified_and_cleared(home):
    folder = home / "statistics"
    folder.mkdir(parents=True)
    np.savez(folder / "a-b.npz", mean=np.zeros(9))
    (folder / "a-c.npz.123.part").write_bytes(b"left behind")
    items = hub.cache_list()
    assert [(item.path.name, item.state) for item in items] == [
        ("a-b.npz", "statistics"),
        ("a-c.npz.123.part", "partial"),
    ]
    assert [fault for _, fault in hub.cache_verify()] == [
        *("", "left by a run that was cut off; it serves nothing and can be cleared")
    ]
    content = bytearray(items[0].path.read_bytes())
    content[len(content) // 2] ^= 255
    items[0].path.write_bytes(content)
    assert "made anew when next needed" in dict(hub.cache_verify())[items[0]]
    assert hub.cache_clear() == items
    assert hub.cache_list() == []


def test_what_is_being_fetched_is_not_cleared(face, home):
    folder = hub.fetch_folder("hf://someone/digits")
    place = home / "weights" / SHA256[:12] / "net.pth"
    part, folder_part = cache.beside(place, ".part"), cache.folder_part(folder)
    for file in (part, folder_part / "x"):
        file.parent.mkdir(parents=True)
        file.write_bytes(b"123")
    with cache.locked(place), cache.locked(folder):
        assert hub.cache_clear() == []
        assert part.read_bytes() == (folder_part / "x").read_bytes() == b"123"
    assert {item.path for item in hub.cache_clear()} == {part, folder, folder_part}
    assert hub.cache_list() == []
    assert cache.beside(place, ".lock").is_file()


def test_what_vanishes_meanwhile_is_listed_and_cleared(server, home, monkeypatch):
    place = hub.fetch([entry(server)])
    statistics = home / "statistics" / "a.npz"
    statistics.parent.mkdir()
    statistics.write_bytes(b"1")
    items = hub.cache_list()
    for item in items:
        item.path.unlink()
    monkeypatch.setattr(cache_contents, "cache_list", lambda: items)
    assert hub.cache_clear() == items
    monkeypatch.setattr(pathlib.Path, "is_file", lambda path: True)
    assert cache_contents._size(place) == 0


def test_the_cache_on_the_command_line(run, server, home):
    server.behaviours += ["truncate 3", "refuse 404"]
    with pytest.raises(WeightsError, match="404"):
        hub.fetch([entry(server)])
    (partial,) = hub.cache_list()
    _, out, _ = run("cache", "list")
    assert json.loads(out) == {
        "path": str(partial.path),
        "state": "partial",
        "source": f"{server.url}/w/net.pth",
        "bytes": 3,
    }
    status, out, _ = run("cache", "verify")
    assert status == 0
    assert out.splitlines() == [
        f"{partial.path}: a download that was cut off; it goes on when the weights are next loaded",
        "Every file that is complete is as it should be.",
    ]
    place = hub.fetch([entry(server)])
    place.write_bytes(b"changed")
    status, out, errors = run("cache", "verify")
    assert (status, out.startswith(f"{place}: changed: its sha256 is ")) == (2, True)
    assert errors == "error: 1 file(s) of the cache are damaged. Clear and fetch them.\n"
    status, out, _ = run("cache", "clear")
    assert out == "Removed 1 file(s), 7 bytes.\n"


def test_a_file_that_was_put_into_the_cache(server, home):
    place = home / "weights" / SHA256[:12] / "net.pth"
    place.parent.mkdir(parents=True)
    place.write_bytes(CONTENT)
    assert [fault for _, fault in hub.cache_verify()] == [
        "not known: nothing says which hash it should have"
    ]
    assert hub.fetch([entry(server)], offline=True) == place
    assert [fault for _, fault in hub.cache_verify()] == [""]


def test_a_home_that_cannot_be_made(server, tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("GANZOO_HOME", str(tmp_path / "file" / "home"))
    with pytest.raises(WeightsError, match="cannot be made: Not a directory. Set GANZOO_HOME"):
        hub.fetch([entry(server)])
    assert not server.requests


def test_a_home_that_may_only_be_read(server, monkeypatch):
    def refuse(lock):
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr("filelock.FileLock.acquire", refuse)
    match = r"net\.pth\.lock cannot be written: Permission denied\. Set GANZOO_HOME to a folder"
    with pytest.raises(WeightsError, match=match):
        hub.fetch([entry(server)])
    assert not server.requests


def test_home(monkeypatch):
    monkeypatch.setenv("GANZOO_HOME", "~/somewhere")
    assert cache.home() == pathlib.Path("~/somewhere").expanduser()
    monkeypatch.delenv("GANZOO_HOME")
    assert cache.home().name == "ganzoo"
    assert cache.home().is_absolute()


def test_a_lock_that_is_never_given_back(server, home, monkeypatch):
    monkeypatch.setattr(cache, "LOCK_SECONDS", 0.1)
    with (
        cache.locked(home / "weights" / SHA256[:12] / "net.pth"),
        pytest.raises(WeightsError, match="Another process has been fetching"),
    ):
        hub.fetch([entry(server)])


def test_nothing_heavy_is_imported():
    code = "import sys, ganzoo.hub; print([m for m in ('tensorflow', 'keras', 'numpy', 'rich', "
    code += "'huggingface_hub') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True)
    assert done.stdout.decode().strip() == "[]"
