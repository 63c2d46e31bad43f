"""How far a progressive GAN has grown, and what growing does to images and rates."""

import keras
import tensorflow as tf


@keras.saving.register_keras_serializable("ganzoo")
class Growth(keras.layers.Layer):
    """Remembers how far the networks have grown, as weights, so that every file holds it.

    Attributes:
        images_seen: Real images trained on.
        resolution: Side of the images that the networks make and judge; 0 for the largest, as
            of networks that never trained.
        alpha: How far the block of that resolution is faded in.
        phase: Number of the last phase begun, -1 before any.
    """

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.images_seen = self._state("images_seen", "int64", 0)
        self.resolution = self._state("resolution", "int32", 0)
        self.alpha = self._state("alpha", "float32", 1.0)
        self.phase = self._state("phase", "int32", -1)
        self.built = True

    def _state(self, name, dtype, value):
        return self.add_weight(
            shape=(),
            dtype=dtype,
            initializer=keras.initializers.Constant(value),
            trainable=False,
            autocast=False,
            name=name,
        )


def shrink(images, resolution, alpha=None):
    """Reduces images to a resolution, and fades its detail in with the networks.

    Args:
        images: `(batch, h, w, c)`; the side is a multiple of `resolution`.
        resolution: The side of the result; each pixel is the mean of a square.
        alpha: Share, 0 to 1, of the detail that half the resolution does not show.

    Returns:
        `(batch, resolution, resolution, c)`.
    """
    factor = images.shape[1] // resolution
    if factor > 1:
        images = tf.nn.avg_pool2d(images, factor, factor, "VALID")
    if alpha is None:
        return images
    alpha = tf.cast(alpha, images.dtype)
    return alpha * images + (1.0 - alpha) * enlarge(tf.nn.avg_pool2d(images, 2, 2, "VALID"), 2)


def enlarge(images, factor):
    """Repeats each pixel `factor` times to the right and down."""
    return tf.repeat(tf.repeat(images, factor, axis=1), factor, axis=2)


def ramp(images_seen, length):
    """Factor of the learning rate, rising from exp(-5) to 1 over `length` images.

    Karras et al. 2018, the Theano code: exp(-5 (1 - t)²) for t from 0 to 1.
    """
    left = 1.0 - tf.cast(images_seen, "float32") / float(length)
    return tf.exp(-5.0 * tf.square(tf.clip_by_value(left, 0.0, 1.0)))
