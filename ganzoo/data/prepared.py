"""Data sets that TensorFlow Datasets (tfds) prepared, read by index and without a network."""

import io
import mmap
import os
import pathlib
import struct
from typing import Any, BinaryIO

import numpy as np
import tensorflow as tf

from ganzoo.data import decoding
from ganzoo.data.arrays import HELD_BYTES, ArraySource
from ganzoo.data.pictures import PictureSource
from ganzoo.errors import DataError, nearest

_PROBE_SECONDS = 5
# What a prepared data set ends in that was damaged, or copied in part.
_UNREADABLE = (
    OSError,
    tf.errors.DataLossError,
    tf.errors.FailedPreconditionError,
    tf.errors.InvalidArgumentError,
    tf.errors.NotFoundError,
)


def open_tfds(name: str, skip_bad: bool) -> tuple[ArraySource | PictureSource, ...]:
    """Opens `tfds:NAME[/CONFIG][:SPLIT]`, fetching it first if it is not prepared but at hand.

    The folder is that of the environment variable TFDS_DATA_DIR, or tfds's own.
    """
    wanted, _, split = name.removeprefix("tfds:").partition(":")
    builder = _builder(wanted, name)
    if not builder.info.splits:
        _fetch(builder, wanted)
    return _open_builder(builder, split or None, name, skip_bad)


def open_prepared_folder(
    path: pathlib.Path, split: str | None, name: str, skip_bad: bool
) -> tuple[ArraySource | PictureSource, ...]:
    """Opens the folder of a version that tfds prepared, or one that holds a single version."""
    import tensorflow_datasets as tfds

    found = [
        info.parent
        for pattern in ("dataset_info.json", "*/dataset_info.json")
        for info in sorted(path.glob(pattern))
    ]
    if len(found) != 1:
        versions = ", ".join(str(folder) for folder in found)
        raise DataError(f"{name!r} holds several prepared data sets. Give one of {versions}.")
    try:
        builder = tfds.builder_from_directory(found[0])
    except Exception as error:  # as its JSON files are garbled or missing, of many kinds
        raise _undescribed(name, error) from error
    return _open_builder(builder, split, name, skip_bad)


def _undescribed(name, error):
    return DataError(
        f"What tfds prepared for {name!r} cannot be read: {' '.join(str(error).split())[:300]}. "
        "Prepare or copy it again, with dataset_info.json and features.json."
    )


def _builder(wanted, name):
    import tensorflow_datasets as tfds

    known = tfds.list_builders()
    family = wanted.partition("/")[0]
    if family not in known:
        raise DataError(
            f"TensorFlow Datasets has no {family!r} (from {name!r}). The list is at "
            "https://www.tensorflow.org/datasets/catalog." + nearest(family, known)
        )
    try:
        return tfds.builder(wanted, data_dir=os.environ.get("TFDS_DATA_DIR"))
    except ValueError as error:
        configs = [config.name for config in tfds.builder_cls(family).BUILDER_CONFIGS]
        raise DataError(
            f"TensorFlow Datasets cannot open {wanted!r} (from {name!r}). "
            f"Its configurations are {', '.join(configs) or 'none'}."
            + nearest(wanted.partition("/")[2], configs)
        ) from error
    except Exception as error:  # as its dataset_info.json is garbled
        raise _undescribed(name, error) from error


def _fetch(builder, wanted):
    """Downloads and prepares a data set, if its server answers a first question at once.

    tfds itself would try ten times, for some 200 seconds, before it gives up.
    """
    import requests

    advice = (
        f"Prepare it where there is a network, with: tfds build {wanted}; then bring the "
        f"folder {builder.data_path} here, or set TFDS_DATA_DIR to where it lies."
    )
    if builder.MANUAL_DOWNLOAD_INSTRUCTIONS:
        raise DataError(
            f"'tfds:{wanted}' is not prepared, and its files have to be fetched by hand: "
            f"{' '.join(builder.MANUAL_DOWNLOAD_INSTRUCTIONS.split())} {advice}"
        )
    urls = _urls(builder)
    if not urls:
        raise DataError(f"'tfds:{wanted}' is not prepared in {builder.data_path}. {advice}")
    try:
        requests.head(urls[0], timeout=_PROBE_SECONDS).raise_for_status()
    except requests.RequestException as error:
        raise DataError(
            f"'tfds:{wanted}' is not prepared in {builder.data_path}, and {urls[0]} cannot be "
            f"reached. {advice}"
        ) from error
    try:
        builder.download_and_prepare()
    except Exception as error:  # tfds raises whatever its many parts raise
        raise DataError(
            f"'tfds:{wanted}' cannot be fetched: {type(error).__name__}: {str(error)[:300]}. "
            f"{advice}"
        ) from error


def _urls(builder):
    """Lists where a data set comes from; of several configurations, which share a list, its own."""
    urls = list(builder.url_infos or ())  # None of one that lists none
    config = builder.builder_config.name if builder.builder_config else None
    return [url for url in urls if config and config in url.rpartition("/")[2]] or urls


def _open_builder(builder, split, name, skip_bad):
    splits = list(builder.info.splits)
    both = [f"{split or 'train'}{domain}" for domain in "AB"]
    if split in (None, "train", "test") and set(both) <= set(splits):
        halves = tuple(_open_split(builder, half, f"{name}:{half}", skip_bad) for half in both)
        for half in halves:
            half.split = split or "train"
        return halves
    split = split or ("train" if "train" in splits else splits[0])
    return (_open_split(builder, split, name, skip_bad),)


