"""pytorch_GAN_zoo's progressive GAN becomes Keras networks with PyTorch's outputs."""

import numpy as np
import pytest

from ganzoo.errors import WeightsError
from ganzoo.models.progan.networks import build_discriminator, build_generator
from ganzoo.porting import read_checkpoint, recognise
from tests.porting.handmade import assign

TOLERANCE = 1e-4
SIZES = {"image_size": 32, "channels": 3, "base_filters": 8, "max_filters": 16}
GENERATOR = SIZES | {"latent_dim": 8, "unit_biases": True}
DISCRIMINATOR = SIZES | {
    "group_size": 4,
    "group_statistic": "pytorch_gan_zoo",
    "pool_activations": True,
}
CLASSES = ["woven", "banded", "dotted"]


def nhwc(images):
    return images.transpose(0, 2, 3, 1)


@pytest.fixture(scope="module")
def content(fixtures):
    return read_checkpoint(fixtures / "progan32.pth")


@pytest.fixture(scope="module")
def conditional(fixtures):
    """A checkpoint that was trained with classes."""
    return read_checkpoint(fixtures / "progan16_classes.pth")


def test_what_is_recognised(content):
    recognised = recognise(content)
    assert recognised.family == "progan"
    assert recognised.settings == GENERATOR | DISCRIMINATOR
    assert list(recognised.networks) == ["generator", "ema_generator", "discriminator"]
    assert recognised.found[1] == (
        "ema_generator: a progressive GAN generator of pytorch_GAN_zoo, from 'avgG'"
    )


@pytest.mark.parametrize(("role", "theirs"), [("generator", "netG"), ("ema_generator", "avgG")])
def test_generators(fixtures, content, role, theirs):
    generator = build_generator(**GENERATOR)
    assign(generator, recognise(content).networks[role])
    with np.load(fixtures / "progan32.npz") as reference:
        found = generator(reference[f"{theirs}_inputs"])
        expected = nhwc(reference[f"{theirs}_outputs"])
    np.testing.assert_allclose(found, expected, rtol=0, atol=TOLERANCE)


@pytest.mark.parametrize(("batch", "size"), [("netD", 8), ("netD5", 5)])
def test_the_discriminator_on_whole_and_odd_groups(fixtures, content, batch, size):
    discriminator = build_discriminator(**DISCRIMINATOR)
    assign(discriminator, recognise(content).networks["discriminator"])
    with np.load(fixtures / "progan32.npz") as reference:
        images = nhwc(reference[f"{batch}_inputs"])
        expected = reference[f"{batch}_outputs"]
    assert len(images) == size
    np.testing.assert_allclose(discriminator(images), expected, rtol=0, atol=TOLERANCE)


def test_classes_are_recognised_and_named(conditional):
    recognised = recognise(conditional)
    wanted = {"image_size": 16, "latent_dim": 8 + len(CLASSES), "classes": len(CLASSES)}
    assert recognised.settings == GENERATOR | DISCRIMINATOR | wanted
    assert recognised.notes == ["classes: 0 'woven', 1 'banded', 2 'dotted'"]


def test_both_networks_of_classes(fixtures, conditional):
    sizes = SIZES | {"image_size": 16}
    generator = build_generator(**GENERATOR | sizes | {"latent_dim": 8 + len(CLASSES)})
    discriminator = build_discriminator(**DISCRIMINATOR | sizes, classes=len(CLASSES))
    networks = recognise(conditional).networks
    assign(generator, networks["generator"])
    assign(discriminator, networks["discriminator"])
    with np.load(fixtures / "progan16_classes.npz") as reference:
        latents, images = reference["netG_inputs"], nhwc(reference["netG_outputs"])
        np.testing.assert_array_equal(latents[:, 8:], np.eye(len(CLASSES))[[0, 1, 2, 0]])
        np.testing.assert_allclose(generator(latents), images, rtol=0, atol=TOLERANCE)
        scores = reference["netD_outputs"]
        assert scores.shape == (8, 1 + len(CLASSES))
        found = discriminator(nhwc(reference["netD_inputs"]))
        np.testing.assert_allclose(found, scores, rtol=0, atol=TOLERANCE)


def test_a_checkpoint_without_classes_says_so_to_a_preset_with_some(content):
    assert recognise(content, model={"classes": 3}).settings["classes"] == 0


