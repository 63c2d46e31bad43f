"""The health check: each illness provoked, each named, and the way back."""

import math
import types

import keras
import numpy as np
import pytest

from ganzoo import data
from ganzoo.errors import TrainingError
from ganzoo.fitting import FitState
from ganzoo.training import Checkpoints, HealthCheck, MetricsLog
from ganzoo.training.logs import finite_or_none, read_log
from ganzoo.training.state import first_not_finite
from tests.models.conformance import BATCH_SIZE, batches, build, sgd, tiny_preset


@pytest.fixture
def points(tmp_path):
    """Eight batches of points on a ring."""
    angles = np.random.default_rng(0).uniform(0, 2 * np.pi, 32)
    ring = np.stack([np.cos(angles), np.sin(angles)], axis=1).astype("float32")
    np.save(tmp_path / "points.npy", ring)
    return data.load(tmp_path / "points.npy", batch_size=4)


class Poison(keras.callbacks.Callback):
    """Spoils a weight after each of some steps, once."""

    def __init__(self, *steps, network="generator"):
        super().__init__()
        self.steps, self.network = list(steps), network

    def on_train_batch_end(self, batch, logs=None):
        if self.model.steps_taken in self.steps:
            self.steps.remove(self.model.steps_taken)
            kernel = getattr(self.model, self.network).trainable_variables[0]
            kernel.assign(np.full(kernel.shape, np.nan, "float32"))


# A spoilt discriminator spoils the generator in the same step, which is then named first.
@pytest.mark.parametrize("network", ["generator", "discriminator"])
def test_a_weight_that_is_not_finite_stops_the_run_and_is_named(network, points, tmp_path):
    model = build(tiny_preset("gan_ring"))
    checkpoints = Checkpoints(tmp_path / "run", every=4)
    callbacks = [checkpoints, HealthCheck(checkpoints), Poison(5, network=network)]
    message = "stopped at step 6: .*generator/hidden_1/kernel is not finite"
    with pytest.raises(TrainingError, match=message):
        model.fit(points, verbose=0, callbacks=callbacks)
    checkpoints.close()
    assert [path.name for path in sorted((tmp_path / "run").iterdir())] == ["step-00000004"]


def test_the_message_says_how_to_go_on(points, tmp_path):
    model = build(tiny_preset("gan_ring"))
    checkpoints = Checkpoints(tmp_path / "run", every=2)
    with pytest.raises(TrainingError, match="go on from it with --on-nan rollback"):
        model.fit(points, verbose=0, callbacks=[checkpoints, HealthCheck(checkpoints), Poison(3)])


def falling():
    return keras.optimizers.SGD(keras.optimizers.schedules.ExponentialDecay(1e-3, 10, 0.9))


def test_no_rollback_is_promised_where_a_rate_follows_a_schedule(points, tmp_path):
    model = build(tiny_preset("gan_ring"), optimizer=falling)
    checkpoints = Checkpoints(tmp_path / "run", every=2)
    message = r"/run is kept; train anew with lower learning rates, or with precision float32\.$"
    with pytest.raises(TrainingError, match=message) as caught:
        model.fit(points, verbose=0, callbacks=[checkpoints, HealthCheck(checkpoints), Poison(3)])
    assert "--on-nan" not in str(caught.value)


def test_a_rollback_of_a_schedule_is_refused_when_training_begins(points, tmp_path):
    model = build(tiny_preset("gan_ring"), optimizer=falling)
    checkpoints = Checkpoints(tmp_path / "run")
    callbacks = [checkpoints, HealthCheck(checkpoints, on_nan="rollback")]
    message = (
        r"^on_nan is 'rollback', and the generator_optimizer follows a schedule, .*on-nan stop"
    )
    with pytest.raises(TrainingError, match=message):
        model.fit(points, verbose=0, callbacks=callbacks)
    assert model.steps_taken == 0


@pytest.mark.parametrize("on_nan", ["stop", "rollback"])
def test_before_any_checkpoint_none_is_promised(points, tmp_path, on_nan):
    model = build(tiny_preset("gan_ring"))
    checkpoints = Checkpoints(tmp_path / "run")
    callbacks = [checkpoints, HealthCheck(checkpoints, on_nan), Poison(1)]
    message = (
        r"stopped at step 2: .*\. There is no checkpoint to go back to\. Train anew with lower"
    )
    with pytest.raises(TrainingError, match=message) as caught:
        model.fit(points, verbose=0, callbacks=callbacks)
    assert "kept" not in str(caught.value)


