"""Sources of random pictures of every kind, to time reading them."""

import io
import os
import zipfile

import numpy as np
from PIL import Image

KINDS = ("npy", "npz", "idx", "folder", "zip", "tfds")


def write_source(folder, kind, side, channels, count):
    """Writes pictures and names them as `ganzoo.data.load` takes them.

    Args:
        folder: Where to.
        kind: One of `KINDS`; after a "2", as in "2npy", a pair of such sources. Pictures of a
            folder are JPEG, those of a zip PNG.
        side: Of the square pictures.
        channels: 1 or 3.
        count: How many.

    Returns:
        A path, or a list of two.
    """
    if kind.startswith("2"):
        return [_write(folder / name, kind[1:], side, channels, count) for name in "ab"]
    return _write(folder / "data", kind, side, channels, count)


def _write(folder, kind, side, channels, count):
    folder.mkdir(parents=True)
    pictures = _pictures(side, channels, count)
    if kind in ("npy", "npz"):
        path = folder / f"pictures.{kind}"
        np.save(path, pictures) if kind == "npy" else np.savez(path, images=pictures)
        return str(path)
    return str({"idx": _idx, "folder": _folder, "zip": _zip, "tfds": _tfds}[kind](folder, pictures))


def _pictures(side, channels, count):
    """Draws smooth pictures: noise alone would compress like none that people have."""
    random = np.random.RandomState(0)
    coarse = random.randint(0, 256, (count, 8, 8, channels)).astype("uint8")
    images = [
        np.asarray(Image.fromarray(one.squeeze()).resize((side, side), Image.Resampling.BICUBIC))
        for one in coarse
    ]
    return np.stack(images).reshape(count, side, side, channels)


def _idx(folder, pictures):
    path = folder / "train-images-idx3-ubyte"
    header = np.array([0x803, *pictures.shape[:3]], ">u4").tobytes()
    path.write_bytes(header + pictures.tobytes())
    return path


def _encoded(pictures, format):
    for number, picture in enumerate(pictures):
        file = io.BytesIO()
        Image.fromarray(picture.squeeze()).save(file, format, quality=90)
        yield f"{number:05d}.{format.lower()}", file.getvalue()


def _folder(folder, pictures):
    for name, content in _encoded(pictures, "JPEG"):
        (folder / name).write_bytes(content)
    return folder


def _zip(folder, pictures):
    path = folder / "pictures.zip"
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in _encoded(pictures, "PNG"):
            archive.writestr(name, content)
    return path


def _tfds(folder, pictures):
    import tensorflow_datasets as tfds

    with tfds.core.registered.skip_registration():  # of a pair, the second would be refused

        class RandomPictures(tfds.core.GeneratorBasedBuilder):
            VERSION = tfds.core.Version("1.0.0")

            def _info(self):
                image = tfds.features.Image(shape=pictures.shape[1:])
                features = tfds.features.FeaturesDict({"image": image})
                return tfds.core.DatasetInfo(builder=self, features=features)

            def _split_generators(self, _):
                return {"train": self._generate_examples()}

            def _generate_examples(self):
                yield from ((number, {"image": picture}) for number, picture in enumerate(pictures))

    os.environ["TFDS_DATA_DIR"] = str(folder)
    tfds.disable_progress_bar()
    RandomPictures(data_dir=folder).download_and_prepare()
    return folder / "random_pictures" / "1.0.0"
