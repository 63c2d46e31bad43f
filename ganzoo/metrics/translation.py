"""Yardsticks of image translation: the FCN score, cycle PSNR, identity error."""

from collections.abc import Callable, Iterable
from typing import NamedTuple

import numpy as np

from ganzoo.errors import DataError
from ganzoo.metrics.similarity import peak_signal_to_noise

_HALF_A_LEVEL = 0.5


class FCNScore(NamedTuple):
    """Shares between 0 and 1."""

    per_pixel: float
    per_class: float
    class_iou: float


def fcn_score(batches: Iterable, segment: Callable, classes: int) -> FCNScore:
    """Scores translated street scenes by what a segmentation network sees in them.

    Isola et al. 2017, section 4.1, used by Zhu et al. 2017, tables 1 to 3, counted as the
    official code counts (`scripts/eval_cityscapes/util.py`): one table of counts over all
    pixels, a class that is never there and never seen counts 0. For photo → labels, make
    `segment` the map from translated colours to classes.

    Args:
        batches: Pairs of translated images `(n, h, w, 3)` uint8 and true classes `(n, h, w)`;
            classes outside [0, `classes`), such as 255, are not counted.
        segment: Maps images to predicted classes `(n, h, w)`, or to scores by class
            `(n, h, w, classes)`, at the labels' resolution.
        classes: How many there are; 19 for Cityscapes.

    Raises:
        DataError: Shapes do not match, or nothing was counted.
    """
    counts = np.zeros((classes, classes), np.int64)
    for images, labels in batches:
        predicted = np.asarray(segment(images))
        if predicted.ndim == 4:
            predicted = predicted.argmax(axis=-1)
        counts += confusion(labels, predicted, classes)
    if not counts.sum():
        raise DataError("The FCN score counted no pixel. Give batches with labelled pixels.")
    return score_of_confusion(counts)


def confusion(labels, predicted, classes: int) -> np.ndarray:
    """Counts pixels by true class (rows) and predicted class (columns): `(classes, classes)`.

    Raises:
        DataError: The two differ in shape, or a prediction is no class.
    """
    labels, predicted = np.asarray(labels), np.asarray(predicted)
    if labels.shape != predicted.shape:
        raise DataError(
            f"Labels have shape {labels.shape} and predictions {predicted.shape}. Resize the "
            "images to the labels' resolution before they are segmented."
        )
    known = (labels >= 0) & (labels < classes)
    labels, predicted = labels[known].astype(np.int64), predicted[known].astype(np.int64)
    if predicted.size and not 0 <= predicted.min() <= predicted.max() < classes:
        raise DataError(
            f"Predictions run from {predicted.min()} to {predicted.max()}, outside 0 to "
            f"{classes - 1}. State as many classes as the network has."
        )
    pairs = np.bincount(classes * labels + predicted, minlength=classes**2)
    return pairs.reshape(classes, classes)


def score_of_confusion(counts: np.ndarray) -> FCNScore:
    """Computes pixel accuracy, mean class accuracy and mean IoU of a table of counts."""
    right = np.diag(counts).astype(np.float64)
    true, seen = counts.sum(axis=1), counts.sum(axis=0)
    return FCNScore(
        float(right.sum() / max(counts.sum(), 1)),
        float((right / np.maximum(true, 1)).mean()),
        float((right / np.maximum(true + seen - right, 1)).mean()),
    )


def cycle_psnr(images, reconstructed) -> float:
    """Averages the PSNR of images and of what comes back from there and back, in decibels.

    An image that comes back exactly, whose PSNR is infinite, counts as if one of its values were
    half a grey level off: 6 dB more than if a value were a whole level off, the least that
    another image can be.

    Args:
        images: uint8 `(n, h, w, c)`.
        reconstructed: The same images after both directions, uint8.

    Returns:
        The mean, finite; 48.1 + 10 log₁₀(4hwc) where all images come back exactly.
    """
    ratios = peak_signal_to_noise(images, reconstructed)
    exact = 10 * np.log10(255**2 * np.size(images[0]) / _HALF_A_LEVEL**2)
    return float(np.minimum(ratios, exact).mean())


def identity_error(images, translated) -> float:
    """Averages |translated − image| where the images already are of the target domain.

    The identity loss of Zhu et al. 2017, section 5.2, as a measure: 0 leaves them alone.

    Args:
        images: Images of the domain that the generator makes, uint8 `(n, h, w, c)`.
        translated: What that generator makes of them, uint8.

    Returns:
        The mean difference as a share of the full range, 0 to 1.
    """
    images, translated = np.asarray(images), np.asarray(translated)
    if images.shape != translated.shape or not images.size:
        raise DataError(
            f"Images have shape {images.shape} and translations {translated.shape}. Match them."
        )
    gaps = [
        np.abs(np.subtract(a, b, dtype=np.float64)).mean()
        for a, b in zip(images, translated, strict=True)
    ]
    return float(np.mean(gaps) / 255)
