"""Functions that TensorFlow traces: told apart, and reading variables on the way."""

import functools
from collections.abc import Callable
from typing import Any

import tensorflow as tf


def compiled(function: Callable, signature: Any = None, **options: Any) -> Any:
    """Makes a `tf.function` whose traces TensorFlow counts apart from those of any other.

    TensorFlow counts traces by the Python code of a function, which all models of a class share:
    after a few models in a loop it would warn of "retracing". A partial has no code of its own,
    so that each one counts for itself.

    Args:
        function: What to compile.
        signature: A `tf.TensorSpec` for each argument; None to trace by what is passed.
        options: Others of `tf.function`.
    """
    return tf.function(functools.partial(function), signature, **options)


def read(variable):
    """Reads a scalar variable as a Python number, while a graph is traced too."""
    with tf.init_scope():
        value = variable.value
        return getattr(value, "values", [value])[0].numpy().item()  # one a replica, kept equal
