"""The stream: any batch is a function of the position, the same on any number of replicas."""

import json
import subprocess
import sys

import numpy as np
import pytest
import tensorflow as tf

from ganzoo import data
from ganzoo.data import arrays
from ganzoo.errors import DataError

COUNT = 10


@pytest.fixture
def numbered(tmp_path):
    """A source of 10 images; every pixel of image i is 20 i."""
    images = np.broadcast_to(20 * np.arange(COUNT)[:, None, None], (COUNT, 8, 8))
    np.save(tmp_path / "numbered.npy", images.astype("uint8"))
    return str(tmp_path / "numbered.npy")


def numbers(dataset):
    """The numbers of `numbered` images in a dataset, batch after batch."""
    return [np.rint((batch[:, 0, 0, 0].numpy() + 1) * 127.5 / 20).astype(int) for batch in dataset]


def open_numbered(source, **settings):
    settings = {"image_size": 8, "channels": 1, "batch_size": 4} | settings
    return data.load(source, **settings).stream


def test_each_pass_is_a_new_permutation(numbered):
    passes = np.concatenate(numbers(open_numbered(numbered).dataset(0, 100))).reshape(40, COUNT)
    assert (np.sort(passes) == np.arange(COUNT)).all()
    assert len({tuple(order) for order in passes}) == 40


def test_the_first_image_of_a_pass_is_any_image_equally_often(numbered):
    stream = open_numbered(numbered, batch_size=COUNT)
    first = np.array([batch[0] for batch in numbers(stream.dataset(0, 2000))])
    frequencies = np.bincount(first, minlength=COUNT) / 2000
    assert np.abs(frequencies - 0.1).max() < 0.035  # five standard deviations


def test_the_order_is_fixed_by_the_seed(numbered):
    once, again, other = (
        np.concatenate(numbers(open_numbered(numbered, seed=seed).dataset(0, 10)))
        for seed in (7, 7, 8)
    )
    assert (once == again).all()
    assert (once != other).any()


def test_without_shuffling_the_order_is_that_of_the_file(numbered):
    batches = numbers(open_numbered(numbered, shuffle=False).dataset(0, 4))
    assert (np.concatenate(batches) == np.arange(16) % COUNT).all()


@pytest.mark.parametrize("start", [3, 8, 10, 37])
def test_starting_at_a_position_equals_skipping_to_it(numbered, start):
    stream = open_numbered(numbered, flip=True)
    everything = np.concatenate(list(stream.dataset(0, 20)))
    started = np.concatenate(list(stream.dataset(start, 5)))
    np.testing.assert_array_equal(started, everything[start : start + 20])


def test_an_epoch_is_made_of_full_batches(numbered):
    dataset = data.load(numbered, image_size=8, channels=1, batch_size=4)
    assert dataset.stream.count == COUNT
    assert dataset.stream.steps_per_epoch == 3
    assert [len(batch) for batch in dataset] == [4, 4, 4]
    assert dataset.stream.element_spec == tf.TensorSpec((4, 8, 8, 1))
    assert dataset.element_spec == dataset.stream.element_spec


@pytest.mark.parametrize("resize", ["crop", "pad", "stretch", "load_crop"])
def test_the_size_of_pictures_is_known_before_they_are_read(picture_folder, numbered, resize):
    for source in (picture_folder[0], numbered):
        options = {"image_size": 8, "resize": resize, "flip": True, "batch_size": 2}
        stream = data.load(source, **options).stream
        assert stream.element_spec.shape == (2, 8, 8, 3)
        assert next(iter(stream.dataset(steps=1))).shape == (2, 8, 8, 3)


def test_a_stream_without_steps_has_no_end(numbered):
    stream = open_numbered(numbered)
    assert stream.dataset().cardinality() == tf.data.INFINITE_CARDINALITY


@pytest.mark.parametrize("kind", ["array", "pictures", "pair"])
@pytest.mark.parametrize("replicas", [2, 4])
def test_replicas_see_the_rows_of_one_device(tmp_path, pixels, picture_folder, kind, replicas):
    folder, images = picture_folder
    np.save(tmp_path / "array.npy", images[:7])
    array = str(tmp_path / "array.npy")
    source = {"array": array, "pictures": folder, "pair": (array, folder)}[kind]
    settings = {"resize": "load_crop", "load_size": 18, "flip": True, "batch_size": 8}
    stream = data.load(source, image_size=16, **settings).stream
    alone = [_first(batch) for batch in stream.dataset(5, 4)]
    dealt = stream.dataset(5, 4, local_replicas=replicas, num_replicas=replicas)
    local = [_first(batch) for batch in dealt]
    for step, batch in enumerate(alone):
        for replica in range(replicas):
            mine = local[step * replicas + replica]
            np.testing.assert_array_equal(mine, batch[replica::replicas])
    # A worker that feeds only the last replica sees the same.
    last = stream.dataset(5, 4, first_replica=replicas - 1, num_replicas=replicas)
    for step, batch in enumerate(last):
        np.testing.assert_array_equal(_first(batch), alone[step][replicas - 1 :: replicas])


