"""CycleGAN on whatever a user calls a picture: any size, type and place, whole or in tiles."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from ganzoo import shortcuts
from ganzoo.errors import DataError, GanzooError, WeightsError
from ganzoo.layers import InstanceNorm
from ganzoo.models import cyclegan
from ganzoo.models.cyclegan import tiling, translation
from ganzoo.models.cyclegan.statistics import picture_statistics

TILE = 256


@pytest.fixture(scope="module")
def model():
    keras.utils.set_random_seed(3)
    model = cyclegan.build(
        base_filters=2, residual_blocks=2, discriminator_filters=2, discriminator_layers=1
    )
    for network in (model.generator_ab, model.generator_ba):
        for layer in network.layers:  # pictures with contrast, and not all grey
            if hasattr(layer, "kernel"):
                layer.kernel.assign(layer.kernel * (20 if layer.name == "head" else 10))
    return model


def picture(height, width, channels=3, seed=0):
    """A smooth uint8 picture with light and dark sides, as photographs have."""
    noise = tf.random.stateless_normal((1, height // 8 + 2, width // 8 + 2, channels), (seed, 1))
    smooth = tf.image.resize(noise, (height, width), method="bicubic")[0].numpy()
    smooth += np.linspace(-1, 1, width)[None, :, None]
    return np.clip(128 + 60 * smooth, 0, 255).astype("uint8")


def directly(network, pixels):
    floats = network(pixels[None].astype("float32") / 127.5 - 1)[0].numpy()
    return np.clip(np.round((floats + 1) * 127.5), 0, 255).astype("uint8")


# --- what goes in, and what comes out ---------------------------------------------------------


def test_uint8_gives_the_generators_rounded_output(model):
    pixels = picture(32, 48)
    translated = model.translate(pixels)
    assert translated.dtype == np.uint8
    np.testing.assert_array_equal(translated, directly(model.generator_ab, pixels))
    back = model.translate(pixels, "ba")
    np.testing.assert_array_equal(back, directly(model.generator_ba, pixels))
    assert (translated != back).any()
    assert translated.std() > 10


@pytest.mark.parametrize("size", [(8, 8), (9, 11), (31, 50), (64, 30)])
def test_any_size_is_padded_by_reflection_and_cropped(model, size):
    pixels = picture(*size)
    around = [(-side % 4 // 2, -side % 4 - -side % 4 // 2) for side in size]
    padded = np.pad(pixels, [*around, (0, 0)], mode="reflect")
    expected = directly(model.generator_ab, padded)
    top, left = around[0][0], around[1][0]
    expected = expected[top : top + size[0], left : left + size[1]]
    np.testing.assert_array_equal(model.translate(pixels), expected)


@pytest.mark.parametrize(("side", "parts"), [((10, 40), 10), ((40, 10), 7)])
def test_pixels_are_turned_part_by_part(side, parts, monkeypatch):
    monkeypatch.setattr(translation, "_PIXELS_AT_ONCE", 64)
    images = np.arange(2 * 400, dtype="float32").reshape(2, *side, 1)
    turned = []
    found = translation._by_rows(lambda part: turned.append(part.size) or part + 1, images, "f4")
    np.testing.assert_array_equal(found, images + 1)
    assert len(turned) == 2 * parts
    assert max(turned) <= 64


def test_a_batch_gives_a_batch_and_each_image_its_own(model):
    batch = np.stack([picture(16, 20, seed=seed) for seed in range(3)])
    translated = model.translate(batch)
    assert translated.shape == batch.shape
    assert translated.dtype == np.uint8
    for one, many in zip(batch, translated, strict=True):
        difference = model.translate(one).astype(int) - many
        assert np.abs(difference).max() <= 1  # rounding of another order of additions
    assert model.translate(batch[:0]).shape == (0, 16, 20, 3)


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
def test_floats_give_floats_of_their_type_unrounded(model, dtype):
    floats = (picture(16, 16) / 127.5 - 1).astype(dtype)
    translated = model.translate(floats)
    assert translated.dtype == dtype
    with shortcuts.scope():
        expected = model.generator_ab(floats[None].astype("float32"))[0]
    np.testing.assert_allclose(translated, expected, atol=1e-3 if dtype == "float16" else 1e-6)
    assert np.unique(translated).size > 300  # more than pixels have


def test_tensors_are_taken_too(model):
    pixels = tf.constant(picture(16, 16))
    np.testing.assert_array_equal(model.translate(pixels), model.translate(pixels.numpy()))


def test_paths_and_lists_of_anything(model, tmp_path):
    pixels = picture(20, 24)
    Image.fromarray(pixels).save(tmp_path / "colour.png")
    Image.fromarray(pixels[..., 0]).save(tmp_path / "grey.png")
    expected = model.translate(pixels)
    np.testing.assert_array_equal(model.translate(tmp_path / "colour.png"), expected)
    np.testing.assert_array_equal(model.translate(str(tmp_path / "colour.png")), expected)
    several = model.translate([tmp_path / "grey.png", pixels, picture(9, 9)], "ab")
    assert [item.shape for item in several] == [(20, 24, 3), (20, 24, 3), (9, 9, 3)]
    np.testing.assert_array_equal(several[1], expected)
    grey = np.repeat(pixels[..., :1], 3, axis=-1)
    np.testing.assert_array_equal(several[0], model.translate(grey))
    assert model.translate([]) == []


def test_reconstruct_goes_there_and_back_without_rounding_between(model):
    pixels = picture(18, 22)
    there = model.translate(pixels.astype("float32") / 127.5 - 1, "ba")
    back = model.translate(there, "ab")
    expected = np.clip(np.round((back + 1) * 127.5), 0, 255).astype("uint8")
    np.testing.assert_array_equal(model.reconstruct(pixels, "ba"), expected)


def test_the_model_itself_is_the_translation_from_a_to_b(model):
    floats = picture(16, 16)[None].astype("float32") / 127.5 - 1
    np.testing.assert_array_equal(model(floats), model.generator_ab(floats))


# --- what is refused --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("images", "message"),
    [
        (np.zeros((7, 20, 3), "uint8"), "7×20 pixels, too few.*8 or more"),
        (np.zeros((20, 20), "uint8"), r"shape \(height, width, 3\).*got \(20, 20\)"),
        (np.zeros((20, 20, 1), "uint8"), "Repeat the channel of grey: np.repeat"),
        (np.zeros((20, 20, 4), "uint8"), r"Drop the alpha channel: pictures\[\.\.\., :3\]"),
        (np.zeros((20, 20), "uint8"), "Give the pictures' channels as the last axis"),
        (np.zeros((20, 20, 3), "int64"), r"these are int64.*astype\('uint8'\)"),
        (
            np.zeros((20, 20, 3), "uint16"),
            r"16\. Convert them: \(pictures >> 8\)\.astype\('uint8'\)",
        ),
        (np.full((20, 20, 3), 200.0), r"these in \[200, 200\].*127.5"),
        (np.full((20, 20, 3), np.nan), "these in .nan, nan."),
        ("missing.png", "missing.png.*cannot be read"),
    ],
)
def test_what_is_no_picture_is_refused(model, images, message):
    with pytest.raises(DataError, match=message):
        model.translate(images)


def test_unknown_and_untrained_directions_are_refused():
    model = cyclegan.build(base_filters=2, residual_blocks=1, discriminator_filters=2)
    pixels = picture(8, 8)
    with pytest.raises(GanzooError, match="direction is 'a2b'.*'ab'"):
        model.translate(pixels, "a2b")
    assert model.directions == ("ab", "ba")
    model.trained = frozenset({"generator_ab"})
    assert model.directions == ("ab",)
    assert model.translate(pixels).shape == (8, 8, 3)
    with pytest.raises(WeightsError, match="no trained weights.*'ba'.*only for generator_ab"):
        model.translate(pixels, "ba")
    with pytest.raises(WeightsError, match="no trained weights.*'ba'"):
        model.reconstruct(pixels)
    model.trained |= {"generator_ba"}
    assert model.directions == ("ab", "ba")
    assert model.translate(pixels, "ba").shape == (8, 8, 3)


def test_noise_is_refused(model):
    with pytest.raises(GanzooError, match="cannot generate 4 from noise.*translate"):
        model.generate(4)


# --- tiles ------------------------------------------------------------------------------------


def test_a_picture_that_fits_one_tile_is_the_whole_to_the_bit(model):
    pixels = picture(200, 256)
    np.testing.assert_array_equal(model.translate(pixels, tile=TILE), model.translate(pixels))


@pytest.mark.parametrize("size", [(300, 700), (640, 257)])
def test_tiles_are_the_whole_to_a_grey_level(model, size):
    pixels = picture(*size)
    whole, tiled = model.translate(pixels), model.translate(pixels, tile=TILE)
    differences = np.abs(whole.astype(int) - tiled)
    assert differences.mean() < 0.1
    assert differences.max() <= 2
    # Tiles that are normalised one by one are far from that.
    apart = model.translate(pixels[:, : size[1] // 2])
    assert np.abs(whole[:, : size[1] // 2].astype(int) - apart).mean() > 3


def test_a_tile_is_cut_to_what_the_generators_halve_evenly(model):
    pixels = picture(264, 300)
    np.testing.assert_array_equal(
        model.translate(pixels, tile=TILE + 3), model.translate(pixels, tile=TILE)
    )


def test_tiles_are_counted_as_they_are_done(model):
    told = []
    model.translate(picture(300, 420), tile=TILE, advance=lambda *done: told.append(done))
    count = len(tiling.starts(300, TILE)) * len(tiling.starts(420, TILE))
    assert count > 2
    assert told == [(done, count) for done in range(count + 1)]
    told.clear()
    model.translate(picture(64, 64), tile=TILE, advance=lambda *done: told.append(done))
    assert not told


def test_tiles_leave_no_edges(model):
    pixels = picture(256, 900)
    tiled = model.translate(pixels, tile=TILE).astype(float)
    jumps = np.abs(np.diff(tiled, axis=1)).mean(axis=(0, 2))
    begins = tiling.starts(900, TILE)[1:]
    edges = begins + [start + TILE for start in tiling.starts(900, TILE)[:-1]]
    at_edges = np.mean([jumps[edge - 1] for edge in edges])
    assert at_edges <= 1.1 * np.delete(jumps, [edge - 1 for edge in edges]).mean()


def test_strips_find_the_statistics_of_the_whole(model):
    generator = model.generator_ab
    image = picture(148, 64).astype("float32") / 127.5 - 1
    inputs = [layer.input for layer in generator.layers if isinstance(layer, InstanceNorm)]
    whole = [
        tf.nn.moments(values, (1, 2), keepdims=True)
        for values in keras.Model(generator.input, inputs)(image[None])
    ]
    strips = picture_statistics(generator, image, pixels=20 * 64)
    assert len(strips) == len(whole) == 9
    for found, expected in zip(strips, whole, strict=True):
        np.testing.assert_allclose(found[0], expected[0], atol=2e-3)
        np.testing.assert_allclose(found[1], expected[1], rtol=2e-3, atol=1e-5)


def test_statistics_of_huge_pictures_come_from_a_reduced_one(model, monkeypatch):
    seen = []

    def spy(generator, image, pixels):
        seen.append((image, pixels))
        return picture_statistics(generator, image, pixels)

    monkeypatch.setattr(tiling, "picture_statistics", spy)
    monkeypatch.setattr(tiling, "_TILES_OF_STATISTICS", 1)
    pixels = picture(320, 1280)
    assert model.translate(pixels, tile=TILE).shape == (320, 1280, 3)
    (image, limit), *others = seen
    assert (image.shape, limit, others) == ((128, 512, 3), TILE**2, [])
    assert abs(image.mean() - (pixels / 127.5 - 1).mean()) < 0.01


@pytest.mark.parametrize("length", [260, 300, 512, 1000, 4096])
def test_tiles_cover_a_side_and_overlap(length):
    begins = tiling.starts(length, TILE)
    assert begins[0] == 0
    assert begins[-1] == length - TILE
    assert all(start % 4 == 0 for start in begins)
    steps = np.diff(begins)
    assert steps.max() <= TILE - 96
    ramps, shares = np.zeros(length), np.zeros(length)
    for start, weights in tiling.shares(length, TILE):
        ramps[start : start + TILE] += tiling.ramp(start, TILE, length)
        shares[start : start + TILE] += weights
    assert ramps.min() > 0.2
    np.testing.assert_allclose(shares, 1.0, atol=1e-6)


def test_a_reduced_picture_is_that_of_one_resize(monkeypatch):
    monkeypatch.setattr(tiling, "_STRIP", 17)
    image = picture(120, 200).astype("float32") / 127.5 - 1
    reduced = tiling.reduce_to(image, 60 * 100)
    expected = tf.image.resize(image, (60, 100), method="bicubic", antialias=True)
    np.testing.assert_allclose(reduced, expected, atol=1e-6)


def test_tiles_that_are_too_small_are_refused(model):
    with pytest.raises(GanzooError, match="tile is 128.*Use 256 or more"):
        model.translate(picture(300, 300), tile=128)
    assert model.translate(picture(64, 64), tile=128).shape == (64, 64, 3)


@pytest.mark.parametrize("side", [257, 258, 259])
def test_a_picture_of_the_size_of_a_tile_is_one_piece(model, side):
    pixels = picture(side, side - 1)
    np.testing.assert_array_equal(model.translate(pixels, tile=side), model.translate(pixels))


@pytest.mark.parametrize("tile", [0, -4, 256.0, "256", True])
def test_a_tile_that_is_no_number_of_pixels_is_refused(model, tile):
    with pytest.raises(GanzooError, match=r"^tile is .*\. Give a whole number from 1 up\."):
        model.translate(picture(16, 16), tile=tile)


def test_pictures_for_a_grey_model_are_made_grey():
    grey = cyclegan.build(channels=1, base_filters=2, residual_blocks=1)
    with pytest.raises(DataError, match=r"shape \(height, width, 1\) .* Make colour grey: "):
        grey.translate(picture(16, 16))


def test_large_pictures_go_in_tiles_by_themselves():
    assert tiling.tile_for(2048, 2048) >= 2048
    assert tiling.tile_for(2048, 2052) == 1024


# --- pictures for people, and exports ---------------------------------------------------------


def test_preview_shows_real_translated_and_back(model):
    examples = tuple(
        np.stack([picture(16, 16, seed=seed) for seed in seeds]).astype("float32") / 127.5 - 1
        for seeds in ((1, 2), (3, 4, 5))
    )
    sheet = model.preview(0, examples)
    assert sheet.shape == (5 * 18 - 2, 3 * 18 - 2, 3)
    np.testing.assert_array_equal(sheet[:16, :16], picture(16, 16, seed=1))
    expected = model.translate(picture(16, 16, seed=3), "ba")
    np.testing.assert_array_equal(sheet[36:52, 18:34], expected)
    with pytest.raises(GanzooError, match="Give it examples"):
        model.preview(0)


def test_preview_of_domains_of_two_sizes(model):
    sides = ((16, 24), (20, 12))
    examples = tuple(picture(*side).astype("float32")[None] / 127.5 - 1 for side in sides)
    sheet = model.preview(0, examples)
    assert sheet.shape == (20 + 2 + 20, 24 + 2 + 24 + 2 + 24, 3)
    np.testing.assert_array_equal(sheet[:16, :24], picture(16, 24))
    np.testing.assert_array_equal(sheet[22:, :12], picture(20, 12))
    np.testing.assert_array_equal(sheet[22:, 26:38], model.translate(picture(20, 12), "ba"))
    assert (sheet[16:20] == 255).all(), "white below the first"
    assert (sheet[22:, 12:26] == 255).all(), "and to the right of the second"


def test_endpoints_take_and_give_pixels(model):
    endpoints = model.endpoints()
    assert list(endpoints) == ["translate_ab", "translate_ba", "discriminate_a", "discriminate_b"]
    pixels = picture(16, 24)
    for direction in ("ab", "ba"):
        function, (spec,) = endpoints[f"translate_{direction}"]
        assert (spec.name, spec.dtype) == ("images", tf.uint8)
        found = function(tf.constant(pixels[None]))["images"]
        # Without the short cuts that `translate` takes.
        network = getattr(model, f"generator_{direction}")
        np.testing.assert_array_equal(found[0], directly(network, pixels))
    function, (spec,) = endpoints["discriminate_b"]
    floats = pixels[None].astype("float32") / 127.5 - 1
    np.testing.assert_array_equal(function(floats)["logits"], model.discriminator_b(floats))
    function, _ = model.float_endpoints()["translate_ba"]
    np.testing.assert_array_equal(function(floats)["images"], model.generator_ba(floats))
