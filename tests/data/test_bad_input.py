"""What is said of sources that cannot be used, and what is left out when asked."""

import errno
import gzip
import io
import math
import os
import zipfile

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from ganzoo import data
from ganzoo.errors import DataError, GanzooError
from ganzoo.metrics.sides import RealImages
from ganzoo.models import dcgan
from ganzoo.training.samples import first_images


def everything(source, image_size, **settings):
    """All images of a source in file order, as uint8."""
    stream = data.load(source, image_size=image_size, batch_size=5, **settings).stream
    return data.to_uint8(np.concatenate(list(stream.once()))).numpy()


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


def test_no_name_is_not_the_folder_that_one_is_in(picture_folder, monkeypatch):
    """As of a shell's variable that is not set."""
    monkeypatch.chdir(picture_folder[0])
    refused("", "The source is ''. Give a path")
    assert data.load(".", image_size=8, batch_size=2).stream.count == 11


def test_a_home_that_is_not_there_is_named():
    refused("~nobody-here/pictures", "begins with '~nobody-here', and there is no home of such a")
    refused("~nobody-here/pictures:train", "begins with '~nobody-here', and there is no home of")


def test_points_make_no_pair(tmp_path):
    np.save(tmp_path / "images.npy", np.zeros((2, 8, 8), "uint8") + np.arange(8, dtype="uint8"))
    for pair in (("ring8", tmp_path / "images.npy"), (tmp_path / "images.npy", "ring8")):
        refused(pair, "'ring8' holds points, of which no pairs are made. Give two sources of imag")
    refused(("ring8", "grid25"), "'ring8' holds points, of which no pairs are made")


@pytest.mark.parametrize("name", ["flip", "shuffle", "skip_bad"])
def test_only_true_and_false_are_true_or_false(name):
    refused("mnist5k", f"{name} is 'no'. Give true or false.", **{name: "no"})


@pytest.mark.parametrize("seed", [None, 1.5, "1", 2**64])
def test_a_seed_that_is_none_is_refused(seed):
    with pytest.raises(GanzooError, match=r"^seed is .*\. Give a whole number of at most 64 bits"):
        data.load("ring8", batch_size=2, seed=seed)
    assert data.load("ring8", batch_size=2, seed=np.int64(3)).stream.seed == 3


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


def test_a_folder_that_cannot_be_listed_is_named(picture_folder, monkeypatch):
    """What it holds would be missing from the training, and nobody would know."""
    folder, images = picture_folder
    list_folder = os.scandir

    def list_some(path):
        if str(path) == str(folder / "b"):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(path))
        return list_folder(path)

    monkeypatch.setattr(os, "scandir", list_some)
    refused(folder, r"The folder '.*pictures/b' cannot be listed: Permission denied\. Put it right")
    message = r"(?s)Left out of .* what cannot be listed, 1 in all:.*pictures/b' cannot be listed"
    with pytest.warns(UserWarning, match=message) as seen:
        found = everything(folder, 20, skip_bad=True)
    assert len(seen) == 1
    np.testing.assert_array_equal(found, images[:6, :, 2:22])


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


def test_pictures_of_formats_that_are_not_read_are_named(picture_folder, pixels, tmp_path):
    folder, images = picture_folder
    for name in ("b.TIFF", "a.tif", ".hidden.tif"):
        Image.fromarray(pixels(20, 24)).save(folder / name, format="tiff")
    packed = tmp_path / "packed.zip"
    with zipfile.ZipFile(packed, "w") as archive:
        for path in folder.rglob("*.*"):
            archive.write(path, path.relative_to(folder))
    message = r"(?s)Left out of .* in a format that training does not read, 2 in all:\n  a.tif\n  b"
    for source in (folder, packed):
        with pytest.warns(UserWarning, match=message):
            assert len(everything(source, 20)) == len(images)


def test_damage_inside_a_picture_is_left_out_when_asked(picture_folder):
    folder, images = picture_folder
    path = folder / "a" / "02.png"
    spoilt = bytearray(path.read_bytes())
    spoilt[60:90] = bytes(30)
    path.write_bytes(spoilt)
    with pytest.warns(UserWarning, match=r"(?s)Left out of .* 1 in all:.*02\.png"):
        found = everything(folder, 20, skip_bad=True)
    np.testing.assert_array_equal(found, np.delete(images, 2, 0)[:, :, 2:22])


