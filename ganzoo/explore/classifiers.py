"""Classifiers to deceive, as functions from images in [-1, 1] to logits."""

import pathlib

import keras
import tensorflow as tf

from ganzoo.errors import GanzooError
from ganzoo.metrics import extractors, lenet, resizers
from ganzoo.metrics.saved_models import open_saved_model, output_named


def load_classifier(classifier):
    """Loads a classifier through which gradients flow.

    Args:
        classifier: "lenet_mnist" or "lenet_fashion_mnist", which ship; a folder with a
            SavedModel whose `serving_default` maps images in [-1, 1] to logits, its only output
            or the one of that name; a Keras model; or a function, which is given back.

    Returns:
        Function of float images `(n, h, w, c)` in [-1, 1] that gives logits `(n, classes)`.

    Raises:
        GanzooError: It is none of those.
    """
    if isinstance(classifier, keras.Model):
        return lambda images: classifier(images, training=False)
    if callable(classifier):
        return classifier
    if isinstance(classifier, str) and classifier in extractors.LENETS:
        return _lenet(classifier)
    if (pathlib.Path(classifier) / "saved_model.pb").is_file():
        return _saved_model(classifier)
    raise GanzooError(
        f"{str(classifier)!r} is no classifier. Give {' or '.join(map(repr, extractors.LENETS))}, "
        "or a folder with a SavedModel."
    )


def _lenet(which):
    network = extractors.open_lenet(extractors.shipped_lenet(which))

    def classify(images):
        levels = (images + 1) / 2
        if levels.shape[-1] == 3:
            levels = tf.image.rgb_to_grayscale(levels)
        resized = resizers.resize_bilinear(levels, (lenet.SIDE,) * 2, half_pixel_centers=True)
        return network(resized, training=False)["logits"]

    return classify


def _saved_model(folder):
    network, spec, _ = open_saved_model(pathlib.Path(folder))
    if not spec.dtype.is_floating:
        raise GanzooError(
            f"{str(folder)!r} takes images of {spec.dtype.name}, through which no gradient flows. "
            "Export the classifier with float images in [-1, 1] as its input."
        )

    def classify(images):
        logits = output_named("logits", network(images), repr(str(folder)))
        return tf.reshape(logits, (tf.shape(images)[0], -1))

    return classify