def rolled_back(points, folder, *poisoned, epochs=1):
    """Trains through poisoned steps; gives the model, its rate before, and what was said."""
    model, said = build(tiny_preset("gan_ring")), []
    checkpoints = Checkpoints(folder, every=4)
    health = HealthCheck(checkpoints, on_nan="rollback", tell=said.append)
    rate = float(model.generator_optimizer.learning_rate.numpy())
    callbacks = [checkpoints, health, Poison(*poisoned)]
    model.fit(points, epochs=epochs, verbose=0, callbacks=callbacks)
    return model, rate, said


def test_rollback_goes_back_to_the_checkpoint_and_halves_the_rates(points, tmp_path):
    model, rate, said = rolled_back(points, tmp_path / "run", 5)
    assert model.steps_taken == 8
    assert np.isfinite(model.generate(8, seed=0)).all()
    assert float(model.generator_optimizer.learning_rate.numpy()) == pytest.approx(rate / 2)
    assert float(model.discriminator_optimizer.learning_rate.numpy()) == pytest.approx(rate / 2)
    assert len(said) == 1
    assert "back at step 4 with 0.5 times the learning rates" in said[0]


# The second goes back to a checkpoint of whole rates, or to one of halved ones.
@pytest.mark.parametrize(("second", "back"), [(7, 4), (10, 8)])
def test_a_second_rollback_halves_the_rates_again(second, back, points, tmp_path):
    model, rate, said = rolled_back(points, tmp_path / "run", 5, second, epochs=2)
    assert float(model.generator_optimizer.learning_rate.numpy()) == pytest.approx(rate / 4)
    assert f"back at step {back} with 0.25 times the learning rates" in said[1]


def test_after_five_rollbacks_the_run_stops(points, tmp_path):
    model, said = build(tiny_preset("gan_ring"), run_eagerly=True), []
    checkpoints = Checkpoints(tmp_path / "run", every=1)
    health = HealthCheck(checkpoints, on_nan="rollback", tell=said.append)
    health.rollbacks = 4
    callbacks = [checkpoints, health, Poison(1, 1)]
    with pytest.raises(TrainingError, match=r"^Training stopped at step 2: .* is kept; train anew"):
        model.fit(points, verbose=0, callbacks=callbacks)
    assert len(said) == 1, "of the fifth, and none of the next"


def test_rollback_cuts_the_log_back_so_that_each_step_is_there_once(points, tmp_path):
    model = build(tiny_preset("gan_ring"))
    checkpoints = Checkpoints(tmp_path / "checkpoints", every=4)
    health = HealthCheck(checkpoints, on_nan="rollback", tell=lambda text: None)
    callbacks = [checkpoints, health, MetricsLog(tmp_path, every=1), Poison(6)]
    model.fit(points, verbose=0, callbacks=callbacks)
    lines = read_log(tmp_path / "metrics.jsonl")
    assert [line["step"] for line in lines] == list(range(1, 9))
    assert None not in lines[6].values()  # step 7, which was not finite the first time


def growing_rates(tmp_path, *poisoned, **changes):
    """Trains a tiny progressive GAN of two phases; gives its rate after each step."""
    images = np.random.default_rng(0).integers(0, 256, (32, 8, 8, 3)).astype("uint8")
    np.save(tmp_path / "images.npy", images)
    dataset = data.load(tmp_path / "images.npy", image_size=8, batch_size=4)
    phases = [
        {"resolution": 4, "stabilize_kimg": 0.024},
        {"resolution": 8, "fade_kimg": 0.016, "stabilize_kimg": 0.016, "learning_rate": 2e-4},
    ]
    model = build(tiny_preset("progan_mnist", **{"phases": phases} | changes))
    rates = {}
    read = keras.callbacks.LambdaCallback(
        on_train_batch_end=lambda batch, logs: rates.update(
            {model.steps_taken: float(model.generator_optimizer.learning_rate.numpy())}
        )
    )
    checkpoints = Checkpoints(tmp_path / "run", every=4)
    health = HealthCheck(checkpoints, on_nan="rollback", tell=lambda text: None)
    callbacks = [checkpoints, health, Poison(*poisoned), read]
    model.fit(dataset, verbose=0, callbacks=callbacks)
    return rates


