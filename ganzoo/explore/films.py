"""The film of a training run: its sample grids, with its losses below."""

import pathlib

import numpy as np
from PIL import Image

from ganzoo.checks import check_choice, check_unused, check_whole
from ganzoo.errors import GanzooError
from ganzoo.explore import drawing
from ganzoo.training.logs import read_log
from ganzoo.training.samples import list_samples, step_of_sample

_WIDTH = 480
_NOT_CURVES = ("step", "epoch", "epoch_end", "images_seen")
_MOST_CURVES = 4


def read_run(folder, names=None):
    """Reads the pictures and the numbers of a run.

    Args:
        folder: A run folder.
        names: Of the numbers to take; the losses by default, four at most.

    Returns:
        Steps of the pictures, their paths, and name → `(steps, values)`, where it was reported;
        values that were not finite are NaN.

    Raises:
        GanzooError: It is no run folder with pictures, or has no such number.
    """
    folder = pathlib.Path(folder)
    paths = list_samples(folder / "samples")
    if not paths:
        raise GanzooError(
            f"{folder} holds no samples/step-….png. Name the folder of a training run."
        )
    lines = [line for line in read_log(folder / "metrics.jsonl") if "epoch_end" not in line]
    known = list(dict.fromkeys(name for line in lines for name in line if name not in _NOT_CURVES))
    if names is None:
        losses = [name for name in known if name.endswith("_loss")]
        totals = [name for name in losses if name in ("discriminator_loss", "generator_loss")]
        names = (totals + [name for name in losses if name not in totals])[:_MOST_CURVES]
    for name in names:
        check_choice(f"The run in {folder} has no number {name!r}", name, known)
    # Losses and scores have lines of their own, which are no gaps in the curves of the others.
    reported = {name: [line for line in lines if name in line] for name in names}
    series = {
        name: ([line["step"] for line in own], [_number(line[name]) for line in own])
        for name, own in reported.items()
    }
    return [step_of_sample(path) for path in paths], paths, series


def draw_training(folder, *, out, names=None, frames=None):
    """Writes a run's film: each picture with the curves up to its step.

    Args:
        folder: A run folder.
        out: A `.gif`, or a `.png` of the last frame.
        names: Of the curves; the losses by default.
        frames: Most frames of a film, 100 by default; pictures are left out evenly.

    Returns:
        The steps shown, and the curves as `read_run` gives them.

    Raises:
        GanzooError: As `read_run`, or `frames` is below 1 or given for a `.png`.
    """
    film = drawing.is_film(out)
    if not film:
        check_unused("a picture of the last frame", frames=frames)
    frames = 100 if frames is None else frames
    check_whole("The number of frames", frames)
    steps, paths, series = read_run(folder, names)
    chosen = np.unique(np.linspace(0, len(steps) - 1, min(frames, len(steps))).round().astype(int))
    if not film:
        chosen = chosen[-1:]
    last = steps[chosen[-1]]
    size = _open(paths[chosen[-1]]).size
    pages = []
    for index in chosen:
        picture = _open(paths[index]).resize(size, Image.Resampling.NEAREST)
        shown, title = drawing.fit(np.asarray(picture), _WIDTH), f"step {steps[index]:,}"
        if not series:  # a run of fewer steps than lie between two lines of its log
            pages.append(drawing.table([[shown]], title=title))
            continue
        curves = drawing.curves(
            series,
            width=_WIDTH + 12,
            x_range=(0, max(last, 1)),
            y_range=_usual_range(series),
            until=steps[index],
            title=title,
        )
        pages.append(drawing.table([[shown], [curves]]))
    drawing.write_picture(out, [*pages, *pages[-1:] * (5 if len(pages) > 1 else 0)])
    return [steps[index] for index in chosen], series


def _open(path):
    with Image.open(path) as picture:
        return picture.convert("RGB")


def _usual_range(series):
    """Leaves out the one hundredth of the values on each side, so that a peak hides nothing."""
    values = [value for _, ys in series.values() for value in ys if np.isfinite(value)]
    if not values:
        return (0.0, 1.0)
    low, high = np.quantile(values, [0.01, 0.99])
    return (float(low), float(high)) if high > low else (float(low) - 0.5, float(low) + 0.5)


def _number(value):
    return float("nan") if value is None else float(value)
