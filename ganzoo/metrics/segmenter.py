"""A segmentation network for the FCN score, from a SavedModel."""

import os
import pathlib
from collections.abc import Callable

import numpy as np
import tensorflow as tf
from PIL import Image

from ganzoo.errors import GanzooError
from ganzoo.metrics.saved_models import open_saved_model


def load_segmenter(
    folder: str | os.PathLike,
    resolution: tuple[int, int] | None = None,
    pixel_range: tuple[float, float] = (0.0, 255.0),
) -> Callable:
    """Loads a SavedModel as the `segment` of `ganzoo.metrics.fcn_score`.

    Args:
        folder: A SavedModel with one input, images `(n, h, w, 3)`, and one output: scores
            `(n, h, w, classes)`, or classes `(n, h, w)`.
        resolution: Height and width of the labels, to which images are brought first, as the
            official evaluation does (bilinear, antialiased); None leaves them.
        pixel_range: What grey levels 0 and 255 become.

    Returns:
        A function of images uint8 `(n, h, w, 3)` that gives the network's output as an array.

    Raises:
        GanzooError: The folder holds no such SavedModel.
    """
    network, _, _ = open_saved_model(pathlib.Path(folder))
    low, high = pixel_range

    def segment(images) -> np.ndarray:
        images = np.asarray(images)
        if resolution is not None:
            images = np.stack([_resized(image, resolution) for image in images])
        outputs = network(tf.cast(images, "float32") * ((high - low) / 255) + low)
        if len(outputs) != 1:
            raise GanzooError(
                f"{str(folder)!r} gives {', '.join(sorted(outputs))}. "
                "Export a network with one output."
            )
        return np.asarray(next(iter(outputs.values())))

    return segment


def _resized(image: np.ndarray, resolution: tuple[int, int]) -> np.ndarray:
    height, width = resolution
    return np.asarray(Image.fromarray(image).resize((width, height), Image.Resampling.BILINEAR))
