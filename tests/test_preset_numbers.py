"""The numbers of the presets, in their files, against those of the papers and the authors' code.

Each table says where its numbers were read. A preset that differs on purpose, because it is
meant for a CPU, has a table of its own that says in what.
"""

import functools
import importlib
import inspect
import pathlib

import pytest
import yaml

from ganzoo import presets
from ganzoo.models import dcgan, gan, progan
from ganzoo.optimizers import AnnealedSGD

FOLDER = pathlib.Path(presets.__file__).parents[1] / "zoo_configs"


@functools.cache
def content(name):
    return yaml.safe_load((FOLDER / f"{name}.yaml").read_text(encoding="utf-8"))


def differences(name, expected):
    """Gives what a preset's file says in place of the expected, by dotted key."""
    found = {}
    for key, value in expected.items():
        place = content(name)
        for part in key.split("."):
            place = place.get(part) if isinstance(place, dict) else None
        if place != value or isinstance(place, bool) != isinstance(value, bool):
            found[key] = place
    return found


def both_optimizers(class_name="Adam", **config):
    """Expects one setting of Adam, or another, for the generator and for the discriminator."""
    return {
        f"optimizers.{role}_optimizer.{key}": value
        for role in ("generator", "discriminator")
        for key, value in {
            "class_name": class_name,
            **{f"config.{name}": value for name, value in config.items()},
        }.items()
    }


def linear_decay(constant_epochs, fall):
    prefix = "learning_rate.config"
    return both_optimizers(
        **{
            f"{prefix}.initial_learning_rate": 2e-4,
            f"{prefix}.constant_epochs": constant_epochs,
            f"{prefix}.fall": fall,
            f"{prefix}.steps_per_epoch": None,
            "learning_rate.class_name": "ganzoo>LinearDecay",
            "beta_1": 0.5,
            "epsilon": 1e-8,
        }
    )


# --- the vanilla GAN --------------------------------------------------------------------------

# goodfeli/adversarial @1720041: what mnist.yaml and cifar10_fully_connected.yaml agree on, the
# loss and the simultaneous updates in __init__.py. What they include of a layer's inputs, .8 and
# .5, is what dropout keeps.
VANILLA = {
    "recipe": "official",
    "model.latent_dim": 100,
    "model.generator_scale": 0.05,
    "model.discriminator_activation": "maxout",
    "model.maxout_pieces": 5,
    "model.discriminator_scale": 0.005,
    "model.input_dropout": 0.2,
    "model.hidden_dropout": 0.5,
    "training.batch_size": 100,
    "training.loss": "non_saturating",
    "training.update_order": "simultaneous",
}
# mnist.yaml; 50,000 images are 500 updates of an epoch by which the momentum rises.
DIGITS = (
    VANILLA
    | both_optimizers(
        "AnnealedSGD",
        learning_rate=0.1,
        momentum=0.5,
        final_momentum=0.7,
        saturation_epoch=250,
        updates_per_epoch=500,
        decay_factor=1.00003,  # ours
        min_learning_rate=1e-6,
    )
    | {
        "model.image_shape": [28, 28, 1],
        "model.latent_distribution": "uniform",
        "model.latent_bound": 1.7320508,
        "model.generator_units": [1200, 1200],
        "model.generator_activations": ["relu", "relu"],
        "model.output_activation": "sigmoid",
        "model.generator_output_scale": None,
        "model.discriminator_units": [240, 240],
        "model.ema_half_life": 2_000_000,  # ours
        "training.steps": 45_000,  # ours: the authors name no end
    }
)
# cifar10_fully_connected.yaml; the noise is Gaussian by default, __init__.py:143.
OBJECTS = (
    VANILLA
    | both_optimizers("AnnealedSGD", learning_rate=0.025, updates_per_epoch=500)
    | {
        "model.image_shape": [32, 32, 3],
        "model.latent_distribution": "normal",
        "model.generator_units": [8000, 8000],
        "model.generator_activations": ["relu", "sigmoid"],
        "model.output_activation": "linear",
        "model.generator_output_scale": 0.5,
        "model.discriminator_units": [1600, 1600],
        "model.ema_half_life": None,
        "training.epochs": 250,  # ours
    }
)
# Points in the plane are nobody's recipe but ours.
POINTS = both_optimizers(learning_rate=1e-3, beta_1=0.5) | {
    "recipe": "common",
    "model.image_shape": [2],
    "training.batch_size": 256,
    "training.update_order": "alternating",
    "training.discriminator_loss_weight": 1.0,
}
TABLES = {f"gan_{name}": DIGITS for name in ("mnist", "fashion_mnist", "notmnist")}
TABLES |= {"gan_cifar10": OBJECTS, "gan_ring": POINTS, "gan_grid25": POINTS}

