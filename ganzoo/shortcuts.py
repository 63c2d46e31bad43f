"""Whether layers may take short cuts: the same sums by operations that a processor is fast at.

Accelerators have kernels of their own for the plain operations, and what is exported has to be
read by other runtimes: both keep to the plain ones. Training and generating allow short cuts.
"""

import contextlib
import threading

import tensorflow as tf

_scope = threading.local()  # replicas of one process are traced in threads of their own


@contextlib.contextmanager
def scope(allow=True):
    """Allows short cuts in the layers that are called within, or forbids them.

    Where there is an accelerator, or a scope around this one forbids them, there are none.
    """
    before = getattr(_scope, "allow", None)
    _scope.allow = allow and before is not False and not tf.config.get_visible_devices("GPU")
    try:
        yield
    finally:
        _scope.allow = before


def allowed():
    """Says whether a layer may take a short cut."""
    return bool(getattr(_scope, "allow", None))
