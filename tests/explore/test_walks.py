"""Walks between latents: the arc in closed form, and the images along it."""

import numpy as np
import pytest
from PIL import Image

from ganzoo import randomness, sampling
from ganzoo.errors import GanzooError, WeightsError
from ganzoo.explore import interpolation, inversion
from ganzoo.models import progan


class TestSlerp:
    def test_quarter_turn_is_cosine_and_sine(self):
        for share in (0, 0.2, 0.5, 1):
            found = interpolation.slerp([1, 0, 0], [0, 1, 0], share)
            angle = share * np.pi / 2
            np.testing.assert_allclose(found, [np.cos(angle), np.sin(angle), 0], atol=1e-6)

    def test_any_arc_goes_at_constant_angular_speed_and_keeps_the_length(self):
        random = np.random.default_rng(0)
        start, end = random.normal(size=(2, 50))
        start, end = start / np.linalg.norm(start), end / np.linalg.norm(end)
        path = interpolation.slerp(start, end, np.linspace(0, 1, 9))
        np.testing.assert_allclose(np.linalg.norm(path, axis=1), 1, atol=1e-6)
        angles = np.arccos(np.sum(path[1:] * path[:-1], axis=1))
        np.testing.assert_allclose(angles, np.arccos(start @ end) / 8, atol=1e-4)

    def test_a_short_arc_is_no_line(self):
        middle = interpolation.slerp([1, 0], [np.cos(0.06), np.sin(0.06)], 0.5)
        np.testing.assert_allclose(middle, [np.cos(0.03), np.sin(0.03)], atol=1e-6)

    def test_two_lengths_meet_the_closed_form(self):
        found = interpolation.slerp([2, 0], [0, 3], 0.5)
        np.testing.assert_allclose(found, np.array([2, 3]) * np.sin(np.pi / 4), atol=1e-6)

    @pytest.mark.parametrize("end", [[2.0, 0], [-1.0, 0], [0.0, 0]])
    def test_without_an_arc_it_is_a_line(self, end):
        found = interpolation.slerp([1, 0], end, 0.25)
        np.testing.assert_allclose(found, 0.75 * np.array([1, 0]) + 0.25 * np.array(end), atol=1e-6)


class TestWalk:
    stations = np.eye(3, dtype="f4")

    def test_a_loop_visits_every_station_and_turns_back(self):
        path = interpolation.walk(self.stations, 4)
        assert path.shape == (12, 3)
        np.testing.assert_allclose(path[::4], self.stations, atol=1e-6)
        last = interpolation.slerp(self.stations[2], self.stations[0], 0.75)
        np.testing.assert_allclose(path[-1], last, atol=1e-6)

    def test_without_a_loop_it_ends_at_the_last_station(self):
        path = interpolation.walk(self.stations, 4, loop=False)
        assert path.shape == (9, 3)
        np.testing.assert_allclose(path[[0, 4, 8]], self.stations, atol=1e-6)

    def test_straight_lines_have_their_middle_inside(self):
        path = interpolation.walk(self.stations, 2, spherical=False)
        np.testing.assert_allclose(path[1], [0.5, 0.5, 0], atol=1e-6)

    def test_a_walk_needs_somewhere_to_go(self):
        with pytest.raises(GanzooError, match="visits 2 stations or more, got 1"):
            interpolation.walk(self.stations[:1], 4)
        with pytest.raises(GanzooError, match="cannot take 0 steps between stations"):
            interpolation.walk(self.stations, 0)


class TestBetween:
    start, end = np.array([[2.0, 0.0, 1.0, 0.0], [0.0, 3.0, 0.0, 1.0]], "f4")

    def test_noise_goes_along_the_arc_and_classes_in_a_straight_line(self):
        found = interpolation.between(self.start, self.end, [0, 0.25, 1], classes=2)
        arc = interpolation.slerp([2, 0], [0, 3], [0, 0.25, 1])
        np.testing.assert_allclose(found[:, :2], arc, atol=1e-6)
        np.testing.assert_allclose(found[:, 2:], [[1, 0], [0.75, 0.25], [0, 1]], atol=1e-6)
        path = interpolation.walk(np.stack([self.start, self.end]), 4, classes=2, loop=False)
        np.testing.assert_allclose(path[[0, 1, 4]], found, atol=1e-6)

    def test_one_share_gives_one_latent(self):
        found = interpolation.between(self.start, self.end, 0.5, spherical=False, classes=2)
        np.testing.assert_allclose(found, [1, 1.5, 0.5, 0.5])


