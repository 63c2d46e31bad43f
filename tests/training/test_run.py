"""`train`: the run folder, what may change on the way, scores, and XLA by measurement."""

import contextlib
import dataclasses
import json
import math
import pathlib
import re
import shutil
import signal

import filelock
import keras
import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from ganzoo import presets, zoo
from ganzoo.errors import GanzooError, TrainingError, WeightsError
from ganzoo.models.gan.model import VanillaGAN
from ganzoo.models.progan.model import ProgressiveGAN
from ganzoo.training import HealthCheck, evaluation, train
from ganzoo.training.logs import read_log
from ganzoo.training.run import _warn_of_young_average
from ganzoo.training.settings import open_data, run_settings
from ganzoo.training.stopping import GracefulStop, Interrupted
from ganzoo.training.tuning import step_seconds
from tests.models.conformance import tiny_preset

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


def as_before_its_first_checkpoint(out):
    """Leaves of a run what one has that was killed early."""
    for name in ("checkpoints", "model"):
        shutil.rmtree(out / name)


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
        ".lock", "best", "checkpoints", "data.json", "metrics.jsonl", "model", "preset.yaml",
        "samples", "samples.gif", "tensorboard",
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


def scored_with(values, monkeypatch):
    """Has `evaluate` give these scores; returns what it is called with."""
    calls = []

    def evaluate(model, source, metrics, **options):
        calls.append({"source": source, "step": model.steps_taken} | options)
        scores = values(float(model.steps_taken))
        return {name: {"metric": name, "value": value} for name, value in scores.items()}

    monkeypatch.setattr(evaluation.scoring, "evaluate", evaluate)
    return calls


@pytest.mark.parametrize(
    ("score", "expected"),
    [("frechet_lenet_mnist", 20), ("fid_ab", 20), ("parzen", 40), ("modes_hit", 40)],
)
def test_the_best_model_is_that_of_the_best_score(score, expected, tmp_path, monkeypatch):
    calls = scored_with(lambda step: {score: step}, monkeypatch)
    settings = {
        "training.evaluate_every": 20,
        "training.evaluate_metrics": ["modes"],
        "training.evaluate_options": {"source": "grid25"},
    }
    run(tmp_path / "run", overrides=settings)
    assert f"at step {expected}." in (tmp_path / "run" / "best" / "README.md").read_text()
    assert [call["source"] for call in calls] == ["grid25", "grid25"]


@pytest.mark.parametrize("score", ["frechet_lenet_mnist", "parzen"])
def test_a_score_that_is_no_number_is_no_best(score, tmp_path, monkeypatch):
    scored_with(lambda step: {score: step if step == 20 else math.nan}, monkeypatch)
    settings = {"training.evaluate_every": 10, "training.evaluate_metrics": ["modes"]}
    out = tmp_path / "run"
    run(out, steps=10, overrides=settings)
    assert not (out / "best").exists()
    run(out, steps=30, overrides=settings)
    assert f"by {score}, 20, at step 20." in (out / "best" / "README.md").read_text()
    lines = [line for line in read_log(out / "metrics.jsonl") if "best" in line]
    assert [(line["step"], line["best"]) for line in lines] == [(10, None), (20, 20.0), (30, 20.0)]


def test_any_score_may_decide_what_is_best(tmp_path, monkeypatch):
    scored_with(lambda step: {"fid_ab": step, "fid_ba": -step}, monkeypatch)
    settings = {"training.evaluate_every": 20, "training.evaluate_metrics": ["modes"]}
    run(tmp_path / "run", overrides=settings | {"training.evaluate_best": "fid_ba"})
    assert "by fid_ba, -40, at step 40." in (tmp_path / "run" / "best" / "README.md").read_text()
    with pytest.raises(TrainingError, match="evaluate_best is 'kid', which is not among the sco"):
        run(tmp_path / "other", overrides=settings | {"training.evaluate_best": "kid"})


