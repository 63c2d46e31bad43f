"""The vanilla GAN's training algorithm. The networks it trains are in `networks.py`."""

import keras
import numpy as np
import tensorflow as tf

from ganzoo import losses, randomness
from ganzoo.checks import check_choice, check_number, check_whole
from ganzoo.data.augment import checked_policies
from ganzoo.errors import GanzooError, TrainingError
from ganzoo.latent_model import LatentModel
from ganzoo.updates import minimize, minimize_together

UPDATE_ORDERS = ("simultaneous", "alternating")


@keras.saving.register_keras_serializable("ganzoo")
class VanillaGAN(LatentModel):
    """Goodfellow et al. 2014: a generator and a discriminator that play a minimax game."""

    shape_keys = ("model.image_shape",) * 2

    def compile(
        self,
        generator_optimizer=None,
        discriminator_optimizer=None,
        *,
        loss="non_saturating",
        update_order="simultaneous",
        discriminator_steps=1,
        discriminator_loss_weight=0.5,
        augment=(),
        **execution,
    ):
        """Sets the game's rules.

        Args:
            generator_optimizer: Moves the generator.
            discriminator_optimizer: Moves the discriminator.
            loss: "non_saturating", which the authors train with, or "minimax", the game
                itself; "least_squares" works too.
            update_order: "simultaneous" moves both networks by gradients taken at one point,
                as the authors' code does; "alternating" is Algorithm 1 of the paper.
            discriminator_steps: k of Algorithm 1. Each of the k updates takes its share,
                batch / k, of the real images.
            discriminator_loss_weight: Factor of the discriminator's loss; the authors' code
                takes the mean over real and fake, 0.5.
            augment: Policies of DiffAugment, for few images: "color", "translation", "cutout".
            execution: `jit_compile`, `steps_per_execution`, `run_eagerly`.
        """
        losses.check_unpenalized(loss, "a vanilla GAN")
        check_choice(f"update_order is {update_order!r}", update_order, UPDATE_ORDERS)
        check_whole("discriminator_steps", discriminator_steps)
        check_number("discriminator_loss_weight", discriminator_loss_weight)
        if discriminator_steps != 1 and update_order == "simultaneous":
            raise GanzooError(
                f"discriminator_steps is {discriminator_steps}, and simultaneous updates take "
                "one. Use update_order='alternating'."
            )
        super().compile(
            {
                "generator_optimizer": generator_optimizer,
                "discriminator_optimizer": discriminator_optimizer,
            },
            {
                "loss": loss,
                "update_order": update_order,
                "discriminator_steps": discriminator_steps,
                "discriminator_loss_weight": discriminator_loss_weight,
                "augment": checked_policies(augment, self.image_shape),
            },
            **execution,
        )
        self.reported_names = losses.reported_names(loss)

    def check_batch_size(self, batch_size, fixed=False):
        """Refuses batches that the k updates of the discriminator cannot share.

        Raises:
            TrainingError: k does not divide the images of a replica.
        """
        del fixed
        images = batch_size // self.distribute_strategy.num_replicas_in_sync
        if images % self.discriminator_steps:
            raise TrainingError(
                f"A replica's batch of {images} images cannot be shared by the "
                f"{self.discriminator_steps} updates of the discriminator. Use a multiple of "
                f"{self.discriminator_steps}."
            )

    def counted_train_step(self, batch):
        """Takes one `train_step`, on a batch that the k updates can share, and counts it."""
        if self.discriminator_steps == 1:
            return super().counted_train_step(batch)
        # The last batch of a dataset of the user's own may be smaller than those before it.
        shared = tf.debugging.assert_equal(
            tf.shape(batch)[0] % self.discriminator_steps,
            0,
            f"A batch of the dataset cannot be shared by the {self.discriminator_steps} updates of "
            "the discriminator: batch with drop_remainder=True and a multiple of "
            f"{self.discriminator_steps}.",
        )
        with tf.control_dependencies([shared]):
            return super().counted_train_step(batch)

    def train_step(self, real_images):
        """Takes one step on real images `(batch, h, w, c)` in [-1, 1]; returns its losses.

        The game has three moves: the discriminator learns to call real images real (1) and
        fake ones fake (2); the generator learns to have its fakes called real (3).
        """
        if self.update_order == "simultaneous":
            values = self.simultaneous_updates(real_images)
        else:
            values = self.alternating_updates(real_images)
        self.average_generator(tf.shape(real_images)[0])
        return values

    def simultaneous_updates(self, real_images):
        """Makes the three moves at once: both gradients are taken before either step."""
        latents = self.training_latents(tf.shape(real_images)[0])
        with tf.GradientTape(persistent=True) as tape, randomness.scope(self.key("dropout")):
            fake_images = self.generator(latents, training=True)
            real_logits, fake_logits = self.judge(real_images, fake_images)
            discriminator_loss = self.discriminator_loss(real_logits, fake_logits)  # 1 and 2
            generator_loss = self.generator_loss(fake_logits)  # 3
        moves = [
            (discriminator_loss, self.weights_of("discriminator"), self.discriminator_optimizer),
            (generator_loss, self.weights_of("generator"), self.generator_optimizer),
        ]
        minimize_together(moves, tape)
        return self.report(real_logits, fake_logits, discriminator_loss, generator_loss)

    def alternating_updates(self, real_images):
        """Makes moves 1 and 2 k times, and then move 3: Goodfellow et al. 2014, Algorithm 1."""
        minibatches = tf.split(real_images, self.discriminator_steps)
        for turn, minibatch in enumerate(minibatches):
            *logits, discriminator_loss = self.train_discriminator(minibatch, turn)
        generator_loss = self.train_generator(tf.shape(minibatch)[0])
        return self.report(*logits, discriminator_loss, generator_loss)

    def train_discriminator(self, real_images, turn=0):
        """Makes moves 1 and 2: D learns to call real images real, and fake ones fake.

        Args:
            real_images: `(batch / k, h, w, c)` in [-1, 1], one share of the step's batch.
            turn: Which of the k updates this is, from 0; each has latents and dropout of its own.

        Returns:
            D's logits of real and of fake images before the move, and its loss.
        """
        latents = self.training_latents(tf.shape(real_images)[0], f"latents for D, {turn}")
        fake_images = self.generator(latents, training=True)
        key = self.key(f"dropout of D, {turn}")
        with tf.GradientTape() as tape, randomness.scope(key):
            real_logits, fake_logits = self.judge(real_images, fake_images, turn=turn)
            loss = self.discriminator_loss(real_logits, fake_logits)
        minimize(loss, tape, self.weights_of("discriminator"), self.discriminator_optimizer)
        return real_logits, fake_logits, loss

    def train_generator(self, batch_size):
        """Makes move 3: G learns to have its fakes called real; returns its loss.

        D's dropout stays on, as in the authors' code.
        """
        latents = self.training_latents(batch_size, "latents for G")
        with tf.GradientTape() as tape, randomness.scope(self.key("dropout for G")):
            fake_images = self.generator(latents, training=True)
            fake_images = self.augmented(fake_images, "for G")
            loss = self.generator_loss(self.discriminator(fake_images, training=True))
        minimize(loss, tape, self.weights_of("generator"), self.generator_optimizer)
        return loss

    def test_step(self, real_images):
        """Computes the same losses without dropout or an update."""
        latents = self.test_latents(tf.shape(real_images)[0])
        fake_images = self.generator(latents, training=False)
        real_logits, fake_logits = self.judge(real_images, fake_images, training=False)
        return self.report(
            real_logits,
            fake_logits,
            self.discriminator_loss(real_logits, fake_logits),
            self.generator_loss(fake_logits),
        )

    def judge(self, real_images, fake_images, training=True, turn=0):
        """Asks D for its logits `(batch, 1)` of real and of fake images, in one call.

        No layer of the discriminator mixes images: one call on both gives the same logits as two.
        """
        if training:
            real_images = self.augmented(real_images, f"real, {turn}")
            fake_images = self.augmented(fake_images, f"fake, {turn}")
        images = tf.concat([real_images, tf.cast(fake_images, real_images.dtype)], axis=0)
        logits = self.discriminator(images, training=training)
        return tf.split(logits, 2)

    def discriminator_loss(self, real_logits, fake_logits):
        """Weighs the loss of the family that `compile` named by `discriminator_loss_weight`."""
        return self.discriminator_loss_weight * super().discriminator_loss(real_logits, fake_logits)

    def adapt(self, dataset):
        """Sets the generator's output bias so that its first images have the data's mean.

        The authors' code does this before training. Pixels that are always black or white
        count as half a grey level from it. An averaged generator starts from the same bias.
        `ganzoo train` begins so; call it yourself before the first `fit` of fresh networks.

        Args:
            dataset: Batches of real images `(batch, h, w, c)` in [-1, 1]; each is read once.
        """
        if self.generator.get_layer("pixels").activation is not keras.activations.sigmoid:
            return
        total, count = 0.0, 0
        for images in dataset:
            total = total + np.sum(images.numpy().astype("float64"), axis=0)
            count += len(images)
        mean = np.clip((total / count + 1.0) / 2.0, 1 / 510, 1 - 1 / 510).reshape(-1)
        for network in {self.generator, self.sampling_generator}:
            network.get_layer("output").bias.assign(np.log(mean / (1.0 - mean)))
