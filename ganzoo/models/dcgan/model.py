"""DCGAN's training algorithm. The networks it trains are in `networks.py`."""

import keras
import tensorflow as tf

from ganzoo import losses
from ganzoo.checks import check_choice, check_number
from ganzoo.data.augment import checked_policies
from ganzoo.latent_model import LatentModel
from ganzoo.updates import minimize

UPDATE_ORDERS = ("discriminator_first", "generator_first")


@keras.saving.register_keras_serializable("ganzoo")
class DCGAN(LatentModel):
    """Radford et al. 2016: a convolutional generator and discriminator with batch norm."""

    def compile(
        self,
        generator_optimizer=None,
        discriminator_optimizer=None,
        *,
        loss="non_saturating",
        update_order="discriminator_first",
        l2_weight=0.0,
        augment=(),
        **execution,
    ):
        """Sets how the networks train.

        Args:
            generator_optimizer: Moves the generator.
            discriminator_optimizer: Moves the discriminator.
            loss: "non_saturating", "minimax" or "least_squares".
            update_order: "discriminator_first" moves D and then G on the same latents;
                "generator_first" moves G and then D on other ones, as the authors' code does.
            l2_weight: Adds `l2_weight * w` to each gradient; 1e-5 in the authors' code.
            augment: Policies of DiffAugment, for few images: "color", "translation", "cutout".
            execution: `jit_compile`, `steps_per_execution`, `run_eagerly`.
        """
        losses.check_unpenalized(loss, "a DCGAN")
        check_number("l2_weight", l2_weight)
        check_choice(f"update_order is {update_order!r}", update_order, UPDATE_ORDERS)
        super().compile(
            {
                "generator_optimizer": generator_optimizer,
                "discriminator_optimizer": discriminator_optimizer,
            },
            {
                "loss": loss,
                "update_order": update_order,
                "l2_weight": l2_weight,
                "augment": checked_policies(augment),
            },
            **execution,
        )
        self.reported_names = losses.reported_names(loss)

    def train_step(self, real_images):
        """Takes one step on real images `(batch, h, w, c)` in [-1, 1]; returns its losses.

        With "discriminator_first" both networks learn from the same generated images: their tape
        is kept, and G's update goes on from it.
        """
        batch_size = tf.shape(real_images)[0]
        fake_images, tape = self.make_fakes(batch_size, "latents")
        if self.update_order == "discriminator_first":
            *logits, discriminator_loss = self.train_discriminator(real_images, fake_images)
            generator_loss = self.train_generator(fake_images, tape)
        else:
            generator_loss = self.train_generator(fake_images, tape)
            fake_images, _ = self.make_fakes(batch_size, "latents for D")
            *logits, discriminator_loss = self.train_discriminator(real_images, fake_images)
        self.average_generator(batch_size)
        return self.report(*logits, discriminator_loss, generator_loss)

    def make_fakes(self, batch_size, purpose):
        """Generates images from latents that are drawn for `purpose`.

        Returns:
            Images `(batch_size, h, w, c)` in [-1, 1], and the tape that recorded how they came
            about.
        """
        with tf.GradientTape() as tape:
            fake_images = self.generator(self.training_latents(batch_size, purpose), training=True)
        return fake_images, tape

    def train_discriminator(self, real_images, fake_images):
        """Moves D to tell real from fake; returns its logits before the move, and its loss."""
        real_images = self.augmented(real_images, "real")
        fake_images = self.augmented(fake_images, "fake")
        with tf.GradientTape() as tape:
            # Two calls, not one on both: batch normalisation would otherwise mix the
            # statistics of real and fake images and give the answer away.
            real_logits = self.discriminator(real_images, training=True)
            fake_logits = self.discriminator(fake_images, training=True)
            loss = self.discriminator_loss(real_logits, fake_logits)
        weights = self.weights_of("discriminator")
        minimize(loss, tape, weights, self.discriminator_optimizer, self.l2_weight)
        return real_logits, fake_logits, loss

    def train_generator(self, fake_images, tape):
        """Moves G to have D take its images for real; goes on recording on their tape."""
        with tape:
            fake_images = self.augmented(fake_images, "for G")
            loss = self.generator_loss(self.discriminator(fake_images, training=True))
        weights = self.weights_of("generator")
        minimize(loss, tape, weights, self.generator_optimizer, self.l2_weight)
        return loss

    def test_step(self, real_images):
        """Computes the same losses in inference mode, without an update."""
        latents = self.test_latents(tf.shape(real_images)[0])
        real_logits = self.discriminator(real_images, training=False)
        fake_logits = self.discriminator(self.generator(latents, training=False), training=False)
        return self.report(
            real_logits,
            fake_logits,
            self.discriminator_loss(real_logits, fake_logits),
            self.generator_loss(fake_logits),
        )