def test_an_extractor_that_no_score_needs_is_refused_before_the_first_step(tmp_path):
    settings = {
        "training.evaluate_every": 20,
        "training.evaluate_metrics": ["modes"],
        "training.evaluate_options": {"extractor": "lenet_mnist"},
    }
    message = r"extractor is 'lenet_mnist', and what is measured \(modes\) has no use for it. Leave"
    with pytest.raises(GanzooError, match=message):
        run(tmp_path / "run", overrides=settings)


def test_scores_that_a_kill_cut_short_are_made_when_the_run_goes_on(tmp_path, monkeypatch):
    calls = scored_with(lambda step: {"modes_hit": step}, monkeypatch)
    settings = {"training.evaluate_every": 20, "training.evaluate_metrics": ["modes"]}
    run(tmp_path / "run", steps=20)  # as if killed after its checkpoint
    run(tmp_path / "run", steps=30, overrides=settings)
    assert [call["step"] for call in calls] == [20]
    run(tmp_path / "run", steps=40, overrides=settings)
    assert [call["step"] for call in calls] == [20, 40]


def test_an_extractor_is_loaded_once_with_all_that_is_said_of_it(tmp_path, monkeypatch):
    calls = scored_with(lambda step: {"fid": step}, monkeypatch)
    loaded = []

    def load_extractor(name, **options):
        loaded.append((name, options))
        return "the extractor"

    monkeypatch.setattr(evaluation, "load_extractor", load_extractor)
    settings = {
        "training.evaluate_every": 10,
        "training.evaluate_metrics": ["fid"],
        "training.evaluate_options": {"weights": "mine.pth", "resizer": "clean", "count": 9},
    }
    run(tmp_path / "run", overrides=settings)
    assert loaded == [("inception", {"weights": "mine.pth", "resizer": "clean"})]
    assert len(calls) == 4
    for call in calls:
        assert call["extractor"] == "the extractor"
        assert call["count"] == 9
        assert "weights" not in call


def test_scores_are_refused_where_there_are_several_workers(tmp_path, monkeypatch):
    addresses = (["10.0.0.1:5000", "10.0.0.2:5000"], 0)
    monkeypatch.setattr("ganzoo.distribution.worker_addresses", lambda strategy: addresses)
    with pytest.raises(TrainingError, match="this one has 2 workers. Leave out training.eval"):
        run(tmp_path / "run", overrides={"training.evaluate_every": 20})
    assert not (tmp_path / "run").exists()


def test_an_interrupted_run_saves_all_that_it_trained(tmp_path):
    base = run(tmp_path / "base", steps=2)
    base.trained = frozenset({"discriminator"})
    zoo.save(base, tmp_path / "half")
    model = zoo.load(tmp_path / "half")
    assert model.trained == {"discriminator"}

    def interrupt(batch, logs):
        raise KeyboardInterrupt

    points = np.random.default_rng(0).normal(size=(32, 2)).astype("float32")
    callbacks = [keras.callbacks.LambdaCallback(on_train_batch_end=interrupt)]
    with pytest.raises(KeyboardInterrupt):
        model.fit(points, batch_size=16, verbose=0, callbacks=callbacks)
    assert model.trained == set(model.network_names)


def test_the_card_of_an_interrupted_run_tells_its_history(tmp_path, monkeypatch):
    zoo.save(run(tmp_path / "base", steps=2), tmp_path / "model", notes="Mine.", licence="CC0")

    class Signalled(GracefulStop):
        def on_train_batch_end(self, batch, logs=None):
            self.received = signal.SIGINT if self.model.steps_taken == 3 else 0
            super().on_train_batch_end(batch, logs)

    monkeypatch.setattr("ganzoo.training.run.GracefulStop", Signalled)
    with pytest.raises(Interrupted, match="Stopped by SIGINT at step 3; everything up to it is sa"):
        run(tmp_path / "run", steps=9, weights=tmp_path / "model")
    card = (tmp_path / "run" / "model" / "README.md").read_text()
    assert (
        "Trained for 3 steps, on 48 images from `ring8`, seed 0. Training was interrupted. "
        "Before that: Mine.\n" in card
    )