@pytest.mark.parametrize("native", [True, False])
def test_damage_found_while_training_is_explained(picture_folder, native):
    folder, _ = picture_folder
    path = folder / "a" / "02.png"
    if not native:
        Image.open(path).quantize(8).save(path, transparency=0)
    stream = data.load(folder, image_size=20, batch_size=11).stream
    spoilt = bytearray(path.read_bytes())
    middle = spoilt.index(b"IDAT") + 12
    spoilt[middle : middle + 20] = bytes(20)
    path.write_bytes(spoilt)
    with pytest.raises(tf.errors.OpError) as caught:
        list(stream.dataset(0, 1))
    assert isinstance(stream.explain(caught.value), DataError)
    with pytest.raises(DataError, match=r"a/02\.png' is damaged"):
        raise stream.explain(caught.value)
    with pytest.raises(DataError, match=r"a/02\.png' is damaged"):
        list(stream.read_once())
    path.unlink()
    device = tf.errors.UnknownError(None, None, "No algorithm worked! [[{{node model/conv}}]]")
    assert stream.explain(device) is device, "no picture is looked at"
    other = tf.errors.InternalError(None, None, "something else [[IteratorGetNext]]")
    found = stream.explain(other)
    assert isinstance(found, DataError)
    assert str(found) == (
        f"{str(path)!r} cannot be read: No such file or directory. Put it right, or pass "
        "skip_bad=True (--skip-bad) to leave such files out."
    )


def test_all_pictures_are_read_once(picture_folder):
    folder, images = picture_folder
    stream = data.load(folder, image_size=20, batch_size=4).stream
    found = [batch.numpy() for batch in stream.read_once()]
    assert [len(batch) for batch in found] == [4, 4, 3]
    np.testing.assert_array_equal(data.to_uint8(np.concatenate(found)).numpy(), images[:, :, 2:22])


@pytest.mark.parametrize("use", ["test", "validation", "score", "examples"])
def test_damage_is_explained_wherever_pictures_are_read(use, picture_folder):
    folder, _ = picture_folder
    path = folder / "a" / "02.png"
    dataset = data.load(folder, image_size=16, batch_size=4)
    spoilt = bytearray(path.read_bytes())
    middle = spoilt.index(b"IDAT") + 12
    spoilt[middle : middle + 20] = bytes(20)
    path.write_bytes(spoilt)
    model = dcgan.build(image_size=16, channels=3, base_filters=2, latent_dim=2)
    model.compile("sgd", "sgd", run_eagerly=True)
    uses = {
        "test": lambda: model.evaluate(dataset),
        "validation": lambda: model.fit(
            np.zeros((32, 16, 16, 3), "float32"), validation_data=dataset, verbose=0
        ),
        "score": lambda: list(RealImages(dataset.stream).batches(4)),
        "examples": lambda: first_images(dataset.stream),
    }
    with pytest.raises(DataError, match=r"a/02\.png' is damaged"):
        uses[use]()


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
        (np.array([[0, 1], [np.nan, 2]]), "holds 1 values that are NaN or infinite"),
        (np.array([[0, 1e300]]), "holds 1 values that are NaN or infinite"),
        (np.full((2, 8, 8), 300.0), "ranges from 300 to 300 as float64, which is no clear range"),
        (np.linspace(0, 200, 128).reshape(2, 8, 8), "no clear range"),
        (np.full((2, 8, 8), -3), "ranges from -3 to -3 as int64"),
        (np.ones((2, 8, 8), "uint8"), r"x\.npy' holds 0 and 1 alone as uint8, .*multiply by 255"),
        (np.eye(8, dtype="int16")[None], "holds 0 and 1 alone as int16"),
        (np.full((2, 8, 8), 256, "int16"), "ranges from 256 to 256 as int16, .* uint16, or floats"),
        (np.ones((2, 3, 8, 8)), "channels first. Transpose it"),
        (np.ones((8, 9, 3)), r"\(8, 9, 3\), that of one colour picture. Give \(1, height, widt"),
        (np.ones((8, 9, 4)), r"has shape \(8, 9, 4\), that of one colour picture. Give \(1, heig"),
        (np.ones((2, 8)), r"has shape \(2, 8\), which is not that of images"),
        (np.ones((0, 8, 8)), "which is not that of images.*not empty"),
        (np.full((2, 8, 8), "x"), "holds <U1, not numbers"),
    ],
)
def test_arrays_that_are_no_images_are_refused(tmp_path, array, message):
    np.save(tmp_path / "x.npy", array)
    refused(tmp_path / "x.npy", message)


