"""DCGAN's networks and step once more, in float64 and without Keras.

Radford et al. 2016, sections 3 and 4, Newmu/dcgan_code for `dense_ends` and 5×5 kernels, and
the widely known form with 4×4 kernels. What the tests of `ganzoo.models.dcgan` compare with.
"""

from typing import NamedTuple

import numpy as np
import tensorflow as tf


def copied(network):
    """Gives a network's variables by name, in float64; statistics are not to be trained."""
    return {
        item.path: tf.Variable(item.numpy().astype("float64"), trainable=item.trainable)
        for item in network.variables
    }


def sides_of(image_size):
    return {28: [4, 7, 14, 28]}.get(image_size) or [
        2**power for power in range(2, image_size.bit_length())
    ]


def batch_norm(weights, name, x, training, epsilon, momentum):
    """Normalises by the batch, and lets the moving averages follow; or by those."""
    gamma, beta, mean, variance = (
        weights[f"{name}/{part}"] for part in ("gamma", "beta", "moving_mean", "moving_variance")
    )
    if training:
        axes = list(range(len(x.shape) - 1))
        now = tf.reduce_mean(x, axes), tf.math.reduce_variance(x, axes)
        for moving, new in zip((mean, variance), now, strict=True):
            moving.assign(momentum * moving + (1 - momentum) * new)
        mean, variance = now
    return gamma * (x - mean) / tf.sqrt(variance + epsilon) + beta


def convolve(x, kernel, padding):
    """Convolves with stride 2 and as many zeros on both sides."""
    around = [[0, 0], [padding, padding], [padding, padding], [0, 0]]
    return tf.nn.conv2d(x, kernel, 2, around)


def transposed(x, kernel, padding, side):
    """The adjoint of `convolve` from an image of this side."""
    around = [[0, 0], [padding, padding], [padding, padding], [0, 0]]
    shape = (len(x), side, side, kernel.shape[2])
    return tf.nn.conv2d_transpose(x, kernel, shape, 2, around)


class Shape(NamedTuple):
    """What the settings of `ganzoo.models.dcgan.build` decide beside the widths."""

    image_size: int
    dense_ends: bool = False
    epsilon: float = 1e-5
    momentum: float = 0.9


def generate(weights, latents, shape, training=False):
    """Latents to images `(batch, side, side, channels)`."""
    norm = (training, shape.epsilon, shape.momentum)
    x = latents @ weights["project/kernel"]
    if shape.dense_ends:
        x = batch_norm(weights, "project_norm", x, *norm)
    x = tf.reshape(x, (len(x), 4, 4, -1))
    if not shape.dense_ends:
        x = batch_norm(weights, "project_norm", x, *norm)
    sides = sides_of(shape.image_size)[1:]
    for to in sides:
        kernel = weights[f"up_{to}/kernel"]
        x = transposed(tf.nn.relu(x), kernel, (kernel.shape[0] - 1) // 2, to)
        if to != sides[-1]:
            x = batch_norm(weights, f"norm_{to}", x, *norm)
    return tf.tanh(x)


def judge(weights, images, shape, training=False):
    """Images to logits `(batch, 1)`."""
    x = images
    for number in range(1, len(sides_of(shape.image_size))):
        kernel = weights[f"down_{number}/kernel"]
        x = convolve(x, kernel, (kernel.shape[0] - 1) // 2)
        if number > 1:
            norm = (training, shape.epsilon, shape.momentum)
            x = batch_norm(weights, f"norm_{number}", x, *norm)
        x = tf.maximum(x, 0.2 * x)
    kernel = weights["logits/kernel"]
    if shape.dense_ends:
        return tf.reshape(x, (len(x), -1)) @ kernel
    return tf.reshape(convolve(x, kernel, 1 if x.shape[1] == 3 else 0), (len(x), 1))


class Reference:
    """Trains as the model does, with plain SGD and L2.

    Args:
        model: A compiled `DCGAN`, whose weights are copied.
        rate: Learning rate.
        shape: Its `Shape`.
    """

    def __init__(self, model, rate, shape):
        self.weights = {name: copied(net) for name, net in model.networks.items()}
        self.shape, self.rate, self.l2_weight = shape, rate, model.l2_weight
        self.generator_first = model.update_order == "generator_first"

    def generate(self, latents):
        return generate(self.weights["generator"], latents, self.shape, training=True)

    def judge(self, images):
        return judge(self.weights["discriminator"], images, self.shape, training=True)

    def move(self, name, tape, loss):
        owned = [item for item in self.weights[name].values() if item.trainable]
        for weight, slope in zip(owned, tape.gradient(loss, owned), strict=True):
            weight.assign_sub(self.rate * (slope + self.l2_weight * weight))

    def train_discriminator(self, real_images, fake_images):
        """Real and fake images are normalised apart, in two calls."""
        with tf.GradientTape() as tape:
            real, fake = tf.sigmoid(self.judge(real_images)), tf.sigmoid(self.judge(fake_images))
            loss = -tf.reduce_mean(tf.math.log(real)) - tf.reduce_mean(tf.math.log(1 - fake))
        self.move("discriminator", tape, loss)
        return loss

    def step(self, real_images, noise):
        """One step; discriminator first on the generator's own latents, or after it on others."""
        real_images = np.asarray(real_images, "float64")
        with tf.GradientTape() as tape:
            fake_images = self.generate(noise.pop(0))
            if not self.generator_first:
                with tape.stop_recording():
                    of_discriminator = self.train_discriminator(real_images, fake_images)
            fake = tf.sigmoid(self.judge(fake_images))
            of_generator = -tf.reduce_mean(tf.math.log(fake))
        self.move("generator", tape, of_generator)
        if self.generator_first:
            fake_images = self.generate(noise.pop(0))
            of_discriminator = self.train_discriminator(real_images, fake_images)
        return float(of_discriminator), float(of_generator)
