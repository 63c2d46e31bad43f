"""Checkpoints of other libraries, made into models: recognised, fitted, filled."""

import pathlib

from ganzoo import building, porting, presets
from ganzoo.errors import WeightsError


def fill_from_checkpoint(model, path, *, direction=None) -> list[str]:
    """Fills a model's networks from a PyTorch checkpoint or a `.npz` of one.

    Args:
        model: A model whose networks have the shapes of the checkpoint.
        path: The file.
        direction: What a lone CycleGAN generator does, "ab" or "ba".

    Returns:
        One line for each thing recognised.

    Raises:
        WeightsError: Nothing known is in it, or tensors are missing, left over or of another
            shape.
    """
    recognised = _recognise(path, model.preset, direction)
    porting.fill(model.networks, recognised.networks, origin=str(path))
    model.trained = _trained(model, recognised)
    return [*recognised.found, *recognised.notes]


def import_checkpoint(file, preset: str, *, direction=None):
    """Makes a model of a checkpoint of the user's own, of the shape that its tensors have.

    Args:
        file: A PyTorch checkpoint, in the zip or the legacy format, or a `.npz` of one.
        preset: The preset whose settings it gets, but for those that the tensors tell.
        direction: What a lone CycleGAN generator does, "ab" or "ba".

    Returns:
        The model, and one line for each thing recognised or overridden.

    Raises:
        WeightsError: As `fill_from_checkpoint`.
    """
    settings = presets.read_preset(preset)
    recognised = _recognise(file, settings, direction)
    changed = {
        f"model.{key}": value
        for key, value in recognised.settings.items()
        if settings.model.get(key) != value
    }
    model = building.build(presets.override(settings, changed))
    porting.fill(model.networks, recognised.networks, origin=str(file))
    model.trained = _trained(model, recognised)
    overridden = [f"{key} is {value!r}, as its tensors say" for key, value in changed.items()]
    return model, [*recognised.found, *recognised.notes, *overridden]


def _recognise(path, preset, direction):
    path = pathlib.Path(path)
    if not path.is_file():
        raise WeightsError(f"There is no checkpoint {path}. Check the path.")
    content = porting.read_checkpoint(path)
    return porting.recognise(
        content, origin=str(path), family=preset.family, model=preset.model, direction=direction
    )


def _trained(model, recognised):
    """The networks that the checkpoint filled; an average is as trained as its generator."""
    names = set(recognised.networks)
    if "generator" in names and "ema_generator" in model.networks:
        names.add("ema_generator")
    return frozenset(names)
