"""Choices that are made by measurement, once, when a run begins."""

import statistics
import time

import tensorflow as tf

from ganzoo import presets, zoo
from ganzoo.training.settings import read_settings

_STEPS = 5
AUTO = "auto"


def decide_jit(settings, dataset, out) -> str:
    """Times the training step with and without XLA; gives "on" or "off".

    A run that goes on keeps what it began with. It is "off" under several replicas, since XLA
    cannot be used there, and where the step fails with it, as on a device that XLA does not know.
    """
    before = read_settings(settings, out)
    if before is not None:
        return before.training.get("jit", "off")
    if tf.distribute.get_strategy().num_replicas_in_sync > 1:
        return "off"
    try:
        seconds = {choice: step_seconds(settings, dataset, choice) for choice in ("off", "on")}
    except tf.errors.OpError:  # without XLA too: then the run itself says what to do
        return "off"
    return min(seconds, key=lambda choice: seconds[choice])


def restore_batch_sizes(settings, out) -> None:
    """Gives a run that goes on the batch sizes that memory decided when it began."""
    before = read_settings(settings, out)
    for row, old in zip(settings.phases or [], (before and before.phases) or [], strict=False):
        if row.get("batch_size") == AUTO and isinstance(old.get("batch_size"), int):
            row["batch_size"] = old["batch_size"]


def record_batch_sizes(settings, model) -> None:
    """Puts the batch sizes that memory decided where the settings leave them to it."""
    stages = model.schedule.stages if settings.phases else []
    for row, stage in zip(settings.phases or [], stages, strict=True):
        if row.get("batch_size") == AUTO:
            row["batch_size"] = stage.batch_size


def step_seconds(settings, dataset, jit: str) -> float:
    """Measures the median time of a training step of a throw-away model, at its largest stage."""
    trial = presets.override(settings, {"training.jit": jit})
    model = zoo.build(trial)
    model.check_batch(dataset.stream.element_spec)
    model.prepare(settings.training["batch_size"])
    if hasattr(model, "growth"):  # the steps of its first resolutions take next to no time
        model.growth.images_seen.assign(model.schedule.images)
    size, _ = model.begin_stage(0, settings.training["batch_size"])
    step = model.step_function()
    iterator = iter(dataset.stream.with_batch_size(size).dataset(0))
    step(iterator, 1)
    times = []
    for _ in range(_STEPS):
        began = time.perf_counter()
        step(iterator, 1)[0].numpy()
        times.append(time.perf_counter() - began)
    return statistics.median(times)
