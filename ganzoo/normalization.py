"""Normalisation by the kernels that compute mean, variance and result at once.

Written as separate sums and products it takes two to three times as long, and its gradient too.
"""

import keras
import tensorflow as tf
from keras import layers

from ganzoo.replicas import replica_count

# The types that the kernels take; their sums are float32 in each.
_TYPES = ("float32", "bfloat16", "float16")


def can_fuse(images):
    """Says whether `normalize` takes these images."""
    return len(images.shape) == 4 and keras.backend.standardize_dtype(images.dtype) in _TYPES


def normalize(images, scale, offset, epsilon):
    """Normalises each channel over all images and pixels.

    Args:
        images: `(batch, h, w, c)`, such that `can_fuse`.
        scale: `(c,)`, float32, multiplied afterwards.
        offset: `(c,)`, float32, added then.
        epsilon: Added to the variance.

    Returns:
        The result, in the type of `images`, and mean and biased variance `(c,)`.
    """
    result = tf.raw_ops.FusedBatchNormV3(
        x=images,
        scale=scale,
        offset=offset,
        mean=tf.zeros(0),
        variance=tf.zeros(0),
        epsilon=epsilon,
        is_training=True,
    )
    count = tf.cast(tf.size(images) // images.shape[-1], "float32")
    biased = result.batch_variance * (count - 1.0) / count
    return result.y, result.batch_mean, biased


@keras.saving.register_keras_serializable("ganzoo")
class BatchNorm(layers.BatchNormalization):
    """Keras's batch normalisation, over the batches of all replicas, and fused where there is one.

    Ioffe and Szegedy 2015, arXiv:1502.03167. The arguments are those of
    `keras.layers.BatchNormalization`; the last axis holds the channels.
    """

    def __init__(self, synchronized=True, **kwargs):
        super().__init__(synchronized=synchronized, **kwargs)

    def call(self, inputs, training=None, mask=None):
        learns = training and self.trainable and self.scale and self.center
        alone = replica_count() == 1 and mask is None and not self.renorm
        if not (learns and alone and can_fuse(inputs)):
            return super().call(inputs, training=training, mask=mask)
        images = tf.cast(inputs, self.compute_dtype)
        result, mean, variance = normalize(images, self.gamma, self.beta, self.epsilon)
        for average, value in ((self.moving_mean, mean), (self.moving_variance, variance)):
            average.assign(average * self.momentum + value * (1.0 - self.momentum))
        return result
