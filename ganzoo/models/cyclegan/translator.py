"""What a trained CycleGAN is used for: translating pictures one way, or there and back."""

import tensorflow as tf

from ganzoo.adversarial import AdversarialModel
from ganzoo.checks import DIRECTIONS, model_name
from ganzoo.data.decoding import from_uint8, to_uint8
from ganzoo.errors import DataError, GanzooError, WeightsError, nearest
from ganzoo.models.cyclegan.networks import GENERATOR_PARTS, part_of, smallest_side
from ganzoo.models.cyclegan.translation import (
    SMALLEST_SIDE,
    CompiledGenerator,
    translate_pictures,
)
from ganzoo.pictures import make_grid

_PREVIEWS = 4


class Translator(AdversarialModel):
    """Two generators between the domains A and B, and a discriminator of each.

    Args:
        generator_ab: Maps images of A `(batch, h, w, c)` in [-1, 1] to images of B.
        generator_ba: Maps images of B to images of A.
        discriminator_a: Maps images of A, real or translated, to logits of their patches.
        discriminator_b: The same for images of B.
        seed: With the step number, decides what the image pools exchange.
    """

    possible_networks = ("generator_ab", "generator_ba", "discriminator_a", "discriminator_b")

    def __init__(
        self, generator_ab, generator_ba, discriminator_a, discriminator_b, seed=0, **kwargs
    ):
        super().__init__(seed=seed, **kwargs)
        self.generator_ab = generator_ab
        self.generator_ba = generator_ba
        self.discriminator_a = discriminator_a
        self.discriminator_b = discriminator_b
        self.training_shapes = None
        self._compiled_generators = _Compiled()

    @property
    def channels(self):
        """Channels of the images of both domains."""
        return self.generator_ab.input.shape[-1]

    @property
    def directions(self):
        """Those of "ab" and "ba" that it translates in: the trained ones, where only some are."""
        if not self.trained:
            return DIRECTIONS
        return tuple(way for way in DIRECTIONS if f"generator_{way}" in self.trained)

    def call(self, images, training=False):
        """Maps images of A `(batch, h, w, c)` in [-1, 1] to images of B."""
        return self.generator_ab(images, training=training)

    def translate(self, images, direction="ab", *, tile=None, advance=None):
        """Translates pictures of any size.

        Args:
            images: One picture `(h, w, c)` or a batch `(n, h, w, c)`, uint8 or float in
                [-1, 1], of any height and width from 8 up; or a path; or a list of such.
            direction: "ab" or "ba".
            tile: Side of the tiles in which a picture that is larger than one goes through
                the network; see `ganzoo.models.cyclegan.tiling`. None translates whole
                pictures of up to 4 megapixels, and larger ones in tiles of 1,024.
            advance: A function that is told how many of a picture's tiles are done, and of how
                many.

        Returns:
            An array of the shape and type of `images`; uint8 `(h, w, c)` for a path; a list
            for a list.

        Raises:
            GanzooError: There is no such direction, or the tile is too small.
            DataError: A picture cannot be read, or is not of that kind.
            WeightsError: Other networks of the model are trained, and this one is not.
        """
        return translate_pictures(images, [self._compiled(direction)], tile, advance)

    def reconstruct(self, images, direction="ab", *, tile=None, advance=None):
        """Translates pictures in `direction` and back; the arguments are `translate`'s."""
        there, back = self._compiled(direction), self._compiled(direction[::-1])
        return translate_pictures(images, [there, back], tile, advance)

    def generate(self, count, *, seed=None, truncation=None):
        """Refuses: a CycleGAN has no latents to draw images from."""
        raise GanzooError(
            f"{model_name(self)!r} translates images and cannot generate {count} from noise. "
            "Call translate(images), or on the command line: ganzoo translate"
        )

    def generator_of(self, direction):
        """Gives the generator of a direction.

        Raises:
            GanzooError: The direction is neither "ab" nor "ba".
            WeightsError: Other networks of the model are trained, and this one is not.
        """
        if direction not in DIRECTIONS:
            raise GanzooError(f"direction is {direction!r}. Choose 'ab', from A to B, or 'ba'.")
        if direction not in self.directions:
            raise WeightsError(
                f"{model_name(self)!r} has no trained weights for the direction {direction!r}, "
                f"only for {', '.join(sorted(self.trained))}. Translate in the direction "
                f"{direction[::-1]!r}, or train with fit first."
            )
        return getattr(self, f"generator_{direction}")

    def _compiled(self, direction):
        generator = self.generator_of(direction)
        known = self._compiled_generators.by_direction
        if direction not in known:
            known[direction] = CompiledGenerator(generator)
        return known[direction]

    def freeze(self, *parts):
        """Keeps parts from training. Call it before `compile`.

        Args:
            parts: "encoder", "transformer" or "decoder" of both generators, one of those of a
                single generator as "generator_ab.encoder", or a whole network by its name.
                Without any, everything is freed.

        Raises:
            GanzooError: There is no such part.
        """
        frozen = [layer for part in parts for layer in self._layers_of(part)]
        for network in self.networks.values():
            network.trainable = True
            for layer in network.layers:  # Keras passes on a change only
                layer.trainable = layer not in frozen

    def _layers_of(self, part):
        network, _, inner = part.rpartition(".")
        names = [network] if network else ["generator_ab", "generator_ba"]
        if part in self.networks:
            return self.networks[part].layers
        if inner not in GENERATOR_PARTS or not set(names) <= {"generator_ab", "generator_ba"}:
            known = [*GENERATOR_PARTS, *self.network_names, "generator_ab.encoder"]
            raise GanzooError(
                f"{part!r} is no part of a CycleGAN that can be frozen.{nearest(part, known)} "
                f"Choose among: {', '.join(known)} and the like."
            )
        layers = [layer for name in names for layer in self.networks[name].layers]
        return [layer for layer in layers if part_of(layer) == inner]

    def endpoints(self):
        """Gives what an exported model answers to; translations take and give pixels."""
        pixels = tf.TensorSpec((None, None, None, self.channels), "uint8", name="images")
        images = tf.TensorSpec(pixels.shape, "float32", name="images")

        def translated(function):
            def endpoint(images):
                message = (
                    "translate takes images whose height and width are multiples of 4, from 8 up"
                )
                sides = tf.shape(images)[1:3]
                tf.debugging.assert_equal(sides % 4, 0, message)
                # A smaller one is mirrored beyond its far edge, where GPUs find zeros and go on.
                tf.debugging.assert_greater_equal(sides, SMALLEST_SIDE, message)
                return {"images": to_uint8(function(from_uint8(images))["images"])}

            return endpoint

        def judged(discriminator):
            return lambda images: {"logits": discriminator(images, training=False)}

        floats = self.float_endpoints()
        return {
            **{name: (translated(function), [pixels]) for name, (function, _) in floats.items()},
            "discriminate_a": (judged(self.discriminator_a), [images]),
            "discriminate_b": (judged(self.discriminator_b), [images]),
        }

    def float_endpoints(self):
        """Gives the translations as functions of float images in [-1, 1]."""
        images = tf.TensorSpec((None, None, None, self.channels), "float32", name="images")

        def translated(generator):
            return lambda images: {"images": generator(images, training=False)}

        return {
            "translate_ab": (translated(self.generator_ab), [images]),
            "translate_ba": (translated(self.generator_ba), [images]),
        }

    def batch_shapes(self):
        return ((None, None, None, self.channels),) * 2

    def check_batch(self, spec, batch=None):
        """Refuses batches that the model cannot train on, and notes the images' shapes."""
        super().check_batch(spec, batch)
        shapes = [images.shape[1:] for images in tf.nest.flatten(spec if batch is None else batch)]
        smallest = smallest_side(self.discriminator_a)
        for height, width, _ in shapes:
            for side in (height, width):
                if side is not None and (side % 4 or side < smallest):
                    raise DataError(
                        "A CycleGAN trains on images whose height and width are multiples of 4, "
                        f"from {smallest} up, and these have {height}×{width}. Load them with "
                        "another image_size."
                    )
        self.training_shapes = tuple(tuple(shape) for shape in shapes)

    def preview(self, seed, examples=None):
        """Draws a picture for people: real, translated and back, for the first of A and of B.

        Args:
            seed: Nothing is drawn; for models that start from noise.
            examples: Images of A and of B, float in [-1, 1], a pair of batches.

        Returns:
            uint8 `(height, width, c)`, one row an image; smaller images have white on their right
            and below.
        """
        if examples is None:
            raise GanzooError("A CycleGAN has no picture of itself. Give it examples of A and B.")
        rows = []
        for images, direction in zip(examples, DIRECTIONS, strict=True):
            there, back = (
                getattr(self, f"generator_{way}") for way in (direction, direction[::-1])
            )
            for image in images[:_PREVIEWS]:
                fake = there(image[None], training=False)
                rows += [image[None], fake, back(fake, training=False)]
        return make_grid(to_uint8(_of_one_size(rows)), columns=3)


def _of_one_size(rows):
    """Joins batches `(n, h, w, c)` of several sizes in one, white where an image has no pixels."""
    height, width = (max(images.shape[axis] for images in rows) for axis in (1, 2))
    padded = []
    for images in rows:
        below, right = height - images.shape[1], width - images.shape[2]
        padding = [[0, 0], [0, below], [0, right], [0, 0]]
        padded.append(tf.pad(images, padding, constant_values=1.0))
    return tf.concat(padded, axis=0)


class _Compiled:
    """Holds functions where Keras does not look for things to save."""

    def __init__(self):
        self.by_direction = {}
