"""ganzoo trains with TensorFlow, and its arrays are channels-last: said at import."""

import keras

from ganzoo.errors import GanzooError

if keras.backend.backend() != "tensorflow":
    raise GanzooError(
        f"ganzoo needs the TensorFlow backend, and Keras uses {keras.backend.backend()!r}. "
        "Set KERAS_BACKEND=tensorflow before Python starts, or in ~/.keras/keras.json."
    )
if keras.config.image_data_format() != "channels_last":
    raise GanzooError(
        "ganzoo's images are channels-last, and Keras is set to 'channels_first'. Set "
        "image_data_format to 'channels_last' in ~/.keras/keras.json."
    )
