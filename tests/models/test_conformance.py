"""Every preset, made tiny, goes through the same checks."""

import functools
import json
import pathlib
import subprocess
import sys
import tempfile

import keras
import numpy as np
import pytest
import tensorflow as tf

import ganzoo
from ganzoo import building, presets, schema
from ganzoo.optimizers import ReplicaSafeLossScaleOptimizer
from ganzoo.training import Checkpoints
from ganzoo.training.checkpoints import read_arrays
from ganzoo.training.state import read_state
from tests.models.conformance import (
    BATCH_SIZE,
    STEPS,
    assert_equal_states,
    batches,
    build,
    differing,
    ganzoo_dataset,
    greatest_difference,
    random_images,
    sgd,
    take_steps,
    tiny_preset,
    weights_by_network,
)

ALL = presets.preset_names()


def architectures():
    """One preset for each distinct tiny model and way of training: the costly checks' cases."""
    found = {}
    for name in ALL:
        preset = tiny_preset(name)
        training = {
            key: value for key, value in preset.training.items() if key not in schema.TRAINING_KEYS
        }
        key = json.dumps([preset.family, preset.recipe, preset.model, training], sort_keys=True)
        found.setdefault(key, name)
    return list(found.values())


ARCHITECTURES = architectures()
# One a family: dropout, batch norm, statistics of the minibatch with an average, image pools.
FIRST = list({presets.read_preset(name).family: name for name in reversed(ARCHITECTURES)}.values())
REST = [name for name in ARCHITECTURES if name not in FIRST]
# Where the first of a family shows all but a setting, the rest is for the soak.
FIRST_AND_SOAK = [*FIRST, *(pytest.param(name, marks=pytest.mark.soak) for name in REST)]
LARGEST_DIFFERENCE = 1e-6  # between replicas and one device


def execution(name):
    """Traces the steps of one preset a family: of the others that takes longer than the steps."""
    return {} if name in FIRST else {"run_eagerly": True}


@functools.cache
def trained(name):
    """A tiny preset after a few steps, for tests that only look at it."""
    model = build(tiny_preset(name), **execution(name))
    take_steps(model)
    return model


@pytest.mark.parametrize("name", ALL)
def test_the_full_preset_is_sound(name):
    preset = presets.read_preset(name)
    family = building.family_of(preset)
    assert preset.name.startswith(f"{preset.family}_")
    assert preset.paper.startswith("https://arxiv.org/abs/")
    building.check_arguments(preset, "model", preset.model, family.build)
    assert set(building.compile_arguments(preset, family)) >= set(family.MODEL.optimized_networks)
    assert all(set(item) == {"what", "why"} for item in preset.deviations)
    assert presets.parse_preset(preset.to_yaml(), name=name, origin=name) == preset.__class__(
        **preset.settings(), name=name, origin=name
    )


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_it_builds_and_generates_finite_images_and_uint8(name):
    model = build(tiny_preset(name))
    images = random_images(model, count=2)
    if hasattr(model, "latent_dim"):
        floats = model(tf.zeros((2, model.latent_dim)))
        pixels = model.generate(2, seed=3)
    else:
        floats = model(images[0])
        pixels = model.translate(images[0].astype("float32") * 0 + 0.5)
    assert np.isfinite(floats).all()
    assert np.array(floats).dtype == np.float32
    if hasattr(model, "latent_dim") and len(model.image_shape) == 3:
        assert pixels.dtype == np.uint8
        assert pixels.shape == (2, *model.image_shape)


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_each_optimizer_moves_only_its_own_networks(name):
    preset = tiny_preset(name)
    for moving in building.family_of(preset).MODEL.optimized_networks:
        model = build(preset)
        settings = building.compile_arguments(preset, building.family_of(preset))
        rates = {key: sgd(0.1 if key == moving else 0.0) for key in model.optimized_networks}
        model.compile(**settings | rates, run_eagerly=True)
        before = weights_by_network(model)
        take_steps(model, batches(model, count=BATCH_SIZE))
        moved = set(differing(before, weights_by_network(model)))
        owned = set(model.optimized_networks[moving])
        averages = {network for network in model.networks if network.startswith("ema_")}
        assert moved - averages == owned


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_a_step_moves_batch_norm_statistics(name):
    before, after = (
        [
            variable.numpy()
            for network in model.networks.values()
            for variable in network.non_trainable_variables
            if variable.name.startswith("moving_")
        ]
        for model in (build(tiny_preset(name)), trained(name))
    )
    if not before:
        pytest.skip("no batch normalisation in this model")
    assert not any(np.array_equal(old, new) for old, new in zip(before, after, strict=True))


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_the_same_seed_gives_the_same_run_bit_for_bit(name):
    again = build(tiny_preset(name), **execution(name))
    take_steps(again)
    assert_equal_states(trained(name), again)


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_another_seed_of_the_preset_gives_another_run(name):
    other = build(tiny_preset(name, **{"model.seed": 1}), **execution(name))
    assert greatest_difference(build(tiny_preset(name)), other)[0] == 0, "the same initial weights"
    take_steps(other)
    assert greatest_difference(trained(name), other)[0] > 0


