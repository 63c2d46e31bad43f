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
        _check_structure(text, loader)
        return yaml.load(text, Loader=loader)
    except Exception as error:  # of `!!bool maybe` PyYAML raises KeyError, of others still others
        raise ValueError(" ".join(str(error).split())) from error


def _check_structure(text, loader):
    """Refuses a key that stands twice, of which YAML would take the last without a word.

    So it does what would exhaust the stack of the C code that builds values from the inside.
    """
    around = []  # for each open mapping its keys, and whether the next node is one; None for a list
    for event in yaml.parse(text, Loader=loader):
        if isinstance(event, yaml.CollectionEndEvent):
            around.pop()
        if not isinstance(event, yaml.NodeEvent):
            continue
        if around and around[-1] is not None:
            keys, is_key = around[-1]
            if is_key and isinstance(event, yaml.ScalarEvent):
                if event.value in keys:
                    line = event.start_mark.line + 1
                    raise ValueError(f"the key {event.value!r} stands twice, again in line {line}")
                keys.add(event.value)
            around[-1] = keys, not is_key
        if isinstance(event, yaml.CollectionStartEvent):
            around.append((set(), True) if isinstance(event, yaml.MappingStartEvent) else None)
        if len(around) > DEEPEST:
            raise ValueError(f"it nests values more than {DEEPEST} deep")
