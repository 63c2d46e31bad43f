"""`evaluate`: names, protocol stamps, caching, repeats, warnings, both kinds of models."""

import contextlib
import dataclasses
import functools
import json
import os
import pathlib
import subprocess
import sys
import types

import keras
import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

import ganzoo
from ganzoo import cards
from ganzoo.errors import DataError, GanzooError, WeightsError
from ganzoo.evaluate import evaluate
from ganzoo.metrics import (
    count_modes,
    cycle_psnr,
    duplicate_rate,
    frechet_distance,
    inception_score,
    kernel_distance,
    multi_scale_ssim,
    parzen_log_likelihood,
    sliced_wasserstein,
)
from ganzoo.metrics.extractors import load_extractor
from ganzoo.metrics.hashing import weights_sha256
from ganzoo.metrics.sides import same_images
from ganzoo.scores import json_lines, read_scores

FEW = "ignore:Only .* a distance of distributions is mostly bias"
pytestmark = pytest.mark.filterwarnings(FEW, "ignore:The covariance of the")


class Source:
    """What `evaluate` asks of a stream: a count, and every image once."""

    def __init__(self, images, name="digits/test"):
        self.images = np.asarray(images)
        self.count = len(images)
        self.sources = [types.SimpleNamespace(name=name)]
        self.passes = 0

    def once(self, batch_size):
        self.passes += 1
        floats = self.images
        if floats.dtype == np.uint8:
            floats = floats.astype(np.float32) / 127.5 - 1
        return tf.data.Dataset.from_tensor_slices(floats).batch(batch_size)


class Pair:
    """A stream of two domains."""

    def __init__(self, first, second):
        self.domains = (first, second)
        self.once = None


class Noise:
    """A model that starts from noise, as far as `evaluate` looks at it."""

    def __init__(self, shape=(32, 32, 1), name="tiny_gan"):
        keras.utils.set_random_seed(3)
        latents = keras.Input((4,))
        flat = keras.layers.Dense(int(np.prod(shape)), "tanh", kernel_initializer="random_normal")
        self.sampling_generator = keras.Model(latents, keras.layers.Reshape(shape)(flat(latents)))
        self.sampling_generator.set_weights(
            [weight * 30 for weight in self.sampling_generator.get_weights()]
        )
        self.image_shape, self.latent_dim, self.name = shape, 4, name
        self.sampling_name, self.steps_taken = "generator", 0

    def draw_latents(self, count, key, truncation=None, first=0):
        return tf.random.stateless_normal((first + count, 4), key, alg="philox")[first:]

    def __call__(self, latents, training=False):
        return self.sampling_generator(latents, training=training)

    def generate(self, count, seed):
        images = np.asarray(self(self.draw_latents(count, [seed, 0])))
        return np.clip(np.rint((images + 1) * 127.5), 0, 255).astype(np.uint8)


class Inverter:
    """A model that translates: each direction inverts, and one also darkens."""

    name = "inverter"
    image_shape = (None, None, 1)
    directions = ("ab", "ba")

    def __init__(self):
        self.generator_ab = self.generator_ba = Noise().sampling_generator

    def translate(self, images, direction="ab"):
        return 255 - images if direction == "ab" else (255 - images) // 2

    def reconstruct(self, images, direction="ab"):
        there, back = ("ab", "ba") if direction == "ab" else ("ba", "ab")
        return self.translate(self.translate(images, there), back)


@pytest.fixture
def real():
    random = np.random.RandomState(0)
    return Source(random.randint(0, 256, (90, 32, 32, 1)).astype(np.uint8))


@pytest.fixture
def model():
    return Noise()


@functools.cache
def shared_lenet():
    """One extractor for all tests, which is compiled once."""
    return load_extractor("lenet_mnist")


def lenet(**options):
    """Options of `evaluate` for the digit classifier."""
    return {"extractor": shared_lenet(), "cache": False, "progress": False} | options


def test_scores_equal_the_pure_functions_on_all_features(real, model):
    settings = {"kid": {"subsets": 3, "subset_size": 20}}
    scores = evaluate(
        model, real, ("fid", "kid"), count=60, seed=4, batch_size=7, settings=settings, **lenet()
    )
    extractor = load_extractor("lenet_mnist")
    features = [
        extractor(images)["features"] for images in (real.images, model.generate(60, seed=4))
    ]
    assert set(scores) == {"frechet_lenet_mnist", "kernel_lenet_mnist"}
    assert scores["frechet_lenet_mnist"]["value"] == pytest.approx(
        frechet_distance(*features), rel=1e-4
    )
    mean, std = kernel_distance(*features, 3, 20, seed=4)
    assert scores["kernel_lenet_mnist"]["value"] == pytest.approx(mean, rel=1e-3)
    assert scores["kernel_lenet_mnist"]["subset_std"] == pytest.approx(std, rel=1e-2)


def test_the_stamp_states_the_protocol(real, model):
    score = evaluate(model, real, "fid", count=50, seed=2, **lenet())["frechet_lenet_mnist"]
    extractor = load_extractor("lenet_mnist")
    assert score["metric"] == "frechet_lenet_mnist"
    assert score["extractor"] == {"name": "lenet_mnist", "sha256": extractor.sha256}
    assert score["resizer"] == "legacy_pytorch"
    digest = score["real"].pop("sha256")
    assert len(digest) == 64
    assert score["real"] == {
        "source": "digits/test",
        "split": "test",
        "images": 90,
        "of": 90,
        "shape": [32, 32, 1],
    }
    assert {**score["fake"], "sha256": "…"} == {
        "model": "tiny_gan",
        "shape": [32, 32, 1],
        "sha256": "…",
        "precision": "float32",
        "images": 50,
        "seed": 2,
        "truncation": None,
    }
    assert (score["seed"], score["repeats"], score["std"]) == (2, 1, None)
    assert score["precision"] == {"network": "float32", "statistics": "float64"}
    assert score["ganzoo"] == ganzoo.__version__
    assert score["tensorflow"] == tf.__version__
    assert json.loads(json_lines({"a": score})) == score


def test_only_the_standard_network_scores_a_fid(real, model):
    for standard, names in (
        (True, {"fid", "kid", "inception_score", "precision", "recall", "density", "coverage"}),
        (False, {"frechet_inception", "kernel_inception", "class_score_inception"}),
    ):
        extractor = dataclasses.replace(shared_lenet(), name="inception", standard=standard)
        scores = evaluate(
            model,
            real,
            "fid,kid,inception_score,precision_recall,density_coverage",
            extractor=extractor,
            cache=False,
        )
        assert names <= set(scores)
        assert ("fid" in scores) is standard


