"""A cache of its own for every test, a server to fetch from, and a model folder on it."""

import os

import pytest

from ganzoo import downloads
from ganzoo.files import write_sums
from tests.hub.serving import CONTENT, serving


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    """A cache of its own, no proxies, and pauses of a fraction of a second."""
    folder = tmp_path / "home"
    for name in list(os.environ):
        if name.lower().endswith("_proxy") or name.startswith(("GANZOO_", "HF_")):
            monkeypatch.delenv(name)
    monkeypatch.setenv("GANZOO_HOME", str(folder))
    monkeypatch.setattr(downloads, "STALL_SECONDS", 10.0)
    monkeypatch.setattr(downloads, "PAUSES", (0.01,))
    return folder


@pytest.fixture
def server():
    with serving() as server:
        server.files["/w/net.pth"] = CONTENT
        yield server


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
