"""The ways images get to an extractor's size; scores differ by them (Parmar et al. 2022)."""

import concurrent.futures
import os

import numpy as np
import tensorflow as tf
from PIL import Image

from ganzoo.checks import check_choice

RESIZERS = ("legacy_tensorflow", "legacy_pytorch", "clean")


def resize(images, side: tuple[int, int], resizer: str) -> tf.Tensor:
    """Resizes images by a method that a protocol names.

    - `legacy_tensorflow`: TensorFlow 1's bilinear, corners as origin, no antialiasing: what the
      original FID does, and torch-fidelity after it.
    - `legacy_pytorch`: bilinear between pixel centres, no antialiasing, as pytorch-fid does.
    - `clean`: Pillow's bicubic with antialiasing on floats, clipped, as clean-fid does.

    Args:
        images: `(n, h, w, c)` grey levels in [0, 255], uint8 or float.
        side: Height and width to reach.
        resizer: One of the above.

    Returns:
        float32 `(n, *side, c)` in [0, 255], not rounded.

    Raises:
        GanzooError: An unknown resizer.
    """
    check_resizer(resizer)
    if resizer == "clean":
        return tf.constant(_clean(np.asarray(images), side))
    return resize_bilinear(images, side, half_pixel_centers=resizer == "legacy_pytorch")


def resize_bilinear(images, side, half_pixel_centers: bool) -> tf.Tensor:
    """Resizes in a graph, bilinear without antialiasing."""
    return tf.raw_ops.ResizeBilinear(
        images=tf.cast(images, "float32"),
        size=side,
        align_corners=False,
        half_pixel_centers=half_pixel_centers,
    )


def check_resizer(resizer: str) -> None:
    """Refuses a name that is no resizer's."""
    check_choice(f"There is no resizer {resizer!r}", resizer, RESIZERS)


def _clean(images: np.ndarray, side: tuple[int, int]) -> np.ndarray:
    """Resizes each channel of each image by Pillow, several images at once."""
    height, width = side

    def one(image: np.ndarray) -> np.ndarray:
        planes = [
            Image.fromarray(plane).resize((width, height), Image.Resampling.BICUBIC)
            for plane in np.moveaxis(image.astype(np.float32), -1, 0)
        ]
        return np.stack([np.asarray(plane) for plane in planes], axis=-1)

    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        resized = np.stack(list(pool.map(one, images)))
    return np.clip(resized, 0, 255)
