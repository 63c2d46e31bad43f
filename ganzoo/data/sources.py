"""What a source string means: from the user's words to something that can be read by index."""

import os
import pathlib
import re
from collections.abc import Sequence

from ganzoo.data.arrays import ArraySource, image_levels, looks_like_idx, read_idx, read_numpy
from ganzoo.data.pictures import PictureSource, open_pictures
from ganzoo.data.samples import NAMES, read_sample, split_of_sample
from ganzoo.errors import DataError, nearest

Source = ArraySource | PictureSource
SourceName = str | os.PathLike | Sequence[str | os.PathLike]

# As "train" in train-images-idx3-ubyte, x_train and trainA, and not in "trains".
_SPLIT = re.compile(
    r"(?:^|[^a-z])(train|test|t10k|valid|validation|val)(?=[AB]?(?:[^a-z]|$))", re.I
)
# The part behind the last colon that is in no slice, as train[:80%] in sets of tfds.
_PART = re.compile(r"(.*):((?:[^:[\]]|\[[^]]*\])*)", re.S)
_IDX_PREFIXES = {"train": ("train",), "test": ("t10k", "test")}


def open_source(source: SourceName, *, skip_bad: bool = False) -> tuple[Source, ...]:
    """Opens what a source string names.

    A source is one of

    - a sample set: `mnist5k`, `textures` (`textures:grass`, `:gravel`, `:brick`, each with
      `:test`), or the point sets `ring8` and `grid25`;
    - `tfds:NAME[/CONFIG][:SPLIT]`, or a folder that `tfds` prepared;
    - a folder or a `.zip` of pictures; `folder:NAME` takes the folder NAME in it, and links are
      followed;
    - an idx file, or a folder of them, of which `folder:train` (the default) and
      `folder:test` pick a split;
    - a `.npy` file, or a `.npz` file, of which `file.npz:KEY` picks an array;
    - for pairs of domains a list of two of these, a folder that holds `trainA` and `trainB`
      (`folder:test` for `testA` and `testB`), or `tfds:cycle_gan/NAME[:test]`.

    Args:
        source: The string, or two.
        skip_bad: Leave out pictures that cannot be decoded, and folders that cannot be listed,
            with a warning that lists them.

    Returns:
        One source, or two for a pair of domains.

    Raises:
        DataError: It is unknown, empty or damaged.
    """
    if isinstance(source, Sequence) and not isinstance(source, str):
        return _open_pair(source, skip_bad)
    if hasattr(source, "shape"):
        raise DataError(
            f"The source is an array of shape {tuple(source.shape)}. Save it with numpy.save and "
            "give the path of its file; fit takes an array too."
        )
    if not isinstance(source, str | os.PathLike):
        raise DataError(
            f"The source is {source!r:.80}, of type {type(source).__name__}. Give a string, such "
            "as a folder of pictures, or two for a pair of domains."
        )
    name = os.fspath(source)
    if not name:  # which pathlib takes for the folder that one is in
        raise DataError("The source is ''. Give a path, 'tfds:NAME' or a sample set; '.' is here.")
    if name.startswith("tfds:"):
        from ganzoo.data.prepared import open_tfds

        return open_tfds(name, skip_bad)
    path, part = split_part(name)
    if not path.exists():
        return (_open_sample(name),)
    if path.is_dir():
        return _open_folder(path, part, name, skip_bad)
    return (_open_file(path, part, name, skip_bad),)


def split_in_name(name: str) -> str | None:
    """Guesses a split from a name that holds its word: "test" of `digits/test`, or None."""
    found = _SPLIT.search(name)
    if found is None:
        return None
    word = found.group(1).lower()
    return "test" if word == "t10k" else word  # as MNIST's 10,000 images for tests are called


def _of_split(source, split):
    source.split = split
    return source


def _open_pair(names, skip_bad):
    opened = [open_source(name, skip_bad=skip_bad) for name in names]
    if len(opened) != 2 or any(len(sources) != 1 for sources in opened):
        raise DataError(
            f"{list(map(str, names))} is no pair of domains. Give two sources of one domain each."
        )
    return opened[0] + opened[1]


