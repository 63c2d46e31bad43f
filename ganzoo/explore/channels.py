"""A picture on its way through a network: what the shallow and the deep layers answer to."""

from dataclasses import dataclass

import keras
import numpy as np
import tensorflow as tf

from ganzoo.checks import check_choice, check_trained, check_whole, model_name
from ganzoo.errors import GanzooError
from ganzoo.explore import drawing
from ganzoo.explore.growth import grown_network

_SIDE = 96
_NONLINEAR = ("ReLU", "LeakyReLU", "Maxout", "Activation", "PReLU", "ELU")


@dataclass(frozen=True)
class LayerActivations:
    """What one layer answers.

    Attributes:
        name: Of the layer.
        maps: Its strongest channels, float32 `(h, w, k)`, the strongest first.
        channels: Their numbers, `(k,)`.
        strengths: Their mean absolute activation, `(k,)`.
    """

    name: str
    maps: np.ndarray
    channels: np.ndarray
    strengths: np.ndarray


def activations(network, inputs, *, channels=8, layers=None):
    """Sends one input through a network and keeps the strongest channels of each layer.

    Args:
        network: A functional Keras model.
        inputs: One image `(h, w, c)` in [-1, 1], or one latent `(latent_dim,)`.
        channels: How many channels of each layer.
        layers: Names of layers; by default those with images after a nonlinearity.

    Returns:
        A list of `LayerActivations` from the shallowest on, and the network's output.

    Raises:
        GanzooError: There is no such layer, it has no images, the input is of another shape or
            uint8, or `channels` is below 1.
    """
    check_whole("The number of channels", channels)
    names = _image_layers(network) if layers is None else list(layers)
    _check_names(network, names)
    _check_shape(network, inputs)
    outputs = [network.get_layer(name).output for name in names]
    watched = keras.Model(network.input, [*outputs, network.output])
    *found, result = watched(tf.convert_to_tensor(inputs, "float32")[None], training=False)
    values = [np.asarray(tf.cast(value, "float32"))[0] for value in found]
    chosen = [strongest(name, value, channels) for name, value in zip(names, values, strict=True)]
    return chosen, np.asarray(tf.cast(result, "float32"))[0]


def strongest(name: str, maps, count: int) -> LayerActivations:
    """Picks the channels of `(h, w, k)` with the largest mean absolute activation."""
    strengths = np.abs(maps).mean(axis=(0, 1))
    order = np.argsort(-strengths, kind="stable")[:count]
    return LayerActivations(name, maps[..., order], order, strengths[order])


def draw_activations(model, *, out, picture=None, network=None, seed=0, count=8, layers=None):
    """Draws the input, the strongest channels of the layers, and the output.

    A progressive GAN shows the layers of the resolution that it has reached.

    Args:
        model: A ganzoo model, or a functional Keras model.
        out: A `.png`.
        picture: The input, float `(h, w, c)` in [-1, 1], of the size that the model makes;
            without it a noise model's generator gives one.
        network: Name of the network, such as "generator" (its input is a latent) or
            "discriminator"; by default the discriminator, or the generator from A to B.
        seed: Of the latent.
        count: Channels of each layer.
        layers: Names of layers, by default at most six of them, evenly spread.

    Returns:
        What `activations` gives.

    Raises:
        GanzooError: There is no such network or layer, the network takes no picture or one of
            another size, the picture is uint8, or `count` is below 1.
        WeightsError: Other networks of the model are trained, and this one is not.
    """
    chosen = _network(model, network)
    inputs = _input(model, chosen, picture, seed)
    names = layers or _spread(_image_layers(chosen), 6)
    found, output = activations(chosen, inputs, channels=count, layers=names)
    rows, titles = [], []
    if np.ndim(inputs) == 3:
        rows, titles = [[drawing.fit(np.asarray(inputs), _SIDE)]], ["input"]
    for layer in found:
        maps = np.moveaxis(layer.maps, -1, 0)
        cells = zip(maps, layer.channels, layer.strengths, strict=True)
        rows.append(
            [
                (drawing.fit(drawing.grey(plane), _SIDE), f"#{number}  {strength:.2g}")
                for plane, number, strength in cells
            ]
        )
        height, width = layer.maps.shape[:2]
        titles.append(f"{layer.name} ({height}x{width})")
    rows.append([_drawn_output(output)])
    titles.append("output")
    title = f"{chosen.name}: the strongest channels of its layers (#number, mean |activation|)"
    drawing.write_picture(out, [drawing.table(rows, row_names=titles, title=title)])
    return found, output


