"""What the cache holds, and how it is kept."""

import pathlib
import subprocess
import sys

import pytest

from ganzoo import cache, hub
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
    assert not path.parent.exists()
    assert [item.path for item in hub.cache_clear("hf://someone/*")] == [folder]
    assert [item.state for item in hub.cache_clear()] == ["partial"]
    assert hub.cache_list() == []
    assert [file for file in home.rglob("*") if file.is_file()] == []


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
