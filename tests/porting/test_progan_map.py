"""pytorch_GAN_zoo's progressive GAN becomes Keras networks with PyTorch's outputs."""

import numpy as np
import pytest

from ganzoo.errors import WeightsError
from ganzoo.models.progan.networks import build_discriminator, build_generator
from ganzoo.porting import assign, read_checkpoint, recognise

TOLERANCE = 1e-4
SIZES = {"image_size": 32, "channels": 3, "base_filters": 8, "max_filters": 16}
GENERATOR = SIZES | {"latent_dim": 8, "unit_biases": True}
DISCRIMINATOR = SIZES | {
    "group_size": 4,
    "group_statistic": "pytorch_gan_zoo",
    "pool_activations": True,
}


def nhwc(images):
    return images.transpose(0, 2, 3, 1)


@pytest.fixture(scope="module")
def content(fixtures):
    return read_checkpoint(fixtures / "progan32.pth")


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


def test_older_names_without_the_inner_module(content):
    state = {name.replace(".module.", "."): array for name, array in content["netG"].items()}
    assert "formatLayer.weight" in state
    for path, array in recognise(content).networks["generator"].items():
        np.testing.assert_array_equal(recognise(state).networks["generator"][path], array)


@pytest.mark.parametrize(
    ("key", "value", "match"),
    [
        ("alpha", 0.25, "config.alpha is 0.25, not 0"),
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
