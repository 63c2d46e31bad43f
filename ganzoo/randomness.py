"""Random numbers that are functions of (seed, step, purpose, position in the global batch).

Generators that carry state cannot be resumed or divided over replicas exactly; these have
none. Philox is named everywhere, because TensorFlow would choose another generator on some
devices. Its n-th number does not depend on how many are drawn, so that row i of a draw is
the same in a draw of any length. XLA's Philox gives other numbers than TensorFlow's own.
"""

import contextlib
import operator
import secrets
import threading
import zlib

import numpy as np
import tensorflow as tf

from ganzoo.errors import GanzooError
from ganzoo.replicas import own_rows, replica_count

_ALGORITHM = "philox"
_PHILOX = 1  # its number among TensorFlow's algorithms
_OF_ONE_COUNT = 4
_scopes = threading.local()  # replicas of one process are traced in threads of their own


def fresh_seed():
    """Draws a seed, 31 bits, from the operating system."""
    return secrets.randbits(31)


def key_for(seed, step, purpose):
    """Derives the key `(2,)`, int32, of what is drawn at one step for one purpose, a word."""
    seed = tf.bitcast(tf.cast(seed, "int64"), "int32")
    purpose = tf.constant(zlib.crc32(purpose.encode()) & 0x7FFFFFFF, "int32")
    return next_of(tf.random.fold_in(seed, purpose, alg=_ALGORITHM), step)


def next_of(key, number):
    """Derives from a key the one of its number-th use."""
    return tf.random.fold_in(key, tf.cast(number, "int32"), alg=_ALGORITHM)


def seed_key(seed):
    """Turns a user's seed into the key `(2,)`, int32, that exported models take as input.

    Raises:
        GanzooError: As `checked_seed`.
    """
    low, high = checked_seed(seed) & 0xFFFFFFFF, checked_seed(seed) >> 32
    return np.array([low, high], "int64").astype("int32")


def checked_seed(seed):
    """Gives a seed as a Python int.

    Raises:
        GanzooError: It is no whole number, or one of more than 64 bits.
    """
    try:
        return int(np.int64(operator.index(seed)))
    except (TypeError, OverflowError) as error:
        raise GanzooError(
            f"seed is {seed!r:.80}. Give a whole number of at most 64 bits, such as 1."
        ) from error


def normal(key, shape, first=0):
    """Draws from N(0, 1), float32; element i depends on `key` and `first` + i only."""
    if first:
        return _drawn(tf.raw_ops.StatelessRandomNormalV2, key, shape, first)
    return tf.random.stateless_normal(shape, key, alg=_ALGORITHM)


def uniform(key, shape, low=0.0, high=1.0, first=0):
    """Draws from U[low, high), float32; element i depends on `key` and `first` + i only."""
    if first:
        shares = _drawn(tf.raw_ops.StatelessRandomUniformV2, key, shape, first)
        return shares * (high - low) + low
    return tf.random.stateless_uniform(shape, key, low, high, alg=_ALGORITHM)


def _drawn(operation, key, shape, first):
    """Draws what a whole draw has from its number `first` on, without those before it.

    Philox counts, and each count gives four numbers: the draw begins at the count that holds the
    first one, and drops what comes before that.
    """
    counts, before = divmod(first, _OF_ONE_COUNT)
    own, counter = tf.raw_ops.StatelessRandomGetKeyCounter(seed=key)
    counter += tf.constant([counts, 0], counter.dtype)
    numbers = [tf.reduce_prod(shape) + before]
    drawn = operation(shape=numbers, key=own, counter=counter, alg=_PHILOX, dtype=tf.float32)
    return tf.reshape(drawn[before:], shape)


def truncated_normal(key, shape, bound, first=0):
    """Draws from N(0, 1) and redraws every value outside [-bound, bound]."""

    def redraw(values, attempt):
        again = normal(tf.random.fold_in(key, attempt, alg=_ALGORITHM), shape, first)
        return tf.where(tf.abs(values) > bound, again, values), attempt + 1

    def any_outside(values, _):
        return tf.reduce_any(tf.abs(values) > bound)

    return tf.while_loop(any_outside, redraw, (normal(key, shape, first), 1))[0]


def rows(draw, key, batch_size, shape):
    """Draws this replica's rows `(batch_size, *shape)` of a draw for the global batch.

    Every replica draws the whole batch and keeps its own rows: that costs little beside a
    network, and no two replicas can disagree.
    """
    return own_rows(draw(key, (batch_size * replica_count(), *shape)))


@contextlib.contextmanager
def scope(key):
    """Gives layers that draw (`StatelessDropout`) their keys, in the order of their calls."""
    outer = getattr(_scopes, "current", None)
    _scopes.current = [key, 0]
    try:
        yield
    finally:
        _scopes.current = outer


def next_key():
    """Gives the next key of the innermost `scope`, or None outside any."""
    current = getattr(_scopes, "current", None)
    if current is None:
        return None
    current[1] += 1
    return tf.random.fold_in(current[0], current[1], alg=_ALGORITHM)
