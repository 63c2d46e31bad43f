"""Minibatch statistics on several devices. Run as a script, this trains and writes the states."""

import json
import pathlib
import subprocess
import sys

import keras
import numpy as np
import pytest
import tensorflow as tf

import ganzoo.data
from ganzoo.errors import TrainingError
from ganzoo.tracing import read
from ganzoo.training.state import read_state
from tests.models.test_progan import SMALL, batches, build, images

REPLICAS = (pytest.param(2, marks=pytest.mark.soak), 4)
GROWING = (2, pytest.param(4, marks=pytest.mark.soak))
PHASES = [
    {"resolution": 4, "stabilize_kimg": 0.016, "batch_size": 8},
    {"resolution": 8, "fade_kimg": 0.032, "stabilize_kimg": 0.032, "batch_size": 16,
     "learning_rate": 0.005},
]  # fmt: skip


def main(what, folder, count):
    cpu = tf.config.list_physical_devices("CPU")[0]
    tf.config.set_logical_device_configuration(
        cpu, [tf.config.LogicalDeviceConfiguration()] * count
    )
    devices = [device.name for device in tf.config.list_logical_devices("CPU")]
    strategy = tf.distribute.MirroredStrategy(devices)
    if what == "step":
        np.savez(folder / "state.npz", **trained(strategy))
        (folder / "refused.txt").write_text("\n".join(refusals(strategy)), encoding="utf-8")
    else:
        state, story = grown(strategy, folder)
        np.savez(folder / "state.npz", **state)
        (folder / "story.json").write_text(json.dumps(story), encoding="utf-8")


def trained(strategy):
    """Takes one step at 4×4, where the minibatch statistics are, and gives the state."""
    with strategy.scope():
        model = build(
            4,
            lambda: keras.optimizers.SGD(0.01),
            phases=[{"resolution": 4, "stabilize_kimg": 1}],
            group_size=2,
        )
    data = tf.data.Dataset.from_tensors(images(8, 4))
    model.fit(data, epochs=1, verbose=0)
    return state_of(model)


class Story(keras.callbacks.Callback):
    """Notes what each step was taken with, and for which resolutions it was traced."""

    def __init__(self):
        super().__init__()
        self.steps, self.traced = [], []

    def on_train_batch_end(self, batch, logs=None):
        model, optimizer = self.model, self.model.generator_optimizer
        step = {name: model.fit_state.values[name] for name in ("resolution", "alpha")}
        step["seen"] = model.images_seen
        step["rate"] = round(float(read(optimizer.learning_rate)), 6)
        step["iterations"] = int(read(optimizer.iterations))
        self.steps.append(step)


def grown(strategy, folder):
    """Trains through a fade-in and beyond on ganzoo data; gives the state and the story."""
    pixels = np.random.default_rng(3).integers(0, 256, (20, 8, 8, 1), "uint8")
    np.save(folder / "images.npy", pixels)
    with strategy.scope():
        model = build(
            8, lambda: keras.optimizers.SGD(0.01, momentum=0.5), phases=PHASES, group_size=2
        )
    story, step = Story(), model.train_step

    def train_step(batch):
        story.traced.append(model.resolution)
        return step(batch)

    model.train_step = train_step
    data = ganzoo.data.load(folder / "images.npy", image_size=8, channels=1, batch_size=8)
    model.fit(data, verbose=0, callbacks=[story])
    return state_of(model), {"steps": story.steps, "traced": story.traced}


def state_of(model):
    values = {f"value/{name}": value for name, value in model.fit_state.values.items()}
    return {
        name.replace("/", "|"): value
        for name, value in (read_state(model) | values).items()
        if name != "fit/sums"
    }


