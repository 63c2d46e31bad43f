"""A translation whose truth is known: digits, and their coloured, inverted, dilated twins."""

import numpy as np
import scipy.ndimage

from ganzoo.data.samples import read_sample
from ganzoo.metrics.extractors import load_extractor

TEST_COUNT = 100
PAPER = np.array([1.0, 0.85, 0.4])  # the colour of a twin's ground
LARGEST_ERROR = 0.1  # of the range


def twins_of(digits):
    """Dilates digits `(n, 28, 28)` in [0, 1] by a pixel, inverts and colours them: `(…, 3)`."""
    dilated = scipy.ndimage.maximum_filter(digits, size=(1, 3, 3))
    return (1.0 - dilated)[..., None] * PAPER


def grey_of_twins(images):
    """Takes colour and inversion off twins: light strokes on black, `(n, 28, 28)`."""
    return 1.0 - np.clip(images / PAPER, 0.0, 1.0).mean(axis=-1)


def task(seed):
    """Gives images of A, images of B that are twins of other digits, and 100 true pairs.

    All are float32 `(n, 28, 28, 3)` in [-1, 1].
    """
    digits = read_sample("mnist5k", None) / 255.0
    digits = digits[np.random.default_rng(seed).permutation(len(digits))]
    half = (len(digits) - TEST_COUNT) // 2
    of_a, of_b, of_test = digits[:half], digits[half : 2 * half], digits[2 * half :]

    def grey(images):
        return np.repeat(images[..., None], 3, axis=-1)

    arrays = grey(of_a), twins_of(of_b), grey(of_test), twins_of(of_test)
    return tuple((2.0 * array - 1.0).astype("float32") for array in arrays)


def right_translations(found, true, read):
    """Counts translations that read as the true twin does and differ little from it.

    Args:
        found: Translations `(n, 28, 28, 3)` in [-1, 1].
        true: The true twins.
        read: Function of such images that gives the class of each.
    """
    errors = np.abs(found - true).mean(axis=(1, 2, 3)) / 2.0
    return int(((read(found) == read(true)) & (errors <= LARGEST_ERROR)).sum())


def readers():
    """Gives functions that read the digits of images of A, and of B."""
    extractor = load_extractor("lenet_mnist")

    def read(grey):
        levels = np.round(255.0 * np.clip(grey, 0.0, 1.0)).astype("uint8")[..., None]
        return extractor(levels, ("logits",))["logits"].argmax(axis=-1)

    def read_a(images):
        return read((images + 1.0).mean(axis=-1) / 2.0)

    def read_b(images):
        return read(grey_of_twins((images + 1.0) / 2.0))

    return read_a, read_b