def _first(batch):
    return np.concatenate(batch, -1) if isinstance(batch, tuple) else batch.numpy()


def test_another_batch_size_cuts_the_same_stream(numbered):
    stream = open_numbered(numbered, flip=True)
    small = stream.with_batch_size(2)
    assert (small.batch_size, small.steps_per_epoch, stream.batch_size) == (2, 5, 4)
    np.testing.assert_array_equal(
        np.concatenate(list(small.dataset(6, 6))), np.concatenate(list(stream.dataset(6, 3)))
    )


def test_a_domain_of_a_pair_keeps_its_order_in_batches_of_another_size(numbered):
    first, second = open_numbered((numbered, numbered)).domains
    assert first.order != second.order
    small = second.with_batch_size(2)
    assert small.order == second.order
    np.testing.assert_array_equal(
        np.concatenate(numbers(small.dataset(6, 6))), np.concatenate(numbers(second.dataset(6, 3)))
    )


def test_once_gives_every_image_in_file_order(numbered, picture_folder):
    stream = open_numbered(numbered, flip=True)
    assert [list(batch) for batch in numbers(stream.once(4))] == [
        [0, 1, 2, 3],
        [4, 5, 6, 7],
        [8, 9],
    ]
    folder, images = picture_folder
    stream = data.load(folder, image_size=20, batch_size=4, flip=True).stream
    found = np.concatenate(list(stream.once(4)))
    np.testing.assert_allclose(found, images[:, :, 2:22] / 127.5 - 1, atol=1e-6)


@pytest.mark.parametrize(
    ("count", "expected"), [(1, [0]), (2, [0, 9]), (4, [0, 3, 6, 9]), (64, list(range(10)))]
)
def test_spaced_images_lie_all_over_a_source(count, expected, numbered, picture_folder):
    found = open_numbered(numbered, flip=True).read_spaced(count)
    assert list(numbers([found])[0]) == expected
    folder, images = picture_folder
    found = data.load(folder, image_size=20, batch_size=4).stream.read_spaced(3)
    np.testing.assert_allclose(found, images[[0, 5, 10], :, 2:22] / 127.5 - 1, atol=1e-6)


def test_spaced_images_of_pairs_are_refused(numbered):
    stream = open_numbered((numbered, numbered))
    with pytest.raises(
        DataError, match=r"are pairs, of two domains\. Use stream\.domains\[0\]\.re"
    ):
        stream.read_spaced(2)
    assert list(numbers([stream.domains[1].read_spaced(2)])[0]) == [0, 9]


def test_a_folder_is_read_without_warnings(picture_folder):
    code = (
        "import sys, ganzoo.data as data\n"
        "next(iter(data.load(sys.argv[1], image_size=16, batch_size=2)))"
    )
    command = [sys.executable, "-c", code, str(picture_folder[0])]  # TensorFlow warns only once
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert "WARNING:tensorflow" not in done.stderr


def test_half_of_the_images_are_mirrored_in_every_pass_anew(tmp_path):
    image = np.zeros((1, 4, 4), "uint8")
    image[..., 0] = 255
    np.save(tmp_path / "left.npy", image)
    stream = data.load(
        tmp_path / "left.npy", image_size=4, channels=1, batch_size=1000, flip=True
    ).stream
    batch = next(iter(stream.dataset(0, 1)))[..., 0].numpy()
    left, right = batch[:, 0, 0] == 1, batch[:, 0, 3] == 1
    assert (left != right).all()
    assert 430 < left.sum() < 570


def test_images_are_cut_and_mirrored_apart(tmp_path):
    np.save(tmp_path / "places.npy", np.arange(64, dtype="uint8").reshape(1, 8, 8))
    settings = {"resize": "load_crop", "load_size": 8, "flip": True, "batch_size": 400}
    stream = open_numbered(tmp_path / "places.npy", image_size=7, **settings)
    batch = np.rint((next(iter(stream.dataset(0, 1)))[..., 0].numpy() + 1) * 127.5).astype(int)
    first, last = batch[:, 0, 0], batch[:, 0, -1]
    top, left, mirrored = first // 8, np.minimum(first, last) % 8, first > last
    for one, other in ((top, mirrored), (left, mirrored), (top, left)):
        shares = np.bincount(2 * one + other, minlength=4) / 400
        np.testing.assert_allclose(shares, 0.25, atol=0.09)  # four standard errors


