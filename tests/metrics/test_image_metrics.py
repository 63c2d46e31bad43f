"""Sliced Wasserstein, multi-scale SSIM, PSNR, Parzen windows, path length."""

import errno
import os

import numpy as np
import pytest
from scipy.stats import multivariate_normal

from ganzoo.errors import DataError
from ganzoo.metrics import (
    multi_scale_ssim,
    parzen_log_likelihood,
    path_length,
    peak_signal_to_noise,
    sliced_wasserstein,
    squared_feature_distance,
    wasserstein,
)
from ganzoo.metrics.path import slerp
from ganzoo.metrics.similarity import structural_similarity
from ganzoo.metrics.store import RowStore
from tests.metrics import reference_inputs


def test_sliced_wasserstein_agrees_with_the_official_code_draw_for_draw(references):
    """The official order of draws from RandomState(7): columns, rows, by level; then axes."""
    random = np.random.RandomState(7)
    sides = []
    for images in reference_inputs.image_pair():
        patches = []
        for level in wasserstein.laplacian_pyramid(images, 3):
            count, height, width, _ = level.shape
            columns = random.randint(3, width - 3, (count, 128)) - 3
            rows = random.randint(3, height - 3, (count, 128)) - 3
            cut = wasserstein.patches_at(level, rows, columns).reshape(-1, 3, 7, 7)
            # The official descriptors run down the columns.
            patches.append(cut.transpose(0, 1, 3, 2).reshape(-1, 147))
        sides.append(patches)
    for real, fake, expected in zip(*sides, references["sliced"], strict=True):
        got = wasserstein.mean_sliced_distance(real, fake, 3, 4, 128, random)
        assert got == pytest.approx(expected, rel=1e-5)


def test_sliced_wasserstein_has_its_levels_and_their_average():
    real, fake = reference_inputs.image_pair()
    result = sliced_wasserstein(real, fake, repeats=1, directions=32)
    assert list(result) == ["64", "32", "16", "average"]
    assert result["average"] == pytest.approx(np.mean([result[k] for k in ("64", "32", "16")]))
    # Halved contrast vanishes in the normalisation; other content and rounding do not.
    assert 20 < result["64"] < 200


def test_sliced_wasserstein_draws_directions_for_each_level_anew():
    sides = []
    for images, side in zip(reference_inputs.image_pair(), ("real", "fake"), strict=True):
        sides.append(wasserstein.LevelPatches(len(images), images.shape[1:], 8, 3, side))
        sides[-1].update(images)
    options = {"repeats": 2, "directions": 4, "seed": 3}
    found = wasserstein.distances_of_levels(*sides, **options)
    for level, name in enumerate(("64", "32", "16")):
        rows = [side.stores[level].rows for side in sides]
        random = np.random.RandomState([3, 2, level])
        expected = 1e3 * wasserstein.mean_sliced_distance(*rows, 3, 2, 4, random)
        assert found[name] == pytest.approx(expected, rel=1e-6)


def test_sliced_wasserstein_does_not_depend_on_batches():
    images = reference_inputs.smooth_images(7, side=32)
    whole, parts = (wasserstein.LevelPatches(7, (32, 32, 3), 8, seed=5) for _ in range(2))
    whole.update(images)
    for start in (0, 1, 4):
        parts.update(images[start : {0: 1, 1: 4, 4: 7}[start]])
    for one, other in zip(whole.stores, parts.stores, strict=True):
        np.testing.assert_array_equal(one.rows, other.rows)


def test_sliced_wasserstein_of_a_set_with_itself_is_small_and_draws_other_places():
    images = reference_inputs.smooth_images(40, side=32)
    result = sliced_wasserstein(images, images, patches_per_image=64, repeats=1)
    coarse = images[:, ::8, ::8].repeat(8, axis=1).repeat(8, axis=2)
    far = sliced_wasserstein(images, coarse, patches_per_image=64, repeats=1)
    assert 0 < result["32"] < 0.6 * far["32"]
    assert 0 < result["16"] < 0.6 * far["16"]


def test_laplacian_pyramid_adds_up_to_the_image():
    images = reference_inputs.smooth_images(2, side=32).astype(np.float32)
    levels = wasserstein.laplacian_pyramid(images, 2)
    np.testing.assert_allclose(levels[0] + wasserstein._enlarge(levels[1]), images, atol=1e-4)
    flat = wasserstein.laplacian_pyramid(np.full((1, 32, 32, 1), 7.0), 2)
    np.testing.assert_allclose(flat[1], 7, rtol=1e-6)
    np.testing.assert_allclose(flat[0], 0, atol=1e-5)


@pytest.mark.parametrize(
    ("side", "words"), [(15, "15×15 are too small"), (66, "66×66 do not halve evenly")]
)
def test_sliced_wasserstein_refuses_sizes_without_levels(side, words):
    shape = (2, side, side, 1)
    with pytest.raises(DataError, match=words):
        sliced_wasserstein(np.zeros(shape), np.zeros(shape))


