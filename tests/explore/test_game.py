"""The game's numbers are those of its networks, and its film shows every moment."""

import math
import pathlib

import keras
import numpy as np
import pytest
import tensorflow as tf
import yaml
from PIL import Image

from ganzoo import data, zoo
from ganzoo.errors import GanzooError
from ganzoo.explore import game


@pytest.fixture(scope="module")
def played():
    return game.play_game("gan_ring", steps=60, frames=5, seed=3)


def test_moments_begin_densely_and_end_with_the_last_update():
    assert game.moments(101, 5) == [0, 6, 25, 56, 100]
    assert game.moments(3, 50) == [0, 1, 2]
    assert game.moments(10, 1) == [0]


def test_records_each_moment(played):
    assert played.steps.tolist() == game.moments(60, 5) == [0, 4, 15, 33, 59]
    assert played.surfaces.shape == played.rises.shape == played.falls.shape == (5, 48, 48)
    assert played.samples.shape == played.moved.shape == (5, 2000, 2)
    assert played.real_points.shape == (2000, 2)


def test_the_first_value_is_that_of_networks_that_know_nothing(played):
    assert played.values[0] == pytest.approx(game.EQUILIBRIUM, abs=0.15)
    assert pytest.approx(-1.3862943) == game.EQUILIBRIUM


def test_every_update_moves_the_samples(played):
    lengths = np.linalg.norm(played.moved - played.samples, axis=-1).mean(axis=1)
    assert (lengths > 1e-5).all()
    assert (lengths < 0.2).all()


def test_the_same_seed_plays_the_same_game(played):
    again = game.play_game("gan_ring", steps=60, frames=5, seed=3)
    np.testing.assert_array_equal(again.values, played.values)
    np.testing.assert_array_equal(again.moved, played.moved)


def test_the_halves_of_ds_move_are_those_of_a_linear_discriminator():
    """D(x) = sigmoid(w·x + b): the slope of mean log D at real points is known by hand."""
    discriminator = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
    weights, bias = np.array([[0.5], [-1.0]], "f4"), np.array([0.25], "f4")
    discriminator.set_weights([weights, bias])
    random = np.random.default_rng(0)
    real, fake, places = (random.normal(size=(n, 2)).astype("f4") for n in (7, 5, 4))

    def sigmoid(logits):
        return 1 / (1 + np.exp(-logits))

    def change(points, pull):
        slope_w, slope_b = (pull * points).mean(axis=0), pull.mean()
        return places @ slope_w + slope_b

    rise, fall = game.moves_of_discriminator(
        discriminator, tf.constant(real), tf.constant(fake), tf.constant(places)
    )
    np.testing.assert_allclose(
        rise, change(real, 1 - sigmoid(real @ weights + bias)), rtol=1e-4, atol=1e-6
    )
    np.testing.assert_allclose(
        fall, change(fake, -sigmoid(fake @ weights + bias)), rtol=1e-4, atol=1e-6
    )


def test_the_lattice_starts_at_the_top_left():
    places = game.lattice(3)
    limit = np.float32(1.4)
    assert places[0].tolist() == [-limit, limit]
    assert places[2].tolist() == [limit, limit]
    assert places[-1].tolist() == [limit, -limit]


def test_arrows_are_drawn_to_a_readable_length():
    samples = np.zeros((10, 2))
    assert game.arrow_scale(samples, samples + [0.01, 0]) == pytest.approx(20)
    assert game.arrow_scale(samples, samples + [1.0, 0]) == 1
    assert game.arrow_scale(samples, samples) == 1


def test_writes_a_film_of_all_moments(tmp_path):
    record = game.draw_game(out=tmp_path / "game.gif", steps=12, frames=3)
    with Image.open(tmp_path / "game.gif") as film:
        assert film.n_frames == len(record.steps) == 3
    game.draw_game(out=tmp_path / "game.PNG", steps=2, frames=2)
    with Image.open(tmp_path / "game.PNG") as picture:
        assert picture.format == "PNG"


def test_draws_samples_green_and_data_dark(played):
    frame = game.game_frame(played, 0).astype(int)
    assert (np.abs(frame - (30, 140, 60)).sum(axis=-1) == 0).sum() > 100
    assert (np.abs(frame - 60).sum(axis=-1) == 0).sum() > 100


def written(path, change):
    """Writes the preset of the ring to a file of its own, changed."""
    settings = zoo.preset_info("gan_ring") | {"weights": []}
    del settings["name"]
    change(settings)
    path.write_text(yaml.safe_dump(settings), encoding="utf-8")
    return str(path)


def test_a_frame_shows_one_update_also_where_a_call_takes_several(played, tmp_path):
    preset = written(tmp_path / "x.yaml", lambda all: all["training"].update(steps_per_execution=8))
    again = game.play_game(preset, steps=60, frames=5, seed=3)
    assert again.steps.tolist() == played.steps.tolist()
    np.testing.assert_allclose(again.moved, played.moved, atol=1e-5)


def test_a_preset_may_count_its_length_in_epochs(tmp_path):
    def change(settings):
        del settings["training"]["steps"]
        settings["training"] |= {"epochs": 2, "batch_size": 10_000}

    record = game.play_game(written(tmp_path / "x.yaml", change), frames=100)
    steps = data.load("ring8", batch_size=10_000).stream.steps_per_epoch
    assert record.steps.tolist() == list(range(2 * steps))


@pytest.mark.parametrize(
    ("section", "key"), [("data", "source"), ("training", "batch_size"), ("training", "steps")]
)
def test_a_setting_that_a_game_needs_is_named(tmp_path, section, key):
    preset = written(tmp_path / "x.yaml", lambda settings: settings[section].pop(key))
    with pytest.raises(GanzooError, match=f"x.yaml' has no {section}.{key}, which a game needs"):
        game.play_game(preset)


@pytest.mark.parametrize(
    ("preset", "options", "message"),
    [
        ("gan_mnist", {}, "'gan_mnist' makes pictures, .* Use 'gan_ring'"),
        (pathlib.Path(), {}, r"'\.' is a folder, and a game .* from the start\. Use 'gan_ring'"),
        ("gan_ring", {"steps": 0}, "0 steps has no 40 frames"),
    ],
)
def test_what_is_no_game_is_said(preset, options, message):
    with pytest.raises(GanzooError, match=message):
        game.play_game(preset, **options)


def test_a_folder_of_a_presets_name_does_not_stand_before_it(tmp_path, monkeypatch):
    (tmp_path / "gan_ring").mkdir()
    monkeypatch.chdir(tmp_path)
    assert game.play_game("gan_ring", steps=2, frames=2).steps.tolist() == [0, 1]


@pytest.mark.soak
def test_v_falls_to_minus_log_4():
    """Theorem 1: in the end D cannot tell."""
    record = game.play_game("gan_ring", frames=10)
    assert record.values[-1] == pytest.approx(-math.log(4), abs=0.05)
    distances = np.linalg.norm(record.samples[-1][:, None] - record.real_points[None], axis=-1)
    assert np.median(distances.min(axis=1)) < 0.05


def test_a_seed_that_is_none_is_refused():
    with pytest.raises(GanzooError, match=r"^seed is -1\. Give a whole number from 0 to"):
        game.play_game(steps=2, frames=2, seed=-1)
