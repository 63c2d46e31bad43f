"""The discriminator as a feature extractor: neighbours, a map, and a linear probe."""

import warnings
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageDraw

from ganzoo.checks import check_choice, check_seed, check_trained, model_name
from ganzoo.errors import DataError, GanzooError, require_extra
from ganzoo.explore import drawing
from ganzoo.metrics.probe import ProbeResult, linear_probe, pooled_features

METHODS = ("tsne", "pca")
_SIDE = 56
_MAP_SIDE = 900


@dataclass(frozen=True)
class FeatureSpace:
    """What a discriminator makes of a set of images.

    Attributes:
        features: `(n, width)` float32, max-pooled and concatenated as in DCGAN's probe.
        neighbours: For each of the first images, its nearest others, `(queries, count)`.
        places: Of all images on the map, `(n, 2)` in [0, 1].
        probe: Accuracy of a linear classifier on the features; None without labels of two
            classes or more.
    """

    features: np.ndarray
    neighbours: np.ndarray
    places: np.ndarray
    probe: ProbeResult | None


def nearest_neighbours(features, queries: int, count: int) -> np.ndarray:
    """Finds the images whose features point in the most similar direction.

    Args:
        features: `(n, width)`.
        queries: For how many images, the first ones.
        count: How many neighbours each, without the image itself.

    Returns:
        Their numbers, `(queries, count)`, the nearest first.
    """
    if not 1 <= queries <= len(features) or not 1 <= count < len(features):
        raise DataError(
            f"Cannot find {count} neighbours each of {queries} images among {len(features)}. Give "
            "more images, or ask for fewer."
        )
    features = np.asarray(features, "float64")
    lengths = np.linalg.norm(features, axis=1, keepdims=True)
    directions = features / np.maximum(lengths, 1e-12)
    similar = directions[:queries] @ directions.T
    similar[np.arange(queries), np.arange(queries)] = -np.inf
    return np.argsort(-similar, axis=1, kind="stable")[:, :count]


def project(features, method: str = "tsne", *, seed: int = 0) -> np.ndarray:
    """Lays features out in the plane.

    Args:
        features: `(n, width)`, n of 3 or more.
        method: "pca" for the two directions of largest variance, or "tsne" (van der Maaten and
            Hinton 2008), which keeps neighbours together, after a PCA to 50 dimensions.
        seed: Same seed, same map.

    Returns:
        `(n, 2)` in [0, 1].

    Raises:
        GanzooError: There is no such method.
        MissingExtraError: scikit-learn is not installed (extra `probe`).
    """
    check_choice(f"There is no map {method!r}", method, METHODS)
    check_seed("seed", seed)
    if len(features) < 3:
        raise DataError(f"A map needs 3 images or more, got {len(features)}. Give more.")
    decomposition = require_extra("sklearn.decomposition", "probe")
    width = 2 if method == "pca" else min(50, *features.shape)
    places = decomposition.PCA(width, random_state=seed).fit_transform(features)
    if method == "tsne":
        manifold = require_extra("sklearn.manifold", "probe")
        threads = require_extra("threadpoolctl", "probe")  # scikit-learn brings it
        perplexity = min(30.0, (len(features) - 1) / 3)
        tsne = manifold.TSNE(2, perplexity=perplexity, init="pca", random_state=seed)
        with threads.threadpool_limits(1):  # several wait for each other longer than they work
            places = tsne.fit_transform(places)
    low, high = places.min(axis=0), places.max(axis=0)
    return (places - low) / np.where(high > low, high - low, 1.0)


