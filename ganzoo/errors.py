"""What ganzoo raises.

Each message is one sentence that names what is wrong and where, and one that says what to do; the
command line prints the message alone.
"""

import difflib


class GanzooError(ValueError):
    """Anything that a user can cause and put right."""


class PresetError(GanzooError):
    """A preset is unknown, malformed, or cannot give what is asked of it."""


class DataError(GanzooError):
    """A source of images cannot be read, or a batch is not what a model expects."""


class WeightsError(GanzooError):
    """Trained weights are missing, damaged, or do not fit."""


class TrainingError(GanzooError):
    """A run cannot be started, continued, or has gone wrong."""


class MissingExtraError(GanzooError):
    """An optional package is needed for what is asked."""


def nearest(name, known, count=3):
    """Names among `known` that resemble `name`, as " Did you mean 'a' or 'b'?", or "".

    Upper and lower case count as alike.
    """
    by_key = {str(item).lower(): str(item) for item in known}
    keys = difflib.get_close_matches(str(name).lower(), by_key, n=count)
    matches = [by_key[key] for key in keys]
    return f" Did you mean {' or '.join(map(repr, matches))}?" if matches else ""


def require_extra(module, extra):
    """Imports and returns an optional module, or says which extra of ganzoo brings it."""
    import importlib

    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise MissingExtraError(
            f"{module.split('.')[0]!r} is not installed. Install it with: "
            f'pip install "ganzoo[{extra}]"'
        ) from error