def test_a_model_folder_to_start_from_is_checked_and_named(tmp_path):
    zoo.save(run(tmp_path / "base", steps=2), tmp_path / "model", notes="Mine.", licence="CC0")
    run(tmp_path / "run", steps=2, weights=tmp_path / "model")
    card = (tmp_path / "run" / "model" / "README.md").read_text()
    assert "on 32 images from `ring8`, seed 0. Before that: Mine." in card
    assert "Licence: CC0." in card
    with open(tmp_path / "model" / "model.weights.h5", "ab") as file:
        file.write(b"x")
    with pytest.raises(WeightsError, match="model.weights.h5 is absent or not as SHA256SUMS"):
        run(tmp_path / "other", steps=2, weights=tmp_path / "model")


def test_epochs_of_a_growing_model_are_passes_over_the_data(tmp_path):
    images = np.random.default_rng(0).integers(0, 256, (24, 8, 8, 3)).astype("uint8")
    np.save(tmp_path / "images.npy", images)
    phases = [
        {"resolution": 4, "stabilize_kimg": 0.016, "batch_size": 8},
        {"resolution": 8, "fade_kimg": 0.016, "stabilize_kimg": 0.1, "batch_size": 4},
    ]
    preset = tiny_preset("progan_mnist", **{"phases": phases})
    overrides = {f"model.{key}": value for key, value in preset.model.items()}
    overrides |= {"data.image_size": 8, "data.channels": 3, "phases": phases}
    model = train(
        "progan_mnist",
        data_source=tmp_path / "images.npy",
        out=tmp_path / "run",
        epochs=2,
        overrides=overrides | {"training.sample_every": 100},
        progress=False,
    )
    assert model.images_seen == 2 * 24
    assert model.steps_taken == 2 + 8


def test_the_seed_decides_the_noise_of_training(tmp_path):
    def noise(**options):
        settings = run_settings(
            "gan_ring", data_source=None, steps=1, epochs=None, overrides=options, training=seeds
        )
        return zoo.build(settings).training_latents(4).numpy()

    seeds = {"seed": 0}
    first = noise()
    seeds = {"seed": 7}
    assert np.abs(noise() - first).min() > 0
    np.testing.assert_array_equal(noise(**{"model.seed": 0}), first)


def test_a_run_whose_checkpoints_are_all_damaged_begins_as_a_new_one(tmp_path):
    images = np.random.default_rng(0).integers(0, 256, (32, 6, 6, 1)).astype("uint8")
    np.save(tmp_path / "images.npy", images)
    overrides = {
        "model.image_shape": [6, 6, 1], "model.generator_units": [8], "data.image_size": 6,
        "model.generator_activations": ["relu"], "model.discriminator_units": [4],
        "training.batch_size": 16, "training.sample_every": 100,
    }  # fmt: skip

    def trained(out):
        options = {"steps": 2, "overrides": overrides, "progress": False}
        return train("gan_mnist", data_source=tmp_path / "images.npy", out=out, **options)

    fresh = trained(tmp_path / "run")
    for state in (tmp_path / "run" / "checkpoints").glob("*/state.npz"):
        state.write_bytes(b"")
    with (
        pytest.warns(UserWarning, match="step-00000002 is damaged .* and is passed over"),
        pytest.warns(UserWarning, match="No checkpoint in .* is sound: training begins at step 0"),
    ):
        again = trained(tmp_path / "run")
    for one, other in zip(fresh.variables, again.variables, strict=True):
        np.testing.assert_array_equal(one.numpy(), other.numpy())


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


