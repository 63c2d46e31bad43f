"""Path length: how far features move for a small step in latent space (Karras et al. 2019)."""

from collections.abc import Callable
from typing import Any

import numpy as np

from ganzoo.errors import DataError
from ganzoo.metrics.inputs import blocks


def path_length(
    generate: Callable,
    distance: Callable,
    latent_dim: int,
    *,
    classes: int = 0,
    count: int = 10_000,
    epsilon: float = 1e-4,
    sampling: str = "full",
    batch_size: int = 50,
    seed: int = 0,
    advance: Callable[[int], Any] = lambda count: None,
) -> float:
    """Averages the squared feature distance of a small step between latents, over its square.

    StyleGAN (Karras et al. 2019, section 4.1), in z: latents at t and t + ε of the great circle
    between two Gaussian draws, and the mean of distance / ε² without the lowest and the highest
    percent. It is called PPL only where `distance` is LPIPS on VGG16; elsewhere the number
    carries its extractor's name. The points have norm √latent_dim, which is where a Gaussian
    lives and changes nothing for a generator that normalises its latents.

    Args:
        generate: Maps float32 latents `(n, latent_dim)` to images, not rounded to grey levels.
        distance: Maps two batches of such images to squared distances `(n,)`.
        latent_dim: Length of one latent vector.
        classes: How many of its last values are a class. Both ends of a step have the same one,
            one-hot, drawn for each pair.
        count: Pairs to draw.
        epsilon: The step.
        sampling: "full" draws t from the whole path, "end" takes t = 0.
        batch_size: Pairs at a time. The draws do not depend on it.
        seed: Decides latents and t.
        advance: Told how many pairs were done, after each batch.

    Returns:
        The mean, in squared feature units.

    Raises:
        DataError: An unknown `sampling`, fewer than one pair, no step, or latents without arcs.
    """
    if sampling not in ("full", "end") or count < 1 or not epsilon > 0:
        raise DataError(
            "Path length takes sampling 'full' or 'end', at least one pair, and an epsilon above "
            f"0, got {sampling!r}, {count} and {epsilon}. Leave them out for the usual ones."
        )
    dim = latent_dim - classes
    if dim < 2:
        raise DataError(
            f"Path length moves along arcs, and noise of {dim} value has none. Take a model whose "
            "latent vectors are longer."
        )
    random = np.random.RandomState(seed)
    ends = random.standard_normal((2, count, dim))
    start = random.uniform(0, 1, (count, 1)) if sampling == "full" else np.zeros((count, 1))
    kinds = (
        np.eye(classes)[random.randint(classes, size=count)] if classes else np.empty((count, 0))
    )
    near, far = (
        np.hstack([np.sqrt(dim) * slerp(ends[0], ends[1], start + step), kinds]).astype(np.float32)
        for step in (0.0, epsilon)
    )
    lengths = []
    for block in blocks(count, batch_size):
        squares = distance(generate(near[block]), generate(far[block]))
        lengths.append(np.asarray(squares, np.float64))
        advance(block.stop - block.start)
    return _trimmed_mean(np.concatenate(lengths) / epsilon**2)


def slerp(first, second, t) -> np.ndarray:
    """Finds the point at `t` of the great circle between two directions: unit vectors.

    Args:
        first: Vectors `(n, d)`, not zero.
        second: Vectors `(n, d)`, not parallel to `first`.
        t: 0 at `first`, 1 at `second`; `(n, 1)` or a number.
    """
    first, second = _unit(np.asarray(first)), _unit(np.asarray(second))
    cosine = (first * second).sum(axis=-1, keepdims=True)
    angle = t * np.arccos(np.clip(cosine, -1, 1))
    across = _unit(second - cosine * first)
    return _unit(first * np.cos(angle) + across * np.sin(angle))


def squared_feature_distance(extract: Callable) -> Callable:
    """Makes a `distance` for `path_length`: squared Euclidean between unit-length features.

    Args:
        extract: Maps images to features `(n, d)`.
    """

    def distance(first, second) -> np.ndarray:
        gap = _unit(np.asarray(extract(first), np.float64)) - _unit(
            np.asarray(extract(second), np.float64)
        )
        return np.square(gap).sum(axis=-1)

    return distance


def _unit(vectors: np.ndarray) -> np.ndarray:
    return vectors / np.linalg.norm(vectors, axis=-1, keepdims=True)


def _trimmed_mean(lengths: np.ndarray) -> float:
    """Averages what lies between the first and the last percent, both inclusive."""
    low = np.percentile(lengths, 1, method="lower")
    high = np.percentile(lengths, 99, method="higher")
    return float(lengths[(low <= lengths) & (lengths <= high)].mean())
