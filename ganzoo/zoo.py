"""The zoo: from a name to a compiled model with its trained weights, and back to a folder."""

import logging
import pathlib

from ganzoo import cards, folders, presets, storage
from ganzoo.building import build
from ganzoo.checks import DIRECTIONS
from ganzoo.errors import WeightsError
from ganzoo.files import WEIGHTS_FILE as WEIGHTS_FILE
from ganzoo.files import read_text
from ganzoo.folders import MODEL_FOLDER as MODEL_FOLDER
from ganzoo.saving import first_pictures as first_pictures
from ganzoo.saving import save as save

_log = logging.getLogger("ganzoo")


def list_presets(
    pattern: str = "*", *, family: str | None = None, pretrained: bool = False
) -> list[str]:
    """Lists presets by name, in natural order.

    Args:
        pattern: A wildcard such as "cyclegan_*".
        family: Only those of one family.
        pretrained: Only those with trained weights.
    """
    return presets.find_presets(pattern, family=family, pretrained=pretrained)


def preset_info(name: str) -> dict:
    """Gives what a preset's YAML says, as a dict that may be changed.

    Raises:
        PresetError: There is no preset of that name.
    """
    return {"name": name} | presets.read_preset(name).settings()


def load(name, *, weights=True, precision=None, offline=None, **overrides):
    """Builds and compiles a model, with trained weights.

    Args:
        name: A preset's name, a folder that `save` or a training run wrote, or
            "hf://owner/name".
        weights: True for trained weights, checked against their hash; False for random ones;
            or the path of a weights file.
        precision: "float32", "bfloat16" or "float16", which `save` then records; None for what
            the preset says.
        offline: True never asks the network; None reads GANZOO_OFFLINE.
        overrides: Dotted keys of the preset and their values, such as
            `**{"model.base_filters": 32}`. Those that change shapes need `weights=False`.

    Returns:
        A compiled `ganzoo.adversarial.AdversarialModel`.

    Raises:
        PresetError: The preset is unknown, or an override does not fit it.
        WeightsError: The weights cannot be had, or do not fit.
    """
    preset, folder = find(str(name), offline)
    if weights is True and not folder:
        return _load_published(preset, precision, offline, overrides)
    model = build(presets.override(preset, overrides), precision=precision)
    if weights is True:
        _fill_from_folder(model, folder)
        _tell_other_precision(model, preset)
    elif weights:
        read_weights_file(model, weights)
    return model


def find(name, offline=None):
    """Finds the model that a name means; published weights are not fetched.

    Returns:
        Its preset; and its folder, once all of it was checked, or None for a preset's name.

    Raises:
        PresetError: The preset is unknown.
        WeightsError: It is a file, or a folder without a whole model, or cannot be had.
    """
    folder = folders.find_folder(name, offline)
    return folders.read_folder(folder) if folder else presets.read_preset(name), folder


def _load_published(preset, precision, offline, overrides):
    """Builds a model for the published weights of its preset, which may need other networks."""
    presets.override(preset, overrides)  # a mistake is told before anything is downloaded
    path, entry = fetch_trained(preset, offline)
    fitted, changes = presets.for_weights(preset, entry, overrides)
    if changes:
        named = ", ".join(f"model.{key} {value!r}" for key, value in changes.items())
        _log.warning("%s is built as its weights need it, with %s", preset.name, named)
    model = build(fitted, precision=precision)
    _fill_with_published(model, path, entry)
    return model


def read_weights_file(model, path) -> None:
    """Fills a model's networks from a weights file of ganzoo, those that the file holds.

    A model or run folder gives its own file, checked against its hash, and its card says
    where the weights come from.

    Raises:
        WeightsError: The file is absent, of another kind, or does not fit.
    """
    path = pathlib.Path(path)
    if path.is_dir():
        folder = folders.find_folder(str(path)) or path
        folders.check_folder(folder)
        _fill_from_folder(model, folder)
    elif path.is_file():
        _fill_from_file(model, path)
        model.provenance, model.licence = f"From the file `{path.name}`.", ""
    else:
        raise WeightsError(f"There is no weights file {path}. Check the path.")


def _fill_from_folder(model, folder):
    """Fills a model's networks from a folder that was checked."""
    _fill_from_file(model, folder / WEIGHTS_FILE)
    card = folder / folders.CARD
    text = read_text(card) if card.is_file() else ""
    model.provenance, model.licence = cards.read_card(text)


