"""Scores as lines of JSON, and read back from a file, for a card; imports no TensorFlow."""

import json
import math
import numbers
import pathlib
from collections.abc import Mapping
from typing import Any

from ganzoo.checks import is_number, is_whole
from ganzoo.errors import GanzooError

Form = dict[str, Any]


def _is_text(value: Any) -> bool:
    return isinstance(value, str) and bool(value)


_WANTED = {
    is_number: "a finite number",
    is_whole: "a whole number",
    _is_text: "text",
}
# What a card says of a score. With "?" it may be absent or null.
_SIDE: Form = {"images": is_whole, "source": _is_text, "split": _is_text}
_FORM: Form = {
    "metric": _is_text,
    "value": is_number,
    "std?": is_number,
    "protocol?": _is_text,
    "extractor?": {"name": _is_text, "sha256?": _is_text},
    "resizer?": _is_text,
    "settings?": {},
    "real?": _SIDE,
    "images?": _SIDE,
    "fake?": {"images?": is_whole, "truncation?": is_number},
    "seed?": is_whole,
    "repeats?": is_whole,
}


def json_lines(scores: Mapping[str, Mapping[str, Any]]) -> str:
    """Writes one line of JSON for each score; JSON has no word but null for NaN and infinity."""
    lines = (_finite(score) for score in scores.values())
    text = "\n".join(json.dumps(line, ensure_ascii=False, allow_nan=False) for line in lines)
    # A byte of a path that is not UTF-8 gets the escape that JSON has for it.
    return text.encode("utf-8", "backslashreplace").decode("utf-8")


def _finite(value: Any) -> Any:
    """Puts None for every float that is no number, and Python's for NumPy's, at any depth."""
    if isinstance(value, dict):
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(item) for item in value]
    if isinstance(value, bool) or not isinstance(value, numbers.Real):
        return value
    if isinstance(value, numbers.Integral):
        return int(value)
    return float(value) if math.isfinite(value) else None


def read_scores(path: pathlib.Path) -> dict[str, dict[str, Any]]:
    """Reads the lines of JSON that `ganzoo evaluate` prints, one after the other or several times.

    Returns:
        The scores by their metric, and where there are more of one, such as by another resizer,
        by "fid (2)" and so on.

    Raises:
        GanzooError: The file is absent, or holds something else.
    """
    try:
        # Names may hold what else `splitlines` takes for the end of a line.
        lines = path.read_text(encoding="utf-8").split("\n")
        found = [json.loads(line) for line in lines if line.strip()]
    except (OSError, ValueError, RecursionError) as error:
        raise _no_scores(path, str(error)) from error
    for number, score in enumerate(found, 1):
        problem = problem_of(score)
        if problem:
            raise _no_scores(path, f"score {number}: {problem}")
    if not found:
        raise _no_scores(path, "it is empty")
    scores: dict[str, dict[str, Any]] = {}
    for score in found:
        title, number = score["metric"], 2
        while title in scores:
            title, number = f"{score['metric']} ({number})", number + 1
        scores[title] = score
    return scores


def problem_of(score: Any, form: Form = _FORM, place: str = "") -> str:
    """Says what keeps a score from being one that a card can show; "" where nothing does."""
    if not isinstance(score, Mapping):
        return f"{place or 'it'} is {score!r:.60}, and has to be a mapping"
    for key, wanted in form.items():
        name = key.rstrip("?")
        value, inner = score.get(name), f"{place}.{name}" if place else name
        if value is None and key.endswith("?"):
            continue
        if isinstance(wanted, dict):
            problem = problem_of(value, wanted, inner)
        elif name not in score:
            problem = f"{inner} is missing"
        else:
            problem = "" if wanted(value) else f"{inner} is {value!r:.60}, and has to be "
            problem += _WANTED[wanted] if problem else ""
        if problem:
            return problem
    return ""


def _no_scores(path, reason):
    return GanzooError(
        f"{path} holds no scores: {reason}. Write them with: ganzoo evaluate … > scores.jsonl"
    )
