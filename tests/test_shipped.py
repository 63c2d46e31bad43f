"""The trained models that come with the package: each loads, and makes what it made."""

import importlib
import json
import pathlib
import sys

import keras
import numpy as np
import pytest
import yaml
from PIL import Image

import ganzoo
from ganzoo import cards, catalogue, presets
from ganzoo.errors import GanzooError, WeightsError
from ganzoo.files import sha256_of

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


@pytest.fixture
def published(tool, tmp_path, monkeypatch, capsys):
    """Publishes into folders of the test's own; gives the printed entry."""
    weights, fingerprints = tmp_path / "weights", tmp_path / "fingerprints.json"
    weights.mkdir()
    fingerprints.write_text('{"another": [1.0]}')
    monkeypatch.setattr(tool, "WEIGHTS", weights)
    monkeypatch.setattr(tool, "FINGERPRINTS", fingerprints)

    def publish(*arguments):
        tool.main([str(argument) for argument in arguments])
        (entry,) = yaml.safe_load(capsys.readouterr().out)["weights"]
        return entry

    return publish


def test_publishing_stores_weights_a_picture_and_a_fingerprint(published, tool, tmp_path):
    keras.utils.set_random_seed(0)
    model = ganzoo.load("gan_ring", weights=False)
    ganzoo.save(model, tmp_path / "model", notes="Drawn.")
    entry = published("gan_ring", tmp_path / "model")
    stem = f"gan_ring-{entry['sha256'][:8]}"
    files = [tool.WEIGHTS / f"{stem}{suffix}" for suffix in (".h5", ".png")]
    assert sorted(tool.WEIGHTS.iterdir()) == sorted(files)
    assert entry["source"] == f"package:{stem}.h5"
    assert entry["sha256"] == sha256_of(files[0])
    assert entry["bytes"] == files[0].stat().st_size
    assert entry["networks"] == ["discriminator", "ema_generator", "generator"]
    assert "Stored in 16 bits, which changes the output by at most" in entry["notes"]
    known = json.loads(tool.FINGERPRINTS.read_text())
    assert known["another"] == [1.0]
    stored = ganzoo.load("gan_ring", weights=files[0])
    assert known["gan_ring"] == tool.fingerprint(stored)

    assert published("gan_ring", tmp_path / "model") == entry, "the same once more is no change"
    files[1].write_bytes(b"a picture that people know")
    with pytest.raises(GanzooError, match=rf"{stem}\.png is there and differs, .* Remove it first"):
        published("gan_ring", tmp_path / "model")
    assert files[1].read_bytes() == b"a picture that people know"


def test_another_presets_model_is_not_published(published, tool, tmp_path):
    changed = {"model.generator_units": [8, 8]}
    ganzoo.save(ganzoo.load("gan_ring", weights=False, **changed), tmp_path / "model")
    with pytest.raises(GanzooError, match="was trained with other networks than those of 'gan_r"):
        published("gan_ring", tmp_path / "model")
    assert list(tool.WEIGHTS.iterdir()) == []


def test_a_translator_is_published_with_its_translations_alone(
    published, tool, tmp_path, monkeypatch
):
    size = {"base_filters": 2, "residual_blocks": 1, "discriminator_filters": 2}
    changes = {f"model.{key}": value for key, value in size.items()}
    model = ganzoo.load("cyclegan_textures", weights=False, **changes)
    ganzoo.save(model, tmp_path / "model")
    monkeypatch.setattr(tool.presets, "read_preset", lambda name: model.preset)
    pixels = np.random.default_rng(0).integers(0, 256, (2, 3, 64, 64, 1), "uint8")
    sources = [tmp_path / "a.npy", tmp_path / "b.npy"]
    for source, images in zip(sources, pixels, strict=True):
        np.save(source, images)
    data = ("--data", *sources)
    entry = published("cyclegan_textures", tmp_path / "model", *data, "--translations")
    file = tool.WEIGHTS / f"cyclegan_textures-{entry['sha256'][:8]}.png"
    with Image.open(file) as picture:
        drawn = np.asarray(picture)
    examples = tuple((images / 127.5 - 1).astype("float32") for images in pixels)
    np.testing.assert_array_equal(drawn, tool.draw_translations(model, examples)[..., 0])
    assert entry["networks"] == sorted(model.networks)
    assert np.shape(json.loads(tool.FINGERPRINTS.read_text())["cyclegan_textures"]) == (8, 4, 4)


def test_translations_need_pictures(tool, capsys):
    with pytest.raises(SystemExit, match="2"):
        tool.main(["cyclegan_textures", "model", "--translations"])
    assert "name them with --data" in capsys.readouterr().err


def test_a_changed_byte_is_noticed(tmp_path, monkeypatch):
    name, entry = next(iter(shipped().items()))
    file = entry["source"].removeprefix("package:")
    damaged = bytearray((WEIGHTS / file).read_bytes())
    damaged[len(damaged) // 2] ^= 1
    (tmp_path / file).write_bytes(damaged)
    monkeypatch.setattr("ganzoo.hub.importlib.resources.files", lambda package: tmp_path)
    with pytest.raises(WeightsError, match=f"package:{file}: its sha256 is "):
        ganzoo.load(name)
