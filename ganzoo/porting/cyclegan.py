"""CycleGAN as its authors' PyTorch code names it: `model.1.weight`, `model.10.conv_block.1.weight`.

The number in `model` counts every layer, paddings and ReLUs included. Files of before PyTorch
0.4.1 carry running statistics of the instance norms, which the authors drop when they load them.
"""

import re

from ganzoo.porting.layouts import (
    Entry,
    Layout,
    Settings,
    State,
    convolution,
    numbers,
    side,
    transposed_convolution,
    vector,
)

_FIRST_BLOCK = 10
_WEIGHT = r"model\.(\d+)\.weight"
_BLOCK = r"model\.(\d+)\.conv_block\..*"


def _rename(state: State) -> State:
    """Undoes what forks call otherwise, and what dropout in a block moves by one."""
    state = {name.replace(".block.", ".conv_block."): array for name, array in state.items()}
    if numbers(state, r"model\.(\d+)\.conv_block\.6\.weight"):
        state = {_without_dropout(name): array for name, array in state.items()}
    return {name: array for name, array in state.items() if not _is_old_statistic(name, state)}


def _without_dropout(name: str) -> str:
    for moved, usual in ((6, 5), (7, 6)):
        if f".conv_block.{moved}." in name:
            return name.replace(f".conv_block.{moved}.", f".conv_block.{usual}.")
    return name


def _is_old_statistic(name: str, state: State) -> bool:
    layer, _, kind = name.rpartition(".")
    # With a scale beside them they are a batch norm's, and part of the network.
    return kind in ("running_mean", "running_var") and f"{layer}.weight" not in state


def _is_generator(state: State) -> bool:
    blocks = any(re.fullmatch(_BLOCK, name) for name in state)
    return blocks and numbers(state, _WEIGHT)[:2] == [1, 4]


def _is_discriminator(state: State) -> bool:
    named = all(re.match(r"model\.\d+\.", name) for name in state)
    return named and numbers(state, _WEIGHT)[:2] == [0, 2]


def _generator_settings(state: State, _preset: Settings) -> Settings:
    blocks = {match[1] for name in state if (match := re.fullmatch(_BLOCK, name))}
    return {
        "channels": side(state, "model.1.weight", 1),
        "base_filters": side(state, "model.1.weight", 0),
        "residual_blocks": len(blocks),
        "affine": "model.2.weight" in state,
    }


def _generator_entries(settings: Settings) -> list[Entry]:
    channels, width = settings["channels"], settings["base_filters"]
    affine, blocks = settings["affine"], settings["residual_blocks"]
    entries = convolution("model.1", "stem", channels, width, 7, bias=True)
    entries += _norm("model.2", "stem_norm", width, affine)
    for level in (1, 2):
        name, place = f"down_{level}", 3 * level + 1
        entries += convolution(f"model.{place}", name, width, 2 * width, 3, bias=True)
        width *= 2
        entries += _norm(f"model.{place + 1}", f"{name}_norm", width, affine)
    for number in range(blocks):
        source = f"model.{_FIRST_BLOCK + number}.conv_block"
        entries += _block(source, f"block_{number + 1}", width, affine)
    for level in (1, 2):
        name, place = f"up_{level}", _FIRST_BLOCK + blocks + 3 * (level - 1)
        outputs = width // 2
        entries += transposed_convolution(f"model.{place}", name, width, outputs, 3, bias=True)
        width = outputs
        entries += _norm(f"model.{place + 1}", f"{name}_norm", width, affine)
    head = f"model.{_FIRST_BLOCK + blocks + 7}"
    return entries + convolution(head, "head", width, channels, 7, bias=True)


def _block(source: str, target: str, width: int, affine: bool) -> list[Entry]:
    entries = []
    for number, place in ((1, 1), (2, 5)):
        convolved, normed = f"{target}_conv_{number}", f"{target}_norm_{number}"
        entries += convolution(f"{source}.{place}", convolved, width, width, 3, bias=True)
        entries += _norm(f"{source}.{place + 1}", normed, width, affine)
    return entries


def _norm(source: str, target: str, width: int, affine: bool) -> list[Entry]:
    if not affine:
        return []
    scale = vector(f"{source}.weight", f"{target}/gamma", width)
    return scale + vector(f"{source}.bias", f"{target}/beta", width)


def _discriminator_settings(state: State, preset: Settings) -> Settings:
    return {
        "channels": side(state, "model.0.weight", 1),
        "discriminator_filters": side(state, "model.0.weight", 0),
        "discriminator_layers": len(numbers(state, _WEIGHT)) - 2,
        # No tensor tells it; the authors' PyTorch code has 1.
        "discriminator_padding": preset.get("discriminator_padding", 1),
        "affine": "model.3.weight" in state,
    }


def _discriminator_entries(settings: Settings) -> list[Entry]:
    width, count = settings["discriminator_filters"], settings["discriminator_layers"]
    entries = convolution("model.0", "conv_1", settings["channels"], width, 4, bias=True)
    inputs = width
    for number in range(2, count + 2):
        source, outputs = 3 * number - 4, width * min(2 ** (number - 1), 8)
        name = f"conv_{number}"
        entries += convolution(f"model.{source}", name, inputs, outputs, 4, bias=True)
        entries += _norm(f"model.{source + 1}", f"{name}_norm", outputs, settings["affine"])
        inputs = outputs
    return entries + convolution(f"model.{3 * count + 2}", "logits", inputs, 1, 4, bias=True)


LAYOUTS = (
    Layout(
        family="cyclegan",
        kind="generator",
        title="a CycleGAN generator of the authors' PyTorch code",
        matches=_is_generator,
        read_settings=_generator_settings,
        entries=_generator_entries,
        rename=_rename,
    ),
    Layout(
        family="cyclegan",
        kind="discriminator",
        title="a CycleGAN discriminator of the authors' PyTorch code",
        matches=_is_discriminator,
        read_settings=_discriminator_settings,
        entries=_discriminator_entries,
        given=frozenset({"discriminator_padding"}),
        rename=_rename,
    ),
)
