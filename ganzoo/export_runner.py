"""Answers inputs with an exported model, in a process that has neither ganzoo nor Keras.

`ganzoo.export_check` starts this file as a script; nothing imports it.

    python -P export_runner.py FORMAT JOB_FOLDER

JOB_FOLDER holds `job.json`, a list of `{"name", "file", "inputs"}`, and `inputs.npz` with the
arrays `NAME/INPUT`; the script writes `outputs.npz` with the arrays `NAME/OUTPUT`.
"""

import json
import os
import pathlib
import sys

import numpy as np


def run_saved_model(file, name, inputs):
    """Calls the endpoint `name` of a SavedModel."""
    import tensorflow as tf

    signature = tf.saved_model.load(str(file.parent)).signatures[name]
    return signature(**{key: tf.constant(value) for key, value in inputs.items()})


def run_onnx(file, name, inputs):
    """Calls an ONNX file."""
    import onnxruntime

    del name
    session = onnxruntime.InferenceSession(str(file), providers=["CPUExecutionProvider"])
    names = [output.name for output in session.get_outputs()]
    return dict(zip(names, session.run(None, inputs), strict=True))


def run_litert(file, name, inputs):
    """Calls a LiteRT file."""
    try:
        from ai_edge_litert.interpreter import Interpreter
    except ImportError:
        import tensorflow as tf

        Interpreter = tf.lite.Interpreter

    del name
    interpreter = Interpreter(str(file))
    for details in interpreter.get_input_details():
        (value,) = inputs.values()
        interpreter.resize_tensor_input(details["index"], value.shape)
    return interpreter.get_signature_runner()(**inputs)


def main(format, folder):
    """Does the job that a folder describes."""
    run = {"saved_model": run_saved_model, "onnx": run_onnx, "litert": run_litert}[format]
    folder = pathlib.Path(folder)
    outputs = {}
    with np.load(folder / "inputs.npz", allow_pickle=False) as stored:
        for task in json.loads((folder / "job.json").read_text(encoding="utf-8")):
            name = task["name"]
            inputs = {key: stored[f"{name}/{key}"] for key in task["inputs"]}
            for key, value in run(pathlib.Path(task["file"]), name, inputs).items():
                outputs[f"{name}/{key}"] = np.asarray(value)
    np.savez(folder / "outputs.npz", **outputs)


if __name__ == "__main__":
    os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
    os.environ["CUDA_VISIBLE_DEVICES"] = "-1"  # the caller holds the accelerator's memory
    blocked: dict = {"keras": None, "ganzoo": None}
    sys.modules.update(blocked)  # importing either fails from here on
    main(*sys.argv[1:])
