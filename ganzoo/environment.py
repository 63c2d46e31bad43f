"""Asked before Keras is imported: is it told to use another backend than TensorFlow?"""

import os
import sys

from ganzoo.errors import GanzooError


def check_backend() -> None:
    """Refuses a `KERAS_BACKEND` other than "tensorflow".

    Raises:
        GanzooError: Says what to set.
    """
    backend = os.environ.get("KERAS_BACKEND", "tensorflow")
    if backend != "tensorflow":
        raise GanzooError(
            f"ganzoo needs the TensorFlow backend, and KERAS_BACKEND is {backend!r}. "
            "Set KERAS_BACKEND=tensorflow before Python starts."
        )


def is_command_line() -> bool:
    """Says whether this process runs `ganzoo` or `python -m ganzoo`, which asks by itself."""
    program = os.path.basename((sys.argv or [""])[0])
    return program.removesuffix(".exe") == "ganzoo" or program == "-m"