def test_repeats_average_over_draws(real, model):
    draws = [
        evaluate(model, real, "fid", count=40, seed=seed, **lenet())["frechet_lenet_mnist"]["value"]
        for seed in (5, 6, 7)
    ]
    score = evaluate(model, real, "fid", count=40, seed=5, repeats=3, **lenet())
    score = score["frechet_lenet_mnist"]
    assert score["values"] == pytest.approx(draws)
    assert score["value"] == pytest.approx(np.mean(draws))
    assert score["std"] == pytest.approx(np.std(draws))
    assert len(set(draws)) == 3


def test_each_draw_tells_what_it_has_beside_its_value(real, model):
    settings = {"kid": {"subsets": 3, "subset_size": 20}, "swd": {"repeats": 1, "directions": 8}}
    options = {"settings": settings, "count": 40} | lenet()
    draws = [evaluate(model, real, "kid,swd,ms_ssim", seed=seed, **options) for seed in (5, 6)]
    # Subsets and directions are those of the first seed for both draws.
    both = evaluate(model, real, "kid,swd,ms_ssim", seed=5, repeats=2, **options)
    for name, key in (("kernel_lenet_mnist", "subset_std"), ("swd_x1000", "levels")):
        assert len(both[name][key]) == 2
        assert both[name][key][0] == draws[0][name][key] != both[name][key][1]
    assert both["kernel_lenet_mnist"]["subset_size"] == 20
    assert both["ms_ssim"]["pairs"] == 20
    assert both["swd_x1000"]["fake"] == draws[0]["swd_x1000"]["fake"]
    assert list(both["swd_x1000"]["levels"][1]) == ["32", "16"]


def test_arithmetic_tells_how_far_it_is(real, model, monkeypatch):
    done, totals = {}, {}

    @contextlib.contextmanager
    def bar(wanted):
        def advance(what, count, total):
            done[what] = done.get(what, 0) + count
            assert totals.setdefault(what, total) == total

        yield advance

    monkeypatch.setitem(vars(sys.modules["ganzoo.evaluate"]), "_bar", bar)
    names = "precision_recall,density_coverage,duplicates,path_length,parzen"
    settings = {"path_length": {"pairs": 20}, "parzen": {"samples": 30, "valid_limit": 8}}
    valid = Source(real.images[:10])
    evaluate(model, real, names, count=40, valid=valid, settings=settings, **lenet())
    assert done == totals
    assert {name: totals[name] for name in totals if "images" not in name} == {
        "samples": 40,
        "precision and recall": 2 * 90 + 40,
        "density and coverage": 2 * 90 + 40,
        "duplicates": 2 * 40,
        "pairs of path_length": 20,
        "parzen": 8 + 90,
    }


def test_the_bar_begins_anew_for_another_draw(monkeypatch):
    from ganzoo.evaluate import _bar

    with _bar(False) as advance:
        for _ in range(2):
            advance("samples", 3, 5)
            advance("samples", 2, 5)
        (bar,) = [
            cell.cell_contents
            for cell in advance.__closure__
            if hasattr(cell.cell_contents, "tasks")
        ]
        assert [(task.completed, task.total) for task in bar.tasks] == [(5, 5)]


def test_real_statistics_are_kept_and_never_reused_for_other_pixels(real, model, tmp_path):
    options = lenet(cache=tmp_path)

    def distance(metrics="fid"):
        return evaluate(model, real, metrics, count=40, **options)["frechet_lenet_mnist"]

    first = distance()
    extracted = []
    counted = load_extractor("lenet_mnist")
    object.__setattr__(counted, "network", counting(counted.network, extracted))
    options["extractor"] = counted
    assert distance() == first
    assert sum(extracted) == 40  # the samples alone
    real.images = real.images.copy()
    real.images[17, 3, 3] ^= 1
    other = distance()
    assert sum(extracted) == 40 + 40 + 90
    assert other["real"]["sha256"] != first["real"]["sha256"]
    assert other["value"] != first["value"]
    # Statistics that lack what is needed are made again, and then hold both.
    distance("fid,kid")
    assert sum(extracted) == 300
    distance("fid,kid")
    assert sum(extracted) == 340


def test_statistics_of_several_metrics_are_kept_together(real, model, tmp_path):
    extracted = []
    counted = load_extractor("lenet_mnist")
    object.__setattr__(counted, "network", counting(counted.network, extracted))
    options = lenet(cache=tmp_path, extractor=counted, count=40)
    expected = {name: evaluate(model, real, name, **options) for name in ("fid", "kid")}
    assert sum(extracted) == 2 * (90 + 40)
    for name in ("fid", "kid"):
        assert evaluate(model, real, name, **options) == expected[name]
    assert sum(extracted) == 2 * (90 + 40) + 2 * 40, "the samples alone"


def test_statistics_of_another_network_of_the_same_name_are_not_taken(real, model, tmp_path):
    """Even where its weights are the same, of which these have none."""

    def scaling(scale):
        images = keras.Input((32, 32, 1))
        layers = (keras.layers.Rescaling(scale), keras.layers.AveragePooling2D(16))
        rows = keras.layers.Flatten()(layers[1](layers[0](images)))
        return keras.Model(images, rows, name="scaling")

    def distance(scale, cache):
        options = lenet(extractor=scaling(scale), cache=cache)
        return evaluate(model, real, "fid", count=40, **options)["frechet_scaling"]["value"]

    first, second = (distance(scale, False) for scale in (1.0, 10.0))
    assert second == pytest.approx(100 * first, rel=1e-3)
    for _ in range(2):
        assert distance(1.0, tmp_path) == pytest.approx(first)
        assert distance(10.0, tmp_path) == pytest.approx(second)
    assert len(list(tmp_path.glob("*.npz"))) == 2


def test_statistics_by_another_resizer_are_not_taken(tmp_path):
    real = Source(np.random.RandomState(0).randint(0, 256, (60, 20, 20, 1)).astype(np.uint8))
    model = Noise((20, 20, 1))

    def distance(resizer, cache):
        options = lenet(extractor="lenet_mnist", resizer=resizer, cache=cache)
        return evaluate(model, real, "fid", count=40, **options)["frechet_lenet_mnist"]["value"]

    expected = {resizer: distance(resizer, False) for resizer in ("legacy_pytorch", "clean")}
    assert expected["clean"] != pytest.approx(expected["legacy_pytorch"], rel=1e-3)
    for _ in range(2):
        for resizer, value in expected.items():
            assert distance(resizer, tmp_path) == pytest.approx(value)


def test_a_cache_that_cannot_be_written_is_warned_of(real, model, unwritable):
    expected = evaluate(model, real, "fid", count=40, **lenet())
    for folder in (unwritable, unwritable / "statistics"):
        message = f"{folder} cannot be written .Permission denied.*are not kept. Set GANZOO_HOME"
        with pytest.warns(UserWarning, match=message):
            assert evaluate(model, real, "fid", count=40, **lenet(cache=folder)) == expected


def counting(network, log):
    def count(images):
        log.append(len(images))
        return network(images)

    return count


