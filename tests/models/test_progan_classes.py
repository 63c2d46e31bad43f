"""A progressive GAN of classes makes images of a class, and leaves training to others."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from ganzoo.errors import GanzooError, TrainingError
from ganzoo.models import progan
from ganzoo.randomness import seed_key

CLASSES, NOISE = 3, 5
SHAPE = {"image_size": 8, "base_filters": 4, "max_filters": 4, "latent_dim": NOISE + CLASSES}
PHASES = [
    {"resolution": 4, "stabilize_kimg": 0.004},
    {"resolution": 8, "fade_kimg": 0.004, "stabilize_kimg": 0.004},
]


def build(classes=CLASSES):
    keras.utils.set_random_seed(0)
    model = progan.build(classes=classes, **SHAPE)
    model.compile("adam", "adam", phases=PHASES)
    return model


@pytest.fixture(scope="module")
def model():
    return build()


@pytest.fixture(scope="module")
def plain():
    return build(classes=0)


@pytest.mark.parametrize("truncation", [None, 0.7])
def test_latents_are_noise_and_after_it_a_class(model, plain, truncation):
    latents = model.draw_latents(3000, seed_key(4), truncation).numpy()
    noise = plain.draw_latents(3000, seed_key(4), truncation).numpy()
    np.testing.assert_array_equal(latents[:, :NOISE], noise[:, :NOISE])
    assert (np.abs(noise).max() > 0.7) == (truncation is None)
    classes = latents[:, NOISE:]
    np.testing.assert_array_equal(np.sort(classes, axis=1), [[0, 0, 1]] * 3000)
    shares = classes.mean(0)
    np.testing.assert_allclose(shares, 1 / 3, atol=4 * np.sqrt(2 / 9 / 3000))
    for number in range(CLASSES):  # the noise does not tell the class
        means = latents[classes[:, number] == 1, :NOISE].mean(0)
        np.testing.assert_allclose(means, 0, atol=4.5 / np.sqrt(900))


def test_a_row_depends_on_the_seed_and_its_place_only(model):
    several = model.draw_latents(6, seed_key(1)).numpy()
    np.testing.assert_array_equal(model.draw_latents(2, seed_key(1)), several[:2])
    np.testing.assert_array_equal(model.draw_latents(2, seed_key(1), first=3), several[3:5])
    assert not np.array_equal(model.draw_latents(6, seed_key(2)), several)
    images = model.generate(6, seed=1)
    np.testing.assert_array_equal(model.generate(2, seed=1), images[:2])
    sample, _ = model.endpoints()["sample"]
    np.testing.assert_array_equal(sample(tf.constant(6), seed_key(1))["images"], images)


def images_of(model, latents):
    pixels = np.round((np.clip(model(latents), -1, 1) + 1) * 127.5)
    return pixels.astype("uint8")


def test_images_of_given_classes_have_the_noise_of_the_seed(model):
    latents = model.draw_latents(4, seed_key(1)).numpy()
    latents[:, NOISE:] = np.eye(CLASSES)[[2, 0, 0, 1]]
    np.testing.assert_array_equal(
        model.generate(4, seed=1, labels=[2, 0, 0, 1]), images_of(model, latents)
    )
    latents[:, NOISE:] = [0, 1, 0]
    one_class = model.generate(4, seed=1, labels=1)
    np.testing.assert_array_equal(one_class, images_of(model, latents))
    assert not np.array_equal(one_class, model.generate(4, seed=1, labels=2))


@pytest.mark.parametrize(
    ("labels", "match"),
    [
        (3, r"labels is 3\. The classes are 0 to 2\.$"),
        (-1, r"labels is -1\. The classes are 0 to 2\.$"),
        ([0, 1.5], r"labels is \[0, 1\.5\]\. The classes are 0 to 2\.$"),
        ([0, 1, 2], r"labels has the shape \(3,\), for 2 images\. Give one number for all, or"),
    ],
)
def test_classes_that_are_not_there(model, labels, match):
    with pytest.raises(GanzooError, match=match):
        model.generate(2, seed=0, labels=labels)


def test_labels_are_for_models_of_classes(plain):
    with pytest.raises(GanzooError, match="This model's images have no classes to choose from"):
        plain.generate(2, seed=0, labels=0)


def test_the_first_of_the_discriminators_outputs_is_the_score(model):
    images = np.random.default_rng(0).uniform(-1, 1, (4, 8, 8, 3)).astype("float32")
    outputs = model.discriminator(images).numpy()
    assert outputs.shape == (4, 1 + CLASSES)
    np.testing.assert_array_equal(model.judge(images), outputs[:, :1])
    discriminate, _ = model.endpoints()["discriminate"]
    np.testing.assert_array_equal(discriminate(images)["logits"], outputs[:, :1])


@pytest.mark.parametrize("trained", [set(), {"generator", "discriminator"}], ids=["new", "trained"])
def test_training_needs_labels_and_is_refused(model, monkeypatch, trained):
    monkeypatch.setattr(model, "trained", frozenset(trained))
    before = model.generator.get_weights()
    with pytest.raises(TrainingError, match=r"of 3 classes learns from labels, and ganzoo trains"):
        model.fit(np.zeros((4, 8, 8, 3), "float32"), batch_size=4, verbose=0)
    for weight, old in zip(model.generator.get_weights(), before, strict=True):
        np.testing.assert_array_equal(weight, old)


@pytest.mark.parametrize("classes", [-1, 8, 9])
def test_latents_have_to_hold_the_class_and_noise(classes):
    with pytest.raises(
        GanzooError,
        match=rf"^classes is {classes}(\. Give|, and each takes one of the 8 values of a)",
    ):
        progan.build(classes=classes, **SHAPE)


def test_it_is_saved_whole(model, tmp_path):
    model.save(tmp_path / "model.keras")
    again = keras.saving.load_model(tmp_path / "model.keras")
    assert again.classes == CLASSES
    np.testing.assert_array_equal(again.generate(2, seed=3), model.generate(2, seed=3))
