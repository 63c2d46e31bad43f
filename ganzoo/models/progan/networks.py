"""The networks of the progressive GAN, for all resolutions at once.

One generator and one discriminator hold the layers of every resolution, from 4×4 up, and
their layers are named after it: `8x8_conv_0`, `to_rgb_8`. How they are wired is written once:
`wire_generator` and `wire_discriminator` take the layers by name and go up to any resolution,
with the newest block faded in by `alpha`. As Keras models the networks are those of the
highest resolution, wholly grown.
"""

import math

import keras
from keras import layers

from ganzoo.equalized import Bias, EqualizedConv2D, EqualizedDense, MinibatchStdDev, PixelNorm
from ganzoo.layers import LeakyReLU


def build_generator(latent_dim, *, image_size, channels, base_filters, max_filters, unit_biases):
    """Builds latents `(batch, latent_dim)` → images `(batch, h, w, channels)`, not bounded.

    Karras et al. 2018, table 2 and appendix A.1.
    """
    filters = _filters(image_size, base_filters, max_filters)
    blocks = [PixelNorm(name="latents_norm")]
    blocks += [
        EqualizedDense(
            16 * filters(4),
            gain=math.sqrt(2) / 4,  # of the authors' code; a convolution of 1×1 would have √2
            use_bias=False,
            name="4x4_dense",
        ),
        layers.Reshape((4, 4, filters(4)), name="4x4_reshape"),
        Bias(per_value=unit_biases, name="4x4_bias"),
        *_activation("4x4_dense", norm=True),
        EqualizedConv2D(filters(4), 3, name="4x4_conv"),
        *_activation("4x4_conv", norm=True),
        EqualizedConv2D(channels, 1, gain=1.0, name="to_rgb_4"),
    ]
    for side in sides_above_4(image_size):
        first, second = f"{side}x{side}_conv_0", f"{side}x{side}_conv_1"
        blocks += [
            EqualizedConv2D(filters(side), 3, resample="up", name=first),
            *_activation(first, norm=True),
            EqualizedConv2D(filters(side), 3, name=second),
            *_activation(second, norm=True),
            EqualizedConv2D(channels, 1, gain=1.0, name=f"to_rgb_{side}"),
            layers.UpSampling2D(2, interpolation="nearest", name=f"up_rgb_{side}"),
            CrossFade(name=f"fade_{side}"),
        ]
    blocks += [layers.Activation("linear", dtype=_output_dtype(), name="images")]
    latents = keras.Input((latent_dim,), name="latents")
    images = wire_generator(_by_name(blocks), latents, image_size, whole=True)
    return keras.Model(latents, images, name="generator")