# --- DCGAN ------------------------------------------------------------------------------------

# Radford et al. 2016, section 4: batches of 128, Adam of 2e-4 and 0.5. soumith/dcgan.torch
# @6eaac63, main.lua:5-106: 64 filters, 4×4 kernels, normal latents, no dense layers.
FOLKLORE = both_optimizers(learning_rate=2e-4, beta_1=0.5) | {
    "recipe": "common",
    "model.latent_dim": 100,
    "model.latent_distribution": None,  # `build` has normal ones
    "model.base_filters": 64,
    "model.kernel_size": None,  # `build` has 4
    "model.dense_ends": None,  # `build` has none
    "training.batch_size": 128,
    "training.loss": "non_saturating",
    "training.update_order": "discriminator_first",
}
for _name, _side, _channels in (
    *(("mnist", 28, 1), ("fashion_mnist", 28, 1), ("notmnist", 28, 1)),
    *(("cifar10", 32, 3), ("svhn", 32, 3), ("celeba64", 64, 3)),
):
    TABLES[f"dcgan_{_name}"] = FOLKLORE | {
        "model.image_size": _side,
        "model.channels": _channels,
        "data.image_size": _side,
        "data.channels": _channels,
    }
# Newmu/dcgan_code @ee12b2d, faces/train_uncond_dcgan.py:37,79-124,144,202-206 and
# lib/updates.py:142-168.
TABLES["dcgan_lsun_bedroom"] = both_optimizers(
    learning_rate=2e-4, beta_1=0.5, beta_2=0.999, epsilon=1e-8
) | {
    "recipe": "official",
    "model.image_size": 64,
    "model.latent_dim": 100,
    "model.latent_distribution": "uniform",
    "model.latent_bound": 1.0,
    "model.base_filters": 128,
    "model.kernel_size": 5,
    "model.dense_ends": True,
    "model.batch_norm_epsilon": 1e-8,
    "training.batch_size": 128,
    "training.update_order": "generator_first",
    "training.l2_weight": 1e-5,
}

# --- CycleGAN ---------------------------------------------------------------------------------

