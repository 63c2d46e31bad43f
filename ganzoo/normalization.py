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
    count = _pixels(images)
    biased = result.batch_variance * (count - 1.0) / count
    return result.y, result.batch_mean, biased


def normalize_together(images, scale, offset, epsilon):
    """Normalises each channel over all images and pixels of all replicas, an equal number each.

    One exchange between the replicas tells them the mean and variance of all, and one more their
    gradients what it needs of all. The arguments and results are those of `normalize`; through
    mean and variance no gradient flows.
    """

    def forward(images, scale, offset):
        ones, zeros = tf.ones_like(scale), tf.zeros_like(scale)
        _, mean, variance = normalize(images, ones, zeros, epsilon)
        mean, square = _mean_of_replicas(mean, variance + tf.square(mean))
        variance = tf.maximum(square - tf.square(mean), 0.0)

        def gradient(upstream, *_):
            slopes = tf.raw_ops.FusedBatchNormGradV3(
                y_backprop=upstream,
                x=images,
                scale=scale,
                reserve_space_1=mean,
                reserve_space_2=variance,
                reserve_space_3=tf.zeros(0),
                epsilon=epsilon,
                is_training=False,
            )
            # What the images would gain through mean and variance is taken off.
            factor = scale * tf.math.rsqrt(variance + epsilon) / _pixels(images)
            shared = _mean_of_replicas(slopes.scale_backprop, slopes.offset_backprop)
            gain = _normalize_by(
                images, *(factor * slope for slope in shared), mean, variance, epsilon
            )
            return slopes.x_backprop - gain, slopes.scale_backprop, slopes.offset_backprop

        result = _normalize_by(images, scale, offset, mean, variance, epsilon)
        return (result, mean, variance), gradient

    inputs = (images, *map(tf.convert_to_tensor, (scale, offset)))
    return tf.custom_gradient(forward)(*inputs)


def _normalize_by(images, scale, offset, mean, variance, epsilon):
    """Normalises by a mean and a variance that are given."""
    return tf.raw_ops.FusedBatchNormV3(
        x=images,
        scale=scale,
        offset=offset,
        mean=mean,
        variance=variance,
        epsilon=epsilon,
        is_training=False,
    ).y


def _mean_of_replicas(*values):
    """Averages vectors of one length over the replicas, in one exchange."""
    context = tf.distribute.get_replica_context()
    return tf.unstack(context.all_reduce(tf.distribute.ReduceOp.MEAN, tf.stack(values)))


def _pixels(images):
    return tf.cast(tf.size(images) // images.shape[-1], "float32")


@keras.saving.register_keras_serializable("ganzoo")
class BatchNorm(layers.BatchNormalization):
    """Keras's batch normalisation, over the batches of all replicas, by fused kernels.

    Ioffe and Szegedy 2015, arXiv:1502.03167. The arguments are those of
    `keras.layers.BatchNormalization`; the last axis holds the channels.
    """

    def __init__(self, synchronized=True, **kwargs):
        super().__init__(synchronized=synchronized, **kwargs)

    def call(self, inputs, training=None, mask=None):
        learns = training and self.trainable and self.scale and self.center
        plain = mask is None and not self.renorm
        alone = replica_count() == 1
        if not (learns and plain and (alone or self.synchronized) and can_fuse(inputs)):
            return super().call(inputs, training=training, mask=mask)
        images = tf.cast(inputs, self.compute_dtype)
        over_all = normalize if alone else normalize_together
        result, mean, variance = over_all(images, self.gamma, self.beta, self.epsilon)
        for average, value in ((self.moving_mean, mean), (self.moving_variance, variance)):
            average.assign(average * self.momentum + value * (1.0 - self.momentum))
        return result
