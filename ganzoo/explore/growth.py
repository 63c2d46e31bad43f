"""A progressive GAN at its resolutions: images from the same latents, and the grown layers."""

import keras
import numpy as np

from ganzoo.checks import check_whole, model_name
from ganzoo.errors import GanzooError
from ganzoo.explore import drawing
from ganzoo.models.progan import networks
from ganzoo.tracing import read


def grow(model, *, count=6, seed=0, truncation=None) -> dict[int, np.ndarray]:
    """Generates the same latents at every resolution that a model has reached.

    Args:
        model: A progressive GAN.
        count: Latents.
        seed: Of the latents.
        truncation: As in `generate`.

    Returns:
        uint8 `(count, resolution, resolution, c)` by resolution, from 4 up.

    Raises:
        GanzooError: The model does not grow, or `count` is below 1.
    """
    check_whole("The number of latents", count)
    if not hasattr(model, "resolution"):
        raise GanzooError(
            f"{model_name(model)!r} does not grow: it makes images of one size. Use a "
            "progressive GAN."
        )
    resolutions = [2**power for power in range(2, model.resolution.bit_length())]
    return {
        resolution: model.generate(count, seed=seed, truncation=truncation, resolution=resolution)
        for resolution in resolutions
    }


def draw_growth(model, *, out, count=6, seed=0, truncation=None) -> dict[int, np.ndarray]:
    """Draws a row for each latent and a column for each resolution (`.png`), or a film (`.gif`).

    Args:
        out: The file.
        model: As in `grow`, like the others.
    """
    images = grow(model, count=count, seed=seed, truncation=truncation)
    side = int(np.clip(max(images), 96, 256))
    columns = [[drawing.fit(image, side) for image in row] for row in images.values()]
    names = [f"{resolution}x{resolution}" for resolution in images]
    if drawing.is_film(out):
        across = int(np.ceil(np.sqrt(count)))
        frames = [
            drawing.table(
                [column[start : start + across] for start in range(0, count, across)], title=name
            )
            for column, name in zip(columns, names, strict=True)
        ]
        drawing.write_picture(out, frames, seconds_a_frame=0.8)
    else:
        rows = [list(row) for row in zip(*columns, strict=True)]
        drawing.write_picture(out, [drawing.table(rows, column_names=names)])
    return images


def grown_network(model, name):
    """Builds one network of a progressive GAN of the layers that images go through by now.

    The network itself holds the layers of all resolutions, also those that never trained.

    Args:
        model: A progressive GAN.
        name: Of the network.

    Returns:
        A functional Keras model of copied layers, which ends or begins with images
        `(batch, resolution, resolution, c)`, and fades as far as the model does now.
    """
    network, copies = model.networks[name], {}

    def copied(layer):
        if layer not in copies:
            original = network.get_layer(layer)
            copies[layer] = type(original).from_config(original.get_config())
        return copies[layer]

    alpha = model.fading_alpha()
    alpha = None if alpha is None else read(alpha)
    if name == "discriminator":
        inputs = keras.Input(model.image_shape)
        outputs = networks.wire_discriminator(copied, inputs, alpha)
    else:
        inputs = keras.Input(network.input.shape[1:])
        outputs = networks.wire_generator(copied, inputs, model.resolution, alpha)
    for layer, copy in copies.items():
        copy.set_weights(network.get_layer(layer).get_weights())
    return keras.Model(inputs, outputs, name=name)