def probe_accuracy(model, images, labels, *, seed: int = 0) -> ProbeResult:
    """Trains a linear classifier on the features of two thirds, and tests it on the others.

    Radford et al. 2016, section 5.1; `ganzoo.metrics.linear_probe` does it for given splits.
    """
    check_seed("seed", seed)
    order = np.random.default_rng(seed).permutation(len(images))
    train, test = np.split(order, [2 * len(images) // 3])
    return linear_probe(
        model, (images[train], labels[train]), (images[test], labels[test]), seed=seed
    )


def explore_features(
    model, images, labels=None, *, queries=8, count=8, method="tsne", seed=0
) -> FeatureSpace:
    """Computes features, neighbours, the map, and with labels the probe's accuracy.

    Args:
        model: Has `features`, as the models that start from noise.
        images: float `(n, h, w, c)` in [-1, 1].
        labels: ints `(n,)`.
        queries: Images to find neighbours of, the first ones.
        count: Neighbours of each.
        method: As in `project`.
        seed: Of the map and the probe.

    Raises:
        GanzooError: The model has no features.
        WeightsError: Other networks of the model are trained, and the discriminator is not.
    """
    features = pooled_features(featured(model), images)
    neighbours = nearest_neighbours(features, min(queries, len(images)), count)
    places = project(features, method, seed=seed)
    return FeatureSpace(features, neighbours, places, _probed(model, images, labels, seed))


def _probed(model, images, labels, seed):
    """Probes labels; a map is worth drawing without that where they do not suffice."""
    if labels is None:
        return None
    try:
        return probe_accuracy(model, images, labels, seed=seed)
    except DataError as error:
        warnings.warn(f"The features are drawn without a probe. {error}", stacklevel=3)
        return None


def featured(model):
    """Gives back a model that has features of images.

    Raises:
        GanzooError: It has none.
        WeightsError: Other networks of the model are trained, and the discriminator is not.
    """
    if not hasattr(model, "features"):
        raise GanzooError(
            f"{model_name(model)!r} gives no features. Use a model that starts from noise, whose "
            "discriminator does."
        )
    check_trained(model, "discriminator")
    return model


def draw_features(
    model, images, labels=None, *, out, queries=8, count=8, method="tsne", seed=0
) -> FeatureSpace:
    """Draws neighbours, and the map with each image at its place, framed by its label's colour.

    Args:
        out: A `.png`.
        model: As in `explore_features`, like the others.
    """
    images = np.asarray(images)
    space = explore_features(
        model, images, labels, queries=queries, count=count, method=method, seed=seed
    )
    rows = [
        [drawing.fit(images[query], _SIDE), *(drawing.fit(images[n], _SIDE) for n in found)]
        for query, found in enumerate(space.neighbours)
    ]
    table = drawing.table(
        rows, column_names=["image", "nearest"], title="Nearest in the discriminator's space"
    )
    title = f"{len(images):,} images by {'t-SNE' if method == 'tsne' else 'PCA'}"
    if space.probe is not None:
        title += f"; a linear probe tells the labels with {space.probe.accuracy:.1%} accuracy"
    chart = drawing.table([[draw_map(images, space.places, labels)]], title=title)
    drawing.write_picture(out, [drawing.table([[table, chart]])])
    return space


def draw_map(images, places, labels=None, *, side: int = _MAP_SIDE, image_side: int = 26):
    """Draws images at places in [0, 1], uint8 `(side, side, 3)`."""
    page = Image.new("RGB", (side, side), (255, 255, 255))
    write = ImageDraw.Draw(page)
    kinds = [] if labels is None else sorted(set(np.asarray(labels).tolist()))
    for index, (x, y) in enumerate(np.asarray(places)):
        picture = Image.fromarray(drawing.fit(images[index], image_side))
        left, top = (round(value * (side - image_side)) for value in (x, 1 - y))
        page.paste(picture, (left, top))
        if kinds:
            colour = _hue(kinds.index(int(labels[index])), len(kinds))
            box = (left - 1, top - 1, left + picture.width, top + picture.height)
            write.rectangle(box, outline=colour, width=2)
    return np.asarray(page)


def _hue(number, count):
    return (
        Image.new("HSV", (1, 1), (255 * number // count, 220, 220)).convert("RGB").getpixel((0, 0))
    )
