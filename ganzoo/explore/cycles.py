"""There and back: pictures, their translations, and what the way back did not restore."""

from dataclasses import dataclass

import numpy as np

from ganzoo.checks import model_name
from ganzoo.errors import GanzooError
from ganzoo.explore import drawing

_SIDE = 256


@dataclass(frozen=True)
class Cycle:
    """One picture's way, all uint8 `(h, w, c)`.

    Attributes:
        picture: Of the domain that the direction begins in: A for "ab".
        translated: Its translation into the other domain.
        restored: The translation of that, back into the first domain.
        difference: Absolute difference of picture and restored, in grey levels.
        error: Its mean.
    """

    picture: np.ndarray
    translated: np.ndarray
    restored: np.ndarray
    difference: np.ndarray
    error: float


def cycle(model, pictures, direction="ab") -> list[Cycle]:
    """Translates pictures in one direction and back.

    Args:
        model: A CycleGAN with both directions.
        pictures: uint8 `(h, w, c)` each, or paths.
        direction: "ab", or "ba" for B → A → B.

    Raises:
        GanzooError: The model does not translate, or the direction is none of those.
    """
    translator_of(model)
    ways = []
    for item in pictures:
        picture = _pixels(item, model.channels)
        translated = model.translate(picture, direction)
        restored = model.translate(translated, direction[::-1])
        difference = np.abs(picture.astype("int16") - restored).astype("uint8")
        ways.append(Cycle(picture, translated, restored, difference, float(difference.mean())))
    return ways


def translator_of(model):
    """Gives back a model that translates.

    Raises:
        GanzooError: It is of another kind.
    """
    if not hasattr(model, "translate"):
        raise GanzooError(f"{model_name(model)!r} does not translate pictures. Use a CycleGAN.")
    return model


def draw_cycle(model, pictures, *, out, direction="ab") -> list[Cycle]:
    """Draws a row for each picture: it, translated, restored, and the difference, doubled.

    Args:
        out: A `.png`.
        model: As in `cycle`, like the others.
    """
    ways = cycle(model, pictures, direction)
    first, second = direction.upper()
    rows = [
        [
            drawing.fit(way.picture, _SIDE),
            drawing.fit(way.translated, _SIDE),
            drawing.fit(way.restored, _SIDE),
            (
                drawing.fit(np.clip(2 * way.difference.astype(int), 0, 255).astype("uint8"), _SIDE),
                f"mean {way.error:.1f} levels",
            ),
        ]
        for way in ways
    ]
    names = [
        first,
        f"{first} to {second}",
        f"{first} to {second} to {first}",
        "difference, doubled",
    ]
    drawing.write_picture(out, [drawing.table(rows, column_names=names)])
    return ways


def _pixels(item, channels):
    from ganzoo.data.decoding import read_image

    picture = item if isinstance(item, np.ndarray) else read_image(item, channels)
    if picture.dtype != np.uint8 or picture.ndim != 3:
        raise GanzooError(
            f"A cycle starts from pictures (h, w, c) of uint8, and this is {picture.dtype} "
            f"{picture.shape}. Give uint8 arrays or paths."
        )
    return picture
