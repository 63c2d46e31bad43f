"""Models for use without ganzoo: SavedModels with named endpoints."""

import keras

from ganzoo.errors import GanzooError, nearest
from ganzoo.files import replacing_folder

FORMATS = ("saved_model",)
_KERAS_NAMES = {"tf_saved_model": "saved_model"}


def export(model, path, *, format: str = "saved_model"):
    """Writes a model's endpoints, with the weights of its averaged generator where it has one.

    Args:
        model: A ganzoo model.
        path: The folder to write; an export that is there is replaced.
        format: "saved_model".

    Raises:
        GanzooError: There is no such format, or the path cannot be written.
    """
    format = _KERAS_NAMES.get(format, format)
    if format not in FORMATS:
        raise GanzooError(
            f"There is no format {format!r}.{nearest(format, FORMATS)} "
            f"Choose one of: {', '.join(FORMATS)}."
        )
    _write_saved_model(model, path)


def _write_saved_model(model, path):
    archive = keras.export.ExportArchive()
    archive.track(model)
    endpoints = model.endpoints()
    for name, (function, inputs) in endpoints.items():
        archive.add_endpoint(name, function, input_signature=inputs)
    default, (function, inputs) = next(iter(endpoints.items()))
    del default
    archive.add_endpoint("serving_default", function, input_signature=inputs)
    with replacing_folder(path) as partial:
        archive.write_out(partial, verbose=False)