def test_a_run_goes_on_where_only_what_is_said_of_its_preset_changed(tmp_path):
    out = tmp_path / "run"
    run(out, steps=2)
    text = (out / "preset.yaml").read_text()
    now = presets.parse_preset(text, name="gan_ring", origin="preset.yaml")
    before = dataclasses.replace(
        now,
        paper="https://arxiv.org/abs/1",
        recipe="paper",
        weights=[{"source": "package:other.h5", "sha256": "0" * 64, "notes": "Older ones."}],
        deviations=[{"what": "It is said otherwise", "why": "for the reader."}],
    )
    assert all(getattr(before, key) != getattr(now, key) for key in ("paper", "recipe", "weights"))
    assert before.deviations != now.deviations
    (out / "preset.yaml").write_text(before.to_yaml())
    assert run(out, steps=4).steps_taken == 4
    assert (out / "preset.yaml").read_text() == text.replace("steps: 2", "steps: 4")


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


def test_a_finished_model_is_not_replaced_where_its_checkpoints_are_gone(tmp_path):
    run(tmp_path / "run", steps=2)
    before = (tmp_path / "run" / "model" / "model.weights.h5").read_bytes()
    shutil.rmtree(tmp_path / "run" / "checkpoints")
    with pytest.raises(TrainingError, match="model of a run without a checkpoint .*--weights"):
        run(tmp_path / "run", steps=4)
    assert (tmp_path / "run" / "model" / "model.weights.h5").read_bytes() == before
    assert len(list((tmp_path / "run" / "samples").iterdir())) == 2


