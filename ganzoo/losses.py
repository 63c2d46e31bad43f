"""The losses of the papers, as pure functions of logits.

A logit is the discriminator's raw output; a larger one means "more real", and
D(x) = sigmoid(logit). Every loss is a mean over the batch in float32, a scalar to minimise.
"""

import tensorflow as tf

from ganzoo.checks import check_choice

# Those that need no gradient penalty beside them, as "wasserstein" does.
UNPENALIZED = ("least_squares", "minimax", "non_saturating")
# Those under which D(x) = sigmoid(logit) is a probability: the logit itself nears 1 and 0 in
# "least_squares", so that there a perfect discriminator has a sigmoid of 0.73.
LOGISTIC = ("minimax", "non_saturating")


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


def gradient_penalty(
    discriminator, real_images, fake_images, mixing_weights, target=1.0, scale=1.0
):
    """(‖∇D(x̂)‖ - target)² / target²: Gulrajani et al. 2017, equation 3.

    Division by target² is Karras et al. 2018's, who raise the target (appendix F).

    Args:
        discriminator: Function of images `(batch, h, w, c)` to logits `(batch, 1)`. Each of
            its operations needs a second derivative; that of bilinear resizing, for one, is
            silently zero.
        real_images: `(batch, h, w, c)` in [-1, 1].
        fake_images: As `real_images`; nothing is differentiated with respect to either.
        mixing_weights: `(batch, 1, 1, 1)` in [0, 1): x̂ lies that far from real to fake.
        target: Norm to pull the gradient of each image towards.
        scale: Factor of the logits while they are differentiated, and divisor of the result:
            keeps half-precision gradients from vanishing, as the loss scale does for the
            outer ones.

    Returns:
        `(penalty, mean norm)`, two scalars.
    """
    real_images = tf.stop_gradient(real_images)
    fake_images = tf.stop_gradient(tf.cast(fake_images, real_images.dtype))
    mixed_images = real_images + (fake_images - real_images) * mixing_weights
    with tf.GradientTape() as tape:
        tape.watch(mixed_images)
        logits = tf.cast(discriminator(mixed_images), mixed_images.dtype)
        total = tf.reduce_sum(logits) * tf.cast(scale, mixed_images.dtype)
    slopes = tape.gradient(total, mixed_images) / tf.cast(scale, mixed_images.dtype)
    squares = tf.reduce_sum(tf.square(slopes), axis=tf.range(1, tf.rank(slopes)))
    # Below this the square root has no slope that floats can hold.
    norms = tf.sqrt(tf.maximum(squares, 1e-30))
    return _mean(tf.square(norms - target)) / target**2, _mean(norms)


def game_value(real_logits, fake_logits):
    """V(D, G) = log D(x) + log(1 - D(G(z))): -log 4 where D cannot tell (Theorem 1)."""
    return -non_saturating_discriminator_loss(real_logits, fake_logits)


def mean_probability(logits):
    """D's mean output, 0 to 1, on one kind of image."""
    return _mean(tf.sigmoid(_float(logits)))


def reported_names(name):
    """Names what a GAN of this family of losses reports: D's probabilities where it has any."""
    probabilities = ("game_value", "real_probability", "fake_probability")
    return ("discriminator_loss", "generator_loss", *(probabilities if name in LOGISTIC else ()))


def check_unpenalized(name, model):
    """Refuses a loss that a model without a gradient penalty, "a DCGAN", cannot train with.

    Raises:
        GanzooError: It needs a penalty, or there is none of that name.
    """
    check_choice(f"There is no loss named {name!r} for {model}", name, UNPENALIZED)


def loss_pair(name):
    """Looks up `(<name>_discriminator_loss, <name>_generator_loss)`.

    Raises:
        GanzooError: No such family of losses; the message lists all.
    """
    known = [
        key.removesuffix("_generator_loss") for key in globals() if key.endswith("_generator_loss")
    ]
    check_choice(f"There is no loss named {name!r}", name, sorted(known))
    return globals()[f"{name}_discriminator_loss"], globals()[f"{name}_generator_loss"]


def _float(logits):
    return tf.cast(logits, "float32")


def _mean(values):
    return tf.reduce_mean(values)
