"""The instance statistics of a picture that is too large to go through a generator at once.

Every convolution runs over strips of rows that overlap by what it sees, so that the statistics
are those of the whole. Between the convolutions of the blocks the features wait in half
precision at a quarter of the picture's sides; what lies outside the blocks is computed again.
"""

import keras
import numpy as np
import tensorflow as tf

from ganzoo.layers import use_statistics

_STORED = "float16"
_HALO = 8  # rows above and below a strip, more than the layers before the blocks see
_FEATURE_HALO = 2  # the same for the layers after the blocks


def picture_statistics(generator, image, pixels):
    """Computes what every `InstanceNorm` of a generator finds in a picture.

    Args:
        generator: As `build_generator` makes it.
        image: float32 `(h, w, c)` in [-1, 1], sides multiples of 4.
        pixels: How many pixels of the picture may go through a layer at once.

    Returns:
        A (mean, variance) for each of the layers, in their order, `(1, 1, 1, channels)` each.
    """
    rows = max(2 * _HALO, pixels // image.shape[1] // 4 * 4)
    return _Strips(generator, rows).statistics_of(image)


class _Strips:
    """A pass through a generator in strips of so many rows of the picture."""

    def __init__(self, generator, rows):
        self.generator = generator
        self.rows = rows
        self.known = {}

    def statistics_of(self, image):
        features = self._encode(image)
        for layer in self.generator.layers:
            if layer.name.endswith("_sum"):
                self._add_block(features, layer.name.removesuffix("_sum"))
        self._decode(features)
        return list(self.known.values())

    def _encode(self, image):
        """Gives the features that the first block sees, `(h / 4, w / 4, channels)`."""
        for name, stride in (("stem_norm", 1), ("down_1_norm", 2), ("down_2_norm", 4)):
            before = keras.Model(self.generator.input, self.generator.get_layer(name).input)
            kept, moments = [], []
            for first, last, above, below in _strips(len(image), self.rows, _HALO):
                with use_statistics(self.known.values()):
                    values = before(image[None, above:below], training=False)
                values = values[:, (first - above) // stride : (last - above) // stride]
                moments.append(_moments(values))
                if stride == 4:
                    kept.append(tf.cast(values[0], _STORED).numpy())
            self.known[name] = _join(moments)
        features = np.concatenate(kept)
        for first, last, *_ in _strips(len(features), self.rows // 4, 0):
            features[first:last] = self._active(features[first:last], name)
        return features

    def _add_block(self, features, block):
        """Adds to the features what a residual block makes of them."""
        inner = features
        for number in (1, 2):
            inner = self._convolve(inner, block, number)
        for first, last, *_ in _strips(len(features), self.rows // 4, 0):
            change = self._normalised(inner[first:last], f"{block}_norm_2")
            features[first:last] += tf.cast(change, _STORED).numpy()

    def _convolve(self, source, block, number):
        """Runs a convolution of a block and keeps its statistics; the second one's input is
        what the first one left, not normalised yet."""
        layer = self.generator.get_layer(f"{block}_conv_{number}")
        result, moments = np.empty_like(source), []
        for first, last, *_ in _strips(len(source), self.rows // 4, 0):
            rows = np.abs(np.arange(first - 1, last + 1))
            rows = np.minimum(rows, 2 * (len(source) - 1) - rows)  # mirrored at both ends
            strip = np.pad(source[rows], ((0, 0), (1, 1), (0, 0)), mode="reflect")
            if number == 2:
                strip = self._active(strip, f"{block}_norm_1")
            values = layer(tf.cast(strip[None], "float32"))
            moments.append(_moments(values))
            result[first:last] = tf.cast(values[0], _STORED).numpy()
        self.known[f"{block}_norm_{number}"] = _join(moments)
        return result

    def _decode(self, features):
        for depth in (1, 2):
            moments = []
            for first, last, above, below in _strips(len(features), self.rows // 4, _FEATURE_HALO):
                values = tf.cast(features[None, above:below], "float32")
                for number in range(1, depth + 1):
                    if number == 2:
                        values = self._active(values[0], "up_1_norm")[None]
                    values = self.generator.get_layer(f"up_{number}")(values)
                    values = self.generator.get_layer(f"up_{number}_crop")(values)
                scale = 2**depth
                moments.append(
                    _moments(values[:, (first - above) * scale : (last - above) * scale])
                )
            self.known[f"up_{depth}_norm"] = _join(moments)

    def _normalised(self, features, name):
        """Normalises features `(rows, w, channels)` with the statistics of the whole."""
        with use_statistics([self.known[name]]):
            return self.generator.get_layer(name)(tf.cast(features[None], "float32"))[0]

    def _active(self, features, name):
        return tf.nn.relu(self._normalised(features, name))


def _strips(length, rows, halo):
    """Cuts rows into (first, last) and what is to be read for them, (above, below)."""
    for first in range(0, length, rows):
        last = min(first + rows, length)
        yield first, last, max(0, first - halo), min(length, last + halo)


def _moments(values):
    """Gives the pixels of a strip, and the mean and variance of each channel, float64."""
    mean, variance = tf.nn.moments(tf.cast(values, "float32"), (1, 2), keepdims=True)
    return values.shape[1] * values.shape[2], np.float64(mean), np.float64(variance)


def _join(moments):
    """Joins the means and variances of strips to those of all their pixels."""
    total = sum(count for count, _, _ in moments)
    mean = sum(count * mean for count, mean, _ in moments) / total
    variance = sum(count * (variance + np.square(part - mean)) for count, part, variance in moments)
    return np.float32(mean), np.float32(variance / total)
