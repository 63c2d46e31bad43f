"""`evaluate`: a model, a source of real images and metrics, to numbers with their protocol."""

import contextlib
import sys
import types
from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
import tensorflow as tf

from ganzoo.cache import home
from ganzoo.checks import DIRECTIONS, check_unused
from ganzoo.errors import DataError, GanzooError
from ganzoo.metrics.checks import (
    CYCLE_MEASURES,
    check_apart,
    check_draws,
    check_fits,
    check_options,
    check_points,
    check_valid,
)
from ganzoo.metrics.extractors import load_extractor
from ganzoo.metrics.gathering import StatisticsCache
from ganzoo.metrics.measures import MEASURES, chosen_measures
from ganzoo.metrics.scoring import PRECISION, Scores, Scoring, resolved_settings, versions
from ganzoo.metrics.sides import (
    GeneratedImages,
    RealImages,
    TranslatedImages,
    is_opened,
    open_sides,
    same_images,
    strategy_of,
)
from ganzoo.metrics.translation import cycle_psnr, identity_error

MOST_SAMPLES = 50_000


def evaluate(
    model: Any,
    source: Any,
    metrics: Iterable[str] | str = ("fid", "kid"),
    *,
    count: int | None = None,
    real_count: int | None = None,
    seed: int = 0,
    repeats: int = 1,
    truncation: float | None = None,
    extractor: Any = None,
    weights: Any = None,
    resizer: str | None = None,
    valid: Any = None,
    image_size: int | None = None,
    resize: str | None = None,
    skip_bad: bool | None = None,
    batch_size: int = 64,
    settings: dict[str, dict[str, Any]] | None = None,
    cache: Any = True,
    progress: bool = True,
) -> Scores:
    """Scores a model against real images.

    Args:
        model: A loaded model that starts from noise, or one that translates, which is scored in
            each direction that is trained; or a dataset of `ganzoo.data.load`, to see how far
            real images are from real ones: of one source, two parts that share no image.
        source: A source string (two, or a folder of two domains, for a model that translates),
            or a dataset of `ganzoo.data.load`.
        metrics: Among fid, kid, inception_score, precision_recall, density_coverage,
            duplicates, path_length, swd, ms_ssim, modes, parzen; and for a model that
            translates cycle_psnr and identity_error.
        count: Samples to draw; as many as there are real images, at most 50,000, by default;
            path_length and parzen have settings for it, `pairs` and `samples`. A model that
            translates is scored on all images of its sources, or `real_count`.
        real_count: A random part of the real images; all of them by default.
        seed: Decides samples, subsets and patches.
        repeats: Draws samples so many times, with seeds counted up from `seed`.
        truncation: As in `generate`.
        extractor: As in `ganzoo.metrics.extractors.load_extractor`: "inception", the default,
            "lenet_mnist", "lenet_fashion_mnist", a folder with a SavedModel, or a Keras model.
            Only Inception's distance is a FID.
        weights: The extractor's local file.
        resizer: How images get to the extractor's size: `legacy_tensorflow`, `legacy_pytorch`
            or `clean`.
        valid: Source of validation images, for `parzen`; other ones than those of `source`.
        image_size: Side of the images; the model's or its preset's by default. Like the next
            two it is for source strings: a dataset was opened with its own.
        resize: How a source is brought to it; as the preset, or a dataset in the model's place,
            says, or `crop`, by default.
        skip_bad: Leave out pictures that cannot be read; as the preset says by default.
        batch_size: Images a call.
        settings: Settings of single metrics, such as `{"kid": {"subsets": 50}}`.
        cache: Keeps statistics of real images: True for ganzoo's own folder, a folder, False.
        progress: Shows a bar where standard error is a terminal.

    Returns:
        For each score a dict: `metric`, `value`, `std` over the repeats, `extractor` and
        `resizer` where it has one, `real` and `fake` with their numbers of images, splits,
        shapes and hashes, `seed`, `precision`, versions. What else differs from one draw to the
        next, such as `levels` of swd, is a list with one for each of `values`. `json_lines`
        writes them.

    Raises:
        GanzooError: An unknown metric or setting, one that the model cannot have, or an option
            that nothing of what is measured has a use for.
        DataError: The source cannot be read, gives images of another size than the model's, or
            is that of the validation images too.
        WeightsError: The extractor's weights are not to be had, or other networks of the model
            are trained and what makes its images is not.

    Warns:
        UserWarning: Fewer than 2,048 images on a side, or fewer than the features' columns.
    """
    names = chosen_measures(metrics, CYCLE_MEASURES)
    table = [name for name in names if name in MEASURES]
    scoring = Scoring(
        table, resolved_settings(names, settings or {}), seed=seed, batch_size=batch_size
    )
    check_fits(model, names)
    check_draws(model, names, seed, repeats, count, real_count, truncation)
    check_options(names, valid, extractor=extractor, weights=weights, resizer=resizer)

    view: dict[str, Any] = {"image_size": image_size, "resize": resize, "skip_bad": skip_bad}
    if is_opened(source) and (valid is None or is_opened(valid)):
        check_unused("a dataset, which was opened with settings of its own,", **view)
    reals = open_sides(model, source, batch_size, limit=real_count, seed=seed, **view)
    check_points(model, reals[0], names)
    if valid is not None:
        scoring.valid = open_sides(model, valid, batch_size, seed=seed, **view)[0]
        check_valid(scoring.valid, reals[0])
    if cache:
        scoring.cache = StatisticsCache(home() / "statistics" if cache is True else cache)
    with _full_precision(), _bar(progress) as scoring.advance:
        if any(MEASURES[name].extracted for name in table):
            with (strategy_of(model) or tf.distribute.get_strategy()).scope():
                scoring.extractor = load_extractor(
                    "inception" if extractor is None else extractor,
                    weights=weights,
                    resizer=resizer,
                )
        if hasattr(model, "translate"):
            return _score_translation(model, reals, scoring, names)
        if len(reals) != 1:
            raise DataError("Two sources are for models that translate. Give one source.")
        samples = count if count is not None else min(reals[0].count, MOST_SAMPLES)
        draws = [_samples(model, samples, seed + turn, truncation) for turn in range(repeats)]
        return scoring.score(reals[0], [_apart(draw, reals[0], table) for draw in draws])


