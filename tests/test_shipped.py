"""The trained models that come with the package: each loads, and makes what it made."""

import importlib
import json
import pathlib
import sys

import numpy as np
import pytest
from PIL import Image

import ganzoo
from ganzoo import cards, catalogue, presets
from ganzoo.errors import WeightsError

ROOT = pathlib.Path(__file__).parents[1]
WEIGHTS = ROOT / "ganzoo" / "weights"
MOST_BYTES, MOST_OF_ONE = 60_000_000, 25_000_000
# Half precision and another machine's kernels move a block's mean by far less; other weights
# move most of them by tens.
GREY_LEVELS, UNITS = 1.0, 0.02


def shipped():
    """The presets that have weights in the package, with their entry."""
    found = {}
    for name in presets.find_presets(pretrained=True):
        for entry in presets.read_preset(name).weights:
            if entry["source"].startswith("package:"):
                found[name] = entry
    return found


@pytest.fixture(scope="module")
def tool():
    sys.path.insert(0, str(ROOT / "tools"))
    yield importlib.import_module("publish")
    sys.path.remove(str(ROOT / "tools"))


@pytest.mark.parametrize("name", shipped())
def test_a_shipped_model_makes_what_it_made(name, tool, monkeypatch, tmp_path):
    monkeypatch.setenv("GANZOO_HOME", str(tmp_path))  # an empty cache
    monkeypatch.setenv("GANZOO_OFFLINE", "1")
    model = ganzoo.load(name)
    expected = np.array(json.loads((ROOT / "tests" / "fingerprints.json").read_text())[name])
    found = np.array(tool.fingerprint(model))
    assert found.shape == expected.shape
    bound = UNITS if expected.ndim == 2 else GREY_LEVELS
    assert np.abs(found - expected).max() < bound
    assert not any(tmp_path.iterdir())


@pytest.mark.parametrize("name", shipped())
def test_a_fingerprint_knows_other_weights(name, tool):
    expected = np.array(json.loads((ROOT / "tests" / "fingerprints.json").read_text())[name])
    found = np.array(tool.fingerprint(ganzoo.load(name, weights=False)))
    bound = UNITS if expected.ndim == 2 else GREY_LEVELS
    assert np.mean(np.abs(found - expected) > 3 * bound) > 0.5


@pytest.mark.parametrize("name", shipped())
def test_an_entry_tells_what_a_card_needs(name):
    entry = shipped()[name]
    assert entry["bytes"] == (WEIGHTS / entry["source"].removeprefix("package:")).stat().st_size
    assert entry["bytes"] < MOST_OF_ONE
    assert entry["scores"]
    with Image.open(catalogue.shipped_picture(entry)) as picture:
        assert picture.width > 100
    assert f"- samples, not chosen: {WEIGHTS}" in cards.preset_card(presets.read_preset(name))
    assert entry["licence"]
    for word in ("images", "core", "seed", "wrong"):  # seen, hardware, decided by, flaws
        assert word in entry["notes"], word


def test_all_that_ships_is_small_and_is_used():
    files = {path.name: path for path in WEIGHTS.iterdir() if path.suffix == ".h5"}
    assert sum(path.stat().st_size for path in files.values()) < MOST_BYTES
    assert set(files) == {entry["source"].removeprefix("package:") for entry in shipped().values()}
    assert set(json.loads((ROOT / "tests" / "fingerprints.json").read_text())) == set(shipped())


def test_pictures_that_may_not_be_passed_on_are_not_in_the_picture(tool):
    model = ganzoo.load("cyclegan_textures")
    grass, bricks = np.full((2, 64, 64, 1), 0.5), np.full((2, 64, 64, 1), -0.5)
    picture = tool.draw_translations(model, (grass, bricks))
    assert picture.shape == (130, 130, 1)
    made = np.asarray(model.translate(bricks, direction="ba"))[1]
    grey = np.rint((np.clip(made, -1, 1) + 1) * 127.5)
    np.testing.assert_allclose(picture[-64:, -64:], grey, atol=1)


def test_a_changed_byte_is_noticed(tmp_path, monkeypatch):
    name, entry = next(iter(shipped().items()))
    file = entry["source"].removeprefix("package:")
    damaged = bytearray((WEIGHTS / file).read_bytes())
    damaged[len(damaged) // 2] ^= 1
    (tmp_path / file).write_bytes(damaged)
    monkeypatch.setattr("ganzoo.hub.importlib.resources.files", lambda package: tmp_path)
    with pytest.raises(WeightsError, match=f"package:{file}: its sha256 is "):
        ganzoo.load(name)