def _tell_other_precision(model, saved):
    """Says in the provenance that a model was saved in another precision than it has now."""
    before, now = (each.training.get("precision") or "float32" for each in (saved, model.preset))
    if before != now:
        said = f"{cards.FURTHER}{model.provenance}" if model.provenance else ""
        model.provenance = f"From a model of precision {before}.{said}"


def _fill_from_file(model, path):
    """Fills a model's networks from a weights file, and notes which are trained by it."""
    stored = storage.stored_networks(path)
    known = {name: part for name, part in model.stored_parts.items() if name in stored}
    if set(stored) - set(known):
        unknown = ", ".join(sorted(set(stored) - set(known)))
        raise WeightsError(
            f"{path} holds networks that this model does not have: {unknown}. "
            "Load it into the preset that it was made for."
        )
    trained = frozenset(known) & frozenset(model.networks)
    if not trained:
        raise WeightsError(
            f"{path} holds no network at all. Fetch it again, or save the model anew."
        )
    storage.read_weights(path, known)
    if "generator" in trained and "ema_generator" in set(model.networks) - trained:
        # What was stored without an average is the average of one.
        model.ema_generator.set_weights(model.generator.get_weights())
        trained |= {"ema_generator"}
    model.trained = trained


def load_trained(model, preset, offline=None):
    """Fills a model with the published weights of its preset.

    Raises:
        WeightsError: There are none, they cannot be had, or they are for other networks.
    """
    path, entry = fetch_trained(preset, offline)
    _, changes = presets.for_weights(preset, entry, {})
    if changes:
        needed = " ".join(f"model.{key}={value}" for key, value in changes.items())
        raise WeightsError(
            f"The weights of {preset.name!r} are for other networks than its own. "
            f"Build them with these settings: {needed}"
        )
    _fill_with_published(model, path, entry)


def fetch_trained(preset, offline=None):
    """Gives the path of a preset's published weights and their entry in `weights`.

    Raises:
        WeightsError: There are none, or they cannot be had.
    """
    refuse_untrained(preset)
    from ganzoo import hub

    try:
        return hub.fetch_entry(preset.weights, offline=offline)
    except WeightsError as error:
        shipped = _shipped_relative(preset)
        if not shipped:
            raise
        raise WeightsError(f"{error} Meanwhile its relative {shipped!r} comes along.") from error


def refuse_untrained(preset) -> None:
    """Makes sure that weights of a preset are published.

    Raises:
        WeightsError: There are none.
    """
    if not preset.weights:
        raise WeightsError(
            f"{preset.name!r} has no trained weights yet.{_relative(preset)} Train it: ganzoo "
            f"train {preset.called}; or build it with random ones, in Python, with weights=False."
        )


def _fill_with_published(model, path, entry):
    """Fills a model's networks from the file of an entry of `weights`, and notes its source."""
    if entry.get("format", "ganzoo") == "pytorch":
        from ganzoo import importing

        networks = entry.get("networks") or []
        lone = networks[0].rpartition("generator_")[2] if len(networks) == 1 else ""
        importing.fill_from_checkpoint(model, path, direction=lone if lone in DIRECTIONS else None)
        verb = cards.IMPORTED
    else:
        read_weights_file(model, path)
        verb = "From "
    source = entry["source"]
    origin = f"<{source}>" if "://" in source else f"`{source}`"
    model.provenance = f"{verb}{origin}. {entry.get('notes', '')}".rstrip()
    model.licence = entry.get("licence", "")


def _relative(preset):
    """Names a preset of the same family that has weights, of the same images where it can."""
    others = presets.find_presets(family=preset.family, pretrained=True)
    if not others:
        return ""
    nearest = min(others, key=lambda name: _makes_other_images(presets.read_preset(name), preset))
    return f" Its relative {nearest!r} has."


def _makes_other_images(one, other):
    keys = ("image_shape", "image_size", "channels")
    return any(one.model.get(key) != other.model.get(key) for key in keys)


def _shipped_relative(preset):
    """Names a preset of the same family whose weights are in the package, if there is one."""
    for name in presets.find_presets(family=preset.family, pretrained=True):
        if name != preset.name and presets.read_preset(name).ships:
            return name
    return None
