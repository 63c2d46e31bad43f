"""Hashes of what a score was measured with."""

import hashlib
import json
import pathlib
from typing import Any

import keras
import numpy as np

from ganzoo.files import sha256_of


def folder_sha256(folder: pathlib.Path) -> str:
    """Hashes the names and contents of a folder's files, in order."""
    digest = hashlib.sha256()
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        digest.update(f"{path.relative_to(folder).as_posix()} {sha256_of(path)}\n".encode())
    return digest.hexdigest()


def weights_sha256(model: keras.Model) -> str:
    """Hashes a network's weights, with their shapes and the kinds of its layers, in order."""
    digest = hashlib.sha256()
    for layer in model.layers:
        digest.update(type(layer).__name__.encode())
    for value in model.get_weights():
        digest.update(str((value.shape, str(value.dtype))).encode())
        digest.update(np.ascontiguousarray(value).tobytes())
    return digest.hexdigest()


def network_sha256(model: keras.Model) -> str:
    """Hashes all that decides what a network computes: its architecture, then its weights.

    Names of layers do not count. What cannot be seen is the code of classes and functions of
    one's own, beside what their `get_config` tells.
    """
    digest = hashlib.sha256(json.dumps(_numbered(_plan(model), {})).encode())
    digest.update(weights_sha256(model).encode())
    return digest.hexdigest()


def _plan(layer: Any) -> list[Any]:
    """Lists a layer's kind, its settings, and the same of the layers in it."""
    try:
        settings = keras.saving.serialize_keras_object(layer.get_config())
    except (NotImplementedError, TypeError, ValueError):
        settings = None  # a class of one's own need not know them
    return [type(layer).__name__, settings, [_plan(part) for part in getattr(layer, "layers", ())]]


def _numbered(part: Any, numbers: dict[str, int]) -> Any:
    """Puts numbers in the place of layers' names, which a process counts up as it makes them."""
    if isinstance(part, dict):
        if str(part.get("class_name")).endswith("DTypePolicy"):
            return part  # its name says what it is
        return {
            key: numbers.setdefault(value, len(numbers))
            if key == "name" and isinstance(value, str)
            else _numbered(value, numbers)
            for key, value in part.items()
        }
    if isinstance(part, list | tuple):
        # A layer's name stands in lists where others follow it.
        return [
            numbers.get(item, item) if isinstance(item, str) else _numbered(item, numbers)
            for item in part
        ]
    return part