def test_a_damaged_cache_is_made_again(real, model, tmp_path):
    options = lenet(cache=tmp_path)
    first = evaluate(model, real, "fid", count=40, **options)
    (kept,) = tmp_path.glob("*.npz")
    whole = kept.read_bytes()
    kept.write_bytes(whole[:-500])
    assert evaluate(model, real, "fid", count=40, **options) == first
    assert kept.read_bytes() == whole
    assert [path.suffix for path in tmp_path.iterdir()] == [".npz"]


def test_a_file_that_says_other_pixels_is_not_believed(real, model, tmp_path):
    """Even one put in the place of these images' statistics."""
    options = lenet(cache=tmp_path)
    first = evaluate(model, real, "fid", count=40, **options)
    (kept,) = tmp_path.glob("*.npz")
    other = Source(255 - real.images)
    expected = evaluate(model, other, "fid", count=40, **lenet())
    evaluate(model, other, "fid", count=40, **options)
    (theirs,) = set(tmp_path.glob("*.npz")) - {kept}
    theirs.write_bytes(kept.read_bytes())
    again = evaluate(model, other, "fid", count=40, **options)
    assert again == expected
    assert again != first


@pytest.mark.parametrize(("seed", "repeats"), [(-1, 1), (2**32, 1), (2**32 - 1, 2), ("a", 1)])
def test_a_seed_that_is_none_is_refused_before_anything_is_drawn(real, model, seed, repeats):
    message = r"^seed( of the last repeat)? is .*\. Give a whole number from 0 to 4294967295\."
    with pytest.raises(GanzooError, match=message):
        evaluate(model, real, "fid", seed=seed, repeats=repeats, **lenet())


def test_a_part_of_the_real_images_is_drawn_by_the_seed(real, model):
    some = [
        evaluate(model, real, "fid", count=40, real_count=30, seed=seed, **lenet())
        for seed in (0, 0, 1)
    ]
    hashes = [score["frechet_lenet_mnist"]["real"]["sha256"] for score in some]
    assert hashes[0] == hashes[1] != hashes[2]
    assert some[0]["frechet_lenet_mnist"]["real"]["images"] == 30
    with pytest.raises(DataError, match="take 91 of the 90 real images"):
        evaluate(model, real, "fid", real_count=91, **lenet())


def test_few_images_are_warned_of_once_a_side(real, model):
    with (
        pytest.warns(UserWarning, match="Only 90 real images: below 2,048"),
        pytest.warns(UserWarning, match="Only 40 samples"),
        pytest.warns(UserWarning, match="covariance of the fake features.*40 rows"),
    ):
        evaluate(model, real, "fid", count=40, **lenet())


@pytest.mark.parametrize(("count", "each"), [(100, 90), (60, 60)])
def test_as_many_samples_as_real_images_give_patches(real, model, count, each):
    settings = {"swd": {"repeats": 1, "directions": 8}}
    scores = evaluate(
        model, real, "swd", count=count, settings=settings, cache=False, progress=False
    )
    assert scores["swd_x1000"]["images_each"] == each


def test_pixel_metrics_equal_the_pure_functions_and_need_no_network(real, model, monkeypatch):
    monkeypatch.setitem(vars(sys.modules["ganzoo.evaluate"]), "load_extractor", None)
    settings = {"swd": {"repeats": 1, "directions": 16}}
    scores = evaluate(
        model, real, "swd,ms_ssim", count=90, seed=6, batch_size=7, settings=settings, cache=False
    )
    samples = model.generate(90, seed=6)
    expected = sliced_wasserstein(real.images, samples, repeats=1, directions=16, seed=6)
    swd = scores["swd_x1000"]
    assert swd["value"] == pytest.approx(expected["average"], rel=1e-4)
    assert swd["levels"]["16"] == pytest.approx(expected["16"], rel=1e-4)
    assert swd["images_each"] == 90
    assert "extractor" not in swd
    assert scores["ms_ssim"]["value"] == pytest.approx(multi_scale_ssim(samples), rel=1e-6)
    assert scores["ms_ssim"]["pairs"] == 45


def test_ms_ssim_refuses_images_that_do_not_halve():
    digits = Source(np.zeros((4, 28, 28, 1), np.uint8))
    with pytest.raises(DataError, match="Images of 28×28 do not halve evenly.* or leave MS-SSIM"):
        evaluate(Noise(shape=(28, 28, 1)), digits, "ms_ssim", cache=False)


def test_patches_come_from_equally_many_images_of_both_sides(real, model):
    scores = evaluate(model, real, "swd", count=33, settings={"swd": {"repeats": 1}}, cache=False)
    assert scores["swd_x1000"]["images_each"] == 33


def test_patches_may_come_from_more_or_fewer_images(real, model, monkeypatch):
    monkeypatch.setattr("ganzoo.metrics.scoring.MOST_PATCHED", 7)
    for images in (5, 9):
        settings = {"swd": {"repeats": 1, "directions": 8, "images": images}}
        scores = evaluate(model, real, "swd", settings=settings, cache=False)
        assert scores["swd_x1000"]["images_each"] == images
        assert scores["swd_x1000"]["settings"]["images"] == images


def test_images_that_give_patches_are_evenly_spread(real, model):
    settings = {"repeats": 1, "directions": 16}
    options = {"count": 90, "seed": 6, "batch_size": 7, "cache": False, "progress": False}
    swd = settings | {"images": 5}
    scores = evaluate(model, real, "swd", settings={"swd": swd}, **options)
    samples = model.generate(90, seed=6)
    # The last of each fifth: images 17, 35, 53, 71 and 89.
    expected = sliced_wasserstein(real.images[17::18], samples[17::18], **settings, seed=6)
    assert scores["swd_x1000"]["value"] == pytest.approx(expected["average"], rel=1e-4)


def test_no_more_pairs_are_compared_than_the_protocol_has(real, model, monkeypatch):
    monkeypatch.setattr("ganzoo.metrics.gathering.MOST_PAIRS", 10)
    score = evaluate(
        model, real, "ms_ssim", count=90, seed=6, batch_size=7, cache=False, progress=False
    )["ms_ssim"]
    assert score["pairs"] == 10
    expected = multi_scale_ssim(model.generate(20, seed=6))
    assert score["value"] == pytest.approx(expected, rel=1e-6)


