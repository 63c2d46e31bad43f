"""What `ganzoo list` and `ganzoo info` tell of presets and models, without TensorFlow."""

import ast
import dataclasses
import importlib.resources
from typing import Any

from ganzoo.presets import Preset

_FLOAT_BYTES = 4


@dataclasses.dataclass(frozen=True)
class Facts:
    """One line of the catalogue.

    Attributes:
        name: Of the preset.
        resolution: Side of the images in pixels; None for points.
        parameters: Of one generator: that of the published weights, where there are some.
        download_bytes: Size of the published weights; None where there are none.
        download_is_estimate: Whether that is reckoned from the parameters, and not measured.
        licence: Of the published weights.
        score: Their headline score, the first that is stated: `metric`, `value`, `protocol`.
    """

    name: str
    resolution: int | None
    parameters: int | None
    download_bytes: int | None
    download_is_estimate: bool
    licence: str | None
    score: dict[str, Any] | None


def facts_of(preset: Preset) -> Facts:
    """Gathers the line of a preset; its first source of weights speaks for all."""
    entry = preset.weights[0] if preset.weights else {}
    networks = networks_of(preset, entry)
    size = entry.get("bytes")
    return Facts(
        name=preset.name,
        resolution=next(iter(image_shape(preset)), None),
        parameters=next(
            (count for name, count in networks.items() if name.startswith("generator")), None
        ),
        download_bytes=size or (stored_bytes(preset, entry) if entry else None),
        download_is_estimate=bool(entry) and size is None,
        licence=entry.get("licence"),
        score=next(iter(entry.get("scores", [])), None),
    )


def image_shape(preset: Preset) -> tuple[int, ...]:
    """Gives height, width and channels of the images that a preset makes; () for points."""
    shape = preset.model.get("image_shape")
    if shape:
        return tuple(shape) if isinstance(shape, list) and len(shape) == 3 else ()
    side = preset.model.get("image_size") or preset.data.get("image_size")
    channels = preset.model.get("channels") or preset.data.get("channels", 3)
    return (side, side, channels) if side else ()


def networks_of(preset: Preset, entry: dict[str, Any]) -> dict[str, int]:
    """Gives the parameters of each network that an entry of `weights` is for."""
    return entry.get("parameters") or preset.parameters


def stored_bytes(preset: Preset, entry: dict[str, Any]) -> int:
    """Reckons what the networks of an entry of `weights` take, stored in float32."""
    counts = networks_of(preset, entry)
    counts = {"ema_generator": counts.get("generator", 0)} | counts
    names = entry.get("networks") or list(networks_of(preset, entry))
    return _FLOAT_BYTES * sum(counts.get(name, 0) for name in names)


def shipped_picture(entry: dict[str, Any]) -> str | None:
    """Gives the path of the picture beside weights that come with the package, if there is one."""
    package, _, file = entry["source"].partition("package:")
    if package or not file:
        return None
    picture = importlib.resources.files("ganzoo") / "weights" / f"{file.removesuffix('.h5')}.png"
    return str(picture) if picture.is_file() else None


def family_title(family: str) -> str:
    """Gives the sentence that a family's package begins with: its name and its paper.

    It is read, and not imported, since the package imports TensorFlow.
    """
    file = importlib.resources.files("ganzoo") / "models" / family / "__init__.py"
    if not file.is_file():
        return family
    text = ast.get_docstring(ast.parse(file.read_text(encoding="utf-8"))) or family
    return " ".join(text.split("\n\n")[0].split()).rstrip(".")


def short_count(number: int) -> str:
    """Writes 11378179 as "11.4 M"."""
    return _short(number, {"G": 10**9, "M": 10**6, "k": 10**3}, "")


def short_bytes(number: int) -> str:
    """Writes 45512716 as "45.5 MB"."""
    return _short(number, {"GB": 10**9, "MB": 10**6, "kB": 10**3}, "bytes")


def _short(number, units, without):
    for unit, size in units.items():
        if number >= size:
            return f"{number / size:.{1 if number < 100 * size else 0}f} {unit}"
    return f"{number} {without}".rstrip()
