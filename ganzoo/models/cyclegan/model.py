"""CycleGAN's training algorithm. The networks it trains are in `networks.py`."""

import math

import keras
import tensorflow as tf

from ganzoo.checks import check_choice, check_number, check_whole
from ganzoo.data.augment import checked_policies
from ganzoo.errors import GanzooError, TrainingError
from ganzoo.losses import check_unpenalized
from ganzoo.models.cyclegan.objective import discriminator_losses, generator_losses, in_turn
from ganzoo.models.cyclegan.pool import ImagePool
from ganzoo.models.cyclegan.translator import Translator
from ganzoo.storage import to_array
from ganzoo.updates import gradients, minimize

# Which optimizer moves which networks, by `update_order`.
_MOVED: dict[str, dict] = {
    "joint": {
        "generator_optimizer": ("generator_ab", "generator_ba"),
        "discriminator_optimizer": ("discriminator_a", "discriminator_b"),
    },
    "alternating": {
        "generator_optimizer": ("generator_ab",),
        "discriminator_optimizer": ("discriminator_b",),
        "generator_ba_optimizer": ("generator_ba",),
        "discriminator_a_optimizer": ("discriminator_a",),
    },
}
# The rounds of a step: the generators' optimizer, the discriminators', and what these judge.
_ROUNDS = {
    "joint": (("generator_optimizer", "discriminator_optimizer", "ab"),),
    "alternating": (
        ("generator_optimizer", "discriminator_optimizer", "b"),
        ("generator_ba_optimizer", "discriminator_a_optimizer", "a"),
    ),
}


