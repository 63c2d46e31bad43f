"""ganzoo: a model zoo of generative adversarial networks for TensorFlow and Keras 3.

import ganzoo
model = ganzoo.load("dcgan_mnist")
digits = model.generate(16, seed=1)
"""

import importlib

from ganzoo._version import __version__ as __version__
from ganzoo.environment import check_backend, is_command_line
from ganzoo.errors import GanzooError as GanzooError

# Where each public name lives. It is imported when it is first used, so that listing presets
# does not wait for TensorFlow.
_HOMES = {
    "evaluate": "ganzoo.evaluate",
    "fine_tune": "ganzoo.fine_tuning",
    "list_presets": "ganzoo.zoo",
    "load": "ganzoo.zoo",
    "preset_info": "ganzoo.zoo",
    "save": "ganzoo.zoo",
    "train": "ganzoo.training.run",
}
_MODULES = ("data", "explore", "hub", "losses", "metrics", "models", "training")
__all__ = ["GanzooError", "__version__", *_HOMES, *_MODULES]

if not is_command_line():
    check_backend()


def __getattr__(name):
    if name in _HOMES:
        return getattr(importlib.import_module(_HOMES[name]), name)
    if name in _MODULES:
        return importlib.import_module(f"ganzoo.{name}")
    raise AttributeError(f"module 'ganzoo' has no attribute {name!r}")


def __dir__():
    return sorted(__all__)