def test_a_pair_wraps_the_smaller_domain_in_a_new_order(numbered, tmp_path):
    np.save(tmp_path / "few.npy", np.broadcast_to([[[0]], [[20]], [[40]]], (3, 8, 8)).astype("u1"))
    pair = (numbered, tmp_path / "few.npy")
    stream = data.load(pair, image_size=8, channels=1, batch_size=1).stream
    assert (stream.count, stream.steps_per_epoch) == (COUNT, COUNT)
    batches = list(stream.dataset(0, 30))
    larger = np.concatenate(numbers(a for a, _ in batches)).reshape(3, COUNT)
    smaller = np.concatenate(numbers(b for _, b in batches)).reshape(10, 3)
    assert (np.sort(larger) == np.arange(COUNT)).all()
    assert (np.sort(smaller) == np.arange(3)).all()
    assert len({tuple(order) for order in smaller}) > 2
    single = stream.domains[1]
    assert single.count == 3
    np.testing.assert_array_equal(np.concatenate(numbers(single.dataset(0, 30))), smaller.ravel())
    with pytest.raises(DataError, match=r"stream\.domains\[0\]\.once\(\)"):
        stream.once()


def test_the_domains_of_a_pair_are_drawn_apart(numbered):
    stream = data.load((numbered, numbered), image_size=8, channels=1, batch_size=10).stream
    a, b = next(iter(stream.dataset(0, 1)))
    assert (a.numpy() != b.numpy()).any()


def test_the_description_tells_data_apart(numbered, tmp_path):
    stream = open_numbered(numbered)
    description = json.loads(json.dumps(stream.description))
    assert description == open_numbered(numbered).description
    assert description["sources"][0]["count"] == COUNT
    assert description != open_numbered(numbered, seed=1).description
    assert description != open_numbered(numbered, flip=True).description
    np.save(tmp_path / "numbered.npy", np.zeros((COUNT, 8, 8), "uint8") + 9)
    assert description != open_numbered(numbered).description


@pytest.mark.parametrize("held", [0, 1 << 30])
def test_the_fingerprint_of_an_array_is_of_both_its_ends_and_of_its_shape(held, monkeypatch):
    monkeypatch.setattr(arrays, "HELD_BYTES", held)
    images = np.zeros((200, 2, 4, 1), "uint8")
    others = [images.copy() for _ in range(2)]
    others[0][0, 1, 1], others[1][-1, 1, 1] = 1, 1
    shapes = [images, *others, images.reshape(200, 4, 2, 1)]
    digests = [arrays.ArraySource("images", each).digest() for each in shapes]
    assert len(set(digests)) == 4
    assert digests[0] == arrays.ArraySource("other name", images.copy()).digest()


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"batch_size": 0}, r"batch_size is 0\. Give a whole number from 1 up"),
        ({"image_size": None}, "holds images. Give image_size"),
        ({"image_size": 8.5}, r"image_size is 8\.5"),
        ({"channels": 4}, "channels is 4. Give 3 for colour or 1 for grey"),
        ({"resize": "corp"}, "resize is 'corp'.*Did you mean 'crop'"),
        ({"resize": "load_crop", "load_size": 4}, "load_size is 4, below image_size 8"),
    ],
)
def test_settings_without_sense_are_refused(numbered, settings, message):
    with pytest.raises(DataError, match=message):
        open_numbered(numbered, **settings)


def test_a_load_size_of_the_images_own_leaves_no_cut_to_chance(numbered):
    stream = open_numbered(numbered, resize="load_crop", load_size=8, shuffle=False)
    assert list(numbers(stream.dataset(0, 1))[0]) == [0, 1, 2, 3]


def test_batches_that_cannot_be_dealt_are_refused(numbered):
    stream = open_numbered(numbered)
    with pytest.raises(DataError, match="batch of 4 cannot be dealt to 3 replicas"):
        stream.dataset(0, 1, num_replicas=3)
    with pytest.raises(DataError, match="Replicas 1 to 2 are not among 2"):
        stream.dataset(0, 1, first_replica=1, local_replicas=2, num_replicas=2)


def test_smaller_images_are_enlarged_with_one_warning_that_counts(numbered):
    with pytest.warns(UserWarning, match="10 of the 10 pictures .* smaller than 16x16") as seen:
        stream = open_numbered(numbered, image_size=16)
    assert len(seen) == 1
    assert next(iter(stream.dataset(0, 1))).shape == (4, 16, 16, 1)


def test_one_short_side_is_enough_to_be_smaller(tmp_path):
    np.save(tmp_path / "wide.npy", np.full((3, 8, 40), 9, "uint8"))
    with pytest.warns(UserWarning, match="3 of the 3 pictures .* smaller than 16x16"):
        open_numbered(tmp_path / "wide.npy", image_size=16)