def test_parzen_takes_unrounded_samples_and_other_images_for_sigma(model):
    random = np.random.RandomState(1)
    test, valid = (random.randint(0, 256, (n, 32, 32, 1)).astype(np.uint8) for n in (20, 30))
    score = evaluate(
        model,
        Source(test),
        "parzen",
        valid=Source(valid, "digits/valid"),
        seed=8,
        settings={"parzen": {"samples": 50}},
        cache=False,
    )["parzen"]
    floats = np.asarray(model(model.draw_latents(50, [8, 0])))
    expected = parzen_log_likelihood((floats + 1) / 2, valid / 255, test / 255)
    assert score["value"] == pytest.approx(expected.mean, rel=1e-5)
    assert score["sigma"] == expected.sigma
    assert score["standard_error"] == pytest.approx(expected.standard_error, rel=1e-4)
    assert (score["fake"]["images"], score["valid"]["split"]) == (50, "valid")
    with pytest.raises(
        GanzooError, match=r"Name their source with valid \(--valid SOURCE\), apart"
    ):
        evaluate(model, Source(test), "parzen", cache=False)


def test_modes_are_counted_on_the_known_points():
    model = Noise(shape=(2,), name="ring")
    points = Source(np.zeros((60, 2), np.float32), name="ring8")
    scores = evaluate(model, points, "modes", seed=3, cache=False)
    from ganzoo.data.samples import POINT_SETS

    samples = np.asarray(model(model.draw_latents(60, [3, 0])))
    ring = POINT_SETS["ring8"]
    expected = count_modes(samples, ring.centers, ring.sigma)
    assert scores["modes_hit"]["value"] == expected.modes_hit
    assert scores["modes_hit"]["modes"] == 8
    assert scores["good_points"]["value"] == pytest.approx(expected.good_share)
    assert scores["modes_hit"]["settings"] == {"share": 0.01}
    for name in ("spiral", "ring8_wide.npy", "mine/ring8"):
        with pytest.raises(GanzooError, match=f"modes of '{name}' are not known"):
            evaluate(model, Source(points.images, name), "modes", cache=False)


def test_the_share_that_hits_a_mode_can_be_set(monkeypatch):
    """12 points lie on the first mode and 4 on the second."""
    from ganzoo.data.samples import POINT_SETS

    model = Noise(shape=(2,), name="ring")
    centers = POINT_SETS["ring8"].centers.astype(np.float32)

    def draw(self, latents, training):
        return tf.gather(centers, tf.cast(latents[:, 0] > 12, "int32"))

    monkeypatch.setattr(Noise, "__call__", draw)
    monkeypatch.setattr(model, "draw_latents", lambda n, *_, first: first + 1 + np.c_[np.arange(n)])
    points = Source(np.zeros((16, 2), np.float32), name="ring8")
    for share, modes in ((0, 2), (0.25, 2), (0.26, 1), (0.75, 1), (0.76, 0)):
        settings = {"modes": {"share": share}}
        scores = evaluate(model, points, "modes", settings=settings, cache=False)
        assert scores["modes_hit"]["value"] == modes, share
        assert scores["good_points"]["value"] == 1
        assert scores["good_points"]["settings"] == {"share": share}
    with pytest.raises(DataError, match="cannot be hit by the share 1.5 of the points. Give 0"):
        evaluate(model, points, "modes", settings={"modes": {"share": 1.5}}, cache=False)


def test_the_order_of_the_inception_score_can_be_set(real, model):
    logits = shared_lenet()(model.generate(40, seed=0), ("logits",))["logits"]
    for settings, arguments in (
        ({"IS": {"splits": 5}}, (5, None)),
        ({"is": {"splits": 5}, "inception_score": {"shuffle_seed": 2020}}, (5, 2020)),
    ):
        options = lenet(settings=settings, count=40)
        (score,) = evaluate(model, real, "is", **options).values()
        expected = inception_score(logits, *arguments)
        assert score["value"] == pytest.approx(expected.mean, rel=1e-5)
        assert score["split_std"] == pytest.approx(expected.std, rel=1e-4)
        assert score["settings"] == dict(zip(("splits", "shuffle_seed"), arguments, strict=True))
    assert inception_score(logits, 5).mean != inception_score(logits, 5, 2020).mean


def test_metrics_of_a_translation_have_no_settings(real):
    settings = {"cycle_psnr": {"border": 3}}
    with pytest.raises(GanzooError, match="'cycle_psnr' has no setting 'border'. It has none: le"):
        evaluate(Inverter(), Pair(real, real), "cycle_psnr", settings=settings)
    with pytest.raises(GanzooError, match="settings for 'identity_error', which is not among"):
        evaluate(Inverter(), Pair(real, real), "fid", settings={"identity_error": {}})


def test_path_length_carries_its_extractors_name(real, model):
    scores = evaluate(
        model, real, "path_length", settings={"path_length": {"pairs": 20}}, **lenet()
    )
    score = scores["path_length_lenet_mnist"]
    assert score["value"] > 0
    assert score["fake"]["images"] == 40
    assert score["settings"] == {"pairs": 20, "epsilon": 1e-4, "sampling": "full"}


def test_path_length_knows_no_truncation_and_gaussian_latents_only(real, model):
    options = lenet(settings={"path_length": {"pairs": 10}})
    scores = evaluate(model, real, "is,path_length", truncation=0.7, **options)
    assert scores["class_score_lenet_mnist"]["fake"]["truncation"] == 0.7
    assert scores["path_length_lenet_mnist"]["fake"]["truncation"] is None
    with pytest.raises(GanzooError, match="truncation is 0.7, and 'path_length'.* has no use for"):
        evaluate(model, real, "path_length", truncation=0.7, **options)
    model.latent_distribution = "uniform"
    with pytest.raises(GanzooError, match="'path_length' walks.* of 'tiny_gan' are uniform. Leave"):
        evaluate(model, real, "path_length", **options)


def test_path_length_moves_the_noise_and_keeps_the_class(real, model, monkeypatch):
    model.classes = 2
    seen = []
    monkeypatch.setattr(
        "ganzoo.metrics.measures.squared_feature_distance",
        lambda extract: lambda first, second: np.ones(len(first)),
    )
    monkeypatch.setattr(
        "ganzoo.metrics.running.on_all_replicas",
        lambda function, strategy: lambda latents: seen.append(latents) or latents,
    )
    evaluate(model, real, "path_length", settings={"path_length": {"pairs": 10}}, **lenet())
    near, far = seen
    np.testing.assert_array_equal(np.sort(near[:, 2:], axis=1), [[0, 1]] * 10)
    np.testing.assert_array_equal(near[:, 2:], far[:, 2:])
    assert not (near[:, :2] == far[:, :2]).all(axis=1).any()


def test_duplicates_of_a_collapsed_model_are_many(real, model):
    collapsed = Noise()
    collapsed.sampling_generator.set_weights(
        [weight * 1e-6 for weight in collapsed.sampling_generator.get_weights()]
    )
    for judged, low, high in ((model, 0, 0.5), (collapsed, 1, 1)):
        scores = evaluate(judged, real, "duplicates", **lenet())
        assert low <= scores["duplicate_rate_lenet_mnist"]["value"] <= high