@pytest.mark.parametrize("bright", [None, 1, 64])
def test_a_large_file_is_asked_for_its_range_too(bright, tmp_path, monkeypatch):
    monkeypatch.setattr("ganzoo.data.arrays.HELD_BYTES", 100)
    images = np.ones((128, 8, 8), "uint8")
    if bright is None:
        np.save(tmp_path / "x.npy", images)
        refused(tmp_path / "x.npy", "holds 0 and 1 alone as uint8, .*multiply by 255")
        return
    images[bright] = 200  # the second of two is not looked at unless all others are dark
    np.save(tmp_path / "x.npy", images)
    source = data.open_source(tmp_path / "x.npy")[0]
    assert isinstance(source.levels, np.memmap)
    np.testing.assert_array_equal(source.levels[..., 0], images)


def test_damaged_numpy_files_are_refused(tmp_path):
    (tmp_path / "x.npy").write_bytes(b"not numpy")
    refused(tmp_path / "x.npy", r"x\.npy' cannot be read as a NumPy file")
    np.save(tmp_path / "x.npy", np.array([{}], object), allow_pickle=True)
    refused(tmp_path / "x.npy", "without objects")
    images = np.zeros((2, 8, 8))
    np.savez(tmp_path / "x.npz", one=images, two=images)
    refused(tmp_path / "x.npz", r"several arrays: one, two. Name the one .* 'x\.npz:one'")
    refused(f"{tmp_path / 'x.npz'}:on", "no array 'on'.*Did you mean 'one'")
    np.savez(tmp_path / "x.npz")
    refused(tmp_path / "x.npz", r"x\.npz' holds no array\. Write it again")


@pytest.mark.parametrize(("wrong", "right"), [("npy", "npz"), ("npz", "npy")])
def test_numpy_files_under_each_others_name_are_refused(tmp_path, wrong, right):
    save = np.save if right == "npy" else np.savez
    with open(tmp_path / f"x.{wrong}", "wb") as file:
        save(file, np.arange(128, dtype="uint8").reshape(2, 8, 8))
    refused(
        tmp_path / f"x.{wrong}", rf"x\.{wrong}' is no \.{wrong} file, but a \.{right} file\. Rename"
    )


def test_damaged_idx_files_are_refused(tmp_path, write_idx):
    values = np.arange(128).reshape(2, 8, 8)
    path = write_idx(tmp_path / "train-images-idx3-ubyte", values)
    path.write_bytes(path.read_bytes()[:-10])
    refused(path, r"ends after 118 of the 128 bytes its head announces")
    path.write_bytes(b"\0\0\x0d\3")
    refused(path, "is not an idx file of bytes")
    path.write_bytes(b"\0\0\x08\3" + bytes(6))
    refused(path, "ends within its head")
    write_idx(path, values[:, 0, 0])
    refused(path, "1-dimensional values, labels perhaps")
    gzipped = write_idx(tmp_path / "t10k-images-idx3-ubyte.gz", values)
    gzipped.write_bytes(gzipped.read_bytes()[:-12])
    refused(gzipped, "cannot be read as idx")
    refused(f"{tmp_path}:tost", "names no idx file of images. The folder holds t10k")


@pytest.mark.parametrize("name", ["train-images-idx3-ubyte", "train-images-idx3-ubyte.gz"])
@pytest.mark.parametrize("shape", [(2**31 - 1, 28, 28), (2**32 - 1,) * 3, (60_000, 2**20, 28)])
def test_an_idx_file_that_announces_more_than_memory_holds_is_refused(name, shape, tmp_path):
    data = b"\0\0\x08\x03" + np.array(shape, ">u4").tobytes() + bytes(100)
    path = tmp_path / name
    path.write_bytes(gzip.compress(data) if name.endswith(".gz") else data)
    refused(path, rf"ends after 100 of the {math.prod(shape):,} bytes its head announces")
