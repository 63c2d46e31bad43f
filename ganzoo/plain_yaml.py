"""YAML that holds plain values only, whoever wrote it."""

import re

import yaml

DEEPEST = 20  # lists and mappings inside each other; no preset comes near
# The same as yaml.safe_load, six times as fast where PyYAML was built with LibYAML.
_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
# How PyYAML writes a byte of a path that is not UTF-8. It reads it back; LibYAML does not.
_LONE_BYTE = re.compile(r"\\u[Dd][Cc][89A-Fa-f]")


def read_yaml(text: str):
    """Reads plain values: text, numbers, dates, lists and mappings.

    Raises:
        ValueError: The text is no such YAML; its message says what is wrong, in one line.
    """
    loader = yaml.SafeLoader if _LONE_BYTE.search(text) else _LOADER
    try:
        _check_depth(text, loader)
        return yaml.load(text, Loader=loader)
    except Exception as error:  # of `!!bool maybe` PyYAML raises KeyError, of others still others
        raise ValueError(" ".join(str(error).split())) from error


def _check_depth(text, loader):
    """Refuses what would exhaust the stack of the C code that builds values from the inside."""
    depth = 0
    for event in yaml.parse(text, Loader=loader):
        depth += isinstance(event, yaml.CollectionStartEvent)
        depth -= isinstance(event, yaml.CollectionEndEvent)
        if depth > DEEPEST:
            raise ValueError(f"it nests values more than {DEEPEST} deep")