def test_sliced_wasserstein_refuses_what_it_cannot_compare():
    with pytest.raises(DataError, match="equally many of the same size"):
        sliced_wasserstein(np.zeros((2, 16, 16, 1)), np.zeros((3, 16, 16, 1)))
    with pytest.raises(DataError, match="constant at one level"):
        sliced_wasserstein(np.zeros((2, 16, 16, 1)), np.zeros((2, 16, 16, 1)))


def test_multi_scale_ssim_agrees_with_the_official_code(references):
    expected = references["similarity"]
    got = multi_scale_ssim(reference_inputs.alike_pairs())
    assert got == pytest.approx(expected["msssim_64"], abs=1e-6)
    small = multi_scale_ssim(reference_inputs.alike_pairs(side=32, seed=21))
    assert small == pytest.approx(expected["msssim_32"], abs=1e-6)


def test_single_scale_ssim_agrees_with_scikit_image(references):
    images = reference_inputs.alike_pairs().astype(np.float64)
    score, _ = structural_similarity(images[:1], images[1:2])
    assert score[0] == pytest.approx(references["similarity"]["ssim"], abs=1e-9)


def test_multi_scale_ssim_of_equal_images_is_one_and_pairs_are_neighbours():
    images = reference_inputs.smooth_images(4, side=32)
    assert multi_scale_ssim(images, images) == pytest.approx(1)
    assert multi_scale_ssim(images.repeat(2, axis=0)) == pytest.approx(1)
    swapped = images[[0, 2, 1, 3]]
    assert multi_scale_ssim(images) != pytest.approx(multi_scale_ssim(swapped), abs=1e-4)


def test_multi_scale_ssim_of_an_image_and_its_negative_is_zero():
    images = reference_inputs.smooth_images(1, side=32)
    _, contrast = structural_similarity(images.astype(float), 255.0 - images)
    assert contrast[0] < -0.5
    assert multi_scale_ssim(images, 255 - images) == 0


@pytest.mark.parametrize(
    ("images", "other", "words"),
    [
        (np.zeros((3, 32, 32, 1)), None, "even number of images, got 3"),
        (np.zeros((2, 28, 28, 1)), None, "28×28 do not halve evenly"),
        (np.zeros((2, 32, 32, 1)), np.zeros((1, 32, 32, 1)), "Pairs differ in shape"),
        (np.zeros((32, 32, 1)), None, "images of shape"),
    ],
)
def test_multi_scale_ssim_refuses(images, other, words):
    with pytest.raises(DataError, match=words):
        multi_scale_ssim(images, other)


def test_psnr_by_hand():
    first = np.zeros((2, 4, 4, 1), np.uint8)
    second = first.copy()
    second[0] += 255
    second[1, 0] = 51
    expected = [0, 10 * np.log10(255**2 / (51**2 / 4))]
    np.testing.assert_allclose(peak_signal_to_noise(first, second), expected)
    assert np.isposinf(peak_signal_to_noise(first, first)).all()


def test_parzen_agrees_with_scikit_learn(references):
    got = parzen_log_likelihood(*reference_inputs.small_pixels())
    np.testing.assert_allclose(got, references["parzen"], rtol=1e-9)


def test_parzen_by_hand_and_far_from_every_sample():
    """Two samples in one dimension; at 60 σ exp underflows, its logarithm must not."""
    samples, test = np.array([[0.0], [1.0]]), np.array([[0.5], [1.0]])
    density = [multivariate_normal(mean, 0.2**2) for mean in (0.0, 1.0)]
    expected = np.log((density[0].pdf(test) + density[1].pdf(test)) / 2).mean()
    got = parzen_log_likelihood(samples, test, test, sigmas=[0.2])
    assert got.mean == pytest.approx(expected, rel=1e-12)
    far = parzen_log_likelihood(np.zeros((3, 1)), [[1.0]], [[1.0]], sigmas=[1 / 60])
    assert far.mean == pytest.approx(-(60**2) / 2 - np.log(np.sqrt(2 * np.pi) / 60), rel=1e-12)


def test_parzen_chooses_sigma_on_the_first_validation_images_only():
    random = np.random.RandomState(8)
    samples = random.uniform(0.4, 0.6, (300, 4))
    near, spread = random.uniform(0.4, 0.6, (50, 4)), random.uniform(0, 1, (50, 4))
    valid = np.concatenate([near, spread])
    narrow = parzen_log_likelihood(samples, valid, near, valid_limit=50)
    wide = parzen_log_likelihood(samples, valid, near)
    assert narrow.sigma == pytest.approx(0.1)
    assert wide.sigma > narrow.sigma


