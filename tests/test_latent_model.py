"""What all models that start from noise do: generate, truncate, average, and tell features."""

import math

import keras
import numpy as np
import pytest
import tensorflow as tf

from ganzoo import latent_model, randomness, sampling
from ganzoo.averaging import average_decay, update_average
from ganzoo.data.decoding import to_uint8
from ganzoo.errors import GanzooError
from ganzoo.latent_model import LatentModel
from ganzoo.metrics.sides import GeneratedImages, to_levels
from ganzoo.models import dcgan, gan
from ganzoo.sampling import sample_in_graph, to_pixels


def build(seed=0, **settings):
    keras.utils.set_random_seed(seed)
    shape = {"image_size": 16, "channels": 1, "base_filters": 2, "latent_dim": 4}
    return dcgan.build(**shape | settings)


@pytest.fixture(scope="module")
def model():
    built = build()
    random = np.random.default_rng(0)
    for weight in built.generator.trainable_variables:
        weight.assign(random.normal(0.0, 0.5, weight.shape))  # images that differ
    return built


@pytest.fixture(scope="module")
def hundred(model):
    return model.generate(100, seed=7)


def test_images_are_uint8_and_differ(model, hundred):
    assert (hundred.dtype, hundred.shape) == (np.uint8, (100, 16, 16, 1))
    assert len({image.tobytes() for image in hundred}) == 100
    assert hundred.std() > 20


@pytest.mark.parametrize("count", [1, 10, 63, 64, 65])
def test_image_i_depends_on_the_seed_and_i_only(model, hundred, count):
    np.testing.assert_array_equal(model.generate(count, seed=7), hundred[:count])


@pytest.mark.parametrize(
    ("shape", "count"),
    [
        ((2,), 64),
        ((28, 28, 1), 64),
        ((128, 128, 3), 64),
        ((256, 256, 3), 16),
        ((512, 512, 3), 4),
        ((1024, 1024, 3), 1),
        ((2048, 2048, 3), 1),
    ],
)
def test_large_images_are_made_fewer_at_once(shape, count):
    assert sampling.images_at_once(shape) == count
    assert sampling.images_to_look_at(shape) == (16 if count < 64 else 64)


@pytest.mark.parametrize("truncation", [None, 0.5])
def test_images_do_not_depend_on_how_many_are_made_at_once(model, truncation, monkeypatch):
    together = model.generate(11, seed=7, truncation=truncation)
    samples = model.training_samples(11)
    monkeypatch.setattr(sampling, "_SIDE", 4)  # 4 images of 16 x 16 at once
    monkeypatch.setattr(model, "_own_sampler", None)
    made, make = [], type(model.generator).__call__

    def counted(self, latents, *arguments, **options):
        made.append(latents.shape[0])
        return make(self, latents, *arguments, **options)

    monkeypatch.setattr(type(model.generator), "__call__", counted)
    np.testing.assert_allclose(model.training_samples(11), samples, atol=1e-6)
    assert made == [4, 4, 3]
    parts = model.generate(11, seed=7, truncation=truncation)
    assert np.abs(parts.astype(int) - together).max() <= 1
    assert parts.shape == together.shape


@pytest.mark.parametrize(("count", "parts"), [(0, [1]), (1, [1]), (4, [4]), (9, [3] * 3)])
def test_exports_sample_the_same_images_in_parts(model, hundred, monkeypatch, count, parts):
    monkeypatch.setattr(sampling, "_SIDE", 4)  # 4 images of 16 x 16 at once
    made, make = [], type(model.generator).__call__

    def counted(self, latents, *arguments, **options):
        made.append(latents.shape[0])
        return make(self, latents, *arguments, **options)

    monkeypatch.setattr(type(model.generator), "__call__", counted)
    images = sample_in_graph(model, tf.constant(count), tf.constant([7, 0]))["images"].numpy()
    assert made == parts
    assert (images.dtype, images.shape) == (np.uint8, (count, 16, 16, 1))
    assert np.abs(images.astype(int) - hundred[:count]).max(initial=0) <= 1


def test_another_seed_or_none_gives_other_images(model, hundred):
    others = [model.generate(4, seed=8), model.generate(4), model.generate(4)]
    seen = [images.tobytes() for images in [hundred[:4], *others]]
    assert len(set(seen)) == 4


def test_large_seeds_and_no_images_are_possible(model):
    assert model.generate(2, seed=2**31 - 1).shape == (2, 16, 16, 1)
    assert model.generate(0, seed=1).shape == (0, 16, 16, 1)
    np.testing.assert_array_equal(model.generate(np.int64(2), seed=1), model.generate(2, seed=1))


@pytest.mark.parametrize("count", [-1, 2.5, "3", None])
def test_a_count_that_is_none_is_refused(model, count):
    with pytest.raises(GanzooError, match=r"^count is .*\. Give a whole number from 0 up\."):
        model.generate(count)


def test_a_truncation_that_is_no_number_is_refused(model):
    with pytest.raises(GanzooError, match=r"^truncation is '1', and has to be at least 0\.05"):
        model.generate(1, truncation="1")


