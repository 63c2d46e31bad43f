"""Model folders: the card, weights in 16 bits, and what is told of the difference."""

import json
import pathlib

import keras
import numpy as np
import pytest
from PIL import Image

import ganzoo
from ganzoo import cards, presets, saving, storage
from ganzoo.errors import GanzooError, WeightsError
from ganzoo.randomness import seed_key
from ganzoo.scores import read_scores

TINY = {
    "dcgan_mnist": {"model.base_filters": 2, "model.latent_dim": 4},
    "gan_ring": {"model.generator_units": [8, 8], "model.discriminator_units": [8, 8]},
    "progan_mnist": {"model.image_size": 8, "model.max_filters": 4, "phases": None},
    "cyclegan_textures": {"model.base_filters": 2, "model.residual_blocks": 1},
}


def tiny(name, seed=0):
    """A small model whose biases count too."""
    keras.utils.set_random_seed(seed)
    model = ganzoo.load(name, weights=False, **TINY[name])
    random = np.random.default_rng(seed)
    for network in model.networks.values():
        for weight in network.trainable_variables:
            weight.assign(weight + random.normal(0, 0.05, weight.shape))
    return model


def outputs(model):
    """What a model makes, as floats in grey levels, or in units for points."""
    if hasattr(model, "translate"):
        coarse = np.random.default_rng(0).uniform(-1, 1, (2, 16, 16, 1))
        squares = np.kron(coarse, np.ones((1, 4, 4, 1))).astype("float32")
        made = [np.asarray(model.generator_ab(squares)), np.asarray(model.generator_ba(squares))]
    else:
        made = [np.asarray(model(model.draw_latents(16, seed_key(0))))]
    values = np.stack(made).astype("float64")
    return values if made[0].ndim == 2 else 127.5 * (np.clip(values, -1, 1) + 1)


@pytest.mark.parametrize("name", TINY)
def test_weights_in_16_bits_say_what_they_change(name, tmp_path):
    model = tiny(name)
    before = outputs(model)
    rounding = ganzoo.save(model, tmp_path / "half", half=True)
    np.testing.assert_array_equal(outputs(model), before, err_msg="the model itself changed")
    loaded = ganzoo.load(tmp_path / "half")
    difference = np.abs(outputs(loaded) - before)
    assert rounding.largest == pytest.approx(difference.max(), rel=1e-6)
    assert rounding.mean == pytest.approx(difference.mean(), rel=1e-6)
    assert 0 < rounding.mean < rounding.largest < 5
    assert rounding.unit == ("units" if name == "gan_ring" else "grey levels of 255")
    assert str(rounding) in (tmp_path / "half" / "README.md").read_text()
    for network, part in loaded.networks.items():
        for key, variable in storage.named_variables(part).items():
            wanted = storage.to_array(storage.named_variables(model.networks[network])[key])
            if wanted.dtype.kind == "f":
                wanted = wanted.astype("float16").astype("float32")
            np.testing.assert_array_equal(storage.to_array(variable), wanted, err_msg=key)


def test_the_sentence_of_the_difference():
    rounding = saving.Rounding(0.8125, 0.04567, "grey levels of 255", "16 samples, seed 0")
    assert str(rounding) == (
        "Stored in 16 bits, which changes the output by at most 0.812 grey levels of 255, 0.046 "
        "on average (16 samples, seed 0)."
    )


def test_whole_weights_say_nothing_of_a_difference(tmp_path):
    assert ganzoo.save(tiny("dcgan_mnist"), tmp_path / "whole") is None
    assert "16 bits" not in (tmp_path / "whole" / "README.md").read_text()


def test_a_tampered_folder_of_16_bits_is_refused(tmp_path):
    ganzoo.save(tiny("dcgan_mnist"), tmp_path / "half", half=True)
    file = tmp_path / "half" / "model.weights.h5"
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    file.write_bytes(content)
    with pytest.raises(WeightsError, match=r"is damaged: model.weights.h5 is absent or not as"):
        ganzoo.load(tmp_path / "half")