@pytest.mark.parametrize("rampup", [0, 0.1])
def test_a_growing_model_keeps_its_lowered_rates_through_its_phases(rampup, tmp_path):
    rates = growing_rates(tmp_path, 4, **{"training.rampup_kimg": rampup})
    assert rates.keys() == set(range(1, 15))
    for step, rate in rates.items():
        whole = 1e-3 if step <= 6 else 2e-4
        if rampup:
            whole *= np.exp(-5 * (1 - 4 * (step - 1) / 100) ** 2)
        assert rate == pytest.approx(whole * (1 if step < 4 else 0.5), rel=1e-5), step


def test_without_a_checkpoint_rollback_stops(points):
    model = build(tiny_preset("gan_ring"))
    kernel = model.generator.trainable_variables[0]
    kernel.assign(np.full(kernel.shape, np.nan, "float32"))
    with pytest.raises(TrainingError, match="at step 1: .* Lower the learning rate"):
        model.fit(points, verbose=0, callbacks=[HealthCheck(on_nan="rollback")])


def test_a_discriminator_that_wins_is_spoken_of_once(points):
    model = build(tiny_preset("gan_ring"))
    said = []
    health = HealthCheck(every=2, tell=said.append)
    health.set_model(model)
    health.on_train_begin()
    for step in range(1, 9):
        model.step.assign(step)
        model.fit_state.values = {"real_probability": 0.999, "fake_probability": 0.001}
        health.on_train_batch_end(step)
    assert len(said) == 1
    assert "The discriminator has won: by step 2 it calls 99.9% of real" in said[0]


def test_an_even_game_is_not_spoken_of(points):
    model = build(tiny_preset("gan_ring"))
    said = []
    health = HealthCheck(every=2, tell=said.append)
    model.fit(points, verbose=0, callbacks=[health])
    assert said == []


def test_collapse_is_spoken_of_once(points):
    model = build(tiny_preset("gan_ring"))
    for weight in model.generator.trainable_variables:
        weight.assign(np.zeros(weight.shape, "float32"))
    said = []
    examples = next(iter(points.stream.once(32))).numpy()
    health = HealthCheck(examples=examples, every=1, tell=said.append)
    health.set_model(model)
    health.on_train_begin()
    for step in (1, 2, 3):
        model.step.assign(step)
        model.fit_state.values = {"generator_loss": 1.0}
        health.on_train_batch_end(step)
    assert len(said) == 1
    assert (
        "The generator has collapsed: at step 2 its images vary 0% as much as the data" in said[0]
    )
    assert "100% of them are nearly copies" in said[0]


@pytest.mark.parametrize(("side", "count"), [(128, 64), (129, 16)])
def test_of_large_images_fewer_are_looked_at(side, count):
    random, asked = np.random.default_rng(0), []

    def training_samples(count):
        asked.append(count)
        return random.uniform(-1, 1, (count, side, side, 1))

    model = types.SimpleNamespace(
        training_samples=training_samples, training_examples=np.asarray, steps_taken=1
    )
    health = HealthCheck(examples=random.uniform(-1, 1, (64, side, side, 1)), tell=asked.append)
    health.set_model(model)
    for _ in range(2):
        health._look_at_samples()
    assert asked == [count] * 2


def test_samples_are_compared_with_what_the_networks_see_of_the_data():
    random, said = np.random.default_rng(0), []
    model = types.SimpleNamespace(
        training_samples=lambda count: random.uniform(-0.05, 0.05, (count, 4, 4, 1)),
        training_examples=lambda images: 0.05 * images,
        steps_taken=1,
    )
    health = HealthCheck(examples=random.uniform(-1, 1, (64, 4, 4, 1)), tell=said.append)
    health.set_model(model)
    for _ in range(2):
        health._look_at_samples()
    assert said == []
    model.training_examples = np.asarray
    for _ in range(2):
        health._look_at_samples()
    assert "vary 5% as much" in said[0]


