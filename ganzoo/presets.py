"""Presets: the YAML files of `zoo_configs/`, read, changed and written; `schema` checks them.

Nothing here imports TensorFlow, so that `ganzoo list` answers at once.
"""

import copy
import dataclasses
import fnmatch
import functools
import importlib.resources
import itertools
import pathlib
import re
import textwrap
from typing import Any

import yaml

from ganzoo.errors import PresetError, nearest
from ganzoo.plain_yaml import read_yaml
from ganzoo.schema import REQUIRED, SECTIONS, check, refuse_key, separated


@dataclasses.dataclass(frozen=True)
class Preset:
    """The settings of one model: its family, networks, training and data.

    Attributes are the keys of the YAML; `name` is the file's, `origin` the file itself, and
    `summary` the comment that it begins with.
    """

    name: str
    origin: str
    family: str
    paper: str
    recipe: str
    model: dict
    optimizers: dict
    training: dict
    data: dict
    parameters: dict = dataclasses.field(default_factory=dict)
    phases: str | list | None = None
    weights: list = dataclasses.field(default_factory=list)
    deviations: list = dataclasses.field(default_factory=list)
    summary: str = dataclasses.field(default="", compare=False)

    @property
    def ships(self) -> bool:
        """Whether trained weights come with the package."""
        return any(entry["source"].startswith("package:") for entry in self.weights)

    @property
    def called(self) -> str:
        """What commands and `ganzoo.load` know it by: its name, or the path of one's own file."""
        return self.name if self.name in preset_names() else self.origin

    def settings(self) -> dict:
        """Gives what the YAML holds, as plain Python values that may be changed."""
        return {
            key: copy.deepcopy(getattr(self, key)) for key in SECTIONS if getattr(self, key)
        } | {key: copy.deepcopy(getattr(self, key)) for key in REQUIRED}

    def to_yaml(self) -> str:
        """Writes the summary and the settings as YAML, in the order of the schema."""
        settings = self.settings()
        ordered = {key: settings[key] for key in SECTIONS if key in settings}
        comment = "".join(f"# {line}\n" for line in textwrap.wrap(self.summary, 96))
        return comment + yaml.safe_dump(ordered, sort_keys=False, allow_unicode=True, width=96)


def preset_names() -> list[str]:
    """Lists every preset that comes with ganzoo, in natural order."""
    names = [path.name.removesuffix(".yaml") for path in _folder().iterdir()]
    return sorted((name for name in names if not name.startswith((".", "_"))), key=natural)


def find_presets(
    pattern: str = "*", *, family: str | None = None, pretrained: bool = False
) -> list[str]:
    """Lists the presets that match a wildcard, belong to a family, or have weights.

    Raises:
        PresetError: No preset belongs to a family of that name.
    """
    found = [name for name in preset_names() if fnmatch.fnmatchcase(name, pattern)]
    if family is None and not pretrained:
        return found
    matching = [
        preset.name
        for preset in map(read_preset, found)
        if (family is None or preset.family == family) and (preset.weights or not pretrained)
    ]
    if family is not None and not matching:
        families = sorted({read_preset(name).family for name in preset_names()})
        if family not in families:
            raise PresetError(
                f"There is no family {family!r}.{nearest(family, families)} "
                f"Families: {', '.join(families)}."
            )
    return matching


def read_preset(name: str) -> Preset:
    """Reads a preset: one that comes with ganzoo, by its name, or a YAML file of your own.

    Raises:
        PresetError: There is none of that name (the nearest are named), or it is malformed.
    """
    if is_preset_file(name):
        return _read_file(pathlib.Path(name))
    if name not in preset_names():
        raise PresetError(
            f"There is no preset named {name!r}.{nearest(name, preset_names())} "
            "List them with: ganzoo list"
        )
    file = _folder() / f"{name}.yaml"
    return parse_preset(file.read_text(encoding="utf-8"), name=name, origin=file.name)


def is_preset_file(name: str) -> bool:
    """Says whether a name is that of a YAML file, such as "mine.yaml", and of no preset."""
    return name.lower().endswith((".yaml", ".yml"))


def short_name(name: str) -> str:
    """Gives what a preset is called: "mine" for the file "configs/mine.yaml"."""
    return pathlib.Path(name).stem if is_preset_file(name) else name


def _read_file(path):
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or error
        raise PresetError(f"The preset {path} cannot be read: {reason}. Check the path.") from error
    return parse_preset(text, name=path.stem, origin=str(path))


