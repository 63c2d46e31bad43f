"""The progressive GAN as pytorch_GAN_zoo names it: `formatLayer.module.weight`, …

Its networks differ from the official code in four ways, which the map and settings absorb. It
scales the whole output of a layer by √(2 / fan-in), bias included; it does so in every layer,
where the official code has other gains in the first and the last; each unit of the first layer
has a bias of its own; and the discriminator pools after the activation. Its minibatch statistic
is a setting of ganzoo's layer. Where it was trained with classes, latents end in one of them,
which is normalised with the noise, and the discriminator has an output more for each.
"""

import functools
import math
from typing import Any

import numpy as np

from ganzoo.checks import is_number
from ganzoo.porting.layouts import Entry, Layout, Settings, State, as_is, kernel, numbers, side

# Gains of the official code where they are not √2 (Karras et al. 2018, `networks.py`).
_FIRST, _LINEAR = math.sqrt(2) / 4, 1.0
_USUAL = math.sqrt(2)
_SHOWN_CLASSES = 100


def _rename(state: State) -> State:
    return {name.replace(".module.", "."): array for name, array in state.items()}


def _is_generator(state: State) -> bool:
    return "formatLayer.weight" in state


def _is_discriminator(state: State) -> bool:
    return "decisionLayer.weight" in state


def _sizes(state: State, colours: str, colour_axis: int) -> Settings:
    """Reads resolution and widths off the layers to or from RGB, of which each side has one."""
    levels = numbers(state, rf"{colours}\.(\d+)\.weight")
    widths = [side(state, f"{colours}.{level}.weight", 1 - colour_axis) for level in levels]
    if not levels:
        raise KeyError(f"{colours}.0.weight")
    return {
        "image_size": 2 ** (len(levels) + 1),
        "channels": side(state, f"{colours}.0.weight", colour_axis),
        "base_filters": widths[-1],
        "max_filters": max(widths),
    }


def _generator_settings(state: State, _preset: Settings) -> Settings:
    latents = {"latent_dim": side(state, "formatLayer.weight", 1, dimensions=2)}
    return _sizes(state, "toRGBLayers", 0) | latents | {"unit_biases": True}


def _discriminator_settings(state: State, preset: Settings) -> Settings:
    # The first output is the score, and there is one more for each class.
    classes = max(side(state, "decisionLayer.weight", 0, dimensions=2) - 1, 0)
    settings = _sizes(state, "fromRGBLayers", 1) | {
        "group_size": 4,
        "group_statistic": "pytorch_gan_zoo",
        "pool_activations": True,
    }
    return settings | ({"classes": classes} if classes or preset.get("classes") else {})


