"""Model folders: which one a name means, and whether it is whole. Imports no TensorFlow."""

import pathlib

from ganzoo import presets
from ganzoo.errors import WeightsError
from ganzoo.files import WEIGHTS_FILE, check_sums, read_text

CARD = "README.md"
MODEL_FOLDER = "model"  # of a run folder
_AGAIN = "Fetch or save the model again."
_FILES = (".keras", ".pth", ".pt", ".h5", ".hdf5", ".pkl", ".pickle", ".npz")


def find_folder(name: str, offline: bool | None = None) -> pathlib.Path | None:
    """Finds the model folder that a name means, or None for a preset's name.

    Args:
        name: A preset's name or YAML file, a model folder, a run folder, or "hf://owner/name".
        offline: True never asks the network; None reads GANZOO_OFFLINE.

    Raises:
        WeightsError: It is a file, or a folder without a model, or cannot be had.
    """
    if name.startswith("hf://"):
        from ganzoo import hub

        return hub.fetch_folder(name, offline=offline)
    if presets.is_preset_file(name):
        return None
    path = pathlib.Path(name)
    for folder in (path, path / MODEL_FOLDER):
        if (folder / WEIGHTS_FILE).is_file() or (folder / "SHA256SUMS").is_file():
            return folder
    if path.is_dir() and name not in presets.preset_names():
        raise WeightsError(
            f"{path} is a folder without a model: it has no preset.yaml beside a "
            f"{WEIGHTS_FILE}. A run writes its model/ when it ends or is interrupted."
        )
    if path.suffix == ".safetensors":
        from ganzoo.porting.pytorch import how_to_convert

        raise WeightsError(
            f"{name} is a file, and a model is a folder. {how_to_convert(path)}, and make a model "
            "of that with: ganzoo import"
        )
    if path.is_file() or path.suffix in _FILES:
        raise WeightsError(
            f"{name} is a file, and a model is a folder. Load a weights file into a preset "
            "with load(PRESET, weights=FILE), and a checkpoint of PyTorch with: ganzoo import"
        )
    return None


def check_folder(folder: pathlib.Path) -> None:
    """Makes sure that every file of a model folder is there and as its SHA256SUMS says.

    Raises:
        WeightsError: Names what is absent or changed.
    """
    if not (folder / "preset.yaml").is_file():
        raise WeightsError(f"{folder} has no preset.yaml, so that it is no model folder. {_AGAIN}")
    if not (folder / "SHA256SUMS").is_file():
        raise WeightsError(
            f"{folder} has no SHA256SUMS, so that its weights cannot be checked. {_AGAIN}"
        )
    wrong = check_sums(folder, required=("preset.yaml", WEIGHTS_FILE))
    if wrong:
        raise WeightsError(
            f"{folder} is damaged: {', '.join(wrong)} is absent or not as SHA256SUMS says. {_AGAIN}"
        )


def read_card(folder: pathlib.Path) -> str:
    """Reads the card of a model folder, once all of it was checked.

    Raises:
        WeightsError: The folder is not whole, or has no card.
    """
    check_folder(folder)
    if not (folder / CARD).is_file():
        raise WeightsError(
            f"{folder} has no card, {CARD}. See its settings with: ganzoo info FOLDER --yaml"
        )
    return read_text(folder / CARD)


def read_folder(folder: pathlib.Path) -> presets.Preset:
    """Reads the settings of a model folder, once all of it was checked.

    Raises:
        WeightsError: The folder is not whole.
        PresetError: Its preset.yaml is malformed.
    """
    check_folder(folder)
    file = folder / "preset.yaml"
    text = read_text(file)
    whole = folder.resolve()
    named = whole.parent if whole.name == MODEL_FOLDER else whole  # a run's model, by the run
    return presets.parse_preset(text, name=named.name, origin=str(file))
