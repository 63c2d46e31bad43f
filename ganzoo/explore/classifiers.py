"""Classifiers to deceive, as functions from images in [-1, 1] to logits."""

import pathlib

import keras
import tensorflow as tf

from ganzoo.errors import GanzooError
from ganzoo.metrics import extractors, lenet, resizers


def load_classifier(classifier):
    """Loads a classifier through which gradients flow.

    Args:
        classifier: "lenet_mnist" or "lenet_fashion_mnist", which ship; a folder with a
            SavedModel whose `serving_default` maps images in [-1, 1] to logits; a Keras model;
            or a function, which is given back.

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
    loaded = tf.saved_model.load(str(folder))
    function = loaded.signatures.get("serving_default")
    if function is None:
        raise GanzooError(f"The SavedModel in {folder} has no endpoint 'serving_default'.")
    (name,) = function.structured_input_signature[1]

    def classify(images):
        outputs = function(**{name: images})
        logits = outputs.get("logits", next(iter(outputs.values())))
        return tf.reshape(logits, (tf.shape(images)[0], -1))

    classify.loaded = loaded  # its variables live as long as it does
    return classify
