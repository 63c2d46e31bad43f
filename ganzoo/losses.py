"""The losses of the papers, as pure functions of logits.

A logit is the discriminator's raw output; a larger one means "more real", and
D(x) = sigmoid(logit). Every loss is a mean over the batch in float32, a scalar to minimise.
"""

import tensorflow as tf

from ganzoo.errors import GanzooError, nearest


def non_saturating_discriminator_loss(real_logits, fake_logits):
    """-log D(x) - log(1 - D(G(z))): Goodfellow et al. 2014, equation 1, with its sign turned."""
    return _mean(tf.nn.softplus(-_float(real_logits))) + _mean(tf.nn.softplus(_float(fake_logits)))


def non_saturating_generator_loss(fake_logits):
    """-log D(G(z)): Goodfellow et al. 2014, end of section 3.

    Its gradient stays large while D rejects every sample, where that of `minimax` vanishes.
    """
    return _mean(tf.nn.softplus(-_float(fake_logits)))


def minimax_discriminator_loss(real_logits, fake_logits):
    """-V(D, G): the discriminator's half of the game is the same in both families."""
    return non_saturating_discriminator_loss(real_logits, fake_logits)


def minimax_generator_loss(fake_logits):
    """log(1 - D(G(z))): Goodfellow et al. 2014, equation 1 and Algorithm 1."""
    return -_mean(tf.nn.softplus(_float(fake_logits)))


def least_squares_discriminator_loss(real_logits, fake_logits):
    """(D(x) - 1)² + D(G(z))²: Mao et al. 2017, as CycleGAN uses it (Zhu et al. 2017, 3.1)."""
    return _mean(tf.square(_float(real_logits) - 1.0)) + _mean(tf.square(_float(fake_logits)))


def least_squares_generator_loss(fake_logits):
    """(D(G(z)) - 1)²: Mao et al. 2017."""
    return _mean(tf.square(_float(fake_logits) - 1.0))


def wasserstein_discriminator_loss(real_logits, fake_logits):
    """D(G(z)) - D(x): Arjovsky et al. 2017. Needs `gradient_penalty` beside it."""
    return _mean(_float(fake_logits)) - _mean(_float(real_logits))


def wasserstein_generator_loss(fake_logits):
    """-D(G(z)): Arjovsky et al. 2017."""
    return -_mean(_float(fake_logits))


def game_value(real_logits, fake_logits):
    """V(D, G) = log D(x) + log(1 - D(G(z))): -log 4 where D cannot tell (Theorem 1)."""
    return -non_saturating_discriminator_loss(real_logits, fake_logits)


def mean_probability(logits):
    """D's mean output, 0 to 1, on one kind of image."""
    return _mean(tf.sigmoid(_float(logits)))


def loss_pair(name):
    """Looks up `(<name>_discriminator_loss, <name>_generator_loss)`.

    Raises:
        GanzooError: No such family of losses; the message lists all.
    """
    known = [
        key.removesuffix("_generator_loss") for key in globals() if key.endswith("_generator_loss")
    ]
    if name not in known:
        raise GanzooError(
            f"There is no loss named {name!r}.{nearest(name, known)} "
            f"Choose one of: {', '.join(sorted(known))}."
        )
    return globals()[f"{name}_discriminator_loss"], globals()[f"{name}_generator_loss"]


def _float(logits):
    return tf.cast(logits, "float32")


def _mean(values):
    return tf.reduce_mean(values)
