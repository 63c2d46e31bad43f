"""Models for use without ganzoo: SavedModels with named endpoints, ONNX and LiteRT files."""

import contextlib
import os
import pathlib

import tensorflow as tf

from ganzoo import export_check, export_formats
from ganzoo.checks import check_choice, model_name
from ganzoo.errors import GanzooError, WeightsError
from ganzoo.files import replacing, replacing_folder

FORMATS = ("saved_model", "onnx", "litert")
_KERAS_NAMES = {"tf_saved_model": "saved_model"}
_SUFFIXES = {"onnx": ".onnx", "litert": ".tflite"}
_SAVED_MODEL = "saved_model.pb"
_PARTS_OF_SAVED_MODELS = {_SAVED_MODEL, "fingerprint.pb", "variables", "assets", "assets.extra"}


def export(model, path, *, format="saved_model", float16=False, check=True):
    """Writes a model for use without ganzoo, and proves that what was written agrees with it.

    The weights are those of the averaged generator where there is one. Of a model whose
    networks are trained in part, only what they make possible is written. A process that has
    neither ganzoo nor Keras then loads the result and answers random inputs; nothing takes the
    place of `path` before its answers agree with the model's.

    Args:
        model: A ganzoo model.
        path: The folder to write; a SavedModel that is there is replaced. For "onnx" and
            "litert" it gets one file for each function, in place of those of the same names
            and beside all others; a name that ends in `.onnx` or `.tflite` is the file itself,
            where there is one function only.
        format: "saved_model", "onnx" or "litert"; Keras's "tf_saved_model" is the first.
        float16: Store the weights of a LiteRT file in 16 bits: half the size, and outputs
            that differ a little.
        check: Load the result in a fresh process and compare it.

    Returns:
        A `ganzoo.export_check.ExportReport`: the endpoints, their greatest difference from the
        model, and the size.

    Raises:
        GanzooError: There is no such format, the path holds other things or cannot be written,
            or the result does not agree with the model.
        WeightsError: No endpoint has trained networks only.
        MissingExtraError: What the format needs is not installed.
    """
    format = _known_format(format, float16)
    path = pathlib.Path(os.path.abspath(path))
    _refuse_foreign(path, format)
    if format == "saved_model":
        functions = trained_endpoints(model)
        write = export_formats.write_saved_model
    else:
        functions = float_functions(model)
        export_formats.refuse_half_precision(functions, format)
        write = export_formats.write_onnx if format == "onnx" else export_formats.write_litert
    options = {"float16": float16} if format == "litert" else {}
    with _new_files(path, format, functions) as files:
        write(functions, files, **options)
        size = _size_of(next(iter(files.values())).parent if format == "saved_model" else files)
        differences = {}
        if check:
            differences = export_check.compare(functions, files, format, float16=float16)
    return export_check.ExportReport(path, format, tuple(functions), differences, size)


def trained_endpoints(model):
    """Traces a model's endpoints, and keeps those all of whose networks are trained.

    Returns:
        `ganzoo.export_formats.Function` by name, the default of serving first.

    Raises:
        WeightsError: There is none.
    """
    return _trained(model, model.endpoints())


def float_functions(model):
    """Gives the functions from floats to float images that an ONNX or LiteRT file can hold.

    They are the family's `float_endpoints` where it has any, because its endpoints take pixels;
    else those of its `endpoints` that map floats to images. An output that would be called as
    an input is gets the name `output_…`.

    Raises:
        WeightsError: There is none all of whose networks are trained.
    """
    if hasattr(model, "float_endpoints"):
        named = {
            name: (_with_distinct_names(function, inputs), inputs)
            for name, (function, inputs) in model.float_endpoints().items()
        }
        return _trained(model, named)
    functions = {
        name: function
        for name, function in trained_endpoints(model).items()
        if all(spec.dtype.is_floating for spec in function.inputs)
        and set(function.outputs) == {"images"}
    }
    if not functions:
        raise _nothing_trained(model)
    return functions


