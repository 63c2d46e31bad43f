"""Checkpoints of other libraries made into model folders: what the folder says of itself."""

import pathlib

import numpy as np
import pytest
import yaml

import ganzoo
from ganzoo import cards, porting, presets, storage
from ganzoo.errors import WeightsError
from ganzoo.importing import import_checkpoint
from ganzoo.porting import flatten, read_checkpoint, recognise
from tests.test_saving import tiny

FIXTURES = pathlib.Path(__file__).parent / "porting" / "fixtures"


def imported(run, tmp_path, name, preset, *options):
    """Imports on the command line; gives the lines, the card and the preset.yaml."""
    folder = tmp_path / "m"
    status, out, _ = run(
        *("import", FIXTURES / name, "--preset", preset, "--out", folder, *options)
    )
    assert status == 0
    settings = yaml.safe_load((folder / "preset.yaml").read_text())
    return out.splitlines(), (folder / "README.md").read_text(), settings


def test_data_and_card_have_the_size_that_the_tensors_have(run, tmp_path):
    lines, card, settings = imported(run, tmp_path, "dcgan64_generator.pth", "dcgan_mnist")
    assert settings["data"] == {"source": "tfds:mnist:train", "image_size": 64, "channels": 3}
    assert "| images | 64 × 64 × 3 |" in card
    assert "model.generate(16, seed=1)  # uint8 (16, 64, 64, 3)" in card
    assert "Trained networks: ema_generator, generator." in card
    assert "model.image_size is 64, as its tensors say" in lines
    assert not any("kernel_size" in line for line in lines), "the same as the preset's"
    assert ganzoo.load(tmp_path / "m").generate(2, seed=1).shape == (2, 64, 64, 3)


def test_a_card_follows_an_override_of_the_size(tmp_path):
    ganzoo.save(tiny("progan_mnist"), tmp_path / "m")
    assert "| images | 8 × 8 × 1 |" in (tmp_path / "m" / "README.md").read_text()


def test_an_import_is_not_called_the_presets_own_training(run, tmp_path):
    _, card, settings = imported(run, tmp_path, "dcgan28_both.pth", "dcgan_mnist")
    assert "weights" not in settings
    assert "Its weights were trained elsewhere, with settings of their own." in card
    for claim in ("Recipe", "| data |", "| batch size |", "| length |", "How it differs"):
        assert claim not in card
    assert "Trained networks" not in card
    ganzoo.save(ganzoo.load(tmp_path / "m"), tmp_path / "again")
    again = (tmp_path / "again" / "README.md").read_text()
    assert again.split("\n")[1:] == card.split("\n")[1:], "all but the name"
    notes = f"{cards.IMPORTED}x"
    for _ in range(2):
        notes = f"Trained further for 2 steps.{cards.FURTHER}{notes}"
        assert cards.trained_elsewhere(notes)
    assert not cards.trained_elsewhere("Not Imported from anywhere.")


def test_a_run_that_began_with_an_import_has_settings_of_its_own(run, tmp_path):
    _, _, settings = imported(run, tmp_path, "dcgan28_both.pth", "dcgan_mnist")
    shape = {f"model.{key}": value for key, value in settings["model"].items()}
    options = {"data_source": "mnist5k", "steps": 1, "out": tmp_path / "run"}
    options["overrides"] = shape | {"training.batch_size": 8}
    ganzoo.train("dcgan_mnist", weights=tmp_path / "m", **options)
    card = (tmp_path / "run" / "model" / "README.md").read_text()
    assert "| batch size | 8 |" in card
    assert "Trained for 1 step, on 8 images from" in card
    assert f"{cards.FURTHER}{cards.IMPORTED}" in card
    assert "trained elsewhere" not in card


def test_what_no_tensor_tells_is_the_layouts(run, tmp_path):
    lines, _, _ = imported(run, tmp_path, "dcgan28_both.pth", "dcgan_lsun_bedroom")
    told = [line for line in lines if line.endswith("as its tensors say")]
    given = [line for line in lines if line.endswith("as this layout has it")]
    assert "model.image_size is 28, as its tensors say" in told
    assert {line.split()[0] for line in given} == {
        "model.batch_norm_epsilon",
        "model.latent_distribution",
    }


