"""The families of models. Importing this package registers every one with Keras."""

import importlib
import pkgutil

FAMILIES = tuple(sorted(module.name for module in pkgutil.iter_modules(__path__)))

for _family in FAMILIES:
    importlib.import_module(f"{__name__}.{_family}")
