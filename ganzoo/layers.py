"""Layers that Keras does not have, or not in the form that the papers need."""

import contextlib
import math
import threading

import keras
from keras import ops

from ganzoo import backend as _backend  # noqa: F401  refuses what cannot work
from ganzoo import randomness, shortcuts
from ganzoo.checks import is_whole
from ganzoo.normalization import can_fuse, normalize
from ganzoo.rectifier import leaky_relu
from ganzoo.reflection import reflect


@keras.saving.register_keras_serializable("ganzoo")
class Maxout(keras.layers.Layer):
    """Takes the largest of `pieces` affine maps for each unit (Goodfellow et al. 2013).

    Args:
        units: Number of outputs.
        pieces: Affine maps for each output.
        kernel_initializer: Initializer of the kernel `(inputs, units * pieces)`.
    """

    def __init__(self, units, pieces, kernel_initializer="glorot_uniform", **kwargs):
        super().__init__(**kwargs)
        self.units = units
        self.pieces = pieces
        self.kernel_initializer = keras.initializers.get(kernel_initializer)

    def build(self, input_shape):
        self.kernel = self.add_weight(
            shape=(input_shape[-1], self.units * self.pieces),
            initializer=self.kernel_initializer,
            name="kernel",
        )
        self.bias = self.add_weight(
            shape=(self.units * self.pieces,), initializer="zeros", name="bias"
        )

    def call(self, inputs):
        affine = ops.matmul(inputs, self.kernel) + self.bias
        return ops.max(ops.reshape(affine, (-1, self.units, self.pieces)), axis=-1)

    def compute_output_shape(self, input_shape):
        return (input_shape[0], self.units)

    def get_config(self):
        return super().get_config() | {
            "units": self.units,
            "pieces": self.pieces,
            "kernel_initializer": keras.initializers.serialize(self.kernel_initializer),
        }


@keras.saving.register_keras_serializable("ganzoo")
class StatelessDropout(keras.layers.Layer):
    """Drops values in training, by masks that the enclosing `randomness.scope` decides.

    Keras's own `Dropout` draws the same mask on every replica and forgets its state when a
    run is resumed. Outside a scope it falls back on a seed that `keras.utils.set_random_seed`
    decides.

    Args:
        rate: Share of the values to drop, in [0, 1); the rest are divided by 1 - rate.
    """

    def __init__(self, rate, **kwargs):
        super().__init__(**kwargs)
        self.rate = rate
        self.fallback = keras.random.SeedGenerator()

    def call(self, inputs, training=False):
        if not training or self.rate == 0:
            return inputs
        key = randomness.next_key()
        if key is None:
            return keras.random.dropout(inputs, self.rate, seed=self.fallback)
        shape = ops.shape(inputs)
        kept = randomness.rows(randomness.uniform, key, shape[0], shape[1:]) >= self.rate
        return ops.where(kept, inputs / (1 - self.rate), ops.zeros_like(inputs))

    def compute_output_shape(self, input_shape):
        return input_shape

    def get_config(self):
        return super().get_config() | {"rate": self.rate}


@keras.saving.register_keras_serializable("ganzoo")
class LeakyReLU(keras.layers.LeakyReLU):
    """Keras's leaky rectifier, whose gradient is told by its output.

    Keras's own is told by its input: that then lies in memory beside the output, and TensorFlow
    cannot join the rectifier to the convolution and bias before it.
    """

    def call(self, inputs):
        return leaky_relu(inputs, self.negative_slope)


@keras.saving.register_keras_serializable("ganzoo")
class ScaleShift(keras.layers.Layer):
    """Maps `x` to `scale * x + shift`, two constants: the bridge between pixel ranges."""

    def __init__(self, scale, shift, **kwargs):
        super().__init__(**kwargs)
        self.scale = scale
        self.shift = shift

    def call(self, inputs):
        return inputs * self.scale + self.shift

    def compute_output_shape(self, input_shape):
        return input_shape

    def get_config(self):
        return super().get_config() | {"scale": self.scale, "shift": self.shift}


def normal_initializer(mean=0.0, stddev=0.02):
    """Makes a fresh N(mean, stddev) initializer; one shared by two layers draws equal values."""
    return keras.initializers.RandomNormal(mean, stddev)


def is_power_of_two(number):
    """Says whether `number` is an int and a power of two; 8.0 is not."""
    return is_whole(number) and number > 0 and math.log2(number).is_integer()