# Zhu et al. 2017, section 4 and appendix 7.1, and what both of the authors' programs agree on.
CYCLEGAN = {
    "model.channels": 3,
    "model.base_filters": 64,
    "model.discriminator_filters": 64,
    "training.batch_size": 1,
    "training.epochs": 200,
    "training.loss": "least_squares",
    "training.cycle_weight_a": 10.0,
    "training.cycle_weight_b": 10.0,
    "training.discriminator_loss_weight": 0.5,
    "training.pool_size": 50,
    "training.evaluate_metrics": ["cycle_psnr", "identity_error"],
    "data.resize": "load_crop",
    "data.flip": True,
}
# junyanz/pytorch-CycleGAN-and-pix2pix @2a7afba: options/base_options.py:33,45-46,
# options/train_options.py, models/cycle_gan_model.py:96-97, models/networks.py:59.
OFFICIAL = (
    CYCLEGAN
    | linear_decay(constant_epochs=100, fall=101)
    | {
        "recipe": "official",
        "training.update_order": "joint",
        "training.identity_weight": 0.5,
    }
)
AT_256 = {"model.residual_blocks": 9, "data.image_size": 256, "data.load_size": 286}
# junyanz/CycleGAN @40b4498: options.lua:10-11,40, models/cycle_gan_model.lua:137,230-240,289-293,
# models/architectures.lua, util/image_pool.lua; the identity loss is the paper's section 5.2.
AT_128 = {"model.residual_blocks": 6, "data.image_size": 128, "data.load_size": 143}
PAPER = (
    CYCLEGAN
    | linear_decay(constant_epochs=101, fall=100)
    | {
        "recipe": "paper",
        "model.affine": True,
        "model.discriminator_padding": 2,
        "training.update_order": "alternating",
        "training.identity_weight": 0.0,
        "training.pool_whole_batches": True,
        "training.zero_biases": True,
    }
)
OFFICIAL_NAMES = (
    "apple2orange",
    "cezanne2photo",
    "facades",
    "horse2zebra",
    "iphone2dslr_flower",
    "maps",
    "monet2photo",
    "summer2winter_yosemite",
    "ukiyoe2photo",
    "vangogh2photo",
)
TABLES |= {f"cyclegan_{name}": OFFICIAL | AT_256 for name in OFFICIAL_NAMES}
for _name in OFFICIAL_NAMES:
    TABLES[f"cyclegan_{_name}"] |= {
        "data.source": f"tfds:cycle_gan/{_name}",
        "training.evaluate_options.source": f"tfds:cycle_gan/{_name}:test",
    }
TABLES["cyclegan_cityscapes"] = PAPER | AT_128
TABLES["cyclegan_horse2zebra128"] = (
    OFFICIAL
    | AT_128
    | {
        "model.base_filters": 32,
        "training.evaluate_options.source": "tfds:cycle_gan/horse2zebra:test",
    }
)
TABLES["cyclegan_textures"] = (
    OFFICIAL
    | linear_decay(constant_epochs=5, fall=6)
    | {
        "model.channels": 1,
        "model.base_filters": 32,
        "model.discriminator_filters": 32,
        "model.residual_blocks": 6,
        "training.epochs": 10,
        "training.evaluate_options.source": ["textures:grass:test", "textures:brick:test"],
        "data.image_size": 64,
        "data.resize": None,
    }
)

# --- the progressive GAN ----------------------------------------------------------------------

# Karras et al. 2018, appendix A.1, and what both of the authors' programs agree on:
# tkarras/progressive_growing_of_gans @2504c3f, config.py:45-46, loss.py:43-71, train.py:134.
PROGAN = both_optimizers(learning_rate=1e-3, beta_1=0.0, beta_2=0.99, epsilon=1e-8) | {
    "model.ema_decay": 0.999,
    "training.gradient_penalty_weight": None,  # `compile` has 10, the target 1 and the drift 1e-3
    "training.drift_weight": None,
    "training.gradient_norm_target": None,
    # `compile` takes the norm at the full side: train.py, "UpscaleLOD", and networks.py enlarge
    # images of all resolutions to it, and there loss.py differentiates.
    "training.gradient_norm_at": None,
    "training.update_order": None,
    "training.rampup_kimg": None,
}
FULL_WIDTH = {"model.latent_dim": 512, "model.max_filters": 512}
# The preset v2-1gpu, config.py:100 and networks.py:127-139 of the TensorFlow code.
V2 = PROGAN | FULL_WIDTH | {"recipe": "official", "model.group_size": 4, "training.batch_size": 128}
V2_BATCHES = {4: 128, 8: 128, 16: 128, 32: 64, 64: 32, 128: 16, 256: 8, 512: 4, 1024: 4}
# The branch original-theano-version, config.py and network.py:323-328: statistics of the whole
# minibatch, batches of 16 where its table says nothing else.
THEANO = PROGAN | {"recipe": "paper", "model.group_size": None, "training.batch_size": 16}
# Section 6.3, "High-resolution image generation using CelebA-HQ"; README: 800 + 800, 19,000.
TABLES["progan_celebahq1024"] = THEANO | FULL_WIDTH | {"training.rampup_kimg": 40}
# Section 6.4.1, "LSUN categories": minibatch_overrides {}, fmap_base 4096.
LSUN = THEANO | FULL_WIDTH | {"training.rampup_kimg": 40}
TABLES["progan_lsun_bedroom256"] = LSUN | {"data.flip": False}
TABLES["progan_lsun_church256"] = LSUN | {"data.flip": True}
TABLES["progan_lsun_horse256"] = LSUN | {"data.flip": True}
# Section 6.1, "Image quality with standard datasets": rampup_kimg 0, fmap_base 2048.
TABLES["progan_celeba128"] = THEANO | FULL_WIDTH | {"data.flip": True}
# Section 6.4.2, "CIFAR10 inception scores", config.py:171-178: rampup_kimg 0, iwass_target 750,
# separate_funcs False.
TABLES["progan_cifar10"] = THEANO | {
    "model.latent_dim": 128,
    "model.max_filters": 128,
    "training.gradient_norm_target": 750.0,
    "training.update_order": "simultaneous",
    "data.flip": None,
}
for _name in ("celebahq128", "celebahq256", "celebahq512", "dtd128", "ffhq1024"):
    TABLES[f"progan_{_name}"] = V2 | {"data.flip": True}