def test_a_preset_may_be_a_file_of_ones_own(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    preset = presets.override(presets.read_preset("gan_ring"), TINY | {"training.steps": 2})
    pathlib.Path("mine.yaml").write_text(preset.to_yaml())
    train("mine.yaml", progress=False)
    assert train(pathlib.Path("mine.yaml"), steps=4, progress=False).steps_taken == 4
    assert zoo.load("runs/mine").preset.model["generator_units"] == [8, 8]
    assert zoo.load("mine.yaml", weights=False).preset.name == "mine"


@pytest.mark.parametrize(
    ("steps", "average", "message"),
    [
        (
            100,
            {"ema_half_life": 3200},
            r"from an average that is still 71% initial weights, .* --set model\.ema_half_life=200",
        ),
        (
            100,
            {"ema_decay": 0.995},
            r"still 61% initial .* follow faster: --set model\.ema_decay=0\.92",
        ),
        (100, {"ema_half_life": 1000}, None),
        (20, {"ema_half_life": 3200}, None),
        (100, {}, None),
    ],
)
def test_a_run_too_short_for_its_average_says_so(steps, average, message):
    settings = run_settings(
        "gan_ring", data_source=None, steps=steps, epochs=None, overrides=TINY, training={}
    )
    model = zoo.build(presets.override(settings, {"model.ema_half_life": None}))
    for key, value in average.items():
        setattr(model, key, value)
        model.ema_generator = model.generator
    expected = pytest.warns(UserWarning, match=message) if message else contextlib.nullcontext()
    with expected:
        _warn_of_young_average(model, settings, open_data(settings).stream)


def test_a_run_that_shows_its_progress_warns_too(tmp_path):
    with pytest.warns(UserWarning, match=r"that is still 9\d% initial weights, and look"):
        train("gan_ring", out=tmp_path / "run", steps=50, overrides=TINY)


def test_a_models_folder_is_left_alone(finished, tmp_path):
    folder = tmp_path / "model"
    shutil.copytree(finished[0] / "model", folder)
    with pytest.raises(TrainingError, match="is the folder of a model, which a run would spoil"):
        run(folder)
    zoo.load(folder)  # which its hashes check


def test_samples_are_compared_with_data_from_all_over_the_source(tmp_path, monkeypatch):
    values = np.linspace(-1, 1, 1000, dtype="float32")
    np.save(tmp_path / "sorted.npy", np.stack([values, values], axis=1))
    checks, begin = [], HealthCheck.on_train_begin
    monkeypatch.setattr(
        HealthCheck, "on_train_begin", lambda self, logs: (checks.append(self), begin(self, logs))
    )
    run(tmp_path / "run", steps=1, data_source=str(tmp_path / "sorted.npy"))
    (health,) = checks
    assert (health.examples.shape, *health.examples[::63, 0].numpy()) == ((64, 2), -1.0, 1.0)


def test_a_run_that_starts_anew_removes_its_own_samples_only(tmp_path):
    out = tmp_path / "run"
    run(out, steps=2)
    as_before_its_first_checkpoint(out)
    for name in ("notes.txt", "step-00000007.png"):
        (out / "samples" / name).write_text("mine")
    run(out, steps=2)
    names = {path.name for path in (out / "samples").iterdir()}
    assert names == {"notes.txt", "step-00000000.png", "step-00000002.png"}


def test_one_process_at_a_time_trains_in_a_folder(tmp_path):
    out = tmp_path / "run"
    run(out, steps=2)
    with filelock.FileLock(out / ".lock"):
        before = (out / "preset.yaml").read_text()
        with pytest.raises(TrainingError, match="Another process trains in .*run. Wait until it"):
            run(out, steps=4)
        assert (out / "preset.yaml").read_text() == before
    assert run(out, steps=4).steps_taken == 4


def test_a_folder_whose_file_system_knows_no_locks_is_trained_in(tmp_path, monkeypatch):
    def acquire(lock, timeout):
        raise NotImplementedError("FileSystem does not appear to support flock")

    monkeypatch.setattr(filelock.FileLock, "acquire", acquire)
    assert run(tmp_path / "run", steps=2).steps_taken == 2


@pytest.mark.parametrize(
    ("overrides", "length"),
    [
        ({"training.epochs": 2}, {"epochs": 2}),
        ({"training.steps": 7}, {"steps": 7}),
        ({"training.steps": None, "training.epochs": 2}, {"epochs": 2}),
        ({"training.steps": None}, {}),
    ],
)
def test_the_length_that_is_set_replaces_the_presets(overrides, length):
    settings = run_settings(
        "gan_ring", data_source=None, steps=None, epochs=None, overrides=overrides, training={}
    )
    found = {key: settings.training[key] for key in ("steps", "epochs") if key in settings.training}
    assert found == length


def test_a_run_without_a_length_is_one_pass_over_the_data(tmp_path, capsys):
    data = tmp_path / "points.npy"
    np.save(data, np.random.RandomState(0).normal(size=(40, 2)).astype("float32"))
    overrides = TINY | {"training.steps": None}
    model = train("gan_ring", data_source=data, out=tmp_path / "run", overrides=overrides)
    assert model.steps_taken == 3
    assert "step 3/3" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("length", "message"),
    [
        ({"steps": 0}, "length is 0 steps. It has to be a whole number from 1 up"),
        ({"steps": 10.5}, "length is 10.5 steps. It has to be a whole number from 1 up"),
        ({"steps": "40"}, "length is '40' steps. It has to be a whole number from 1 up"),
        ({"epochs": 0.5, "steps": None}, "length is 0.5 epochs. It has to be a whole number"),
        ({"steps": 5, "epochs": 2}, "Both steps .5. and epochs .2. are given"),
        ({"steps": 5, "overrides": {"training.epochs": 2}}, "Both steps .5. and epochs .2. are"),
    ],
)
def test_senseless_lengths_are_refused(length, message, tmp_path):
    with pytest.raises(TrainingError, match=message):
        run(tmp_path / "run", **length)
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"peer_timeout": -1}, "peer_timeout is -1. Give a finite number above 0"),
        (
            {"overrides": {"training.steps_per_execution": 0}},
            "steps_per_execution is 0. Give a whole number from 1 up",
        ),
    ],
)
def test_senseless_ways_to_run_are_refused(options, message, tmp_path):
    with pytest.raises(TrainingError, match=message):
        run(tmp_path / "run", **options)
    assert not (tmp_path / "run").exists()


