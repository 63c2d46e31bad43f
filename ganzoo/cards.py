"""Cards: what a person wants to know of a preset or a model folder before using it.

They are Markdown text, made without TensorFlow.
"""

import re
from collections.abc import Iterable, Mapping
from typing import Any

from ganzoo import catalogue
from ganzoo._version import __version__
from ganzoo.cache import pin_of
from ganzoo.presets import Preset

_RECIPES = {
    "paper": "the paper's own settings",
    "official": "the settings of the authors' released code",
    "common": "the settings that people know by this name",
}
_OWN_TERMS = "a data set has terms of its own"
_NO_NOTES = "How they were trained is not recorded."
_NO_LICENCE = "not stated"
# Settings that are upper bounds, and where a score says how many there were.
_FOUND = {"subset_size": "subset_size", "images": "images_each"}
FURTHER = " Before that: "  # stands between what was done last and what the notes said before
IMPORTED = "Imported from "  # begins what is said of weights that another code base trained
RUN = "Trained for "  # begins what is said of a run, whose settings `preset.yaml` holds
# Begin what is said of a `fit` in Python, whose data and length only its caller knows.
FITTED, FITTED_FURTHER = "Trained by fit for ", "Trained further for "
# Begin what is said of weights that were loaded, which may have been trained in any precision.
_LOADED = ("From ", FITTED_FURTHER)
_TRAINED_ELSEWHERE = (
    "Its weights were trained elsewhere, with settings of their own. Those of training in "
    "`preset.yaml` are a preset's, for who trains it further."
)
_WEIGHTS = re.compile(r"^## Weights\n\n(.*?)\n\nLicence: ([^\n]*)\.$", re.DOTALL | re.MULTILINE)


def preset_card(preset: Preset) -> str:
    """Writes the card of a preset: what it is, its weights, and how to use it."""
    entry = preset.weights[0] if preset.weights else {}
    networks = catalogue.networks_of(preset, entry)
    trained = entry.get("networks") or list(networks)
    name = preset.called if entry else f"runs/{preset.name}"
    # What published weights were trained in is for their notes to say.
    settings = _settings(preset, networks, precision=not entry)
    lines = [*_head(preset), *settings, "## Weights", ""]
    for source in preset.weights:
        lines += _source(preset, source)
    if not entry:
        lines += [f"None are published. Train them: `ganzoo train {preset.called}`", ""]
    lines += _scores([score for item in preset.weights for score in item.get("scores", [])])
    lines += [*_deviations(preset), *_usage(preset, name, networks, trained)]
    return _as_text(lines)


def folder_card(
    preset: Preset,
    networks: Mapping[str, int],
    *,
    trained: Iterable[str] = (),
    notes: str = "",
    fitted: bool = False,
    licence: str = "",
    storage: str = "",
    scores: Iterable[Mapping[str, Any]] = (),
    picture: str = "",
) -> str:
    """Writes the card of a model folder.

    Args:
        preset: Its settings.
        networks: Parameters of each network.
        trained: Names of those that are trained; none for all.
        notes: How it was trained, or where its weights come from.
        fitted: Whether a `fit` in Python has trained it, whose data and length only its caller
            knows; what the notes begin with may say so too.
        licence: Of the weights.
        storage: How the weights are stored, where that is not in 32 bits.
        scores: What `ganzoo.evaluate` returned.
        picture: File name of a picture of what it makes.
    """
    trained = list(trained) or list(networks)
    elsewhere = trained_elsewhere(notes)
    lines = _head(preset, elsewhere)
    if picture:
        lines += [f"![what it makes, not chosen]({picture})", ""]
    precision = not (elsewhere or notes.startswith(_LOADED))
    otherwise = elsewhere or _by_fit(notes, fitted)
    lines += [*_settings(preset, networks, otherwise, precision), "## Weights", ""]
    licence = " ".join(licence.split()) or _NO_LICENCE  # `read_card` looks for it in one line
    lines += [notes or _NO_NOTES, "", f"Licence: {licence}.", ""]
    if not set(networks) <= set(trained):
        lines += [f"Trained networks: {', '.join(sorted(trained))}.", ""]
    lines += [storage, ""] if storage else []
    lines += [*_scores(scores), *([] if elsewhere else _deviations(preset))]
    lines += _usage(preset, "path/to/this/folder", networks, trained)
    return _as_text([*lines, f"Written by ganzoo {__version__}.", ""])


def _as_text(lines):
    """Joins lines; spells out the bytes of paths that are not UTF-8, so that all is text."""
    return "\n".join(lines).encode("utf-8", "backslashreplace").decode("utf-8")


def counted(number: int, unit: str) -> str:
    """Writes how many there are of a unit, given as "steps", which is "step" of one."""
    return f"{number:,} {unit.removesuffix('s') if number == 1 else unit}"


def read_card(text: str) -> tuple[str, str]:
    """Reads the notes and the licence back out of a model folder's card; "" where it has none."""
    match = _WEIGHTS.search(text)
    notes, licence = match.groups() if match else ("", "")
    return "" if notes == _NO_NOTES else notes, "" if licence == _NO_LICENCE else licence


def trained_elsewhere(notes: str) -> bool:
    """Says whether weights of which these are the notes come from another code base, and no run."""
    *later, first = notes.split(FURTHER)
    return first.startswith(IMPORTED) and not any(note.startswith(RUN) for note in later)