NARROW = {
    "recipe": "official",
    "model.group_size": 4,
    "training.batch_size": 16,
}
TABLES["progan_celeba64"] = PROGAN | NARROW | {"model.latent_dim": 128, "model.max_filters": 128}
TABLES["progan_mnist"] = PROGAN | NARROW | {"model.latent_dim": 64, "model.max_filters": 64}

# For each: thousands of images of a fade-in and of a stabilisation, and of all; `fmap_base`;
# batch sizes that differ from `training.batch_size`; rates that differ from 1e-3.
GROWTH = {
    "progan_celebahq1024": (800, 19_000, 8192, {256: 14, 512: 6, 1024: 3}, {}),
    "progan_lsun_bedroom256": (800, 20_000, 4096, {}, {}),
    "progan_lsun_church256": (800, 20_000, 4096, {}, {}),
    "progan_lsun_horse256": (800, 20_000, 4096, {}, {}),
    "progan_celeba128": (800, 10_000, 2048, {}, {}),
    "progan_cifar10": (400, 20_000, 4096, {}, {}),
    "progan_celebahq128": (600, 12_000, 8192, V2_BATCHES, {}),
    "progan_celebahq256": (600, 12_000, 8192, V2_BATCHES, {}),
    "progan_celebahq512": (600, 12_000, 8192, V2_BATCHES, {}),
    "progan_dtd128": (600, 12_000, 8192, V2_BATCHES, {}),
    "progan_ffhq1024": (600, 12_000, 8192, V2_BATCHES, {1024: 1.5e-3}),
}
FOR_A_CPU = {"progan_celeba64": 910, "progan_mnist": 160}  # thousands of images

# --- other families ---------------------------------------------------------------------------


def other_tables():
    """Gives the tables of the families without one above: `NUMBERS` of their test files."""
    above = {content(name)["family"] for name in TABLES}
    families = {content(name)["family"] for name in presets.preset_names()} - above
    tests = [importlib.import_module(f"tests.models.test_{family}") for family in families]
    tables = [getattr(module, "NUMBERS", {}) for module in tests]
    return {name: numbers for table in tables for name, numbers in table.items()}


OTHER_TABLES = other_tables()


def test_no_preset_is_left_out():
    names = set(presets.preset_names())
    wanted = "other families have theirs in NUMBERS of tests/models/test_<family>.py"
    assert names == TABLES.keys() | OTHER_TABLES.keys(), wanted
    assert {name for name in names if name.startswith("progan_")} == GROWTH.keys() | FOR_A_CPU


@pytest.mark.parametrize("name", [*TABLES, *OTHER_TABLES])
def test_numbers_are_those_of_their_source(name):
    table = (OTHER_TABLES | TABLES)[name]
    assert table, "a table of nothing"
    assert differences(name, table) == {}


