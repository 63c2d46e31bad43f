"""Numbers from the middle of a draw, without those before them.

Philox counts: each count gives four numbers, so that a draw can begin anywhere. What a whole draw
of `randomness` would have at those places is what comes, bit for bit.
"""

from typing import Any, NamedTuple

import tensorflow as tf

from ganzoo import randomness

_PHILOX = 1  # its number among TensorFlow's algorithms
_OF_ONE_COUNT = 4


class After(NamedTuple):
    """A key whose draws leave out their first numbers.

    Attributes:
        key: As `randomness` takes it.
        first: How many numbers to leave out.
    """

    key: Any
    first: int


def after(key, first: int):
    """Gives a key whose draws begin after `first` numbers."""
    return After(key, first) if first else key


def normal(key, shape):
    """Draws from N(0, 1), float32; `key` may be an `After`."""
    if not isinstance(key, After):
        return randomness.normal(key, shape)
    return _drawn(tf.raw_ops.StatelessRandomNormalV2, key, shape)


def uniform(key, shape, low, high):
    """Draws from U[low, high), float32; `key` may be an `After`."""
    if not isinstance(key, After):
        return randomness.uniform(key, shape, low, high)
    return _drawn(tf.raw_ops.StatelessRandomUniformV2, key, shape) * (high - low) + low


def truncated_normal(key, shape, bound):
    """Draws from N(0, 1) and redraws every value outside ± `bound`; `key` may be an `After`."""
    if not isinstance(key, After):
        return randomness.truncated_normal(key, shape, bound)
    values, attempt = normal(key, shape), 0
    while tf.reduce_any(tf.abs(values) > bound):
        attempt += 1
        again = tf.random.fold_in(key.key, attempt, alg="philox")
        values = tf.where(tf.abs(values) > bound, normal(After(again, key.first), shape), values)
    return values


def _drawn(operation, key, shape):
    """Draws from the count that holds the first number, and drops what comes before that."""
    numbers = tf.reduce_prod(shape)
    counts, before = divmod(key.first, _OF_ONE_COUNT)
    own, counter = tf.raw_ops.StatelessRandomGetKeyCounter(seed=key.key)
    counter += tf.constant([counts, 0], counter.dtype)
    drawn = operation(
        shape=[numbers + before], key=own, counter=counter, alg=_PHILOX, dtype=tf.float32
    )
    return tf.reshape(drawn[before:], shape)
