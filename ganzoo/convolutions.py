"""A convolution that may take short cuts: fewer multiplications, or more of them at once."""

import keras
import tensorflow as tf
from keras import layers, ops

from ganzoo import shortcuts, winograd


@keras.saving.register_keras_serializable("ganzoo")
class FastConv2D(layers.Conv2D):
    """Keras's convolution, by short cuts within `shortcuts.scope`.

    These are for stride 1 without padding, dilation or groups; others take the plain way.

    Args:
        filters: Number of outputs.
        kernel_size: Side of the kernel.
        together: Pixels of a row that are computed together where there are few filters. The
            width of the outputs is a multiple of it.
    """

    def __init__(self, filters, kernel_size, together=1, **kwargs):
        super().__init__(filters, kernel_size, **kwargs)
        self.together = together

    def convolution_op(self, inputs, kernel):
        kernel = tf.convert_to_tensor(kernel)
        kind = (self.strides, self.padding, self.dilation_rate, self.groups)
        if shortcuts.allowed() and kind == ((1, 1), "valid", (1, 1), 1):
            if self.together > 1:
                return convolve_together(inputs, kernel, self.together)
            if winograd.pays(inputs, kernel):
                return winograd.convolve(inputs, kernel)
        return super().convolution_op(inputs, kernel)

    def get_config(self):
        return super().get_config() | {"together": self.together}


def convolve_together(images, kernel, count):
    """Convolves images with stride 1 and without padding, `count` pixels of a row at a time.

    Processors multiply by 8 or 16 filters at once, of which three, those of a picture's colours,
    leave most idle. Here one wider kernel holds the kernel `count` times, each a pixel further to
    the right, and moves in steps of `count` pixels. The sums are the same.

    Args:
        images: Float `(batch, h, w, channels)`.
        kernel: `(height, width, channels, filters)`, of the same type.
        count: Divides the width of the result.

    Returns:
        `(batch, h - height + 1, w - width + 1, filters)`.
    """
    rows, columns, channels, filters = kernel.shape
    moved = [
        tf.pad(kernel, ((0, 0), (place, count - 1 - place), (0, 0), (0, 0)))
        for place in range(count)
    ]
    wide = tf.reshape(
        tf.stack(moved, axis=3), (rows, columns + count - 1, channels, count * filters)
    )
    result = tf.nn.conv2d(images, wide, (1, 1, count, 1), "VALID")
    batch, height, width, _ = ops.shape(result)
    return tf.reshape(result, (batch, height, width * count, filters))
