"""DiffAugment for training on few images (Zhao et al. 2020, arXiv:2006.10738), on the device.

Every function maps a batch `(n, h, w, c)` in [-1, 1] to such a batch, is differentiable, keeps
no state and treats row i by `positions[i]` and the seed alone: the same on any division of the
batch over replicas. Real and fake images are augmented in both networks' updates.
"""

from collections.abc import Iterable

import tensorflow as tf

from ganzoo.checks import check_choice
from ganzoo.errors import DataError
from ganzoo.replicas import own_positions

POLICIES = ("color", "translation", "cutout")
TRANSLATION_RATIO = 1 / 8
CUTOUT_RATIO = 1 / 2


def diff_augment(images, seed, positions, policies=POLICIES):
    """Applies some of DiffAugment's policies, in the given order.

    Args:
        images: `(n, h, w, c)`, float in [-1, 1].
        seed: int32 `(2,)`; another seed, other draws.
        positions: int `(n,)`, the rows' places in the global batch.
        policies: Names among `POLICIES`.

    Returns:
        Images of the same shape; colour changes may leave [-1, 1].
    """
    changes = {"color": change_colors, "translation": translate, "cutout": cut_out}
    for number, policy in enumerate(checked_policies(policies)):
        chances = row_uniforms(seed, positions, 3, salt=number + 1)
        images = changes[policy](images, chances)
    return images


def checked_policies(policies, image_shape=None):
    """Gives policies as a list, after a look at each: in a traced step it would be too late.

    Args:
        policies: A name among `POLICIES`, or several; None for none.
        image_shape: `(h, w, c)`, or `(2,)` for points, which cannot be augmented.

    Raises:
        DataError: One is no policy, or the images are points.
    """
    policies = [policies] if isinstance(policies, str) else policies
    if not isinstance(policies, Iterable | None):
        raise DataError(f"augment is {policies!r}. Give a list, such as ['color', 'cutout'].")
    policies = list(policies or ())
    for policy in policies:
        check_choice(f"{policy!r} is not an augmentation", policy, POLICIES, error=DataError)
    if policies and image_shape is not None and len(image_shape) != 3:
        raise DataError(f"augment is {policies}, which is for images. Leave it out for points.")
    return policies


def augment_for(model, images, purpose):
    """Applies the policies that a model's `compile` was given, by this step's own draws.

    Args:
        model: A compiled model, whose `augment` names policies.
        images: This replica's images of a step.
        purpose: What the draws are for: another word, other draws.
    """
    if not model.augment:
        return images
    positions = own_positions(tf.shape(images)[0])
    return diff_augment(images, model.key(f"augment {purpose}"), positions, model.augment)


def change_colors(images, chances):
    """Moves brightness by up to ±0.5, saturation by a factor below 2, contrast by 0.5 to 1.5."""
    chances = tf.cast(chances, images.dtype)[:, :, None, None, None]
    images = images + chances[:, 0] - 0.5
    grey = tf.reduce_mean(images, axis=-1, keepdims=True)
    images = grey + (images - grey) * chances[:, 1] * 2
    mean = tf.reduce_mean(images, axis=(1, 2, 3), keepdims=True)
    return mean + (images - mean) * (chances[:, 2] + 0.5)


def translate(images, chances, ratio=TRANSLATION_RATIO):
    """Shifts by up to `ratio` of each side; what comes into view is 0, mid-grey."""
    for axis, chance in ((1, chances[:, 0]), (2, chances[:, 1])):
        side = images.shape[axis] or tf.shape(images)[axis]
        reach = tf.cast(tf.cast(side, "float32") * ratio + 0.5, "int32")
        shifts = tf.cast(chance * tf.cast(2 * reach + 1, "float32"), "int32") - reach
        origins = tf.range(side)[None] - shifts[:, None]
        # Wrapping keeps every origin used once, so that the gradient adds no two terms.
        images = tf.gather(images, origins % side, axis=axis, batch_dims=1)
        inside = tf.cast((origins >= 0) & (origins < side), images.dtype)
        images = images * tf.reshape(inside, (-1, side, 1, 1) if axis == 1 else (-1, 1, side, 1))
    return images


def cut_out(images, chances, ratio=CUTOUT_RATIO):
    """Sets a box of `ratio` of each side, centred anywhere, to 0."""
    hidden = 1.0
    for axis, chance in ((1, chances[:, 0]), (2, chances[:, 1])):
        side = images.shape[axis] or tf.shape(images)[axis]
        box = tf.cast(tf.cast(side, "float32") * ratio + 0.5, "int32")
        places = tf.cast(side, "int32") + (1 - box % 2)
        centres = tf.cast(chance * tf.cast(places, "float32"), "int32")
        offsets = tf.range(side)[None] - (centres - box // 2)[:, None]
        within = tf.cast((offsets >= 0) & (offsets < box), images.dtype)
        hidden *= tf.reshape(within, (-1, side, 1, 1) if axis == 1 else (-1, 1, side, 1))
    return images * (1 - hidden)


def row_uniforms(seed, positions, count, salt=0):
    """Draws `(n, count)` numbers on [0, 1), float32; row i is a function of (seed, position i).

    SplitMix64 (Steele et al. 2014) read at any place: its n-th output is a hash of n, so that
    rows need neither a common draw nor a loop. Positions may be any int64.
    """
    words = tf.bitcast(tf.cast(seed, "int32"), "uint32")
    low, high = tf.cast(words[0], "uint64"), tf.cast(words[1], "uint64")
    key = _mix(_mix(low + _GOLDEN * (salt + 1) % 2**64) + high)
    places = tf.bitcast(tf.cast(positions, "int64"), "uint64")[:, None] * tf.constant(
        count, "uint64"
    )
    places += tf.cast(tf.range(1, count + 1), "uint64")[None]
    bits = tf.bitwise.right_shift(_mix(key + places * _GOLDEN), tf.constant(40, "uint64"))
    return tf.cast(tf.cast(bits, "int32"), "float32") * 2.0**-24


_GOLDEN = 0x9E3779B97F4A7C15


def _mix(words):
    for shift, factor in ((30, 0xBF58476D1CE4E5B9), (27, 0x94D049BB133111EB), (31, 1)):
        shifted = tf.bitwise.right_shift(words, tf.constant(shift, "uint64"))
        words = tf.bitwise.bitwise_xor(words, shifted) * tf.constant(factor, "uint64")
    return words
