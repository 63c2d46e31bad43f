"""Real images in their usual forms; skipped where they are absent."""

import tarfile

import numpy as np
import pytest
from PIL import Image

from ganzoo import data

GREY_ZEBRAS = ["226", "2341", "2361", "2757", "7503", "8008", "9726"]


def first_batch(source, **settings):
    stream = data.load(source, batch_size=8, **settings).stream
    return stream, next(iter(stream.dataset(0, 1)))


def test_mnist_idx_files(shared_data):
    stream, batch = first_batch(shared_data / "mnist", image_size=28, channels=1)
    assert stream.count == 60_000
    assert (float(np.min(batch)), float(np.max(batch))) == (-1, 1)
    assert stream.steps_per_epoch == 7500
    stream, batch = first_batch(
        f"{shared_data / 'mnist'}:test", image_size=32, channels=1, resize="pad"
    )
    assert stream.count == 10_000
    assert (batch.numpy()[:, :2] == -1).all()


def test_notmnist_idx_files_without_a_train_part(shared_data):
    stream, batch = first_batch(shared_data / "notmnist", image_size=28, channels=3)
    assert stream.count == 10_000
    assert batch.shape == (8, 28, 28, 3)


def test_celeba_zip_against_pillow(shared_data):
    import io
    import zipfile

    path = shared_data / "celeba" / "celeba_6000_128.zip"
    stream = data.load(path, image_size=64, batch_size=4).stream
    assert stream.count == 6000
    faces = (next(iter(stream.once(4))).numpy() + 1) * 127.5
    with zipfile.ZipFile(path) as archive:
        for name, face in zip(sorted(archive.namelist())[:4], faces, strict=True):
            picture = Image.open(io.BytesIO(archive.read(name)))
            expected = picture.resize((64, 64), Image.Resampling.BILINEAR)
            assert np.abs(face - np.asarray(expected, "float32")).max() <= 1.1


def test_cifar_folders_out_of_the_tar(shared_data, tmp_path):
    with tarfile.open(shared_data / "cifar10" / "cifar10_jpeg_60000.tar.xz") as archive:
        for _ in range(40):
            member = archive.next()
            archive.extract(member, tmp_path, filter="data")
    stream, batch = first_batch(tmp_path, image_size=32)
    assert 30 <= stream.count <= 40
    assert batch.shape == (8, 32, 32, 3)


def test_cifar_arrays(shared_data):
    path = shared_data / "cifar10" / "cifar10_lossless_4000_1017.npz"
    assert first_batch(path, image_size=32)[0].count == 4000
    assert first_batch(f"{path}:test", image_size=32)[0].count == 1017


def test_horse2zebra_is_a_pair_with_seven_grey_zebras(shared_data):
    folder = shared_data / "horse2zebra"
    settings = {"image_size": 64, "resize": "load_crop", "flip": True}
    stream, (horses, zebras) = first_batch(folder, **settings)
    assert [source.count for source in stream.sources] == [1067, 1334]
    assert horses.shape == zebras.shape == (8, 64, 64, 3)
    names = stream.sources[1].files.names
    grey = [names.index(f"n02391049_{number}.jpg") for number in GREY_ZEBRAS]
    for index in grey:
        picture = stream.sources[1].picture(index, 3).numpy()
        expected = Image.open(folder / "trainB" / names[index])
        assert expected.mode == "L"
        np.testing.assert_array_equal(picture, np.asarray(expected)[..., None].repeat(3, -1))


@pytest.mark.parametrize("channels", [1, 3])
def test_tensorflow_reads_real_photos_as_pillow_does(shared_data, channels):
    folder = shared_data / "celeba" / "img_align_celeba_sample"
    source = data.open_source(folder)[0]
    for index in range(0, source.count, 12):
        expected = data.read_image(folder / source.files.names[index], channels)
        np.testing.assert_array_equal(source.picture(index, channels), expected)
