"""Where weights come from: every source, and a server that does everything wrong."""

import hashlib
import logging
import os
import pathlib
import subprocess
import sys
import threading

import pytest
from serving import serving

import ganzoo
from ganzoo import cache, downloads, hub
from ganzoo.errors import GanzooError, MissingExtraError, WeightsError
from ganzoo.files import write_sums

CONTENT = bytes(range(256)) * 400
SHA256 = hashlib.sha256(CONTENT).hexdigest()
GIT_BLOB = hashlib.sha1(b"blob %d\0" % len(CONTENT) + CONTENT).hexdigest()


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    """A cache of its own, no proxies, and a patience of a fraction of a second."""
    folder = tmp_path / "home"
    for name in list(os.environ):
        if name.lower().endswith("_proxy") or name.startswith(("GANZOO_", "HF_")):
            monkeypatch.delenv(name)
    monkeypatch.setenv("GANZOO_HOME", str(folder))
    monkeypatch.setattr(downloads, "STALL_SECONDS", 0.3)
    monkeypatch.setattr(downloads, "PAUSES", (0.01,))
    return folder


@pytest.fixture
def server():
    with serving() as server:
        server.files["/w/net.pth"] = CONTENT
        yield server


def entry(server, **changes):
    return {"source": f"{server.url}/w/net.pth", "sha256": SHA256} | changes


def gets(server):
    return [request for request in server.requests if request[0] == "GET"]


# --- downloads --------------------------------------------------------------------------------


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


def test_a_server_that_is_busy_is_asked_again(server):
    server.behaviours += ["refuse 503", "refuse 429", "hang-up"]
    assert hub.fetch([entry(server)]).read_bytes() == CONTENT


@pytest.mark.parametrize(("code", "asked"), [(404, 1), (403, 1), (500, 5)])
def test_a_server_that_refuses(server, code, asked):
    server.behaviours += [f"refuse {code}"] * 9
    with pytest.raises(WeightsError, match=f"the server answers {code}"):
        hub.fetch([entry(server)])
    assert len(gets(server)) == asked


def test_a_stalled_connection_is_given_up(server):
    server.behaviours += ["stall 1"] * 9
    with pytest.raises(WeightsError, match="the connection failed .*timed out"):
        hub.fetch([entry(server)])


def test_a_dripping_connection_is_given_up(server):
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
    server.behaviours += ["stall 30"]
    code = f"from ganzoo import hub; hub.fetch([{entry(server)!r}])"
    run = subprocess.Popen([sys.executable, "-c", code])
    partial = home / "weights" / SHA256[:12] / "net.pth.part"
    while not gets(server):
        assert run.poll() is None
    run.kill()
    run.wait()
    partial.write_bytes(CONTENT[:10])
    assert hub.fetch([entry(server)]).read_bytes() == CONTENT
    assert gets(server)[-1][2] == "bytes=10-"


# --- what cannot be had -----------------------------------------------------------------------


@pytest.mark.parametrize("how", ["argument", "1", "true"])
def test_offline_says_what_to_bring_and_where_to(server, home, monkeypatch, how):
    if how != "argument":
        monkeypatch.setenv("GANZOO_OFFLINE", how)
    place = home / "weights" / SHA256[:12] / "net.pth"
    with pytest.raises(WeightsError) as caught:
        hub.fetch([entry(server)], offline=True if how == "argument" else None)
    source = f"{server.url}/w/net.pth"
    assert str(caught.value) == (
        f"The weights cannot be had. {source}: offline, and not in the cache. "
        f"Bring {source} and put it at {place} (sha256 {SHA256})."
    )
    assert not server.requests
    place.parent.mkdir(parents=True)
    place.write_bytes(CONTENT)
    assert hub.fetch([entry(server)], offline=True) == place
    place.write_bytes(CONTENT[:-1])
    with pytest.raises(WeightsError, match=f"offline, .* and {place} is damaged"):
        hub.fetch([entry(server)], offline=True)


def test_offline_can_be_switched_off(server, monkeypatch):
    monkeypatch.setenv("GANZOO_OFFLINE", "1")
    assert hub.fetch([entry(server)], offline=False).read_bytes() == CONTENT
    monkeypatch.setenv("GANZOO_OFFLINE", "0")
    assert not cache.is_offline()