@pytest.mark.parametrize("name", FIRST_AND_SOAK)
def test_a_stopped_and_continued_run_equals_an_unbroken_one(name, tmp_path):
    dataset = ganzoo_dataset(build(tiny_preset(name)), tmp_path)
    unbroken = build(tiny_preset(name), **execution(name))
    unbroken.fit(dataset, epochs=2, verbose=0)

    class Stop(Exception):
        pass

    class StopAt(Checkpoints):
        def on_train_batch_end(self, batch, logs=None):
            super().on_train_batch_end(batch, logs)
            if int(self.model.step) == 4:  # in the middle of the second epoch
                self.wait()
                raise Stop

    broken = build(tiny_preset(name), **execution(name))
    with pytest.raises(Stop):
        broken.fit(dataset, epochs=2, verbose=0, callbacks=[StopAt(tmp_path / "run", every=2)])
    continued = build(tiny_preset(name), seed=99, **execution(name))
    continued.fit(dataset, epochs=2, verbose=0, callbacks=[Checkpoints(tmp_path / "run")])
    assert_equal_states(unbroken, continued)


@functools.cache
def alone(name):
    """A tiny preset after two steps of plain gradient descent on one device."""
    model = build(tiny_preset(name), optimizer=sgd)
    before = weights_by_network(model)
    with tempfile.TemporaryDirectory() as folder:
        model.fit(two_batches(model, pathlib.Path(folder)), epochs=1, verbose=0)
    assert least_move(before, weights_by_network(model)) > 5 * LARGEST_DIFFERENCE
    return model


def two_batches(model, folder):
    """Writes images of two steps: in a third, rounding may turn an absolute value over."""
    return ganzoo_dataset(model, folder, count=2 * BATCH_SIZE)


# Every step is traced once a device, which takes long.
@pytest.mark.parametrize("replicas", [pytest.param(2, marks=pytest.mark.soak), 4])
@pytest.mark.parametrize(
    "names", [FIRST, pytest.param(REST, marks=pytest.mark.soak)], ids=["first", "rest"]
)
def test_replicas_agree_with_one_device(replicas, names, tmp_path):
    for name in names:
        (tmp_path / name).mkdir()
        (tmp_path / name / "preset.yaml").write_text(tiny_preset(name).to_yaml())
        two_batches(alone(name), tmp_path / name)
    run_script("replicate", tmp_path, replicas)
    worst = {}
    for name in names:
        together = read_arrays(tmp_path / name / "together")
        mine = read_state(alone(name))
        assert mine.keys() == together.keys()
        worst[name] = max(
            (float(np.max(np.abs(mine[key].astype("float64") - together[key]), initial=0.0)), key)
            for key in mine
            if not key.startswith("fit/sums")
        )
    assert {name: found for name, found in worst.items() if found[0] >= LARGEST_DIFFERENCE} == {}


@pytest.mark.parametrize("name", FIRST)
def test_no_step_uses_a_variable_of_int32(name):
    """TensorFlow keeps these on the host, where XLA's step on a GPU cannot use them."""
    model = build(tiny_preset(name), precision="float16")
    dataset = batches(model)
    model.check_batch(dataset.element_spec, next(iter(dataset)))
    model.prepare(BATCH_SIZE)
    model.begin_stage(0, BATCH_SIZE)
    step = tf.function(model.counted_train_step).get_concrete_function(dataset.element_spec)
    inputs = {id(tensor) for tensor in step.captured_inputs}
    used = [variable for variable in step.graph.variables if id(variable.handle) in inputs]
    assert any(variable.handle is model.step.value.handle for variable in used)
    assert [variable.name for variable in used if variable.dtype == tf.int32] == []


@pytest.mark.parametrize("name", FIRST)
def test_fit_in_the_scope_of_one_replica_is_the_plain_run(name, tmp_path):
    plain = alone(name)
    with tf.distribute.MirroredStrategy(["CPU:0"]).scope():
        model = build(tiny_preset(name), optimizer=sgd)
        model.fit(two_batches(model, tmp_path), epochs=1, verbose=0)
    assert model.steps_taken == plain.steps_taken == 2
    assert greatest_difference(plain, model)[0] < LARGEST_DIFFERENCE
    assert model.fit_state.values == pytest.approx(plain.fit_state.values, rel=1e-5)


def least_move(before, after):
    """Gives how far each network's weights moved at most, of the one that moved least."""
    return min(
        max(
            float(np.max(np.abs(new - old)))
            for old, new in zip(before[key], after[key], strict=True)
        )
        for key in before
        if before[key]  # the average does not train
    )


