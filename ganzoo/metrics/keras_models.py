"""Keras models that are networks of one batch of images, whoever made them."""

import functools

import keras
import tensorflow as tf

from ganzoo.errors import GanzooError
from ganzoo.metrics.hashing import network_sha256


def open_keras_model(model: keras.Model):
    """Prepares a Keras model of one input, as `open_saved_model` does a SavedModel.

    Returns:
        A function of images; the `tf.TensorSpec` of its input; the sha256.

    Raises:
        GanzooError: It has other inputs, or, as a class of one's own, none that it can tell.
    """
    inputs = getattr(model, "inputs", None) or []
    if len(inputs) != 1 or len(inputs[0].shape) != 4:
        takes = " and ".join(str(tuple(each.shape)) for each in inputs) or "inputs of unknown shape"
        raise GanzooError(
            f"The Keras model {model.name!r} takes {takes}, not one batch of images. Build it on "
            "keras.Input((height, width, channels)) as its only input."
        )
    spec = tf.TensorSpec(inputs[0].shape, inputs[0].dtype)
    return functools.partial(model, training=False), spec, network_sha256(model)