def test_a_rollback_that_cannot_be_leaves_nothing_behind(tmp_path):
    decay = {"initial_learning_rate": 0.1, "decay_steps": 10, "decay_rate": 0.9}
    module = "keras.optimizers.schedules"
    rate = {"module": module, "class_name": "ExponentialDecay", "config": decay}
    adam = {"class_name": "Adam", "config": {"learning_rate": rate}}
    with pytest.raises(TrainingError, match="generator_optimizer follows a schedule, which a roll"):
        run(
            tmp_path / "run",
            overrides={"optimizers.generator_optimizer": adam},
            on_nan="rollback",
        )
    assert not (tmp_path / "run").exists()


def test_a_count_that_a_score_has_no_use_for_is_refused_at_once(tmp_path):
    scored = {"training.evaluate_every": 20, "training.evaluate_metrics": ["parzen"]}
    scored |= {"training.evaluate_options": {"count": 9, "valid": "ring8"}}
    with pytest.raises(GanzooError, match="count is 9, .* Leave count out, and set parzen.samples"):
        run(tmp_path / "run", overrides=scored)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            {"real_counts": 5},
            r"no option training.evaluate_options.real_counts. Did you mean 'real_",
        ),
        ({"count": 0}, r"training.evaluate_options.count is 0. Give a whole number from 1 up"),
        ({"progress": False}, "There is no option training.evaluate_options.progress"),
    ],
)
def test_senseless_options_of_scores_are_refused_at_once(options, message, tmp_path):
    scored = {"training.evaluate_every": 20, "training.evaluate_metrics": ["modes"]}
    with pytest.raises(GanzooError, match=message):
        run(tmp_path / "run", overrides=scored | {"training.evaluate_options": options})
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("config", [{}, {"config": None}])
def test_an_optimizer_may_come_without_a_config(config, tmp_path):
    sgd = {"class_name": "SGD"} | config
    run(tmp_path / "run", steps=1, overrides={"optimizers.generator_optimizer": sgd})


def test_numbers_of_numpy_and_tuples_are_recorded_and_resumed(tmp_path):
    units = {"model.generator_units": (np.int64(8), 8), "training.batch_size": np.int64(16)}
    run(tmp_path / "run", steps=np.int64(2), seed=np.int64(1), overrides=units)
    model = run(tmp_path / "run", steps=4, seed=1, overrides=units)
    assert model.steps_taken == 4


def test_several_steps_at_once_end_at_the_length_of_the_run(tmp_path):
    model = run(tmp_path / "run", steps=25, overrides={"training.steps_per_execution": 10})
    assert model.steps_taken == 25


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
    as_before_its_first_checkpoint(tmp_path / "run")
    model = run(tmp_path / "run", steps=2, jit="auto")
    assert model.jit_compile is False


@pytest.mark.parametrize(
    ("failing", "error", "timed"),
    [
        ("on", tf.errors.InvalidArgumentError, ["off", "on"]),
        ("on", tf.errors.UnimplementedError, ["off", "on"]),
        ("off", tf.errors.ResourceExhaustedError, ["off"]),
    ],
)
def test_jit_auto_is_off_where_the_step_fails(failing, error, timed, tmp_path, monkeypatch):
    asked = []

    def seconds(settings, dataset, jit):
        asked.append(jit)
        if jit == failing:
            raise error(None, None, "Trying to access resource located in device CPU:0")
        return 1.0

    monkeypatch.setattr("ganzoo.training.tuning.step_seconds", seconds)
    model = run(tmp_path / "run", steps=2, jit="auto")
    assert asked == timed
    assert model.jit_compile is False
    assert model.steps_taken == 2


