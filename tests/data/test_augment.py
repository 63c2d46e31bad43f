"""DiffAugment against NumPy, and the random numbers it draws against SplitMix64."""

import numpy as np
import pytest
import tensorflow as tf

from ganzoo.data import augment
from ganzoo.errors import DataError

WORD = 2**64 - 1


def mixed(word):
    word = (word ^ (word >> 30)) * 0xBF58476D1CE4E5B9 & WORD
    word = (word ^ (word >> 27)) * 0x94D049BB133111EB & WORD
    return word ^ (word >> 31)


def test_the_mixer_is_that_of_splitmix64():
    # The first outputs for the seed 1234567, as published with the algorithm's test vectors.
    state, outputs = 1234567, []
    for _ in range(3):
        state = (state + 0x9E3779B97F4A7C15) & WORD
        outputs.append(state)
    expected = [6457827717110365317, 3203168211198807973, 9817491932198370423]
    assert augment._mix(tf.constant(outputs, "uint64")).numpy().tolist() == expected


def test_draws_are_the_hash_of_seed_and_position():
    golden = 0x9E3779B97F4A7C15
    seed, positions, count, salt = [7, -2], [0, 3, 2**40], 2, 4
    low, high = 7, 2**32 - 2
    key = mixed((mixed((low + golden * (salt + 1)) & WORD) + high) & WORD)
    expected = [
        [
            (mixed((key + (position * count + draw) * golden) & WORD) >> 40) / 2**24
            for draw in range(1, count + 1)
        ]
        for position in positions
    ]
    drawn = augment.row_uniforms(tf.constant(seed), tf.constant(positions, "int64"), count, salt)
    assert drawn.dtype == tf.float32
    np.testing.assert_array_equal(drawn, np.array(expected, "float32"))


def test_draws_are_uniform_and_uncorrelated():
    drawn = augment.row_uniforms(tf.constant([0, 0]), tf.range(50_000), 3).numpy()
    assert drawn.min() >= 0
    assert drawn.max() < 1
    counts = [np.histogram(column, 20, (0, 1))[0] for column in drawn.T]
    np.testing.assert_allclose(counts, 2500, atol=300)
    correlations = np.corrcoef(np.concatenate([drawn[:-1], drawn[1:]], 1).T)
    assert np.abs(correlations - np.eye(6)).max() < 0.03


@pytest.fixture
def images():
    return np.random.RandomState(0).uniform(-1, 1, (4, 16, 12, 3)).astype("float32")


def test_a_row_depends_on_the_seed_and_its_position_only(images):
    seed = tf.constant([3, 5])
    both = augment.diff_augment(images, seed, tf.constant([0, 1, 2, 3]))
    dealt = augment.diff_augment(images[1::2], seed, tf.constant([1, 3]))
    np.testing.assert_array_equal(dealt, both[1::2])
    compiled = tf.function(augment.diff_augment, jit_compile=True)
    np.testing.assert_allclose(compiled(images, seed, tf.range(4)), both, atol=1e-6)
    other = augment.diff_augment(images, tf.constant([3, 6]), tf.range(4))
    assert (other.numpy() != both.numpy()).any(axis=(1, 2, 3)).all()


def test_colours_are_changed_as_in_the_paper(images):
    chances = np.array([[0.5, 0.5, 0.5], [0.9, 0.1, 0.2], [0, 0, 0], [0.3, 0.8, 0.99]], "float32")
    expected = []
    for image, (brightness, saturation, contrast) in zip(images, chances, strict=True):
        image = image + brightness - 0.5
        grey = image.mean(-1, keepdims=True)
        image = grey + (image - grey) * saturation * 2
        expected.append(image.mean() + (image - image.mean()) * (contrast + 0.5))
    changed = augment.change_colors(tf.constant(images), tf.constant(chances))
    np.testing.assert_allclose(changed, expected, atol=1e-5)
    np.testing.assert_allclose(changed[0], images[0], atol=1e-6)


def test_translation_shifts_by_up_to_an_eighth_and_shows_grey(images):
    chances = np.array([[0, 0, 0], [0.5, 0.5, 0], [0.99, 0.99, 0], [0.7, 0.3, 0]], "float32")
    moved = augment.translate(tf.constant(images), tf.constant(chances)).numpy()
    # Of 16 rows 2 and of 12 columns 2 either way: 5 shifts each.
    for image, result, (down, right) in zip(
        images, moved, [(-2, -2), (0, 0), (2, 2), (1, -1)], strict=True
    ):
        padded = np.pad(image, ((2, 2), (2, 2), (0, 0)))
        np.testing.assert_array_equal(result, padded[2 - down : 18 - down, 2 - right : 14 - right])


def test_cutout_hides_a_box_of_half_the_side(images):
    chances = np.array([[0, 0, 0], [0.5, 0.5, 0], [0.999, 0.999, 0], [0.5, 0, 0]], "float32")
    result = augment.cut_out(tf.constant(images), tf.constant(chances)).numpy()
    # The box is 8 x 6 around a centre among 0..16 and 0..12.
    for image, cut, (row, column) in zip(
        images, result, [(0, 0), (8, 6), (16, 12), (8, 0)], strict=True
    ):
        expected = image.copy()
        expected[max(0, row - 4) : row + 4, max(0, column - 3) : column + 3] = 0
        np.testing.assert_array_equal(cut, expected)


def test_gradients_reach_the_images_as_finite_differences_say(images):
    seed, positions = tf.constant([1, 2]), tf.range(4)
    weights = np.random.RandomState(1).normal(size=images.shape).astype("float32")

    def loss(x):
        return tf.reduce_sum(augment.diff_augment(x, seed, positions) * weights)

    variable = tf.Variable(images)
    with tf.GradientTape() as tape:
        value = loss(variable)
    gradient = tape.gradient(value, variable).numpy()
    direction = np.random.RandomState(2).normal(size=images.shape).astype("float32")
    difference = (loss(images + 0.1 * direction) - loss(images - 0.1 * direction)) / 0.2
    np.testing.assert_allclose((gradient * direction).sum(), difference, rtol=1e-3)
    assert np.abs(gradient).sum() > 1


def test_policies_draw_apart(images):
    seed, positions = tf.constant([1, 2]), tf.range(4)
    both = augment.diff_augment(images, seed, positions, ("translation", "cutout"))
    apart = augment.translate(tf.constant(images), augment.row_uniforms(seed, positions, 3, salt=1))
    apart = augment.cut_out(apart, augment.row_uniforms(seed, positions, 3, salt=2))
    np.testing.assert_array_equal(both, apart)


def test_policies_are_chosen_by_name(images):
    seed, positions = tf.constant([1, 2]), tf.range(4)
    np.testing.assert_array_equal(augment.diff_augment(images, seed, positions, ()), images)
    with pytest.raises(DataError, match="'colour' is not an augmentation.*Did you mean 'color'"):
        augment.diff_augment(images, seed, positions, ("colour",))
