"""Loads parameters by their PyTorch state-dict names into Keras networks of the same layers."""

import keras
import numpy as np

from ganzoo.errors import WeightsError

BATCH_NORM = ("weight", "bias", "running_mean", "running_var")


def load_named_parameters(network: keras.Model, parameters: dict[str, np.ndarray]) -> None:
    """Sets all weights of a network whose layers bear PyTorch's module names.

    Args:
        network: Convolutions, dense layers, batch norms (and layers with one weight that bears
            the whole name), built.
        parameters: Arrays by state-dict name, in PyTorch's layouts: convolutions OIHW, dense
            layers out × in. Names that no layer needs, such as `num_batches_tracked`, are left.

    Raises:
        WeightsError: A parameter is missing, has another shape, or is not finite.
    """
    for layer in network.layers:
        for variable, name in zip(layer.weights, _names_of(layer), strict=True):
            if name not in parameters:
                raise WeightsError(
                    f"The weights for {network.name!r} have no {name!r}, but "
                    f"{', '.join(sorted(parameters)[:5])}, … Give the file of this network."
                )
            value = _in_keras_layout(np.asarray(parameters[name], np.float32))
            if value.shape != tuple(variable.shape) or not np.isfinite(value).all():
                raise WeightsError(
                    f"{name!r} has shape {value.shape} where {network.name!r} needs "
                    f"{tuple(variable.shape)}, or is not finite. Give the file of this network."
                )
            variable.assign(value)


def parameters_by_name(network: keras.Model) -> dict[str, np.ndarray]:
    """Gives a network's weights by PyTorch name and in PyTorch's layouts, as they are loaded."""
    found = {}
    for layer in network.layers:
        for variable, name in zip(layer.weights, _names_of(layer), strict=True):
            value = np.asarray(variable.numpy())
            found[name] = value.transpose(3, 2, 0, 1) if value.ndim == 4 else value.T
    return found


def _names_of(layer: keras.layers.Layer) -> list[str]:
    """State-dict names of a layer's weights, in the order of `layer.weights`."""
    if isinstance(layer, keras.layers.BatchNormalization):
        return [f"{layer.name}.{suffix}" for suffix in BATCH_NORM]
    if isinstance(layer, keras.layers.Conv2D | keras.layers.Dense):
        return [f"{layer.name}.{suffix}" for suffix in ("weight", "bias")][: len(layer.weights)]
    return [layer.name] * len(layer.weights)


def _in_keras_layout(value: np.ndarray) -> np.ndarray:
    """OIHW to HWIO, out × in to in × out."""
    return value.transpose(2, 3, 1, 0) if value.ndim == 4 else value.T
