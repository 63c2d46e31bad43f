"""The rows of a global batch on one replica.

Row i of a global batch lies on replica i mod R. Numbers drawn for the whole batch and dealt
out by that rule are the same on one device and on many.
"""

import tensorflow as tf


def replica_count():
    """Counts the replicas that train together, 1 outside any strategy."""
    context = tf.distribute.get_replica_context()
    strategy = tf.distribute.get_strategy()
    return context.num_replicas_in_sync if context else strategy.num_replicas_in_sync


def replica_index():
    """Gives this replica's place among all replicas, 0 outside any strategy."""
    context = tf.distribute.get_replica_context()
    return context.replica_id_in_sync_group if context else 0


def own_rows(rows):
    """Takes this replica's rows out of those of the global batch `(B, …)`: `(B / R, …)`."""
    count = replica_count()
    return rows if count == 1 else rows[replica_index() :: count]


def gather_rows(rows):
    """Collects the rows `(B / R, …)` of all replicas, in the order of the global batch.

    The inverse of `own_rows`, with the same result on every replica. Every replica has to
    call it, the same number of times.
    """
    count = replica_count()
    if count == 1:
        return rows
    by_replica = tf.distribute.get_replica_context().all_gather(rows, axis=0)
    by_replica = tf.reshape(by_replica, (count, -1, *rows.shape[1:]))
    dealt = tf.transpose(by_replica, (1, 0, *range(2, len(by_replica.shape))))
    return tf.reshape(dealt, (-1, *rows.shape[1:]))


def own_positions(batch_size):
    """Gives the places `(batch_size,)`, int32, of this replica's rows in the global batch."""
    return replica_index() + replica_count() * tf.range(batch_size)