@pytest.mark.parametrize(
    ("loss", "others"),
    [
        ("non_saturating", {"game_value", "real_probability", "fake_probability"}),
        ("minimax", {"game_value", "real_probability", "fake_probability"}),
        ("least_squares", set()),
    ],
)
@pytest.mark.parametrize("name", ["gan_ring", "dcgan_mnist"])
def test_probabilities_are_reported_where_the_loss_has_them(name, loss, others):
    model = build(tiny_preset(name, **{"training.loss": loss}), run_eagerly=True, optimizer=sgd)
    dataset = batches(model, count=2 * BATCH_SIZE)
    history = model.fit(dataset, verbose=0, callbacks=[HealthCheck(every=1)]).history
    assert history.keys() == {"discriminator_loss", "generator_loss"} | others
    assert model.evaluate(dataset).keys() == history.keys()


def test_varied_samples_are_not_called_collapsed(points):
    model = build(tiny_preset("gan_ring"))
    said = []
    examples = model.training_samples(64)
    health = HealthCheck(examples=examples, every=1, tell=said.append)
    model.fit(points, verbose=0, callbacks=[health])
    assert said == []


def test_a_loss_scale_that_is_too_large_is_halved_and_no_illness():
    model = build(tiny_preset("progan_mnist"), precision="float16")
    for optimizer in model.optimizers.values():
        optimizer.dynamic_scale.assign(2.0**30)
    found = []
    note = keras.callbacks.LambdaCallback(
        on_train_batch_end=lambda batch, logs: found.append(dict(model.fit_state.values))
    )
    dataset = batches(model, count=24 * BATCH_SIZE)
    callbacks = [HealthCheck(), note]
    history = model.fit(dataset, epochs=1, verbose=0, callbacks=callbacks).history
    whole = [all(map(math.isfinite, values.values())) for values in found]
    overflows = whole.index(True)
    assert 5 < overflows < 20
    assert whole == [False] * overflows + [True] * (24 - overflows)
    halvings = 30 - math.log2(float(model.discriminator_optimizer.dynamic_scale))
    assert overflows <= halvings <= overflows + 2  # a loss may be finite, its gradient not
    assert first_not_finite(model) == ""
    for name, (mean,) in history.items():
        assert mean == pytest.approx(np.mean([values[name] for values in found[overflows:]]))


@pytest.mark.parametrize(("precision", "last"), [("float16", 50), ("float32", 0)])
def test_losses_are_let_pass_for_so_many_steps_as_a_scale_may_take(precision, last):
    model = build(tiny_preset("gan_ring"), precision=precision)
    health = HealthCheck()
    health.set_model(model)
    health.on_train_begin()
    step, values = 0, {"generator_loss": math.nan}
    for step in range(1, last + 1):
        model.step.assign(step)
        model.fit_state.values = values
        health.on_train_batch_end(step)
    model.step.assign(last + 1)
    model.fit_state.values = values
    with pytest.raises(TrainingError, match=rf"stopped at step {last + 1}: generator_loss is nan"):
        health.on_train_batch_end(0)


def test_a_scale_excuses_no_weight(points):
    model = build(tiny_preset("gan_ring"), precision="float16")
    with pytest.raises(TrainingError, match=r"step 3: .*generator/hidden_1/kernel is not finite"):
        model.fit(points, verbose=0, callbacks=[HealthCheck(), Poison(2)])


def test_steps_that_a_scale_skipped_are_in_no_mean():
    state, names = FitState(), ("loss",)
    state.advance(names, [math.inf, 0.0], [math.inf, 0.0], 1, 4, scales_loss=True)
    assert math.isnan(state.means(names)["loss"])
    state.advance(names, [2.0, 0.0], [6.0, 0.0], 2, 8, scales_loss=True)
    state.advance(names, [5.0, 0.0], [5.0, 0.0], 1, 4, scales_loss=True)
    assert (state.batch, state.position, state.skipped) == (4, 16, 1)
    assert state.means(names) == {"loss": 11 / 3}
    state.advance(names, [math.nan, 0.0], [math.nan, 0.0], 1, 4)
    assert math.isnan(state.means(names)["loss"]), "without a scale nothing is hidden"
    state.next_epoch()
    assert (state.skipped, state.means(names)) == (0, {})


@pytest.mark.parametrize(
    ("value", "written"),
    [(math.nan, None), (math.inf, None), (-math.inf, None), (1.5, 1.5), (7, 7), ("words", "words")],
)
def test_the_log_holds_what_json_can(value, written):
    assert finite_or_none(value) == written


def test_on_nan_is_checked():
    with pytest.raises(TrainingError, match="Choose 'stop' or 'rollback'"):
        HealthCheck(on_nan="ignore")