def split_part(name: str) -> tuple[pathlib.Path, str | None]:
    """Separates `path:part`; a path that exists as it stands has no part."""
    path = _expanded(name)
    if path.exists() or ":" not in name:
        return path, None
    found = _PART.fullmatch(name)
    stem, part = found.groups() if found else name.rpartition(":")[::2]
    return _expanded(stem), part


def _expanded(name):
    try:
        return pathlib.Path(name).expanduser()
    except RuntimeError as error:
        home = pathlib.PurePath(name).parts[0]
        raise DataError(
            f"{name!r} begins with {home!r}, and there is no home of such a user. Write ~/ for "
            "your own."
        ) from error


def _open_sample(name):
    sample, _, part = name.partition(":")
    if sample in NAMES:
        images = read_sample(sample, part or None)
        source = ArraySource(name, images[..., None] if images.ndim == 3 else images)
        return _of_split(source, split_of_sample(sample, part or None))
    raise DataError(
        f"There is no file or folder {name!r}, and no sample set of this name. Give a path that "
        f"exists, 'tfds:NAME', or a sample set: {', '.join(NAMES)}." + nearest(sample, NAMES)
    )


def _open_file(path, part, name, skip_bad):
    suffix = path.suffix.lower()
    if part is not None and suffix != ".npz":
        raise DataError(f"{str(path)!r} has no parts, so {name!r} names nothing. Drop ':{part}'.")
    if suffix in (".npy", ".npz"):
        array, key = read_numpy(path, part)
        return _of_split(ArraySource(name, image_levels(array, repr(name))), split_in_name(key))
    if suffix == ".zip":
        return open_pictures(path, name, skip_bad)
    if looks_like_idx(path):
        return ArraySource(name, image_levels(read_idx(path), repr(name)))
    raise DataError(
        f"{name!r} is no source of images. Give a folder or .zip of pictures, an idx, .npy or "
        ".npz file, 'tfds:NAME', or a sample set."
    )


def _open_folder(path, part, name, skip_bad):
    if next(path.glob("dataset_info.json"), None) or next(path.glob("*/dataset_info.json"), None):
        from ganzoo.data.prepared import open_prepared_folder

        return open_prepared_folder(path, part, name, skip_bad)
    if part in (None, "train", "test") and (path / f"{part or 'train'}A").is_dir():
        both = [path / f"{part or 'train'}{domain}" for domain in "AB"]
        if both[1].is_dir():
            return tuple(
                _of_split(open_pictures(half, str(half), skip_bad), part or "train")
                for half in both
            )
    idx_files = sorted(file for file in path.iterdir() if _holds_idx_images(file))
    if idx_files:
        chosen = _pick_idx(idx_files, part, name)
        source = ArraySource(name, image_levels(read_idx(chosen), repr(name)))
        return (_of_split(source, split_in_name(chosen.name)),)
    if part is not None:
        path = _pick_subfolder(path, part, name)
    return (_of_split(open_pictures(path, name, skip_bad), split_in_name(part or "")),)


def _holds_idx_images(file):
    return file.is_file() and looks_like_idx(file) and "label" not in file.name


def _pick_idx(files, part, name):
    prefixes = _IDX_PREFIXES.get(part or "train", (part,))
    chosen = [file for file in files if file.name.startswith(prefixes)]
    if not chosen and part is None and len({file.name.removesuffix(".gz") for file in files}) == 1:
        chosen = files
    if not chosen:
        known = [file.name for file in files]
        raise DataError(
            f"{name!r} names no idx file of images. The folder holds {', '.join(known)}: choose "
            "with ':train' or ':test', or give the file." + nearest(part, known)
        )
    return chosen[0]


def _pick_subfolder(path, part, name):
    if (path / part).is_dir() and part not in (".", ".."):
        return path / part
    known = sorted(folder.name for folder in path.iterdir() if folder.is_dir())
    raise DataError(
        f"{name!r} names the folder {part!r} in {str(path)!r}, which is not there. "
        + (f"Choose among {', '.join(known[:20])}." if known else "It has no folders in it.")
        + nearest(part, known)
    )
