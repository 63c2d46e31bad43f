"""Runs of CycleGAN: the schedule of its learning rate, and scores on the split kept apart."""

import types

import numpy as np
import pytest

from ganzoo import presets, zoo
from ganzoo.evaluate import evaluate
from ganzoo.rates import RateWarning
from ganzoo.training import train
from ganzoo.training.logs import read_log
from ganzoo.training.settings import fill_in, run_settings

TEXTURES = 609  # crops of each picture's training rows: 21 × 29
TINY = {
    "model.base_filters": 2,
    "model.residual_blocks": 1,
    "model.discriminator_filters": 2,
    "training.pool_size": 2,
    "training.sample_every": 100,
}
MAPS_TEST = "tfds:cycle_gan/maps:test"
RATE = "config.learning_rate.config"


@pytest.fixture(scope="module")
def scored(tmp_path_factory):
    """A run of two steps, scored after each, and its model."""
    out = tmp_path_factory.mktemp("runs") / "textures"
    settings = TINY | {"training.evaluate_every": 1}
    return out, train("cyclegan_textures", out=out, steps=2, overrides=settings, progress=False)


def written(out):
    text = (out / "preset.yaml").read_text(encoding="utf-8")
    return presets.parse_preset(text, name="run", origin="preset.yaml")


# --- the learning rate ------------------------------------------------------------------------


def test_a_run_knows_the_steps_of_its_epochs(scored):
    out, model = scored
    for name, optimizer in written(out).optimizers.items():
        rate = optimizer["config"]["learning_rate"]["config"]
        assert rate["steps_per_epoch"] == TEXTURES, name
        iterations = model.optimizers[name].iterations
        assert int(iterations) == 2
        rates = []
        for epoch in (4, 5, 9, 10):  # 5 constant epochs of 10
            iterations.assign(epoch * TEXTURES)
            rates.append(float(model.optimizers[name].learning_rate) / 2e-4)
        np.testing.assert_allclose(rates, [1, 5 / 6, 1 / 6, 0], atol=1e-6)
        iterations.assign(2)


def settings_of(preset, steps_per_epoch=10, **options):
    options = {"data_source": None, "steps": None, "epochs": None, "overrides": None} | options
    settings = run_settings(preset, training={}, **options)
    fill_in(settings, types.SimpleNamespace(steps_per_epoch=steps_per_epoch))
    return settings


@pytest.mark.parametrize(
    ("preset", "constant", "fall"),
    [
        ("cyclegan_horse2zebra", 100, 101),
        ("cyclegan_cityscapes", 101, 100),
        ("cyclegan_textures", 5, 6),
    ],
)
@pytest.mark.parametrize("length", [{}, {"steps": 9}])
def test_the_published_schedule_stays_and_fits_its_length(preset, constant, fall, length):
    for optimizer in settings_of(preset, **length).optimizers.values():
        assert optimizer["config"]["learning_rate"]["config"] == {
            "initial_learning_rate": 2e-4,
            "constant_epochs": constant,
            "fall": fall,
            "steps_per_epoch": 10,
        }


def test_a_schedule_need_not_name_the_steps_that_the_data_tells():
    rate = {"class_name": "ganzoo>LinearDecay", "config": {"constant_epochs": 1, "fall": 2}}
    optimizer = {"class_name": "Adam", "config": {"learning_rate": rate}}
    overrides = {"optimizers.generator_optimizer": optimizer}
    settings = settings_of("gan_ring", steps=20, overrides=overrides)
    written = settings.optimizers["generator_optimizer"]["config"]["learning_rate"]["config"]
    assert written == {"constant_epochs": 1, "fall": 2, "steps_per_epoch": 10}


@pytest.mark.parametrize(
    ("preset", "length", "epochs", "constant", "fall"),
    [
        ("cyclegan_horse2zebra", {"epochs": 40}, 40, 20, 21),
        ("cyclegan_horse2zebra", {"epochs": 300}, 300, 150, 151),
        ("cyclegan_horse2zebra", {"steps": 1990}, 199, 99, 101),
        ("cyclegan_cityscapes", {"epochs": 40}, 40, 21, 20),
    ],
)
def test_a_run_of_another_length_is_told_what_to_set(preset, length, epochs, constant, fall):
    with pytest.warns(UserWarning, match="The rate of ") as caught:
        settings_of(preset, **length)
    names = ["generator_optimizer", "discriminator_optimizer"]
    for warning, name in zip(caught, names, strict=True):
        text = str(warning.message)
        assert f"The rate of {name} is constant for 10" in text
        assert f"0 after 200, and this run has {epochs}. " in text
        assert f"set optimizers.{name}.{RATE}.constant_epochs={constant} and " in text
        assert text.endswith(f"optimizers.{name}.{RATE}.fall={fall}.")


def test_a_run_that_outlasts_its_schedule_is_told_before_and_not_by_its_fit(tmp_path):
    sources = [tmp_path / f"{name}.npy" for name in "ab"]
    for seed, path in enumerate(sources):
        np.save(path, np.random.default_rng(seed).integers(0, 256, (2, 32, 32, 3), "uint8"))
    overrides = {
        f"optimizers.{role}_optimizer.{RATE}.{key}": value
        for role in ("generator", "discriminator")
        for key, value in (("constant_epochs", 1), ("fall", 2))
    }
    with pytest.warns(UserWarning, match="is 0 after 2, and this run has 3") as caught:
        model = train(
            "cyclegan_textures",
            data_source=sources,
            out=tmp_path / "run",
            steps=6,
            overrides=TINY | overrides | {"training.batch_size": 1, "data.image_size": 32},
            progress=False,
        )
    assert model.steps_taken == 6
    assert RateWarning not in [warning.category for warning in caught]


