"""Training runs: `train`, the run folder, checkpoints, and the callbacks that watch a run."""

import importlib

_HOMES = {
    "train": "ganzoo.training.run",
    "Checkpoints": "ganzoo.training.checkpoints",
    "SampleGrids": "ganzoo.training.samples",
    "HealthCheck": "ganzoo.training.health",
    "MetricsLog": "ganzoo.training.logs",
}
__all__ = ["Checkpoints", "HealthCheck", "MetricsLog", "SampleGrids", "train"]


def __getattr__(name):
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(_HOMES[name]), name)
