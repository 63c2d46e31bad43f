"""Models whose one generator maps latents to images."""

import numbers

import keras
import tensorflow as tf

from ganzoo import losses, randomness
from ganzoo.adversarial import AdversarialModel
from ganzoo.averaging import average_decay, copy_network, update_average
from ganzoo.checks import check_number, check_players, check_trained, check_whole, model_name
from ganzoo.data.augment import augment_for
from ganzoo.errors import GanzooError
from ganzoo.pictures import make_grid
from ganzoo.replicas import replica_count
from ganzoo.sampling import KEY_AND_COUNT, Sampler, images_at_once, in_parts, sample_in_graph
from ganzoo.tracing import compiled


class LatentModel(AdversarialModel):
    """A generator of images from latents, and the discriminator that it plays against.

    Args:
        generator: Maps latents `(batch, latent_dim)` to images `(batch, h, w, c)`, nominally
            in [-1, 1], or to points `(batch, 2)`.
        discriminator: Maps such images to logits `(batch, 1)`; larger is more real.
        latent_dim: Length of one latent vector.
        latent_distribution: "normal" for N(0, 1), or "uniform".
        latent_bound: Uniform latents lie in [-latent_bound, latent_bound).
        ema_half_life: Half-life, in images, of the average of the generator's weights that
            `generate` uses; None for no average.
        ema_decay: The share of that average which a step keeps, in place of a half-life.
        ema_generator: The average itself, when a saved model is put together again.
        seed: With the step number, decides everything that is drawn in training.
    """

    optimized_networks = {
        "generator_optimizer": ("generator",),
        "discriminator_optimizer": ("discriminator",),
    }
    possible_networks = ("generator", "discriminator", "ema_generator")
    reported_names: tuple[str, ...] = losses.reported_names("non_saturating")

    def __init__(
        self,
        generator,
        discriminator,
        latent_dim,
        latent_distribution="normal",
        latent_bound=1.0,
        ema_half_life=None,
        ema_decay=None,
        ema_generator=None,
        seed=0,
        **kwargs,
    ):
        super().__init__(seed=seed, **kwargs)
        if latent_distribution not in ("normal", "uniform"):
            raise GanzooError(
                f"latent_distribution is {latent_distribution!r}. Choose 'normal' or 'uniform'."
            )
        check_whole("latent_dim", latent_dim)
        check_number("latent_bound", latent_bound, positive=True)
        if ema_half_life is not None:
            check_number("ema_half_life", ema_half_life, positive=True)
        if ema_decay is not None:
            check_number("ema_decay", ema_decay, below=1.0)
        check_players(generator, discriminator, latent_dim)
        self.generator = generator
        self.discriminator = discriminator
        self.latent_dim = latent_dim
        self.latent_distribution = latent_distribution
        self.latent_bound = latent_bound
        self.ema_half_life = ema_half_life
        self.ema_decay = ema_decay
        self.ema_generator = ema_generator
        if (ema_half_life or ema_decay) and ema_generator is None:
            self.ema_generator = copy_network(generator, "ema_generator")
        self.build((None, latent_dim))

    @property
    def image_shape(self):
        """Shape of one image `(h, w, c)`, or of one point `(2,)`."""
        return tuple(self.generator.output.shape[1:])

    @property
    def sampling_name(self):
        """Name of the generator that images come from: the averaged one, where there is one."""
        return "generator" if self.ema_generator is None else "ema_generator"

    @property
    def sampling_generator(self):
        """The generator that images come from: the averaged one, where the recipe keeps one."""
        return getattr(self, self.sampling_name)

    def batch_shapes(self):
        return (None, *self.image_shape)

    def call(self, latents, training=False):
        """Maps latents `(batch, latent_dim)` to float images, nominally in [-1, 1]."""
        network = self.generator if training else self.sampling_generator
        return network(latents, training=training)

    def draw_latents(self, count, key, truncation=None, first=0):
        """Draws latents `(count, latent_dim)`; row i depends on the key and i only.

        Args:
            count: How many.
            key: int32 `(2,)`, as `randomness.seed_key` makes it of a seed.
            truncation: Redraw Gaussian values until |z| is at most this.
            first: Number of the first row.

        Raises:
            GanzooError: Truncation of latents that are not Gaussian, or below 0.05.
        """
        if truncation is not None:
            self._check_truncation(truncation)
        elif tf.executing_eagerly() and not first:
            return self._compiled_draw(key, count)
        shape = (count, self.latent_dim)
        return self._draw(key, shape, truncation, first * self.latent_dim)

    @property
    def _compiled_draw(self):
        # Run one by one, the operations of a draw take longer than a small generator.
        if getattr(self, "_draw_function", None) is None:
            self._draw_function = compiled(
                lambda key, count: self._draw(key, (count, self.latent_dim)), KEY_AND_COUNT
            )
        return self._draw_function

    def _draw(self, key, shape, truncation=None, first=0):
        if truncation is not None:
            return randomness.truncated_normal(key, shape, truncation, first)
        if self.latent_distribution == "normal":
            return randomness.normal(key, shape, first)
        return randomness.uniform(key, shape, -self.latent_bound, self.latent_bound, first)

    def _check_truncation(self, truncation):
        if self.latent_distribution != "normal":
            raise GanzooError(
                f"Truncation is for Gaussian latents, and those of {model_name(self)!r} are "
                f"{self.latent_distribution}. Leave truncation out."
            )
        if not (isinstance(truncation, numbers.Real) and truncation >= 0.05):
            raise GanzooError(
                f"truncation is {truncation!r}, and has to be at least 0.05. Values from 0.5 to 2 "
                "are usual; smaller ones give more alike images."
            )

    def training_latents(self, batch_size, purpose="latents"):
        """Draws this replica's latents of this step, `(batch_size, latent_dim)`."""
        return randomness.rows(self._draw, self.key(purpose), batch_size, (self.latent_dim,))

    def test_latents(self, batch_size):
        """Draws this replica's latents of this batch of a test, `(batch_size, latent_dim)`."""
        key = self.test_key("test latents")
        return randomness.rows(self._draw, key, batch_size, (self.latent_dim,))

    def generate(self, count, *, seed=None, truncation=None):
        """Generates images.

        Args:
            count: How many.
            seed: Image i depends on `seed` and i only; None draws a seed.
            truncation: Redraw Gaussian latents until |z| is at most this: nearer to the
                average image, less varied.

        Returns:
            uint8 `(count, h, w, c)`; for points, float32 `(count, 2)`.

        Raises:
            GanzooError: `count` is no number of images, or the truncation cannot be had.
            WeightsError: Other networks of the model are trained, and the generator is not.
        """
        return self._generate(self._sampler, count, seed, truncation)

    def _generate(self, sampler, count, seed, truncation, condition=None):
        """Generates with a `Sampler`; `condition` turns all the latents into those to use."""
        check_whole("count", count, least=0)
        count = int(count)
        check_trained(self, self.sampling_name)
        key = randomness.seed_key(randomness.fresh_seed() if seed is None else seed)
        return sampler.generate(key, count, truncation, condition)

    def training_samples(self, count):
        """Generates float images of the generator that trains, not the averaged one."""
        latents = self.draw_latents(count, randomness.seed_key(self.seed))
        at_once = images_at_once(self.image_shape)
        return in_parts(lambda part: self.generator(part, training=False), latents, at_once)

    def training_examples(self, images):
        """Gives real images as the networks see them now, to compare `training_samples` with."""
        return images

    def preview(self, seed, examples=None):
        """Draws a picture for people, uint8 `(h, w, c)`: 64 samples, or a cloud of points."""
        del examples  # for models that translate them
        return make_grid(self.generate(64 if len(self.image_shape) == 3 else 2000, seed=seed))

    @property
    def _sampler(self):
        if getattr(self, "_own_sampler", None) is None:
            self._own_sampler = Sampler(
                self, lambda latents: self(latents, training=False), self.image_shape
            )
        return self._own_sampler

    def endpoints(self):
        """Lists the endpoints of an exported model: name → (function, specs of its inputs)."""
        image = tf.TensorSpec((None, *self.image_shape), "float32", name="images")
        latents = tf.TensorSpec((None, self.latent_dim), "float32", name="latents")
        count = tf.TensorSpec((), "int32", name="count")
        seed = tf.TensorSpec((2,), "int32", name="seed")
        return {
            "sample": (lambda count, seed: sample_in_graph(self, count, seed), [count, seed]),
            "generate": (lambda latents: {"images": self(latents, training=False)}, [latents]),
            "discriminate": (
                lambda images: {"logits": self.discriminator(images, training=False)},
                [image],
            ),
        }

    def features(self, images):
        """Gives the discriminator's representation of images, layer by layer.

        Args:
            images: Float `(batch, h, w, c)` in [-1, 1].

        Returns:
            Dict of layer name to activations, from the shallowest to the deepest.
        """
        outputs = {
            layer.name: layer.output
            for layer in self.discriminator.layers
            if layer.name.startswith("features")
        }
        return keras.Model(self.discriminator.input, outputs)(images, training=False)

    def augmented(self, images, purpose):
        """Applies the augmentation that `compile` was given, to real and fake images alike.

        Zhao et al. 2020: it has to be differentiable, and in the updates of both networks.
        """
        return augment_for(self, images, purpose)

    def discriminator_loss(self, real_logits, fake_logits):
        """Computes the discriminator's loss, of the kind that `compile` named; a scalar."""
        loss, _ = losses.loss_pair(self.loss)
        return loss(real_logits, fake_logits)

    def generator_loss(self, fake_logits):
        """Computes the generator's loss, of the kind that `compile` named; a scalar."""
        _, loss = losses.loss_pair(self.loss)
        return loss(fake_logits)

    def report(self, real_logits, fake_logits, discriminator_loss, generator_loss):
        """Gathers what a step reports, as a dict of scalars, from D's logits before its update."""
        values = {"discriminator_loss": discriminator_loss, "generator_loss": generator_loss}
        if self.loss in losses.LOGISTIC:
            values["game_value"] = losses.game_value(real_logits, fake_logits)
            values["real_probability"] = losses.mean_probability(real_logits)
            values["fake_probability"] = losses.mean_probability(fake_logits)
        return values

    def average_generator(self, batch_size):
        """Moves `ema_generator`, if any, after a step on `batch_size` images of this replica."""
        if self.ema_generator is not None:
            decay = self.decay_of_average(batch_size)
            update_average(self.ema_generator.variables, self.generator.variables, decay)

    def decay_of_average(self, batch_size):
        """Share of the average that a step on `batch_size` images of each replica keeps."""
        if self.ema_decay:
            return self.ema_decay
        images = tf.cast(batch_size * replica_count(), "float32")
        return average_decay(self.ema_half_life, images)

    def get_config(self):
        return super().get_config() | {
            "latent_dim": self.latent_dim,
            "latent_distribution": self.latent_distribution,
            "latent_bound": self.latent_bound,
            "ema_half_life": self.ema_half_life,
            "ema_decay": self.ema_decay,
        }