def test_classes_of_several_kinds_at_once(conditional):
    kinds = {"Main": {"order": 0, "values": CLASSES}, "Other": {"order": 1, "values": ["a", "b"]}}
    changed = dict(conditional, config=dict(conditional["config"], attribKeysOrder=kinds))
    with pytest.raises(WeightsError, match="config.attribKeysOrder has 2 attributes, not 1"):
        recognise(changed)


@pytest.mark.parametrize(
    "kinds", [None, [], {}, {"Main": 3}, {"Main": {}}, {"Main": {"values": 3}}], ids=repr
)
def test_classes_without_names(conditional, kinds):
    changed = dict(conditional, config=dict(conditional["config"], attribKeysOrder=kinds))
    assert recognise(changed).notes == []


def test_a_discriminator_without_a_score(content):
    state = dict(content["netD"])
    for name in ("weight", "bias"):
        state[f"decisionLayer.module.{name}"] = state[f"decisionLayer.module.{name}"][:0]
    with pytest.raises(WeightsError, match=r"decisionLayer.weight \(0, 16\), not \(1, 16\)"):
        recognise(state)


@pytest.mark.parametrize("network", ["netG", "netD"])
def test_layers_without_inputs(content, network):
    colours = "toRGBLayers" if network == "netG" else "fromRGBLayers"
    axis = 1 if network == "netG" else 0
    state = {
        name: array.take([], axis) if name.startswith(colours) and array.ndim == 4 else array
        for name, array in content[network].items()
    }
    with pytest.raises(WeightsError, match=rf"other shape: {colours}.*not \(0,|\(0,\)"):
        recognise(state)


def test_older_names_without_the_inner_module(content):
    state = {name.replace(".module.", "."): array for name, array in content["netG"].items()}
    assert "formatLayer.weight" in state
    for path, array in recognise(content).networks["generator"].items():
        np.testing.assert_array_equal(recognise(state).networks["generator"][path], array)


@pytest.mark.parametrize(
    ("key", "value", "match"),
    [
        ("alpha", 0.25, "config.alpha is 0.25, not 0"),
        ("alpha", 2**4000, r"config.alpha is 13182\d+, not 0"),
        ("equalizedlR", False, "config.equalizedlR is False, not True"),
        ("leakyReluLeak", 0.1, "config.leakyReluLeak is 0.1, not 0.2"),
        ("lossCriterion", "DCGAN", "config.lossCriterion is 'DCGAN', not 'WGANGP'"),
        ("lossCriterion", ["x"] * 99, "config.lossCriterion is a list, not 'WGANGP'"),
    ],
)
def test_settings_with_which_the_outputs_are_others(content, key, value, match):
    changed = dict(content, config=dict(content["config"], **{key: value}))
    with pytest.raises(WeightsError, match=match):
        recognise(changed)


@pytest.mark.parametrize("criterion", ["WGANGP", "WGANGP2"])
def test_settings_that_agree(content, criterion):
    stored = {"alpha": 1e-9, "leakyReluLeak": 0.2, "lossCriterion": criterion}
    changed = dict(content, config=dict(content["config"], **stored))
    assert recognise(changed).family == "progan"


def test_a_discriminator_without_minibatch_statistics(content):
    state = dict(content["netD"])
    weight = state["groupScaleZero.0.module.weight"]
    state["groupScaleZero.0.module.weight"] = weight[:, :-1]
    with pytest.raises(WeightsError, match=r"\(16, 16, 3, 3\), not \(16, 17, 3, 3\)"):
        recognise(state)


def test_widths_that_ganzoo_cannot_have(content):
    state = dict(content["netG"])
    for name in ("scaleLayers.1.1", "toRGBLayers.2"):
        weight = state[f"{name}.module.weight"]
        state[f"{name}.module.weight"] = weight[:, :7]
    with pytest.raises(WeightsError, match=r"other shape: .*\(3, 7, 1, 1\), not \(3, 16, 1, 1\)"):
        recognise(state)


def test_a_generator_without_colours(content):
    state = {name: array for name, array in content["netG"].items() if "toRGB" not in name}
    with pytest.raises(WeightsError, match=r"missing: toRGBLayers\.0\.weight"):
        recognise(state)