# bfloat16 keeps 8 bits: through tiny layers and a batch of 4 its gradients turn by up to 30
# degrees. A wrong factor shows in their length, a missing path in both.
@pytest.mark.parametrize(
    ("precision", "least_cosine", "longest"), [("bfloat16", 0.8, 1.4), ("float16", 0.97, 1.1)]
)
@pytest.mark.parametrize("name", ARCHITECTURES)
def test_low_precision_follows_float32(name, precision, least_cosine, longest):
    preset = tiny_preset(name)
    start = build(preset)
    rough = build(preset, precision=precision, optimizer=scaled_sgd, run_eagerly=True)
    take_steps(rough, batches(rough, count=BATCH_SIZE))
    for network in preset_networks(rough):
        before = start.networks[network]
        wanted = _flat_move(before, one_step(name).networks[network])
        found = _flat_move(before, rough.networks[network])
        assert np.isfinite(found).all()
        cosine = wanted @ found / (np.linalg.norm(wanted) * np.linalg.norm(found))
        assert cosine > least_cosine, (network, cosine)
        assert 1 / longest < np.linalg.norm(found) / np.linalg.norm(wanted) < longest, network


@functools.cache
def one_step(name):
    """A tiny preset after one step of plain gradient descent in float32."""
    model = build(tiny_preset(name), optimizer=sgd, run_eagerly=True)
    take_steps(model, batches(model, count=BATCH_SIZE))
    return model


def scaled_sgd():
    """Descends with a loss scale that no gradient here overflows, so that no step is skipped."""
    return ReplicaSafeLossScaleOptimizer(sgd(), initial_scale=2.0**6)


def preset_networks(model):
    """Names the networks that an optimizer moves."""
    return [name for owned in model.optimized_networks.values() for name in owned]


def _flat_move(before, after):
    moves = [
        (new.numpy().astype("float64") - old.numpy()).ravel()
        for old, new in zip(before.trainable_variables, after.trainable_variables, strict=True)
    ]
    return np.concatenate(moves)


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_fit_takes_callbacks_and_validation_data(name):
    model = build(tiny_preset(name), **execution(name))
    before = weights_by_network(model)
    calls = []

    class Recorder(keras.callbacks.Callback):
        def on_train_batch_end(self, batch, logs=None):
            calls.append((batch, sorted(logs)))

    others = batches(model, count=BATCH_SIZE, seed=1)
    history = take_steps(model, callbacks=[Recorder()], validation_data=others)
    assert [batch for batch, _ in calls] == list(range(STEPS))
    assert calls[0][1] == sorted(model.reported_names)
    wanted = set(model.reported_names) | {f"val_{value}" for value in model.reported_names}
    assert set(history.history) == wanted
    assert all(np.isfinite(values).all() for values in history.history.values())
    after = weights_by_network(model)
    model.evaluate(others)
    assert differing(after, weights_by_network(model)) == []
    assert differing(before, after)


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_save_and_load_give_back_the_model(name, tmp_path):
    model = trained(name)
    ganzoo.save(model, tmp_path / "model")
    loaded = ganzoo.load(tmp_path / "model")
    assert greatest_difference(model, loaded)[0] == 0
    assert loaded.trained == frozenset(model.networks)
    sums = (tmp_path / "model" / "SHA256SUMS").read_text()
    assert "model.weights.h5" in sums
    assert "README.md" in sums


@pytest.mark.parametrize("name", FIRST)
def test_an_export_answers_as_the_model_does(name, tmp_path):
    model = trained(name)
    report = model.export(tmp_path / "exported")  # which compares them in a fresh process
    assert set(report.endpoints) == set(report.differences) == set(model.endpoints())


@pytest.fixture(scope="module")
def reopened(tmp_path_factory):
    """Saves every architecture, and opens all the files in one fresh process."""
    folder = tmp_path_factory.mktemp("saved")
    for name in ARCHITECTURES:
        trained(name).save(folder / f"{name}.keras")
        np.save(folder / f"{name}.input.npy", _example_input(trained(name)))
    run_script("reopen", folder)
    return folder


def run_script(name, *arguments):
    """Runs a module of this folder in a process of its own."""
    command = [sys.executable, "-m", f"tests.models.{name}", *map(str, arguments)]
    done = subprocess.run(
        command, capture_output=True, text=True, timeout=900, cwd=pathlib.Path(__file__).parents[2]
    )
    assert done.returncode == 0, done.stderr[-3000:]


def _example_input(model):
    if hasattr(model, "latent_dim"):
        return np.random.default_rng(1).normal(size=(3, model.latent_dim)).astype("float32")
    return random_images(model, count=1)[0]


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_a_keras_file_opens_in_a_fresh_process(name, reopened):
    model = trained(name)
    expected = model(np.load(reopened / f"{name}.input.npy"))
    found = np.load(reopened / f"{name}.output.npz")
    np.testing.assert_array_equal(found["output"], expected)
    assert int(found["step"]) == STEPS
    for key, optimizer in model.optimizers.items():
        assert int(found[f"{key}.iterations"]) == int(optimizer.iterations) > 0
