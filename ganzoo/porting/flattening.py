"""Finds the tensors in what a checkpoint holds."""

from typing import Any

import numpy as np

from ganzoo.errors import WeightsError

MAX_DEPTH = 64
MAX_NODES = 1_000_000
MAX_PATH = 4096


def flatten(content: Any) -> dict[str, np.ndarray]:
    """Gives the arrays of nested dicts and lists by their path, as "netG.main.0.weight".

    Numbers, strings and `None` are left out.

    Raises:
        WeightsError: The content is nested without end, as only a crafted file's can be.
    """
    found: dict[str, np.ndarray] = {}
    waiting = [("", content, 0)]
    nodes = 0
    while waiting:
        path, value, depth = waiting.pop()
        nodes += 1
        if isinstance(value, np.ndarray):
            found[path] = value
        if not isinstance(value, dict | list | tuple):
            continue
        many = nodes + len(waiting) + len(value) > MAX_NODES
        if depth >= MAX_DEPTH or many or len(path) > MAX_PATH:
            raise WeightsError(
                f"The checkpoint nests deeper than {MAX_DEPTH} levels or holds more than "
                f"{MAX_NODES} items. Save the state dict of one network alone, and read that."
            )
        items = value.items() if isinstance(value, dict) else enumerate(value)
        # Last in, first out: turned round, the paths come in the file's own order.
        waiting += reversed([(_join(path, key), item, depth + 1) for key, item in items])
    return found


def _join(path: str, key: Any) -> str:
    return f"{path}.{key}" if path else str(key)
