"""From latents, or the key that they are drawn by, to pixels in one compiled call."""

import numpy as np
import tensorflow as tf

from ganzoo import shortcuts
from ganzoo.data.decoding import to_uint8
from ganzoo.tracing import compiled

_IMAGES_AT_ONCE, _SIDE = 64, 128  # larger images are made fewer at once, by their area
_LARGE_IMAGES = 16  # of larger ones, people and checks look at this many
KEY_AND_COUNT = [tf.TensorSpec((2,), "int32"), tf.TensorSpec((), "int32")]


class Sampler:
    """A generator compiled for `generate`, from latents and from the key that they are drawn by.

    A small network takes less time than the way there and back between two compiled calls.

    Args:
        model: The model that draws the latents.
        draw_images: Maps latents to float images, nominally in [-1, 1].
        image_shape: Shape of one of these.

    Attributes:
        from_latents: Maps latents `(batch, latent_dim)` to uint8 images.
        from_key: Maps a key and a count to as many uint8 images.
    """

    def __init__(self, model, draw_images, image_shape):
        self.model = model
        self.at_once = images_at_once(image_shape)

        def from_latents(latents):
            with shortcuts.scope():
                return to_pixels(draw_images(latents))

        def from_key(key, count):
            return from_latents(model.draw_latents(count, key))

        self.from_latents = compiled(
            from_latents, [tf.TensorSpec((None, model.latent_dim), "float32")]
        )
        self.from_key = compiled(from_key, KEY_AND_COUNT)

    def generate(self, key, count, truncation=None, condition=None):
        """Makes `count` uint8 images, no more at once than memory holds.

        Args:
            key: Key of the latents, as `randomness.seed_key` gives it.
            count: How many images.
            truncation: As `draw_latents` takes it.
            condition: Turns all the latents into those to use.
        """
        if 0 < count <= self.at_once and truncation is None and condition is None:
            return self.from_key(key, count).numpy()
        latents = self.model.draw_latents(count, key, truncation)
        if condition is not None:
            latents = condition(latents)
        if not count:  # not every layer can tell the shape of no image at all
            return self.from_latents(tf.zeros((1, self.model.latent_dim))).numpy()[:0]
        return in_parts(self.from_latents, latents, self.at_once)


def images_at_once(image_shape):
    """Says how many images `(h, w, c)`, or points `(2,)`, a generator makes in one call."""
    if len(image_shape) != 3:
        return _IMAGES_AT_ONCE
    area = image_shape[0] * image_shape[1]
    return max(1, min(_IMAGES_AT_ONCE, _IMAGES_AT_ONCE * _SIDE**2 // area))


def images_to_look_at(image_shape):
    """Says how many images `(h, w, c)`, or points `(2,)`, are enough to look at."""
    large = len(image_shape) == 3 and max(image_shape[:2]) > _SIDE
    return _LARGE_IMAGES if large else _IMAGES_AT_ONCE


def in_parts(function, rows, at_once):
    """Calls a function of rows on so many of them at a time, and joins the arrays it gives."""
    starts = range(0, len(rows), at_once)
    return np.concatenate([function(rows[start : start + at_once]).numpy() for start in starts])


def sample_in_graph(model, count, seed):
    """Does in an exported graph what `generate` does: equal parts, no more at once than fits.

    Args:
        model: A `LatentModel`.
        count: int32 `()`, how many images.
        seed: int32 `(2,)`; image i depends on it and i only.

    Returns:
        A dict of `images`, uint8 `(count, h, w, c)`, or points, float32 `(count, 2)`.
    """
    tf.debugging.assert_non_negative(count, "count is negative")
    parts = tf.maximum(1, -(-count // images_at_once(model.image_shape)))
    size = tf.maximum(1, -(-count // parts))
    latents = tf.reshape(model.draw_latents(parts * size, seed), (parts, size, model.latent_dim))
    dtype = "uint8" if len(model.image_shape) == 3 else "float32"
    images = tf.map_fn(
        lambda part: to_pixels(model(part, training=False)),
        latents,
        parallel_iterations=1,
        fn_output_signature=tf.TensorSpec((None, *model.image_shape), dtype),
    )
    return {"images": tf.reshape(images, (-1, *model.image_shape))[:count]}


def to_pixels(images):
    """Turns float images in [-1, 1] into uint8, rounded and clipped; leaves points alone."""
    if len(images.shape) != 4:
        return tf.cast(images, "float32")
    return to_uint8(images)
