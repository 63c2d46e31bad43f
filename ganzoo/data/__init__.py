"""Images for training: what a source string means, and batches as a function of position.

Nothing heavy is imported until a name is used, so that commands which need no images start
without TensorFlow.
"""

import importlib
from typing import Any

_HOMES = {
    "load": "ganzoo.data.pipeline",
    "Stream": "ganzoo.data.pipeline",
    "open_source": "ganzoo.data.sources",
    "diff_augment": "ganzoo.data.augment",
    "read_image": "ganzoo.data.decoding",
    "from_uint8": "ganzoo.data.decoding",
    "to_uint8": "ganzoo.data.decoding",
}
__all__ = ["Stream", "diff_augment", "from_uint8", "load", "open_source", "read_image", "to_uint8"]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
