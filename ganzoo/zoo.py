"""The zoo: from a name to a compiled model with its trained weights, and back to a folder."""

import pathlib

from ganzoo import presets, storage
from ganzoo.building import build
from ganzoo.errors import GanzooError, WeightsError
from ganzoo.files import check_sums, replacing_folder, write_sums

WEIGHTS_FILE = "model.weights.h5"
MODEL_FOLDER = "model"  # of a run folder


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
        precision: "float32", "bfloat16" or "float16"; None for what the preset says.
        offline: True never asks the network; None reads GANZOO_OFFLINE.
        overrides: Dotted keys of the preset and their values, such as
            `**{"model.base_filters": 32}`. Those that change shapes need `weights=False`.

    Returns:
        A compiled `ganzoo.adversarial.AdversarialModel`.

    Raises:
        PresetError: The preset is unknown, or an override does not fit it.
        WeightsError: The weights cannot be had, or do not fit.
    """
    name = str(name)
    folder = _model_folder(name, offline)
    preset = _read_folder(folder) if folder else presets.read_preset(name)
    preset = presets.override(preset, overrides)
    model = build(preset, precision=precision)
    if weights is True and folder:
        read_weights_file(model, folder / WEIGHTS_FILE)
    elif weights is True:
        load_trained(model, preset, offline)
    elif weights:
        read_weights_file(model, weights)
    return model


def read_weights_file(model, path) -> None:
    """Fills a model's networks from a weights file of ganzoo, those that the file holds.

    Raises:
        WeightsError: The file is absent, of another kind, or does not fit.
    """
    path = pathlib.Path(path)
    if not path.is_file():
        raise WeightsError(f"There is no weights file {path}. Check the path.")
    stored = storage.stored_networks(path)
    known = {name: part for name, part in model.stored_parts.items() if name in stored}
    if set(stored) - set(known):
        unknown = ", ".join(sorted(set(stored) - set(known)))
        raise WeightsError(
            f"{path} holds networks that this model does not have: {unknown}. "
            "Load it into the preset that it was made for."
        )
    storage.read_weights(path, known)
    model.trained = frozenset(known) & frozenset(model.networks)


def save(model, folder, *, half: bool = False, notes: str = "") -> None:
    """Writes a model folder, which `load` reads back and which can be published.

    It holds `preset.yaml`, the networks, a card and the hash of each file. The optimizers are
    left out.

    Args:
        model: A model that `load` made or training returned.
        folder: Where to; a model folder that is there is replaced as a whole.
        half: Store the weights in 16 bits.
        notes: Text for the card, such as what the model was trained on.

    Raises:
        GanzooError: The folder holds other things, or cannot be written.
    """
    from ganzoo.cards import write_card

    folder = pathlib.Path(folder)
    _refuse_foreign(folder)
    preset = getattr(model, "preset", None)
    if preset is None:
        raise GanzooError(
            "This model was not made by ganzoo.load, so that its settings are not known. "
            "Save it with Keras: model.save('model.keras')."
        )
    networks = {name: net for name, net in model.stored_parts.items() if _is_trained(model, name)}
    with replacing_folder(folder) as partial:
        (partial / "preset.yaml").write_text(preset.to_yaml(), encoding="utf-8")
        storage.write_weights(partial / WEIGHTS_FILE, networks, half=half)
        write_card(partial, model, notes)
        names = [file.name for file in partial.iterdir()]
        write_sums(partial, names)


def _is_trained(model, name):
    return not model.trained or name in model.trained or name not in model.networks


def _refuse_foreign(folder):
    if folder.exists() and not folder.is_dir():
        raise GanzooError(f"{folder} is a file. Name a folder for the model.")
    if folder.is_dir() and any(folder.iterdir()) and not (folder / "preset.yaml").is_file():
        raise GanzooError(
            f"{folder} exists and holds other things. Name a new folder, or an old model's."
        )


def _model_folder(name, offline):
    """Finds the folder that a name means, or None for a preset's name."""
    if name.startswith("hf://"):
        from ganzoo import hub

        return hub.fetch_folder(name, offline=offline)
    path = pathlib.Path(name)
    for folder in (path, path / MODEL_FOLDER):
        if (folder / WEIGHTS_FILE).is_file() or (folder / "SHA256SUMS").is_file():
            return folder
    if path.is_dir() and name not in presets.preset_names():
        raise WeightsError(
            f"{path} is a folder without a model: it has no preset.yaml beside a "
            f"{WEIGHTS_FILE}. A run writes its model/ when it ends or is interrupted."
        )
    if path.is_file() or path.suffix in (".keras", ".pth", ".h5", ".pkl"):
        raise WeightsError(
            f"{name} is a file, and a model is a folder. Load a weights file into a preset "
            "with load(PRESET, weights=FILE), and a checkpoint of PyTorch with: ganzoo import"
        )
    return None


def _read_folder(folder):
    file = folder / "preset.yaml"
    if not file.is_file():
        raise WeightsError(f"{folder} has no preset.yaml, so that it is no model folder.")
    if not (folder / "SHA256SUMS").is_file():
        raise WeightsError(f"{folder} has no SHA256SUMS, so that its weights cannot be checked.")
    wrong = check_sums(folder)
    if wrong:
        raise WeightsError(
            f"{folder} is damaged: {', '.join(wrong)} is absent or not as SHA256SUMS says. "
            "Fetch or save the model again."
        )
    text = file.read_text(encoding="utf-8")
    return presets.parse_preset(text, name=folder.resolve().name, origin=str(file))


def load_trained(model, preset, offline=None):
    """Fills a model with the published weights of its preset.

    Raises:
        WeightsError: There are none, or they cannot be had.
    """
    if not preset.weights:
        raise WeightsError(
            f"{preset.name!r} has no trained weights yet.{_relative(preset)} Pass weights=False "
            f"for random ones, or train it: ganzoo train {preset.name}"
        )
    from ganzoo import hub, importing

    path, entry = hub.fetch_entry(preset.weights, offline=offline)
    if entry.get("format", "ganzoo") == "pytorch":
        networks = entry.get("networks") or []
        lone = networks[0].removeprefix("generator_") if len(networks) == 1 else None
        importing.fill_from_checkpoint(model, path, direction=lone)
    else:
        read_weights_file(model, path)


def _relative(preset):
    """Names a preset of the same family that has weights, if there is one."""
    others = presets.find_presets(family=preset.family, pretrained=True)
    return f" Its relative {others[0]!r} has." if others else ""
