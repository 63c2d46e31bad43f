"""DCGAN's linear probe: what a discriminator has learnt, by a linear SVM on its features."""

from typing import Any, NamedTuple

import numpy as np

from ganzoo.checks import check_whole
from ganzoo.errors import DataError, require_extra
from ganzoo.metrics.inputs import blocks

# The authors' grid for the SVM's C (`svhn/svhn_semisup_analysis.py`).
GRID = (1e-4, 2e-4, 5e-4, 1e-3, 2e-3, 5e-3, 1e-2)


class ProbeResult(NamedTuple):
    """Accuracy on the test set, its deviation over the draws of labels, and the C chosen."""

    accuracy: float
    std: float
    c: float


def linear_probe(
    model,
    train,
    test,
    *,
    valid=None,
    labels_per_class: int | None = None,
    grid=GRID,
    selection_draws: int = 10,
    test_draws: int = 100,
    layers=None,
    batch_size: int = 128,
    seed: int = 0,
) -> ProbeResult:
    """Trains an L2-regularised linear SVM on a discriminator's features and tests it.

    Radford et al. 2016, sections 5.1 and 5.2. With all labels (CIFAR-10), C is the one of the
    grid that does best on held-out images, and the SVM is then trained once. With
    `labels_per_class=100` (SVHN-1k), C does best on average over `selection_draws` draws of
    labels, and the figure is the mean over `test_draws` further draws, as in the authors' code.

    Args:
        model: Has `features(images)`, a dict from layer names to activations `(n, h, w, c)`.
        train: Images `(n, h, w, c)` in [-1, 1] and integer labels `(n,)`.
        test: The same, for the figure.
        valid: The same, to choose C; a fifth of `train` is held out when it is not given.
        labels_per_class: Trains on so many images of each class; all of them by default.
        grid: Values of C to choose from.
        selection_draws: Draws of labels to choose C.
        test_draws: Draws of labels to test it.
        layers: Names of the layers to use; all convolutional ones by default.
        batch_size: Images a call.
        seed: Decides the held-out part and the draws.

    Returns:
        Accuracy on `test` (the error that the paper prints is one minus it), its standard
        deviation over the draws (0 for one), and C.

    Raises:
        DataError: Images and labels do not match, a class has too few images, all that are
            learnt from are of one, or there is nothing to draw or to choose.
        MissingExtraError: scikit-learn is not installed (extra `probe`).
    """
    counts = {"selection_draws": selection_draws, "test_draws": test_draws}
    if labels_per_class is not None:
        counts["labels_per_class"] = labels_per_class
    for name, count in counts.items():
        check_whole(name, count, error=DataError)
    if not len(grid):
        raise DataError("grid holds no value of C. Give one or more, or leave it out.")
    shapes = {np.shape(part[0])[1:] for part in (train, test, valid) if part is not None}
    if len(shapes) > 1:
        raise DataError(
            f"The images are {' and '.join(map(str, sorted(shapes)))}. Bring all to one size."
        )
    svm = require_extra("sklearn.svm", "probe")
    random = np.random.RandomState(seed)
    sets = [_featurise(model, part, layers, batch_size) for part in (train, test)]
    if valid is None:
        held_out = _held_out(len(sets[0][1]), random)
        valid = tuple(array[held_out] for array in sets[0])
        sets[0] = tuple(array[~held_out] for array in sets[0])
    else:
        valid = _featurise(model, valid, layers, batch_size)

    def accuracies(c, draws, on):
        return [
            _accuracy(svm, c, _draw(sets[0], labels_per_class, random), on, random)
            for _ in range(draws)
        ]

    draws = selection_draws if labels_per_class else 1
    means = [float(np.mean(accuracies(c, draws, valid))) for c in grid]
    c = float(grid[int(np.argmax(means))])
    final = accuracies(c, test_draws if labels_per_class else 1, sets[1])
    return ProbeResult(float(np.mean(final)), float(np.std(final)), c)


def pooled_features(model, images, layers=None, batch_size: int = 128) -> np.ndarray:
    """Max-pools each layer's features to 4×4 and concatenates them: `(n, width)` float32.

    Radford et al. 2016, section 5.1. Layers smaller than 4×4 are taken whole, those without a
    height and width (of a vanilla GAN) as they are.

    Args:
        model: As in `linear_probe`.
        images: `(n, h, w, c)` in [-1, 1].
        layers: Names; by default every layer of rank 4, or of rank 2 where there are none.
        batch_size: Images a call.

    Raises:
        DataError: A layer's name is unknown, or no layer fits.
    """
    parts = []
    for block in blocks(len(images), batch_size):
        found = {name: np.asarray(value) for name, value in model.features(images[block]).items()}
        if layers is None:
            layers = _layers_of(found)
        unknown = [name for name in layers if name not in found]
        if unknown:
            raise DataError(
                f"The model has no layer {unknown[0]!r}. Choose among {', '.join(found)}."
            )
        parts.append(np.concatenate([_pool(found[name]) for name in layers], axis=1))
    return np.concatenate(parts).astype(np.float32)


def _layers_of(found: dict[str, np.ndarray]) -> list[str]:
    for rank in (4, 2):
        names = [name for name, value in found.items() if value.ndim == rank]
        if names:
            return names
    raise DataError("The model's features have no layer of rank 4 or 2. Name the layers to use.")


def _pool(activations: np.ndarray) -> np.ndarray:
    """Max-pools `(n, h, w, c)` to at most 4×4, with windows that cover every place once."""
    for axis in (1, 2)[: activations.ndim - 2]:
        size = activations.shape[axis]
        if size > 4:
            starts = np.arange(4) * size // 4
            activations = np.maximum.reduceat(activations, starts, axis=axis)
    return activations.reshape(len(activations), -1)


def _featurise(model, part, layers, batch_size) -> tuple[np.ndarray, np.ndarray]:
    images, labels = (np.asarray(array) for array in part)
    if len(images) != len(labels) or labels.ndim != 1 or not len(labels):
        raise DataError(
            f"{len(images)} images come with labels of shape {labels.shape}. Give one integer "
            "label for each image."
        )
    return pooled_features(model, images, layers, batch_size), labels


def _held_out(count: int, random: np.random.RandomState) -> np.ndarray:
    """Marks a random fifth of `count` places."""
    mask = np.zeros(count, bool)
    mask[random.permutation(count)[: max(1, count // 5)]] = True
    return mask


def _draw(part, labels_per_class, random) -> tuple[np.ndarray, np.ndarray]:
    """Picks equally many images of each class, or all."""
    features, labels = part
    if labels_per_class is None:
        return features, labels
    drawn = []
    for label in np.unique(labels):
        places = np.flatnonzero(labels == label)
        if len(places) < labels_per_class:
            raise DataError(
                f"Class {label} has {len(places)} images, fewer than {labels_per_class}. Lower "
                "labels_per_class or give more images."
            )
        drawn.append(random.choice(places, labels_per_class, replace=False))
    chosen = np.concatenate(drawn)
    return features[chosen], labels[chosen]


def _accuracy(svm: Any, c: float, train, test, random) -> float:
    """Fits one SVM and measures it."""
    classes = np.unique(train[1])
    if len(classes) < 2:
        raise DataError(
            f"All {len(train[1])} images that the probe learns from are of class {classes[0]}, and "
            "it tells classes apart. Give more images, of two classes or more."
        )
    machine = svm.LinearSVC(C=c, dual="auto", max_iter=5000, random_state=random.randint(1 << 31))
    machine.fit(*train)
    return float((machine.predict(test[0]) == test[1]).mean())
