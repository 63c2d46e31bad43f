"""TensorFlow starts without its chatter on standard error."""

import os
import sys


def import_tensorflow_quietly() -> None:
    """Imports TensorFlow and looks for devices with standard error closed.

    Its C++ part writes a dozen lines there before any log level applies. What goes wrong in
    Python is still raised.
    """
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    sys.stderr.flush()
    kept = os.dup(2)
    try:
        with open(os.devnull, "wb") as nowhere:
            os.dup2(nowhere.fileno(), 2)
        import tensorflow as tf

        tf.config.list_physical_devices()
    finally:
        os.dup2(kept, 2)
        os.close(kept)
    # A model that grows, or a second one, has steps of its own: nothing is traced in vain.
    tf.get_logger().addFilter(lambda record: "tf.function retracing" not in record.getMessage())
