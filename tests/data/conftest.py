"""Makes pictures with random content for the tests of `ganzoo.data`."""

import gzip
import struct

import numpy as np
import pytest
from PIL import Image


@pytest.fixture
def pixels():
    """Gives a function that makes random smooth pixels `(height, width, channels)`, uint8."""

    def make(height, width, channels=3, seed=0):
        coarse = np.random.RandomState(seed).randint(0, 256, (4, 5, channels)).astype("uint8")
        planes = [
            Image.fromarray(coarse[..., c]).resize((width, height), Image.Resampling.BICUBIC)
            for c in range(channels)
        ]
        return np.stack([np.asarray(plane) for plane in planes], -1)

    return make


@pytest.fixture
def picture_folder(tmp_path, pixels):
    """A folder of 11 PNG pictures, 20 x 24, in two sub-folders; and their pixels in order."""
    images = [pixels(20, 24, seed=number) for number in range(11)]
    for number, image in enumerate(images):
        folder = tmp_path / "pictures" / ("a" if number < 6 else "b")
        folder.mkdir(parents=True, exist_ok=True)
        Image.fromarray(image).save(folder / f"{number:02}.png")
    return tmp_path / "pictures", np.stack(images)


@pytest.fixture
def write_idx():
    """Gives a function that writes uint8 values as an idx file, gzipped if its name says so."""

    def write(path, values):
        head = bytes([0, 0, 8, values.ndim]) + struct.pack(f">{values.ndim}i", *values.shape)
        data = head + values.astype("uint8").tobytes()
        path.write_bytes(gzip.compress(data) if path.suffix == ".gz" else data)
        return path

    return write