@pytest.mark.parametrize(
    ("samples", "sigmas", "words"),
    [
        (np.full((2, 3), 255.0), None, r"samples must be pixels in \[0, 1\], got 255"),
        (np.full((2, 3), 1.01), None, r"in \[0, 1\], got 1\.01 to 1\.01\. Divide"),
        (np.full((2, 3), -0.01), None, r"in \[0, 1\], got -0\.01 to -0\.01\. Divide"),
        (np.full((2, 3), np.nan), None, "samples must be pixels"),
        (np.zeros((2, 4)), None, "4"),
        (np.zeros((0, 3)), None, "samples must hold images"),
        (np.zeros((2, 3)), [0.0], "widths above 0"),
    ],
)
def test_parzen_refuses(samples, sigmas, words):
    with pytest.raises(DataError, match=words):
        parzen_log_likelihood(samples, np.zeros((2, 3)), np.zeros((2, 3)), sigmas)


def test_path_length_of_the_identity_is_the_squared_arc():
    """Moving by ε of an arc θ on a sphere of radius √d has speed² θ²d; draws as documented."""
    dim, count = 6, 300
    random = np.random.RandomState(3)
    first, second = random.standard_normal((2, count, dim))
    norms = np.linalg.norm(first, axis=1) * np.linalg.norm(second, axis=1)
    cosine = (first * second).sum(axis=1) / norms
    speeds = np.sort(np.arccos(cosine) ** 2 * dim)
    expected = speeds[2:-2].mean()  # percentiles 1 and 99 of 300, both sides inclusive
    got = path_length(
        lambda latents: latents.astype(np.float64),
        lambda a, b: np.square(a - b).sum(axis=1),
        dim,
        count=count,
        epsilon=1e-2,
        seed=3,
        batch_size=7,
    )
    assert got == pytest.approx(expected, rel=1e-3)


def test_path_length_at_the_end_starts_at_the_first_draw():
    seen = []

    def generate(latents):
        seen.append(latents)
        return latents

    path_length(
        generate, lambda a, b: np.ones(len(a)), 5, count=4, sampling="end", seed=9, batch_size=4
    )
    first = np.random.RandomState(9).standard_normal((2, 4, 5))[0]
    expected = first / np.linalg.norm(first, axis=1, keepdims=True) * np.sqrt(5)
    np.testing.assert_allclose(seen[0], expected, rtol=1e-6)
    with pytest.raises(DataError, match="moves along arcs, and noise of 1 value has none. Take"):
        path_length(generate, None, 4, classes=3)
    with pytest.raises(DataError, match="'full' or 'end'"):
        path_length(generate, None, 5, sampling="middle")


def test_path_length_keeps_each_pair_in_a_class():
    """A class that jumped would move far; the noise alone moves as it does without classes."""
    options = {"count": 90, "epsilon": 1e-2, "seed": 3, "batch_size": 40}
    seen = []

    def generate(latents):
        seen.append(latents[:, 5:])
        return latents.astype(np.float64)

    def squared(first, second):
        return np.square(first - second).sum(axis=1)

    found = path_length(generate, squared, 8, classes=3, **options)
    kinds = np.concatenate(seen[::2])
    np.testing.assert_array_equal(np.concatenate(seen[1::2]), kinds)
    np.testing.assert_array_equal(np.sort(kinds, axis=1), [[0, 0, 1]] * 90)
    assert kinds.sum(axis=0).min() > 15
    alone = path_length(lambda latents: latents.astype(np.float64), squared, 5, **options)
    assert found == pytest.approx(alone)


def test_slerp_runs_along_the_great_circle():
    first, second = np.array([[2.0, 0.0]]), np.array([[0.0, 3.0]])
    np.testing.assert_allclose(slerp(first, second, 1 / 3), [[np.sqrt(3) / 2, 0.5]])
    np.testing.assert_allclose(slerp(first, second, 1.0), [[0, 1]], atol=1e-15)


def test_feature_distance_compares_directions():
    distance = squared_feature_distance(lambda images: images)
    assert distance([[3.0, 0]], [[0, 5.0]]) == pytest.approx(2)
    assert distance([[3.0, 0]], [[9.0, 0]]) == pytest.approx(0)


def test_a_full_disk_is_told_before_rows_are_written(monkeypatch):
    def full(file, offset, size):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "posix_fallocate", full)
    message = (
        r"144 bytes of features do not fit the folder .* \(No space left on device\)\. .*TMPDIR"
    )
    with pytest.raises(DataError, match=message):
        RowStore(9, 4, 0)
    RowStore(9, 4)  # in memory


@pytest.mark.parametrize("limit", [0, 1 << 20])
def test_rows_come_back_from_memory_and_from_disk(limit):
    rows = np.random.RandomState(1).standard_normal((9, 4)).astype(np.float32)
    store = RowStore(9, 4, limit)
    store.append(rows[:5])
    store.append(rows[5:])
    np.testing.assert_array_equal(store.rows, rows)
    with pytest.raises(DataError, match="10 rows came where 9 were announced"):
        store.append(rows[:1])