def _by_fit(notes, fitted):
    """Says whether a `fit` in Python, and no run, was the last to train weights of these notes."""
    return notes.startswith((FITTED, FITTED_FURTHER)) or (fitted and not notes.startswith(RUN))


def _head(preset, elsewhere=False):
    title = catalogue.family_title(preset.family)
    recipe = f"Recipe `{preset.recipe}`: {_RECIPES.get(preset.recipe, preset.recipe)}."
    recipe = _TRAINED_ELSEWHERE if elsewhere else recipe
    summary = [preset.summary, ""] if preset.summary else []
    return [f"# {preset.name}", "", *summary, f"{title}. <{preset.paper}>", "", recipe, ""]


def _settings(preset, networks, otherwise=False, precision=True):
    """The table of settings; without the recipe's where the weights were trained otherwise."""
    rows = {
        "images": _shape(preset),
        "parameters": ", ".join(f"{name} {count:,}" for name, count in networks.items()),
    }
    rows |= {} if otherwise else _recipe_rows(preset)
    rows["precision"] = precision and (preset.training.get("precision") or "float32")
    filled = [(name, value) for name, value in rows.items() if value]
    return [*_table(("setting", "value"), filled), ""]


def _recipe_rows(preset):
    return {
        "data": f"`{_shown(preset.data.get('source'))}`; {_OWN_TERMS}",
        "batch size": preset.training.get("batch_size"),
        "length": _length(preset),
        "seed": str(preset.training.get("seed", 0)),
    }


def _shape(preset):
    return " × ".join(map(str, catalogue.image_shape(preset)))


def _shown(source):
    return " and ".join(source) if isinstance(source, list) else source or "a folder of yours"


def _length(preset):
    for unit in ("steps", "epochs"):
        if preset.training.get(unit):
            return counted(preset.training[unit], unit)
    phases = preset.phases if isinstance(preset.phases, list) else []
    images = sum(row.get("fade_kimg", 0) + row.get("stabilize_kimg", 0) for row in phases)
    return f"{1000 * images:,.0f} images" if images else ""


def _source(preset, entry):
    size = entry.get("bytes")
    reckoned = catalogue.stored_bytes(preset, entry)
    rows = {
        "source": entry["source"],
        "hash": pin_of(entry),
        "size": catalogue.short_bytes(size or reckoned) + ("" if size else ", reckoned"),
        "networks": ", ".join(entry.get("networks") or ["all"]),
        "samples, not chosen": catalogue.shipped_picture(entry),
        "licence": entry.get("licence") or "not stated",
        "built with": ", ".join(f"{key} {value}" for key, value in entry.get("model", {}).items()),
    }
    lines = [f"- {name}: {value}" for name, value in rows.items() if value]
    return [*lines, "", *([entry["notes"], ""] if entry.get("notes") else [])]


def _scores(scores):
    rows = [(item["metric"], _number(item), _protocol(item)) for item in scores]
    if not rows:
        return []
    return ["## Scores", "", *_table(("score", "value", "protocol"), rows), ""]


def _table(head, rows):
    """Writes rows of cells in Markdown, where a bar or a line's end would begin another cell."""
    cells = [[" ".join(str(cell).split()).replace("|", "\\|") for cell in row] for row in rows]
    first, *rest = (f"| {' | '.join(row)} |" for row in (head, *cells))
    return [first, "|" + "---|" * len(head), *rest]


def _number(score):
    spread = f" ± {score['std']:.2g}" if score.get("std") else ""
    return f"{score['value']:.4g}{spread}"


def _protocol(score):
    if "protocol" in score:
        return score["protocol"]
    extractor, real, fake = (score.get(key) or {} for key in ("extractor", "real", "fake"))
    real = real or score.get("images") or {}  # where single images are compared with themselves
    parts = []
    if extractor:
        parts.append(f"{extractor['name']} (sha256 {str(extractor.get('sha256'))[:12]})")
    if score.get("resizer"):
        parts.append(f"resizer {score['resizer']}")
    if real:
        parts.append(f"{real['images']:,} real images, `{real['source']}`, split {real['split']}")
    if fake.get("images"):
        parts.append(f"{fake['images']:,} made")
    if fake.get("truncation"):
        parts.append(f"truncation {fake['truncation']}")
    settings = score.get("settings") or {}
    found = {key: score.get(_FOUND.get(key), value) for key, value in settings.items()}
    parts += [f"{key} {value}" for key, value in found.items() if value is not None]
    return ", ".join([*parts, f"seed {score.get('seed')}", f"{score.get('repeats', 1)} draw(s)"])


def _deviations(preset):
    if not preset.deviations:
        return []
    items = [f"- {item['what']}: {item['why']}" for item in preset.deviations]
    return ["## How it differs from the paper and the official code", "", *items, ""]


def _usage(preset, name, networks, trained):
    lines = ["import ganzoo", f'model = ganzoo.load("{name}")']
    if any(network.startswith("generator_") for network in networks):
        direction = "ab" if "generator_ab" in trained else "ba"
        lines += [f'model.translate("photo.jpg", direction="{direction}")  # uint8, of any size']
    else:
        shape = _shape(preset).replace(" ×", ",")
        kind = f"uint8 (16, {shape})" if shape else "float32 (16, 2)"
        lines += [f"model.generate(16, seed=1)  # {kind}"]
    return ["## How to use it", "", "```python", *lines, "```", ""]
