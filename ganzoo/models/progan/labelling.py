"""Latents that end in a class, for generators that were trained to make images of one.

Odena et al. 2017, Conditional Image Synthesis with Auxiliary Classifier GANs, arXiv:1610.09585,
section 3: the class is a one-hot vector beside the noise.
"""

import numpy as np
import tensorflow as tf

from ganzoo.errors import GanzooError


def with_random_classes(latents, classes):
    """Turns the last `classes` values of drawn latents `(count, latent_dim)` into a class.

    They are drawn alike and apart from the noise, so that each is the largest as often.
    """
    return _with_classes(latents, tf.argmax(latents[:, -classes:], axis=1), classes)


def with_labels(latents, labels, classes):
    """Puts given classes at the end of latents `(count, latent_dim)`.

    Args:
        latents: Drawn latents; their last `classes` values are replaced.
        labels: A number from 0 to `classes` - 1, or one for each latent.
        classes: How many classes there are.

    Raises:
        GanzooError: There are no such classes, or not as many labels as latents.
    """
    if not classes:
        raise GanzooError("This model's images have no classes to choose from. Leave labels out.")
    count, numbers = len(latents), np.asarray(labels)
    if numbers.shape not in ((), (count,)):
        raise GanzooError(
            f"labels has the shape {numbers.shape}, for {count} images. Give one number for all, "
            "or one for each."
        )
    if not np.isin(numbers, np.arange(classes)).all():
        raise GanzooError(f"labels is {labels!r:.80}. The classes are 0 to {classes - 1}.")
    return _with_classes(latents, np.broadcast_to(numbers, (count,)).astype("int64"), classes)


def _with_classes(latents, numbers, classes):
    return tf.concat([latents[:, :-classes], tf.one_hot(numbers, classes)], axis=1)
