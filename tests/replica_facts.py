"""Runs `ganzoo.replicas` and its users on some logical devices and prints what they gave.

One number of devices a process: TensorFlow gives the groups of two strategies the same key.
"""

import json
import sys

import keras
import numpy as np
import tensorflow as tf

from ganzoo import randomness, replicas
from ganzoo.layers import StatelessDropout
from ganzoo.normalization import BatchNorm
from ganzoo.optimizers import ReplicaSafeLossScaleOptimizer
from ganzoo.updates import minimize

ROWS = 8
KEY = (5, 6)


def on_each(strategy, function):
    """Calls a function in each replica's context, compiled; lists what each gave."""
    values = tf.function(lambda: strategy.run(function))()
    return [np.asarray(value).tolist() for value in strategy.experimental_local_results(values)]


def rows_and_draws(strategy):
    """Deals out 8 rows and draws for them."""
    count = strategy.num_replicas_in_sync
    rows = tf.reshape(tf.range(2.0 * ROWS), (ROWS, 2))
    with strategy.scope():
        dropout = StatelessDropout(0.5)

    def masks():
        with randomness.scope(KEY):
            return replicas.gather_rows(dropout(tf.ones((ROWS // count, 6)), training=True))

    draw = randomness.normal
    return {
        "count": on_each(strategy, lambda: tf.constant(replicas.replica_count())),
        "index": on_each(strategy, lambda: tf.constant(0) + replicas.replica_index()),
        "own": on_each(strategy, lambda: replicas.own_rows(rows)),
        "gathered": on_each(strategy, lambda: replicas.gather_rows(replicas.own_rows(rows))),
        "scalars": on_each(strategy, lambda: replicas.gather_rows(replicas.own_rows(rows[:, 0]))),
        "positions": on_each(strategy, lambda: replicas.own_positions(ROWS // count)),
        "drawn": on_each(strategy, lambda: randomness.rows(draw, KEY, ROWS // count, (3,))),
        "masks": on_each(strategy, masks),
    }


def one_update(strategy, optimizer, target_of):
    """Pulls a weight to the mean of what replicas aim at, with an L2 term; gives it after."""
    with strategy.scope():
        weight = keras.Variable([1.0, 2.0])
        optimizer = optimizer()
        optimizer.build([weight])

    def step():
        targets = replicas.own_rows(target_of())
        with tf.GradientTape() as tape:
            loss = tf.reduce_mean((targets - tf.convert_to_tensor(weight)) ** 2)
        minimize(loss, tape, [weight], optimizer, l2_weight=0.5)
        return tf.convert_to_tensor(weight)

    return on_each(strategy, step)


def sgd():
    return keras.optimizers.SGD(0.1)


def scaled_sgd():
    return ReplicaSafeLossScaleOptimizer(sgd(), initial_scale=16.0)


def targets(bad=0.0):
    """Eight rows; `bad` lies in row 3 only, which 2 and 4 replicas give to another than 0."""
    rows = np.arange(2 * ROWS, dtype="float32").reshape(ROWS, 2)
    rows[3, 0] += bad
    return lambda: tf.constant(rows)


def normalized(strategy):
    """Normalises 8 images of 3×2; gives results, slopes and averages, each of all rows."""
    images = np.random.RandomState(0).normal(3.0, 2.0, (ROWS, 3, 2, 4)).astype("float32")
    upstream = np.random.RandomState(1).normal(size=images.shape).astype("float32")
    with strategy.scope():
        layer = BatchNorm(momentum=0.9, epsilon=1e-3)
        layer.build((None, *images.shape[1:]))
    layer.gamma.assign([1.0, 0.5, -2.0, 3.0])
    layer.beta.assign([0.0, 1.0, 2.0, -1.0])

    def step():
        own, slopes = (replicas.own_rows(tf.constant(rows)) for rows in (images, upstream))
        with tf.GradientTape() as tape:
            tape.watch(own)
            result = layer(own, training=True)
        of_images, *of_weights = tape.gradient(
            result, [own, *layer.trainable_variables], output_gradients=slopes
        )
        context = tf.distribute.get_replica_context()
        return (
            replicas.gather_rows(result),
            replicas.gather_rows(of_images),
            *(context.all_reduce("sum", slope) for slope in of_weights),
            *map(tf.convert_to_tensor, (layer.moving_mean, layer.moving_variance)),
        )

    names = ("results", "of_images", "of_gamma", "of_beta", "mean", "variance")
    values = tf.function(lambda: strategy.run(step))()
    return {
        f"norm {name}": [
            np.asarray(each).tolist() for each in strategy.experimental_local_results(value)
        ]
        for name, value in zip(names, values, strict=True)
    }


def gather_facts(strategy):
    """Lists what each replica gives, by what was asked."""
    return (
        rows_and_draws(strategy)
        | normalized(strategy)
        | {
            "update": one_update(strategy, sgd, targets()),
            "scaled": one_update(strategy, scaled_sgd, targets()),
            "overflow": one_update(strategy, scaled_sgd, targets(np.inf)),
        }
    )


def main(count):
    cpu = tf.config.list_physical_devices("CPU")[0]
    parts = [tf.config.LogicalDeviceConfiguration()] * count
    tf.config.set_logical_device_configuration(cpu, parts)
    devices = [device.name for device in tf.config.list_logical_devices("CPU")]
    print(json.dumps(gather_facts(tf.distribute.MirroredStrategy(devices))))


if __name__ == "__main__":
    main(int(sys.argv[1]))