def test_weights_too_large_for_16_bits_are_refused(tmp_path):
    model = tiny("dcgan_mnist")
    bias = next(weight for weight in model.generator.variables if weight.name == "beta")
    bias.assign(np.full(bias.shape, 70_000.0))
    message = r"generator/.*beta holds 7e\+04, and the largest number of 16 bits is 65504\. Save "
    with pytest.raises(WeightsError, match=message):
        ganzoo.save(model, tmp_path / "half", half=True)
    assert list(tmp_path.iterdir()) == []
    ganzoo.save(model, tmp_path / "whole")


def test_only_a_model_folder_is_replaced(tmp_path):
    model, folder = tiny("dcgan_mnist"), tmp_path / "runs"
    ganzoo.save(model, folder, notes="Old.")
    ganzoo.save(model, folder, notes="New.")
    assert "New." in (folder / "README.md").read_text()
    (folder / "checkpoints").mkdir()
    (folder / "checkpoints" / "step-1").write_text("precious")
    kept = sorted(folder.rglob("*"))
    with pytest.raises(GanzooError, match=r"runs exists and holds other things, such as checkp"):
        ganzoo.save(model, folder, half=True)
    assert sorted(folder.rglob("*")) == kept
    (tmp_path / "project").mkdir()
    (tmp_path / "project" / "README.md").write_text("not a model's")
    with pytest.raises(GanzooError, match=r"project exists and holds other things\. Name a new"):
        ganzoo.save(model, tmp_path / "project")
    (tmp_path / "project" / "preset.yaml").write_text("a recipe that trains for weeks")
    with pytest.raises(GanzooError, match=r"project exists and holds other things\. Name a new"):
        ganzoo.save(model, tmp_path / "project")
    assert len(list((tmp_path / "project").iterdir())) == 2


# --- cards ------------------------------------------------------------------------------------


SCORE = {
    "metric": "fid",
    "value": 12.3456,
    "std": 0.25,
    "repeats": 3,
    "seed": 7,
    "extractor": {"name": "inception", "sha256": "ab" * 32},
    "resizer": "clean",
    "real": {"source": "mnist5k", "split": "all", "images": 5000},
    "fake": {"images": 2000, "truncation": 0.7},
}


def test_the_card_of_a_folder(tmp_path):
    model = tiny("dcgan_mnist")
    ganzoo.save(
        model, tmp_path / "m", notes="Trained on nothing.", licence="MIT", scores={"fid": SCORE}
    )
    card = (tmp_path / "m" / "README.md").read_text()
    counts = [net.count_params() for net in (model.generator, model.discriminator)]
    for line in (
        "# dcgan_mnist",
        "![what it makes, not chosen](samples.png)",
        "Recipe `common`: the settings that people know by this name.",
        f"| parameters | generator {counts[0]:,}, discriminator {counts[1]:,} |",
        "| data | `tfds:mnist:train`; a data set has terms of its own |",
        "| images | 28 × 28 × 1 |",
        "| length | 32 epochs |",
        "| seed | 0 |",
        "Trained on nothing.",
        "Licence: MIT.",
        "| fid | 12.35 ± 0.25 | inception (sha256 abababababab), resizer clean, 5,000 real images, "
        "`mnist5k`, split all, 2,000 made, truncation 0.7, seed 7, 3 draw(s) |",
        "## How it differs from the paper and the official code",
        'model = ganzoo.load("path/to/this/folder")',
        "model.generate(16, seed=1)  # uint8 (16, 28, 28, 1)",
    ):
        assert line in card.splitlines(), line
    usage = card.partition("```python\n")[2].partition("```")[0].splitlines()
    assert len(usage) == 3
    code = "\n".join(usage).replace("path/to/this/folder", str(tmp_path / "m"))
    exec(compile(code, "card", "exec"), {})


def test_a_fit_is_not_taken_for_the_presets_recipe(tmp_path):
    model = tiny("dcgan_mnist")
    model.fit(np.zeros((8, 28, 28, 1), "float32"), batch_size=4, epochs=1, verbose=0)
    ganzoo.save(model, tmp_path / "a")
    ganzoo.save(model, tmp_path / "b", notes="Black pictures.")
    ganzoo.save(ganzoo.load(tmp_path / "a"), tmp_path / "c")
    for folder, wanted in (
        ("a", "Trained by fit for 2 steps, on data that is not recorded."),
        ("b", "Black pictures."),
        ("c", "Trained by fit for 2 steps, on data that is not recorded."),
    ):
        card = (tmp_path / folder / "README.md").read_text()
        assert wanted in card.splitlines()
        assert "| images | 28 × 28 × 1 |" in card
        for claim in ("| data |", "| batch size |", "| length |", "| seed |"):
            assert claim not in card, folder