def _open_split(builder, split, name, skip_bad):
    try:
        info = builder.info.splits[split]
        count = info.num_examples
    except (KeyError, ValueError) as error:
        splits = list(builder.info.splits)
        raise DataError(
            f"{name!r} has no split {split!r}. Choose among {', '.join(splits)}, or a slice such "
            f"as '{splits[0]}[:80%]'." + nearest(split, splits)
        ) from error
    if count < 1:
        raise DataError(f"{name!r} holds no examples in {split!r}. Give another split, or slice.")
    key, shape = _image_feature(builder, name)
    held = None not in shape and count * int(np.prod(shape)) <= HELD_BYTES // 2
    try:
        # Of transparent pictures `PictureSource` makes opaque ones.
        if held and shape[-1] in (1, 3):
            source = ArraySource(name, _decode_all(builder, split, key, count, shape))
        else:
            source = PictureSource(name, Records(info, key, name), skip_bad)
    except _UNREADABLE as error:
        raise DataError(
            f"{name!r} cannot be read from {str(builder.data_path)!r}: "
            f"{_reason(error)}. Prepare or copy it again."
        ) from error
    source.split = split
    return source


def _reason(error):
    """Gives what an error says in one line, without TensorFlow's name of the operation."""
    text = error.message if isinstance(error, tf.errors.OpError) else str(error)
    return text.rpartition("}} ")[2].partition(" [Op:")[0].rstrip(".")


def _image_feature(builder, name):
    import tensorflow_datasets as tfds

    features = builder.info.features
    images = {
        key: feature
        for key, feature in features.items()
        if isinstance(feature, tfds.features.Image) and feature.np_dtype == np.uint8
    }
    key = "image" if "image" in images else next(iter(images), None)
    if key is None:
        raise DataError(
            f"{name!r} has no feature with uint8 images; its features are "
            f"{', '.join(features)}. Choose another data set."
        )
    return key, images[key].shape


def _decode_all(builder, split, key, count, shape):
    """Reads a split of equal, small images into memory, in the order of its files."""
    import tensorflow_datasets as tfds

    examples = builder.as_dataset(
        split=split,
        shuffle_files=False,
        decoders={key: tfds.decode.SkipDecoding()},
        read_config=tfds.ReadConfig(interleave_cycle_length=1, try_autocache=False),
    )

    def decode(example):
        data = example[key]
        is_jpeg = tf.strings.substr(data, 0, 2) == b"\xff\xd8"
        decoder = tf.where(is_jpeg, decoding.JPEG, decoding.PNG)
        return decoding.decode(data, decoder, tf.constant(split), shape[-1])

    images = np.empty((count, *shape), "uint8")
    decoded = examples.map(decode, num_parallel_calls=tf.data.AUTOTUNE, deterministic=True)
    for number, image in enumerate(decoded.as_numpy_iterator()):
        images[number] = image
    return images


class Records:
    """The pictures in TFRecord files, in the files' order, each read where it lies.

    A TFRecord file has no index; walking from length to length makes one, without reading the
    pictures, so that a set of any size can be read in any order.
    """

    def __init__(self, split: Any, key: str, name: str):
        self.key = key
        self.files: list[str] = []
        places = []
        for instruction in split.file_instructions:
            file = str(instruction.filename)
            if "tfrecord" not in pathlib.Path(file).name:
                raise DataError(
                    f"{name!r} is prepared in a format that cannot be read by index: {file!r}. "
                    "Prepare it as tfrecord, the default of tfds."
                )
            stop = None if instruction.take < 0 else instruction.skip + instruction.take
            spans = _record_spans(file)[instruction.skip : stop]
            places.append(np.insert(spans, 0, len(self.files), axis=1))
            self.files.append(file)
        self._places = np.concatenate(places)
        if len(self._places) < split.num_examples:
            raise DataError(
                f"{name!r} holds {len(self._places):,} of its {split.num_examples:,} examples: a "
                f"file like {self.files[0]!r} ends early. Prepare or copy it again."
            )
        self.names = range(len(self._places))

    def path(self, number: int) -> str:
        return f"{self.files[self._places[number][0]]}, example {number}"

    def open(self, number: int) -> BinaryIO:
        return io.BytesIO(self.read(number))

    def read(self, number: int) -> bytes:
        """Reads one picture's bytes; threads may do so at once."""
        file, start, length = self._places[number]
        with open(self.files[file], "rb") as opened:
            opened.seek(start)
            example = tf.train.Example.FromString(opened.read(length))
        return example.features.feature[self.key].bytes_list.value[0]

    def read_in_graph(self, number: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        return decoding.read_by_number(self, number)


def _record_spans(file):
    """Finds where each record's data lies, `(count, 2)`: its start and length in bytes.

    A record is its length (8 bytes, little-endian), 4 bytes of checksum, the data, and 4 more.
    """
    spans = []
    if not os.path.getsize(file):  # which cannot be mapped
        return np.zeros((0, 2), "int64")
    with (
        open(file, "rb") as opened,
        mmap.mmap(opened.fileno(), 0, access=mmap.ACCESS_READ) as data,
    ):
        place = 0
        while place < len(data):
            head = data[place : place + 8]
            length = struct.unpack("<Q", head)[0] if len(head) == 8 else len(data)
            if place + 16 + length > len(data):
                raise DataError(
                    f"{str(file)!r} is cut short: its record at byte {place:,} goes beyond its "
                    "end. Prepare or copy it again."
                )
            spans.append((place + 12, length))
            place += 16 + length
    return np.array(spans, "int64").reshape(-1, 2)
