"""Hashes of what a score was measured with."""

import hashlib
import pathlib

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
