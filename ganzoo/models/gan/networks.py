"""The networks of the vanilla GAN: perceptrons, and a maxout discriminator with dropout."""

import math

import keras
from keras import layers

from ganzoo.errors import GanzooError
from ganzoo.layers import LeakyReLU, Maxout, ScaleShift, StatelessDropout


def build_generator(
    image_shape, latent_dim, *, units, activations, output_activation, scale, output_scale=None
):
    """Builds latents `(batch, latent_dim)` → images `(batch, *image_shape)` in [-1, 1].

    Goodfellow et al. 2014, section 5, with the widths of the authors' mnist.yaml.

    Args:
        image_shape: `(h, w, c)`, or `(2,)` for points.
        latent_dim: Length of a latent vector.
        units: Width of each hidden layer.
        activations: Activation of each hidden layer.
        output_activation: "sigmoid", "tanh" or "linear".
        scale: Initial weights are uniform in ± this; None for Glorot's.
        output_scale: The same of the last layer; None for `scale`.

    Raises:
        GanzooError: There are not as many activations as hidden layers.
    """
    if len(units) != len(activations):
        raise GanzooError(
            f"generator_units has {len(units)} layers and generator_activations has "
            f"{len(activations)}. Give one activation for each hidden layer."
        )
    latents = x = keras.Input((latent_dim,), name="latents")
    for index, (width, activation) in enumerate(zip(units, activations, strict=True), 1):
        x = layers.Dense(
            width, activation, kernel_initializer=_uniform(scale), name=f"hidden_{index}"
        )(x)
    x = layers.Dense(
        math.prod(image_shape), kernel_initializer=_uniform(output_scale or scale), name="output"
    )(x)
    x = layers.Activation(output_activation, dtype="float32", name="pixels")(x)
    if output_activation == "sigmoid":
        x = ScaleShift(2.0, -1.0, dtype="float32", name="to_signed_range")(x)
    images = layers.Reshape(image_shape, dtype="float32", name="images")(x)
    return keras.Model(latents, images, name="generator")


def build_discriminator(
    image_shape, *, units, activation, pieces, unit_range, scale, input_dropout, hidden_dropout
):
    """Builds images `(batch, *image_shape)` in [-1, 1] → logits `(batch, 1)`.

    Args:
        image_shape: `(h, w, c)`, or `(2,)` for points.
        units: Units of each hidden layer.
        activation: "maxout", "leaky_relu" or "relu".
        pieces: Affine maps for each maxout unit.
        unit_range: Map pixels to [0, 1] first, the range that the authors' network sees.
        scale: Initial weights are uniform in ± this; None for Glorot's.
        input_dropout: Share of the inputs that training drops.
        hidden_dropout: Share of the hidden units that training drops.
    """
    images = keras.Input(image_shape, name="images")
    x = layers.Flatten(name="flatten")(images)
    if unit_range:
        x = ScaleShift(0.5, 0.5, name="to_unit_range")(x)
    x = StatelessDropout(input_dropout, name="input_dropout")(x)
    for index, width in enumerate(units, 1):
        x = _hidden_layer(x, width, activation, pieces, scale, index)
        x = StatelessDropout(hidden_dropout, name=f"dropout_{index}")(x)
    logits = layers.Dense(1, kernel_initializer=_uniform(scale), dtype="float32", name="logits")(x)
    return keras.Model(images, logits, name="discriminator")


def _hidden_layer(x, width, activation, pieces, scale, index):
    name = f"features_{index}"
    if activation == "maxout":
        return Maxout(width, pieces, kernel_initializer=_uniform(scale), name=name)(x)
    x = layers.Dense(width, kernel_initializer=_uniform(scale), name=f"hidden_{index}")(x)
    if activation == "leaky_relu":
        return LeakyReLU(0.2, name=name)(x)
    return layers.Activation(activation, name=name)(x)


def _uniform(scale):
    if scale is None:
        return keras.initializers.GlorotUniform()
    return keras.initializers.RandomUniform(-scale, scale)
