"""Files and folders from Hugging Face, and publishing on it."""

import logging
import sys

import pytest

from ganzoo import hub
from ganzoo.errors import GanzooError, MissingExtraError, WeightsError
from ganzoo.files import check_sums, write_sums
from tests.hub.serving import CONTENT, SHA256, gets


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
    assert check_sums(folder, ["model.weights.h5"]) == [], "what is not fetched is not missed"
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


def test_a_cache_that_may_only_be_read_serves_what_it_holds(face, home, caplog):
    folder = home / "hub" / "someone--digits"
    folder.with_name("someone--digits.lock").mkdir(parents=True)  # so that no lock can be written
    match = r"hub/someone--digits\.lock cannot be written: Is a directory\. Set GANZOO_HOME to a fo"
    with pytest.raises(WeightsError, match=match):
        hub.fetch_folder("hf://someone/digits")
    folder.with_name("someone--digits.lock").rmdir()
    assert hub.fetch_folder("hf://someone/digits") == folder
    face.requests.clear()
    folder.with_name("someone--digits.lock").unlink()
    folder.with_name("someone--digits.lock").mkdir()
    with caplog.at_level(logging.WARNING, "ganzoo"):
        assert hub.fetch_folder("hf://someone/digits") == folder
    (line,) = caplog.messages
    assert line.startswith(f"hf://someone/digits cannot be asked (The cache's {folder}.lock cannot")
    assert line.endswith(f"that you may write to): using the copy in {folder}")
    assert face.requests == []


def publish(face, folder, commit):
    """Puts the folder's model files on the server, as another commit."""
    write_sums(folder, ["model.weights.h5", "preset.yaml", "README.md"])
    face.files["/api/models/someone/digits/revision/main"] = {
        "id": "someone/digits",
        "sha": commit,
    }
    for name in ("model.weights.h5", "preset.yaml", "README.md", "SHA256SUMS"):
        face.files[f"/someone/digits/resolve/{commit}/{name}"] = (folder / name).read_bytes()


def test_a_new_version_comes_whole_or_not_at_all(face, home, model_folder, caplog):
    publish(face, model_folder, "d" * 40)
    folder = hub.fetch_folder("hf://someone/digits")
    assert check_sums(folder) == []
    (model_folder / "model.weights.h5").write_bytes(b"new weights")
    (model_folder / "README.md").write_text("# A new card\n")
    publish(face, model_folder, "e" * 40)
    missing = f"/someone/digits/resolve/{'e' * 40}/model.weights.h5"
    weights = face.files.pop(missing)
    assert hub.fetch_folder("hf://someone/digits") == folder
    assert "cannot be asked" in caplog.text
    assert check_sums(folder) == [], "the old copy is still whole"
    assert (folder / "model.weights.h5").read_bytes() == CONTENT
    (partial,) = [item for item in hub.cache_list() if item.state == "partial"]
    assert (partial.path.name, partial.source) == (
        ".someone--digits.part",
        "hf://someone/digits",
    )
    assert "cut off" in dict(hub.cache_verify())[partial]
    face.files[missing] = weights
    face.requests.clear()
    assert hub.fetch_folder("hf://someone/digits") == folder
    assert (folder / "model.weights.h5").read_bytes() == b"new weights"
    assert (folder / "README.md").read_text() == "# A new card\n"
    asked = [request[1].rpartition("/")[2] for request in gets(face)]
    assert asked == ["main", "model.weights.h5"], "what had come, or was there, is kept"
    assert sorted(path.name for path in folder.parent.iterdir()) == [
        "someone--digits",
        "someone--digits.lock",
    ]


def test_a_damaged_copy_is_fetched_again_and_a_whole_one_is_not(face, home, model_folder):
    publish(face, model_folder, "d" * 40)
    folder = hub.fetch_folder("hf://someone/digits")
    face.requests.clear()
    hub.fetch_folder("hf://someone/digits")
    assert not any("weights" in request[1] for request in face.requests)
    (folder / "model.weights.h5").write_bytes(CONTENT[:-1])
    hub.fetch_folder("hf://someone/digits")
    assert check_sums(folder) == []


def test_what_came_of_a_folder_is_cleared_too(face, model_folder):
    publish(face, model_folder, "d" * 40)
    del face.files[f"/someone/digits/resolve/{'d' * 40}/preset.yaml"]
    with pytest.raises(WeightsError, match="digits cannot be had: .*404"):
        hub.fetch_folder("hf://someone/digits")
    assert [item.state for item in hub.cache_clear()] == ["partial"]
    assert hub.cache_list() == []


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
    write_sums(model_folder, ["preset.yaml"])  # and not the weights
    with pytest.raises(WeightsError, match="is not a whole model folder"):
        hub.push(model_folder, "hf://someone/digits")
    write_sums(model_folder, ["preset.yaml", "model.weights.h5"])
    (model_folder / "preset.yaml").write_text("changed")
    with pytest.raises(WeightsError, match="is not a whole model folder"):
        hub.push(model_folder, "hf://someone/digits")


def test_a_file_of_a_repository_cannot_be_published(model_folder):
    with pytest.raises(GanzooError, match=r"sub/file\.h5 names a file, and a .* hf://owner/name$"):
        hub.push(model_folder, "hf://someone/digits/sub/file.h5")


def test_nothing_is_published_offline(face, model_folder, monkeypatch):
    monkeypatch.setenv("GANZOO_OFFLINE", "1")
    with pytest.raises(GanzooError, match=r"GANZOO_OFFLINE is set\. Set GANZOO_OFFLINE=0 first"):
        hub.push(model_folder, "hf://someone/digits")
    assert face.requests == []


def test_sums_that_are_no_text_are_told(face, model_folder):
    face.files["/someone/digits/resolve/" + "c" * 40 + "/SHA256SUMS"] = b"\xff\xfe"
    with pytest.raises(WeightsError, match=r"SHA256SUMS is no text in UTF-8: byte 0 is no part"):
        hub.fetch_folder("hf://someone/digits")
    (model_folder / "SHA256SUMS").write_bytes(b"\xff\xfe")
    with pytest.raises(WeightsError, match=r"SHA256SUMS is no text in UTF-8: byte 0 is no part"):
        hub.push(model_folder, "hf://someone/digits")


def test_push_that_is_refused(face, model_folder):
    with pytest.raises(GanzooError, match=r"could not be sent to hf://someone/digits: .*hf auth"):
        hub.push(model_folder, "hf://someone/digits")


def test_push_without_a_network_says_to_look_to_it(model_folder, monkeypatch):
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    with pytest.raises(GanzooError, match=r"could not be sent to .*See that there is a net"):
        hub.push(model_folder, "hf://someone/digits")


def test_hugging_face_without_its_library(monkeypatch, model_folder):
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    with pytest.raises(MissingExtraError, match=r"pip install \"ganzoo\[hub\]\""):
        hub.fetch([{"source": "hf://someone/digits", "sha256": SHA256}])
    with pytest.raises(MissingExtraError, match="ganzoo"):
        hub.fetch_folder("hf://someone/digits")
