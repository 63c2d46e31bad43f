"""Compiled functions that TensorFlow does not take for one another."""

import functools
from collections.abc import Callable
from typing import Any

import tensorflow as tf


def compiled(function: Callable, signature: Any = None, **options: Any) -> Any:
    """Makes a `tf.function` whose traces TensorFlow counts apart from those of any other.

    It counts by the code: the second of two models would be one more trace of the first's
    function, and a loop over models a reason to warn of "retracing". A partial has no code.

    Args:
        function: What to compile.
        signature: A `tf.TensorSpec` for each argument; None to trace by what is passed.
        options: Others of `tf.function`.
    """
    return tf.function(functools.partial(function), signature, **options)