@keras.saving.register_keras_serializable("ganzoo")
class InstanceNorm(keras.layers.Layer):
    """Normalises each channel of each image by its own mean and biased variance.

    Ulyanov et al. 2016, arXiv:1607.08022. Images do not meet in it, so that a batch may hold
    anything. Within `use_statistics` parts of an image take those of the whole.

    Args:
        affine: Learn a scale, drawn from N(1, 0.02), and an offset for each channel.
        epsilon: Added to the variance.
    """

    def __init__(self, affine=False, epsilon=1e-5, **kwargs):
        super().__init__(**kwargs)
        self.affine = affine
        self.epsilon = epsilon

    def build(self, input_shape):
        if self.affine:
            shape = (input_shape[-1],)
            self.gamma = self.add_weight(
                shape=shape,
                initializer=normal_initializer(mean=1.0),
                autocast=False,
                name="gamma",
            )
            self.beta = self.add_weight(
                shape=shape, initializer="zeros", autocast=False, name="beta"
            )

    def call(self, inputs, training=False):
        given = getattr(_statistics, "given", None)
        fast = training or shortcuts.allowed()
        if fast and given is None and _are_few(inputs):
            return self._fused(inputs)
        # Half precision would lose the mean of a large image.
        images = ops.cast(inputs, keras.backend.result_type(self.compute_dtype, "float32"))
        if given is None:
            mean = ops.mean(images, axis=(1, 2), keepdims=True)
            centred = images - mean
            variance = ops.mean(ops.square(centred), axis=(1, 2), keepdims=True)
        else:
            mean, variance = next(given)
            centred = images - mean
        normalised = centred * ops.rsqrt(variance + self.epsilon)
        if self.affine:
            normalised = normalised * self.gamma + self.beta
        return ops.cast(normalised, self.compute_dtype)

    def _fused(self, inputs):
        images = ops.cast(inputs, self.compute_dtype)
        channels = images.shape[-1]
        scale = ops.convert_to_tensor(self.gamma) if self.affine else ops.ones(channels)
        offset = ops.convert_to_tensor(self.beta) if self.affine else ops.zeros(channels)
        each = ops.split(images, images.shape[0])
        normalised = [normalize(image, scale, offset, self.epsilon)[0] for image in each]
        return ops.concatenate(normalised) if len(each) > 1 else normalised[0]

    def compute_output_shape(self, input_shape):
        return input_shape

    def get_config(self):
        return super().get_config() | {"affine": self.affine, "epsilon": self.epsilon}


_statistics = threading.local()
_FEW = 4


def _are_few(images):
    """Says whether to call a kernel for each image, which pays where they are few."""
    count = images.shape[0]
    return count is not None and 1 <= count <= _FEW and can_fuse(images)


@contextlib.contextmanager
def use_statistics(pairs):
    """Has each `InstanceNorm` called within take the next of some (mean, variance) pairs."""
    _statistics.given = iter(pairs)
    try:
        yield
    finally:
        _statistics.given = None


@keras.saving.register_keras_serializable("ganzoo")
class ReflectionPad2D(keras.layers.Layer):
    """Pads height and width by mirroring without repeating the edge; they must exceed `padding`."""

    def __init__(self, padding, **kwargs):
        super().__init__(**kwargs)
        self.padding = padding

    def call(self, inputs):
        return reflect(ops.convert_to_tensor(inputs), self.padding)

    def compute_output_shape(self, input_shape):
        batch, height, width, channels = input_shape
        grown = [side and side + 2 * self.padding for side in (height, width)]
        return (batch, *grown, channels)

    def get_config(self):
        return super().get_config() | {"padding": self.padding}


@keras.saving.register_keras_serializable("ganzoo")
class Crop2D(keras.layers.Layer):
    """Cuts rows off the top and bottom, and as many columns off the left and right.

    The gradient of Keras's `Cropping2D` takes 20 times as long on a CPU as that of this.

    Args:
        before: Rows to cut at the top, and columns at the left.
        after: Rows to cut at the bottom, and columns at the right.
    """

    def __init__(self, before, after, **kwargs):
        super().__init__(**kwargs)
        self.before = before
        self.after = after

    def call(self, inputs):
        batch, height, width, channels = ops.shape(inputs)
        cut = self.before + self.after
        start = (0, self.before, self.before, 0)
        return ops.slice(inputs, start, (batch, height - cut, width - cut, channels))

    def compute_output_shape(self, input_shape):
        batch, height, width, channels = input_shape
        shrunk = [side and side - self.before - self.after for side in (height, width)]
        return (batch, *shrunk, channels)

    def get_config(self):
        return super().get_config() | {"before": self.before, "after": self.after}