def _widths(settings: Settings) -> list[int]:
    """The width at each side, from 4 up."""
    size, base, most = (settings[key] for key in ("image_size", "base_filters", "max_filters"))
    return [min(base * size // 2**power, most) for power in range(2, size.bit_length())]


def _generator_entries(settings: Settings) -> list[Entry]:
    widths, channels = _widths(settings), settings["channels"]
    entries = _first_layer(settings["latent_dim"], widths[0])
    entries += _convolution("groupScale0.0", "4x4_conv", widths[0], widths[0], 3)
    entries += _convolution("toRGBLayers.0", "to_rgb_4", widths[0], channels, 1, _LINEAR)
    for level, (inputs, width) in enumerate(zip(widths, widths[1:], strict=False), 1):
        to, source = 4 * 2**level, f"scaleLayers.{level - 1}"
        entries += _convolution(f"{source}.0", f"{to}x{to}_conv_0", inputs, width, 3)
        entries += _convolution(f"{source}.1", f"{to}x{to}_conv_1", width, width, 3)
        colours = f"toRGBLayers.{level}"
        entries += _convolution(colours, f"to_rgb_{to}", width, channels, 1, _LINEAR)
    return entries


def _discriminator_entries(settings: Settings) -> list[Entry]:
    widths, channels = _widths(settings), settings["channels"]
    entries = _convolution("fromRGBLayers.0", "from_rgb_4", channels, widths[0], 1)
    for level, (outputs, width) in enumerate(zip(widths, widths[1:], strict=False), 1):
        at, source = 4 * 2**level, f"scaleLayers.{level - 1}"
        entries += _convolution(f"fromRGBLayers.{level}", f"from_rgb_{at}", channels, width, 1)
        entries += _convolution(f"{source}.0", f"{at}x{at}_conv_0", width, width, 3)
        entries += _convolution(f"{source}.1", f"{at}x{at}_conv_1", width, outputs, 3)
    width = widths[0]
    entries += _convolution("groupScaleZero.0", "4x4_conv", width + 1, width, 3)
    return entries + _last_layers(width, 1 + settings.get("classes", 0))


def _convolution(
    source: str, target: str, inputs: int, outputs: int, size: int, gain: float = _USUAL
) -> list[Entry]:
    scale = _gain(inputs * size * size)
    shape = (outputs, inputs, size, size)
    weight = Entry(
        f"{source}.weight", shape, f"{target}/kernel", _scaled(kernel, math.sqrt(2) / gain)
    )
    return [weight, _bias(source, target, outputs, scale)]


def _gain(fan_in: int) -> float:
    # Of a layer without inputs there is none; `convert` says that its tensors are empty.
    return math.sqrt(2 / max(fan_in, 1))


def _bias(source: str, target: str, width: int, scale: float) -> Entry:
    return Entry(f"{source}.bias", (width,), f"{target}/bias", _scaled(as_is, scale))


def _scaled(convert, factor: float):
    return lambda array: convert(array) * np.float32(factor)


def _first_layer(latent_dim: int, width: int) -> list[Entry]:
    """The dense layer whose units, channels first, are the 4x4 image."""

    def matrix(array: np.ndarray) -> np.ndarray:
        units = array.reshape(width, 4, 4, latent_dim).transpose(3, 1, 2, 0)
        return as_is(units.reshape(latent_dim, 16 * width)) * np.float32(_USUAL / _FIRST)

    def biases(array: np.ndarray) -> np.ndarray:
        scale = np.float32(math.sqrt(2 / latent_dim))
        return as_is(array.reshape(width, 4, 4).transpose(1, 2, 0)) * scale

    return [
        Entry("formatLayer.weight", (16 * width, latent_dim), "4x4_dense/kernel", matrix),
        Entry("formatLayer.bias", (16 * width,), "4x4_bias/bias", biases),
    ]


def _last_layers(width: int, outputs: int) -> list[Entry]:
    """The dense layer over the 4x4 image, channels first, and the one that makes the logits."""

    def matrix(array: np.ndarray) -> np.ndarray:
        return as_is(array.reshape(width, width, 4, 4).transpose(2, 3, 1, 0).reshape(-1, width))

    def last(array: np.ndarray) -> np.ndarray:
        return as_is(array.T) * np.float32(_USUAL / _LINEAR)

    return [
        Entry("groupScaleZero.1.weight", (width, 16 * width), "4x4_dense/kernel", matrix),
        _bias("groupScaleZero.1", "4x4_dense", width, _gain(16 * width)),
        Entry("decisionLayer.weight", (outputs, width), "logits/kernel", last),
        _bias("decisionLayer", "logits", outputs, _gain(width)),
    ]


# What the stored settings have to say for the network to be the one that is described above.
# Their alpha is the share of the lower resolution: a network that is wholly grown has 0.
_EXPECTED = {
    "alpha": 0,
    "equalizedlR": True,
    "leakyReluLeak": 0.2,
    "perChannelNormalization": True,
    "lossCriterion": "WGANGP",
}


def _check(content: dict[str, Any]) -> list[str]:
    """Lists the settings beside the tensors with which the network computes something else."""
    stored = _config(content)
    problems = [
        f"config.{key} is {_shown(stored[key])}, not {expected!r}"
        for key, expected in _EXPECTED.items()
        if key in stored and not _agrees(stored[key], expected)
    ]
    attributes = stored.get("attribKeysOrder")
    if isinstance(attributes, dict) and len(attributes) > 1:
        problems.append(f"config.attribKeysOrder has {len(attributes)} attributes, not 1")
    return problems


def _class_names(content: dict[str, Any]) -> list[str]:
    """Names the classes, in the order of the one-hot vector and so of `labels`."""
    attributes = _config(content).get("attribKeysOrder")
    only = list(attributes.values()) if isinstance(attributes, dict) else []
    names = only[0].get("values") if only and isinstance(only[0], dict) else None
    if not names or not isinstance(names, list):
        return []
    named = [f"{number} {_shown(name)}" for number, name in enumerate(names[:_SHOWN_CLASSES])]
    return [f"classes: {', '.join(named)}"]


def _config(content: dict[str, Any]) -> dict[str, Any]:
    config = content.get("config")
    return config if isinstance(config, dict) else {}


def _shown(value: Any) -> str:
    # A crafted list may be longer than anything, written out.
    scalar = isinstance(value, str | int | float | None)
    return repr(value)[:60] if scalar else f"a {type(value).__name__}"


def _agrees(value: Any, expected: Any) -> bool:
    if isinstance(expected, str):
        return isinstance(value, str) and value.startswith(expected)
    number = isinstance(value, bool) or is_number(value)
    return number and math.isclose(value, expected, abs_tol=1e-6)


_layout = functools.partial(
    Layout, family="progan", rename=_rename, check=_check, describe=_class_names
)
LAYOUTS = (
    _layout(
        kind="generator",
        title="a progressive GAN generator of pytorch_GAN_zoo",
        matches=_is_generator,
        read_settings=_generator_settings,
        entries=_generator_entries,
    ),
    _layout(
        kind="discriminator",
        title="a progressive GAN discriminator of pytorch_GAN_zoo",
        matches=_is_discriminator,
        read_settings=_discriminator_settings,
        entries=_discriminator_entries,
        given=frozenset({"group_size", "group_statistic", "pool_activations"}),
    ),
)
