"""Tools to look inside: pictures and films before formulas, each as a function and as a file.

Nothing heavy is imported until a name is used.
"""

import importlib
from typing import Any

_HOMES = {
    "explore": "ganzoo.explore.commands",
    "play_game": "ganzoo.explore.game",
    "draw_game": "ganzoo.explore.game",
    "slerp": "ganzoo.explore.interpolation",
    "walk": "ganzoo.explore.interpolation",
    "interpolate": "ganzoo.explore.interpolation",
    "draw_interpolation": "ganzoo.explore.interpolation",
    "activations": "ganzoo.explore.channels",
    "draw_activations": "ganzoo.explore.channels",
    "nearest_neighbours": "ganzoo.explore.features",
    "project": "ganzoo.explore.features",
    "probe_accuracy": "ganzoo.explore.features",
    "explore_features": "ganzoo.explore.features",
    "draw_features": "ganzoo.explore.features",
    "take_images": "ganzoo.explore.labelled",
    "invert": "ganzoo.explore.inversion",
    "draw_inversion": "ganzoo.explore.inversion",
    "fgsm": "ganzoo.explore.adversarial",
    "pgd": "ganzoo.explore.adversarial",
    "smallest_step": "ganzoo.explore.adversarial",
    "draw_adversarial": "ganzoo.explore.adversarial",
    "load_classifier": "ganzoo.explore.classifiers",
    "grow": "ganzoo.explore.growth",
    "draw_growth": "ganzoo.explore.growth",
    "cycle": "ganzoo.explore.cycles",
    "draw_cycle": "ganzoo.explore.cycles",
    "read_run": "ganzoo.explore.films",
    "draw_training": "ganzoo.explore.films",
}
__all__ = [*_HOMES]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
