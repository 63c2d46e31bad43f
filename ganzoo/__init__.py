"""ganzoo: a model zoo of generative adversarial networks for TensorFlow and Keras 3."""

from ganzoo._version import __version__ as __version__
