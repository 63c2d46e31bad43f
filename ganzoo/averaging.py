"""Running averages of weights, which give better images than the weights that train."""

import keras

from ganzoo.errors import GanzooError


def update_average(averages, weights, decay):
    """Moves each average towards its weight: a ← decay·a + (1 - decay)·w.

    Batch-norm statistics are averaged too: those of the network belong to other weights.

    Args:
        averages: Variables.
        weights: Variables, in the same order.
        decay: Share of the average that is kept, 0 to 1.
    """
    for mean, weight in zip(averages, weights, strict=True):
        if mean.dtype.startswith("float"):
            mean.assign_sub((1.0 - decay) * (mean - weight))
        else:
            mean.assign(weight)


def average_decay(half_life, batch_size):
    """Gives the decay a step, in (0, 1), with which a share halves in `half_life` images.

    Raises:
        GanzooError: The half-life is not above 0.
    """
    if half_life <= 0:
        raise GanzooError(
            f"An average needs a positive half-life in images, got {half_life}. "
            "Leave it out for no average."
        )
    return 0.5 ** (batch_size / half_life)


def copy_network(network, name):
    """Makes a network of the same layers and weights that no optimizer moves."""
    copy = keras.models.clone_model(network)
    copy.set_weights(network.get_weights())
    copy.name = name
    copy.trainable = False
    return copy
