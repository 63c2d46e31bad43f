"""Settings as the command line takes them: KEY=VALUE, the values as YAML."""

from typing import Any

from ganzoo.errors import GanzooError
from ganzoo.plain_yaml import read_yaml
from ganzoo.schema import NUMBER


def parse_assignments(assignments: list[str]) -> dict[str, Any]:
    """Reads KEY=VALUE pairs, the values as YAML; 2e-4 is a number here.

    Raises:
        GanzooError: There is no "=", or the value is no YAML.
    """
    values = {}
    for assignment in assignments:
        key, equals, text = assignment.partition("=")
        if not equals or not key:
            raise GanzooError(f"--set {assignment!r} has no value. Write it as KEY=VALUE.")
        try:
            value = read_yaml(text)
        except ValueError as error:
            raise GanzooError(
                f"--set {assignment!r}: the value cannot be read. Quote it as in YAML."
            ) from error
        # What is quoted is text, and so are "nan" and "infinity".
        values[key.strip()] = float(value) if NUMBER.fullmatch(text.strip()) else value
    return values


def parse_metric_settings(assignments: list[str]) -> dict[str, dict[str, Any]]:
    """Reads METRIC.SETTING=VALUE pairs into the settings of each metric.

    Raises:
        GanzooError: As `parse_assignments`, or a key has another form.
    """
    settings: dict[str, dict[str, Any]] = {}
    for key, value in parse_assignments(assignments).items():
        metric, dot, name = key.partition(".")
        if not (metric and dot and name):
            raise GanzooError(
                f"--set {key!r} does not name a metric and its setting. Write it as "
                "METRIC.SETTING=VALUE, such as kid.subsets=50."
            )
        settings.setdefault(metric, {})[name] = value
    return settings