def test_notes_end_in_one_stop(run, tmp_path):
    state = {"0.weight": (6, 3), "0.bias": (6,), "2.weight": (784, 6), "2.bias": (784,)}
    arrays = {name: np.ones(shape, "float32") for name, shape in state.items()}
    np.savez(tmp_path / "g.npz", **arrays)
    model, lines = import_checkpoint(tmp_path / "g.npz", "gan_mnist")
    assert "leaky ReLU in the discriminator." in lines[1]
    assert "leaky ReLU in the discriminator. model." in model.provenance
    assert ".." not in model.provenance
    assert "model.output_activation is 'tanh', as this layout has it" in lines


@pytest.mark.parametrize(
    ("preset", "data"),
    [
        ("gan_ring", {"source": "ring8"}),
        ("gan_mnist", {"source": "tfds:mnist:train[:50000]", "image_size": None, "channels": None}),
    ],
)
def test_points_have_no_side(tmp_path, preset, data):
    shapes = {"0.weight": (6, 2), "0.bias": (6,), "2.weight": (2, 6), "2.bias": (2,)}
    arrays = {name: np.ones(shape, "float32") for name, shape in shapes.items()}
    np.savez(tmp_path / "g.npz", **arrays)
    model, _ = import_checkpoint(tmp_path / "g.npz", preset)
    assert model.preset.data == data
    assert model.generate(3, seed=1).shape == (3, 2)


@pytest.mark.parametrize(
    ("preset", "sides", "last"),
    [
        ("progan_celeba128", [4, 8, 16, 32], {"fade_kimg": 800, "stabilize_kimg": 800}),
        ("progan_mnist", [4, 8, 16, 32], None),
    ],
)
def test_phases_are_cut_to_the_resolution(run, tmp_path, preset, sides, last):
    _, _, settings = imported(run, tmp_path, "progan32.pth", preset)
    assert [row["resolution"] for row in settings["phases"]] == sides
    assert last is None or settings["phases"][-1] == {"resolution": 32} | last
    assert settings["data"]["image_size"] == 32
    assert ganzoo.load(tmp_path / "m").schedule.stages[-1].resolution == 32


def test_phases_are_doubled_up_to_the_resolution():
    from ganzoo.importing import _phases_up_to

    rows = [
        {"resolution": 8, "stabilize_kimg": 1},
        {"resolution": 16, "fade_kimg": 2, "stabilize_kimg": 3, "batch_size": 4},
    ]
    assert _phases_up_to(64, rows) == [
        *rows,
        rows[1] | {"resolution": 32},
        rows[1] | {"resolution": 64},
    ]
    assert _phases_up_to(16, rows) == rows
    assert _phases_up_to(8, rows) == rows[:1]
    assert _phases_up_to(16, rows[:1])[-1] == {
        "resolution": 16,
        "stabilize_kimg": 1,
        "fade_kimg": 1,
    }
    assert _phases_up_to(4, rows) == [{"resolution": 4, "stabilize_kimg": 1}]


def test_a_saved_folder_does_not_claim_published_weights(tmp_path):
    model = ganzoo.load("gan_ring")
    assert model.preset.weights
    ganzoo.save(model, tmp_path / "m")
    assert ganzoo.load(tmp_path / "m").preset.weights == []


def test_one_trained_direction_is_shown_on_examples(tmp_path):
    model = tiny("cyclegan_textures")
    storage.write_weights(tmp_path / "ba.h5", {"generator_ba": model.generator_ba})
    settings = {"model.base_filters": 2, "model.residual_blocks": 1}
    half = ganzoo.load("cyclegan_textures", weights=tmp_path / "ba.h5", **settings)
    random = np.random.default_rng(0)
    examples = tuple(random.uniform(-1, 1, (2, 32, 32, 1)).astype("float32") for _ in "ab")
    ganzoo.save(half, tmp_path / "ba", examples=examples)
    from PIL import Image

    with Image.open(tmp_path / "ba" / "samples.png") as picture:
        grid = np.asarray(picture).astype(int)
    assert grid.shape == (66, 66)
    for row, real in enumerate(examples[1]):
        shown = grid[34 * row : 34 * row + 32]
        made = np.asarray(half.translate(real, "ba"))
        for place, floats in ((shown[:, :32], real), (shown[:, 34:], made)):
            np.testing.assert_allclose(place, np.clip((floats[..., 0] + 1) * 127.5, 0, 255), atol=1)