@pytest.mark.parametrize("name", ["gan_fashion_mnist", "gan_notmnist"])
def test_settings_that_are_said_to_be_those_of_gan_mnist_are(name):
    assert "with the settings of gan_mnist" in presets.read_preset(name).summary
    for section in ("model", "parameters", "optimizers", "training"):
        assert content(name)[section] == content("gan_mnist")[section]


@pytest.mark.parametrize("name", GROWTH)
def test_phases_are_those_of_their_source(name):
    length, total, fmap_base, batches, rates = GROWTH[name]
    preset = content(name)
    rows, side = preset["phases"], preset["model"]["image_size"]
    assert [row["resolution"] for row in rows] == [2**power for power in range(2, 11)][: len(rows)]
    assert rows[-1]["resolution"] == side
    assert [row.get("fade_kimg", 0) for row in rows] == [0] + [length] * (len(rows) - 1)
    assert [row["stabilize_kimg"] for row in rows[:-1]] == [length] * (len(rows) - 1)
    assert sum(row.get("fade_kimg", 0) + row["stabilize_kimg"] for row in rows) == total
    found = {row["resolution"]: row["batch_size"] for row in rows if "batch_size" in row}
    assert found == {key: size for key, size in batches.items() if key <= side}
    found = {row["resolution"]: row["learning_rate"] for row in rows if "learning_rate" in row}
    assert found == rates
    # nf(s) = min(fmap_base / 2^s, fmap_max), and the full side has s = log2(side) - 1.
    width = min(2 * fmap_base // side, preset["model"]["max_filters"])
    assert preset["model"]["base_filters"] == width


@pytest.mark.parametrize("name", FOR_A_CPU)
def test_phases_for_a_cpu_are_as_long_as_their_file_says(name):
    rows = content(name)["phases"]
    total = sum(row.get("fade_kimg", 0) + row["stabilize_kimg"] for row in rows)
    assert total == FOR_A_CPU[name]
    assert f"{total} thousand images" in presets.read_preset(name).summary


def defaults_of(function):
    parameters = inspect.signature(function).parameters
    return {name: parameter.default for name, parameter in parameters.items()}


def test_the_defaults_that_the_files_leave_out_are_the_authors():
    expected = {
        "momentum": 0.5,
        "final_momentum": 0.7,
        "saturation_epoch": 250,
        "decay_factor": 1.000004,
        "min_learning_rate": 1e-6,
    }
    assert expected.items() <= defaults_of(AnnealedSGD).items()
    assert defaults_of(gan.MODEL.compile)["discriminator_loss_weight"] == 0.5
    expected = {"latent_distribution": "normal", "kernel_size": 4, "dense_ends": False}
    assert expected.items() <= defaults_of(dcgan.build).items()


def test_the_defaults_that_the_files_leave_out_are_the_papers():
    defaults = defaults_of(progan.MODEL.compile)
    assert defaults["gradient_penalty_weight"] == 10.0
    assert defaults["gradient_norm_target"] == 1.0
    assert defaults["drift_weight"] == 1e-3
    assert defaults["rampup_kimg"] == 0
    assert defaults["update_order"] == "alternating"


def test_adams_of_another_form_are_named():
    """Newmu's code and PyTorch add epsilon to the corrected root, TensorFlow and Lua as Keras."""
    for name in TABLES:
        preset = presets.read_preset(name)
        theirs = preset.family == "dcgan" or (preset.family, preset.recipe) == (
            "cyclegan",
            "official",
        )
        named = any(item["what"].startswith("epsilon of Adam is") for item in preset.deviations)
        assert named == theirs, name


def test_when_the_average_of_a_progressive_gan_follows_is_named():
    """Both of the authors' programs average weights that are a step old: TF, train.py:229, and
    Theano, train.py, where one function updates G and Gs."""
    for name in presets.preset_names():
        preset = presets.read_preset(name)
        whats = [item["what"] for item in preset.deviations]
        named = "the averaged generator follows after each step of G" in whats
        assert named == (preset.family == "progan"), name
