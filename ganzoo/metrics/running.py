"""Runs a network over a batch on every device of a strategy."""

from collections.abc import Callable
from typing import Any

import numpy as np
import tensorflow as tf

from ganzoo.tracing import compiled


def on_all_replicas(function: Callable, strategy: Any = None) -> Callable[[Any], Any]:
    """Compiles `function` and deals each batch it is called with to the strategy's replicas.

    Args:
        function: Maps a float32 batch `(n, …)` to a tensor or a dict of tensors `(n, …)`, row
            by row: no row's result may depend on the others.
        strategy: The one whose scope the function's weights were made in; the current one by
            default. One replica, or none, means a plain call.

    Returns:
        A function of a batch of any size that gives the same structure of arrays, in order.
    """
    strategy = strategy or tf.distribute.get_strategy()
    replicas = strategy.num_replicas_in_sync

    def on_replicas(batch):
        if replicas == 1:
            return function(batch)
        return strategy.run(function, args=(batch,))

    call = compiled(on_replicas, reduce_retracing=True)

    def run(batch):
        if replicas == 1:
            return tf.nest.map_structure(np.asarray, call(tf.convert_to_tensor(batch)))
        batch = np.asarray(batch)
        each = -(-len(batch) // replicas)
        # Every replica gets equally many rows; the last row fills up and is dropped again.
        places = np.minimum(np.arange(each * replicas), len(batch) - 1)
        parts = batch[places].reshape(replicas, each, *batch.shape[1:])
        dealt = strategy.experimental_distribute_values_from_function(
            lambda context: tf.constant(parts[context.replica_id_in_sync_group])
        )
        return tf.nest.map_structure(
            lambda value: np.concatenate(
                [part.numpy() for part in strategy.experimental_local_results(value)]
            )[: len(batch)],
            call(dealt),
        )

    return run
