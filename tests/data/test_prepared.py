"""Data sets that tfds prepared, made here with random pictures; no network is touched."""

import shutil

import numpy as np
import pytest
import requests
import tensorflow as tf

from ganzoo import data
from ganzoo.data.pictures import PictureSource
from ganzoo.data.prepared import _record_spans
from ganzoo.errors import DataError

tfds = pytest.importorskip("tensorflow_datasets")


def random_pictures(seed, sizes):
    random = np.random.RandomState(seed)
    return [random.randint(0, 256, (*size, 3)).astype("uint8") for size in sizes]


EQUAL = random_pictures(0, [(12, 12)] * 9)
MIXED = random_pictures(1, [(12 + i, 20 - i) for i in range(6)])


class GanzooEqual(tfds.core.GeneratorBasedBuilder):
    """Pictures of one size."""

    VERSION = tfds.core.Version("1.0.0")
    SHAPE, PICTURES = (12, 12, 3), {"train": EQUAL, "test": EQUAL[:2]}

    def _info(self):
        features = {"image": tfds.features.Image(shape=self.SHAPE), "label": np.int64}
        return tfds.core.DatasetInfo(builder=self, features=tfds.features.FeaturesDict(features))

    def _split_generators(self, dl_manager):
        return {split: self._generate_examples(split) for split in self.PICTURES}

    def _generate_examples(self, split):
        for number, picture in enumerate(self.PICTURES[split]):
            yield number, {"image": picture, "label": number}


class GanzooPair(GanzooEqual):
    """Pictures of many sizes in two domains."""

    VERSION = tfds.core.Version("1.0.0")
    SHAPE = (None, None, 3)
    PICTURES = {"trainA": MIXED, "trainB": MIXED[:4], "testA": MIXED[:2], "testB": MIXED[:1]}


@pytest.fixture(scope="module")
def prepared(tmp_path_factory):
    """The folder in which tfds prepared both sets."""
    folder = tmp_path_factory.mktemp("tfds data")
    for builder in (GanzooEqual, GanzooPair):
        builder(data_dir=folder).download_and_prepare()
    return folder


@pytest.fixture(autouse=True)
def no_network(monkeypatch, prepared):
    def unreachable(url, **_):
        raise requests.ConnectionError(f"no way to {url}")

    monkeypatch.setattr(requests, "head", unreachable)
    monkeypatch.setenv("TFDS_DATA_DIR", str(prepared))


def sorted_images(source, image_size):
    stream = data.load(source, image_size=image_size, batch_size=3, resize="crop").stream
    images = data.to_uint8(np.concatenate(list(stream.once()))).numpy()
    return sorted(images.reshape(len(images), -1).tolist())


def flat(pictures):
    return sorted(np.reshape(pictures, (len(pictures), -1)).tolist())


def test_a_prepared_set_is_read_by_name_and_by_folder(prepared):
    folder = prepared / "ganzoo_equal" / "1.0.0"
    for source in ("tfds:ganzoo_equal", folder, folder.parent, f"{folder}:train"):
        assert sorted_images(source, 12) == flat(EQUAL)
    assert sorted_images("tfds:ganzoo_equal:test", 12) == flat(EQUAL[:2])
    stream = data.load("tfds:ganzoo_equal:train[:4]", image_size=12, batch_size=2).stream
    assert stream.count == 4
    assert sorted_images("tfds:ganzoo_equal:train+test", 12) == flat(EQUAL + EQUAL[:2])


def test_a_slice_of_a_prepared_folder_is_its_part(prepared):
    folder = prepared / "ganzoo_equal" / "1.0.0"
    for part, count in {"train[:4]": 4, "train[4:]": 5, "train[:4]+test[1:]": 5}.items():
        source = f"{folder}:{part}"
        assert sorted_images(source, 12) == sorted_images(f"tfds:ganzoo_equal:{part}", 12)
        assert data.load(source, image_size=12, batch_size=2).stream.count == count


@pytest.mark.parametrize("part", ["equal:train[:0]", "pair:trainA[:0]", "pair:trainA[5:3]"])
def test_a_slice_without_examples_is_refused(part):
    with pytest.raises(DataError, match=r"holds no examples in 'train.*'\. Give another split"):
        data.load(f"tfds:ganzoo_{part}", image_size=12, batch_size=2)


