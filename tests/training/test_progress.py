"""The lines that a run without a terminal writes."""

import io
import types
import unittest.mock

from rich.console import Console

from ganzoo.training.progress import RunProgress, _Rate


def test_a_line_tells_the_rate_and_the_time_left(monkeypatch):
    lines = lines_of(monkeypatch, seconds_a_step=40, steps=3, batch_size=4, length=1000)
    assert lines[0] == "step 1/1000  generator 0.500"  # the first step, which compiles
    assert lines[1] == "step 2/1000  0.1 images/s  11 h 06 min left  generator 0.500"


def test_lines_come_soon_then_every_half_minute_and_at_the_end(monkeypatch):
    lines = lines_of(monkeypatch, seconds_a_step=0.25, steps=200, batch_size=100, length=200)
    assert lines == [
        "step 20/200  400 images/s  50 s left  generator 0.500",
        "step 140/200  400 images/s  20 s left  generator 0.500",
        "step 200/200  400 images/s  generator 0.500",
    ]


def test_the_first_line_names_the_devices(monkeypatch):
    options = {"seconds_a_step": 1, "steps": 1, "batch_size": 4, "length": 10}
    lines = lines_of(monkeypatch, **options, devices="8 GPUs (NVIDIA A100)")
    assert lines == ["Training on 8 GPUs (NVIDIA A100).", "step 1/10  generator 0.500"]


def test_steps_are_counted_where_their_batches_grow_smaller(monkeypatch):
    lines = lines_of(
        monkeypatch, seconds_a_step=1, steps=60, batch_size=4, length=600, seen=1_000_000
    )
    assert lines[0] == "step 5/600  4.0 images/s  10 min left  generator 0.500"


def test_a_pause_for_a_score_is_not_taken_for_the_pace():
    rate, clock = _Rate(), 0.0
    for position in range(0, 100_000, 100):
        clock += 0.05
        rate.marks.append((clock, position))
    with unittest.mock.patch("ganzoo.training.progress.time.monotonic", return_value=clock + 10):
        assert 1500 < rate.update(100_000) < 2000


def test_of_slow_steps_the_last_twenty_tell_the_pace():
    rate, clock = _Rate(), 0.0
    for step in range(40):
        clock += 200 if step == 35 else 10  # a pause of more than a minute among them
        rate.marks.append((clock, step))
    with unittest.mock.patch("ganzoo.training.progress.time.monotonic", return_value=clock + 10):
        assert rate.update(40) == 19 / (18 * 10 + 200)


def test_a_run_with_nothing_left_to_train_says_so(monkeypatch):
    options = {"seconds_a_step": 1, "steps": 0, "batch_size": 4, "length": 2000}
    lines = lines_of(monkeypatch, **options, devices="1 CPU", taken=3000)
    assert lines == [
        "The run has taken 3,000 steps: nothing is left to train. "
        "Ask for a greater length to go on."
    ]


def lines_of(
    monkeypatch, *, seconds_a_step, steps, batch_size, length, devices="", seen=0, taken=0
):
    """Gives what is written of some steps of a run."""
    state = types.SimpleNamespace(position=seen, values={"generator_loss": 0.5, "game_value": 1.0})
    model = types.SimpleNamespace(fit_state=state, steps_taken=taken)
    clock = types.SimpleNamespace(monotonic=lambda: model.steps_taken * seconds_a_step)
    monkeypatch.setattr("ganzoo.training.progress.time", clock)
    out = io.StringIO()
    progress = RunProgress(length, console=Console(file=out, width=80), devices=devices)
    progress.set_model(model)
    progress.on_train_begin()
    for _ in range(steps):
        model.steps_taken += 1
        state.position += batch_size
        progress.on_train_batch_end(0)
    progress.on_train_end()
    return out.getvalue().splitlines()
