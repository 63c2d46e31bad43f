"""Batches that a model cannot train on are refused before the first step."""

import warnings

import numpy as np
import pytest
import tensorflow as tf

from ganzoo.batches import check_batch
from ganzoo.errors import DataError
from ganzoo.models import cyclegan, gan

SHAPES = (None, 8, 8, 3)


def check(*arrays, shapes=SHAPES, look=True):
    """Checks a dataset of one batch of these arrays, as `fit` does."""
    batch = tuple(map(tf.constant, arrays)) if len(arrays) > 1 else tf.constant(arrays[0])
    dataset = tf.data.Dataset.from_tensors(batch)
    check_batch("DCGAN", shapes, dataset.element_spec, next(iter(dataset)) if look else None)


def images(*shape, low=-1.0, high=1.0):
    return np.linspace(low, high, int(np.prod(shape)), dtype="float32").reshape(shape)


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
def test_images_in_range_pass(dtype):
    check(images(4, 8, 8, 3).astype(dtype))
    # Augmentation may leave the range by a little.
    check(images(4, 8, 8, 3, low=-1.4, high=1.4).astype(dtype))


def test_pairs_and_points_pass():
    check(images(2, 6, 9, 3), images(2, 5, 5, 3), shapes=(((None, None, None, 3),) * 2))
    check(images(100, 2, low=-70.0, high=70.0), shapes=(None, 2))


REFUSED = [
    ([images(4, 8, 8, 3), np.arange(4)], r"^A batch for DCGAN has 1 array.*gives 2\. Leave labels"),
    ([np.zeros((4, 8, 8, 3), "uint8")], r"trains on float images in \[-1, 1\].*gives uint8\. Conv"),
    ([np.zeros((4, 8, 8, 3), "int64")], r"this dataset gives int64\. Convert them: tf.cast"),
    ([images(4, 8, 8, 1)], r"shape \(None, 8, 8, 3\), and this .* \(4, 8, 8, 1\)\. Load"),
    ([images(4, 9, 8, 3)], r"this dataset gives \(4, 9, 8, 3\)\. .*image_size and channels"),
    ([images(8, 8, 3)], r"this dataset gives \(8, 8, 3\)"),
    ([images(4, 8, 8, 3, low=0.0, high=255.0)], r"the first batch lies in \[0, 255\]\. Rescale it"),
    ([images(4, 8, 8, 3, low=-3.0, high=1.0)], r"the first batch lies in \[-3, 1\]"),
    (
        [images(4, 8, 8, 3, low=np.nan, high=1.0)],
        r"first batch for DCGAN holds values that are not",
    ),
    ([np.full((4, 8, 8, 3), np.inf, "float32")], r"not finite \(NaN or infinite\)\. Leave out the"),
]


@pytest.mark.parametrize(("arrays", "message"), REFUSED, ids=[item[1][:40] for item in REFUSED])
def test_other_batches_are_refused(arrays, message):
    with pytest.raises(DataError, match=message):
        check(*arrays)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_one_pixel_that_is_not_finite_is_seen(value):
    batch = images(4, 8, 8, 3)
    batch[2, 3, 4, 1] = value
    with pytest.raises(DataError, match=r"holds values that are not finite"):
        check(batch)


def test_pairs_where_one_is_needed_and_the_other_way_round():
    message = r"has 2 array\(s\) of images, and this dataset gives 1\. .* two sources.*trainA and"
    with pytest.raises(DataError, match=message):
        check(images(4, 8, 8, 3), shapes=(SHAPES, SHAPES))
    message = r"has 1 array\(s\) of images, and this dataset gives 2\. .*: give one source"
    with pytest.raises(DataError, match=message):
        check(images(4, 8, 8, 3), images(4, 8, 8, 3))


def test_the_setting_that_is_named_is_that_of_what_differs():
    for given, key in (((4, 8, 8, 1), "model.channels"), ((4, 9, 9, 3), "model.image_size")):
        with pytest.raises(DataError, match=rf"weights=False, \*\*\{{'{key}': …"):
            check(images(*given))
    model = gan.build(image_shape=(4, 4, 1), generator_units=(2, 2), discriminator_units=(2, 2))
    with pytest.raises(DataError, match=r"\*\*\{'model.image_shape': …"):
        model.check_batch(tf.TensorSpec((None, 4, 4, 3)))
    with pytest.raises(DataError, match=r"\*\*\{'model.channels': …"):
        cyclegan.build(base_filters=2, residual_blocks=1).check_batch(
            (tf.TensorSpec((None, 64, 64, 1)),) * 2
        )


def test_without_a_batch_only_types_and_shapes_are_looked_at():
    check(images(4, 8, 8, 3, high=255.0), look=False)
    with pytest.raises(DataError, match="gives uint8"):
        check(np.zeros((4, 8, 8, 3), "uint8"), look=False)


def test_a_dict_of_features_is_refused():
    dataset = tf.data.Dataset.from_tensors({"image": images(4, 8, 8, 3), "label": np.arange(4)})
    with pytest.raises(DataError, match=r"gives a dict of 'image', 'label'\. Pick the images"):
        check_batch("DCGAN", SHAPES, dataset.element_spec)


def test_images_without_dark_pixels_are_perhaps_scaled_otherwise():
    with pytest.warns(UserWarning, match=r"lies in \[0, 1\], and black is -1: if .*\* 2 - 1\."):
        check(images(4, 8, 8, 3, low=0.0))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        check(images(4, 8, 8, 3, low=-0.1))
        check(np.zeros((4, 8, 8, 3), "float32"))  # mid-grey, or black: nobody knows
        check(images(100, 2, low=0.0), shapes=(None, 2))