def _drawn_output(output):
    if output.ndim == 3 and output.shape[-1] in (1, 3) and min(output.shape[:2]) > 1:
        span = output if output.shape[-1] == 3 else drawing.grey(output[..., 0])
        return drawing.fit(span, _SIDE)
    values = ", ".join(f"{value:.3g}" for value in output.reshape(-1)[:8])
    return np.full((4, _SIDE, 3), 255, "uint8"), values


def _network(model, name):
    networks = getattr(model, "networks", None)
    if networks is None:
        return model
    if name is None:
        name = "generator_ab" if "generator_ab" in networks else "discriminator"
    check_choice(f"{model_name(model)!r} has no network {name!r}", name, networks)
    check_trained(model, name)
    return grown_network(model, name) if hasattr(model, "resolution") else networks[name]


def _input(model, network, picture, seed):
    if picture is not None:
        return picture
    if len(network.input.shape) == 2:
        if not hasattr(model, "draw_latents"):
            raise GanzooError(f"{network.name!r} takes latents. Give the model that it is of.")
        from ganzoo.randomness import seed_key

        return model.draw_latents(1, seed_key(seed))[0]
    if not hasattr(model, "draw_latents"):
        raise GanzooError(f"{network.name!r} takes a picture. Give one (--picture FILE).")
    from ganzoo.data.decoding import from_uint8

    return from_uint8(model.generate(1, seed=seed)[0])


def _check_shape(network, inputs):
    """Refuses an input of other sides than the network takes, some take any; and levels."""
    wanted, found = network.input.shape[1:], np.shape(inputs)
    if np.asarray(inputs).dtype == np.uint8:
        raise GanzooError(
            f"The input is uint8, and {network.name!r} takes floats in [-1, 1]. Give "
            "pixels / 127.5 - 1."
        )
    if len(wanted) == 1 and len(found) == 3:
        raise GanzooError(
            f"{network.name!r} takes {wanted[0]} numbers, and no picture. Leave the picture out, "
            "or name a network that takes one (--network discriminator)."
        )
    pairs = zip(wanted, found, strict=False)
    if len(wanted) != len(found) or any(side not in (None, own) for side, own in pairs):
        raise GanzooError(
            f"{network.name!r} takes an input of shape {tuple(wanted)}, and this one has "
            f"{tuple(found)}. Resize it."
        )


def _image_layers(network):
    """Names the layers that give images after a nonlinearity; any with images if none do."""
    images = [
        layer
        for layer in network.layers
        if _gives_images(layer)
        and layer.output is not network.output
        and not isinstance(layer, keras.layers.InputLayer)
    ]
    after = [layer.name for layer in images if type(layer).__name__ in _NONLINEAR]
    return after or [layer.name for layer in images]


def _gives_images(layer):
    shape = getattr(getattr(layer, "output", None), "shape", ())
    return len(shape) == 4 and 1 not in shape[1:3]


def _check_names(network, names):
    known = [layer.name for layer in network.layers if _gives_images(layer)]
    for name in names:
        check_choice(f"{network.name!r} has no layer {name!r} with images", name, known)
    if not names:
        raise GanzooError(
            f"No layer of {network.name!r} gives images, so that nothing can be drawn. Use a "
            "convolutional model, such as a DCGAN."
        )


def _spread(names, count):
    places = np.linspace(0, len(names) - 1, min(count, len(names)))
    return [names[round(place)] for place in places]
