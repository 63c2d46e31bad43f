"""Model folders written: settings, networks, a card, and the hash of each file."""

import dataclasses
import os
import pathlib
from collections.abc import Mapping
from typing import Any

import numpy as np

from ganzoo import cards, storage
from ganzoo.building import build
from ganzoo.data import load as load_data
from ganzoo.data.decoding import to_uint8
from ganzoo.errors import GanzooError
from ganzoo.files import WEIGHTS_FILE, replacing_folder, write_sums
from ganzoo.folders import CARD
from ganzoo.pictures import make_grid, write_png
from ganzoo.randomness import seed_key
from ganzoo.scores import problem_of

_SAMPLES, _LARGE_SAMPLES, _LARGE = 16, 4, 128
_PICTURES = 2
_PREVIEWS = 4
_VIEW = ("image_size", "resize", "load_size", "skip_bad")  # what `data.load` takes of a preset
_PICTURE_FILE = "samples.png"
_WRITTEN = {"preset.yaml", WEIGHTS_FILE, CARD, _PICTURE_FILE, "SHA256SUMS"}


@dataclasses.dataclass(frozen=True)
class Rounding:
    """How far the output of stored weights is from that of the model they were stored from.

    Attributes:
        largest: Greatest difference of a value.
        mean: Mean difference.
        unit: "grey levels" of 255, or for points "units".
        compared: What was compared.
    """

    largest: float
    mean: float
    unit: str
    compared: str

    def __str__(self):
        return (
            f"Stored in 16 bits, which changes the output by at most {self.largest:.3g} "
            f"{self.unit}, {self.mean:.2g} on average ({self.compared})."
        )


def save(
    model: Any,
    folder: Any,
    *,
    half: bool = False,
    notes: str = "",
    licence: str = "",
    scores: Mapping[str, Mapping[str, Any]] | None = None,
    examples: Any = None,
) -> Rounding | None:
    """Writes a model folder, which `load` reads back and which can be published.

    It holds `preset.yaml`, the networks, a card and the hash of each file. The optimizers are
    left out.

    Args:
        model: A model that `load` made or training returned.
        folder: Where to; a model folder that is there is replaced as a whole.
        half: Store the weights in 16 bits: half the size, and an output that differs a little.
        notes: Text for the card, such as what the model was trained on.
        licence: Of the weights, for the card; that of the published weights that `load` read,
            by default.
        scores: What `ganzoo.evaluate` returned, for the card.
        examples: Float images of A and of B, in [-1, 1]: a model that translates is shown on
            them in the card.

    Returns:
        With `half` how far the output differs, which the card says too; else None.

    Raises:
        GanzooError: The folder holds other things, or cannot be written; a weight is too large
            for 16 bits; or the scores are none.
    """
    folder = pathlib.Path(folder)
    _refuse_foreign(folder)
    preset = getattr(model, "preset", None)
    if preset is None:
        raise GanzooError(
            "This model was not made by ganzoo.load, so that its settings are not known. "
            "Save it with Keras: model.save('model.keras')."
        )
    # Published weights are others than these: neither their scores nor their notes are this one's.
    preset = dataclasses.replace(preset, weights=[])
    for score in (scores or {}).values():
        if problem := problem_of(score):
            raise GanzooError(f"These are no scores: {problem}. Give what ganzoo.evaluate returns.")
    parts = {name: part for name, part in model.stored_parts.items() if _is_trained(model, name)}
    with replacing_folder(folder) as partial:
        (partial / "preset.yaml").write_text(preset.to_yaml(), encoding="utf-8")
        storage.write_weights(partial / WEIGHTS_FILE, parts, half=half)
        rounding = _rounding(model, parts, partial / WEIGHTS_FILE) if half else None
        card = cards.folder_card(
            preset,
            {name: network.count_params() for name, network in _counted(model).items()},
            trained=model.trained,
            notes=notes or _provenance(model),
            fitted=model.steps_taken > 0,
            licence=licence or getattr(model, "licence", ""),
            storage=str(rounding or ""),
            scores=(scores or {}).values(),
            picture=_write_picture(partial, model, examples),
        )
        (partial / CARD).write_text(card, encoding="utf-8")
        write_sums(partial, [file.name for file in partial.iterdir()])
    return rounding


