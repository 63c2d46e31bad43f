"""The ways to bring a picture to a network's size. Each takes one picture or a whole batch."""

import tensorflow as tf

MODES = ("crop", "pad", "stretch", "load_crop")


def to_size(images, image_size, mode):
    """Brings images `(…, h, w, c)` in [0, 255] to a square, without anything by chance.

    `crop` takes the centre square, antialiased; `stretch` forgets the proportions; `pad`
    reduces what is larger and surrounds it with black, as the progressive GAN's code brings
    MNIST from 28 to 32; `load_crop` stretches bicubically, as CycleGAN's code does in tests.

    Returns:
        Images `(…, image_size, image_size, c)`, float32 in [0, 255].
    """
    if mode == "crop":
        height, width = _sides(images)
        side = tf.minimum(height, width)
        images = _window(images, (height - side) // 2, (width - side) // 2, side)
        return _resize(images, (image_size, image_size), "bilinear")
    if mode == "stretch":
        return _resize(images, (image_size, image_size), "bilinear")
    if mode == "load_crop":
        return _resize(images, (image_size, image_size), "bicubic")
    return _pad(images, image_size)


def load_size_for(image_size):
    """Gives the side that `load_crop` loads at: 286 for 256 (CycleGAN), 143 for 128."""
    return round(image_size * 286 / 256)


def load_and_crop(images, image_size, load_size, chances):
    """Stretches bicubically to `load_size` and cuts a square of `image_size` by chance.

    Args:
        images: `(h, w, c)` or a batch of them, in [0, 255].
        image_size: Side of the result.
        load_size: Side to stretch to first, `image_size` or more.
        chances: Where to cut, `(2,)` or `(batch, 2)`, uniform on [0, 1).
    """
    loaded = _resize(images, (load_size, load_size), "bicubic")
    corners = tf.cast(chances * (load_size - image_size + 1), "int32")
    if loaded.shape.rank == 3:
        cut = _window(loaded, corners[0], corners[1], image_size)
        # Where it is cut is known at the step only, but its size before: models ask for that.
        return tf.ensure_shape(cut, (image_size, image_size, loaded.shape[-1]))
    reach = tf.range(image_size)
    loaded = tf.gather(loaded, corners[:, :1] + reach, axis=1, batch_dims=1)
    return tf.gather(loaded, corners[:, 1:] + reach, axis=2, batch_dims=1)


def flip(images, chances):
    """Mirrors left to right where the chance, a scalar or `(batch,)` on [0, 1), is below 1/2."""
    if images.shape.rank == 4:
        chances = chances[:, None, None, None]
    return tf.where(chances < 0.5, tf.reverse(images, [-2]), images)


def _sides(images):
    """Height and width, as numbers where they are known."""
    dynamic = tf.shape(images)
    height, width = images.shape[-3:-1]
    return height or dynamic[-3], width or dynamic[-2]


def _window(images, top, left, side):
    return images[..., top : top + side, left : left + side, :]


def _resize(images, size, method):
    height, width = _sides(images)

    def resized(antialias):
        images_there = tf.image.resize(images, size, method=method, antialias=antialias)
        # The bicubic kernel overshoots at edges.
        return tf.clip_by_value(images_there, 0.0, 255.0)

    if isinstance(height, int) and (height, width) == size:
        return tf.cast(images, "float32")
    # The antialiasing kernel takes four times as long as the other, with the same result where
    # both sides grow.
    grows = tf.logical_and(height <= size[0], width <= size[1])
    return tf.cond(grows, lambda: resized(False), lambda: resized(True))


def _pad(images, image_size):
    height, width = _sides(images)
    longer = tf.maximum(height, width)

    def reduced():
        sides = [tf.maximum(1, side * image_size // longer) for side in (height, width)]
        return _resize(images, sides, "bilinear")

    images = tf.cond(longer > image_size, reduced, lambda: tf.cast(images, "float32"))
    height, width = tf.shape(images)[-3], tf.shape(images)[-2]
    top, left = (image_size - height) // 2, (image_size - width) // 2
    around = [[top, image_size - height - top], [left, image_size - width - left], [0, 0]]
    padded = tf.pad(images, [[0, 0]] * (images.shape.rank - 3) + around)
    shape = [*images.shape[:-3], image_size, image_size, images.shape[-1]]
    return tf.ensure_shape(padded, shape)
