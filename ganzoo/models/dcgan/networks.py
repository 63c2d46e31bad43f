"""The networks of DCGAN: convolutions all the way, halving and doubling the side.

A side of 28 has no whole number of halvings down to 4: there the generator's sides are 4, 7, 14
and 28, and the discriminator's 28, 14, 7 and 3, or 4 where kernels have an odd side, as the
authors' 5×5 do. The generator's layer to side 7 has 3×3 kernels, whatever the others have.

The arguments are those of `ganzoo.models.dcgan.build`; `epsilon` and `momentum` are batch norm's.
"""

import keras
from keras import layers

from ganzoo.layers import Crop2D, LeakyReLU, normal_initializer
from ganzoo.normalization import BatchNorm


def build_generator(
    latent_dim, *, image_size, channels, base_filters, kernel_size, dense_ends, epsilon, momentum
):
    """Builds latents `(batch, latent_dim)` → images `(batch, h, w, channels)` in [-1, 1].

    Radford et al. 2016, figure 1: a projection to 4×4, then transposed convolutions of stride
    2 with batch norm and ReLU, and tanh at the end. No layer has a bias.
    """
    doublings = _count_doublings(image_size)
    filters = base_filters * 2 ** (doublings - 1)
    latents = keras.Input((latent_dim,), name="latents")
    x = layers.Dense(
        4 * 4 * filters, use_bias=False, kernel_initializer=normal_initializer(), name="project"
    )(latents)
    if dense_ends:
        x = _batch_norm("project_norm", epsilon, momentum)(x)
    x = layers.Reshape((4, 4, filters), name="to_4x4")(x)
    if not dense_ends:
        x = _batch_norm("project_norm", epsilon, momentum)(x)
    x = layers.ReLU(name="features_4")(x)
    for side in _sides_up(image_size)[:-1]:
        filters //= 2
        x = _double(x, filters, kernel_size, to=side, name=f"up_{side}")
        x = _batch_norm(f"norm_{side}", epsilon, momentum)(x)
        x = layers.ReLU(name=f"features_{side}")(x)
    x = _double(x, channels, kernel_size, to=image_size, name=f"up_{image_size}")
    images = layers.Activation("tanh", dtype="float32", name="images")(x)
    return keras.Model(latents, images, name="generator")


def build_discriminator(
    *, image_size, channels, base_filters, kernel_size, dense_ends, epsilon, momentum
):
    """Builds images `(batch, h, w, channels)` in [-1, 1] → logits `(batch, 1)`.

    Radford et al. 2016, section 3: strided convolutions with batch norm, but for the first,
    and leaky ReLU of slope 0.2. No layer has a bias.
    """
    images = x = keras.Input((image_size, image_size, channels), name="images")
    for index in range(_count_doublings(image_size)):
        x = _halve(x, base_filters * 2**index, kernel_size, name=f"down_{index + 1}")
        if index:
            x = _batch_norm(f"norm_{index + 1}", epsilon, momentum)(x)
        x = LeakyReLU(0.2, name=f"features_{index + 1}")(x)
    if dense_ends:
        x = layers.Flatten(name="flatten")(x)
        logits = layers.Dense(
            1,
            use_bias=False,
            kernel_initializer=normal_initializer(),
            dtype="float32",
            name="logits",
        )(x)
        return keras.Model(images, logits, name="discriminator")
    if x.shape[1] == 3:
        x = layers.ZeroPadding2D(1, name="pad_logits")(x)
    x = layers.Conv2D(
        1,
        4,
        strides=2,  # leaves one logit of the padded 5×5, and makes no difference to 4×4
        use_bias=False,
        kernel_initializer=normal_initializer(),
        dtype="float32",
        name="logits",
    )(x)
    logits = layers.Flatten(dtype="float32", name="flatten")(x)
    return keras.Model(images, logits, name="discriminator")


def _count_doublings(image_size):
    return 3 if image_size == 28 else (image_size // 4).bit_length() - 1


def _sides_up(image_size):
    return [7, 14, 28] if image_size == 28 else [2**n for n in range(3, image_size.bit_length())]


def _halve(x, filters, kernel_size, name):
    """Convolves with stride 2 and the same padding on both sides, which "same" is not always."""
    even = x.shape[1] % 2 == 0
    same = kernel_size == 4 and even
    if not same:
        x = layers.ZeroPadding2D((kernel_size - 1) // 2, name=f"pad_{name}")(x)
    return layers.Conv2D(
        filters,
        kernel_size,
        strides=2,
        padding="same" if same else "valid",
        use_bias=False,
        kernel_initializer=normal_initializer(),
        name=name,
    )(x)


def _double(x, filters, kernel_size, to, name):
    """Convolves transposed with stride 2: the gradient of `_halve`, from side `to`.

    To side 7 the kernels are 3×3, whatever `kernel_size` is: 4×4 ones make 8 of 4.
    """
    if to == 7:
        kernel_size = 3
    same = kernel_size == 4
    x = layers.Conv2DTranspose(
        filters,
        kernel_size,
        strides=2,
        padding="same" if same else "valid",
        use_bias=False,
        kernel_initializer=normal_initializer(),
        name=name,
    )(x)
    if same:
        return x
    before = (kernel_size - 1) // 2
    after = x.shape[1] - to - before
    return Crop2D(before, after, name=f"crop_{name}")(x)


def _batch_norm(name, epsilon, momentum):
    return BatchNorm(
        momentum=momentum,
        epsilon=epsilon,
        gamma_initializer=normal_initializer(mean=1.0),
        name=name,
    )