def test_notes_and_licence_are_handed_on(tmp_path):
    ganzoo.save(tiny("dcgan_mnist"), tmp_path / "a", notes="From\n\nafar.", licence="CC0-1.0")
    ganzoo.save(ganzoo.load(tmp_path / "a"), tmp_path / "b", half=True)
    assert cards.read_card((tmp_path / "b" / "README.md").read_text()) == (
        "From\n\nafar.",
        "CC0-1.0",
    )
    model = ganzoo.load(tmp_path / "b")
    model.fit(np.zeros((8, 28, 28, 1), "float32"), batch_size=4, epochs=1, verbose=0)
    ganzoo.save(model, tmp_path / "c")
    notes, licence = cards.read_card((tmp_path / "c" / "README.md").read_text())
    assert (
        notes
        == "Trained further for 2 steps, on data that is not recorded. Before that: From\n\nafar."
    )
    assert "| precision |" not in (tmp_path / "c" / "README.md").read_text()
    model = ganzoo.load(tmp_path / "b")
    model.fit(np.zeros((4, 28, 28, 1), "float32"), batch_size=4, epochs=1, verbose=0)
    ganzoo.save(model, tmp_path / "c")
    notes, _ = cards.read_card((tmp_path / "c" / "README.md").read_text())
    assert notes.startswith("Trained further for 1 step, on data that is not recorded. Before")
    assert licence == "CC0-1.0"
    file = "model.weights.h5"
    for source, wanted in (
        (tmp_path / "a", ("From\n\nafar.", "CC0-1.0")),
        (tmp_path / "a" / file, (f"From the file `{file}`.", "")),
    ):
        loaded = ganzoo.load("dcgan_mnist", weights=source, **TINY["dcgan_mnist"])
        ganzoo.save(loaded, tmp_path / "d")
        assert cards.read_card((tmp_path / "d" / "README.md").read_text()) == wanted
    ganzoo.save(tiny("dcgan_mnist"), tmp_path / "e")
    assert cards.read_card((tmp_path / "e" / "README.md").read_text()) == ("", "")
    assert cards.read_card("# Something else") == ("", "")


def test_a_translator_is_shown_on_examples_and_used_in_its_direction(tmp_path):
    model = tiny("cyclegan_textures")
    ganzoo.save(model, tmp_path / "plain")
    assert not (tmp_path / "plain" / "samples.png").exists()
    examples = (np.zeros((1, 32, 32, 1), "float32"),) * 2
    ganzoo.save(model, tmp_path / "shown", examples=examples)
    assert (tmp_path / "shown" / "samples.png").is_file()
    storage.write_weights(tmp_path / "ba.h5", {"generator_ba": model.generator_ba})
    half = ganzoo.load("cyclegan_textures", weights=tmp_path / "ba.h5", **TINY["cyclegan_textures"])
    ganzoo.save(half, tmp_path / "ba", examples=examples)
    card = (tmp_path / "ba" / "README.md").read_text()
    assert "Trained networks: generator_ba." in card
    assert 'model.translate("photo.jpg", direction="ba")' in card
    assert (tmp_path / "ba" / "samples.png").is_file()


# --- on the command line ----------------------------------------------------------------------


def test_a_folder_is_saved_anew_in_16_bits(run, tmp_path):
    ganzoo.save(tiny("dcgan_mnist"), tmp_path / "whole", notes="Trained on nothing.")
    (tmp_path / "scores.jsonl").write_text(json.dumps(SCORE) + "\n")
    status, out, _ = run(
        *("save", tmp_path / "whole", "--out", tmp_path / "half", "--half", "--licence", "MIT"),
        *("--scores", tmp_path / "scores.jsonl"),
    )
    assert status == 0
    sentence, wrote = out.splitlines()
    assert sentence.startswith("Stored in 16 bits, which changes the output by at most ")
    assert wrote == f"Wrote {tmp_path / 'half'}"
    card = (tmp_path / "half" / "README.md").read_text()
    for text in (sentence, "Licence: MIT.", "| fid | 12.35 ± 0.25 |", "Trained on nothing."):
        assert text in card
    sizes = [(tmp_path / name / "model.weights.h5").stat().st_size for name in ("whole", "half")]
    assert sizes[1] < sizes[0]


