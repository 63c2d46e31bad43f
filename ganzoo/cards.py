"""The card of a model folder: what a person wants to know before using it."""

import pathlib

from ganzoo._version import __version__
from ganzoo.pictures import write_png


def write_card(folder, model, notes: str = "") -> None:
    """Writes `README.md` and, for models that start from noise, a grid of samples."""
    folder = pathlib.Path(folder)
    preset = model.preset
    lines = [
        f"# {preset.name}",
        "",
        f"A {type(model).__name__} of ganzoo, after <{preset.paper}>, recipe `{preset.recipe}`.",
        "",
    ]
    if hasattr(model, "generate") and hasattr(model, "latent_dim"):
        write_png(folder / "samples.png", model.preview(seed=0))
        lines += ["![samples, seed 0, not chosen](samples.png)", ""]
    lines += ["## How it was trained", "", notes or "Nothing is recorded.", "", *_table(preset)]
    lines += _deviations(preset)
    lines += ["## How to use it", "", "```python", *_usage(model), "```", ""]
    lines += [f"Written by ganzoo {__version__}.", ""]
    (folder / "README.md").write_text("\n".join(lines), encoding="utf-8")


def _table(preset):
    rows = {
        "data": preset.data.get("source"),
        "batch size": preset.training.get("batch_size"),
        "seed": preset.training.get("seed", 0),
        "precision": preset.training.get("precision", "float32"),
    }
    return [
        "| setting | value |",
        "|---|---|",
        *(f"| {name} | `{value}` |" for name, value in rows.items()),
        "",
    ]


def _deviations(preset):
    if not preset.deviations:
        return []
    items = [f"- {item['what']}: {item['why']}" for item in preset.deviations]
    return ["## How it differs from the paper and the official code", "", *items, ""]


def _usage(model):
    lines = ["import ganzoo", 'model = ganzoo.load("path/to/this/folder")']
    if hasattr(model, "translate"):
        return [*lines, 'model.translate("photo.jpg", direction="ab")  # uint8']
    return [*lines, "model.generate(16, seed=1)  # uint8 (16, h, w, c)"]
