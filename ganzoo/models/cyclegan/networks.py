"""The networks of CycleGAN: residual generators, and discriminators of overlapping patches.

Zhu et al. 2017, appendix 7.2, and the authors' PyTorch code. Any height and width that 4 divides
goes through them.
"""

import keras
from keras import layers

from ganzoo.convolutions import FastConv2D
from ganzoo.layers import Crop2D, InstanceNorm, LeakyReLU, ReflectionPad2D, normal_initializer

# The parts of a generator by the first word of their layers' names, for fine-tuning.
GENERATOR_PARTS = {
    "encoder": ("stem", "down"),
    "transformer": ("block",),
    "decoder": ("up", "head"),
}


def build_generator(name, *, channels, base_filters, residual_blocks, affine):
    """Builds images `(batch, h, w, channels)` in [-1, 1] → such images.

    c7s1-64, d128, d256, the residual blocks R256, u128, u64, c7s1-3 and tanh. Every
    convolution has a bias, although instance norm takes most of them away again.
    """
    images = keras.Input((None, None, channels), name="images")
    x = ReflectionPad2D(3, name="stem_pad")(images)
    x = _convolution(base_filters, 7, name="stem")(x)
    x = _norm_relu(x, "stem", affine, layers.ZeroPadding2D(1, name="down_1_pad"))
    x = _convolution(base_filters * 2, 3, strides=2, name="down_1")(x)
    x = _norm_relu(x, "down_1", affine, layers.ZeroPadding2D(1, name="down_2_pad"))
    x = _convolution(base_filters * 4, 3, strides=2, name="down_2")(x)
    x = _norm_relu(x, "down_2", affine)
    for number in range(1, residual_blocks + 1):
        x = _residual_block(x, f"block_{number}", affine)
    x = _norm_relu(_double(x, base_filters * 2, name="up_1"), "up_1", affine)
    x = _double(x, base_filters, name="up_2")
    x = _norm_relu(x, "up_2", affine, ReflectionPad2D(3, name="head_pad"))
    x = _convolution(channels, 7, together=4, name="head")(x)
    x = layers.Activation("tanh", dtype="float32", name="translated")(x)
    return keras.Model(images, x, name=name)


def build_discriminator(name, *, channels, base_filters, layer_count, padding, affine):
    """Builds images `(batch, h, w, channels)` in [-1, 1] → logits `(batch, h', w', 1)`.

    C64 without normalisation, C128, C256, C512 with stride 1, and a convolution to one logit
    for each patch of 70×70: 30×30 logits for 256×256. `layer_count` convolutions halve; three
    do in the paper.
    """
    images = x = keras.Input((None, None, channels), name="images")
    for number in range(1, layer_count + 2):
        x = layers.ZeroPadding2D(padding, name=f"conv_{number}_pad")(x)
        strides = 2 if number <= layer_count else 1
        filters = base_filters * min(2 ** (number - 1), 8)
        x = _convolution(filters, 4, strides=strides, name=f"conv_{number}")(x)
        if number > 1:
            x = InstanceNorm(affine, name=f"conv_{number}_norm")(x)
        x = LeakyReLU(0.2, name=f"features_{number}")(x)
    x = layers.ZeroPadding2D(padding, name="logits_pad")(x)
    logits = _convolution(1, 4, dtype="float32", name="logits")(x)
    return keras.Model(images, logits, name=name)


def part_of(layer):
    """Names the part of a generator that a layer belongs to, or None for inputs and outputs."""
    word = layer.name.split("_")[0]
    return next((part for part, words in GENERATOR_PARTS.items() if word in words), None)


def smallest_side(discriminator):
    """Finds the smallest multiple of 4 whose square the discriminator makes a logit of."""
    side = 1
    for layer in reversed(discriminator.layers):
        if isinstance(layer, layers.Conv2D):
            side = (side - 1) * layer.strides[0] + layer.kernel_size[0]
        elif isinstance(layer, layers.ZeroPadding2D):
            side -= 2 * layer.padding[0][0]
    return max(8, -(-side // 4) * 4)


def _residual_block(x, name, affine):
    """Adds what two convolutions under reflection padding make; no ReLU after the sum."""
    inner = ReflectionPad2D(1, name=f"{name}_pad_1")(x)
    inner = _convolution(x.shape[-1], 3, name=f"{name}_conv_1")(inner)
    inner = InstanceNorm(affine, name=f"{name}_norm_1")(inner)
    inner = ReflectionPad2D(1, name=f"{name}_pad_2")(inner)
    inner = layers.ReLU(name=f"{name}_relu")(inner)
    inner = _convolution(x.shape[-1], 3, name=f"{name}_conv_2")(inner)
    inner = InstanceNorm(affine, name=f"{name}_norm_2")(inner)
    return layers.Add(name=f"{name}_sum")([x, inner])


def _double(x, filters, name):
    """Doubles the side as PyTorch's transposed convolution with padding and output padding 1.

    The padding "same" of Keras lies one pixel off; cutting the first row and column does not.
    """
    x = layers.Conv2DTranspose(
        filters,
        3,
        strides=2,
        padding="valid",
        kernel_initializer=normal_initializer(),
        name=name,
    )(x)
    return Crop2D(1, 0, name=f"{name}_crop")(x)


def _norm_relu(x, name, affine, next_pad=None):
    """Normalises and rectifies, with the padding of the next convolution between the two.

    The values are those of padding last; the gradient of the rectifier needs its output, and that
    of the convolution its input: here they are one tensor, and memory holds one instead of two.
    """
    x = InstanceNorm(affine, name=f"{name}_norm")(x)
    if next_pad is not None:
        x = next_pad(x)
    return layers.ReLU(name=f"{name}_relu")(x)


def _convolution(filters, kernel_size, **options):
    return FastConv2D(filters, kernel_size, kernel_initializer=normal_initializer(), **options)