def refusals(strategy):
    """Tries runs whose local batches split the groups, and gives what is said of each."""
    count = strategy.num_replicas_in_sync
    table = [SMALL[0], SMALL[1] | {"batch_size": 6 * count}]
    with strategy.scope():
        official, paper = build(8, phases=SMALL), build(8, phases=SMALL, group_size=None)
        by_table = build(8, phases=table)
        foreign = build(8, phases=SMALL, group_statistic="pytorch_gan_zoo")
    assert official.begin_stage(0, 16) == (16, 8)
    for attempt in (
        lambda: official.fit(batches(16, count), verbose=0),
        lambda: paper.fit(batches(16, 8), verbose=0),
        lambda: by_table.begin_stage(0, 16),
        lambda: foreign.fit(batches(16, 16), verbose=0),
    ):
        try:
            attempt()
        except TrainingError as error:
            yield str(error)


@pytest.fixture(scope="module", params=REPLICAS)
def outcome(request, tmp_path_factory):
    """Number of replicas, and the folder with what a process of so many devices wrote."""
    folder = tmp_path_factory.mktemp("replicas")
    on_devices("step", folder, request.param)
    return request.param, folder


def on_devices(what, folder, count):
    """Runs this file in a process of its own, with so many logical devices."""
    module = [sys.executable, "-m", "tests.models.test_progan_replicas"]
    root = pathlib.Path(__file__).resolve().parents[2]
    done = subprocess.run(
        [*module, what, str(folder), str(count)],
        capture_output=True,
        text=True,
        timeout=600,
        cwd=root,
    )
    assert done.returncode == 0, done.stderr[-3000:]


def test_replicas_agree_with_one_device_minibatch_statistics_included(outcome):
    replicas, folder = outcome
    one = trained(tf.distribute.get_strategy())
    many = np.load(folder / "state.npz")
    assert set(one) == set(many.files)
    assert int(many["extra|images_seen"]) == 8
    for name, value in one.items():
        np.testing.assert_allclose(many[name], value, rtol=1e-5, atol=2e-6, err_msg=name)


@pytest.mark.parametrize("replicas", GROWING)
def test_replicas_grow_as_one_device_does(replicas, tmp_path):
    on_devices("growth", tmp_path, replicas)
    one, story = grown(tf.distribute.get_strategy(), tmp_path)
    columns = {name: [step[name] for step in story["steps"]] for name in story["steps"][0]}
    assert columns == {
        "resolution": [4, 4, 8, 8, 8, 8],
        "alpha": [1, 1, 0, 0.5, 1, 1],
        "seen": [8, 16, 32, 48, 64, 80],  # batches of 8, and then of 16
        "rate": [0.01, 0.01, 0.005, 0.005, 0.005, 0.005],
        "iterations": [1, 2, 1, 2, 1, 2],  # fresh optimizers in each phase
    }
    assert story["traced"] == [4, 8]
    of_many = json.loads((tmp_path / "story.json").read_text(encoding="utf-8"))
    assert of_many["steps"] == story["steps"]
    assert of_many["traced"] == [4] * replicas + [8] * replicas  # one program for each
    many = np.load(tmp_path / "state.npz")
    assert set(one) == set(many.files)
    for name, value in one.items():
        np.testing.assert_allclose(many[name], value, rtol=1e-4, atol=1e-5, err_msg=name)


def test_batches_that_split_a_group_are_refused(outcome):
    replicas, folder = outcome
    text = (folder / "refused.txt").read_text(encoding="utf-8")
    official, paper, table, foreign = text.splitlines()
    assert f"batch of {replicas} images on {replicas} replicas splits the groups of" in official
    assert f"Use batches that {4 * replicas} divides, another model.group_size" in official
    assert paper == (
        "model.group_size is null, so that the discriminator compares the statistics of whole "
        f"batches, and {replicas} replicas would split one of 8 images. Set model.group_size to "
        "a number, such as 4, or train on one replica."
    )
    assert f"batch of {6 * replicas} images on {replicas} replicas" in table
    assert foreign == (
        "The minibatch statistics of 'pytorch_gan_zoo' compare images that follow each other in "
        f"a batch, and {replicas} replicas would part them. Train on one replica, or set "
        "model.group_statistic to 'official'."
    )


if __name__ == "__main__":
    main(sys.argv[1], pathlib.Path(sys.argv[2]), int(sys.argv[3]))
