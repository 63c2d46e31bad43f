"""LeNet-5, whose 84 features let digits and clothes be scored anywhere without a download."""

import keras

FEATURES = 84
SIDE = 32


def lenet_network() -> keras.Model:
    """Builds LeNet-5 with ReLU and max-pooling: 61,706 parameters.

    After LeCun et al. 1998, figure 2. Layers are named as in the PyTorch weights that
    `load_named_parameters` reads.

    Returns:
        Maps images `(n, 32, 32, 1)` in [0, 1] to a dict of `features` `(n, 84)`, after the last
        hidden layer's ReLU, and `logits` `(n, 10)`.
    """
    layers = keras.layers

    def convolution(filters, name):
        return layers.Conv2D(filters, 5, activation="relu", name=name, dtype="float32")

    images = keras.Input((SIDE, SIDE, 1))
    hidden = layers.MaxPooling2D()(convolution(6, "convnet.c1")(images))
    hidden = layers.MaxPooling2D()(convolution(16, "convnet.c3")(hidden))
    hidden = layers.Flatten()(convolution(120, "convnet.c5")(hidden))
    features = layers.Dense(FEATURES, "relu", name="fc.f6", dtype="float32")(hidden)
    logits = layers.Dense(10, name="fc.f7", dtype="float32")(features)
    return keras.Model(images, {"features": features, "logits": logits}, name="lenet")
