"""Is this batch what a model trains on? Asked once, before the first step."""

import math
import warnings

import tensorflow as tf

from ganzoo.errors import DataError


def check_batch(model, shapes, spec, batch=None, keys=("model.image_size", "model.channels")):
    """Refuses batches that a model cannot train on.

    Args:
        model: Its name, for the message.
        shapes: Shape of a batch, or a tuple of them, with None for what is free.
        spec: The `element_spec` of the dataset.
        batch: One batch, to look at its range; None looks at shapes and types only.
        keys: Settings that the images' side and channels are set by.

    Raises:
        DataError: Labels beside the images, another type or shape, or another range.
    """
    if isinstance(spec, dict):
        raise DataError(
            f"A batch for {model} is images alone, and this dataset gives a dict of "
            f"{', '.join(map(repr, spec))}. Pick the images: dataset.map(lambda batch: batch[…])."
        )
    shapes = as_shapes(shapes)
    specs = tf.nest.flatten(spec)
    if len(specs) != len(shapes):
        raise DataError(
            f"A batch for {model} has {len(shapes)} array(s) of images, and this dataset gives "
            f"{len(specs)}. {_advice(len(shapes), specs)}"
        )
    images = tf.nest.flatten(batch) if batch is not None else [None] * len(specs)
    for one_spec, shape, one_batch in zip(specs, shapes, images, strict=True):
        _check_images(model, one_spec, shape, one_batch, keys)


def _advice(count, specs):
    """Says what to do about a batch that has not `count` arrays."""
    if count == 2:
        return (
            "Give images of both domains: two sources, as in --data A --data B, or a folder that "
            "holds trainA and trainB."
        )
    if all(spec.dtype.is_floating and spec.shape.rank == 4 for spec in specs):
        return "These are images of several domains: give one source, such as the folder trainA."
    return "Leave labels out: dataset.map(lambda images, labels: images)."


def as_shapes(shapes):
    """Lists the shapes of a batch's arrays, one or several, as `tf.TensorShape`."""
    if isinstance(shapes[0], tuple | list):
        return [tf.TensorShape(shape) for shape in shapes]
    return [tf.TensorShape(shapes)]


def _check_images(model, spec, shape, batch, keys):
    if not spec.dtype.is_floating:
        raise DataError(
            f"{model} trains on float images in [-1, 1], and this dataset gives "
            f"{spec.dtype.name}. Convert them: tf.cast(images, 'float32') / 127.5 - 1."
        )
    given = spec.shape if batch is None else batch.shape  # the dataset may not know
    if not shape.is_compatible_with(given):
        same_rank = given.rank == shape.rank
        key = keys[1 if same_rank and shape[:-1].is_compatible_with(given[:-1]) else 0]
        raise DataError(
            f"{model} trains on batches of shape {shape}, and this dataset gives {given}. "
            "Load the images with the model's image_size and channels, or build the model for "
            f"this shape with load(..., weights=False, **{{{key!r}: …}})."
        )
    if batch is not None and len(shape) == 4:
        low, high = float(tf.reduce_min(batch)), float(tf.reduce_max(batch))
        if not math.isfinite(low + high):
            raise DataError(
                f"The first batch for {model} holds values that are not finite (NaN or infinite). "
                "Leave out the images that hold them."
            )
        if low < -1.5 or high > 1.5:
            raise DataError(
                f"{model} trains on images in [-1, 1], and the first batch lies in "
                f"[{low:.4g}, {high:.4g}]. Rescale it: images / 127.5 - 1 for pixels in [0, 255]."
            )
        if 0 <= low < high <= 1:
            warnings.warn(
                f"The first batch for {model} lies in [{low:.4g}, {high:.4g}], and black is -1: "
                "if the images are in [0, 1], rescale them: images * 2 - 1.",
                stacklevel=5,
            )
