"""CycleGAN's image pool against the authors', image by image."""

import numpy as np
import pytest
import tensorflow as tf

from ganzoo import randomness
from ganzoo.models.cyclegan.pool import ImagePool


class PlainPool:
    """The authors' pool, image by image in Python, fed with the same draws."""

    def __init__(self, size):
        self.size, self.images = size, []

    def exchange(self, rows, places, swaps):
        out = []
        for row, place, swap in zip(rows, places, swaps, strict=True):
            if len(self.images) < self.size:
                self.images.append(row)
                out.append(row)
            elif swap:
                out.append(self.images[place])
                self.images[place] = row
            else:
                out.append(row)
        return np.stack(out)


@pytest.mark.parametrize(("size", "batch_size"), [(4, 1), (3, 5), (5, 3), (1, 4), (50, 2)])
def test_pool_does_what_the_authors_does(size, batch_size):
    pool, plain = ImagePool(size, (2, 2, 1)), PlainPool(size)
    for step in range(30):
        rows = np.arange(batch_size * 4.0, dtype="float32").reshape(batch_size, 2, 2, 1)
        rows += 1000.0 * step
        key = randomness.key_for(3, step, "pool")
        chances = randomness.uniform(key, (batch_size, 2)).numpy()
        places, swaps = (chances[:, 0] * size).astype(int), chances[:, 1] > 0.5
        expected = plain.exchange(rows, places, swaps)
        np.testing.assert_array_equal(pool.exchange(tf.constant(rows), key), expected)
        assert int(pool.count) == len(plain.images)
        np.testing.assert_array_equal(pool.images[: len(plain.images)], plain.images)


def test_full_pool_gives_back_half_of_the_images_and_all_of_its_places():
    pool, fresh, places = ImagePool(5, (1, 1, 1)), 0, set()
    exchange = tf.function(pool.exchange)
    for step in range(400):
        row = tf.fill((1, 1, 1, 1), float(step))
        before = pool.images.numpy().ravel().tolist()
        out = float(tf.squeeze(exchange(row, randomness.key_for(0, step, "pool"))))
        if step >= 5:
            fresh += out == step
            places |= {before.index(out)} if out != step else set()
    assert 160 < fresh < 235  # 197.5 ± 4 standard deviations
    assert places == set(range(5))


def test_pool_of_whole_batches_moves_them_together():
    pool = ImagePool(3, (1, 1, 1), group=4)
    for step in range(40):
        rows = tf.reshape(tf.range(4.0) + 10.0 * step, (4, 1, 1, 1))
        out = pool.exchange(rows, randomness.key_for(1, step, "pool")).numpy().ravel()
        np.testing.assert_array_equal(out, out[0] + np.arange(4.0))  # in order, of one step
    assert np.unique(pool.images.numpy() // 10).size == 3


@pytest.mark.parametrize("rows", [1, 3])
def test_the_last_rows_of_a_dataset_move_together_too(rows):
    """A user's dataset may end in a batch that is no whole one."""
    pool, olds = ImagePool(3, (1, 1, 1), group=4), 0
    exchange = tf.function(pool.exchange)
    for step in range(40):
        count = rows if step % 4 == 3 else 4
        images = tf.reshape(tf.range(float(count)) + 10.0 * step, (count, 1, 1, 1))
        out = exchange(images, randomness.key_for(1, step, "pool")).numpy().ravel()
        assert out.shape == (count,)
        assert set(out % 10) == set(range(count)), "no row is lost"
        swapped = (out // 10 != step).mean()
        assert swapped in (0, 1), "all of them change places, or none"
        olds += swapped == 1
    assert olds > 5
