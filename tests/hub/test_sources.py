"""Every source of weights, and what is said when none gives them."""

import hashlib

import pytest

from ganzoo import cache, hub
from ganzoo.errors import MissingExtraError, WeightsError
from ganzoo.files import write_sums
from tests.hub.serving import CONTENT, SHA256, entry, serving


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


@pytest.mark.parametrize(
    "error",
    [
        MissingExtraError("'huggingface_hub' is not installed. Install it."),
        cache.CacheError("The lock cannot be written. Set GANZOO_HOME."),
    ],
)
def test_the_next_source_serves_where_one_lacks_something(tmp_path, monkeypatch, error):
    def refuse(*_):
        raise error

    monkeypatch.setattr(hub.hugging_face, "download_file", refuse)
    (tmp_path / "net.h5").write_bytes(CONTENT)
    face = {"source": "hf://someone/digits", "sha256": SHA256}
    entries = [face, {"source": str(tmp_path / "net.h5"), "sha256": SHA256}]
    assert hub.fetch(entries) == tmp_path / "net.h5"
    with pytest.raises(type(error)) as caught:
        hub.fetch([face])
    assert caught.value is error
    (tmp_path / "net.h5").unlink()
    sentence = str(error).rstrip(".")
    with pytest.raises(WeightsError, match=rf"digits: {sentence}; .*net.h5: there is no such file"):
        hub.fetch(entries)


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
    assert len(hub.cache_list()) == 1


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
    spaced = tmp_path / "a é%.h5"
    spaced.write_bytes(CONTENT)
    assert hub.fetch([{"source": spaced.as_uri(), "sha256": SHA256}]) == spaced
    assert hub.fetch([{"source": str(tmp_path), "sha256": SHA256}]) == file
    with pytest.raises(WeightsError, match="have no hash"):
        hub.fetch([{"source": str(tmp_path)}])
    write_sums(tmp_path, [file.name])
    assert hub.fetch([{"source": str(tmp_path)}]) == file
    file.write_bytes(b"changed")
    with pytest.raises(WeightsError, match=r"model\.weights\.h5 is absent or not as its SHA256"):
        hub.fetch([{"source": str(tmp_path)}])
    write_sums(tmp_path, [])  # what is not listed is not checked
    with pytest.raises(WeightsError, match=r"model\.weights\.h5 is absent or not as its SHA256"):
        hub.fetch([{"source": str(tmp_path)}])
