"""Finds the tensors in what a checkpoint holds."""

from typing import Any

import numpy as np

from ganzoo.errors import WeightsError

MAX_NODES = 1_000_000
MAX_PATH = 4096


def flatten(content: Any) -> dict[str, np.ndarray]:
    """Gives the arrays of nested dicts and lists by their path, as "netG.main.0.weight".

    Numbers, strings and `None` are left out.

    Raises:
        WeightsError: The content is nested without end, as only a crafted file's can be.
    """
    found: dict[str, np.ndarray] = {}
    waiting = [("", content)]
    nodes = 0
    while waiting:
        path, value = waiting.pop()
        nodes += 1
        if isinstance(value, np.ndarray):
            found[path] = value
        if not isinstance(value, dict | list | tuple):
            continue
        # What contains itself has paths without end.
        if nodes + len(waiting) + len(value) > MAX_NODES or len(path) > MAX_PATH:
            raise WeightsError(
                f"The checkpoint holds more than {MAX_NODES} items, or one in itself. "
                "Save the state dict of one network alone, and read that."
            )
        items = value.items() if isinstance(value, dict) else enumerate(value)
        # Last in, first out: turned round, the paths come in the file's own order.
        waiting += reversed([(_join(path, key), item) for key, item in items])
    return found


def _join(path: str, key: Any) -> str:
    return f"{path}.{key}" if path else str(key)
