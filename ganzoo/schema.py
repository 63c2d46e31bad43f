"""The schema of a preset's YAML: its keys, their types, and the sentence for each mistake."""

import re

from ganzoo.errors import PresetError, nearest
from ganzoo.plain_yaml import DEEPEST

RECIPES = ("paper", "official", "common")
JIT = ("on", "off", "auto")
# What a key of the file holds. The keys of `model`, and those of `training` that belong to the
# family, are checked against its `build` and `compile` when the model is made.
SECTIONS = {
    "family": str,
    "paper": str,
    "recipe": str,
    "model": dict,
    "parameters": dict,  # how many each network has, so that `ganzoo list` need not build it
    "optimizers": dict,
    "training": dict,
    "data": dict,
    "phases": (str, list),
    "weights": list,
    "deviations": list,
}
REQUIRED = ("family", "paper", "recipe", "model", "optimizers", "training", "data")
DATA_KEYS = (
    "source", "image_size", "channels", "resize", "load_size", "flip", "skip_bad", "shuffle",
)  # fmt: skip
TRAINING_KEYS = {
    "batch_size": int,
    "epochs": int,
    "steps": int,
    "seed": int,
    "checkpoint_every": int,
    "sample_every": int,
    "evaluate_every": int,
    "evaluate_metrics": list,
    "evaluate_best": str,
    "evaluate_options": dict,
    "precision": str,
    "jit": str,
    "steps_per_execution": int,
}
# `model` and `parameters` are those of weights whose networks differ from the preset's.
WEIGHTS_KEYS = {
    "source": str,
    "sha256": str,
    "git_blob": str,
    "networks": list,
    "format": str,
    "model": dict,
    "parameters": dict,
    "licence": str,
    "notes": str,
    "scores": list,
    "bytes": int,
}
DEVIATION_KEYS = {"what": str, "why": str}
SCORE_KEYS = {"metric": str, "value": float, "std": float, "protocol": str}
OPTIMIZER_KEYS = ("class_name", "config", "registered_name", "module")
# A number with an exponent, which YAML reads as text where it has no dot or no sign.
NUMBER = re.compile(r"[-+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d+)")
_MOST_VALUES = 5000


def check(content: dict, origin: str) -> None:
    """Checks every key and value.

    Raises:
        PresetError: Names the file, the key, the value, and the nearest right key.
    """
    for key, value in content.items():
        if key not in SECTIONS:
            refuse_key(origin, key, value, SECTIONS)
        if value is not None or key in REQUIRED:
            _check_type(origin, key, value, SECTIONS[key])
    missing = [key for key in REQUIRED if key not in content]
    if missing:
        raise PresetError(f"{origin} lacks {', '.join(missing)}. Every preset needs them.")
    if content["recipe"] not in RECIPES:
        raise PresetError(
            f"{origin}: recipe is {content['recipe']!r}.{nearest(content['recipe'], RECIPES)} "
            f"It is one of: {', '.join(RECIPES)}."
        )
    _check_numbers(origin, "", content)
    _check_inner(origin, "data", content["data"], DATA_KEYS)
    _check_source(origin, content["data"].get("source"))
    for name, optimizer in content["optimizers"].items():
        _check_type(origin, f"optimizers.{name}", optimizer, (dict, str))
        if isinstance(optimizer, dict):
            _check_inner(origin, f"optimizers.{name}", optimizer, OPTIMIZER_KEYS)
    _check_counts(origin, "parameters", content.get("parameters") or {})
    for index, entry in enumerate(content.get("weights") or []):
        _check_weights(origin, f"weights[{index}]", entry)
    for index, entry in enumerate(content.get("deviations") or []):
        _check_deviation(origin, f"deviations[{index}]", entry)
    for key, value in content["training"].items():
        if key in TRAINING_KEYS and value is not None:
            _check_type(origin, f"training.{key}", value, TRAINING_KEYS[key])
    jit = content["training"].get("jit")
    if jit not in (None, *JIT):
        raise PresetError(
            f"{origin}: training.jit is {jit!r}.{nearest(jit, JIT)} It is one of: {', '.join(JIT)}."
        )


def _check_deviation(origin, place, entry):
    _check_type(origin, place, entry, dict)
    _check_inner(origin, place, entry, DEVIATION_KEYS)
    missing = [key for key in DEVIATION_KEYS if key not in entry]
    if missing:
        raise PresetError(f"{origin}: {place} lacks {', '.join(missing)}. Say both what and why.")
    for key, value in entry.items():
        _check_type(origin, f"{place}.{key}", value, DEVIATION_KEYS[key])