def test_duplicates_take_images_of_all_files(model):
    """Sources may hold one class after the other, the last of which may be alike."""
    random = np.random.RandomState(5)
    varied = random.randint(0, 256, (45, 4, 4, 1)).astype(np.uint8).repeat(8, 1).repeat(8, 2)
    extractor = shared_lenet()
    fakes = extractor(model.generate(45, seed=0))["features"]
    real = np.concatenate([varied, np.zeros_like(varied)])
    rate = evaluate(model, Source(real), "duplicates", count=45, **lenet())
    expected = duplicate_rate(fakes, extractor(real[::2])["features"])
    assert rate["duplicate_rate_lenet_mnist"]["value"] == pytest.approx(expected)
    assert expected < duplicate_rate(fakes, extractor(varied)["features"])
    files = types.SimpleNamespace(stream=Source(real))
    rate = evaluate(files, Source(varied, "digits/train"), "duplicates", count=90, **lenet())
    expected = duplicate_rate(extractor(real[::2])["features"], extractor(varied)["features"])
    assert rate["duplicate_rate_lenet_mnist"]["value"] == pytest.approx(expected)
    assert expected > 0.4


def test_translation_is_scored_in_both_directions(real):
    random = np.random.RandomState(2)
    other = Source(random.randint(0, 100, (70, 32, 32, 1)).astype(np.uint8), "digits/testB")
    scores = evaluate(Inverter(), Pair(real, other), "fid,cycle_psnr,identity_error", **lenet())
    assert set(scores) == {
        f"{name}_{direction}"
        for name in ("frechet_lenet_mnist", "cycle_psnr", "identity_error")
        for direction in ("ab", "ba")
    }
    extractor = shared_lenet()
    translated = extractor(255 - real.images)["features"]
    expected = frechet_distance(extractor(other.images)["features"], translated)
    ab = scores["frechet_lenet_mnist_ab"]
    assert ab["value"] == pytest.approx(expected, rel=1e-4)
    assert (ab["real"]["images"], ab["fake"]["from"]["images"]) == (70, 90)
    assert ab["direction"] == ab["fake"]["direction"] == "ab"
    ba = scores["frechet_lenet_mnist_ba"]
    expected = frechet_distance(
        extractor(real.images)["features"], extractor((255 - other.images) // 2)["features"]
    )
    assert ba["value"] == pytest.approx(expected, rel=1e-4)
    assert (ba["real"]["images"], ba["fake"]["from"]["images"]) == (90, 70)
    # A → B → A halves: an error of x − x // 2; B through G_ab inverts.
    error = np.square(real.images - (real.images // 2.0)).mean(axis=(1, 2, 3))
    assert scores["cycle_psnr_ab"]["value"] == pytest.approx((10 * np.log10(255**2 / error)).mean())
    inverted = np.abs(255 - 2.0 * other.images).mean() / 255
    assert scores["identity_error_ab"]["value"] == pytest.approx(inverted)
    darker = np.abs((255 - real.images) // 2 - real.images.astype(float)).mean() / 255
    assert scores["identity_error_ba"]["value"] == pytest.approx(darker)
    assert len(json_lines(scores).splitlines()) == 6


def test_scores_of_single_images_tell_which_generators_made_them(real):
    model = Inverter()
    model.generator_ba = Noise().sampling_generator
    model.generator_ba.set_weights([2 * weight for weight in model.generator_ba.get_weights()])
    hashes = {way: weights_sha256(getattr(model, f"generator_{way}")) for way in ("ab", "ba")}
    scores = evaluate(model, Pair(real, real), "cycle_psnr,identity_error", cache=False)
    for way, back in (("ab", "ba"), ("ba", "ab")):
        made = {"model": "inverter", "sha256": hashes[way], "precision": "float32"}
        made["direction"] = way
        assert scores[f"identity_error_{way}"]["fake"] == made
        assert scores[f"cycle_psnr_{way}"]["fake"] == made | {"back_sha256": hashes[back]}
        assert scores[f"cycle_psnr_{way}"]["precision"] == {"statistics": "float64"}


def test_a_model_of_one_direction_is_scored_in_that_one(real):
    other = Source(255 - real.images, "digits/testB")
    both = evaluate(Inverter(), Pair(real, other), "fid,identity_error", **lenet())
    for way in ("ab", "ba"):
        model = Inverter()
        model.directions = (way,)
        scores = evaluate(model, Pair(real, other), "fid,identity_error", **lenet())
        assert scores == {name: both[name] for name in both if name.endswith(way)}
        message = f"'cycle_psnr' goes there and back, and 'inverter' is .* '{way}' alone. Leave it"
        with pytest.raises(GanzooError, match=message):
            evaluate(model, None, "fid,cycle_psnr", **lenet())
    model.directions = ()
    with pytest.raises(GanzooError, match="No generator of 'inverter' is trained. Train it, or"):
        evaluate(model, None, "fid", **lenet())


def test_scores_of_a_translation_come_in_the_order_asked_for(real):
    asked = "identity_error,precision_recall,cycle_psnr,fid"
    scores = evaluate(Inverter(), Pair(real, real), asked, **lenet())
    of = "lenet_mnist"
    one_way = ["identity_error", f"precision_{of}", f"recall_{of}", "cycle_psnr", f"frechet_{of}"]
    assert list(scores) == [f"{name}_{way}" for way in ("ab", "ba") for name in one_way]


def test_a_dataset_in_the_models_place_scores_real_against_real(real):
    half = types.SimpleNamespace(stream=Source(real.images[:45], "digits/train"))
    other = types.SimpleNamespace(stream=Source(real.images[45:], "digits/test"))
    score = evaluate(half, other, "fid", **lenet())["frechet_lenet_mnist"]
    assert score["fake"]["source"] == "digits/train"
    assert score["fake"]["images"] == 45


def test_real_against_real_cuts_its_patches_at_two_sets_of_places(real):
    """As with a model: at the same places equal images would be 0 apart, whatever they show."""
    same = types.SimpleNamespace(stream=Source(real.images, "digits/train"))
    options = {"settings": {"swd": {"repeats": 1, "directions": 16}}, "seed": 6, "cache": False}
    score = evaluate(same, real, "swd", **options)["swd_x1000"]
    expected = sliced_wasserstein(real.images, real.images, repeats=1, directions=16, seed=6)
    assert score["value"] == pytest.approx(expected["average"], rel=1e-4)
    assert score["value"] > 0.1


def test_two_parts_of_one_source_share_no_image(real, monkeypatch):
    seen = []
    monkeypatch.setattr("ganzoo.metrics.scoring.gather", seeing(seen))
    dataset = types.SimpleNamespace(stream=real)
    scores = evaluate(dataset, real, "fid", real_count=50, count=40, seed=3, **lenet())
    order = np.random.RandomState(3).permutation(90)
    for pixels, chosen in zip(seen, (order[:50], order[50:]), strict=True):
        np.testing.assert_array_equal(pixels, real.images[np.sort(chosen)])
    score = scores["frechet_lenet_mnist"]
    assert score["value"] > 0.1
    assert (score["real"]["images"], score["fake"]["images"]) == (50, 40)


def seeing(pixels):
    """`gather`, and what it is shown."""
    from ganzoo.metrics.gathering import gather

    def look(side, *arguments, **options):
        pixels.append(np.concatenate(list(side.batches(32))))
        return gather(side, *arguments, **options)

    return look


def test_parts_of_one_source_that_overlap_are_refused(real, tmp_path):
    np.save(tmp_path / "images.npy", real.images)
    opened = ganzoo.data.load(
        tmp_path / "images.npy", image_size=32, channels=1, batch_size=9, shuffle=False
    )
    message = "from '.*images.npy', whose 90 images are too few for {} and {} that share none. Give"
    for source in (opened, str(tmp_path / "images.npy")):
        for real_count, count, words in ((None, None, (90, 90)), (50, 41, (50, 41))):
            with pytest.raises(DataError, match=message.format(*words)):
                evaluate(opened, source, "fid", count=count, real_count=real_count, **lenet())
        scores = evaluate(opened, source, "fid", count=45, real_count=45, **lenet())
        assert scores["frechet_lenet_mnist"]["value"] > 0.1
    # Nothing is compared with the real side here.
    scores = evaluate(opened, opened, "inception_score", **lenet())
    assert scores["class_score_lenet_mnist"]["fake"]["images"] == 90


def test_pictures_are_the_same_whatever_their_folder_is_called(tmp_path, monkeypatch):
    """And others are not, although they have the same names and sizes."""
    for number, name in enumerate(("pictures", "copy")):
        folder = tmp_path / name / "train"
        folder.mkdir(parents=True)
        Image.new("L", (8, 8), 50 * number).save(folder / "0.png")
    (tmp_path / "link").symlink_to(tmp_path / "pictures")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)

    def stream(name):
        return types.SimpleNamespace(sources=ganzoo.data.open_source(name))

    plain = stream(tmp_path / "pictures" / "train")
    for name in ("~/pictures/train", "pictures:train", "~/link:train", "link/train"):
        assert same_images(plain, stream(name)), name
    assert not same_images(plain, stream("copy:train"))


def test_images_of_another_size_are_refused(real, model, tmp_path):
    small = Source(real.images[:, ::2, ::2])
    message = "real images are 16×16×1 and those to score are 32×32×1. Give image_size=32, or"
    for _ in range(2):  # the second time with statistics that were kept
        with pytest.raises(DataError, match=message):
            evaluate(model, small, "fid", count=40, **lenet(cache=tmp_path))
    with pytest.raises(DataError, match=message):
        evaluate(model, small, "swd", count=40, cache=False)
    colour = types.SimpleNamespace(stream=Source(real.images.repeat(3, axis=-1), "digits/train"))
    with pytest.raises(DataError, match="are 32×32×1 and those to score are 32×32×3"):
        evaluate(colour, real, "fid", **lenet())


def test_real_against_real_is_read_in_the_same_way(real, tmp_path):
    images = real.images[:, :24, :24]
    for name, part in (("some", images[:40]), ("others", images[40:80])):
        np.save(tmp_path / f"{name}.npy", part)
    opened = functools.partial(
        ganzoo.data.load, image_size=32, channels=1, batch_size=9, shuffle=False, resize="pad"
    )
    some, others = opened(tmp_path / "some.npy"), tmp_path / "others.npy"
    found, expected = (
        evaluate(some, source, "fid", **lenet())["frechet_lenet_mnist"]
        for source in (others, opened(others))
    )
    assert found["real"]["sha256"] == expected["real"]["sha256"]
    assert found["value"] == expected["value"]


def test_how_pictures_are_read_is_not_for_a_dataset(real, model, tmp_path):
    for said in ({"image_size": 16}, {"resize": "pad"}, {"skip_bad": True}):
        message = f"^{next(iter(said))} is .*, and a dataset, which was opened .* Leave it out"
        with pytest.raises(GanzooError, match=message):
            evaluate(model, real, "swd", cache=False, **said)
    np.save(tmp_path / "valid.npy", real.images[:9])
    settings = {"parzen": {"samples": 9}}
    valid = {"valid": tmp_path / "valid.npy", "image_size": 32, "resize": "pad"}
    assert evaluate(model, real, "parzen", settings=settings, cache=False, **valid)


def test_a_source_of_the_models_size_may_hold_damaged_pictures(tmp_path, monkeypatch):
    random = np.random.RandomState(0)
    for number in range(5):
        pixels = random.randint(0, 256, (16, 16, 3)).astype(np.uint8)
        Image.fromarray(pixels).save(tmp_path / f"{number}.png")
    (tmp_path / "5.png").write_bytes(b"no picture")
    model = Noise(shape=(16, 16, 3))

    def score(**options):
        scores = evaluate(model, tmp_path, "ms_ssim", count=2, cache=False, **options)
        return scores["ms_ssim"]["real"]["images"]

    with pytest.raises(DataError, match="5.png' is not a picture that can be read"):
        score()
    with pytest.warns(UserWarning, match="1 in all"):
        assert score(skip_bad=True) == 5
    model.preset = types.SimpleNamespace(name="tiny", data={"skip_bad": True})
    with pytest.warns(UserWarning, match="1 in all"):
        assert score() == 5
    with pytest.raises(DataError, match="5.png' is not a picture that can be read"):
        score(skip_bad=False)


def test_the_split_that_a_source_opened_is_stamped(model, tmp_path):
    images = np.random.RandomState(0).randint(0, 256, (6, 32, 32, 1)).astype(np.uint8)
    folder = tmp_path / "digits"
    folder.mkdir()
    np.savez(folder / "testing.npz", x_train=images, x_test=images[:4])
    np.save(folder / "images_test.npy", images)
    np.save(folder / "contest.npy", images)
    for name, split in (
        ("testing.npz", "train"),
        ("testing.npz:test", "test"),
        ("images_test.npy", "test"),
        ("contest.npy", "all"),
    ):
        score = evaluate(model, str(folder / name), "ms_ssim", count=2, cache=False)["ms_ssim"]
        assert score["real"]["split"] == split, name


def test_a_source_string_is_opened_at_the_models_size(tmp_path):
    np.save(tmp_path / "images.npy", np.zeros((5, 40, 40, 3), np.uint8) + 9)
    model = Noise(shape=(16, 16, 3))
    scores = evaluate(model, str(tmp_path / "images.npy"), "ms_ssim", count=2, cache=False)
    assert scores["ms_ssim"]["real"]["source"].endswith("images.npy")


@pytest.mark.parametrize(
    ("metrics", "options", "words"),
    [
        ("fdi", {}, "no metric 'fdi'.*Did you mean 'fid'"),
        ("", {}, "No metric is named. Choose among fid, kid"),
        (" , ", {}, "No metric is named. Choose among fid, kid"),
        ([], {}, "No metric is named. Choose among fid, kid"),
        ("fid", {"repeats": 0}, "repeats is 0. Give a whole number from 1 up"),
        ("fid", {"count": 0}, "count is 0. Give a whole number from 1 up"),
        ("fid", {"repeats": 1.5}, "repeats is 1.5. Give a whole number from 1 up"),
        ("cycle_psnr", {}, "for models that translate"),
        ("fid", {"settings": {"kid": {}}}, "settings for 'kid', which is not among"),
        ("kid", {"settings": {"kid": 5}}, "settings of 'kid' are 5. Give a dict of names and val"),
        (
            "fid",
            {"valid": "x.npy"},
            r"^valid is 'x.npy', and what is measured \(fid\) has no use for it. Leave it out.$",
        ),
        ("swd,ms_ssim", {}, r"^extractor is .*, and what is measured \(swd, ms_ssim\) has no use"),
        ("swd", {"extractor": None, "weights": "x.npz"}, "^weights is 'x.npz', and what is meas"),
        ("swd", {"extractor": None, "resizer": "clean"}, "^resizer is 'clean', and what is mea"),
        ("kid", {"settings": {"kid": {"subset": 3}}}, "no setting 'subset'.*mean 'subsets'"),
        ("fid", {"resizer": "sharp"}, "no resizer 'sharp'"),
        ("fid", {"real_count": 40.0}, "real_count is 40.0. Give a whole number from 1 up"),
        ("fid", {"real_count": True}, "real_count is True. Give a whole number from 1 up"),
        ("parzen", {"count": 9}, "parzen would not use it. Leave count out, and set parzen.sam"),
        ("path_length,parzen", {"count": 9}, "set path_length.pairs and parzen.samples"),
        ("fid", {"settings": {"fid": {"k": 3}}}, "no setting 'k'. It has none: leave it out."),
        ("modes", {"settings": {"modes": {"k": 3}}}, "no setting 'k'.* Choose among share"),
        (
            "is",
            {"settings": {"is": {"shuffle_seed": 2.5}}},
            "inception_score.shuffle_seed is 2.5. Give a whole number from 0 to 4294967295",
        ),
        ("kid", {"settings": {"kid": {"subsets": "many"}}}, "kid.subsets is 'many'. It has to be"),
        ("kid", {"settings": {"kid": {"subsets": 0}}}, "subsets is 0. It has to be a whole numbe"),
        ("swd", {"settings": {"swd": {"images": 2.5}}}, "swd.images is 2.5. It has to be a whole"),
        (
            "duplicates",
            {"settings": {"duplicates": {"threshold": float("nan")}}},
            "duplicates.threshold is nan. It has to be a number from 0 up",
        ),
        (
            "path_length",
            {"settings": {"path_length": {"sampling": 3}}},
            "path_length.sampling is 3. It has to be text",
        ),
        (
            "path_length",
            {"settings": {"path_length": {"epsilon": 0}}},
            "an epsilon above 0, got 'full', 10000 and 0. Leave them out",
        ),
    ],
)
def test_what_cannot_be_measured_is_refused(real, model, metrics, options, words):
    with pytest.raises(GanzooError, match=words):
        evaluate(model, real, metrics, **lenet(**options))


def test_models_that_do_not_fit_are_refused(real):
    with pytest.raises(GanzooError, match="'modes' is for models that start from noise"):
        evaluate(Inverter(), Pair(real, real), "modes", cache=False)
    with pytest.raises(DataError, match="both its domains. Give two sources, or FOLDER:test"):
        evaluate(Inverter(), real, "fid", **lenet())
    with pytest.raises(DataError, match="Give one source"):
        evaluate(Noise(), Pair(real, real), "fid", **lenet())
    with pytest.raises(GanzooError, match="The model is 'dcgan_mnist', a name. Load it first"):
        evaluate("dcgan_mnist", real, "fid", **lenet())
    with pytest.raises(GanzooError, match="object neither starts from noise nor translates"):
        evaluate(object(), real, "fid", **lenet())
    with pytest.raises(GanzooError, match="Leave repeats at 1"):
        evaluate(Inverter(), Pair(real, real), "fid", repeats=2, **lenet())


@pytest.mark.parametrize("metric", ["ms_ssim", "parzen"])
def test_a_generator_that_is_not_trained_has_no_scores(real, model, metric):
    model.trained = frozenset({"discriminator"})
    parzen = {"valid": Source(real.images[:10]), "settings": {"parzen": {"samples": 10}}}
    options = (parzen if metric == "parzen" else {"count": 10}) | {"cache": False}
    message = "'tiny_gan' has trained weights for discriminator only, and not for its generator"
    with pytest.raises(WeightsError, match=message):
        evaluate(model, real, metric, **options)
    model.trained |= {"generator"}
    assert evaluate(model, real, metric, **options)


def test_sigma_is_not_chosen_on_the_test_images(real, model, tmp_path):
    np.save(tmp_path / "images.npy", real.images)
    path = str(tmp_path / "images.npy")
    message = "validation images and those to score against are both '.*', so that σ would be"
    for source, valid in ((path, path), (real, real)):
        with pytest.raises(DataError, match=message):
            evaluate(model, source, "parzen", valid=valid, cache=False)


def test_scores_are_json_whatever_their_numbers():
    nothing, endless = float("nan"), float("inf")
    scores = {"a": {"value": endless, "values": [1.0, nothing], "levels": {"16": -endless}}}
    line = json_lines(scores)
    assert json.loads(line, parse_constant=pytest.fail) == {
        "value": None,
        "values": [1.0, None],
        "levels": {"16": None},
    }


def test_scores_are_json_where_numpy_gave_the_numbers():
    side = {"images": np.int64(9), "truncation": np.float32(0.5), "of": [np.float64("nan"), True]}
    line = json.loads(json_lines({"kid": {"value": 1, "fake": side}}))
    assert line == {"value": 1, "fake": {"images": 9, "truncation": 0.5, "of": [None, True]}}
    assert line["fake"]["of"][1] is True


@pytest.mark.parametrize("name", ["caf\udce9", "two\u2028lines", "two\x85lines"])
def test_scores_are_text_that_is_read_back_whatever_a_source_is_called(name, tmp_path):
    side = {"source": name, "split": "all", "images": 2}
    line = json_lines({"fid": {"metric": "fid", "value": 1.0, "real": side}})
    (tmp_path / "scores.jsonl").write_text(line, encoding="utf-8")
    assert read_scores(tmp_path / "scores.jsonl")["fid"]["real"] == side


def test_a_picture_that_comes_back_exactly_has_a_finite_ratio(real):
    model = Inverter()
    model.translate = lambda images, direction="ab": 255 - images
    scores = evaluate(model, Pair(real, real), "cycle_psnr", cache=False)
    exact = 10 * np.log10(4 * 255**2 * 32 * 32)
    for way in ("ab", "ba"):
        assert scores[f"cycle_psnr_{way}"]["value"] == pytest.approx(exact)
    almost = real.images[:1].copy()
    almost[0, 0, 0, 0] ^= 1
    assert cycle_psnr(real.images[:1], almost) == pytest.approx(exact - 10 * np.log10(4))


def test_options_that_do_not_fit_are_refused(real):
    with pytest.raises(
        GanzooError, match="one image of each original. Leave count out; real_count .--rea"
    ):
        evaluate(Inverter(), Pair(real, real), "fid", count=9, **lenet())
    half = types.SimpleNamespace(stream=Source(real.images[:45]))
    for model, source in ((Inverter(), Pair(real, real)), (half, real)):
        with pytest.raises(GanzooError, match="Only latents can be truncated.* Leave it out"):
            evaluate(model, source, "fid", truncation=0.7, **lenet())


@pytest.mark.parametrize("source", ["mnist5k", "textures"])
def test_points_are_not_compared_with_images(source):
    model = ganzoo.load("gan_ring", weights=False)
    with pytest.raises(DataError, match=f"'gan_ring' makes points, and '{source}' holds images. G"):
        evaluate(model, source, "modes")


def test_metrics_of_samples_alone_say_nothing_of_few_real_images(real, model):
    evaluate(model, real, ["inception_score", "path_length"], count=20,
             settings={"path_length": {"pairs": 4}}, **lenet())  # fmt: skip


@pytest.mark.parametrize("metrics", [{}, {"metrics": "modes,swd"}, {"metrics": "parzen"}])
def test_points_have_no_metric_of_images(metrics, monkeypatch):
    monkeypatch.setitem(vars(sys.modules["ganzoo.evaluate"]), "load_extractor", None)
    name = metrics.get("metrics", "fid").rpartition(",")[2]
    message = f"'{name}' compares images, and these are points. Ask for the metric 'modes'."
    with pytest.raises(GanzooError, match=message):
        evaluate(Noise(shape=(2,)), "ring8", **metrics, cache=False)
    with pytest.raises(GanzooError, match=message):
        evaluate(Noise(), "ring8", **metrics, cache=False)
    with pytest.raises(GanzooError, match=message):
        evaluate(Noise(shape=(2,)), Source(np.zeros((9, 8, 8, 1))), **metrics, cache=False)


def test_a_source_that_breaks_its_word_is_refused(real, model):
    real.count = 95
    with pytest.raises(DataError, match="gave 90 images and had announced 95"):
        evaluate(model, real, "fid", **lenet())


def test_evaluate_is_a_function_also_where_the_package_holds_the_module():
    """Importing `ganzoo.evaluate` anywhere binds the module to the package's attribute."""
    module = sys.modules["ganzoo.evaluate"]
    assert module.evaluate is evaluate
    with pytest.raises(GanzooError, match="no metric 'nothing'"):
        module(Noise(), None, "nothing")
    with pytest.raises(GanzooError, match="no metric 'nothing'"):
        ganzoo.evaluate(Noise(), None, "nothing")


REPLICAS = """
import json
import keras
import numpy as np
import tensorflow as tf
cpu = tf.config.list_physical_devices("CPU")[0]
tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)
import ganzoo
from ganzoo.metrics.checks import CYCLE_MEASURES

random = np.random.RandomState(0)
np.save("real.npy", random.randint(0, 256, (45, 32, 32, 1)).astype(np.uint8))
np.save("other.npy", random.randint(0, 99, (31, 32, 32, 1)).astype(np.uint8))
small = {"model.base_filters": 2, "model.latent_dim": 4, "model.image_size": 32}
pair = {"model.base_filters": 2, "model.residual_blocks": 1}
metrics = "fid,kid,precision_recall,path_length,swd,ms_ssim,parzen"
settings = {"kid": {"subsets": 4, "subset_size": 20}, "path_length": {"pairs": 21, "epsilon": 0.1}}
settings |= {"parzen": {"samples": 33}, "swd": {"repeats": 1, "directions": 16}}
common = {"extractor": "lenet_mnist", "cache": False, "progress": False}


def scores():
    keras.utils.set_random_seed(1)
    noise = ganzoo.load("dcgan_mnist", weights=False, **small)
    found = ganzoo.evaluate(noise, "real.npy", metrics, count=41, batch_size=16, repeats=2,
                            valid="other.npy", settings=settings, **common)
    translator = ganzoo.load("cyclegan_textures", weights=False, **pair)
    size = {"image_size": 32, "resize": "crop", "batch_size": 16}
    found |= ganzoo.evaluate(translator, ("real.npy", "other.npy"), ("fid", *CYCLE_MEASURES),
                             **size, **common)
    return {name: score["value"] for name, score in found.items()}


alone = scores()
with tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"]).scope():
    together = scores()
print(json.dumps([alone, together]))
"""


def test_two_replicas_give_the_same_scores(tmp_path):
    """In a process of its own, because devices are divided before TensorFlow starts."""
    done = subprocess.run(
        [sys.executable, "-c", REPLICAS],
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": str(pathlib.Path(__file__).parents[1])},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    alone, together = json.loads(done.stdout.splitlines()[-1])
    assert len(alone) == 8 + 6
    assert together == pytest.approx(alone, rel=2e-3)


def test_a_card_takes_every_score(real, model, tmp_path):
    settings = {"kid": {"subsets": 3, "subset_size": 20}, "path_length": {"pairs": 10}}
    settings |= {"parzen": {"samples": 30}}
    scores = evaluate(
        model,
        real,
        "fid,kid,inception_score,precision_recall,duplicates,path_length,swd,ms_ssim,parzen",
        repeats=2,
        count=40,
        valid=Source(real.images[:10]),
        settings=settings,
        **lenet(),
    )
    scores |= evaluate(Inverter(), Pair(real, real), "cycle_psnr,identity_error,fid", **lenet())
    (tmp_path / "scores.jsonl").write_text(json_lines(scores))
    assert read_scores(tmp_path / "scores.jsonl") == scores
    rows = cards._scores(scores.values())
    assert len(rows) == 4 + len(scores) + 1


def test_a_card_tells_how_many_there_were_and_not_how_many_at_most(real, model):
    """Subsets of 1,000 images cannot be had of 40, nor patches of 16,384."""
    settings = {"kid": {"subsets": 3}, "swd": {"repeats": 1, "directions": 8}}
    scores = evaluate(model, real, "kid,swd", count=40, settings=settings, **lenet())
    kernel, distance = (cards._protocol(score) for score in scores.values())
    assert ", subsets 3, subset_size 40, seed 0, " in kernel
    assert ", repeats 1, directions 8, images 40, seed 0, " in distance
