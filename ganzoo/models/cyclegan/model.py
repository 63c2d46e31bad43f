"""CycleGAN's training algorithm. The networks it trains are in `networks.py`."""

import functools
import math

import keras
import tensorflow as tf

from ganzoo import losses
from ganzoo.errors import GanzooError, TrainingError, nearest
from ganzoo.models.cyclegan.pool import ImagePool
from ganzoo.models.cyclegan.translator import Translator
from ganzoo.optimizers import minimize

# What one step consists of: the generators' optimizer, the discriminators', and the domains that
# these judge.
_ROUNDS = {
    "joint": (("generator_optimizer", "discriminator_optimizer", "ab"),),
    "alternating": (
        ("generator_optimizer", "discriminator_optimizer", "b"),
        ("generator_ba_optimizer", "discriminator_a_optimizer", "a"),
    ),
}
_ALTERNATING = {
    "generator_optimizer": ("generator_ab",),
    "discriminator_optimizer": ("discriminator_b",),
    "generator_ba_optimizer": ("generator_ba",),
    "discriminator_a_optimizer": ("discriminator_a",),
}


@keras.saving.register_keras_serializable("ganzoo")
class CycleGAN(Translator):
    """Zhu et al. 2017: two translations that undo each other, between unpaired domains."""

    optimized_networks = {
        "generator_optimizer": ("generator_ab", "generator_ba"),
        "discriminator_optimizer": ("discriminator_a", "discriminator_b"),
    }
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
        **execution,
    ):
        """Sets how the networks train; the defaults are those of the authors' PyTorch code.

        Args:
            generator_optimizer: Moves both generators.
            discriminator_optimizer: Moves both discriminators.
            loss: "least_squares", "non_saturating", "minimax" or "wasserstein".
            update_order: "joint" moves both generators and then both discriminators;
                "alternating" moves G_ab, D_b, G_ba and D_a, each after a forward pass of its
                own and by a copy of the optimizer, as the paper's Lua code does.
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
            execution: `jit_compile`, `steps_per_execution`, `run_eagerly`.
        """
        losses.loss_pair(loss)
        if update_order not in _ROUNDS:
            raise GanzooError(
                f"update_order is {update_order!r}.{nearest(update_order, _ROUNDS)} "
                f"Choose one of: {', '.join(_ROUNDS)}."
            )
        optimizers = {
            "generator_optimizer": generator_optimizer,
            "discriminator_optimizer": discriminator_optimizer,
        }
        self.optimized_networks = CycleGAN.optimized_networks
        if update_order == "alternating":
            self.optimized_networks = _ALTERNATING
            optimizers["generator_ba_optimizer"] = _copy(generator_optimizer)
            optimizers["discriminator_a_optimizer"] = _copy(discriminator_optimizer)
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
        }
        super().compile(optimizers, settings, **execution)
        self._rounds = _ROUNDS[update_order]

    def get_compile_config(self):
        config = super().get_compile_config()
        # The copies that alternating updates need are made again by `compile`.
        names = CycleGAN.optimized_networks
        config["optimizers"] = {name: config["optimizers"][name] for name in names}
        return config

    @property
    def extra_state(self):
        state = {"warmup_until": self.warmup_until}
        for name in ("pool_a", "pool_b"):
            pool = getattr(self, name)
            if pool is not None:
                state |= {f"{name}/images": pool.images, f"{name}/count": pool.count}
        return state

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
        fits = pool is not None and pool.fits(self.pool_size, image_shape, group)
        return pool if fits else ImagePool(self.pool_size, image_shape, group)

    def begin_stage(self, position, batch_size, fixed=False):
        """Goes on with the warm-up or ends it; see `AdversarialModel.begin_stage`."""
        del fixed
        left = int(self.warmup_until) - int(self.step)
        self._warming = left > 0
        return batch_size, position + left * batch_size if self._warming else math.inf

    def train_step(self, images):
        """Takes one step on images of A and of B, `(batch, h, w, c)` each, in [-1, 1]."""
        values = {}
        for generator_optimizer, discriminator_optimizer, domains in self._rounds:
            self._zero_biases()
            with tf.GradientTape() as tape:
                found, fakes = self.generator_losses(*images, training=True)
            if not self._warming:
                # What depends on another generator alone adds nothing to the gradient.
                self._move(generator_optimizer, found["generator_loss"], tape)
            self._zero_biases()
            fakes = {domain: self._exchange(domain, fakes[domain]) for domain in domains}
            with tf.GradientTape() as tape:
                judged = self.discriminator_losses(*images, fakes, training=True)
                loss = tf.add_n(list(judged.values()))
            self._move(discriminator_optimizer, loss, tape)
            values |= found | judged
        return self._with_total(values)

    def test_step(self, images):
        """Computes the same losses in inference mode, without pools and without an update."""
        values, fakes = self.generator_losses(*images, training=False)
        return self._with_total(values | self.discriminator_losses(*images, fakes, training=False))

    def generator_losses(self, images_a, images_b, *, training):
        """Computes what the generators minimise: Zhu et al. 2017, equations 1 to 3 and 5.2.

        Returns:
            The weighted sum and its terms without their weights, by their reported names; and
            the translations by domain, `{"a": …, "b": …}`.
        """
        ask = functools.partial(self._ask, training=training)
        keep_b, keep_a = ([images_b], [images_a]) if self.identity_weight else ([], [])
        fake_b, *same_b = ask(self.generator_ab, images_a, *keep_b)
        fake_a, *same_a = ask(self.generator_ba, images_b, *keep_a)
        (back_a,) = ask(self.generator_ba, fake_b)
        (back_b,) = ask(self.generator_ab, fake_a)
        (logits_a,) = ask(self.discriminator_a, fake_a)
        (logits_b,) = ask(self.discriminator_b, fake_b)
        _, adversarial_loss = losses.loss_pair(self.loss)
        values = {
            "adversarial_loss_ab": adversarial_loss(logits_b),
            "adversarial_loss_ba": adversarial_loss(logits_a),
            "cycle_loss_a": mean_distance(back_a, images_a),
            "cycle_loss_b": mean_distance(back_b, images_b),
            "identity_loss_a": mean_distance(same_a[0], images_a) if same_a else 0.0,
            "identity_loss_b": mean_distance(same_b[0], images_b) if same_b else 0.0,
        }
        return values | {"generator_loss": self._weigh(values)}, {"a": fake_a, "b": fake_b}

    def discriminator_losses(self, images_a, images_b, fakes, *, training):
        """Computes what the discriminators of the domains in `fakes` minimise, by name."""
        discriminator_loss, _ = losses.loss_pair(self.loss)
        values = {}
        for domain, fake_images in fakes.items():
            real_images = images_a if domain == "a" else images_b
            discriminator = getattr(self, f"discriminator_{domain}")
            logits = self._ask(discriminator, real_images, fake_images, training=training)
            loss = self.discriminator_loss_weight * discriminator_loss(*logits)
            values[f"discriminator_loss_{domain}"] = loss
        return values

    def _ask(self, network, *batches, training):
        """Calls a network on several batches, at once where `merge_calls` says so."""
        if not self.merge_calls or len(batches) == 1:
            return [network(batch, training=training) for batch in batches]
        sizes = [tf.shape(batch)[0] for batch in batches]
        return tf.split(network(tf.concat(batches, axis=0), training=training), sizes)

    def _weigh(self, values):
        """Adds up the generators' loss; identity counts as a share of its domain's cycle."""
        total = values["adversarial_loss_ab"] + values["adversarial_loss_ba"]
        for domain, weight in (("a", self.cycle_weight_a), ("b", self.cycle_weight_b)):
            identity = self.identity_weight * values[f"identity_loss_{domain}"]
            total += weight * (values[f"cycle_loss_{domain}"] + identity)
        return total

    def _move(self, optimizer_name, loss, tape):
        weights = self.weights_of(*self.optimized_networks[optimizer_name])
        if weights:  # none, where all are frozen
            minimize(loss, tape, weights, getattr(self, optimizer_name))

    def _exchange(self, domain, fakes):
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


def mean_distance(images, others):
    """Averages |images - others| over everything, float32: the L1 of the cycle and identity."""
    return tf.reduce_mean(tf.abs(tf.cast(images, "float32") - tf.cast(others, "float32")))


def _copy(optimizer):
    if optimizer is None:
        return None
    optimizer = keras.optimizers.get(optimizer)
    return type(optimizer).from_config(optimizer.get_config())