def test_images_are_those_of_the_latents(model, hundred):
    latents = randomness.normal(randomness.seed_key(7), (100, 4))
    floats = np.asarray(model(latents))
    np.testing.assert_allclose(hundred, np.round((floats + 1) * 127.5), atol=1)
    pixels = sample_in_graph(model, tf.constant(100), tf.constant([7, 0]))["images"]
    assert np.abs(pixels.numpy().astype(int) - hundred).max() <= 1


def test_truncated_latents_are_gaussian_ones_within_the_bound(model, hundred):
    key = randomness.seed_key(7)
    latents = model.draw_latents(500, key, truncation=0.5)
    assert float(tf.reduce_max(tf.abs(latents))) <= 0.5
    np.testing.assert_array_equal(latents, randomness.truncated_normal(key, (500, 4), 0.5))
    truncated = model.generate(100, seed=7, truncation=0.5)
    assert truncated.std(axis=0).mean() < 0.8 * hundred.std(axis=0).mean()
    np.testing.assert_array_equal(model.generate(100, seed=7, truncation=9.0), hundred)


@pytest.mark.parametrize("latent_dim", [2, 3, 8])
@pytest.mark.parametrize(
    ("distribution", "truncation"), [("normal", None), ("normal", 0.3), ("uniform", None)]
)
def test_latents_are_drawn_from_any_row_on(latent_dim, distribution, truncation):
    bound = {"latent_distribution": distribution, "latent_bound": 1.7320508}
    model = build(latent_dim=latent_dim, **bound)
    key = randomness.seed_key(7)
    whole = model.draw_latents(1000, key, truncation).numpy()
    for first, count in ((1, 1), (4, 10), (333, 64), (997, 3)):
        part = model.draw_latents(count, key, truncation, first=first)
        np.testing.assert_array_equal(part, whole[first : first + count])


def test_samples_for_a_score_are_drawn_block_by_block(model, hundred, monkeypatch):
    drawn = []
    draw = type(model).draw_latents

    def counted(self, count, *arguments, **options):
        drawn.append(count)
        return draw(self, count, *arguments, **options)

    monkeypatch.setattr(type(model), "draw_latents", counted)
    side = GeneratedImages(model, 100, seed=7)
    np.testing.assert_allclose(np.concatenate(list(side.batches(30))), hundred, atol=1)
    assert drawn == [30, 30, 30, 10]


@pytest.mark.parametrize("truncation", [0.0, -1.0, 0.049, np.nan])
def test_a_truncation_that_would_never_end_is_refused(model, truncation):
    with pytest.raises(GanzooError, match=r"truncation is .*, and has to be at least 0\.05"):
        model.generate(1, truncation=truncation)


def test_truncation_of_uniform_latents_is_refused():
    uniform = build(latent_distribution="uniform", latent_bound=0.5)
    assert float(tf.reduce_max(tf.abs(uniform.draw_latents(500, (1, 2))))) <= 0.5
    with pytest.raises(GanzooError, match=r"is for Gaussian latents, and those of .* are uniform"):
        uniform.generate(1, truncation=1.0)


def test_an_unknown_distribution_of_latents_is_refused():
    with pytest.raises(GanzooError, match=r"is 'cauchy'\. Choose 'normal' or 'uniform'"):
        build(latent_distribution="cauchy")


def test_pixels_are_rounded_and_clipped_never_wrapped():
    levels = np.array([-1.2, -1.0, -0.999, 0.0, 0.002, 0.999, 1.0, 1.5], "float32")
    pixels = to_pixels(levels.reshape(1, 2, 4, 1))
    assert pixels.dtype == "uint8"
    np.testing.assert_array_equal(np.ravel(pixels), [0, 0, 0, 128, 128, 255, 255, 255])
    halves = to_pixels(tf.cast(levels, "bfloat16")[None, None, :, None])
    assert halves.dtype == "uint8"


def test_all_ways_to_pixels_round_alike():
    """Also where a level lies half-way to the next."""
    halves = ((np.arange(255) + 0.5) / 127.5 - 1).astype("float32")
    values = np.concatenate([halves, np.nextafter(halves, -2), np.nextafter(halves, 2)])
    images = np.append(values, [-3.0, 3.0, 0.1]).astype("float32").reshape(1, -1, 4, 3)
    pixels = to_pixels(images).numpy()
    np.testing.assert_array_equal(to_uint8(images), pixels)
    np.testing.assert_array_equal(to_levels(images), pixels)
    np.testing.assert_array_equal(to_levels(pixels), pixels)


def test_points_are_left_as_they_are():
    keras.utils.set_random_seed(0)
    model = gan.build(image_shape=(2,), latent_dim=2, output_activation="linear")
    points = model.generate(70, seed=3)
    assert (points.dtype, points.shape) == (np.float32, (70, 2))
    np.testing.assert_array_equal(model.generate(5, seed=3), points[:5])
    far = tf.constant([[-40.0, 300.5]])
    np.testing.assert_array_equal(to_pixels(far), far)


def test_a_preview_is_a_grid_of_64(model):
    assert model.preview(seed=0).shape == (8 * 18 - 2, 8 * 18 - 2, 1)


