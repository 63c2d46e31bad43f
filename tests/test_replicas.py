"""One device and several give the same rows, draws and updates."""

import json
import pathlib
import subprocess
import sys

import numpy as np
import pytest
import tensorflow as tf

from tests.replica_facts import ROWS, gather_facts

TABLE = np.arange(2.0 * ROWS).reshape(ROWS, 2)


@pytest.fixture(scope="module", params=[pytest.param(2, marks=pytest.mark.soak), 4])
def count(request):
    return request.param


@pytest.fixture(scope="module")
def alone():
    """What the one replica outside any strategy gives."""
    return {key: value[0] for key, value in gather_facts(tf.distribute.get_strategy()).items()}


@pytest.fixture(scope="module")
def found(count):
    """What each of several replicas gives, in a process with as many logical devices."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.replica_facts", str(count)],
        cwd=pathlib.Path(__file__).parents[1],
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return json.loads(done.stdout)


def test_row_i_lies_on_replica_i_mod_r(found, count):
    assert found["count"] == [count] * count
    assert found["index"] == list(range(count))
    for replica in range(count):
        np.testing.assert_array_equal(found["own"][replica], TABLE[replica::count])
        np.testing.assert_array_equal(found["positions"][replica], range(replica, ROWS, count))


def test_gathering_undoes_dealing_on_every_replica(found, count):
    for replica in range(count):
        np.testing.assert_array_equal(found["gathered"][replica], TABLE)
        np.testing.assert_array_equal(found["scalars"][replica], TABLE[:, 0])


def test_the_replicas_together_draw_what_one_device_draws(found, count, alone):
    drawn = np.array(alone["drawn"])
    assert len(np.unique(drawn)) == drawn.size, "no two rows share their draws"
    for replica in range(count):
        np.testing.assert_array_equal(found["drawn"][replica], drawn[replica::count])
        np.testing.assert_array_equal(found["masks"][replica], alone["masks"])


@pytest.mark.parametrize("kind", ["update", "scaled"])
def test_an_update_is_that_of_the_global_batch(found, alone, kind):
    start = np.array([1.0, 2.0])
    # d mean((t - w)²) / dw, a mean over both columns, and the 0.5 w of the L2 term.
    slope = (start - TABLE.mean(axis=0)) + 0.5 * start
    for weight in [alone[kind], *found[kind]]:
        np.testing.assert_allclose(weight, start - 0.1 * slope, rtol=1e-6)


def test_an_overflow_on_any_replica_stops_the_update_on_all(found, alone, count):
    assert [alone["overflow"], *found["overflow"]] == [[1.0, 2.0]] * (count + 1)


def test_batch_norm_on_replicas_is_that_of_the_global_batch(found, alone, count):
    """One device's is compared with Keras's in test_normalization.py."""
    names = [name for name in alone if name.startswith("norm ")]
    assert len(names) == 6
    for name in names:
        assert len(found[name]) == count
        for each in found[name]:
            np.testing.assert_allclose(each, alone[name], rtol=1e-4, atol=1e-5, err_msg=name)


def test_outside_a_strategy_all_rows_are_ones_own(alone):
    assert alone["count"] == 1
    assert alone["index"] == 0
    np.testing.assert_array_equal(alone["own"], TABLE)
    np.testing.assert_array_equal(alone["gathered"], TABLE)
    np.testing.assert_array_equal(alone["positions"], range(ROWS))
