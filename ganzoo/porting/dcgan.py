"""DCGAN as PyTorch's examples name it: `main.0.weight`, `main.1.running_mean`, …

The layers alternate transposed convolution, batch norm and ReLU, or convolution, batch norm and
leaky ReLU, each counted in `main`. Published MNIST networks of 28x28 pixels go 4, 7, 14, 28 with
a 3x3 kernel first, and 28, 14, 7, 3, 1.
"""

from ganzoo.porting.layouts import (
    Entry,
    Layout,
    Settings,
    State,
    batch_norm,
    convolution,
    numbers,
    projection,
    side,
    transposed_convolution,
)

_WEIGHT = r"main\.(\d+)\.weight"
# What every network of this layout has, whatever its size.
_CONSTANT = {
    "kernel_size": 4,
    "dense_ends": False,
    "batch_norm_epsilon": 1e-5,
    "latent_distribution": "normal",
}
_GIVEN = frozenset({"batch_norm_epsilon", "latent_distribution"})


def _is_generator(state: State) -> bool:
    # Its first kernel maps latents, more of them than an image has channels, and its third
    # layer is the second convolution; the discriminator's is its second.
    return numbers(state, _WEIGHT)[:2] == [0, 3] and _is_main(state)


def _is_discriminator(state: State) -> bool:
    return numbers(state, _WEIGHT)[:2] == [0, 2] and _is_main(state)


def _is_main(state: State) -> bool:
    return all(name.startswith("main.") for name in state)


def _generator_settings(state: State, _preset: Settings) -> Settings:
    layers = numbers(state, _WEIGHT)
    last = f"main.{layers[-1]}.weight"
    to_seven = side(state, "main.3.weight", 2) == 3
    return _CONSTANT | {
        "image_size": 28 if to_seven and len(layers) == 4 else 2 ** (len(layers) + 1),
        "channels": side(state, last, 1),
        "latent_dim": side(state, "main.0.weight", 0),
        "base_filters": side(state, last, 0),
    }


def _generator_entries(settings: Settings) -> list[Entry]:
    size, width = settings["image_size"], settings["base_filters"]
    sides = [7, 14, 28] if size == 28 else [2**n for n in range(3, size.bit_length())]
    width *= 2 ** (len(sides) - 1)
    entries = projection("main.0", "project", settings["latent_dim"], width, 4)
    entries += batch_norm("main.1", "project_norm", width)
    for index, to in enumerate(sides, 1):
        outputs = settings["channels"] if to == size else width // 2
        kernel = 3 if to == 7 else 4
        entries += transposed_convolution(f"main.{3 * index}", f"up_{to}", width, outputs, kernel)
        if to != size:
            entries += batch_norm(f"main.{3 * index + 1}", f"norm_{to}", outputs)
        width = outputs
    return entries


def _discriminator_settings(state: State, preset: Settings) -> Settings:
    depth = len(numbers(state, _WEIGHT)) - 1
    channels = side(state, "main.0.weight", 1)
    size = 4 * 2**depth
    # Its tensors have the same shapes for 28 and 32 pixels.
    if size == 32:
        size = preset.get("image_size", 28 if channels == 1 else 32)
        size = size if size in (28, 32) else 32
    return _CONSTANT | {
        "image_size": size,
        "channels": channels,
        "base_filters": side(state, "main.0.weight", 0),
    }


def _discriminator_entries(settings: Settings) -> list[Entry]:
    size, width = settings["image_size"], settings["base_filters"]
    depth = 3 if size == 28 else (size // 4).bit_length() - 1
    entries = convolution("main.0", "down_1", settings["channels"], width, 4)
    for index in range(1, depth):
        source = 3 * index - 1
        entries += convolution(f"main.{source}", f"down_{index + 1}", width, 2 * width, 4)
        width *= 2
        entries += batch_norm(f"main.{source + 1}", f"norm_{index + 1}", width)
    return entries + convolution(f"main.{3 * depth - 1}", "logits", width, 1, 4)


LAYOUTS = (
    Layout(
        family="dcgan",
        kind="generator",
        title="a DCGAN generator of PyTorch's examples",
        matches=_is_generator,
        read_settings=_generator_settings,
        entries=_generator_entries,
        given=_GIVEN,
    ),
    Layout(
        family="dcgan",
        kind="discriminator",
        title="a DCGAN discriminator of PyTorch's examples",
        matches=_is_discriminator,
        read_settings=_discriminator_settings,
        entries=_discriminator_entries,
        given=_GIVEN,
    ),
)
