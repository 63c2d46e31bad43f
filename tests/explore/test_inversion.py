"""Inversion finds again the latent that made a picture."""

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from ganzoo.errors import DataError, GanzooError
from ganzoo.explore import inversion


class Linear:
    """A generator whose inverse is known: images are a matrix times the latents."""

    name, latent_dim, image_shape, sampling_name = "linear", 3, (2, 2, 1), "generator"
    latent_distribution, latent_bound = "normal", 1.0
    matrix = np.array([[1, 0, 0], [0, 1, 0], [0, 0, 1], [1, 1, 1]], "f4").T

    def __call__(self, latents, training=False):
        return tf.reshape(tf.convert_to_tensor(latents) @ self.matrix, (-1, 2, 2, 1))

    def draw_latents(self, count, key):
        return tf.random.stateless_normal((count, 3), key)


def test_recovers_a_known_latent():
    model = Linear()
    latents = np.array([0.5, -0.3, 0.1], "f4")
    found = inversion.invert(model, model(latents[None])[0].numpy(), steps=300, restarts=3)
    np.testing.assert_allclose(found.latents, latents, atol=1e-2)
    assert found.error < 1e-4
    assert found.errors.shape == (301, 3)
    assert found.error == pytest.approx(found.errors.min())


def test_uniform_latents_stay_in_their_range():
    model = Linear()
    model.latent_distribution, model.latent_bound = "uniform", 0.2
    found = inversion.invert(model, np.full((2, 2, 1), 0.9, "f4"), steps=100, restarts=2)
    np.testing.assert_allclose(found.latents, 0.2, atol=1e-6)


def test_the_prior_keeps_latents_likely():
    picture = np.full((2, 2, 1), 0.9, "f4")
    free = inversion.invert(Linear(), picture, steps=200, restarts=2)
    kept = inversion.invert(Linear(), picture, steps=200, restarts=2, prior_weight=1.0)
    assert np.linalg.norm(kept.latents) < 0.8 * np.linalg.norm(free.latents)


def test_the_rate_falls_along_a_cosine(monkeypatch):
    rates = []

    class Watched(inversion._Search):
        def __init__(self, *arguments):
            super().__init__(*arguments)
            self.move = lambda slope, rate: rates.append(float(rate))

    monkeypatch.setattr(inversion, "_Search", Watched)
    inversion.invert(Linear(), np.zeros((2, 2, 1), "f4"), steps=4, restarts=1, learning_rate=0.1)
    np.testing.assert_allclose(rates, [0.1, 0.085355, 0.05, 0.014645], rtol=1e-4)


def test_finds_the_image_of_a_dcgan_again(dcgan):
    picture = dcgan(tf.random.stateless_normal((1, 6), (4, 4)))[0].numpy()
    found = inversion.invert(dcgan, picture, steps=150, restarts=6, learning_rate=0.1)
    assert found.errors[0].min() > 0.05
    assert found.error < 0.1 * found.errors[0].min()
    np.testing.assert_allclose(
        np.mean((found.image - picture) ** 2), found.error, rtol=1e-3, atol=1e-6
    )
    np.testing.assert_allclose(found.progress[-1], found.image, atol=1e-4)


@pytest.mark.parametrize(("name", "frames"), [("x.png", 1), ("x.GIF", 9)])
def test_draws_the_way(dcgan, tmp_path, name, frames):
    picture = dcgan(tf.zeros((1, 6)))[0].numpy()
    inversion.draw_inversion(dcgan, picture, out=tmp_path / name, steps=20, restarts=2)
    with Image.open(tmp_path / name) as written:
        found = getattr(written, "n_frames", 1)
        assert found == 1 if frames == 1 else 1 < found <= frames
        assert written.size[0] > 200


def test_another_size_is_refused(dcgan):
    with pytest.raises(DataError, match=r"picture is float32 \(8, 8, 1\), .* \(16, 16, 1\)"):
        inversion.invert(dcgan, np.zeros((8, 8, 1), "f4"))
    with pytest.raises(DataError, match="picture is uint8"):
        inversion.invert(dcgan, np.zeros((16, 16, 1), "u1"))


def test_no_steps_find_nothing(dcgan):
    with pytest.raises(GanzooError, match="0 steps from 8 starts"):
        inversion.invert(dcgan, np.zeros((16, 16, 1), "f4"), steps=0)


def test_a_picture_that_is_no_number_is_said():
    with pytest.raises(GanzooError, match="No image of 'linear' has a finite difference from the"):
        inversion.invert(Linear(), np.full((2, 2, 1), np.nan, "f4"), steps=2, restarts=2)