def test_a_prepared_set_knows_its_split(monkeypatch):
    for held in (1 << 30, 100):
        monkeypatch.setattr("ganzoo.data.prepared.HELD_BYTES", held)
        for wanted, split in (
            ("equal", "train"),
            ("equal:test", "test"),
            ("equal:train+test", "train+test"),
            ("equal:train[:4]", "train[:4]"),
            ("pair:test", "test"),
            ("pair:trainB", "trainB"),
        ):
            opened = data.open_source(f"tfds:ganzoo_{wanted}")
            assert {source.split for source in opened} == {split}, wanted


@pytest.mark.parametrize("damage", [lambda file: file.write_bytes(file.read_bytes()[:-30]),
                                    lambda file: file.write_bytes(b"")])  # fmt: skip
def test_a_damaged_description_is_refused(damage, prepared, tmp_path, monkeypatch):
    monkeypatch.setenv("TFDS_DATA_DIR", str(tmp_path))
    for name in ("dataset_info.json", "features.json"):
        shutil.rmtree(tmp_path / "ganzoo_equal", ignore_errors=True)
        folder = shutil.copytree(prepared / "ganzoo_equal", tmp_path / "ganzoo_equal") / "1.0.0"
        damage(folder / name)
        with pytest.raises(DataError, match=r"What tfds prepared for .*1\.0\.0' cannot be read: "):
            data.load(folder, image_size=12, batch_size=2)
        if name == "dataset_info.json":  # the features are known by name
            with pytest.raises(DataError, match="What tfds prepared for 'tfds:ganzoo_equal' can"):
                data.load("tfds:ganzoo_equal", image_size=12, batch_size=2)


def test_a_set_that_tells_no_address_is_not_prepared(tmp_path, monkeypatch):
    monkeypatch.setenv("TFDS_DATA_DIR", str(tmp_path))
    with pytest.raises(DataError, match="'tfds:ganzoo_equal' is not prepared in .*Prepare it wh"):
        data.load("tfds:ganzoo_equal", image_size=12, batch_size=2)


class GanzooClear(GanzooEqual):
    """Pictures of one size with an alpha channel."""

    VERSION = tfds.core.Version("1.0.0")
    SHAPE = (12, 12, 4)
    PICTURES = {"train": [np.dstack([each, np.full((12, 12), 255 * (i % 2))]).astype("uint8")
                          for i, each in enumerate(EQUAL)]}  # fmt: skip


def test_transparent_pictures_lie_on_white(tmp_path):
    GanzooClear(data_dir=tmp_path).download_and_prepare()
    expected = [each if i % 2 else np.full_like(each, 255) for i, each in enumerate(EQUAL)]
    assert sorted_images(tmp_path / "ganzoo_clear", 12) == flat(expected)


def test_sets_too_large_to_hold_are_read_where_they_lie(monkeypatch):
    whole = data.load("tfds:ganzoo_equal", image_size=12, batch_size=3, flip=True).stream
    monkeypatch.setattr("ganzoo.data.prepared.HELD_BYTES", 100)
    stream = data.load("tfds:ganzoo_equal", image_size=12, batch_size=3, flip=True).stream
    assert isinstance(stream.sources[0], PictureSource)
    for one, other in zip(stream.dataset(5, 6), whole.dataset(5, 6), strict=True):
        np.testing.assert_array_equal(one, other)
    part = data.load("tfds:ganzoo_equal:train[2:5]", image_size=12, batch_size=3).stream
    whole = np.concatenate(list(stream.once()))
    np.testing.assert_array_equal(np.concatenate(list(part.once())), whole[2:5])
    assert sorted_images("tfds:ganzoo_equal:train+test", 12) == flat(EQUAL + EQUAL[:2])


