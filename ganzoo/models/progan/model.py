"""The progressive GAN's training algorithm. Its networks are in `networks.py`, and when they
grow is in `schedule.py`."""

import keras
import tensorflow as tf

from ganzoo import losses, randomness
from ganzoo.averaging import update_average
from ganzoo.checks import check_choice, check_number
from ganzoo.data.augment import checked_policies
from ganzoo.errors import TrainingError
from ganzoo.models.progan import growth, networks
from ganzoo.models.progan.growing import GrowingModel
from ganzoo.models.progan.memory import batch_size_for_memory
from ganzoo.models.progan.schedule import Schedule
from ganzoo.optimizers import checked_optimizers, inner
from ganzoo.rates import constant_rate
from ganzoo.replicas import replica_count
from ganzoo.updates import loss_scale, minimize, minimize_together

UPDATE_ORDERS = ("alternating", "simultaneous")
NORM_SIDES = ("resolution", "image_size")


@keras.saving.register_keras_serializable("ganzoo")
class ProgressiveGAN(GrowingModel):
    """Karras et al. 2018: a generator and a discriminator that grow, block by block.

    They train at 4×4 first, and their side is doubled again and again. At any time the model
    makes and judges images of one `resolution`; networks that never trained count as grown.
    """

    reported_names = (
        "discriminator_loss",
        "generator_loss",
        "score_gap",
        "gradient_penalty",
        "gradient_norm",
        "resolution",
        "alpha",
    )

    def compile(
        self,
        generator_optimizer=None,
        discriminator_optimizer=None,
        *,
        phases=None,
        update_order="alternating",
        gradient_penalty_weight=10.0,
        gradient_norm_target=1.0,
        gradient_norm_at="image_size",
        drift_weight=1e-3,
        rampup_kimg=0,
        augment=(),
        **execution,
    ):
        """Sets how the networks grow and train.

        Args:
            generator_optimizer: Moves the generator.
            discriminator_optimizer: Moves the discriminator.
            phases: A dict for each resolution, from the lowest to `image_size`, with the keys
                `resolution`, `fade_kimg` and `stabilize_kimg` (in thousands of images), and
                where wanted `batch_size` (a number, or "auto" for what memory holds, at
                most 128 a replica: it is measured now, and the number recorded) and
                `learning_rate` (of both optimizers). Or the name of one of the authors' tables,
                as "v2-8gpus"; see `ganzoo.models.progan.tables`. None for 600 of each. A `fit`
                of networks that are wholly grown keeps the batches of its data, unless they
                have the size that the preset gives all phases.
            update_order: "alternating" moves D and then G, on latents of their own;
                "simultaneous" moves both by gradients taken at one point, as the authors did
                for CIFAR-10.
            gradient_penalty_weight: λ of the gradient penalty.
            gradient_norm_target: Norm that it pulls D's gradient to; the authors took 750 for
                CIFAR-10.
            gradient_norm_at: "image_size" takes that norm with respect to images enlarged to
                the networks' full side, as the authors' code does; "resolution" takes it with
                respect to the images themselves, which is image_size / resolution of that.
            drift_weight: Weight of the mean square of D's scores of real images.
            rampup_kimg: Thousands of images over which the learning rates first rise.
            augment: Policies of DiffAugment, for few images: "color", "translation", "cutout".
            execution: `jit_compile`, `steps_per_execution`, `run_eagerly`.

        Raises:
            TrainingError: The phases do not lead from one resolution to the next up to the
                images' size.
            GanzooError: The update order, the side or a policy is none of those, or a number
                is out of its range.
        """
        check_number("gradient_norm_target", gradient_norm_target, positive=True)
        for name, number in {
            "gradient_penalty_weight": gradient_penalty_weight,
            "drift_weight": drift_weight,
            "rampup_kimg": rampup_kimg,
        }.items():
            check_number(name, number)
        check_choice(f"update_order is {update_order!r}", update_order, UPDATE_ORDERS)
        check_choice(f"gradient_norm_at is {gradient_norm_at!r}", gradient_norm_at, NORM_SIDES)
        schedule = Schedule.of(phases, self.image_size).with_batch_sizes(
            lambda resolution: batch_size_for_memory(self, resolution)
        )
        optimizers = {
            "generator_optimizer": generator_optimizer,
            "discriminator_optimizer": discriminator_optimizer,
        }
        optimizers = checked_optimizers(type(self).__name__, optimizers)
        rates = {name: constant_rate(optimizer) for name, optimizer in optimizers.items()}
        _check_rates(rates, rampup_kimg or schedule.sets_rates)
        super().compile(
            optimizers,
            {
                "phases": schedule.rows,
                "update_order": update_order,
                "gradient_penalty_weight": gradient_penalty_weight,
                "gradient_norm_target": gradient_norm_target,
                "gradient_norm_at": gradient_norm_at,
                "drift_weight": drift_weight,
                "rampup_kimg": rampup_kimg,
                "augment": checked_policies(augment),
            },
            **execution,
        )
        self.schedule, self.base_rates = schedule, rates

    def train_step(self, real_images):
        """Takes one step on real images `(batch, h, w, c)` in [-1, 1], the largest there are.

        Returns:
            The mean losses, and `score_gap`, D's mean score of real images less that of fake
            ones: an estimate of their Wasserstein distance.
        """
        batch_size = tf.shape(real_images)[0]
        alpha = self.advance(batch_size)
        real_images = growth.shrink(real_images, self.resolution, alpha)
        real_images = self.augmented(real_images, "real")
        if self.update_order == "simultaneous":
            values = self.simultaneous_updates(real_images, alpha)
        else:
            values = self.train_discriminator(real_images, alpha)
            values |= self.train_generator(batch_size, alpha)
        self.average_generator(batch_size)
        return self.with_growth(values, alpha)

    def train_discriminator(self, real_images, alpha):
        """Moves D to score real images higher than fake ones."""
        latents = self.training_latents(tf.shape(real_images)[0], "latents for D")
        fake_images = self.augmented(self.draw(self.generator, latents, alpha), "fake")
        with tf.GradientTape() as tape:
            fake_scores = self.judge(fake_images, alpha)
            loss, values = self.penalized_loss(real_images, fake_images, fake_scores, alpha)
        weights = self.active_weights(self.discriminator)
        minimize(loss, tape, weights, self.discriminator_optimizer)
        return values

    def train_generator(self, batch_size, alpha):
        """Moves G to have D score its images higher."""
        latents = self.training_latents(batch_size, "latents for G")
        with tf.GradientTape() as tape:
            fake_images = self.augmented(self.draw(self.generator, latents, alpha), "for G")
            loss = losses.wasserstein_generator_loss(self.judge(fake_images, alpha))
        weights = self.active_weights(self.generator)
        minimize(loss, tape, weights, self.generator_optimizer)
        return {"generator_loss": loss}

    def simultaneous_updates(self, real_images, alpha):
        """Moves both networks, on the same latents: both gradients are taken first."""
        latents = self.training_latents(tf.shape(real_images)[0])
        with tf.GradientTape(persistent=True) as tape:
            fake_images = self.augmented(self.draw(self.generator, latents, alpha), "fake")
            fake_scores = self.judge(fake_images, alpha)
            generator_loss = losses.wasserstein_generator_loss(fake_scores)
            loss, values = self.penalized_loss(real_images, fake_images, fake_scores, alpha)
        moves = [
            (loss, self.active_weights(self.discriminator), self.discriminator_optimizer),
            (generator_loss, self.active_weights(self.generator), self.generator_optimizer),
        ]
        minimize_together(moves, tape)
        return values | {"generator_loss": generator_loss}

    def penalized_loss(self, real_images, fake_images, fake_scores, alpha, key=None):
        """Computes D's loss: the Wasserstein loss, the gradient penalty and the drift term.

        Karras et al. 2018, appendix A.1. Each call of D is one on images of one kind: they
        would be compared with others by the minibatch statistics. `key` decides the mixing of
        the penalty; None for that of a training step.
        """
        key = self.key("mixing") if key is None else key
        real_scores = self.judge(real_images, alpha)
        mixing = randomness.rows(randomness.uniform, key, tf.shape(real_images)[0], (1, 1, 1))
        # Where a pixel becomes n², they share its slope, and the norm is an n-th.
        share = 1.0
        if self.gradient_norm_at == "image_size":
            share = self.resolution / self.image_size
        penalty, norm = losses.gradient_penalty(
            lambda images: self.judge(images, alpha),
            real_images,
            fake_images,
            mixing,
            target=self.gradient_norm_target / share,
            scale=loss_scale(self.discriminator_optimizer),
        )
        distance = losses.wasserstein_discriminator_loss(real_scores, fake_scores)
        drift = tf.reduce_mean(tf.square(real_scores))
        loss = distance + self.gradient_penalty_weight * penalty + self.drift_weight * drift
        return loss, {
            "discriminator_loss": loss,
            "score_gap": -distance,
            "gradient_penalty": penalty,
            "gradient_norm": share * norm,
        }

    def test_step(self, real_images):
        """Computes the same losses without an update, at the resolution reached."""
        # The variable, also while it is 1: this is traced once, and may see a fade later.
        stage, _ = self.schedule.stage(self.resolution)
        alpha = self.growth.alpha if stage.fade_images else None
        latents = self.test_latents(tf.shape(real_images)[0])
        real_images = growth.shrink(real_images, self.resolution, alpha)
        fake_images = self.draw(self.generator, latents, alpha)
        fake_scores = self.judge(fake_images, alpha)
        key = self.test_key("test mixing")
        _, values = self.penalized_loss(real_images, fake_images, fake_scores, alpha, key)
        values["generator_loss"] = losses.wasserstein_generator_loss(fake_scores)
        return self.with_growth(values, alpha)

    def with_growth(self, values, alpha):
        """Adds to what a step reports how far the networks have grown."""
        alpha = 1.0 if alpha is None else alpha
        return values | {"resolution": float(self.resolution), "alpha": alpha}

    def average_generator(self, batch_size):
        """Moves `ema_generator` after a step: the blocks up to this resolution.

        The others never moved, so that they equal their average.
        """
        if self.ema_generator is None:
            return
        averages, weights = (
            networks.grown_weights(network, self.resolution)
            for network in (self.ema_generator, self.generator)
        )
        update_average(averages, weights, self.decay_of_average(batch_size))

    def active_weights(self, network):
        """Lists the weights of a network that training at this resolution moves."""
        stage, _ = self.schedule.stage(self.resolution)
        return networks.active_weights(network, self.resolution, fades=bool(stage.fade_images))

    def advance(self, batch_size):
        """Counts a batch of this replica, on all of them, and sets alpha and the rates.

        Returns:
            The batch's `alpha`, how far the newest block is faded in; None where it does not fade.
        """
        seen = self.growth.images_seen
        stage, start = self.schedule.stage(self.resolution)
        if self.rampup_kimg:
            self.ramp_rates(seen, stage, batch_size)
        alpha = None
        if stage.fade_images:
            since = tf.cast(seen - start, "float32")
            alpha = tf.clip_by_value(since / stage.fade_images, 0.0, 1.0)
            self.growth.alpha.assign(alpha)
        seen.assign_add(tf.cast(batch_size, "int64") * replica_count())
        return alpha

    def ramp_rates(self, seen, stage, batch_size):
        """Raises the rates over the first images, and leaves them alone when they are whole."""
        images = 1000 * self.rampup_kimg
        ramping = tf.cast(seen, "float32") < images + tf.cast(
            batch_size * replica_count(), "float32"
        )
        for name, optimizer in self.optimizers.items():
            rate = growth.ramp(seen, images) * self.rate(name, stage)
            optimizer = inner(optimizer)
            optimizer.learning_rate = tf.where(ramping, rate, tf.identity(optimizer.learning_rate))

    def get_compile_config(self):
        # What the optimizers hold may be the rate of a phase, or of the ramp.
        return super().get_compile_config() | {"base_rates": self.base_rates}

    def compile_from_config(self, config):
        config = dict(config)
        base_rates = config.pop("base_rates", None)  # which earlier versions did not store
        super().compile_from_config(config)
        self.base_rates = base_rates or self.base_rates


def _check_rates(rates, are_set):
    scheduled = [name for name, rate in rates.items() if rate is None]
    if are_set and scheduled:
        raise TrainingError(
            f"The {scheduled[0]} follows a schedule of its own, and rampup_kimg or a phase's "
            "learning_rate would set its rate too. Give it a constant learning rate, or leave "
            "those out."
        )
