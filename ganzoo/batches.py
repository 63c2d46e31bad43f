"""Is this batch what a model trains on? Asked once, before the first step."""

import tensorflow as tf

from ganzoo.errors import DataError


def check_batch(model, shapes, spec, batch=None):
    """Refuses batches that a model cannot train on.

    Args:
        model: Its name, for the message.
        shapes: Shape of a batch, or a tuple of them, with None for what is free.
        spec: The `element_spec` of the dataset.
        batch: One batch, to look at its range; None looks at shapes and types only.

    Raises:
        DataError: Labels beside the images, another type or shape, or another range.
    """
    shapes = _as_shapes(shapes)
    specs = tf.nest.flatten(spec)
    if len(specs) != len(shapes):
        raise DataError(
            f"A batch for {model} has {len(shapes)} array(s) of images, and this dataset gives "
            f"{len(specs)}. Leave labels out: dataset.map(lambda images, labels: images)."
        )
    images = tf.nest.flatten(batch) if batch is not None else [None] * len(specs)
    for one_spec, shape, one_batch in zip(specs, shapes, images, strict=True):
        _check_images(model, one_spec, shape, one_batch)


def _as_shapes(shapes):
    if isinstance(shapes[0], tuple | list):
        return [tf.TensorShape(shape) for shape in shapes]
    return [tf.TensorShape(shapes)]


def _check_images(model, spec, shape, batch):
    if not spec.dtype.is_floating:
        raise DataError(
            f"{model} trains on float images in [-1, 1], and this dataset gives "
            f"{spec.dtype.name}. Convert them: tf.cast(images, 'float32') / 127.5 - 1."
        )
    if not shape.is_compatible_with(spec.shape):
        raise DataError(
            f"{model} trains on batches of shape {shape}, and this dataset gives {spec.shape}. "
            "Load the images with the model's image_size and channels, or build the model for "
            "this shape with load(..., weights=False, **{'model.image_size': …})."
        )
    if batch is not None and len(shape) == 4:
        low, high = float(tf.reduce_min(batch)), float(tf.reduce_max(batch))
        if low < -1.5 or high > 1.5 or low != low:
            raise DataError(
                f"{model} trains on images in [-1, 1], and the first batch lies in "
                f"[{low:.4g}, {high:.4g}]. Rescale it: images / 127.5 - 1 for pixels in [0, 255]."
            )
