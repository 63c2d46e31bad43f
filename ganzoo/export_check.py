"""The proof that an exported model agrees with the model: both answer random inputs."""

import json
import pathlib
import subprocess
import sys
from dataclasses import dataclass
from typing import Any

import numpy as np
import tensorflow as tf

from ganzoo.errors import GanzooError
from ganzoo.export_formats import HALF
from ganzoo.files import temporary_folder

FLOAT_LIMIT = 1e-4
HALF_LIMIT = 0.05  # with weights or arithmetic of 16 bits, whose change is stated, not hidden
LEVELS_LIMIT = 1
SHARE_LIMIT = 0.001
_COUNT = 3
_SIDE = 64  # of images whose side is free
_SEED = 20140610
_RUNNER = pathlib.Path(__file__).with_name("export_runner.py")


@dataclass(frozen=True)
class Difference:
    """How far two answers lie apart.

    Attributes:
        greatest: Largest absolute difference of two values; for uint8 in levels.
        share: Share of the values that differ, 0 to 1, of uint8; 0 for floats.
        levels: Whether the values are uint8.
    """

    greatest: float
    share: float
    levels: bool

    def __str__(self) -> str:
        if self.levels:
            return f"{self.greatest:.0f} grey levels in {self.share:.2%} of the values"
        return f"{self.greatest:.1e}"


@dataclass(frozen=True)
class ExportReport:
    """What an export wrote.

    Attributes:
        path: The folder or file.
        format: "saved_model", "onnx" or "litert".
        endpoints: Names of the functions in it; the first is the default of serving.
        differences: The `Difference` from the model for each of them; empty if not checked.
        size: Bytes of all its files.
    """

    path: pathlib.Path
    format: str
    endpoints: tuple[str, ...]
    differences: dict[str, Difference]
    size: int

    def __str__(self) -> str:
        lines = [f"Wrote {self.path} ({self.format}, {self.size / 1e6:.1f} MB)"]
        for name in self.endpoints:
            found = self.differences.get(name)
            lines.append(
                f"  {name}: " + (f"differs by {found} from the model" if found else "not compared")
            )
        return "\n".join(lines)


def compare(functions, files, format: str, *, float16: bool = False) -> dict[str, Difference]:
    """Has the model and its export answer the same random inputs.

    Args:
        functions: `ganzoo.export_formats.Function` by name.
        files: The file that holds each of them.
        format: "saved_model", "onnx" or "litert".
        float16: The weights were stored in 16 bits.

    Returns:
        The difference by name.

    Raises:
        GanzooError: The export cannot be loaded, or differs by more than `FLOAT_LIMIT`, or by
            more than `LEVELS_LIMIT` levels or in more than `SHARE_LIMIT` of the uint8 values.
    """
    random = np.random.default_rng(_SEED)
    inputs = {
        name: {spec.name: random_input(spec, random) for spec in function.inputs}
        for name, function in functions.items()
    }
    found = _answers_of_export(files, format, inputs)
    differences = {}
    for name, function in functions.items():
        expected = _answers_of_model(function, inputs[name])
        half = float16 or function.compute_dtypes & HALF
        differences[name] = _difference(name, expected, found)
        _refuse(name, differences[name], format, HALF_LIMIT if half else FLOAT_LIMIT)
    return differences


def random_input(spec: tf.TensorSpec, random: np.random.Generator) -> np.ndarray:
    """Draws an input of a type and shape: N(0, 1) latents, U[-1, 1] images, uint8 pixels."""
    shape = [_free_size(axis) if size is None else size for axis, size in enumerate(spec.shape)]
    dtype = spec.dtype.as_numpy_dtype
    if spec.dtype.is_floating:
        uniform = spec.name != "latents"
        values = random.uniform(-1, 1, shape) if uniform else random.standard_normal(shape)
        return values.astype(dtype)
    if spec.dtype == tf.uint8:
        return random.integers(0, 256, shape).astype(dtype)
    return random.integers(1, 1 + _COUNT, shape).astype(dtype)  # a count, or a seed


def _free_size(axis):
    return _COUNT if axis == 0 else _SIDE


def _answers_of_model(function, inputs) -> dict[str, np.ndarray]:
    # On the CPU, as the export's: on others products of float32 may be rounded to 10 bits.
    with tf.device("/CPU:0"):
        answers = function.call(*[tf.constant(value) for value in inputs.values()])
    return {key: value.numpy() for key, value in answers.items()}


def _answers_of_export(files, format, inputs) -> dict[str, np.ndarray]:
    job = [
        {"name": name, "file": str(file), "inputs": list(inputs[name])}
        for name, file in files.items()
    ]
    with temporary_folder() as folder:
        place = pathlib.Path(folder)
        (place / "job.json").write_text(json.dumps(job), encoding="utf-8")
        arrays: dict[str, Any] = {
            f"{name}/{key}": value
            for name, values in inputs.items()
            for key, value in values.items()
        }
        np.savez(place / "inputs.npz", **arrays)
        # -P: the script's own folder holds modules named as others that TensorFlow imports.
        command = [sys.executable, "-P", str(_RUNNER), format, folder]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            reason = (done.stderr.strip().splitlines() or ["no reason given"])[-1]
            raise GanzooError(
                f"The {format} export cannot be used by a fresh process: {reason} Nothing was "
                "written. Export as 'saved_model', or report this with the model's preset."
            )
        with np.load(place / "outputs.npz", allow_pickle=False) as stored:
            return dict(stored)


def _difference(name, expected, found) -> Difference:
    """Compares all outputs of one function; the arrays of `found` are named `NAME/OUTPUT`."""
    greatest, differing, count, levels = 0.0, 0, 0, False
    for key, value in expected.items():
        other = found.get(f"{name}/{key}")
        if other is None or other.shape != value.shape or other.dtype != value.dtype:
            given = "nothing" if other is None else f"{other.dtype} {other.shape}"
            raise GanzooError(
                f"The exported {name!r} gives {given} as {key!r}, and the model gives "
                f"{value.dtype} {value.shape}. Nothing was written."
            )
        gaps = np.abs(other.astype("float64") - value.astype("float64"))
        # Not max alone: that of a NaN and a number would pass every limit.
        greatest = max(greatest, float("inf") if np.isnan(gaps).any() else float(gaps.max()))
        if value.dtype == np.uint8:
            levels = True
            differing, count = differing + int(np.count_nonzero(gaps)), count + gaps.size
    return Difference(greatest, differing / max(count, 1), levels)


def _refuse(name, difference, format, float_limit):
    if difference.levels:
        wrong = difference.greatest > LEVELS_LIMIT or difference.share > SHARE_LIMIT
        limit = f"{LEVELS_LIMIT} level in {SHARE_LIMIT:.1%}"
    else:
        wrong = difference.greatest > float_limit
        limit = f"{float_limit:.0e}"
    if wrong:
        raise GanzooError(
            f"The exported {name!r} differs by {difference} from the model, and {limit} is "
            f"allowed. Nothing was written; report this with the preset and the format "
            f"{format!r}."
        )
