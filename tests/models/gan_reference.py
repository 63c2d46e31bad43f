"""The vanilla GAN's step once more, in float64 and without Keras, from the paper and the code.

Goodfellow et al. 2014, Algorithm 1, and the settings of goodfeli/adversarial: what the tests
of `ganzoo.models.gan` compare with. Its noise is handed in, in the order of its use.
"""

import numpy as np
import tensorflow as tf


def generate(weights, latents):
    """Two ReLU layers and a sigmoid, whose [0, 1] becomes [-1, 1]: `(batch, pixels)`."""
    first, first_bias, second, second_bias, last, last_bias = weights
    x = tf.nn.relu(latents @ first + first_bias)
    x = tf.nn.relu(x @ second + second_bias)
    return 2.0 * tf.sigmoid(x @ last + last_bias) - 1.0


def judge(weights, images, pieces, masks=None, rates=(0.2, 0.5, 0.5)):
    """Two maxout layers on [0, 1], each behind a dropout, as is the last: `(batch, 1)`.

    Args:
        masks: Uniform draws, one array for each dropout; None for none.
    """
    first, first_bias, second, second_bias, last, last_bias = weights
    masks = iter([] if masks is None else zip(masks, rates, strict=True))

    def drop(x):
        draws, rate = next(masks, (np.ones(x.shape), 0.0))
        return x * (draws >= rate) / (1.0 - rate)

    def maxout(x, kernel, bias):
        return tf.reduce_max(tf.reshape(x @ kernel + bias, (len(x), -1, pieces)), axis=-1)

    x = drop((tf.reshape(images, (len(images), -1)) + 1.0) / 2.0)
    x = drop(maxout(x, first, first_bias))
    x = drop(maxout(x, second, second_bias))
    return x @ last + last_bias


class Reference:
    """Trains as the model does, with SGD and momentum.

    Args:
        model: A `VanillaGAN`, whose weights are copied.
        pieces: Of its maxout units.
        rate: Learning rate.
        momentum: Constant momentum.
    """

    def __init__(self, model, *, pieces, rate, momentum):
        self.weights = {
            name: [tf.Variable(weight.numpy().astype("float64")) for weight in owned]
            for name, owned in (
                ("generator", model.generator.trainable_variables),
                ("discriminator", model.discriminator.trainable_variables),
            )
        }
        self.velocity = {
            name: [np.zeros(weight.shape) for weight in owned]
            for name, owned in self.weights.items()
        }
        self.pieces, self.rate, self.momentum = pieces, rate, momentum
        self.minimax = model.loss == "minimax"
        self.factor = model.discriminator_loss_weight

    def generate(self, latents):
        return generate(self.weights["generator"], np.asarray(latents, "float64"))

    def judge(self, images, masks):
        return judge(self.weights["discriminator"], images, self.pieces, masks)

    def losses(self, real_logits, fake_logits):
        """The two players' losses, from D = sigmoid(logit) as the paper writes them."""
        real, fake = tf.sigmoid(real_logits), tf.sigmoid(fake_logits)
        of_discriminator = -tf.reduce_mean(tf.math.log(real)) - tf.reduce_mean(
            tf.math.log(1.0 - fake)
        )
        of_generator = tf.reduce_mean(
            tf.math.log(1.0 - fake) if self.minimax else -tf.math.log(fake)
        )
        return self.factor * of_discriminator, of_generator

    def move(self, name, slopes):
        """v ← m·v - rate·slope, w ← w + v."""
        for number, slope in enumerate(slopes):
            velocity = self.momentum * self.velocity[name][number] - self.rate * slope.numpy()
            self.velocity[name][number] = velocity
            self.weights[name][number].assign_add(velocity)

    def simultaneous(self, real_images, noise):
        """Both gradients at one point, from one batch of latents and one pass through D."""
        latents, *masks = (noise.pop(0) for _ in range(4))
        with tf.GradientTape(persistent=True) as tape:
            images = tf.concat([flat(real_images), self.generate(latents)], axis=0)
            logits = tf.split(self.judge(images, masks), 2)
            of_discriminator, of_generator = self.losses(*logits)
        slopes = {
            "discriminator": tape.gradient(of_discriminator, self.weights["discriminator"]),
            "generator": tape.gradient(of_generator, self.weights["generator"]),
        }
        for name, slope in slopes.items():
            self.move(name, slope)
        return summary(*logits, of_discriminator, of_generator)

    def alternating(self, real_images, noise, steps=1):
        """Algorithm 1: k updates of D on a k-th of the images each, then one of G."""
        for share in np.split(flat(real_images), steps):
            latents, *masks = (noise.pop(0) for _ in range(4))
            with tf.GradientTape() as tape:
                images = tf.concat([share, self.generate(latents)], axis=0)
                logits = tf.split(self.judge(images, masks), 2)
                of_discriminator, _ = self.losses(*logits)
            self.move(
                "discriminator", tape.gradient(of_discriminator, self.weights["discriminator"])
            )
        latents, *masks = (noise.pop(0) for _ in range(4))
        with tf.GradientTape() as tape:
            fake_logits = self.judge(self.generate(latents), masks)
            _, of_generator = self.losses(fake_logits, fake_logits)
        self.move("generator", tape.gradient(of_generator, self.weights["generator"]))
        return summary(*logits, of_discriminator, of_generator)


def flat(images):
    return np.asarray(images, "float64").reshape(len(images), -1)


def summary(real_logits, fake_logits, of_discriminator, of_generator):
    """What a step reports, by name."""
    real, fake = tf.sigmoid(real_logits), tf.sigmoid(fake_logits)
    value = tf.reduce_mean(tf.math.log(real)) + tf.reduce_mean(tf.math.log(1.0 - fake))
    return {
        "discriminator_loss": float(of_discriminator),
        "generator_loss": float(of_generator),
        "game_value": float(value),
        "real_probability": float(tf.reduce_mean(real)),
        "fake_probability": float(tf.reduce_mean(fake)),
    }
