"""Scores during training, and the best model so far."""

import pathlib

import keras

import ganzoo.evaluate as scoring
from ganzoo import zoo
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


class Evaluations(keras.callbacks.Callback):
    """Evaluates at an interval, writes the scores down, and keeps the best model in `best/`.

    The first of the metrics decides what is best.

    Args:
        folder: The run folder.
        settings: The run's preset: `evaluate_every`, `evaluate_metrics`, and
            `evaluate_options`, the arguments of `ganzoo.evaluate`; a `source` among them is
            scored against in place of the images of training.
        log: The run's `MetricsLog`.
    """

    def __init__(self, folder, settings, log):
        super().__init__()
        training = settings.training
        self.folder = pathlib.Path(folder)
        self.interval = Interval(training["evaluate_every"])
        self.metrics = training.get("evaluate_metrics") or ["fid"]
        self.options = dict(training.get("evaluate_options") or {})
        self.source = self.options.pop("source", settings.data["source"])
        self.log = log
        self.best = None

    def on_train_begin(self, logs=None):
        self.interval.start(self.model.steps_taken)
        for line in read_log(self.log.path):
            if "best" in line:
                self.best = line["best"]

    def on_train_batch_end(self, batch, logs=None):
        if self.interval.passed(self.model.steps_taken):
            self._evaluate()

    def _evaluate(self):
        if isinstance(self.options.get("extractor"), str):
            self.options["extractor"] = load_extractor(self.options["extractor"])
        scores = scoring.evaluate(
            self.model, self.source, self.metrics, progress=False, **self.options
        )
        values = {score["metric"]: float(score["value"]) for score in scores.values()}
        first, value = next(iter(values.items()))
        if self.best is None or _better(first, value, self.best):
            self.best = value
            notes = (
                f"The best of its run by {first}, {value:.4g}, at step {self.model.steps_taken}."
            )
            zoo.save(self.model, self.folder / "best", notes=notes)
        self.log.write(values | {"best": self.best})


def _better(metric, value, best):
    return value > best if metric.startswith(_HIGHER_IS_BETTER) else value < best