def test_a_growing_model_is_timed_at_its_largest_resolution(tmp_path, monkeypatch):
    np.save(tmp_path / "images.npy", np.arange(1024, dtype="uint8").reshape(16, 8, 8, 1))
    stages, begin_stage = [], ProgressiveGAN.begin_stage

    def noted(model, *arguments, **options):
        result = begin_stage(model, *arguments, **options)
        stages.append((model.resolution, float(model.growth.alpha), result[0]))
        return result

    def without_xla(settings, dataset, jit):  # which takes its time to compile
        step_seconds(settings, dataset, "off")
        return {"off": 1.0, "on": 2.0}[jit]

    monkeypatch.setattr(ProgressiveGAN, "begin_stage", noted)
    monkeypatch.setattr("ganzoo.training.tuning._STEPS", 1)
    monkeypatch.setattr("ganzoo.training.tuning.step_seconds", without_xla)
    sizes = {4: 16, 8: 8}
    monkeypatch.setattr(
        "ganzoo.models.progan.model.batch_size_for_memory", lambda model, side: sizes[side]
    )
    grow(tmp_path / "run", tmp_path / "images.npy", steps=1, jit="auto")
    assert stages == [(8, 1.0, 8), (8, 1.0, 8), (4, 1.0, 16)], "two trials, and the run"


def test_a_measured_choice_starts_from_the_weights_of_a_stated_one(tmp_path):
    measured = run(tmp_path / "measured", steps=1, jit="auto")
    stated = run(tmp_path / "stated", steps=1, jit="on" if measured.jit_compile else "off")
    for one, other in zip(measured.variables, stated.variables, strict=True):
        np.testing.assert_array_equal(one.numpy(), other.numpy())


AUTO_PHASES = [
    {"resolution": 4, "stabilize_kimg": 0.016, "batch_size": "auto"},
    {"resolution": 8, "stabilize_kimg": 0.016, "fade_kimg": 0.016, "batch_size": "auto"},
]


def grow(out, pictures, steps, **options):
    overrides = tiny_preset("progan_mnist").model | {"image_size": 8, "channels": 1}
    return train(
        "progan_mnist",
        out=out,
        data_source=str(pictures),
        steps=steps,
        progress=False,
        **options,
        overrides={
            **{f"model.{key}": value for key, value in overrides.items()},
            "data.image_size": 8,
            "phases": AUTO_PHASES,
        },
    )


def test_batch_sizes_by_memory_are_decided_once_and_written_down(tmp_path, monkeypatch):
    np.save(tmp_path / "images.npy", np.arange(1024, dtype="uint8").reshape(16, 8, 8, 1))
    size = {"chosen": 8}
    monkeypatch.setattr(
        "ganzoo.models.progan.model.batch_size_for_memory", lambda model, side: size["chosen"]
    )
    out = tmp_path / "run"
    model = grow(out, tmp_path / "images.npy", steps=2)
    text = (out / "preset.yaml").read_text()
    written = presets.parse_preset(text, name="x", origin="x").phases
    assert [row["batch_size"] for row in written] == [8, 8]
    size["chosen"] = 4  # what is written down holds
    model = grow(out, tmp_path / "images.npy", steps=4)
    assert [stage.batch_size for stage in model.schedule.stages] == [8, 8]
    assert model.fit_state.position == 32
    as_before_its_first_checkpoint(out)
    model = grow(out, tmp_path / "images.npy", steps=4)
    assert [stage.batch_size for stage in model.schedule.stages] == [4, 4]


def test_a_batch_size_that_no_phase_uses_is_told():
    def settings_of(**overrides):
        options = {"data_source": None, "steps": None, "epochs": None, "training": {}}
        overrides = {key.replace("__", "."): value for key, value in overrides.items()}
        return run_settings("progan_celebahq512", overrides=overrides, **options)

    message = r"training\.batch_size is 2, and no step is taken with it: .* Set phases, to rows"
    with pytest.warns(UserWarning, match=message):
        settings_of(training__batch_size=2)
    with pytest.warns(UserWarning, match=message):
        settings_of(training__batch_size=2, phases="v2-8gpus")
    rows = settings_of().phases
    rows[0].pop("batch_size")
    assert settings_of(training__batch_size=2, phases=rows).training["batch_size"] == 2


