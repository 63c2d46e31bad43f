"""Images for pictures about a data set, with their labels where the source has any."""

import gzip
import pathlib
import re

import numpy as np

from ganzoo.checks import check_seed
from ganzoo.data.picture_files import Folder
from ganzoo.data.pictures import PictureSource
from ganzoo.data.pipeline import Stream, load
from ganzoo.data.sources import split_part
from ganzoo.errors import DataError

_IMAGES_AT_ONCE = 128
_OF_IMAGES = re.compile(r"^x_|_images$|_x$")  # in the name of an array


def take_images(
    source,
    count: int,
    *,
    image_size,
    channels,
    seed: int = 0,
    domain: int | None = 0,
    resize: str = "crop",
    skip_bad: bool = False,
):
    """Takes images at random from a source, or all if it has no more.

    Labels are those of `mnist5k`; of idx files beside which a file of labels lies; of a
    `.npz` file that holds `y_train` with `x_train` and the like, numbers or words, which are
    numbered in alphabetical order; and the folders' names, in that order too, where the pictures
    lie in several folders.

    Args:
        source: What `ganzoo.data.load` takes.
        count: How many.
        image_size: Side to bring them to.
        channels: 1 or 3.
        seed: Same seed, same images.
        domain: 0 or 1, of a source of pairs; None refuses these.
        resize: How to bring them to that size, as in `ganzoo.data.load`; by nothing of chance.
        skip_bad: Leave out pictures that cannot be read.

    Returns:
        Images, float32 `(n, h, w, c)` in [-1, 1], and labels, ints `(n,)`, or None.

    Raises:
        DataError: A picture cannot be read, the labels are Python objects, or there are two
            domains and none is named.
    """
    check_seed("seed", seed)
    stream: Stream = load(
        source,
        image_size=image_size,
        channels=channels,
        batch_size=_IMAGES_AT_ONCE,
        resize=resize,
        skip_bad=skip_bad,
    ).stream
    if len(stream.sources) == 1:
        labels = read_labels(str(source), stream.sources[0])
    elif domain is None:
        names = " and ".join(each.name for each in stream.sources)
        raise DataError(f"{source} holds two domains, {names}. Name one of them (--data).")
    else:
        stream, labels = stream.domains[domain], None
    chosen = np.random.default_rng(seed).permutation(stream.count)[:count]
    wanted = np.zeros(stream.count, bool)
    wanted[chosen] = True
    found, position = [], 0
    for batch in stream.read_once():
        found.append(batch.numpy()[wanted[position : position + len(batch)]])
        position += len(batch)
    order = np.argsort(np.argsort(chosen))
    images = np.concatenate(found)[order]
    return images, None if labels is None else labels[chosen]


def read_labels(name: str, source) -> np.ndarray | None:
    """Reads the labels of all images of an opened source, or gives None where it has none."""
    if name == "mnist5k":
        return np.arange(source.count) // 500  # 500 of each digit, in order
    if isinstance(source, PictureSource):
        return _labels_of_folders(source)
    place, part = split_part(name)
    if place.suffix.lower() == ".npz":
        return _labels_of_numpy(place, part or "train", source.count)
    if place.is_dir():
        return _labels_of_idx(place, part or "train", source.count)
    return None


def _labels_of_folders(source):
    if not isinstance(source.files, Folder):
        return None
    names = [pathlib.PurePosixPath(source.files.names[number]) for number in source.numbers]
    folders = sorted({name.parent for name in names})
    if len(folders) < 2:
        return None
    return np.array([folders.index(name.parent) for name in names])


def _labels_of_numpy(path, part, count):
    split = _OF_IMAGES.sub("", part)  # "test" of "x_test" too, which a source may be named by
    with np.load(path, allow_pickle=False) as arrays:
        for name in (f"y_{split}", f"{split}_labels", f"{split}_y", "labels", "y"):
            if name not in arrays.files:
                continue
            labels = _array_of(arrays, name, path)
            if labels.size == count:
                return _numbered(labels.reshape(-1))
    return None


def _array_of(arrays, name, path):
    try:
        return arrays[name]
    except ValueError as error:  # Python objects, which are never opened
        raise DataError(
            f"The labels {name!r} in {path} cannot be read: {error}. Save them as an array of "
            "numbers or of text."
        ) from error


def _numbered(labels):
    """Labels as they are, if they are numbers; else the places of their words in order."""
    if labels.dtype.kind in "biuf":
        return labels.astype(int)
    return np.unique(labels, return_inverse=True)[1]


def _labels_of_idx(folder, part, count):
    prefixes = {"train": ("train",), "test": ("t10k", "test")}.get(part, (part,))
    for file in sorted(folder.iterdir()):
        if file.name.startswith(prefixes) and "label" in file.name:
            labels = _read_label_file(file)
            return labels if len(labels) == count else None
    return None


def _read_label_file(path):
    """Reads an idx file of one dimension: two zero bytes, 8, 1, the count, the labels."""
    content = path.read_bytes()
    if content[:2] == b"\x1f\x8b":
        content = gzip.decompress(content)
    if content[:4] != b"\0\0\x08\x01":
        return np.zeros(0, int)
    return np.frombuffer(content[8:], "uint8").astype(int)