def parse_preset(text: str, *, name: str, origin: str) -> Preset:
    """Makes a preset of a YAML's text, checking every key and value.

    Raises:
        PresetError: Names the file, the key, the value, and the nearest right key.
    """
    try:
        content = read_yaml(text)
    except ValueError as error:
        raise PresetError(
            f"{origin} is not plain YAML: {error}. Write values only: each key once, no tags, no "
            "code."
        ) from error
    if not isinstance(content, dict):
        raise PresetError(
            f"{origin} holds {type(content).__name__} where a preset's keys should be. "
            f"It needs: {', '.join(REQUIRED)}."
        )
    content = separated(content, origin)
    _spell_switches(content)
    check(content, origin)
    return Preset(name=name, origin=origin, summary=_first_comment(text), **_given(content))


def _given(content):
    """Leaves out sections that say nothing, `weights: null`, which are as their defaults."""
    return {key: value for key, value in content.items() if value is not None}


def _first_comment(text):
    lines = itertools.takewhile(lambda line: line.startswith("#"), text.splitlines())
    return " ".join(line.strip("# ") for line in lines)


def override(preset: Preset, overrides: dict) -> Preset:
    """Makes a preset with some values replaced.

    Args:
        overrides: Dotted keys, such as "model.base_filters" or
            "optimizers.generator_optimizer.config.learning_rate", and their values. Tuples and
            NumPy's scalars become what YAML has for them.

    Raises:
        PresetError: A key is not in the schema, or a value has the wrong type.
    """
    settings = preset.settings()
    for key, value in overrides.items():
        *path, last = key.split(".")
        place = settings
        for depth, part in enumerate(path):
            if depth == 0 and part not in SECTIONS:
                guesses = [".".join([section, *path[1:], last]) for section in SECTIONS]
                refuse_key("the overrides", key, value, SECTIONS, guesses)
            place = place.setdefault(part, {}) if isinstance(place, dict) else None
            if not isinstance(place, dict):
                raise PresetError(
                    f"The override {key!r} goes through {part!r}, which holds no keys. "
                    f"Override {'.'.join(path[: depth + 1])!r} as a whole."
                )
        if not path and last not in SECTIONS:
            guesses = [
                f"{section}.{inner}" for section in SECTIONS for inner in _keys(settings, section)
            ]
            nearest_key = [guess for guess in guesses if guess.endswith(f".{last}")]
            refuse_key("the overrides", key, value, nearest_key or guesses)
        place[last] = plain(value)
    if any(key.partition(".")[0] in ("family", "model") for key in overrides):
        settings["parameters"] = {}  # they were those of the networks as shipped
    origin = f"{preset.origin} with its overrides"
    _spell_switches(settings)
    check(settings, origin)
    summary = "" if overrides else preset.summary
    return Preset(name=preset.name, origin=preset.origin, summary=summary, **_given(settings))


def _spell_switches(settings):
    """Writes "on" and "off" where YAML has read the bare words as true and false."""
    training = settings.get("training")
    if isinstance(training, dict) and isinstance(training.get("jit"), bool):
        training["jit"] = "on" if training["jit"] else "off"


def plain(value: Any) -> Any:
    """Copies a value in YAML's types: lists for tuples, Python's numbers for NumPy's."""
    if isinstance(value, dict):
        return {key: plain(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [plain(inner) for inner in value]
    if getattr(value, "shape", None) == () and hasattr(value, "item"):
        return value.item()
    return copy.deepcopy(value)


def for_weights(preset: Preset, entry: dict, overrides: dict) -> tuple[Preset, dict]:
    """Makes the preset of the networks that published weights belong to.

    Args:
        entry: One of the preset's `weights`; its `model` is what differs.
        overrides: Dotted keys and values, which go before those.

    Returns:
        The preset with the overrides, and the settings of `model` that changed by the entry.
    """
    changes = {
        key: value
        for key, value in (entry.get("model") or {}).items()
        if preset.model.get(key) != value
    }
    fitted = dataclasses.replace(
        preset,
        model=preset.model | changes,
        parameters=entry.get("parameters") or ({} if changes else preset.parameters),
    )
    return override(fitted, overrides), changes


def natural(name: str) -> list:
    """Sort key that puts celebahq128 before celebahq1024."""
    return [int(part) if part.isdigit() else part for part in re.split(r"(\d+)", name)]


def _keys(settings, section):
    content = settings.get(section)
    return list(content) if isinstance(content, dict) else []


@functools.cache
def _folder():
    packaged = importlib.resources.files("ganzoo") / "zoo_configs"
    if packaged.is_dir():
        return packaged
    return pathlib.Path(__file__).resolve().parents[1] / "zoo_configs"  # an editable install