def _trained(model, endpoints):
    functions = {}
    for name, (function, inputs) in endpoints.items():
        traced = tf.function(function, input_signature=inputs)
        used = _parts_in(model, traced.get_concrete_function())
        if not model.trained or set(used) & set(model.networks) <= model.trained:
            functions[name] = export_formats.Function(function, inputs, traced, used)
    if not functions:
        raise _nothing_trained(model)
    return functions


def _with_distinct_names(function, inputs):
    """Renames outputs that are called as an input is: in an ONNX file all names differ."""
    taken = {spec.name for spec in inputs}

    def renamed(*values):
        outputs = function(*values)
        return {f"output_{key}" if key in taken else key: outputs[key] for key in outputs}

    return renamed


def _nothing_trained(model):
    return WeightsError(
        f"Nothing of {model_name(model)!r} can be exported: of its networks only "
        f"{', '.join(sorted(model.trained))} are trained. Train the model, or load weights "
        "that hold a generator."
    )


def _parts_in(model, concrete):
    """Finds the networks, and other parts, whose weights a traced function reads, by name."""
    read = {id(variable) for variable in concrete.graph.variables}
    return {
        name: part
        for name, part in model.stored_parts.items()
        if any(id(copy) in read for weight in part.variables for copy in _copies(weight))
    }


def _copies(weight):
    """Lists the variables behind a Keras weight: several where it is mirrored on devices."""
    return getattr(weight.value, "values", None) or [weight.value]


def _known_format(format, float16):
    known = _KERAS_NAMES.get(format, format)
    check_choice(f"There is no format {format!r}", known, FORMATS)
    if float16 and known != "litert":
        raise GanzooError(
            f"Weights of 16 bits are for the format 'litert', and this is {format!r}. Leave "
            "float16 out."
        )
    return known


def _refuse_foreign(path, format):
    """Lets a SavedModel take the place of an earlier one only, and files that of files."""
    for other, suffix in _SUFFIXES.items():
        if path.suffix.lower() == suffix and format != other:
            raise GanzooError(
                f"{path} is the name of a file of the format {other!r}, and the format is "
                f"{format!r}. Name a folder, or pass format={other!r}."
            )
    is_file = _is_file_of(path, format)
    if path.exists() and path.is_dir() == is_file:
        kind, wanted = ("folder", "file") if is_file else ("file", "folder")
        raise GanzooError(f"{path} is a {kind}. Name a {wanted} for this export.")
    held = {item.name for item in path.iterdir()} if path.is_dir() else set()
    others = sorted(held - _PARTS_OF_SAVED_MODELS)
    if format == "saved_model" and (others or (held and _SAVED_MODEL not in held)):
        raise GanzooError(
            f"{path} exists and holds other things, such as {(others or sorted(held))[0]}. Name a "
            "new folder, or that of an exported SavedModel."
        )


def _is_file_of(path, format):
    return path.suffix.lower() == _SUFFIXES.get(format)


@contextlib.contextmanager
def _new_files(path, format, functions):
    """Gives each function the name of a new file, which is moved to its place at the end.

    All functions of a SavedModel are in one file.
    """
    if format == "saved_model":
        with replacing_folder(path) as partial:
            yield dict.fromkeys(functions, partial / _SAVED_MODEL)
        return
    places = {name: path / f"{name}{_SUFFIXES[format]}" for name in functions}
    if _is_file_of(path, format):
        if len(functions) > 1:
            raise GanzooError(
                f"{path} can hold one function, and there are {len(functions)}: "
                f"{', '.join(functions)}. Name a folder."
            )
        places = dict.fromkeys(functions, path)
    is_new = not path.exists()
    try:
        with contextlib.ExitStack() as stack:
            yield {name: stack.enter_context(replacing(file)) for name, file in places.items()}
    except BaseException:
        if is_new and path.is_dir():
            with contextlib.suppress(OSError):  # another process may have put something there
                path.rmdir()
        raise


def _size_of(files):
    """Adds up the bytes of files, or of all that is in a folder."""
    if isinstance(files, dict):
        return sum(file.stat().st_size for file in set(files.values()))
    return sum(file.stat().st_size for file in files.rglob("*") if file.is_file())
