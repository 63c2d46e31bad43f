"""SavedModels that are networks of one batch of images, whoever exported them."""

import pathlib
from typing import Any

import tensorflow as tf

from ganzoo.errors import GanzooError
from ganzoo.metrics.hashing import folder_sha256


def open_saved_model(folder: pathlib.Path):
    """Opens a SavedModel of one input: its function, what it takes, the folder's hash.

    Returns:
        A function of images that gives the outputs by name; the `tf.TensorSpec` of its input;
        the sha256.

    Raises:
        GanzooError: The folder holds none, or one with other inputs.
    """
    if not (folder / "saved_model.pb").is_file():
        raise GanzooError(f"{str(folder)!r} holds no SavedModel. Give a folder with one.")
    loaded = _loaded(folder)
    function = loaded.signatures["serving_default"]
    inputs = function.structured_input_signature[1]
    if len(inputs) != 1 or not _is_batch_of_images(next(iter(inputs.values()))):
        raise GanzooError(
            f"{str(folder)!r} takes {', '.join(sorted(inputs)) or 'nothing'}, not one batch of "
            "images. Export the network with images (n, h, w, c) as its only input."
        )
    ((input_name, spec),) = inputs.items()

    def network(images):
        # The function lives as long as what it was loaded from.
        return loaded.signatures["serving_default"](**{input_name: tf.cast(images, spec.dtype)})

    return network, spec, folder_sha256(folder)


def output_named(name: str, outputs: dict[str, Any], owner: str):
    """Finds the output of a network that is called `name`, or its only one.

    A SavedModel gives its outputs in no fixed order, so that there is no first one to take.

    Raises:
        GanzooError: There are several, none of that name. Its sentence calls the network `owner`.
    """
    if name not in outputs and len(outputs) != 1:
        raise GanzooError(
            f"{owner} gives {', '.join(sorted(outputs))}. Name the one to use {name!r}."
        )
    return outputs[name] if name in outputs else next(iter(outputs.values()))


def _loaded(folder: pathlib.Path):
    """Reads a SavedModel that can be called."""
    try:
        loaded = tf.saved_model.load(str(folder))
    # What is wrong with the file comes as errors of several libraries.
    except Exception as error:
        reason = " ".join(str(error).split())[:200] or type(error).__name__
        raise GanzooError(
            f"{str(folder)!r} cannot be read as a SavedModel: {reason}. Export the network again."
        ) from error
    known = sorted(getattr(loaded, "signatures", {}))
    if "serving_default" not in known:
        raise GanzooError(
            f"{str(folder)!r} has no endpoint 'serving_default', but {', '.join(known) or 'none'}. "
            "Export the network with Keras: model.export(folder)"
        )
    return loaded


def _is_batch_of_images(spec) -> bool:
    return spec.shape.rank == 4 and (spec.dtype.is_floating or spec.dtype.is_integer)
