"""The Inception network of 2015-12-05 on which the FID is defined (Heusel et al. 2017).

Written from the shapes of the released weights. It differs from the Inception-v3 of
`keras.applications`: 1,008 outputs, no padding counted in average pooling, a max-pooling branch
in the last block, batch norm with scale and ε 1e-3.
"""

import functools
from collections.abc import Callable

import keras
from keras import layers

SIDE = 299


def inception_network() -> keras.Model:
    """Builds the network, layers named as in the PyTorch weights: 23.9 million parameters.

    Returns:
        Maps images `(n, 299, 299, 3)` in [-1, 1) to a dict of features, averaged over the
        places: `64`, `192`, `768`, `2048`, and the outputs `logits_unbiased` (without the last
        layer's bias, for the inception score) and `logits`, `(n, 1008)` both.
    """
    images = keras.Input((SIDE, SIDE, 3))
    hidden = _unit(images, "Conv2d_1a_3x3", 32, 3, strides=2, padding="valid")
    hidden = _unit(hidden, "Conv2d_2a_3x3", 32, 3, padding="valid")
    hidden = _unit(hidden, "Conv2d_2b_3x3", 64, 3)
    hidden = _shrink(hidden)
    outputs = {"64": _average(hidden)}
    hidden = _unit(hidden, "Conv2d_3b_1x1", 80, 1)
    hidden = _unit(hidden, "Conv2d_4a_3x3", 192, 3, padding="valid")
    hidden = _shrink(hidden)
    outputs["192"] = _average(hidden)
    for name, filters in (("Mixed_5b", 32), ("Mixed_5c", 64), ("Mixed_5d", 64)):
        hidden = _block_a(hidden, name, filters)
    hidden = _block_b(hidden, "Mixed_6a")
    for name, filters in (
        ("Mixed_6b", 128),
        ("Mixed_6c", 160),
        ("Mixed_6d", 160),
        ("Mixed_6e", 192),
    ):
        hidden = _block_c(hidden, name, filters)
    outputs["768"] = _average(hidden)
    hidden = _block_d(hidden, "Mixed_7a")
    hidden = _block_e(hidden, "Mixed_7b", _mean_pool)
    # The original graph has a max-pool here, and here only.
    hidden = _block_e(hidden, "Mixed_7c", _max_pool)
    outputs["2048"] = _average(hidden)
    unbiased = layers.Dense(1008, use_bias=False, name="fc", dtype="float32")(outputs["2048"])
    outputs["logits_unbiased"] = unbiased
    outputs["logits"] = AddBias(name="fc.bias", dtype="float32")(unbiased)
    return keras.Model(images, outputs, name="inception")


class AddBias(layers.Layer):
    """Adds a trained vector."""

    def build(self, input_shape):
        self.bias = self.add_weight(shape=input_shape[-1:], initializer="zeros", name="bias")

    def call(self, inputs):
        return inputs + self.bias


def _unit(inputs, name, filters, kernel, strides=1, padding="same"):
    """Convolution without bias, batch norm, ReLU."""
    hidden = layers.Conv2D(
        filters,
        kernel,
        strides,
        padding,
        use_bias=False,
        name=f"{name}.conv",
        dtype="float32",
    )(inputs)
    hidden = layers.BatchNormalization(epsilon=1e-3, name=f"{name}.bn", dtype="float32")(hidden)
    return layers.ReLU(dtype="float32")(hidden)


def _chain(inputs, name, *units):
    """Units one after the other, each `(suffix, filters, kernel)` with settings."""
    for suffix, filters, kernel, *settings in units:
        inputs = _unit(inputs, f"{name}.{suffix}", filters, kernel, *settings)
    return inputs


def _block_a(inputs, name, pooled):
    unit = functools.partial(_chain, inputs, name)
    return _join(
        unit(("branch1x1", 64, 1)),
        unit(("branch5x5_1", 48, 1), ("branch5x5_2", 64, 5)),
        unit(("branch3x3dbl_1", 64, 1), ("branch3x3dbl_2", 96, 3), ("branch3x3dbl_3", 96, 3)),
        _unit(_mean_pool(inputs), f"{name}.branch_pool", pooled, 1),
    )


def _block_b(inputs, name):
    unit = functools.partial(_chain, inputs, name)
    return _join(
        unit(("branch3x3", 384, 3, 2, "valid")),
        unit(
            ("branch3x3dbl_1", 64, 1),
            ("branch3x3dbl_2", 96, 3),
            ("branch3x3dbl_3", 96, 3, 2, "valid"),
        ),
        _shrink(inputs),
    )


def _block_c(inputs, name, middle):
    unit = functools.partial(_chain, inputs, name)
    return _join(
        unit(("branch1x1", 192, 1)),
        unit(
            ("branch7x7_1", middle, 1),
            ("branch7x7_2", middle, (1, 7)),
            ("branch7x7_3", 192, (7, 1)),
        ),
        unit(
            ("branch7x7dbl_1", middle, 1),
            ("branch7x7dbl_2", middle, (7, 1)),
            ("branch7x7dbl_3", middle, (1, 7)),
            ("branch7x7dbl_4", middle, (7, 1)),
            ("branch7x7dbl_5", 192, (1, 7)),
        ),
        _unit(_mean_pool(inputs), f"{name}.branch_pool", 192, 1),
    )


def _block_d(inputs, name):
    unit = functools.partial(_chain, inputs, name)
    return _join(
        unit(("branch3x3_1", 192, 1), ("branch3x3_2", 320, 3, 2, "valid")),
        unit(
            ("branch7x7x3_1", 192, 1),
            ("branch7x7x3_2", 192, (1, 7)),
            ("branch7x7x3_3", 192, (7, 1)),
            ("branch7x7x3_4", 192, 3, 2, "valid"),
        ),
        _shrink(inputs),
    )


def _block_e(inputs, name, pool: Callable):
    unit = functools.partial(_chain, inputs, name)
    narrow = unit(("branch3x3_1", 384, 1))
    double = unit(("branch3x3dbl_1", 448, 1), ("branch3x3dbl_2", 384, 3))
    return _join(
        unit(("branch1x1", 320, 1)),
        _unit(narrow, f"{name}.branch3x3_2a", 384, (1, 3)),
        _unit(narrow, f"{name}.branch3x3_2b", 384, (3, 1)),
        _unit(double, f"{name}.branch3x3dbl_3a", 384, (1, 3)),
        _unit(double, f"{name}.branch3x3dbl_3b", 384, (3, 1)),
        _unit(pool(inputs), f"{name}.branch_pool", 192, 1),
    )


def _join(*branches):
    return layers.Concatenate(dtype="float32")(branches)


def _shrink(inputs):
    return layers.MaxPooling2D(3, 2, dtype="float32")(inputs)


def _max_pool(inputs):
    return layers.MaxPooling2D(3, 1, "same", dtype="float32")(inputs)


def _mean_pool(inputs):
    # TensorFlow averages over the places inside the image, as the original graph does.
    return layers.AveragePooling2D(3, 1, "same", dtype="float32")(inputs)


def _average(inputs):
    return layers.GlobalAveragePooling2D(dtype="float32")(inputs)