def test_the_first_source_that_works_is_taken(server, tmp_path):
    (tmp_path / "wrong.h5").write_bytes(b"wrong")
    entries = [
        {"source": "package:none.h5", "sha256": SHA256},
        {"source": str(tmp_path / "wrong.h5"), "sha256": SHA256},
        {"source": str(tmp_path / "absent.h5"), "sha256": SHA256},
        entry(server),
        {"source": "http://127.0.0.1:9/never", "sha256": SHA256},
    ]
    path, used = hub.fetch_entry(entries)
    assert used is entries[3]
    assert path.read_bytes() == CONTENT
    with pytest.raises(WeightsError) as caught:
        hub.fetch(entries[:3])
    text = str(caught.value)
    assert "package:none.h5: there is no such file" in text
    found = hashlib.sha256(b"wrong").hexdigest()
    assert f"wrong.h5: its sha256 is {found}, not {SHA256}" in text
    assert text.endswith("Give the path of a weights file, or install ganzoo again.")


def test_a_server_that_is_not_there(home):
    with pytest.raises(WeightsError, match=r"connection failed \(.*refused.*Bring http://127"):
        hub.fetch([{"source": "http://127.0.0.1:9/a.pth", "sha256": SHA256}])


@pytest.mark.parametrize(
    ("bad", "match"),
    [
        ({"source": "http://127.0.0.1:9/a.pth"}, "have no hash"),
        ({"source": "a.h5", "sha256": "xyz"}, "sha256 'xyz', which is no such hash"),
        ({"source": "a.h5", "sha256": "12345"}, "no such hash"),
        ({"source": "a.h5", "git_blob": SHA256}, "no such hash"),
        ({"source": "package:../errors.py", "sha256": SHA256}, "is no file name"),
        ({"source": "hf://owner", "sha256": SHA256}, "names nothing on Hugging Face"),
        ({"source": "hf://o/n/../../x", "sha256": SHA256}, "names nothing on Hugging Face"),
        ({"sha256": SHA256}, "have no source"),
    ],
)
def test_entries_that_are_wrong(bad, match):
    with pytest.raises(WeightsError, match=match):
        hub.fetch([bad])


def test_no_entries():
    with pytest.raises(WeightsError, match="No source of weights is given"):
        hub.fetch([])


@pytest.mark.parametrize("name", ["..", "%2e%2e", "a%2Fb%5Cc%00", ".hidden", ""])
def test_a_url_never_leaves_the_cache(home, name):
    with serving() as server:
        server.files[f"/{name}"] = CONTENT
        path = hub.fetch([{"source": f"{server.url}/{name}", "sha256": SHA256}])
    assert path.parent == home / "weights" / SHA256[:12]
    assert path.read_bytes() == CONTENT
    assert len(cache.cache_list()) == 1


# --- other sources ----------------------------------------------------------------------------


def test_a_packaged_file(tmp_path, monkeypatch):
    (tmp_path / "net.h5").write_bytes(CONTENT)
    monkeypatch.setattr(hub.importlib.resources, "files", lambda package: tmp_path)
    assert hub.fetch([{"source": "package:net.h5", "sha256": SHA256}]) == tmp_path / "net.h5"
    (tmp_path / "net.h5").write_bytes(b"")
    with pytest.raises(WeightsError, match=r"package:net\.h5: its sha256 is"):
        hub.fetch([{"source": "package:net.h5", "sha256": SHA256}])


def test_a_file_and_a_folder(tmp_path):
    file = tmp_path / "model.weights.h5"
    file.write_bytes(CONTENT)
    assert hub.fetch([{"source": str(file), "sha256": SHA256}]) == file
    assert hub.fetch([{"source": f"file://{file}", "sha256": SHA256}]) == file
    assert hub.fetch([{"source": str(tmp_path), "sha256": SHA256}]) == file
    with pytest.raises(WeightsError, match="have no hash"):
        hub.fetch([{"source": str(tmp_path)}])
    write_sums(tmp_path, [file.name])
    assert hub.fetch([{"source": str(tmp_path)}]) == file
    file.write_bytes(b"changed")
    with pytest.raises(WeightsError, match=r"model\.weights\.h5 is absent or not as its SHA256"):
        hub.fetch([{"source": str(tmp_path)}])


# --- Hugging Face -----------------------------------------------------------------------------


@pytest.fixture
def model_folder(tmp_path):
    folder = tmp_path / "model"
    folder.mkdir()
    (folder / "model.weights.h5").write_bytes(CONTENT)
    (folder / "preset.yaml").write_text("family: dcgan\n")
    (folder / "README.md").write_text("# A model\n")
    (folder / "evil.py").write_text("raise SystemExit\n")
    write_sums(folder, ["model.weights.h5", "preset.yaml", "README.md", "evil.py"])
    return folder