def test_a_translators_card_shows_pictures_that_are_named(run, fails, tmp_path):
    ganzoo.save(tiny("cyclegan_textures"), tmp_path / "m")
    for number, name in enumerate("ab"):
        (tmp_path / name).mkdir()
        for picture in range(2):
            pixels = np.full((64, 64, 3), 100 * number + 50 * picture, "uint8")
            Image.fromarray(pixels).save(tmp_path / name / f"{picture}.png")
    both = ("--data", tmp_path / "a", "--data", tmp_path / "b")
    assert run("save", tmp_path / "m", "--out", tmp_path / "shown", *both)[0] == 0
    with Image.open(tmp_path / "shown" / "samples.png") as grid:
        assert grid.size == (3 * 64 + 2 * 2, 4 * 64 + 3 * 2)
        levels = [grid.getpixel((0, row * 66)) for row in range(4)]
    assert levels == [0, 50, 100, 150]
    assert "samples.png" in (tmp_path / "shown" / "SHA256SUMS").read_text()
    message = fails("save", tmp_path / "m", "--out", tmp_path / "x", *both[:2])
    assert message.endswith("a is one domain. Give the sources of both.")
    ganzoo.save(tiny("dcgan_mnist"), tmp_path / "d")
    message = fails("save", tmp_path / "d", "--out", tmp_path / "x", *both)
    assert message == "'d' is shown by its own samples. Leave out the data."
    assert not (tmp_path / "x").exists()


@pytest.mark.parametrize("resize", ["crop", "pad", "stretch", "load_crop"])
def test_first_pictures_are_cut_as_the_preset_says_and_not_by_chance(resize, tmp_path):
    random = np.random.default_rng(0)
    for name in "ab":
        (tmp_path / name).mkdir()
        pixels = random.integers(0, 256, (96, 160, 3), "uint8")
        Image.fromarray(pixels).save(tmp_path / name / "0.png")
    sizes = {"data.resize": resize, "data.load_size": 80, "data.flip": True}
    model = ganzoo.load("cyclegan_textures", weights=False, **TINY["cyclegan_textures"], **sizes)
    found = ganzoo.saving.first_pictures(model, [tmp_path / "a", tmp_path / "b"])
    settings = {"image_size": 64, "channels": model.channels, "batch_size": 1}
    for name, pictures in zip("ab", found, strict=True):
        stream = ganzoo.data.load(tmp_path / name, resize=resize, **settings).stream
        np.testing.assert_array_equal(pictures, next(iter(stream.once())))
        if resize == "load_crop":  # whole pictures stretched, though by another filter
            stretched = ganzoo.data.load(tmp_path / name, resize="stretch", **settings).stream
            np.testing.assert_allclose(pictures, next(iter(stretched.once())), atol=0.2)


@pytest.mark.parametrize("kind", [str, pathlib.Path, lambda name: [name]])
def test_first_pictures_of_two_domains_may_lie_in_one_source(kind, tmp_path):
    for number, name in enumerate(("trainA", "trainB")):
        (tmp_path / name).mkdir()
        Image.new("L", (64, 64), 10 * number).save(tmp_path / name / "0.png")
    model = tiny("cyclegan_textures")
    found = ganzoo.saving.first_pictures(model, kind(str(tmp_path)))
    assert [round((float(np.mean(images)) + 1) * 127.5) for images in found] == [0, 10]


def test_several_scores_of_one_metric_are_all_in_the_card(run, tmp_path):
    ganzoo.save(tiny("dcgan_mnist"), tmp_path / "m")
    others = [{"value": 7, "settings": {"subsets": 50, "k": None}}, {"value": 8, "resizer": "x"}]
    lines = [json.dumps(SCORE | change) for change in ({}, *others)]
    (tmp_path / "scores.jsonl").write_text("\n".join(lines))
    assert list(read_scores(tmp_path / "scores.jsonl")) == ["fid", "fid (2)", "fid (3)"]
    options = ("--out", tmp_path / "n", "--scores", tmp_path / "scores.jsonl")
    assert run("save", tmp_path / "m", *options)[0] == 0
    rows = [
        line
        for line in (tmp_path / "n" / "README.md").read_text().splitlines()
        if line.startswith("| fid |")
    ]
    assert [row.split(" | ")[1] for row in rows] == ["12.35 ± 0.25", "7 ± 0.25", "8 ± 0.25"]
    assert ", truncation 0.7, subsets 50, seed 7, " in rows[1]
    assert ", resizer x, " in rows[2]