def test_a_run_whose_length_nobody_says_leaves_nothing_behind(tmp_path, monkeypatch):
    np.save(tmp_path / "images.npy", np.arange(1024, dtype="uint8").reshape(16, 8, 8, 1))
    monkeypatch.setattr("ganzoo.models.progan.model.batch_size_for_memory", lambda model, side: 8)
    model = grow(tmp_path / "base", tmp_path / "images.npy", steps=1)
    model.growth.images_seen.assign(model.schedule.images)
    zoo.save(model, tmp_path / "grown")
    with pytest.raises(TrainingError, match="has trained for as long as it is meant to. Pass epoc"):
        grow(tmp_path / "run", tmp_path / "images.npy", None, weights=tmp_path / "grown")
    assert not (tmp_path / "run").exists()


def test_several_workers_cannot_decide_by_their_memory(tmp_path, monkeypatch):
    addresses = (["10.0.0.1:5000", "10.0.0.2:5000"], 0)
    monkeypatch.setattr("ganzoo.distribution.worker_addresses", lambda strategy: addresses)
    with pytest.raises(TrainingError, match="phases.0..batch_size is 'auto', and each of the 2"):
        grow(tmp_path / "run", tmp_path / "images.npy", steps=1)
    assert not (tmp_path / "run").exists()


def run_out_of_memory(monkeypatch, model, after=0):
    """Has a model's step fail as one without memory does, once it has taken some steps."""
    step_function = model.step_function

    def compiled(self, testing=False):
        step = step_function(self, testing)

        def take(iterator, count):
            if self.steps_taken >= after:
                raise tf.errors.ResourceExhaustedError(None, None, "OOM when allocating tensor")
            return step(iterator, count)

        return take

    monkeypatch.setattr(model, "step_function", compiled)


def test_a_run_that_needs_too_much_memory_says_what_takes_less(tmp_path, monkeypatch):
    run_out_of_memory(monkeypatch, VanillaGAN)
    message = (
        r"^The memory was used up near step [01], by a batch of 16\. Start the command again with "
        r"a smaller batch or half precision \(--precision bfloat16\)\.$"
    )
    with pytest.raises(GanzooError, match=message):
        run(tmp_path / "run")


def test_a_run_with_checkpoints_goes_on_where_there_is_more_memory(tmp_path, monkeypatch):
    run_out_of_memory(monkeypatch, VanillaGAN, after=3)
    message = (
        r"^The memory was used up near step [34], by a batch of 1\. Train anew in another folder, "
        r"with a smaller model or image size\. With more memory the same command goes on; the run "
    )
    changes = {"training.batch_size": 1, "training.checkpoint_every": 2}
    with pytest.raises(GanzooError, match=message + re.escape(f"is in {tmp_path / 'run'}.") + "$"):
        run(tmp_path / "run", overrides=changes, precision="bfloat16")


def test_a_growing_run_says_at_which_resolution_the_memory_was_used_up(tmp_path, monkeypatch):
    np.save(tmp_path / "images.npy", np.arange(1024, dtype="uint8").reshape(16, 8, 8, 1))
    sizes = {4: 8, 8: 4}
    monkeypatch.setattr(
        "ganzoo.models.progan.model.batch_size_for_memory", lambda model, side: sizes[side]
    )
    run_out_of_memory(monkeypatch, ProgressiveGAN, after=2)
    message = (
        r"^The memory was used up near step [23], by a batch of 4 at 8x8\. Start the command again "
        r"with a smaller batch \(batch_size in the row of phases for 8, and for larger ones\) or "
    )
    with pytest.raises(GanzooError, match=message):
        grow(tmp_path / "run", tmp_path / "images.npy", steps=10)
