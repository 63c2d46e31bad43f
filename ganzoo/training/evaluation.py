"""Scores during training, and the best model so far."""

import inspect
import math
import pathlib

import keras

import ganzoo.evaluate as scoring
from ganzoo import zoo
from ganzoo.checks import check_choice, check_whole
from ganzoo.errors import TrainingError
from ganzoo.metrics.checks import check_counts, check_options
from ganzoo.metrics.extractors import load_extractor
from ganzoo.training.intervals import Interval
from ganzoo.training.logs import read_log

# What a score's name begins with where more of it is better; of all others less is.
_HIGHER_IS_BETTER = (
    "inception_score",
    "class_score",
    "precision",
    "recall",
    "density",
    "coverage",
    "cycle_psnr",
    "modes_hit",
    "good_points",
    "parzen",
)

_OPTIONS = set(inspect.signature(scoring.evaluate).parameters) - {"model", "metrics", "progress"}


class Evaluations(keras.callbacks.Callback):
    """Evaluates at an interval, writes the scores down, and keeps the best model in `best/`.

    Args:
        folder: The run folder.
        settings: The run's preset: `evaluate_every`; `evaluate_metrics`; `evaluate_options`,
            the arguments of `ganzoo.evaluate`, where a `source` is scored against in place of
            the images of training; and `evaluate_best`, the score that decides what is best,
            by default the first of the first metric.
        log: The run's `MetricsLog`.

    Raises:
        GanzooError: A metric or an option is unknown or of no use, or an extractor cannot be had.
    """

    def __init__(self, folder, settings, log):
        super().__init__()
        training = settings.training
        self.folder = pathlib.Path(folder)
        self.interval = Interval(training["evaluate_every"])
        self.metrics = training.get("evaluate_metrics") or ["fid"]
        self.decides = training.get("evaluate_best")
        self.options = dict(training.get("evaluate_options") or {})
        self.source = self.options.pop("source", settings.data["source"])
        self.log = log
        self.best = math.nan
        self._check_options()
        self._load_extractor()

    def on_train_begin(self, logs=None):
        step = self.model.steps_taken
        self.interval.start(step)
        scored = {line["step"]: line["best"] for line in read_log(self.log.path) if "best" in line}
        best = next(reversed(scored.values()), None)
        self.best = math.nan if best is None else best  # a NaN is null in the log
        if step and step % self.interval.every == 0 and step not in scored:
            self._evaluate()  # which the end of the run before this one cut short

    def _check_options(self):
        for key, value in self.options.items():
            check_choice(
                f"There is no option training.evaluate_options.{key}", key, sorted(_OPTIONS)
            )
            if key in ("count", "real_count") and value is not None:
                check_whole(f"training.evaluate_options.{key}", value)

    def _load_extractor(self):
        names = scoring.chosen_measures(self.metrics, scoring.CYCLE_MEASURES)
        measures = [scoring.MEASURES[name] for name in names if name in scoring.MEASURES]
        given = {key: self.options.pop(key, None) for key in ("extractor", "weights", "resizer")}
        check_options(names, self.options.get("valid"), **given)
        check_counts(names, *map(self.options.get, ("count", "real_count", "truncation")))
        if any(measure.extracted for measure in measures):
            network = given.pop("extractor") or "inception"
            self.options["extractor"] = load_extractor(network, **given)

    def on_train_batch_end(self, batch, logs=None):
        if self.interval.passed(self.model.steps_taken):
            self._evaluate()

    def _evaluate(self):
        scores = scoring.evaluate(
            self.model, self.source, self.metrics, progress=False, **self.options
        )
        values = {name: float(score["value"]) for name, score in scores.items()}
        first = self.decides or next(iter(values))
        if first not in values:
            raise TrainingError(
                f"training.evaluate_best is {first!r}, which is not among the scores: "
                f"{', '.join(values)}. Name one of them."
            )
        if _better(first, values[first], self.best):
            self.best = values[first]
            notes = (
                f"The best of its run by {first}, {self.best:.4g}, at step "
                f"{self.model.steps_taken}."
            )
            zoo.save(self.model, self.folder / "best", notes=notes)
        self.log.write(values | {"best": self.best})


def _better(metric, value, best):
    """Says whether a score is better than the best; any number is better than none or a NaN."""
    if math.isnan(best):
        return not math.isnan(value)
    return value > best if metric.startswith(_HIGHER_IS_BETTER) else value < best