def _samples(model, count, seed, truncation):
    """The side that a model, or a dataset in its place, shows."""
    if hasattr(model, "draw_latents"):
        return GeneratedImages(model, count, seed, truncation)
    if hasattr(model, "stream"):
        return RealImages(model.stream, min(count, model.stream.count), seed)
    raise GanzooError(
        f"{type(model).__name__} neither starts from noise nor translates. Give a model of "
        "ganzoo.load, or a dataset of ganzoo.data.load."
    )


def _apart(side, real, names):
    """Gives a side that shares no image with the real one, where the two are compared."""
    compared = any(MEASURES[name].real for name in names)
    if not compared or not isinstance(side, RealImages):
        return side
    if not same_images(side.stream, real.stream):
        return side
    check_apart(side, real)
    return RealImages(side.stream, side.count, real.seed, from_end=True)


def _score_translation(model, reals, scoring: Scoring, names) -> Scores:
    """Scores each trained direction, in the order of `names`; a score's ends in its direction."""
    if len(reals) != 2:
        raise DataError(
            "A model that translates needs images of both its domains. Give two sources, or "
            "FOLDER:test for the testA and testB of a folder."
        )
    scores: Scores = {}
    for direction in model.directions:
        originals, real = reals if direction == "ab" else reversed(reals)
        found: Scores = {}
        if scoring.measures:
            found = scoring.score(real, [TranslatedImages(model, originals, direction)])
        for name in names:
            if name in CYCLE_MEASURES:
                found[name] = _cycle_score(model, name, direction, originals, real, scoring)
        for name in sorted(found, key=lambda name: names.index(scoring.measure_of.get(name, name))):
            title = f"{name}_{direction}"
            scores[title] = found[name] | {"metric": title, "direction": direction}
    return scores


def _cycle_score(model, name, direction, originals, real, scoring: Scoring) -> dict[str, Any]:
    """Averages a measure of single images: there and back from `originals`, or `real` kept."""
    images = originals if name == "cycle_psnr" else real
    total, shape = 0.0, []
    for batch in images.batches(scoring.batch_size):
        if name == "cycle_psnr":
            value = cycle_psnr(batch, np.asarray(model.reconstruct(batch, direction)))
        else:
            value = identity_error(batch, np.asarray(model.translate(batch, direction=direction)))
        total += value * len(batch)
        shape = list(batch.shape[1:])
        scoring.advance(f"{name} {direction}", len(batch), images.count)
    return {
        "value": total / images.count,
        "std": None,
        "repeats": 1,
        "images": images.stamp() | {"shape": shape},
        "fake": _makers(model, name, images, direction),
        "seed": scoring.seed,
        # Of no network but the model's own, whose precision is beside its hash.
        "precision": {"statistics": PRECISION["statistics"]},
    } | versions()


def _makers(model, name, images, direction):
    """The stamp of the generators that made what was compared, with the hash of the way back."""
    there = TranslatedImages(model, images, direction).stamp()
    fake = {key: there[key] for key in ("model", "sha256", "precision", "direction")}
    if name == "cycle_psnr":
        (back,) = set(DIRECTIONS) - {direction}
        fake["back_sha256"] = TranslatedImages(model, images, back).stamp()["sha256"]
    return fake


@contextlib.contextmanager
def _full_precision() -> Iterator[None]:
    """Keeps GPUs from rounding float32 products to TensorFloat-32 while features are taken."""
    before = tf.config.experimental.tensor_float_32_execution_enabled()
    tf.config.experimental.enable_tensor_float_32_execution(False)
    try:
        yield
    finally:
        tf.config.experimental.enable_tensor_float_32_execution(before)


@contextlib.contextmanager
def _bar(wanted: bool) -> Iterator[Any]:
    """Shows progress on a terminal's standard error; yields what is told of each batch."""
    from rich.console import Console
    from rich.progress import MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    console = Console(stderr=True)
    columns = (*Progress.get_default_columns()[:2], MofNCompleteColumn(), TimeRemainingColumn())
    bar = Progress(
        *columns,
        TextColumn("images"),
        console=console,
        transient=True,
        disable=not (wanted and console.is_terminal),
    )
    tasks: dict[str, Any] = {}

    def advance(what: str, done: int, total: int) -> None:
        if what not in tasks:
            tasks[what] = bar.add_task(what, total=total)
        elif bar.tasks[tasks[what]].finished:  # the other direction, or another draw
            bar.reset(tasks[what], total=total)
        bar.advance(tasks[what], done)

    with bar:
        yield advance


class _CallableModule(types.ModuleType):
    """This module, callable: `ganzoo.evaluate` is the function whichever way it was imported.

    Python binds a submodule to its package's attribute of the same name.
    """

    def __call__(self, *args: Any, **settings: Any) -> Scores:
        return evaluate(*args, **settings)


sys.modules[__name__].__class__ = _CallableModule
