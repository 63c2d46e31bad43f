"""Distances on real digits: near 0 among themselves, far from letters, growing with noise."""

import numpy as np
import pytest

from ganzoo.data.arrays import read_idx
from ganzoo.metrics import (
    density_coverage,
    frechet_distance,
    kernel_distance,
    precision_recall,
    sliced_wasserstein,
)
from ganzoo.metrics.extractors import load_extractor

# Some of the 84 features are dead on digits; the distance is right without them.
pytestmark = pytest.mark.filterwarnings("ignore:The covariance of the")
COUNT = 2500


@pytest.fixture(scope="module")
def lenet():
    return load_extractor("lenet_mnist")


def read(folder, name):
    """The first digits or letters `(2 · COUNT, 28, 28, 1)` of a test set."""
    return read_idx(folder / name / "t10k-images-idx3-ubyte.gz")[: 2 * COUNT, ..., None]


@pytest.fixture(scope="module")
def halves(shared_data):
    """Two disjoint sets of digits."""
    # MNIST's first 5,000 test digits are cleaner than the others: mix before halving.
    digits = read(shared_data, "mnist")[np.random.RandomState(0).permutation(2 * COUNT)]
    return digits[:COUNT], digits[COUNT:]


@pytest.fixture(scope="module")
def letters(shared_data):
    return read(shared_data, "notmnist")[:COUNT]


def features(lenet, images):
    return lenet(images)["features"]


def test_halves_are_near_and_letters_are_far(lenet, halves, letters):
    first, second = (features(lenet, half) for half in halves)
    other = features(lenet, letters)
    near, far = frechet_distance(first, second), frechet_distance(first, other)
    assert 0 < near < 1
    assert far > 100 * near
    near, far = (kernel_distance(first, side, 20, 500) for side in (second, other))
    assert abs(near.mean) < 2 * near.std
    assert far.mean > 10 * far.std
    assert min(precision_recall(first, second)) > 0.85
    assert precision_recall(first, other).precision < 0.5
    assert density_coverage(first, second).coverage > 0.9
    assert density_coverage(first, other).coverage < 0.2


def test_noise_raises_every_distance_at_every_step(lenet, halves):
    first, second = halves
    random = np.random.RandomState(1)
    noise = random.standard_normal(second.shape)
    known = features(lenet, first)
    distances = []
    for level in (0, 10, 20, 40, 80):
        noisy = np.clip(np.rint(second + level * noise), 0, 255).astype(np.uint8)
        seen = features(lenet, noisy)
        patches = {"patches_per_image": 8, "repeats": 1, "directions": 32}
        distances.append(
            [
                frechet_distance(known, seen),
                kernel_distance(known, seen, 10, 500).mean,
                sliced_wasserstein(first, noisy, **patches)["average"],
            ]
        )
    assert (np.diff(distances, axis=0) > 0).all(), np.array(distances)