# --- the averaged generator -------------------------------------------------------------------


def compiled(**settings):
    model = build(**settings)
    model.compile(keras.optimizers.SGD(0.5), keras.optimizers.SGD(0.5))
    return model


def real_images(count=8):
    random = np.random.default_rng(1)
    return tf.constant(random.uniform(-1, 1, (count, 16, 16, 1)).astype("float32"))


@pytest.mark.parametrize("settings", [{"ema_half_life": 16}, {"ema_half_life": 5}])
def test_the_average_follows_the_generator_with_its_half_life(settings):
    model = compiled(**settings)
    wanted = [np.asarray(item, "float64") for item in model.generator.variables]
    decay = 0.5 ** (8 / settings["ema_half_life"])
    for _ in range(3):
        model.counted_train_step(real_images())
        now = [np.asarray(item, "float64") for item in model.generator.variables]
        wanted = [decay * a + (1 - decay) * b for a, b in zip(wanted, now, strict=True)]
    for mean, value, plain in zip(model.ema_generator.variables, wanted, now, strict=True):
        np.testing.assert_allclose(mean, value, atol=1e-6, err_msg=mean.path)
        if plain.any():
            assert np.abs(value - plain).max() > 0


def test_images_come_from_the_average_and_training_from_the_generator():
    model = compiled(ema_half_life=1000)
    model.ema_generator.set_weights([0.0 * value for value in model.generator.get_weights()])
    latents = tf.ones((2, 4))
    assert not np.asarray(model(latents)).any()
    assert (model.generate(3, seed=0) == 128).all()
    assert np.asarray(model(latents, training=True)).any()
    assert model.training_samples(3).any()
    assert model.ema_generator.trainable_variables == []


def test_the_half_life_counts_the_images_of_all_replicas(monkeypatch):
    model = build(ema_half_life=32)
    assert float(model.decay_of_average(8)) == pytest.approx(0.5**0.25)
    monkeypatch.setattr(latent_model, "replica_count", lambda: 4)
    assert float(model.decay_of_average(8)) == pytest.approx(0.5)


def test_counts_are_taken_over_and_not_averaged():
    averages = [keras.Variable([1.0, 3.0]), keras.Variable([1, 2], dtype="int32")]
    weights = [keras.Variable([3.0, 3.0]), keras.Variable([5, 9], dtype="int32")]
    update_average(averages, weights, 0.75)
    assert averages[0].numpy().tolist() == [1.5, 3.0]
    assert averages[1].numpy().tolist() == [5, 9]


def test_half_lives():
    assert average_decay(1000, 1000) == 0.5
    assert average_decay(1000, 100) ** 10 == pytest.approx(0.5)
    with pytest.raises(GanzooError, match=r"needs a positive half-life in images, got 0\."):
        average_decay(0, 100)


# --- the networks -----------------------------------------------------------------------------


def players(made=(4, 4, 1), judged=(4, 4, 1), latent_dim=2, dtypes=("float32", "float32")):
    layers = keras.layers
    latents, images = keras.Input((2,)), keras.Input(judged)
    made = layers.Reshape(made, dtype=dtypes[0], name="images")(
        layers.Dense(math.prod(made))(latents)
    )
    logits = layers.Dense(1, dtype=dtypes[1], name="logits")(layers.Flatten()(images))
    return LatentModel(keras.Model(latents, made), keras.Model(images, logits), latent_dim)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (
            {"judged": (5, 5, 1)},
            r"^The generator makes images of 4 × 4 × 1, and the discriminator judges those of "
            r"5 × 5 × 1\. Choose settings, under model, that make both alike\.$",
        ),
        (
            {"latent_dim": 3},
            r"^latent_dim asks for latents of 3, and the generator takes those of 2",
        ),
        ({"dtypes": ("bfloat16", "float32")}, r"of the generator, 'images', computes in bfloat16,"),
        (
            {"dtypes": ("float32", "float16")},
            r"the discriminator, 'logits', computes in float16, .* it with dtype='float32'\.$",
        ),
    ],
    ids=str,
)
def test_networks_that_do_not_fit_are_refused(settings, message):
    assert players().image_shape == (4, 4, 1)
    with pytest.raises(GanzooError, match=message):
        players(**settings)


# --- features ---------------------------------------------------------------------------------


def test_features_are_the_discriminators_layers_in_inference(model):
    images = real_images(3)
    features = model.features(images)
    assert [(name, tuple(value.shape)) for name, value in features.items()] == [
        ("features_1", (3, 8, 8, 2)),
        ("features_2", (3, 4, 4, 4)),
    ]
    discriminator = model.discriminator
    x = tf.nn.leaky_relu(discriminator.get_layer("down_1")(images), 0.2)
    np.testing.assert_allclose(features["features_1"], x, atol=1e-6)
    x = discriminator.get_layer("norm_2")(discriminator.get_layer("down_2")(x), training=False)
    np.testing.assert_allclose(features["features_2"], tf.nn.leaky_relu(x, 0.2), atol=1e-6)
    alone = model.features(images[:1])
    np.testing.assert_allclose(alone["features_2"], features["features_2"][:1], atol=1e-6)