def _check_weights(origin, place, entry):
    _check_type(origin, place, entry, dict)
    _check_inner(origin, place, entry, WEIGHTS_KEYS)
    if "source" not in entry:
        raise PresetError(f"{origin}: {place} lacks source. Say where the weights come from.")
    for key, value in entry.items():
        _check_type(origin, f"{place}.{key}", value, WEIGHTS_KEYS[key])
    _check_texts(origin, f"{place}.networks", entry.get("networks", []))
    _check_counts(origin, f"{place}.parameters", entry.get("parameters", {}))
    for index, score in enumerate(entry.get("scores", [])):
        _check_score(origin, f"{place}.scores[{index}]", score)


def _check_score(origin, place, score):
    _check_type(origin, place, score, dict)
    _check_inner(origin, place, score, SCORE_KEYS)
    missing = [key for key in ("metric", "value", "protocol") if key not in score]
    if missing:
        raise PresetError(
            f"{origin}: {place} lacks {', '.join(missing)}. A number without its protocol says "
            "nothing."
        )
    for key, value in score.items():
        _check_type(origin, f"{place}.{key}", value, SCORE_KEYS[key])


def _check_source(origin, source):
    """Refuses what is neither one source nor a list of them, as pairs have two."""
    if source is not None:
        _check_type(origin, "data.source", source, (str, list))
    if isinstance(source, list):
        _check_texts(origin, "data.source", source)


def _check_texts(origin, place, values):
    for index, value in enumerate(values):
        _check_type(origin, f"{place}[{index}]", value, str)


def _check_counts(origin, place, counts):
    for name, count in counts.items():
        _check_type(origin, f"{place}.{name}", count, int)


def _check_inner(origin, section, content, known):
    for key, value in content.items():
        if key not in known:
            refuse_key(origin, f"{section}.{key}", value, [f"{section}.{name}" for name in known])


def _check_type(origin, key, value, expected):
    names = expected if isinstance(expected, tuple) else (expected,)
    wrong_bool = isinstance(value, bool) and bool not in names
    whole = isinstance(value, int) and float in names
    if wrong_bool or not (whole or isinstance(value, expected)):
        wanted = " or ".join(_TYPE_NAMES[kind] for kind in names)
        raise PresetError(
            f"{origin}: {key} is {value!r}, {type(value).__name__}. It has to be {wanted}."
        )


_TYPE_NAMES = {
    str: "text", int: "a whole number", float: "a number", bool: "true or false",
    dict: "a mapping", list: "a list",
}  # fmt: skip


def _check_numbers(origin, key, value):
    """Finds numbers such as 2e-4, which YAML reads as text."""
    if isinstance(value, dict):
        for inner, content in value.items():
            _check_numbers(origin, f"{key}.{inner}" if key else str(inner), content)
    elif isinstance(value, list):
        for index, content in enumerate(value):
            _check_numbers(origin, f"{key}[{index}]", content)
    elif isinstance(value, str) and NUMBER.fullmatch(value):
        raise PresetError(
            f"{origin}: {key} is {value!r}, which YAML reads as text. Write {_with_dot(value)}."
        )


def _with_dot(number):
    mantissa, _, exponent = number.lower().partition("e")
    mantissa = mantissa if "." in mantissa else f"{mantissa}.0"
    sign = exponent if exponent[0] in "+-" else f"+{exponent}"
    return f"{mantissa}e{sign}"


def refuse_key(origin, key, value, known, guesses=None):
    """Raises a PresetError for a key that does not exist, with the nearest that do."""
    raise PresetError(
        f"{origin}: there is no key {key!r} (its value is {value!r})."
        f"{nearest(key, guesses or known)} "
        f"Known keys: {', '.join(known)}."
    )


def separated(value, origin, depth=0, left=None):
    """Copies nested values, each on its own.

    What a YAML's alias (`*name`) repeats is one object, that an override would change in both
    places; and a few aliases of aliases stand for more values than there is time for.

    Raises:
        PresetError: There are more values, or deeper ones, than a preset ever has.
    """
    left = [_MOST_VALUES] if left is None else left
    left[0] -= 1
    if left[0] < 0 or depth > DEEPEST:
        raise PresetError(
            f"{origin} repeats values without end, or nests them too deeply. Write a few dozen "
            "plain values."
        )
    if isinstance(value, dict):
        return {key: separated(inner, origin, depth + 1, left) for key, inner in value.items()}
    if isinstance(value, list):
        return [separated(inner, origin, depth + 1, left) for inner in value]
    return value
