"""The pool of earlier translations that the discriminators learn from.

Shrivastava et al. 2017, arXiv:1612.07828, section 2.3; Zhu et al. 2017, section 4.
"""

import math

import tensorflow as tf

from ganzoo import randomness
from ganzoo.errors import DataError, TrainingError
from ganzoo.replicas import gather_rows, own_rows


class ImagePool:
    """Up to `size` earlier images, that new ones change places with by chance.

    Every replica holds the whole pool and passes the global batch through it, so that any
    number of replicas gives the same images.

    Args:
        size: Images in a full pool, or groups of them.
        image_shape: `(h, w, channels)`.
        group: Images that change places together: 1, or the global batch size for the whole
            batches of the paper's code.

    Raises:
        TrainingError: So many images do not fit the memory.

    Attributes:
        images: `(size * group, h, w, channels)`, float32.
        count: Images put in so far, up to `size * group`.
    """

    def __init__(self, size, image_shape, group=1):
        self.size = size
        self.group = group
        try:
            self.images = tf.Variable(tf.zeros((size * group, *image_shape)), trainable=False)
        except (tf.errors.ResourceExhaustedError, ValueError) as error:  # also beyond 64 bits
            gigabytes = 4 * size * group * math.prod(image_shape) / 1e9
            raise TrainingError(
                f"A pool of {size * group:,} images takes {gigabytes:,.1f} GB, for which there is "
                "no memory. Use a smaller training.pool_size, such as 50."
            ) from error
        # Not int32, which TensorFlow keeps on the host, where XLA's steps on a GPU cannot use it.
        self.count = tf.Variable(0, dtype="int64", trainable=False)

    def fits(self, size, image_shape, group):
        """Says whether the pool is one of this kind."""
        shape = (size * group, *image_shape)
        return self.group == group and tuple(self.images.shape) == shape

    def exchange(self, images, key):
        """Puts images in, and takes as many out.

        The batch passes row by row, as in the authors' code: while the pool fills, a row goes
        in and comes out. Afterwards it comes out with probability 1/2; else it takes a random
        place, and what lay there comes out.

        Args:
            images: This replica's rows `(batch, h, w, channels)`, float32.
            key: Of this step's draws.

        Returns:
            As many images, of this replica's rows.

        Raises:
            DataError: They are of another size than those in the pool; in a graph TensorFlow's
                own error, with the same message.
        """
        rows = gather_rows(self._checked(images))
        count = tf.shape(rows)[0]
        numbers = tf.range(count)
        before = tf.cast(self.count, "int32")
        order = before + numbers
        places, swaps = self._draw(key, count)
        filling = order < self.size * self.group
        places = tf.where(filling, order, places)
        stores = filling | swaps
        # Row earlier[i] is the last that went to the place of row i before it came, -1 if none.
        same_place = (places[:, None] == places[None]) & stores[None]
        earlier = tf.where(same_place & (numbers[None] < numbers[:, None]), numbers[None], -1)
        earlier = tf.reduce_max(earlier, axis=1)
        last = tf.reduce_max(tf.where(same_place, numbers[None], -1), axis=1)
        kept = tf.gather(self.images, places)
        taken = _choose(earlier >= 0, tf.gather(rows, tf.maximum(earlier, 0)), kept)
        result = _choose(swaps & ~filling, taken, rows)
        # Rows of one place write the same image, that of the last, so that no order matters.
        written = _choose(last >= 0, tf.gather(rows, tf.maximum(last, 0)), kept)
        self.images.assign(tf.tensor_scatter_nd_update(self.images, places[:, None], written))
        full = tf.minimum(before + count, self.size * self.group)
        self.count.assign(tf.cast(full, "int64"))
        return own_rows(result)

    def _checked(self, images):
        """Gives the images, which have to be of the pool's size, as a dataset's first ones were."""
        message = (
            "Images of one domain differ in size, and its pool of translations keeps "
            f"{self.images.shape[1]}×{self.images.shape[2]}. Bring them to one size, or train with "
            "training.pool_size=0."
        )
        if not self.images.shape[1:].is_compatible_with(images.shape[1:]):
            raise DataError(message)
        if images.shape[1:].is_fully_defined():
            return images
        same = tf.debugging.assert_equal(tf.shape(images)[1:], self.images.shape[1:], message)
        with tf.control_dependencies([same]):
            return tf.identity(images)

    def _draw(self, key, count):
        """Draws for each row a place, int32, and whether it changes places."""
        groups = -(-count // self.group)  # the last batch of a dataset may be smaller
        chances = randomness.uniform(key, (groups, 2))
        chances = tf.repeat(chances, self.group, axis=0)[:count]
        places = tf.cast(chances[:, 0] * self.size, "int32") * self.group
        return places + tf.range(count) % self.group, chances[:, 1] > 0.5


def _choose(condition, images, others):
    return tf.where(condition[:, None, None, None], images, others)
