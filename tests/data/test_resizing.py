"""Every resize mode against Pillow, in floats where Pillow can."""

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from ganzoo.data import resizing


def by_pillow(image, size, resample):
    """Resizes `(h, w, c)` with Pillow's float arithmetic, clipped to [0, 255]."""
    planes = [
        Image.fromarray(image[..., c].astype("float32")).resize(size, resample)
        for c in range(image.shape[-1])
    ]
    return np.clip(np.stack([np.asarray(plane) for plane in planes], -1), 0, 255)


@pytest.fixture(params=[(40, 60, 3), (60, 41, 1), (16, 16, 3), (10, 7, 3)])
def image(request):
    return np.random.RandomState(0).randint(0, 256, request.param).astype("uint8")


def both_ways(image, *arguments):
    """Runs `to_size` on a picture of unknown size, and on a batch of known size."""
    unknown = tf.TensorSpec((None, None, image.shape[-1]), tf.uint8)
    single = tf.function(lambda x: resizing.to_size(x, *arguments), input_signature=[unknown])
    alone = single(image).numpy()
    batch = resizing.to_size(tf.stack([image, image[:, ::-1]]), *arguments).numpy()
    np.testing.assert_allclose(batch[0], alone, atol=1e-3)
    assert alone.dtype == np.float32
    return alone


def test_crop_takes_the_centre_square_antialiased(image):
    height, width = image.shape[:2]
    side = min(height, width)
    top, left = (height - side) // 2, (width - side) // 2
    square = image[top : top + side, left : left + side]
    expected = by_pillow(square, (16, 16), Image.Resampling.BILINEAR)
    np.testing.assert_allclose(both_ways(image, 16, "crop"), expected, atol=0.01)


def test_stretch_forgets_the_proportions(image):
    expected = by_pillow(image, (16, 16), Image.Resampling.BILINEAR)
    np.testing.assert_allclose(both_ways(image, 16, "stretch"), expected, atol=0.01)


def test_load_crop_without_chance_is_bicubic(image):
    expected = by_pillow(image, (16, 16), Image.Resampling.BICUBIC)
    # Where both sides grow TensorFlow reads its kernel from a table.
    np.testing.assert_allclose(both_ways(image, 16, "load_crop"), expected, atol=0.2)


def test_pad_reduces_what_is_larger_and_surrounds_it_with_black(image):
    height, width, channels = image.shape
    longer = max(height, width)
    if longer > 32:
        height, width = height * 32 // longer, width * 32 // longer
    inner = by_pillow(image, (width, height), Image.Resampling.BILINEAR)
    expected = np.zeros((32, 32, channels))
    top, left = (32 - height) // 2, (32 - width) // 2
    expected[top : top + height, left : left + width] = inner
    np.testing.assert_allclose(both_ways(image, 32, "pad"), expected, atol=0.01)


@pytest.mark.parametrize("shape", [(1, 100, 1), (100, 2, 1)])
def test_of_a_thin_picture_a_line_is_left(shape):
    padded = both_ways(np.full(shape, 255, "uint8"), 32, "pad")[..., 0]
    expected = np.zeros((32, 32))
    expected[15] = 255
    np.testing.assert_allclose(padded, expected if shape[0] == 1 else expected.T, atol=0.01)


def test_mnist_is_padded_by_two_pixels():
    digits = np.random.RandomState(0).randint(0, 256, (3, 28, 28, 1)).astype("uint8")
    padded = resizing.to_size(tf.constant(digits), 32, "pad").numpy()
    np.testing.assert_array_equal(padded, np.pad(digits, ((0, 0), (2, 2), (2, 2), (0, 0))))


def test_images_of_the_right_size_stay_as_they_are():
    image = np.random.RandomState(0).randint(0, 256, (16, 16, 3)).astype("uint8")
    for mode in resizing.MODES:
        np.testing.assert_array_equal(both_ways(image, 16, mode), image)


def test_load_and_crop_cuts_where_the_chances_say():
    image = np.random.RandomState(0).randint(0, 256, (20, 30, 3)).astype("uint8")
    loaded = by_pillow(image, (18, 18), Image.Resampling.BICUBIC)
    chances = np.array([[0, 0], [0.999999, 0.999999], [0.4, 0.7]], "float32")
    corners = [(0, 0), (2, 2), (1, 2)]  # of 3 places a side
    expected = np.stack([loaded[top : top + 16, left : left + 16] for top, left in corners])
    batch = resizing.load_and_crop(tf.stack([image] * 3), 16, 18, tf.constant(chances))
    np.testing.assert_allclose(batch, expected, atol=0.2)
    for row in range(3):
        alone = resizing.load_and_crop(tf.constant(image), 16, 18, tf.constant(chances[row]))
        np.testing.assert_array_equal(alone, batch[row])


@pytest.mark.parametrize(("image_size", "load_size"), [(256, 286), (128, 143), (64, 72)])
def test_the_load_size_keeps_the_proportion_of_the_paper(image_size, load_size):
    assert resizing.load_size_for(image_size) == load_size


def test_flip_mirrors_left_to_right_below_one_half():
    images = np.arange(2 * 3 * 4, dtype="float32").reshape(2, 3, 4, 1)
    flipped = resizing.flip(tf.constant(images), tf.constant([0.49, 0.5]))
    np.testing.assert_array_equal(flipped[0], images[0, :, ::-1])
    np.testing.assert_array_equal(flipped[1], images[1])
