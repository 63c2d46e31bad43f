"""Layers of the progressive GAN: equalised learning rates, pixel norm, minibatch statistics.

Karras et al. 2018, sections 3, 4.1 and 4.2. All have second derivatives, which the gradient
penalty needs.
"""

import math

import keras
import numpy as np
from keras import ops

from ganzoo import shortcuts, winograd

_GAIN = math.sqrt(2.0)  # He et al. 2015, for (leaky) ReLU


@keras.saving.register_keras_serializable("ganzoo")
class EqualizedDense(keras.layers.Layer):
    """A dense layer whose weights are N(0, 1) and scaled by gain / √inputs in every call.

    Every weight has then the same dynamic range, and Adam moves all at the same relative
    speed (section 4.1).

    Args:
        units: Number of outputs.
        gain: Factor of the scale; √2 before a leaky ReLU.
        use_bias: Add a bias, which starts at zero and is not scaled.
    """

    def __init__(self, units, gain=_GAIN, use_bias=True, **kwargs):
        super().__init__(**kwargs)
        self.units = units
        self.gain = gain
        self.use_bias = use_bias

    def build(self, input_shape):
        _add_weights(self, (input_shape[-1], self.units), fan_in=input_shape[-1])

    def call(self, inputs):
        outputs = ops.matmul(inputs, _scaled(self))
        return outputs + self.bias if self.use_bias else outputs

    def compute_output_shape(self, input_shape):
        return (*input_shape[:-1], self.units)

    def get_config(self):
        return super().get_config() | {
            "units": self.units,
            "gain": self.gain,
            "use_bias": self.use_bias,
        }


