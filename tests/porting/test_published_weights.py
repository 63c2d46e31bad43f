"""Presets whose published weights are PyTorch checkpoints build the networks of these."""

import logging

import numpy as np
import pytest

import ganzoo
from ganzoo import presets, zoo
from ganzoo.errors import WeightsError
from ganzoo.files import sha256_of
from ganzoo.porting import progan

# Of pytorch_GAN_zoo's standard configuration: widths from 4×4 up, and the latent vector.
DEPTHS = (512, 512, 512, 512, 256, 128, 64, 32, 16)
LATENTS = 512
SCALES = {
    "progan_celeba128": 5,
    "progan_celebahq256": 6,
    "progan_celebahq512": 7,
    "progan_dtd128": 5,
}
# The Describable Textures Dataset was learnt with its classes, which come after the noise.
CLASSES = {"progan_dtd128": 47}
# The networks of the fixture, in place of the large ones.
SMALL = {"image_size": 32, "base_filters": 8, "max_filters": 16, "latent_dim": 8}


def layer(shape):
    return {"weight": shape, "bias": shape[:1]}


def released_shapes(scale, classes=0):
    """Names and shapes of the two networks, grown to 4·2^scale."""
    widths = DEPTHS[: scale + 1]
    generator = {"formatLayer": layer((16 * widths[0], LATENTS + classes))}
    generator["groupScale0.0"] = layer((widths[0], widths[0], 3, 3))
    judge = {
        "decisionLayer": layer((1 + classes, widths[0])),
        "groupScaleZero.0": layer((widths[0], widths[0] + 1, 3, 3)),
        "groupScaleZero.1": layer((widths[0], 16 * widths[0])),
    }
    for level, (before, width) in enumerate(zip(widths, widths[1:], strict=False)):
        generator[f"scaleLayers.{level}.0"] = layer((width, before, 3, 3))
        generator[f"scaleLayers.{level}.1"] = layer((width, width, 3, 3))
        judge[f"scaleLayers.{level}.0"] = layer((width, width, 3, 3))
        judge[f"scaleLayers.{level}.1"] = layer((before, width, 3, 3))
    for level, width in enumerate(widths):
        generator[f"toRGBLayers.{level}"] = layer((3, width, 1, 1))
        judge[f"fromRGBLayers.{level}"] = layer((width, 3, 1, 1))
    return [
        {f"{name}.{part}": shape for name, parts in net.items() for part, shape in parts.items()}
        for net in (generator, judge)
    ]


@pytest.mark.parametrize("name", SCALES)
def test_the_entry_builds_the_networks_of_the_release(name):
    preset = presets.read_preset(name)
    (entry,) = preset.weights
    fitted, changes = presets.for_weights(preset, entry, {})
    assert changes.keys() <= entry["model"].keys()
    counts = {}
    released = released_shapes(SCALES[name], CLASSES.get(name, 0))
    for layout, shapes in zip(progan.LAYOUTS, released, strict=True):
        # As large as the real ones for those who ask, and of four bytes.
        state = {key: np.broadcast_to(np.float32(0), shape) for key, shape in shapes.items()}
        assert layout.matches(state)
        settings = layout.read_settings(state, {})
        built = {"channels": 3, "group_size": 4} | fitted.model
        assert {key: built.get(key) for key in settings} == settings
        assert {item.source: item.shape for item in layout.entries(settings)} == shapes
        counts[layout.kind] = sum(int(np.prod(shape)) for shape in shapes.values())
    assert counts == entry["parameters"]


@pytest.fixture
def released(fixtures, monkeypatch):
    """The preset of 256, its weights the small file of the same layout."""
    file = fixtures / "progan32.pth"
    preset = presets.read_preset("progan_celebahq256")
    entry = preset.weights[0] | {"source": str(file), "sha256": sha256_of(file)[:8]}
    changes = {f"model.{key}": value for key, value in SMALL.items()}
    changes |= {"weights": [entry], "phases": None}
    preset = presets.override(preset, changes)
    monkeypatch.setattr(presets, "read_preset", lambda name: preset)
    return preset


def test_loading_builds_what_the_weights_need_and_says_so(released, fixtures, caplog, tmp_path):
    with caplog.at_level(logging.WARNING, "ganzoo"):
        model = ganzoo.load("progan_celebahq256", offline=True)
    assert [record.getMessage() for record in caplog.records] == [
        "progan_celebahq256 is built as its weights need it, with model.pool_activations True, "
        "model.group_statistic 'pytorch_gan_zoo', model.unit_biases True"
    ]
    assert model.trained == {"generator", "ema_generator", "discriminator"}
    assert model.resolution == 32
    with np.load(fixtures / "progan32.npz") as reference:
        found = model(reference["avgG_inputs"])  # the average is what images come from
        expected = reference["avgG_outputs"].transpose(0, 2, 3, 1)
        np.testing.assert_allclose(found, expected, rtol=0, atol=1e-4)
        scores = model.discriminator(reference["netD_inputs"].transpose(0, 2, 3, 1))
        np.testing.assert_allclose(scores, reference["netD_outputs"], rtol=0, atol=1e-4)
    ganzoo.save(model, tmp_path / "m")
    card = (tmp_path / "m" / "README.md").read_text()
    assert "Licence: BSD-3-Clause." in card
    assert "Trained by pytorch_GAN_zoo on CelebA-HQ, with its own schedule" in card
    assert ganzoo.load(tmp_path / "m").preset.model["unit_biases"] is True


def test_a_published_model_of_classes_makes_images_of_each(fixtures, monkeypatch, tmp_path):
    file = fixtures / "progan16_classes.pth"
    preset = presets.read_preset("progan_dtd128")
    (entry,) = preset.weights
    small = SMALL | {"image_size": 16, "latent_dim": 11, "classes": 3}
    entry = entry | {"source": str(file), "sha256": sha256_of(file)[:8]}
    entry["model"] = entry["model"] | small
    released = presets.override(preset, {"weights": [entry], "phases": None})
    monkeypatch.setattr(presets, "read_preset", lambda name: released)
    model = ganzoo.load("progan_dtd128", offline=True)
    with np.load(fixtures / "progan16_classes.npz") as reference:
        expected = reference["netG_outputs"].transpose(0, 2, 3, 1)
        np.testing.assert_allclose(model(reference["netG_inputs"]), expected, rtol=0, atol=1e-4)
    images = model.generate(3, seed=0, labels=[0, 1, 2])
    ganzoo.save(model, tmp_path / "m")
    again = ganzoo.load(tmp_path / "m")
    np.testing.assert_array_equal(again.generate(3, seed=0, labels=[0, 1, 2]), images)


def test_random_weights_are_of_the_presets_own_networks(released, caplog):
    model = ganzoo.load("progan_celebahq256", weights=False)
    assert "unit_biases" not in model.preset.model
    assert not caplog.records


def test_a_model_of_the_presets_own_networks_does_not_take_them(released):
    model = ganzoo.load("progan_celebahq256", weights=False)
    expected = (
        r"are for other networks than its own\. Build them with these settings: "
        r"model.pool_activations=True model.group_statistic=pytorch_gan_zoo model.unit_biases=True$"
    )
    with pytest.raises(WeightsError, match=expected):
        zoo.load_trained(model, released)


def test_overrides_go_before_what_the_weights_need(released):
    with pytest.raises(WeightsError, match=r"progan32.pth does not fit this model: other shape: "):
        ganzoo.load("progan_celebahq256", **{"model.base_filters": 4})
