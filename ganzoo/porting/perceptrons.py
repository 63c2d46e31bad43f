"""The vanilla GAN as a plain `nn.Sequential` names it: `0.weight`, `0.bias`, `2.weight`, …

Tensors tell the widths and not the activations. Those of the published MNIST networks of this
kind are taken: ReLU and tanh, and leaky ReLU of slope 0.2.
"""

import math
import re

from ganzoo.porting.layouts import Entry, Layout, Settings, State, count, dense, numbers, side

_WEIGHT = r"(\d+)\.weight"
_NOTE = (
    "The activations are not in the file: they are taken as ReLU, tanh at the generator's end, "
    "and leaky ReLU in the discriminator."
)
_GIVEN = frozenset(
    {
        *("latent_distribution", "generator_activations", "discriminator_activation"),
        "output_activation",
    }
)


def _widths(state: State) -> list[int]:
    """The width of the input, and of each layer."""
    layers = numbers(state, _WEIGHT, dimensions=2)
    sizes = [side(state, f"{layer}.weight", 0, dimensions=2) for layer in layers]
    return [side(state, f"{layers[0]}.weight", 1, dimensions=2), *sizes]


def _rename(state: State) -> State:
    """Counts the linear layers 0, 2, 4, … where dropout between them makes it 0, 3, 6.

    What has tensors beside them, such as a layer norm, could lie where one of them moves to, and
    would be lost: then all stay where they are, and do not fit.
    """
    layers = numbers(state, _WEIGHT, dimensions=2)
    places = {str(layer): str(2 * index) for index, layer in enumerate(layers)}
    parts = {name: name.partition(".") for name in state}
    if not {number for number, _, _ in parts.values()} <= set(places):
        return state
    return {
        f"{places.get(number, number)}.{rest}": state[name]
        for name, (number, _, rest) in parts.items()
    }


def _is_perceptron(state: State) -> bool:
    named = all(re.fullmatch(r"\d+\.(weight|bias)", name) for name in state)
    return named and len(numbers(state, _WEIGHT, dimensions=2)) > 1


def _is_generator(state: State) -> bool:
    return _is_perceptron(state) and _widths(state)[-1] > 1


def _is_discriminator(state: State) -> bool:
    return _is_perceptron(state) and _widths(state)[-1] == 1


def _image_shape(pixels: int, preset: Settings) -> list[int]:
    """The preset's shape where it has as many values, or else a square's, grey or in colour."""
    shapes = [tuple(preset.get("image_shape", ()))]
    for channels in (1, 3):
        length = math.isqrt(pixels // channels)
        shapes.append((length, length, channels))
    return list(next((shape for shape in shapes if count(shape) == pixels), (pixels,)))


def _generator_settings(state: State, preset: Settings) -> Settings:
    latent_dim, *units, pixels = _widths(state)
    return {
        "image_shape": _image_shape(pixels, preset),
        "latent_dim": latent_dim,
        "latent_distribution": "normal",
        "generator_units": units,
        "generator_activations": ["relu"] * len(units),
        "output_activation": "tanh",
    }


def _discriminator_settings(state: State, preset: Settings) -> Settings:
    pixels, *units, _ = _widths(state)
    return {
        "image_shape": _image_shape(pixels, preset),
        "discriminator_units": units,
        "discriminator_activation": "leaky_relu",
        "output_activation": "tanh",  # says that the discriminator, too, sees [-1, 1]
    }


def _entries(widths: list[int], last: str) -> list[Entry]:
    names = [f"hidden_{index}" for index in range(1, len(widths) - 1)] + [last]
    return [
        entry
        for index, name in enumerate(names)
        for entry in dense(str(2 * index), name, widths[index], widths[index + 1])
    ]


def _generator_entries(settings: Settings) -> list[Entry]:
    pixels = count(tuple(settings["image_shape"]))
    return _entries([settings["latent_dim"], *settings["generator_units"], pixels], "output")


def _discriminator_entries(settings: Settings) -> list[Entry]:
    pixels = count(tuple(settings["image_shape"]))
    return _entries([pixels, *settings["discriminator_units"], 1], "logits")


LAYOUTS = (
    Layout(
        family="gan",
        kind="generator",
        title="a perceptron that generates images",
        matches=_is_generator,
        read_settings=_generator_settings,
        entries=_generator_entries,
        rename=_rename,
        given=_GIVEN,
        notes=(_NOTE,),
    ),
    Layout(
        family="gan",
        kind="discriminator",
        title="a perceptron that judges images",
        matches=_is_discriminator,
        read_settings=_discriminator_settings,
        entries=_discriminator_entries,
        rename=_rename,
        given=_GIVEN,
        notes=(_NOTE,),
    ),
)