@keras.saving.register_keras_serializable("ganzoo")
class CycleGAN(Translator):
    """Zhu et al. 2017: two translations that undo each other, between unpaired domains."""

    optimized_networks = _MOVED["joint"]
    reported_names = (
        "generator_loss",
        "discriminator_loss",
        "adversarial_loss_ab",
        "adversarial_loss_ba",
        "cycle_loss_a",
        "cycle_loss_b",
        "identity_loss_a",
        "identity_loss_b",
        "discriminator_loss_a",
        "discriminator_loss_b",
    )

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.pool_a = self.pool_b = None
        self.warmup_until = self.add_weight(
            shape=(), dtype="int64", initializer="zeros", trainable=False, name="warmup_until"
        )
        self._warming = False
        self.build((None, None, None, self.channels))

    def compile(
        self,
        generator_optimizer=None,
        discriminator_optimizer=None,
        *,
        generator_ba_optimizer=None,
        discriminator_a_optimizer=None,
        loss="least_squares",
        update_order="joint",
        cycle_weight_a=10.0,
        cycle_weight_b=10.0,
        identity_weight=0.5,
        discriminator_loss_weight=0.5,
        pool_size=50,
        pool_whole_batches=False,
        zero_biases=False,
        warmup_steps=200,
        merge_calls=True,
        augment=(),
        **execution,
    ):
        """Sets how the networks train; the defaults are those of the authors' PyTorch code.

        Args:
            generator_optimizer: Moves both generators; with alternating updates G_ab.
            discriminator_optimizer: Moves both discriminators; with alternating updates D_b.
            generator_ba_optimizer: For alternating updates only; by default a copy of the other.
            discriminator_a_optimizer: For alternating updates only; by default a copy.
            loss: "least_squares", "non_saturating" or "minimax".
            update_order: "joint" moves both generators and then both discriminators;
                "alternating" moves G_ab, D_b, G_ba and D_a, each after a forward pass of its
                own and by an optimizer of its own, as the paper's Lua code does.
            cycle_weight_a: λ of |G_ba(G_ab(a)) - a|.
            cycle_weight_b: λ of |G_ab(G_ba(b)) - b|.
            identity_weight: Weight of |G_ab(b) - b| as a share of `cycle_weight_b`, and of
                |G_ba(a) - a| as one of `cycle_weight_a`; 0 leaves these calls out.
            discriminator_loss_weight: Factor of the discriminators' losses.
            pool_size: Earlier translations that a discriminator may be shown; 0 for none.
            pool_whole_batches: The pools hold batches, as in the Lua code, and not images.
            zero_biases: Set the biases of all convolutions to zero before every update, as
                the Lua code does.
            warmup_steps: Steps in which only the discriminators move, where `fit` begins with
                trained generators and fresh discriminators.
            merge_calls: Call a network once on several batches, and not once on each. No
                layer mixes images, so that only the speed changes.
            augment: Policies of DiffAugment, for few images: "color", "translation", "cutout".
            execution: `jit_compile`, `steps_per_execution`, `run_eagerly`.

        Raises:
            GanzooError: The loss, the order or a policy is none of those, a number is out of its
                range, or an optimizer moves nothing in that order.
        """
        optimizers = {
            "generator_optimizer": generator_optimizer,
            "discriminator_optimizer": discriminator_optimizer,
        }
        others = {
            "generator_ba_optimizer": generator_ba_optimizer,
            "discriminator_a_optimizer": discriminator_a_optimizer,
        }
        check_choice(f"update_order is {update_order!r}", update_order, _MOVED)
        networks = _MOVED[update_order]
        optimizers |= _other_optimizers(networks, optimizers, others)
        settings = {
            "loss": loss,
            "update_order": update_order,
            "cycle_weight_a": cycle_weight_a,
            "cycle_weight_b": cycle_weight_b,
            "identity_weight": identity_weight,
            "discriminator_loss_weight": discriminator_loss_weight,
            "pool_size": pool_size,
            "pool_whole_batches": pool_whole_batches,
            "zero_biases": zero_biases,
            "warmup_steps": warmup_steps,
            "merge_calls": merge_calls,
            "augment": checked_policies(augment),
        }
        _check_settings(settings)
        super().compile(optimizers, settings, optimized_networks=networks, **execution)

    @property
    def extra_state(self):
        state = {"warmup_until": self.warmup_until}
        for name in ("pool_a", "pool_b"):
            pool = getattr(self, name)
            if pool is not None:
                state |= {f"{name}/images": pool.images, f"{name}/count": pool.count}
        return state

    @property
    def moved_networks(self):
        # Discriminators that a warm-up has only begun to train count as fresh: the next one
        # begins anew.
        warmed_up = self.steps_taken > int(to_array(self.warmup_until))
        return super().moved_networks if warmed_up else frozenset()

    @property
    def step_variant(self):
        # A condition inside the step would not do: no optimizer works in one under a strategy.
        return "warmup" if self._warming else None

    def prepare(self, batch_size):
        """Makes the image pools, and decides whether the discriminators need a head start."""
        shape_a, shape_b = self.training_shapes
        with self.distribute_strategy.scope():
            self.pool_a = self._pool(self.pool_a, shape_b, batch_size)
            self.pool_b = self._pool(self.pool_b, shape_a, batch_size)
        judges = {"discriminator_a", "discriminator_b"}
        if self.trained - judges and not judges <= self.trained and self.warmup_steps:
            self.warmup_until.assign(self.step + self.warmup_steps)

    def _pool(self, pool, image_shape, batch_size):
        if not self.pool_size:
            return None
        group = batch_size if self.pool_whole_batches else 1
        if pool is not None and pool.fits(self.pool_size, image_shape, group):
            return pool
        self.retrace()  # the step was traced with the pool that this one replaces
        return ImagePool(self.pool_size, image_shape, group)

    def begin_stage(self, position, batch_size, fixed=False):
        """Goes on with the warm-up or ends it; see `AdversarialModel.begin_stage`."""
        del fixed
        left = int(to_array(self.warmup_until)) - self.steps_taken
        self._warming = left > 0
        return batch_size, position + left * batch_size if self._warming else math.inf

    def train_step(self, images):
        """Takes one step on images of A and of B, `(batch, h, w, c)` each, in [-1, 1].

        A round moves generators, then discriminators on translations out of the pools. "joint"
        steps have one round for all; "alternating" ones two, G_ab and D_b, then G_ba and D_a.
        """
        values = {}
        for generator_optimizer, discriminator_optimizer, domains in _ROUNDS[self.update_order]:
            self._zero_biases()
            found, fakes = self._move_generators(generator_optimizer, images)
            self._zero_biases()
            fakes = {domain: self._exchange(domain, fakes[domain]) for domain in domains}
            values |= found | self._move_discriminators(discriminator_optimizer, images, fakes)
        return self._with_total(values)

    def test_step(self, images):
        """Computes the same losses in inference mode, without pools and without an update."""
        values, fakes = {"generator_loss": 0.0}, {}
        for domain, other, batch in zip("ab", "ba", images, strict=True):
            loss, found, fakes[other] = generator_losses(self, domain, batch, training=False)
            values |= found | {"generator_loss": values["generator_loss"] + loss}
        return self._with_total(values | discriminator_losses(self, *images, fakes, training=False))

    def _move_generators(self, optimizer_name, images):
        """Moves generators down their loss; gives what it consists of, and the translations.

        What images of A and of B add to it is computed apart, large ones in turn. Where one
        generator moves, terms that depend on the other alone add nothing to its gradient.
        """
        optimizer = getattr(self, optimizer_name)
        weights = self.weights_of(*self.optimized_networks[optimizer_name])
        values, fakes, slopes = {"generator_loss": 0.0}, {}, []
        for domain, other, batch in zip("ab", "ba", images, strict=True):
            batch = in_turn(batch, slopes)
            with tf.GradientTape() as tape:
                loss, found, fakes[other] = generator_losses(self, domain, batch, training=True)
            values |= found | {"generator_loss": values["generator_loss"] + loss}
            if weights and not self._warming:
                slopes.append(gradients(loss, tape, weights, optimizer))
        if slopes:
            optimizer.apply([tf.add_n(pair) for pair in zip(*slopes, strict=True)], weights)
        return values, fakes

    def _move_discriminators(self, optimizer_name, images, fakes):
        """Moves the discriminators of the domains in `fakes`; gives their losses."""
        with tf.GradientTape() as tape:
            values = discriminator_losses(self, *images, fakes, training=True)
            loss = tf.add_n(list(values.values()))
        weights = self.weights_of(*self.optimized_networks[optimizer_name])
        if weights:  # not all frozen
            minimize(loss, tape, weights, getattr(self, optimizer_name))
        return values

    def _exchange(self, domain, fakes):
        """Gives what a discriminator is shown in place of new fakes: section 4 of the paper."""
        if not self.pool_size:
            return fakes
        pool = getattr(self, f"pool_{domain}")
        if pool is None:
            raise TrainingError(
                "The image pools are not made yet. Train with fit; before a train_step of "
                "your own call check_batch(spec) and prepare(batch_size)."
            )
        return pool.exchange(fakes, self.key(f"pool {domain}"))

    def _zero_biases(self):
        if not self.zero_biases:
            return
        for network in self.networks.values():
            for layer in network.layers:
                if getattr(layer, "bias", None) is not None:
                    layer.bias.assign(tf.zeros_like(layer.bias))

    def _with_total(self, values):
        total = values["discriminator_loss_a"] + values["discriminator_loss_b"]
        return values | {"discriminator_loss": total}


def _check_settings(settings):
    check_unpenalized(settings["loss"], "a CycleGAN")
    for name in ("cycle_weight_a", "cycle_weight_b", "identity_weight"):
        check_number(name, settings[name])
    check_number("discriminator_loss_weight", settings["discriminator_loss_weight"])
    check_whole("pool_size", settings["pool_size"], least=0)
    check_whole("warmup_steps", settings["warmup_steps"], least=0)


def _other_optimizers(networks, optimizers, given):
    """Gives the second optimizer of each kind, or a copy of the first; none for joint updates."""
    if given.keys() <= networks.keys():
        pairs = zip(given.items(), optimizers.values(), strict=True)
        return {name: other or _copy(first) for (name, other), first in pairs}
    unused = [name for name, other in given.items() if other is not None]
    if unused:
        raise GanzooError(
            f"update_order is 'joint', in which {' and '.join(unused)} would move nothing. Leave "
            "that out, or use update_order='alternating'."
        )
    return {}


def _copy(optimizer):
    if optimizer is None:
        return None
    optimizer = keras.optimizers.get(optimizer)
    return type(optimizer).from_config(optimizer.get_config())