@keras.saving.register_keras_serializable("ganzoo")
class EqualizedConv2D(keras.layers.Layer):
    """A convolution whose weights are N(0, 1) and scaled by gain / √fan_in in every call.

    Within `shortcuts.scope` a kernel of 3×3 takes Winograd's way, unless it resamples.

    Args:
        filters: Number of outputs.
        kernel_size: Side of the kernel, odd; the padding keeps the images' side.
        gain: Factor of the scale; √2 before a leaky ReLU.
        resample: "up" doubles the side first, each pixel becoming four; "down" halves it
            afterwards, to the mean of each four. Both are one strided convolution with a
            kernel that is one wider: the same numbers in less time.
    """

    def __init__(self, filters, kernel_size, gain=_GAIN, resample=None, **kwargs):
        super().__init__(**kwargs)
        self.filters = filters
        self.kernel_size = kernel_size
        self.gain = gain
        self.resample = resample
        self.use_bias = True

    def build(self, input_shape):
        shape = (self.kernel_size, self.kernel_size, input_shape[-1], self.filters)
        _add_weights(self, shape, fan_in=math.prod(shape[:-1]))

    def call(self, inputs):
        return self._convolve(inputs) + self.bias

    def _convolve(self, inputs):
        if self.resample == "down":
            return ops.conv(inputs, self._shifted_kernel(), strides=2, padding="same")
        if self.resample == "up":
            return ops.conv_transpose(inputs, self._shifted_kernel(), strides=2, padding="same")
        kernel = _scaled(self)
        if shortcuts.allowed() and winograd.pays(inputs, kernel):
            return winograd.convolve(inputs, kernel, padding=1)
        return ops.conv(inputs, kernel, padding="same")

    def _shifted_kernel(self):
        """Adds up the kernel moved by one down, right, both, and not: that of a resampling.

        As one product with a small matrix, which scales too, and takes a third of the time.
        """
        kernel, factor, order = ops.convert_to_tensor(self.kernel), self.scale / 4, 1
        if self.resample == "up":  # channels and filters change places, and the kernel is turned
            kernel, factor, order = ops.transpose(kernel, (0, 1, 3, 2)), self.scale, -1
        size, *rest = kernel.shape[1:]
        along = np.eye(size + 1, size) + np.eye(size + 1, size, -1)
        matrix = ops.cast(factor * np.kron(along, along)[:, ::order], kernel.dtype)
        total = ops.matmul(matrix, ops.reshape(kernel, (size * size, -1)))
        return ops.cast(ops.reshape(total, (size + 1, size + 1, *rest)), self.compute_dtype)

    def compute_output_shape(self, input_shape):
        batch, *sides, _ = input_shape
        if self.resample == "down":
            sides = [side // 2 for side in sides]
        if self.resample == "up":
            sides = [side * 2 for side in sides]
        return (batch, *sides, self.filters)

    def get_config(self):
        return super().get_config() | {
            "filters": self.filters,
            "kernel_size": self.kernel_size,
            "gain": self.gain,
            "resample": self.resample,
        }


@keras.saving.register_keras_serializable("ganzoo")
class Bias(keras.layers.Layer):
    """Adds a trained bias to each channel, or to each value.

    Args:
        per_value: A bias for each value of an image, not one for each channel.
    """

    def __init__(self, per_value=False, **kwargs):
        super().__init__(**kwargs)
        self.per_value = per_value

    def build(self, input_shape):
        shape = tuple(input_shape[1:]) if self.per_value else (input_shape[-1],)
        self.bias = self.add_weight(shape=shape, initializer="zeros", name="bias")

    def call(self, inputs):
        return inputs + self.bias

    def compute_output_shape(self, input_shape):
        return input_shape

    def get_config(self):
        return super().get_config() | {"per_value": self.per_value}


@keras.saving.register_keras_serializable("ganzoo")
class PixelNorm(keras.layers.Layer):
    """Divides the features of each pixel by their root mean square (section 4.2).

    Args:
        epsilon: Added to the mean square. It is computed in float32 at least, so that 1e-8
            does in half precision too.
    """

    def __init__(self, epsilon=1e-8, **kwargs):
        super().__init__(**kwargs)
        self.epsilon = epsilon

    def call(self, inputs):
        values = _at_least_float32(inputs)
        mean_square = ops.mean(ops.square(values), axis=-1, keepdims=True)
        return ops.cast(values * ops.rsqrt(mean_square + self.epsilon), inputs.dtype)

    def compute_output_shape(self, input_shape):
        return input_shape

    def get_config(self):
        return super().get_config() | {"epsilon": self.epsilon}


@keras.saving.register_keras_serializable("ganzoo")
class MinibatchStdDev(keras.layers.Layer):
    """Appends a channel that tells how much the images of a group differ (section 3).

    The standard deviation over a group, averaged over all features and pixels. A batch of N
    has N / size groups, and group m holds the images m, m + N / size, m + 2 N / size, …

    Args:
        group_size: Images in a group; None for the whole batch, as in the paper. Of a batch
            that this does not divide, its largest divisor below `group_size`.
        statistic: "official", or "pytorch_gan_zoo" for networks that were trained there: its
            variance is unbiased, its groups are consecutive images, and a batch that the group
            does not divide is one group.
        epsilon: Added to the variance.
    """

    def __init__(self, group_size=4, statistic="official", epsilon=1e-8, **kwargs):
        super().__init__(**kwargs)
        self.group_size = group_size
        self.statistic = statistic
        self.epsilon = epsilon

    def call(self, inputs):
        batch, height, width, channels = ops.shape(inputs)
        size = self._size_of_group(batch)
        groups = batch // size
        if self.statistic == "official":
            values = ops.reshape(inputs, (size, groups, height * width * channels))
        else:
            values = ops.reshape(inputs, (groups, size, height * width * channels))
            values = ops.transpose(values, (1, 0, 2))
        deviations = ops.mean(self._deviations(_at_least_float32(values), size), axis=-1)
        if self.statistic == "official":
            spread = ops.tile(deviations[None, :], (size, 1))
        else:
            spread = ops.tile(deviations[:, None], (1, size))
        spread = ops.reshape(ops.cast(spread, inputs.dtype), (batch, 1, 1, 1))
        return ops.concatenate([inputs, ops.tile(spread, (1, height, width, 1))], axis=-1)

    def _deviations(self, values, size):
        values = values - ops.mean(values, axis=0, keepdims=True)
        if self.statistic == "official":
            return ops.sqrt(ops.mean(ops.square(values), axis=0) + self.epsilon)
        # One image alone has no unbiased variance: pytorch_gan_zoo appends zeros then.
        others = ops.cast(size - 1, values.dtype)
        variance = ops.sum(ops.square(values), axis=0) / ops.maximum(others, 1.0)
        return ops.sqrt(variance + self.epsilon) * ops.minimum(others, 1.0)

    def _size_of_group(self, batch):
        if self.group_size is None:
            return batch
        if self.statistic != "official":
            size = ops.minimum(self.group_size, batch)
            return ops.where(ops.equal(batch % size, 0), size, batch)
        sizes = ops.arange(1, self.group_size + 1)
        return ops.max(ops.where(ops.equal(batch % sizes, 0), sizes, 1))

    def compute_output_shape(self, input_shape):
        return (*input_shape[:-1], input_shape[-1] + 1)

    def get_config(self):
        return super().get_config() | {
            "group_size": self.group_size,
            "statistic": self.statistic,
            "epsilon": self.epsilon,
        }


def _add_weights(layer, shape, fan_in):
    layer.kernel = layer.add_weight(
        shape=shape,
        initializer=keras.initializers.RandomNormal(0.0, 1.0),
        name="kernel",
        autocast=False,  # scaled first: the weights alone would lose more bits
    )
    layer.scale = layer.gain / math.sqrt(fan_in)
    if layer.use_bias:
        layer.bias = layer.add_weight(shape=shape[-1:], initializer="zeros", name="bias")


def _scaled(layer):
    return ops.cast(ops.convert_to_tensor(layer.kernel) * layer.scale, layer.compute_dtype)


def _at_least_float32(values):
    return ops.cast(values, keras.backend.result_type(values.dtype, "float32"))
