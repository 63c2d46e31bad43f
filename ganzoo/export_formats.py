"""Writers of the formats that models are exported to."""

import contextlib
import logging
import pathlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import keras
import tensorflow as tf

from ganzoo.errors import GanzooError, require_extra
from ganzoo.files import replacing, temporary_folder

HALF = {"float16", "bfloat16"}
_OPSET = 17  # onnxruntime 1.12 of 2022 and all later ones read it


@dataclass(frozen=True)
class Function:
    """One function of a model, to be exported.

    Attributes:
        call: The function itself.
        inputs: The `tf.TensorSpec` of each of its inputs, in order.
        traced: The same as a `tf.function`, traced for these inputs.
        parts: The networks, and other layers, whose weights it reads, by name.
    """

    call: Callable
    inputs: list
    traced: Any
    parts: dict

    @property
    def compute_dtypes(self) -> set[str]:
        """The types that its networks compute in."""
        layers = [layer for part in self.parts.values() for layer in getattr(part, "layers", ())]
        return {layer.compute_dtype for layer in layers}

    @property
    def concrete(self):
        """The traced graph."""
        return self.traced.get_concrete_function()

    @property
    def outputs(self) -> list[str]:
        """Names of its outputs."""
        return list(self.concrete.structured_outputs)


def write_saved_model(functions, files) -> None:
    """Writes a SavedModel, with the first function as `serving_default` too.

    It holds the weights that the functions read, and no others. They are found by Keras; had
    the networks been tracked too, each weight would be in the file twice.

    Args:
        functions: `Function` by name.
        files: The path of `saved_model.pb` for each of them, all the same.
    """
    archive = keras.export.ExportArchive()
    default = next(iter(functions.values()))
    for name, function in (functions | {"serving_default": default}).items():
        archive.add_endpoint(name, _guarded(function), input_signature=function.inputs)
    with _quiet("tensorflow"):
        archive.write_out(next(iter(files.values())).parent, verbose=False)


def _guarded(function):
    """Adds the check of shapes that TensorFlow leaves out when a signature is called."""

    def endpoint(*values):
        specs = function.inputs
        return function.call(
            *[tf.ensure_shape(value, spec.shape) for value, spec in zip(values, specs, strict=True)]
        )

    return endpoint


def write_onnx(functions, files) -> None:
    """Writes one ONNX file for each function, its inputs and outputs named as in SavedModels.

    Raises:
        MissingExtraError: tf2onnx or onnxruntime is not installed (extra `onnx`).
    """
    require_extra("onnxruntime", "onnx")  # the comparison needs it
    convert = require_extra("tf2onnx", "onnx").convert
    for name, function in functions.items():
        with replacing(files[name]) as partial, _quiet("tf2onnx"):
            convert.from_function(
                function.traced, function.inputs, opset=_OPSET, output_path=str(partial)
            )


def write_litert(functions, files, float16: bool = False) -> None:
    """Writes one LiteRT file for each function, whose signature has its name.

    Args:
        functions: `Function` by name.
        files: The path for each of them.
        float16: Store the weights in 16 bits; the interpreter computes in 32.
    """
    for name, function in functions.items():
        # By way of a SavedModel: from a concrete function the converter takes NaN for the
        # weights of Keras variables, without a word.
        with temporary_folder() as folder:
            write_saved_model({name: function}, {name: pathlib.Path(folder) / "saved_model.pb"})
            converter = tf.lite.TFLiteConverter.from_saved_model(folder, signature_keys=[name])
            if float16:
                converter.optimizations = [tf.lite.Optimize.DEFAULT]
                converter.target_spec.supported_types = [tf.float16]
            content = converter.convert()
        with replacing(files[name]) as partial:
            partial.write_bytes(content)


def refuse_half_precision(functions, format: str) -> None:
    """Refuses networks that compute in 16 bits, which ONNX and LiteRT files cannot hold."""
    for name, function in functions.items():
        for dtype in function.compute_dtypes & HALF:
            raise GanzooError(
                f"{name!r} computes in {dtype}, which the format {format!r} cannot hold. Load "
                "the model with precision='float32' (--precision float32) and export that."
            )


@contextlib.contextmanager
def _quiet(name):
    """Keeps a library from reporting its progress."""
    logger = logging.getLogger(name)
    before = logger.level
    logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        logger.setLevel(before)
