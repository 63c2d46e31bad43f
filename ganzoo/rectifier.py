"""The leaky rectifier, with a gradient that needs its output only."""

import tensorflow as tf


def leaky_relu(values, slope):
    """Multiplies what is negative by a slope.

    Args:
        values: Float tensor.
        slope: Above 0, so that the output has the sign of the input.

    Returns:
        A tensor of the same shape.
    """

    def rectify(values):
        result = tf.nn.leaky_relu(values, slope)
        # The slopes are constant but at 0. Without this a second derivative would carry zeros
        # back through all that lies before.
        features = tf.stop_gradient(result)

        def gradient(upstream):
            return tf.raw_ops.LeakyReluGrad(gradients=upstream, features=features, alpha=slope)

        return result, gradient

    return tf.custom_gradient(rectify)(values)
