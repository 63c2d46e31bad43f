"""How large a batch fits into memory, at one resolution."""

import ctypes
import math
import os

import keras
import tensorflow as tf

from ganzoo import shortcuts, winograd
from ganzoo.equalized import EqualizedConv2D
from ganzoo.errors import TrainingError
from ganzoo.models.progan import networks

# Those of the authors' table for one GPU, "v2-1gpu": "auto" never takes more than 128 a replica.
_SIZES = (128, 64, 32, 16, 8, 4)
# A step takes about twice what all layers of both networks give for a batch: measured on a
# CPU at 32×32 and 64×64; for 16 GiB it comes to the authors' 16, 8 and 4 images at 256, 512
# and 1024.
_COPIES = 2
# With Winograd's convolutions as well: the tiles that several of them hold at once, counted in
# outputs of the largest.
_TILES = 32
_SHARE = 0.8  # of the memory; the rest is for what the libraries need


def batch_size_for_memory(model, resolution):
    """Chooses the global batch size at which a step fits into the memory of each replica.

    Args:
        model: A `ProgressiveGAN`.
        resolution: The resolution that it trains at.

    Returns:
        A multiple of the number of replicas; 4 to 128 for each.
    """
    free = _SHARE * device_memory() - _bytes_of_weights(model)
    fitting = free // bytes_per_image(model, resolution)
    local = next((size for size in _SIZES if size <= fitting), _SIZES[-1])
    return local * model.distribute_strategy.num_replicas_in_sync


def bytes_per_image(model, resolution):
    """Estimates what one image of a batch takes while the discriminator is trained."""
    elements = sum(
        math.prod(layer.output.shape[1:])
        for network in (model.generator, model.discriminator)
        for layer in networks.layers_up_to(network, resolution)
        if layer.name != "images"
    )
    size = keras.backend.standardize_dtype(model.compute_dtype)
    elements = _COPIES * elements + _TILES * _largest_by_tiles(model, resolution)
    return elements * (2 if size in ("float16", "bfloat16") else 4)


def _largest_by_tiles(model, resolution):
    """Counts the values that the largest layer computed by Winograd's way gives for one image."""
    with shortcuts.scope():
        if not shortcuts.allowed():
            return 0
    by_tiles = (
        math.prod(layer.output.shape[1:])
        for network in (model.generator, model.discriminator)
        for layer in networks.layers_up_to(network, resolution)
        if isinstance(layer, EqualizedConv2D)
        and layer.resample is None
        and winograd.pays(layer.input, layer.kernel)
    )
    return max(by_tiles, default=0)


def device_memory():
    """Bytes of memory of the first GPU in use, or, without one, what the system has free."""
    gpus = tf.config.get_visible_devices("GPU")
    if gpus:
        return _gpu_memory(int(gpus[0].name.rpartition(":")[2]))
    return os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")


def _gpu_memory(number):
    """Asks CUDA's driver for all the memory of a GPU, counted as TensorFlow counts them.

    TensorFlow tells only what it has not taken yet, and it takes all when it first uses a GPU.

    Raises:
        TrainingError: The driver cannot be asked.
    """
    size, device = ctypes.c_size_t(), ctypes.c_int()
    try:
        driver = ctypes.CDLL("libcuda.so.1")
        failed = (
            driver.cuInit(0)
            or driver.cuDeviceGet(ctypes.byref(device), number)
            or driver.cuDeviceTotalMem_v2(ctypes.byref(size), device)
        )
    except (OSError, AttributeError) as error:  # no driver of CUDA, or not such a function
        failed = error
    if failed:
        raise TrainingError(
            f"How much memory GPU {number} has cannot be asked for ({failed}). Give the "
            "batch_size of each phase as a number instead of 'auto'."
        )
    return size.value


def _bytes_of_weights(model):
    """Weights, their averages and Adam's two moments, in float32."""
    count = 4 * model.generator.count_params() + 3 * model.discriminator.count_params()
    return 4 * count
