"""One source seen through a view: from positions in the endless stream to images."""

import functools
import os

import numpy as np
import tensorflow as tf

from ganzoo.data import resizing
from ganzoo.data.augment import row_uniforms
from ganzoo.data.decoding import colour_to_grey


class Domain:
    """The images of one source, of a network's size, by their positions in the endless stream.

    Args:
        source: An opened source.
        view: A `View`: how its images are brought to size.
        seed: Decides, with a position, the order and all that is drawn; any 64 bits.
        shuffle: False for the order of the files in every pass.
        number: 0, or 1 for the second domain of a pair, which draws by itself.
    """

    def __init__(self, source, view, seed, shuffle, number):
        self.source, self.view, self.number = source, view, number
        # Two words of a seed of any size; the domain's number keeps pairs independent.
        words = np.random.SeedSequence([abs(seed), seed < 0, number]).generate_state(2)
        self.key = words.view("int32")
        self.in_file_order = functools.partial(_in_file_order, source.count)
        self.order = self.in_file_order
        if shuffle:
            self.order = functools.partial(_shuffled, _Permutations(source.count, self.key))

    def batches(self, positions, rows, by_chance=True):
        """Maps a dataset of int64 positions, `(rows,)` each, to batches of images.

        Without chance they have the order of the files, and the last batch may be smaller.
        """
        order = self.order if by_chance else self.in_file_order
        parallel = {"num_parallel_calls": _workers(), "deterministic": True}
        if hasattr(self.source, "gather"):
            return positions.map(lambda p: self._from_array(order(p), p, by_chance), **parallel)
        numbers = positions.map(lambda p: (order(p), p)).unbatch()
        images = numbers.map(lambda i, p: self._from_picture(i, p, by_chance), **parallel)
        return images.batch(rows, drop_remainder=by_chance)

    def _from_array(self, indices, positions, by_chance):
        images = self.source.gather(indices)
        if self.source.is_points:
            return images
        if self.view.channels < self.source.channels:
            images = _grey(images)
        images = self._fitted(images, positions, by_chance)
        if self.view.channels > self.source.channels:
            images = tf.repeat(images, 3, axis=-1)
        return images / 127.5 - 1

    def _from_picture(self, index, position, by_chance):
        picture = self.source.picture(index, self.view.channels)
        return self._fitted(picture, position, by_chance) / 127.5 - 1

    def _fitted(self, images, positions, by_chance):
        view = self.view
        if not by_chance:
            return resizing.to_size(images, view.image_size, view.resize)
        chances = row_uniforms(self.key, tf.reshape(positions, [-1]), 3)
        if positions.shape.rank == 0:
            chances = chances[0]
        if view.resize == "load_crop":
            images = resizing.load_and_crop(
                images, view.image_size, view.load_size, chances[..., :2]
            )
        else:
            images = resizing.to_size(images, view.image_size, view.resize)
        return resizing.flip(images, chances[..., 2]) if view.flip else images


class _Permutations:
    """The permutations of one domain's passes.

    TensorFlow's index_shuffle needs no memory, but has few permutations of a small set, and
    repeats them within some hundred passes.
    """

    def __init__(self, count, key):
        self.count, self.key = count, key.view("uint32").tolist()
        self._of_pass = functools.lru_cache(maxsize=3)(self._draw)

    def _draw(self, number):
        generator = np.random.Generator(
            np.random.Philox(np.random.SeedSequence([*self.key, number]))
        )
        return generator.permutation(self.count)

    def __call__(self, positions):
        passes, places = np.divmod(positions, self.count)
        indices = np.empty_like(positions)
        for number in np.unique(passes):
            inside = passes == number
            indices[inside] = self._of_pass(int(number))[places[inside]]
        return indices


def _shuffled(permutations, positions):
    indices = tf.numpy_function(permutations, [positions], "int64", stateful=False)
    return tf.ensure_shape(indices, positions.shape)


def _in_file_order(count, positions):
    return positions % count


def _workers():
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()


def _grey(images):
    if images.dtype == tf.uint8:
        return colour_to_grey(images)
    return tf.reduce_sum(images * [0.299, 0.587, 0.114], axis=-1, keepdims=True)