@pytest.fixture
def face(server, model_folder, monkeypatch):
    """A server that answers as Hugging Face does for the model folder `someone/digits`."""
    pytest.importorskip("huggingface_hub")
    monkeypatch.setenv("HF_ENDPOINT", server.url)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_DISABLE_PROGRESS_BARS", True)
    names = [file.name for file in model_folder.iterdir()]
    commit = "c" * 40
    info = {"id": "someone/digits", "sha": commit}
    for revision in ("main", "v2", commit):
        server.files[f"/api/models/someone/digits/revision/{revision}"] = info
        for name in names:
            content = (model_folder / name).read_bytes()
            server.files[f"/someone/digits/resolve/{revision}/{name}"] = content
    return server


def test_a_file_from_hugging_face(face, home):
    for source in ("hf://someone/digits", "hf://someone/digits@v2/model.weights.h5"):
        path = hub.fetch([{"source": source, "sha256": SHA256}])
        assert path == home / "weights" / SHA256[:12] / "model.weights.h5"
        assert path.read_bytes() == CONTENT
        asked = {request[1] for request in gets(face)}
        path.unlink()
    assert "/someone/digits/resolve/v2/model.weights.h5" in asked
    with pytest.raises(WeightsError, match="sha256 of what came is"):
        hub.fetch([{"source": "hf://someone/digits", "sha256": "0" * 64}])
    with pytest.raises(WeightsError, match=r"hf://someone/digits/none\.h5: .*404"):
        hub.fetch([{"source": "hf://someone/digits/none.h5", "sha256": SHA256}])


def test_a_folder_from_hugging_face(face, home):
    folder = hub.fetch_folder("hf://someone/digits@v2")
    assert folder == home / "hub" / "someone--digits@v2"
    assert (folder / "model.weights.h5").read_bytes() == CONTENT
    assert not (folder / "evil.py").exists()
    assert not (folder / "model.weights.h5").is_symlink()
    count = len(face.requests)
    assert hub.fetch_folder("hf://someone/digits@v2", offline=True) == folder
    assert len(face.requests) == count


def test_a_folder_that_cannot_be_asked_for(face, home, caplog, monkeypatch):
    match = f"digits cannot be had: offline. .* bring its folder to {home}/hub/someone--digits"
    with pytest.raises(WeightsError, match=match):
        hub.fetch_folder("hf://someone/digits", offline=True)
    with pytest.raises(WeightsError, match="other cannot be had: .*404 Client Error"):
        hub.fetch_folder("hf://someone/other")
    folder = hub.fetch_folder("hf://someone/digits")
    face.files.clear()
    with caplog.at_level(logging.WARNING, "ganzoo"):
        assert hub.fetch_folder("hf://someone/digits") == folder
    assert "using the copy in" in caplog.text
    with pytest.raises(WeightsError, match="names a file"):
        hub.fetch_folder("hf://someone/digits/model.weights.h5")


def test_a_repository_without_a_model(face):
    del face.files["/someone/digits/resolve/" + "c" * 40 + "/SHA256SUMS"]
    with pytest.raises(WeightsError, match="digits cannot be had: .*SHA256SUMS"):
        hub.fetch_folder("hf://someone/digits")


def test_push(model_folder, monkeypatch):
    calls = []

    class Api:
        def __init__(self, endpoint=None):
            pass

        def create_repo(self, *args, **options):
            calls.append((args, options))

        def upload_folder(self, **options):
            calls.append(options)
            return type("Commit", (), {"commit_url": "https://hf.co/someone/digits/commit/1"})

    monkeypatch.setattr("huggingface_hub.HfApi", Api)
    (model_folder / "private.txt").write_text("not listed, not sent")
    url = hub.push(model_folder, "hf://someone/digits", private=True)
    assert url == "https://hf.co/someone/digits/commit/1"
    assert calls[0] == (("someone/digits",), {"private": True, "exist_ok": True})
    assert sorted(calls[1]["allow_patterns"]) == [
        *("README.md", "SHA256SUMS", "evil.py", "model.weights.h5", "preset.yaml")
    ]
    assert calls[1]["repo_id"] == "someone/digits"
    (model_folder / "preset.yaml").write_text("changed")
    with pytest.raises(WeightsError, match="is not a whole model folder"):
        hub.push(model_folder, "hf://someone/digits")


def test_push_that_is_refused(face, model_folder):
    with pytest.raises(GanzooError, match=r"could not be sent to hf://someone/digits: .*hf auth"):
        hub.push(model_folder, "hf://someone/digits")


def test_hugging_face_without_its_library(monkeypatch, model_folder):
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    with pytest.raises(MissingExtraError, match=r"pip install \"ganzoo\[hub\]\""):
        hub.fetch([{"source": "hf://someone/digits", "sha256": SHA256}])
    with pytest.raises(MissingExtraError, match="ganzoo"):
        hub.fetch_folder("hf://someone/digits")


# --- the cache --------------------------------------------------------------------------------


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
    assert ganzoo.__file__
