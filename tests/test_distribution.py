"""What is refused where several replicas train, and how workers exchange what they find."""

import types

import keras
import numpy as np
import pytest
import tensorflow as tf

from ganzoo import data, distribution
from ganzoo.errors import DataError, TrainingError
from ganzoo.optimizers import ReplicaSafeLossScaleOptimizer

ONE, TWO = (types.SimpleNamespace(num_replicas_in_sync=count) for count in (1, 2))


def check(strategy, optimizer=None, **options):
    options = {"jit_compile": False, "steps_per_execution": 1} | options
    optimizers = {} if optimizer is None else {"generator_optimizer": optimizer}
    distribution.check_options(strategy, optimizers=optimizers, **options)


def scaled(optimizer):
    return ReplicaSafeLossScaleOptimizer(optimizer)


@pytest.mark.parametrize("wrap", [lambda optimizer: optimizer, scaled])
@pytest.mark.parametrize("clip", ["clipnorm", "global_clipnorm", "clipvalue"])
def test_gradients_are_clipped_on_one_device_only(clip, wrap):
    optimizer = wrap(keras.optimizers.Adam(**{clip: 0.5}))
    check(ONE, optimizer)
    message = (
        rf"^The generator_optimizer clips gradients by {clip}=0\.5, which under SimpleNamespace "
        rf"with 2 replicas .*\. Leave {clip} out, or train on one device\.$"
    )
    with pytest.raises(TrainingError, match=message):
        check(TWO, optimizer)


@pytest.mark.parametrize("wrap", [lambda optimizer: optimizer, scaled])
def test_gradients_are_accumulated_on_one_device_only(wrap):
    optimizer = wrap(keras.optimizers.SGD(gradient_accumulation_steps=4))
    check(ONE, optimizer)
    with pytest.raises(TrainingError, match=r"accumulates gradients over 4 steps, .* larger batch"):
        check(TWO, optimizer)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"jit_compile": True}, r"^XLA .* does not work under .* with 2 replicas: .*=False\.$"),
        ({"steps_per_execution": 5}, r"^steps_per_execution=5 does not work under .*=1\.$"),
    ],
)
def test_ways_to_execute_are_for_one_device(options, message):
    check(ONE, **options)
    check(TWO, scaled(keras.optimizers.Adam()))
    with pytest.raises(TrainingError, match=message):
        check(TWO, **options)


def test_a_batch_that_does_not_divide_names_larger_ones_and_fewer_devices():
    distribution.check_divides(8, TWO)
    distribution.check_divides(1, ONE)
    distribution.check_divides(None, TWO)
    message = (
        r"^A global batch of 1 images does not divide over 2 replicas\. Use a multiple of 2, for "
        r"example batch_size=2, or fewer devices: one with --strategy none, or those that "
        r"CUDA_VISIBLE_DEVICES names\.$"
    )
    with pytest.raises(DataError, match=message):
        distribution.check_divides(1, TWO)


@pytest.mark.parametrize(
    ("cluster", "task", "addresses", "place"),
    [
        ({"worker": ["a:1", "b:2"]}, ("worker", 0), ["a:1", "b:2"], 0),
        ({"worker": ["a:1", "b:2"]}, ("worker", 1), ["a:1", "b:2"], 1),
        ({"worker": ["a:1"], "chief": ["c:3"]}, ("worker", 0), ["c:3", "a:1"], 1),
        ({"worker": ["a:1"], "chief": ["c:3"]}, ("chief", 0), ["c:3", "a:1"], 0),
    ],
)
def test_workers_come_after_their_chief(cluster, task, addresses, place, monkeypatch):
    class Workers:
        cluster_resolver = types.SimpleNamespace(
            cluster_spec=lambda: tf.train.ClusterSpec(cluster), task_type=task[0], task_id=task[1]
        )

    monkeypatch.setattr(tf.distribute, "MultiWorkerMirroredStrategy", Workers)
    assert distribution.worker_addresses(Workers()) == (addresses, place)
    assert distribution.is_chief(Workers()) == (place == 0)


class TwoWorkers:
    """A strategy of two workers with two replicas each, whose datasets it gives all."""

    num_replicas_in_sync = 4

    def distribute_datasets_from_function(self, function):
        contexts = (
            types.SimpleNamespace(num_input_pipelines=2, input_pipeline_id=index)
            for index in range(2)
        )
        return [function(context) for context in contexts]


def test_each_worker_feeds_the_rows_of_its_own_replicas():
    batches = tf.data.Dataset.range(16).batch(8)
    first, second = (
        [rows.numpy().tolist() for rows in dataset]
        for dataset in distribution.distribute_dataset(batches, TwoWorkers())
    )
    assert first == [[0, 4], [1, 5], [8, 12], [9, 13]]
    assert second == [[2, 6], [3, 7], [10, 14], [11, 15]]


def test_each_worker_feeds_the_points_of_its_own_replicas():
    stream = data.load("ring8", batch_size=8).stream
    whole = next(iter(stream.dataset(24, 1))).numpy()
    for worker, dataset in enumerate(distribution.distribute_stream(stream, TwoWorkers(), 24)):
        for replica, rows in zip((0, 1), dataset, strict=False):
            np.testing.assert_array_equal(rows, whole[2 * worker + replica :: 4])


def test_a_process_that_trains_alone_asks_nobody_for_numbers():
    """Many devices of one process have one number: to gather it would cost each step."""

    class Alone:  # has no run, which a gathering would call
        num_replicas_in_sync = 8
        cluster_resolver = None

    assert distribution.gather_numbers(Alone(), 7) == [7]


def test_gradients_travel_in_messages_of_2_mb_where_no_gpu_trains(monkeypatch):
    assert distribution._communication().bytes_per_pack == 2**21
    monkeypatch.setattr(tf.config, "list_physical_devices", lambda kind: [kind])
    assert distribution._communication().bytes_per_pack == 0  # TensorFlow's own choice