def test_a_model_says_how_its_latents_are_walked(dcgan, half_grown):
    assert interpolation.geometry_of(dcgan) == {"spherical": True, "classes": 0}
    classes = progan.build(image_size=4, base_filters=4, max_filters=4, latent_dim=5, classes=3)
    assert interpolation.geometry_of(classes) == {"spherical": True, "classes": 3}
    assert interpolation.geometry_of(half_grown)["classes"] == 0


def test_stations_are_the_images_of_the_seed(dcgan):
    images = interpolation.interpolate(dcgan, stations=3, steps=4, seed=5)
    assert images.shape == (12, 16, 16, 1)
    expected = dcgan.generate(3, seed=5).astype(int)
    assert np.abs(images[::4].astype(int) - expected).max() <= 1


def test_large_images_of_a_walk_are_made_fewer_at_once(dcgan, monkeypatch):
    latents = dcgan.draw_latents(9, randomness.seed_key(5)).numpy()
    together = interpolation.images_of(dcgan, latents)
    monkeypatch.setattr(sampling, "_SIDE", 4)  # 4 images of 16 x 16 at once
    made, finish = [], interpolation.to_pixels
    monkeypatch.setattr(
        interpolation, "to_pixels", lambda images: made.append(len(images)) or finish(images)
    )
    parts = interpolation.images_of(dcgan, latents)
    assert made == [4, 4, 1]
    assert np.abs(parts.astype(int) - together).max() <= 1


def test_uniform_latents_walk_straight(monkeypatch, dcgan):
    seen = []
    monkeypatch.setattr(dcgan, "latent_distribution", "uniform")
    monkeypatch.setattr(interpolation, "images_of", lambda model, latents: seen.append(latents))
    interpolation.interpolate(dcgan, stations=2, steps=2, seed=5)
    start, end = dcgan.draw_latents(2, randomness.seed_key(5)).numpy()
    np.testing.assert_allclose(seen[0][1], (start + end) / 2, atol=1e-6)


def test_a_film_loops_with_a_walk_a_cell(dcgan, tmp_path):
    walks = interpolation.draw_interpolation(
        dcgan, out=tmp_path / "walk.GIF", count=4, stations=2, steps=3
    )
    assert walks.shape == (4, 6, 16, 16, 1)
    with Image.open(tmp_path / "walk.GIF") as film:
        assert film.n_frames == 6
        assert film.size == (2 * 64 + 2, 2 * 64 + 2)


def test_a_picture_has_a_row_for_each_walk(dcgan, tmp_path):
    interpolation.draw_interpolation(dcgan, out=tmp_path / "walk.png", count=3, steps=5)
    with Image.open(tmp_path / "walk.png") as picture:
        assert picture.size == (6 * 66 - 2, 3 * 66 - 2)


def test_each_walk_begins_at_a_seed_of_its_own(dcgan, tmp_path):
    walks = interpolation.draw_interpolation(
        dcgan, out=tmp_path / "walk.png", count=2, steps=3, seed=7
    )
    for seed, walk in zip((7, 8), walks, strict=True):
        expected = interpolation.interpolate(dcgan, stations=2, steps=3, seed=seed, loop=False)
        np.testing.assert_array_equal(walk, expected)


def test_a_picture_takes_no_stations(dcgan, tmp_path):
    with pytest.raises(GanzooError, match="stations is 7, and a picture, whose walks go from one"):
        interpolation.draw_interpolation(dcgan, out=tmp_path / "walk.png", stations=7)


def test_a_generator_that_is_not_trained_is_not_walked_in(dcgan, monkeypatch):
    monkeypatch.setattr(dcgan, "trained", frozenset({"discriminator"}))
    with pytest.raises(WeightsError, match="for discriminator only, and not for its generator"):
        interpolation.interpolate(dcgan)
    with pytest.raises(WeightsError, match="not for its generator. Train it with fit first"):
        inversion.invert(dcgan, np.zeros((16, 16, 1), "f4"))


def test_a_translator_has_no_latents(cyclegan):
    with pytest.raises(GanzooError, match="^'cyclegan_horse2zebra' has no latents to walk among"):
        interpolation.interpolate(cyclegan)