def test_a_generator_that_was_not_trained_is_not_shown(run, tmp_path):
    imported(run, tmp_path, "dcgan64_discriminator.pth", "dcgan_mnist")
    assert not (tmp_path / "m" / "samples.png").exists()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda a: np.where(a == a.max(), np.nan, a), r"not finite: main\.3\.weight"),
        (lambda a: a.astype("complex64"), r"no floats: main\.3\.weight complex64"),
        (lambda a: a.astype("U4"), r"no floats: main\.3\.weight <U4"),
        (lambda a: a.astype("float64") * 1e300, r"not finite: main\.3\.weight"),
    ],
)
def test_tensors_that_are_no_weights_are_refused(tmp_path, change, message):
    state = flatten(read_checkpoint(FIXTURES / "dcgan64_generator.pth"))
    np.savez(tmp_path / "g.npz", **state | {"main.3.weight": change(state["main.3.weight"])})
    with pytest.raises(WeightsError, match=rf"does not fit it: {message}\. Bring the file"):
        import_checkpoint(tmp_path / "g.npz", "dcgan_mnist")


def test_latents_without_length_are_refused(tmp_path):
    state = flatten(read_checkpoint(FIXTURES / "dcgan64_generator.pth"))
    np.savez(tmp_path / "g.npz", **state | {"main.0.weight": state["main.0.weight"][:0]})
    with pytest.raises(WeightsError, match=r"empty: main\.0\.weight \(0, "):
        import_checkpoint(tmp_path / "g.npz", "dcgan_mnist")


@pytest.mark.parametrize(
    ("names", "note"),
    [
        (["netG", "netG_ema"], "Left out: ema_generator, as the preset keeps no average"),
        (["netG_ema"], "generator: filled with ema_generator, as the preset keeps no average"),
    ],
)
def test_an_average_that_the_preset_does_not_keep(tmp_path, monkeypatch, names, note):
    state = read_checkpoint(FIXTURES / "dcgan64_generator.pth")
    twice = {**state, "main.0.weight": 2 * state["main.0.weight"]}
    content = {name: twice if name == "netG" else state for name in names}
    (tmp_path / "g.pth").touch()
    monkeypatch.setattr(porting, "read_checkpoint", lambda path: content)
    model, lines = import_checkpoint(tmp_path / "g.pth", "dcgan_celeba64")
    assert note in lines
    assert note in model.provenance
    assert model.trained == {"generator"}
    expected = recognise({"netG": content[names[0]]}).networks["generator"]["project/kernel"]
    kernel = storage.named_variables(model.generator)["project/kernel"]
    np.testing.assert_array_equal(kernel, expected)


def test_names_in_a_file_do_not_write_the_card(tmp_path):
    state = flatten(read_checkpoint(FIXTURES / "dcgan64_generator.pth"))
    other = {"fc.weight": np.ones((3, 2), "float32")}
    evil = {"x\x1b[31m\n\nLicence: CC0.\n": other}
    recognised = recognise({"netG": state, "beside": evil})
    notes = f"{cards.IMPORTED}`g.pth`. {' '.join(recognised.notes)}"
    settings = presets.read_preset("dcgan_mnist")
    card = cards.folder_card(settings, {"generator": 1}, notes=notes, licence="MIT")
    assert cards.read_card(card) == (notes, "MIT")


def test_a_direction_is_for_networks_that_translate(fails, tmp_path):
    message = fails(
        *("import", FIXTURES / "dcgan64_generator.pth", "--preset", "dcgan_mnist"),
        *("--direction", "ab", "--out", tmp_path / "m"),
    )
    assert "direction is 'ab', and " in message
    assert message.endswith(
        "of the family 'dcgan', which translate nothing. Leave the direction out."
    )
    assert not (tmp_path / "m").exists()