def wire_generator(layer, latents, resolution, alpha=None, whole=False):
    """Maps latents `(batch, latent_dim)` to images `(batch, resolution, resolution, channels)`.

    Args:
        layer: Function of a name that gives a layer, such as `generator.get_layer`.
        latents: Latents; normalised to length √latent_dim at the start.
        resolution: Side of the images, 4 or more.
        alpha: Share, 0 to 1, of the block of this resolution in the images; the rest comes
            from the one below. None for all.
        whole: Wire every layer, used or not, for a Keras model to have it.
    """
    x = layer("latents_norm")(latents)
    x = layer("4x4_bias")(layer("4x4_reshape")(layer("4x4_dense")(x)))
    x = layer("4x4_dense_norm")(layer("4x4_dense_relu")(x))
    features = {4: _convolve(layer, "4x4_conv", x, norm=True)}
    for side in sides_above_4(resolution):
        x = _convolve(layer, f"{side}x{side}_conv_0", features[side // 2], norm=True)
        features[side] = _convolve(layer, f"{side}x{side}_conv_1", x, norm=True)
    mixed = sides_above_4(resolution)
    mixed = mixed if whole else [side for side in mixed if side == resolution and alpha is not None]
    side = mixed[0] // 2 if mixed else resolution
    images = layer(f"to_rgb_{side}")(features[side])
    for side in mixed:
        both = [layer(f"to_rgb_{side}")(features[side]), layer(f"up_rgb_{side}")(images)]
        images = layer(f"fade_{side}")(both, alpha=alpha)
    return layer("images")(images)


def build_discriminator(
    *,
    image_size,
    channels,
    base_filters,
    max_filters,
    group_size,
    group_statistic,
    pool_activations,
    classes=0,
):
    """Builds images `(batch, h, w, channels)` in [-1, 1] → logits `(batch, 1 + classes)`.

    Karras et al. 2018, table 2 and appendix A.1. Arguments that are not listed here are those of
    `ganzoo.models.progan.build`.

    Args:
        pool_activations: Halve the side after the activation, as the paper's table and the
            Theano code do; the TensorFlow code does it before.
        classes: Logits of an auxiliary classifier, after the score.
    """
    filters = _filters(image_size, base_filters, max_filters)
    blocks = _from_rgb(4, filters)
    for side in sides_above_4(image_size):
        first, second = f"{side}x{side}_conv_0", f"{side}x{side}_conv_1"
        blocks += [
            *_from_rgb(side, filters),
            EqualizedConv2D(filters(side), 3, name=first),
            *_activation(first),
            EqualizedConv2D(
                filters(side // 2), 3, resample=None if pool_activations else "down", name=second
            ),
            *_activation(second),
            layers.AveragePooling2D(2, name=f"{side}x{side}_down")
            if pool_activations
            else layers.Identity(name=f"{side}x{side}_down"),
            layers.AveragePooling2D(2, name=f"down_rgb_{side}"),
            CrossFade(name=f"fade_{side}"),
        ]
    blocks += [
        MinibatchStdDev(group_size, group_statistic, name="4x4_stddev"),
        EqualizedConv2D(filters(4), 3, name="4x4_conv"),
        *_activation("4x4_conv"),
        layers.Flatten(name="4x4_flatten"),
        EqualizedDense(filters(2), name="4x4_dense"),
        *_activation("4x4_dense"),
        EqualizedDense(1 + classes, gain=1.0, dtype=_output_dtype(), name="logits"),
    ]
    images = keras.Input((image_size, image_size, channels), name="images")
    logits = wire_discriminator(_by_name(blocks), images, whole=True)
    return keras.Model(images, logits, name="discriminator")


def wire_discriminator(layer, images, alpha=None, whole=False):
    """Maps images `(batch, r, r, channels)` of any resolution to logits `(batch, 1 + classes)`.

    Args:
        layer: Function of a name that gives a layer, such as `discriminator.get_layer`.
        images: Images in [-1, 1]; their side decides where the network is entered.
        alpha: Share, 0 to 1, of the block of this resolution; the rest of what the next block
            sees is made from the images at half the side. None for all.
        whole: Wire every layer, used or not, for a Keras model to have it.
    """
    resolution = images.shape[1]
    x = _convolve(layer, f"from_rgb_{resolution}", images)
    for side in reversed(sides_above_4(resolution)):
        x = _convolve(layer, f"{side}x{side}_conv_0", x)
        x = layer(f"{side}x{side}_down")(_convolve(layer, f"{side}x{side}_conv_1", x))
        if whole or (side == resolution and alpha is not None):
            images = layer(f"down_rgb_{side}")(images)
            both = [x, _convolve(layer, f"from_rgb_{side // 2}", images)]
            x = layer(f"fade_{side}")(both, alpha=alpha)
    x = _convolve(layer, "4x4_conv", layer("4x4_stddev")(x))
    x = layer("4x4_flatten")(x)
    x = layer("4x4_dense_relu")(layer("4x4_dense")(x))
    return layer("logits")(x)


@keras.saving.register_keras_serializable("ganzoo")
class CrossFade(keras.layers.Layer):
    """Mixes a new input with an old one: `alpha` of the first, 1 - `alpha` of the second.

    Without `alpha` it gives the first; at 1 and 0 exactly the first and the second.
    """

    def call(self, inputs, alpha=None):
        new, old = inputs
        if alpha is None:
            return new
        alpha = keras.ops.cast(alpha, new.dtype)
        return alpha * new + (1 - alpha) * old

    def compute_output_shape(self, input_shape):
        return input_shape[0]


def sides_above_4(image_size):
    """Lists 8, 16, … up to `image_size`, a power of two."""
    return [2**power for power in range(3, image_size.bit_length())]


def layers_up_to(network, resolution):
    """Lists the layers of a network that images of this resolution or below go through."""
    return [layer for layer in network.layers if _side_of(layer.name) <= resolution]


def active_weights(network, resolution, fades):
    """Lists the weights that training at this resolution moves.

    Those of all blocks up to it, and of the layers from or to RGB at it and, where it `fades`
    in, at the one below, which is faded out.
    """
    left_behind = _sides(resolution)[: -2 if fades else -1]
    unused = {f"{way}_rgb_{side}" for way in ("from", "to") for side in left_behind}
    return [
        weight
        for layer in layers_up_to(network, resolution)
        if layer.name not in unused
        for weight in layer.trainable_weights
    ]


def grown_weights(network, resolution):
    """Lists the weights of all blocks up to a resolution."""
    return [weight for layer in layers_up_to(network, resolution) for weight in layer.weights]


def _side_of(name):
    """Reads the resolution in a layer's name; 4, which every image passes, where there is none."""
    digits = [part for part in name.replace("x", "_").split("_") if part.isdigit()]
    return int(digits[0]) if digits and not name.startswith("latents") else 4


def _sides(resolution):
    return [4, *sides_above_4(resolution)]


def _filters(image_size, base_filters, max_filters):
    """Gives the width at each side: doubled with every halving, up to `max_filters`."""
    return lambda side: min(base_filters * image_size // side, max_filters)


def _by_name(blocks):
    return {block.name: block for block in blocks}.__getitem__


def _activation(name, norm=False):
    relu = LeakyReLU(0.2, name=f"{name}_relu")
    return [relu, PixelNorm(name=f"{name}_norm")] if norm else [relu]


def _from_rgb(side, filters):
    name = f"from_rgb_{side}"
    return [EqualizedConv2D(filters(side), 1, name=name), *_activation(name)]


def _convolve(layer, name, x, norm=False):
    x = layer(f"{name}_relu")(layer(name)(x))
    return layer(f"{name}_norm")(x) if norm else x


def _output_dtype():
    """The policy's type, but never half precision: losses and pixels need float32."""
    return keras.backend.result_type(keras.config.dtype_policy().compute_dtype, "float32")
