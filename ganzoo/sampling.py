"""From latents, or the key that they are drawn by, to pixels in one compiled call."""

import tensorflow as tf

from ganzoo.data.decoding import to_uint8

KEY_AND_COUNT = [tf.TensorSpec((2,), "int32"), tf.TensorSpec((), "int32")]


class Sampler:
    """A generator compiled for `generate`, from latents and from the key that they are drawn by.

    A small network takes less time than the way there and back between two compiled calls.

    Args:
        model: The model that draws the latents.
        draw_images: Maps latents to float images, nominally in [-1, 1].

    Attributes:
        from_latents: Maps latents `(batch, latent_dim)` to uint8 images.
        from_key: Maps a key and a count to as many uint8 images.
    """

    def __init__(self, model, draw_images):
        self.from_latents = tf.function(
            lambda latents: to_pixels(draw_images(latents)),
            [tf.TensorSpec((None, model.latent_dim), "float32")],
        )
        self.from_key = tf.function(
            lambda key, count: to_pixels(draw_images(model.draw_latents(count, key))),
            KEY_AND_COUNT,
        )


def to_pixels(images):
    """Turns float images in [-1, 1] into uint8, rounded and clipped; leaves points alone."""
    if len(images.shape) != 4:
        return tf.cast(images, "float32")
    return to_uint8(images)
