"""Checkpoints of other libraries, made into models: recognised, fitted, filled."""

import dataclasses
import inspect
import pathlib

from ganzoo import building, cards, catalogue, porting, presets
from ganzoo.errors import WeightsError

_SIZES = {"image_size", "channels"}


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
    recognised = _with_place_in(model, recognised)
    porting.fill(model.networks, recognised.networks, origin=str(path))
    model.trained = _trained(model, recognised)
    return [*recognised.found, *recognised.notes]


def import_checkpoint(file, preset: str, *, direction=None):
    """Makes a model of a checkpoint of the user's own, of the shape that its tensors have.

    Args:
        file: A PyTorch checkpoint, in the zip or the legacy format, or a `.npz` of one.
        preset: The preset whose settings it gets, but for those that the tensors tell. Its
            data and phases follow the size of the images.
        direction: What a lone CycleGAN generator does, "ab" or "ba".

    Returns:
        The model, and one line for each thing recognised or overridden.

    Raises:
        WeightsError: As `fill_from_checkpoint`.
    """
    settings = presets.read_preset(preset)
    recognised = _recognise(file, settings, direction)
    fitted = _fitted(settings, recognised.settings)
    model = building.build(dataclasses.replace(fitted, name=pathlib.Path(file).stem, summary=""))
    recognised = _with_place_in(model, recognised)
    porting.fill(model.networks, recognised.networks, origin=str(file))
    model.trained = _trained(model, recognised)
    lines = [*recognised.found, *recognised.notes, *_overridden(settings, recognised)]
    sentences = " ".join(f"{line.rstrip('.')}." for line in lines)
    model.provenance = f"{cards.IMPORTED}`{pathlib.Path(file).name}`. {sentences}"
    return model, lines


def _fitted(preset, found):
    """Makes the preset of the recognised networks: what goes with their size follows it."""
    changes = {f"model.{key}": value for key, value in found.items()}
    fitted = presets.override(preset, changes)
    shape = catalogue.image_shape(fitted)
    if not shape:  # points have no side
        return presets.override(fitted, {f"data.{key}": None for key in _SIZES & set(preset.data)})
    follows = {"data.image_size": shape[0], "data.channels": shape[2]}
    if isinstance(preset.phases, list):
        follows["phases"] = _phases_up_to(shape[0], preset.phases)
    return presets.override(fitted, follows)


def _phases_up_to(size, rows):
    """Cuts the phases of a progressive GAN off at a resolution, or doubles the last up to it."""
    kept = [row for row in rows if row["resolution"] <= size]
    kept = kept or [{"resolution": size, "stabilize_kimg": rows[0]["stabilize_kimg"]}]
    while kept[-1]["resolution"] < size:
        last = kept[-1]
        fade = last.get("fade_kimg") or last["stabilize_kimg"]
        kept.append(last | {"resolution": 2 * last["resolution"], "fade_kimg": fade})
    return kept


def _overridden(preset, recognised):
    """One line for each setting that is another than the preset's, and why."""
    build = inspect.signature(building.family_of(preset).build).parameters
    return [
        f"model.{key} is {value!r}, as "
        + ("this layout has it" if key in recognised.given else "its tensors say")
        for key, value in recognised.settings.items()
        if preset.model.get(key, build[key].default) != value
    ]


def _recognise(path, preset, direction):
    path = pathlib.Path(path)
    if not path.is_file():
        raise WeightsError(f"There is no checkpoint {path}. Check the path.")
    content = porting.read_checkpoint(path)
    return porting.recognise(
        content, origin=str(path), family=preset.family, model=preset.model, direction=direction
    )


def _with_place_in(model, recognised):
    """Gives what goes into a model that keeps no average: the generator, or else its average."""
    networks = dict(recognised.networks)
    if "ema_generator" in model.networks or "ema_generator" not in networks:
        return recognised
    average, kept = networks.pop("ema_generator"), "the preset keeps no average"
    if "generator" in networks:
        note = f"Left out: ema_generator, as {kept}"
    else:
        networks["generator"], note = average, f"generator: filled with ema_generator, as {kept}"
    return dataclasses.replace(recognised, networks=networks, notes=[*recognised.notes, note])


def _trained(model, recognised):
    """The networks that the checkpoint filled; an average is as trained as its generator."""
    names = set(recognised.networks)
    if "generator" in names and "ema_generator" in model.networks:
        names.add("ema_generator")
    return frozenset(names)
