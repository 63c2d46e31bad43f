"""What every model has to do, whatever its family: one function a check.

`test_conformance.py` runs these on every preset, made tiny. A family's test file
`test_<family>.py` says how: its `tiny(preset)` returns overrides.
"""

import importlib

import keras
import numpy as np
import tensorflow as tf

import ganzoo
from ganzoo import building, presets
from ganzoo.training.state import read_state

BATCH_SIZE = 4
STEPS = 3


def tiny_preset(name, **changes):
    """Reads a preset and shrinks it as its family's test file says."""
    preset = presets.read_preset(name)
    family_tests = importlib.import_module(f"tests.models.test_{preset.family}")
    overrides = {"training.batch_size": BATCH_SIZE} | family_tests.tiny(preset) | changes
    return presets.override(preset, overrides)


def build(preset, *, seed=0, precision=None, optimizer=None, **execution):
    """Builds a preset with initial weights that `seed` decides.

    Tracing takes longer than a few steps: where it is not what is tested, `run_eagerly`.
    """
    keras.utils.set_random_seed(seed)
    model = building.build(preset, precision=precision)
    if optimizer is not None or execution:
        settings = building.compile_arguments(preset, building.family_of(preset))
        changed = model.optimized_networks if optimizer is not None else ()
        model.compile(**settings | {name: optimizer() for name in changed} | execution)
    return model


def sgd(rate=1e-3):
    """Plain gradient descent, under which replicas agree to rounding.

    Slow, because the absolute values in CycleGAN's loss have no continuous slope: where the
    weights move far in a step, rounding in one grows by thousands in the next.
    """
    return keras.optimizers.SGD(rate)


def random_images(model, count=BATCH_SIZE * STEPS, seed=0, side=32):
    """Draws images of the shapes that the model trains on, an array or a tuple of arrays."""
    random = np.random.default_rng(seed)
    shapes = model.batch_shapes()
    several = isinstance(shapes[0], tuple)
    arrays = [
        random.uniform(-1, 1, (count, *(size or side for size in shape[1:]))).astype("float32")
        for shape in (shapes if several else [shapes])
    ]
    return tuple(arrays) if several else arrays[0]


def batches(model, **options):
    """Makes a dataset of global batches of random images."""
    images = random_images(model, **options)
    return tf.data.Dataset.from_tensor_slices(images).batch(BATCH_SIZE, drop_remainder=True)


def take_steps(model, dataset=None, epochs=1, **options):
    """Trains for `epochs` passes over random images."""
    return model.fit(
        batches(model) if dataset is None else dataset, epochs=epochs, verbose=0, **options
    )


def ganzoo_dataset(model, folder, **options):
    """Opens random images as a ganzoo dataset, which a run can be resumed on."""
    arrays = random_images(model, **options)
    arrays = arrays if isinstance(arrays, tuple) else (arrays,)
    for number, array in enumerate(arrays):
        pixels = np.round((array + 1) * 127.5).astype("uint8") if array.ndim == 4 else array
        np.save(folder / f"images_{number}.npy", pixels)
    return open_dataset(folder)


def open_dataset(folder):
    """Opens what `ganzoo_dataset` wrote."""
    paths = sorted(folder.glob("images_*.npy"))
    shape = np.load(paths[0], mmap_mode="r").shape[1:]
    size = {"image_size": shape[0], "channels": shape[2]} if len(shape) == 3 else {}
    source = tuple(paths) if len(paths) > 1 else paths[0]
    return ganzoo.data.load(source, batch_size=BATCH_SIZE, **size)


def weights_by_network(model):
    """Copies the trainable weights of each network."""
    return {
        name: [np.array(weight.numpy()) for weight in network.trainable_variables]
        for name, network in model.networks.items()
    }


def differing(before, after):
    """Names what differs between two dicts of arrays or lists of arrays."""
    return sorted(
        name
        for name in before
        if any(
            not np.array_equal(old, new)
            for old, new in zip(_listed(before[name]), _listed(after[name]), strict=True)
        )
    )


def assert_equal_states(one, other):
    """Compares every variable of two runs, bit for bit."""
    first, second = read_state(one), read_state(other)
    assert first.keys() == second.keys()
    assert differing(first, second) == []


def greatest_difference(one, other):
    """Gives the greatest difference between the weights of two models, and where it is."""
    return max(
        (float(np.max(np.abs(a.numpy().astype("float64") - b.numpy()))), name)
        for name in one.networks
        for a, b in zip(one.networks[name].variables, other.networks[name].variables, strict=True)
        if a.dtype.startswith("float")
    )


def _listed(value):
    return value if isinstance(value, list) else [value]