def test_what_a_run_is_told_to_set_fits_it():
    overrides = {
        f"optimizers.{role}_optimizer.{RATE}.{key}": value
        for role in ("generator", "discriminator")
        for key, value in {"constant_epochs": 20, "fall": 21}.items()
    }
    settings_of("cyclegan_horse2zebra", epochs=40, overrides=overrides)


# --- scores -----------------------------------------------------------------------------------


def test_scores_of_the_split_kept_apart_choose_the_best(scored):
    out, model = scored
    assert written(out).training["evaluate_options"] == {
        "source": ["textures:grass:test", "textures:brick:test"]
    }
    lines = [line for line in read_log(out / "metrics.jsonl") if "best" in line]
    assert [line["step"] for line in lines] == [1, 2]
    names = [f"{name}_{way}" for way in ("ab", "ba") for name in ("cycle_psnr", "identity_error")]
    for line in lines:
        assert [name for name in line if name in names] == names
    source = tuple(written(out).training["evaluate_options"]["source"])
    scores = cycle_scores(model, source)
    assert scores["cycle_psnr_ab"]["images"]["images"] == 145  # 5 × 29 crops of the last rows
    for name in names:
        assert lines[-1][name] == pytest.approx(scores[name]["value"])
    best = zoo.load(out / "best")
    value = cycle_scores(best, source)["cycle_psnr_ab"]["value"]
    assert value == pytest.approx(max(line["cycle_psnr_ab"] for line in lines))
    assert lines[-1]["best"] == pytest.approx(value)


@pytest.mark.filterwarnings("ignore:Only|The covariance:UserWarning")  # few images are quick
def test_distances_of_both_directions_choose_the_best(tmp_path):
    out = tmp_path / "run"
    options = {
        "source": ["textures:grass:test", "textures:brick:test"],
        "extractor": "lenet_mnist",
        "real_count": 60,
        "settings": {"kid": {"subsets": 2, "subset_size": 30}},
        "cache": False,
    }
    scoring = {
        "training.evaluate_every": 1,
        "training.evaluate_metrics": ["fid", "kid"],
        "training.evaluate_options": options,
        "training.evaluate_best": "kernel_lenet_mnist_ba",
    }
    model = train("cyclegan_textures", out=out, steps=3, overrides=TINY | scoring, progress=False)
    found = evaluate(model, tuple(options.pop("source")), ["fid", "kid"], **options)
    lines = [line for line in read_log(out / "metrics.jsonl") if "best" in line]
    assert [line["step"] for line in lines] == [1, 2, 3]
    names = [f"{kind}_lenet_mnist_{way}" for way in ("ab", "ba") for kind in ("frechet", "kernel")]
    assert list(found) == names
    for name in names:
        assert lines[-1][name] == pytest.approx(found[name]["value"], rel=1e-3)
    assert len({round(lines[-1][name], 6) for name in names}) == 4, "each direction has its own"
    best = min(line["kernel_lenet_mnist_ba"] for line in lines)
    assert lines[-1]["best"] == pytest.approx(best)
    step = next(line["step"] for line in lines if line["kernel_lenet_mnist_ba"] == best)
    card = (out / "best" / "README.md").read_text()
    assert f"by kernel_lenet_mnist_ba, {best:.4g}, at step {step}." in card


def cycle_scores(model, source):
    return evaluate(model, source, ["cycle_psnr", "identity_error"], progress=False)


@pytest.mark.parametrize(
    ("overrides", "expected"),
    [
        (None, None),
        ({"training.evaluate_options.source": "mine:test"}, "mine:test"),
        ({"training.evaluate_options": {"source": "mine:test"}}, "mine:test"),
    ],
)
def test_other_data_is_not_scored_against_the_presets_own(overrides, expected):
    settings = settings_of("cyclegan_maps", data_source="mine", overrides=overrides)
    assert settings.training["evaluate_options"].get("source") == expected
    assert settings_of("cyclegan_maps").training["evaluate_options"]["source"] == MAPS_TEST


@pytest.mark.parametrize("part", ["", ":train"])
def test_a_folder_is_scored_on_its_own_test_split(tmp_path, part):
    for name in ("trainA", "trainB", "testA"):
        (tmp_path / name).mkdir()
    scored = {"training.evaluate_every": 5}
    with pytest.warns(UserWarning, match=f"scored on the images that it trains on: .*'{MAPS_TEST}"):
        settings_of("cyclegan_maps", data_source=f"{tmp_path}{part}", overrides=scored)
    with pytest.warns(UserWarning, match="scored on the images that it trains on"):
        settings_of("cyclegan_maps", data_source=("a", "b"), overrides=scored)
    (tmp_path / "testB").mkdir()
    for overrides in (None, scored):
        settings = settings_of(
            "cyclegan_maps", data_source=f"{tmp_path}{part}", overrides=overrides
        )
        assert settings.training["evaluate_options"] == {"source": f"{tmp_path}:test"}
    named = {"training.evaluate_options.source": "mine:test"}
    settings = settings_of("cyclegan_maps", data_source=str(tmp_path), overrides=named)
    assert settings.training["evaluate_options"] == {"source": "mine:test"}


def test_scores_of_the_presets_own_data_need_no_warning():
    settings = settings_of("cyclegan_maps", overrides={"training.evaluate_every": 5})
    assert settings.training["evaluate_options"]["source"] == MAPS_TEST
