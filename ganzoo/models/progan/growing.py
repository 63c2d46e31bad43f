"""A latent model whose networks grow: what it makes now, and how `fit` takes it on."""

import functools

import tensorflow as tf

from ganzoo import randomness
from ganzoo.errors import GanzooError, TrainingError
from ganzoo.latent_model import LatentModel
from ganzoo.models.progan import growth, labelling, networks
from ganzoo.models.progan.groups import check_groups
from ganzoo.optimizers import inner, reset
from ganzoo.pictures import make_grid
from ganzoo.sampling import Sampler, images_at_once, images_to_look_at, in_parts
from ganzoo.tracing import read


class GrowingModel(LatentModel):
    """A generator and a discriminator that hold all resolutions, and work at one.

    Attributes:
        growth: A `Growth`, how far they have grown.
        schedule: A `Schedule`, when they grow, once compiled.
        keeps_batches: Whether the current `fit` began with wholly grown networks, and takes the
            batches of its data in place of the last phase's.
    """

    def add_state(self):
        self.growth = growth.Growth(name="growth")
        self._samplers = {}
        self.keeps_batches = False

    @property
    def image_size(self):
        """Side of the largest images."""
        return self.generator.output.shape[1]

    @property
    def resolution(self):
        """Side of the images that the model makes and judges now."""
        return read(self.growth.resolution) or self.image_size

    @property
    def classes(self):
        """Number of classes that D tells apart, and that latents end in one of; mostly 0."""
        return self.discriminator.output.shape[-1] - 1

    @property
    def images_seen(self):
        """Number of real images that the networks were trained on.

        Trained networks that came without this number were trained for all phases.
        """
        seen = read(self.growth.images_seen)
        return self.schedule.images if not seen and "generator" in self.trained else seen

    @property
    def image_shape(self):
        """Shape of one image `(h, w, c)` at the resolution reached."""
        return (self.resolution, self.resolution, self.generator.output.shape[-1])

    def batch_shapes(self):
        return (None, *self.generator.output.shape[1:])

    @property
    def stored_parts(self):
        return super().stored_parts | {"growth": self.growth}

    @property
    def extra_state(self):
        return {variable.name: variable for variable in self.growth.variables}

    def fading_alpha(self):
        """Gives `alpha` while a block is being faded in, or None."""
        return self.growth.alpha if read(self.growth.alpha) < 1.0 else None

    def call(self, latents, training=False):
        """Maps latents `(batch, latent_dim)` to float images of the resolution reached."""
        network = self.generator if training else self.sampling_generator
        return self.draw(network, latents, self.fading_alpha())

    def draw(self, network, latents, alpha=None, resolution=None):
        """Maps latents to images `(batch, resolution, resolution, c)` with one generator."""
        resolution = resolution or self.resolution
        return networks.wire_generator(network.get_layer, latents, resolution, alpha)

    def judge(self, images, alpha=None):
        """Maps images of any resolution to scores `(batch, 1)`; larger is more real."""
        outputs = networks.wire_discriminator(self.discriminator.get_layer, images, alpha)
        return outputs[:, :1] if self.classes else outputs

    def _draw(self, key, shape, truncation=None, first=0):
        latents = super()._draw(key, shape, truncation, first)
        return labelling.with_random_classes(latents, self.classes) if self.classes else latents

    def generate(self, count, *, seed=None, truncation=None, resolution=None, labels=None):
        """Generates images.

        Args:
            count: How many.
            seed: Image i depends on `seed` and i only; None draws a seed. The latents are the
                same at every resolution.
            truncation: Redraw the latents until |z| is at most this.
            resolution: Side of the images, a power of two from 4 to the resolution reached;
                None for that. The layer that makes images of a lower one has not trained since
                growing left it behind, and the blocks before it have: images of it are rougher
                than they were then.
            labels: The class of all images, or of each, a number from 0 to `classes` - 1; None
                for one that `seed` draws. The noise is the same for each class.

        Returns:
            uint8 `(count, resolution, resolution, c)`.

        Raises:
            GanzooError: `count` is no number of images, or the truncation, resolution or labels
                cannot be had.
        """
        side = self._known_side(self.resolution if resolution is None else resolution)
        condition = None
        if labels is not None:
            condition = functools.partial(
                labelling.with_labels, labels=labels, classes=self.classes
            )
        return self._generate(self._sampler_at(side), count, seed, truncation, condition)

    def _known_side(self, resolution):
        """Gives the int that equals a resolution: the layers are named after it."""
        known = [4, *networks.sides_above_4(self.resolution)]
        if resolution not in known:
            raise GanzooError(
                f"There are no images of resolution {resolution!r}. The networks have reached "
                f"{self.resolution}: choose one of {', '.join(map(str, known))}."
            )
        return known[known.index(resolution)]

    def _sampler_at(self, resolution):
        """Compiles the generator at a resolution, with its fade-in where one is under way."""
        alpha = self.fading_alpha() if resolution == self.resolution else None
        key = (resolution, alpha is not None)
        if key not in self._samplers:
            network = self.sampling_generator
            self._samplers[key] = Sampler(
                self,
                lambda latents: self.draw(network, latents, alpha, resolution),
                (resolution, resolution, self.image_shape[-1]),
            )
        return self._samplers[key]

    def training_samples(self, count):
        """Generates float images of the generator that trains, enlarged to `image_size`."""
        latents = self.draw_latents(count, randomness.seed_key(self.seed))
        alpha, side = self.fading_alpha(), self.image_size

        def draw(part):
            images = self.draw(self.generator, part, alpha)
            return growth.enlarge(images, side // images.shape[1])

        return in_parts(draw, latents, images_at_once(self.batch_shapes()[1:]))

    def training_examples(self, images):
        """Shrinks real images as training does now, and enlarges them to `image_size` again."""
        seen = growth.shrink(tf.convert_to_tensor(images), self.resolution, self.fading_alpha())
        return growth.enlarge(seen, self.image_size // self.resolution)

    def preview(self, seed, examples=None):
        """Draws a grid of samples for people, as large at every resolution."""
        del examples
        images = self.generate(images_to_look_at(self.batch_shapes()[1:]), seed=seed)
        return make_grid(growth.enlarge(images, self.image_size // images.shape[1]).numpy())

    def endpoints(self):
        image = tf.TensorSpec((None, *self.image_shape), "float32", name="images")
        alpha = self.fading_alpha()
        discriminate = (lambda images: {"logits": self.judge(images, alpha)}, [image])
        return super().endpoints() | {"discriminate": discriminate}

    def features(self, images):
        """Gives the discriminator's representation of images, layer by layer.

        Args:
            images: Float `(batch, h, w, c)` in [-1, 1], of any resolution. A block that is being
                faded in has its share, `alpha`, in what the next one sees.

        Returns:
            Dict of layer name to activations, from the shallowest to the deepest.
        """
        found = {}

        def watched(name):
            layer = self.discriminator.get_layer(name)

            def call(*args, **kwargs):
                outputs = layer(*args, **kwargs)
                if name.endswith("_relu") and "rgb" not in name:
                    found[name.removesuffix("_relu")] = outputs
                return outputs

            return call

        images = tf.convert_to_tensor(images)
        alpha = self.fading_alpha() if images.shape[1] == self.resolution else None
        networks.wire_discriminator(watched, images, alpha)
        return found

    def check_batch(self, spec, batch=None):
        if self.classes:
            raise TrainingError(
                f"A progressive GAN of {self.classes} classes learns from labels, and ganzoo "
                "trains on images alone. Train one without classes: "
                "ganzoo.load(…, weights=False, **{'model.classes': 0})"
            )
        super().check_batch(spec, batch)

    def prepare(self, batch_size):
        """Notes that networks which came trained, but without a number of images, are wholly grown.

        Wholly grown ones take the batches of the data (`keeps_batches`), unless these have the
        preset's size, which nobody chose for them and which is too large for the last phase.
        """
        preset = getattr(self, "preset", None)
        chosen = preset is None or batch_size != preset.training.get("batch_size")
        self.keeps_batches = chosen and self.images_seen >= self.schedule.images
        if self.images_seen != read(self.growth.images_seen):
            self.growth.images_seen.assign(self.images_seen)
            self.growth.phase.assign(self.schedule.at(self.images_seen).phase)

    def images_to_train(self):
        """Counts the images that are left of all phases."""
        return max(0, self.schedule.images - self.images_seen)

    def begin_stage(self, position, batch_size, fixed=False):
        """Grows to the resolution that the schedule says; see `AdversarialModel.begin_stage`.

        A new phase begins with fresh optimizers, as the authors' code does.

        Raises:
            TrainingError: A batch of some resolution cannot be divided over the replicas
                without splitting the groups of the minibatch statistics.
        """
        self.check_batch_size(batch_size, fixed)
        seen = self.images_seen
        moment = self.schedule.at(seen)
        is_new = moment.phase != read(self.growth.phase)
        for name, optimizer in self.optimizers.items():
            if is_new:
                reset(optimizer)
            # Where no phase sets a rate, that of the optimizer may be one that a user has set.
            if self.schedule.sets_rates and read(inner(optimizer).iterations) == 0:
                inner(optimizer).learning_rate = self.rate(name, moment.stage)
        self.growth.phase.assign(moment.phase)
        self.growth.resolution.assign(moment.stage.resolution)
        self.growth.alpha.assign(moment.alpha(seen))
        if not fixed and not self.keeps_batches:
            batch_size = moment.stage.batch_size or batch_size
        return batch_size, position + moment.end - seen

    @property
    def step_variant(self):
        return self.resolution, self.fit_state.rate_factor

    def rate(self, name, stage):
        """Gives the learning rate of an optimizer in a stage; None where it has a schedule."""
        rate = self.base_rates[name] if stage.learning_rate is None else stage.learning_rate
        return None if rate is None else rate * self.fit_state.rate_factor

    def check_batch_size(self, batch_size, fixed=False):
        """Refuses batches, of any stage, that split the groups of the minibatch statistics.

        Raises:
            TrainingError: Names the batch, the groups and the replicas.
        """
        sizes = {batch_size}
        if not fixed and not self.keeps_batches:
            sizes = {stage.batch_size or batch_size for stage in self.schedule.stages}
        statistics = self.discriminator.get_layer("4x4_stddev")
        check_groups(statistics, sizes, self.distribute_strategy.num_replicas_in_sync)
