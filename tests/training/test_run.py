"""`train`: the run folder, what may change on the way, scores, and XLA by measurement."""

import json

import numpy as np
import pytest
from PIL import Image

from ganzoo import presets, zoo
from ganzoo.errors import TrainingError
from ganzoo.training import evaluation, train
from ganzoo.training.logs import read_log

TINY = {
    "model.generator_units": [8, 8],
    "model.discriminator_units": [8, 8],
    "training.batch_size": 16,
    "training.checkpoint_every": 20,
    "training.sample_every": 20,
}


def run(out, steps=40, **options):
    overrides = TINY | options.pop("overrides", {})
    return train("gan_ring", out=out, steps=steps, overrides=overrides, progress=False, **options)


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """One run of 40 steps, scored every 20."""
    out = tmp_path_factory.mktemp("runs") / "ring"
    scored = {"training.evaluate_every": 20, "training.evaluate_metrics": ["modes"]}
    model = run(out, overrides=scored | {"training.evaluate_options": {"count": 200}})
    return out, model


def test_the_folder_holds_all_of_the_run(finished):
    out, model = finished
    names = {path.name for path in out.iterdir()}
    assert names == {
        "best", "checkpoints", "data.json", "metrics.jsonl", "model", "preset.yaml", "samples",
        "samples.gif", "tensorboard",
    }  # fmt: skip
    samples = sorted(path.name for path in (out / "samples").iterdir())
    assert samples == [f"step-{step:08d}.png" for step in (0, 20, 40)]
    with Image.open(out / "samples.gif") as film:
        assert film.n_frames == 3
    settings = presets.parse_preset((out / "preset.yaml").read_text(), name="x", origin="x")
    assert settings.training["steps"] == 40
    assert settings.training["seed"] == 0
    loaded = zoo.load(out)
    np.testing.assert_array_equal(loaded.generate(5, seed=1), model.generate(5, seed=1))


def test_each_step_is_logged_once_and_scores_with_it(finished):
    lines = read_log(finished[0] / "metrics.jsonl")
    scores = [line for line in lines if "best" in line]
    assert [line["step"] for line in scores] == [20, 40]
    assert json.dumps(lines)


@pytest.mark.parametrize(
    ("metric", "expected"),
    [("frechet_lenet_mnist", 20), ("fid_ab", 20), ("parzen", 40), ("modes_hit", 40)],
)
def test_the_best_model_is_that_of_the_best_score(metric, expected, tmp_path, monkeypatch):
    sources = []

    def evaluate(model, source, metrics, **options):
        sources.append(source)
        value = float(model.steps_taken)
        return {metric: {"metric": metric, "value": value}}

    monkeypatch.setattr(evaluation.scoring, "evaluate", evaluate)
    settings = {
        "training.evaluate_every": 20,
        "training.evaluate_metrics": [metric],
        "training.evaluate_options": {"source": "grid25"},
    }
    run(tmp_path / "run", overrides=settings)
    assert f"at step {expected}." in (tmp_path / "run" / "best" / "README.md").read_text()
    assert sources == ["grid25", "grid25"]


def test_a_longer_run_goes_on_and_cuts_no_step_twice(finished, tmp_path):
    unbroken = run(tmp_path / "unbroken", steps=60)
    run(tmp_path / "parts", steps=25)
    continued = run(tmp_path / "parts", steps=60)
    for one, other in zip(unbroken.variables, continued.variables, strict=True):
        np.testing.assert_array_equal(one.numpy(), other.numpy())


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"seed": 3}, "training.seed 0, and now it is 3"),
        ({"precision": "bfloat16"}, "training.precision 'float32', and now it is 'bfloat16'"),
        ({"data_source": "grid25"}, "data.source 'ring8', and now it is 'grid25'"),
    ],
)
def test_other_settings_than_the_runs_are_refused(changes, message, finished):
    with pytest.raises(TrainingError, match=message):
        run(finished[0], **changes)


def test_other_images_under_the_same_name_are_refused(tmp_path):
    points = np.random.default_rng(0).normal(size=(64, 2)).astype("float32")
    np.save(tmp_path / "points.npy", points)
    run(tmp_path / "run", steps=2, data_source=tmp_path / "points.npy")
    np.save(tmp_path / "points.npy", points[::-1])
    with pytest.raises(TrainingError, match="holds a run on other data: sources"):
        run(tmp_path / "run", steps=4, data_source=tmp_path / "points.npy")


def test_a_folder_with_other_things_is_left_alone(tmp_path):
    (tmp_path / "thesis.tex").write_text("mine")
    with pytest.raises(TrainingError, match="exists and holds other things. Name a new folder"):
        run(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.tex"]


@pytest.mark.parametrize(
    ("length", "message"),
    [
        ({"steps": 0}, "length is 0 steps. It has to be 1 or more"),
        ({"steps": 5, "epochs": 2}, "Both steps .5. and epochs .2. are given"),
    ],
)
def test_senseless_lengths_are_refused(length, message, tmp_path):
    with pytest.raises(TrainingError, match=message):
        run(tmp_path / "run", **length)
    assert not (tmp_path / "run").exists()


def test_jit_auto_is_measured_once_and_written_down(tmp_path, monkeypatch):
    seconds = {"off": 2.0, "on": 1.0}
    monkeypatch.setattr(
        "ganzoo.training.tuning.step_seconds", lambda settings, dataset, jit: seconds[jit]
    )
    run(tmp_path / "run", steps=2, jit="auto")
    text = (tmp_path / "run" / "preset.yaml").read_text()
    assert presets.parse_preset(text, name="x", origin="x").training["jit"] == "on"
    seconds["on"] = 3.0  # what is written down holds
    model = run(tmp_path / "run", steps=4, jit="auto")
    assert model.jit_compile is True


def test_the_step_is_really_timed(tmp_path):
    model = run(tmp_path / "run", steps=2, jit="auto")
    assert model.jit_compile in (True, False)