def test_two_domains_are_a_pair():
    stream = data.load("tfds:ganzoo_pair", image_size=12, batch_size=2).stream
    assert [source.count for source in stream.sources] == [6, 4]
    test = data.load("tfds:ganzoo_pair:test", image_size=12, batch_size=2).stream
    assert [source.count for source in test.sources] == [2, 1]
    single = data.load("tfds:ganzoo_pair:trainB", image_size=12, batch_size=2).stream
    assert [source.count for source in single.sources] == [4]
    assert sorted(single.sources[0].sizes.tolist()) == [[20 - i, 12 + i] for i in (3, 2, 1, 0)]
    # The first picture, 12 x 20, is cropped without resizing.
    images = data.to_uint8(np.concatenate(list(single.once()))).numpy()
    assert MIXED[0][:, 4:16].tolist() in images.tolist()


def test_what_is_not_prepared_fails_at_once_with_what_to_do(monkeypatch, tmp_path):
    monkeypatch.setenv("TFDS_DATA_DIR", str(tmp_path))
    with pytest.raises(DataError, match=r"(?s)'tfds:mnist' is not prepared in .*cannot be reached.*"
                       r"tfds build mnist"):  # fmt: skip
        data.load("tfds:mnist", image_size=28, batch_size=2)
    with pytest.raises(DataError, match=r"and https://\S+/horse2zebra\.zip cannot be reached"):
        data.load("tfds:cycle_gan/horse2zebra", image_size=28, batch_size=2)
    with pytest.raises(DataError, match="fetched by hand: .*tfds build celeb_a_hq/128"):
        data.load("tfds:celeb_a_hq/128", image_size=28, batch_size=2)
    assert not list(tmp_path.rglob("*.tmp*"))


def test_wrong_names_get_the_nearest_right_one():
    for source, message in [
        ("tfds:ganzoo_equl", "no 'ganzoo_equl'.*Did you mean 'ganzoo_equal'"),
        ("tfds:cycle_gan/horse2zebr", "cannot open.*Did you mean 'horse2zebra'"),
        ("tfds:ganzoo_equal:tset", "no split 'tset'. Choose among .*Did you mean 'test'"),
    ]:
        with pytest.raises(DataError, match=message):
            data.load(source, image_size=12, batch_size=2)


def without_the_last_record(file):
    start, length = _record_spans(file)[-2]
    return file.read_bytes()[: start + length + 4]


def with_a_bit_turned(file):
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    return bytes(content)


@pytest.mark.parametrize(
    ("name", "damage", "message"),
    [
        ("pair", lambda file: file.read_bytes()[:-20], "is cut short: its record at byte"),
        ("pair", lambda file: b"", "holds 0 of its 6 examples: a file like .*-trainA"),
        ("pair", without_the_last_record, "holds 5 of its 6 examples: a file like .*-trainA"),
        ("pair", None, "cannot be read from .*No such file"),
        ("equal", lambda file: file.read_bytes()[:-20], "cannot be read from .*: truncated record"),
        ("equal", lambda file: b"", "contained only 0 elements. Prepare or copy it again"),
        ("equal", without_the_last_record, "contained only 8 elements. Prepare or copy it again"),
        ("equal", with_a_bit_turned, "cannot be read from .*: corrupted record"),
        ("equal", None, "cannot be read from .*No such file"),
    ],
)
def test_a_damaged_record_file_is_refused(name, damage, message, prepared, tmp_path):
    folder = shutil.copytree(prepared / f"ganzoo_{name}" / "1.0.0", tmp_path / "damaged")
    file = min(folder.glob("*-train*"))
    if damage is None:
        file.unlink()
    else:
        file.write_bytes(damage(file))
    with pytest.raises(DataError, match=message):
        data.load(folder, image_size=12, batch_size=2)


def test_sets_without_images_are_refused(prepared):
    class GanzooText(tfds.core.GeneratorBasedBuilder):
        VERSION = tfds.core.Version("1.0.0")

        def _info(self):
            features = tfds.features.FeaturesDict({"text": tf.string})
            return tfds.core.DatasetInfo(builder=self, features=features)

        def _split_generators(self, dl_manager):
            return {"train": self._generate_examples()}

        def _generate_examples(self):
            yield 0, {"text": "no picture"}

    GanzooText(data_dir=prepared).download_and_prepare()
    with pytest.raises(DataError, match="no feature with uint8 images; its features are text"):
        data.load("tfds:ganzoo_text", image_size=12, batch_size=2)
