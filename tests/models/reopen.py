"""Opens every `.keras` file of a folder and writes what its model answers."""

import pathlib
import sys

import keras
import numpy as np

import ganzoo.models  # noqa: F401  registers the families with Keras


def main(folder):
    for path in sorted(pathlib.Path(folder).glob("*.keras")):
        model = keras.saving.load_model(path)
        facts = {
            f"{name}.iterations": int(optimizer.iterations)
            for name, optimizer in model.optimizers.items()
        }
        output = model(np.load(path.with_suffix(".input.npy")))
        np.savez(path.with_suffix(".output.npz"), output=output, step=int(model.step), **facts)


if __name__ == "__main__":
    main(sys.argv[1])