def first_pictures(model: Any, source: Any, count: int = 4) -> Any:
    """Reads the first pictures of each domain, for `examples`.

    They are brought to size as the model's preset says, with nothing by chance: where it crops
    at random, whole pictures are stretched, as in CycleGAN's tests.

    Args:
        model: A model that translates.
        source: Two sources, or one of two domains.
        count: How many of each.

    Raises:
        GanzooError: The model does not translate, or that is no pair of domains.
    """
    if not hasattr(model, "translate"):
        raise GanzooError(f"{model.preset.name!r} is shown by its own samples. Leave out the data.")
    data = model.preset.data
    settings = {key: data[key] for key in _VIEW if data.get(key) is not None}
    named_alone = isinstance(source, str | os.PathLike)
    names = source if named_alone else source[0] if len(source) == 1 else tuple(source)
    dataset = load_data(names, batch_size=count, channels=model.channels, **settings)
    pair = tuple(next(domain.read_once(count)) for domain in dataset.stream.domains)
    if len(pair) != 2:
        raise GanzooError(f"{names} is one domain. Give the sources of both.")
    return pair


def _is_trained(model, name):
    return not model.trained or name in model.trained or name not in model.networks


def _counted(model):
    """The networks that a card counts: an average is a copy."""
    return {name: net for name, net in model.networks.items() if not name.startswith("ema_")}


def _provenance(model):
    """Says where weights come from: what `load` was told, and the steps since."""
    before = getattr(model, "provenance", "")
    if not model.steps_taken:
        return before
    steps = f"{cards.counted(model.steps_taken, 'steps')}, on data that is not recorded."
    if not before:
        return f"{cards.FITTED}{steps}"
    return f"{cards.FITTED_FURTHER}{steps}{cards.FURTHER}{before}"


def _write_picture(folder, model, examples):
    """Draws what the trained generators make, to a file.

    Returns:
        The file's name; "" where there is nothing to draw.
    """
    translates = hasattr(model, "translate")
    makers = ["generator_ab", "generator_ba"] if translates else [model.sampling_name]
    names = [name for name in makers if _is_trained(model, name)]
    if not names or (translates and examples is None):
        return ""
    if translates and len(names) == 1:
        picture = _preview_one_way(model, names[0].removeprefix("generator_"), examples)
    else:
        picture = model.preview(0, examples)
    write_png(folder / _PICTURE_FILE, picture)
    return _PICTURE_FILE


def _preview_one_way(model, direction, examples):
    """Draws real images and their translations, a pair a row, where nothing leads back."""
    images = np.asarray(examples["ab".index(direction[0])])[:_PREVIEWS]
    pairs = np.stack([images, model.translate(images, direction)], axis=1)
    return make_grid(to_uint8(pairs.reshape(-1, *images.shape[1:])), columns=2)


def _rounding(model, parts, file):
    """Reads the stored weights into a second model and compares what both make."""
    other = build(model.preset, precision=model.compute_dtype)
    storage.read_weights(file, {name: other.stored_parts[name] for name in parts})
    if hasattr(model, "translate"):
        pictures, compared = draw_patterns(_PICTURES, model.channels), f"{_PICTURES} pictures"
        names = [name for name in parts if name.startswith("generator_")]
        both = [[item.networks[name](pictures) for name in names] for item in (model, other)]
    else:
        count = _SAMPLES if max(model.image_shape) <= _LARGE else _LARGE_SAMPLES
        latents, compared = model.draw_latents(count, seed_key(0)), f"{count} samples, seed 0"
        both = [[item(latents)] for item in (model, other)]
    unit = "units" if len(both[0][0].shape) == 2 else "grey levels of 255"
    mine, theirs = (np.stack([_levels(images) for images in made]) for made in both)
    difference = np.abs(mine - theirs)
    return Rounding(float(difference.max()), float(difference.mean()), unit, compared)


def draw_patterns(count: int, channels: int) -> np.ndarray:
    """Draws always the same squares, float `(count, 64, 64, channels)` in [-1, 1]."""
    coarse = np.random.default_rng(0).uniform(-1, 1, (count, 16, 16, channels))
    return coarse.repeat(4, axis=1).repeat(4, axis=2).astype("float32")


def _levels(images):
    """Turns float images into grey levels, not rounded; leaves points alone."""
    values = np.asarray(images, "float64")
    return values if values.ndim == 2 else (np.clip(values, -1, 1) + 1) * 127.5


def _refuse_foreign(folder):
    if folder.exists() and not folder.is_dir():
        raise GanzooError(f"{folder} is a file. Name a folder for the model.")
    held = {path.name for path in folder.iterdir()} if folder.is_dir() else set()
    others = sorted(held - _WRITTEN)
    # A preset.yaml with its README.md may be what somebody wrote, of which this is the only copy.
    if others or (held and not {"preset.yaml", "SHA256SUMS"} <= held):
        raise GanzooError(
            f"{folder} exists and holds other things{f', such as {others[0]}' if others else ''}. "
            "Name a new folder, or an old model's."
        )