def test_scores_that_are_none_are_refused(fails, tmp_path):
    (tmp_path / "scores.jsonl").write_text("fid: 3\n")
    options = ("--out", tmp_path / "m", "--scores")
    message = fails("save", "anything", *options, tmp_path / "scores.jsonl")
    assert message.endswith("Write them with: ganzoo evaluate … > scores.jsonl")
    assert "holds no scores" in fails("save", "anything", *options, tmp_path / "absent")
    (tmp_path / "scores.jsonl").write_text('{"metric": "fid"}\n')
    message = fails("save", "x", *options, tmp_path / "scores.jsonl")
    assert "holds no scores: score 1: value is missing. Write them" in message


SIDE = {"images": 5, "source": "a", "split": "all"}


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"value": float("nan")}, "value is nan, and has to be a finite number"),
        ({"value": 10**400}, "value is 1000"),
        ({"value": True}, "value is True, and has to be a finite number"),
        ({"value": "3"}, "value is '3', and has to be a finite number"),
        ({"std": "abc"}, "std is 'abc', and has to be a finite number"),
        ({"metric": ["fid"]}, "metric is ['fid'], and has to be text"),
        ({"real": {"images": 5}}, "real.source is missing"),
        ({"real": 5}, "real is 5, and has to be a mapping"),
        ({"real": SIDE | {"images": "many"}}, "real.images is 'many', and has to be a whole"),
        ({"extractor": "inception"}, "extractor is 'inception', and has to be a mapping"),
        ({"settings": 3}, "settings is 3, and has to be a mapping"),
        ({"fake": [1]}, "fake is [1], and has to be a mapping"),
        ({"fake": {"images": "many"}}, "fake.images is 'many', and has to be a whole number"),
    ],
)
def test_scores_of_another_shape_are_refused(fails, tmp_path, change, problem):
    (tmp_path / "s.jsonl").write_text(json.dumps(SCORE) + "\n" + json.dumps(SCORE | change))
    message = fails("save", "x", "--out", tmp_path / "m", "--scores", tmp_path / "s.jsonl")
    assert f"holds no scores: score 2: {problem}" in message
    with pytest.raises(GanzooError, match=r"These are no scores: .* what ganzoo\.evaluate returns"):
        ganzoo.save(tiny("dcgan_mnist"), tmp_path / "m", scores={"fid": SCORE | change})
    assert not (tmp_path / "m").exists()


def test_lines_that_are_none_are_refused(fails, tmp_path):
    for text, problem in (("", "it is empty"), ("[1]", "score 1: it is [1], and has to be a ma")):
        (tmp_path / "s.jsonl").write_text(text)
        message = fails("save", "x", "--out", tmp_path / "m", "--scores", tmp_path / "s.jsonl")
        assert f"holds no scores: {problem}" in message


def test_a_card_shows_a_score_of_single_images(tmp_path):
    score = {"metric": "cycle_psnr_ab", "value": 21.5, "images": SIDE, "fake": {"model": "m"}}
    ganzoo.save(tiny("cyclegan_textures"), tmp_path / "m", scores={"cycle_psnr_ab": score})
    card = (tmp_path / "m" / "README.md").read_text()
    assert "| cycle_psnr_ab | 21.5 | 5 real images, `a`, split all, seed None, 1 draw(s) |" in card


def test_a_checkpoint_is_imported_in_16_bits(run, tmp_path):
    fixtures = pathlib.Path(__file__).parent / "porting" / "fixtures"
    status, out, _ = run(
        *("import", fixtures / "dcgan28_both.pth", "--preset", "dcgan_mnist"),
        *("--out", tmp_path / "m", "--half"),
    )
    assert status == 0
    assert "\nStored in 16 bits, which" in out
    assert "Stored in 16 bits, which" in (tmp_path / "m" / "README.md").read_text()
    assert (
        presets.parse_preset(
            (tmp_path / "m" / "preset.yaml").read_text(), name="m", origin="m"
        ).model["latent_dim"]
        == 8
    )
