"""Minibatch statistics on several devices. Run as a script, this trains and writes the states."""

import pathlib
import subprocess
import sys

import keras
import numpy as np
import pytest
import tensorflow as tf

from ganzoo.errors import TrainingError
from ganzoo.training.state import read_state
from tests.models.test_progan import SMALL, batches, build, images

REPLICAS = (pytest.param(2, marks=pytest.mark.soak), 4)


def main(folder, count):
    cpu = tf.config.list_physical_devices("CPU")[0]
    tf.config.set_logical_device_configuration(
        cpu, [tf.config.LogicalDeviceConfiguration()] * count
    )
    devices = [device.name for device in tf.config.list_logical_devices("CPU")]
    strategy = tf.distribute.MirroredStrategy(devices)
    np.savez(folder / f"{count}.npz", **trained(strategy))
    (folder / f"refused_{count}.txt").write_text("\n".join(refusals(strategy)), encoding="utf-8")


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
    assert official.begin_stage(0, 16) == (16, 8)
    for attempt in (
        lambda: official.fit(batches(16, count), verbose=0),
        lambda: paper.fit(batches(16, 8), verbose=0),
        lambda: by_table.begin_stage(0, 16),
    ):
        try:
            attempt()
        except TrainingError as error:
            yield str(error)


@pytest.fixture(scope="module", params=REPLICAS)
def outcome(request, tmp_path_factory):
    """The states after training in one process on several devices, and here on one."""
    folder = tmp_path_factory.mktemp("replicas")
    module = [sys.executable, "-m", "tests.models.test_progan_replicas"]
    root = pathlib.Path(__file__).resolve().parents[2]
    done = subprocess.run(
        [*module, str(folder), str(request.param)],
        capture_output=True,
        text=True,
        timeout=600,
        cwd=root,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return request.param, folder


def test_replicas_agree_with_one_device_minibatch_statistics_included(outcome):
    replicas, folder = outcome
    one = trained(tf.distribute.get_strategy())
    many = np.load(folder / f"{replicas}.npz")
    assert set(one) == set(many.files)
    assert int(many["extra|images_seen"]) == 8
    for name, value in one.items():
        np.testing.assert_allclose(many[name], value, rtol=1e-5, atol=2e-6, err_msg=name)


def test_batches_that_split_a_group_are_refused(outcome):
    replicas, folder = outcome
    text = (folder / f"refused_{replicas}.txt").read_text(encoding="utf-8")
    official, paper, table = text.splitlines()
    assert f"batch of {replicas} images on {replicas} replicas splits the groups of" in official
    assert "groups of 8 whose statistics" in paper
    assert f"Use batches that {8 * replicas} divides" in paper
    assert f"batch of {6 * replicas} images on {replicas} replicas" in table


if __name__ == "__main__":
    main(pathlib.Path(sys.argv[1]), int(sys.argv[2]))
