"""How images are brought to a network's size: the settings of `load`, checked."""

import warnings
from dataclasses import dataclass
from typing import Any

import numpy as np

from ganzoo.checks import check_choice, check_whole
from ganzoo.data import resizing
from ganzoo.data.sources import Source
from ganzoo.errors import DataError


@dataclass(frozen=True)
class View:
    """How images are brought to a network's size: the settings of `load`, checked."""

    image_size: int | None
    channels: int
    resize: str
    load_size: int | None
    flip: bool


def checked_view(
    sources: tuple[Source, ...],
    image_size: int | None,
    channels: int,
    resize: str,
    load_size: int | None,
    flip: bool,
) -> View:
    """Checks the settings of `load` against each other; raises DataError."""
    points = [source.name for source in sources if source.is_points]
    if points and len(sources) > 1:
        raise DataError(
            f"{points[0]!r} holds points, of which no pairs are made. Give two sources of images."
        )
    if points:
        return View(None, 0, "none", None, False)
    if image_size is None:
        raise DataError(f"{sources[0].name!r} holds images. Give image_size, such as 64.")
    check_whole("image_size", image_size, error=DataError)
    check_flag("flip", flip)
    if channels not in (1, 3):
        raise DataError(f"channels is {channels!r}. Give 3 for colour or 1 for grey.")
    check_choice(f"resize is {resize!r}", resize, resizing.MODES, error=DataError)
    if resize != "load_crop":
        return View(image_size, channels, resize, None, bool(flip))
    load_size = load_size or resizing.load_size_for(image_size)
    check_whole("load_size", load_size, error=DataError)
    if load_size < image_size:
        raise DataError(
            f"load_size is {load_size}, below image_size {image_size}, so that no crop fits. "
            f"Give {resizing.load_size_for(image_size)}, for example."
        )
    return View(image_size, channels, resize, load_size, bool(flip))


def warn_of_enlarging(sources: tuple[Source, ...], view: View) -> None:
    """Warns of images smaller than the network's, once a source, with their number."""
    if view.image_size is None or view.resize == "pad":
        return
    for source in sources:
        small = source.smaller_than(view.image_size)
        if small:
            warnings.warn(
                f"{small:,} of the {source.count:,} pictures in {source.name!r} are smaller than "
                f"{view.image_size}x{view.image_size} and are enlarged.",
                stacklevel=3,
            )


def check_flag(name: str, value: Any) -> None:
    """Raises DataError unless `value` is true or false: "no" would count as true."""
    if not isinstance(value, (bool, np.bool_)):
        raise DataError(f"{name} is {value!r}. Give true or false.")
