"""Optimizers that Keras does not have, and how a model gets its own.

They are the vanilla GAN's annealed SGD, an Adam that passes over the weights once, and loss
scaling that is right on several replicas. `rates.py` asks for their learning rates, and
`updates.py` moves weights with them.
"""

import math

import keras
import tensorflow as tf
from keras import ops

from ganzoo.checks import check_number, check_whole
from ganzoo.errors import TrainingError


@keras.saving.register_keras_serializable("ganzoo")
class AnnealedSGD(keras.optimizers.SGD):
    """SGD whose momentum rises while its rate decays, as the vanilla GAN was trained.

    The momentum of epoch e, counted from 1, lies on the line from `momentum` at epoch 1 to
    `final_momentum` at epoch `saturation_epoch`, as pylearn2's adjustor has it.

    Args:
        learning_rate: Rate of the first update.
        momentum: Momentum of epoch 1.
        final_momentum: Momentum from `saturation_epoch` on.
        saturation_epoch: Epoch at which the momentum stops rising, 2 or later.
        updates_per_epoch: Updates in one epoch of the recipe.
        decay_factor: The rate is divided by this after every update.
        min_learning_rate: The rate never falls below this.

    Raises:
        GanzooError: A number of epochs or updates is not a whole number, or too small.
    """

    def __init__(
        self,
        learning_rate=0.1,
        momentum=0.5,
        final_momentum=0.7,
        saturation_epoch=250,
        updates_per_epoch=500,
        decay_factor=1.000004,
        min_learning_rate=1e-6,
        name="annealed_sgd",
        **kwargs,
    ):
        check_whole("saturation_epoch", saturation_epoch, least=2)
        check_whole("updates_per_epoch", updates_per_epoch)
        check_number("decay_factor", decay_factor, positive=True)
        super().__init__(learning_rate=learning_rate, momentum=momentum, name=name, **kwargs)
        self.final_momentum = final_momentum
        self.saturation_epoch = saturation_epoch
        self.updates_per_epoch = updates_per_epoch
        self.decay_factor = decay_factor
        self.min_learning_rate = min_learning_rate

    def build(self, variables):
        """Makes a velocity for each variable; Keras makes none where the momentum starts at 0."""
        if self.built:
            return
        super().build(variables)
        self.momentums = self.momentums or self.add_optimizer_variables(variables, "momentum")

    def update_step(self, gradient, variable, learning_rate):
        """Moves one variable: v ← m·v - r·g, and w ← w + v, or with `nesterov` w + m·v - r·g."""
        velocity = self.momentums[self._get_variable_index(variable)]
        momentum = ops.cast(self._current_momentum(), variable.dtype)
        rate = ops.cast(self._current_rate(learning_rate), variable.dtype)
        gradient = ops.cast(gradient, variable.dtype)
        # One pass over the weights instead of five; `variable` is TensorFlow's own here, and
        # under a strategy that of this replica, as the velocity's handle is.
        tf.raw_ops.ResourceApplyKerasMomentum(
            var=variable.handle,
            accum=velocity.value.handle,
            lr=rate,
            grad=gradient,
            momentum=momentum,
            use_nesterov=self.nesterov,
        )

    def _current_momentum(self):
        past = ops.cast(self.iterations // self.updates_per_epoch, "float32")
        share = ops.minimum(past / (self.saturation_epoch - 1), 1.0)
        return self.momentum + share * (self.final_momentum - self.momentum)

    def _current_rate(self, learning_rate):
        updates = ops.cast(self.iterations, "float32")
        # Not a power of the factor: 1.000004 in float32 is off by 1 % after 200,000 updates.
        share = ops.exp(-math.log(self.decay_factor) * updates)
        decayed = ops.cast(learning_rate, "float32") * share
        return ops.maximum(decayed, self.min_learning_rate)

    def get_config(self):
        return super().get_config() | {
            "final_momentum": self.final_momentum,
            "saturation_epoch": self.saturation_epoch,
            "updates_per_epoch": self.updates_per_epoch,
            "decay_factor": self.decay_factor,
            "min_learning_rate": self.min_learning_rate,
        }


@keras.saving.register_keras_serializable("ganzoo")
class Adam(keras.optimizers.Adam):
    """Keras's Adam, its update in one pass over the weights instead of a dozen.

    Kingma and Ba 2015, arXiv:1412.6980, the form before section 2.1. A preset's `Adam` is this
    one. With `amsgrad` it updates as Keras does.
    """

    def update_step(self, gradient, variable, learning_rate):
        """Moves one variable and its two moments."""
        if self.amsgrad:
            super().update_step(gradient, variable, learning_rate)
            return
        index, dtype = self._get_variable_index(variable), variable.dtype
        count = ops.cast(self.iterations + 1, dtype)
        tf.raw_ops.ResourceApplyAdam(
            var=variable.handle,
            m=self._momentums[index].value.handle,
            v=self._velocities[index].value.handle,
            beta1_power=ops.power(ops.cast(self.beta_1, dtype), count),
            beta2_power=ops.power(ops.cast(self.beta_2, dtype), count),
            lr=ops.cast(learning_rate, dtype),
            beta1=ops.cast(self.beta_1, dtype),
            beta2=ops.cast(self.beta_2, dtype),
            epsilon=ops.cast(self.epsilon, dtype),
            grad=ops.cast(gradient, dtype),
        )


@keras.saving.register_keras_serializable("ganzoo")
class ReplicaSafeLossScaleOptimizer(keras.optimizers.LossScaleOptimizer):
    """Loss scaling that skips an update where any replica's gradients overflow.

    Keras 3.15 asks replica 0 alone: an overflow elsewhere then reaches the weights, or, with
    several workers, some skip the collective that the others wait in.
    """

    def check_finite(self, gradients):
        """Says whether the gradients of all replicas are finite, the same on each."""
        finite = tf.cast(super().check_finite(gradients), "int32")
        context = tf.distribute.get_replica_context()
        if context is None or context.num_replicas_in_sync == 1:
            return tf.cast(finite, "bool")
        return tf.equal(context.all_reduce("sum", finite), context.num_replicas_in_sync)


def checked_optimizers(model, optimizers):
    """Looks up the optimizers of a model, "CycleGAN": by name, each an object of its own.

    Raises:
        TrainingError: One is None, or two are the same.
    """
    missing = [name for name, value in optimizers.items() if value is None]
    if missing:
        raise TrainingError(
            f"{model} needs {' and '.join(missing)}. Pass each to compile, as a Keras optimizer or "
            "its name."
        )
    found = {name: keras.optimizers.get(value) for name, value in optimizers.items()}
    owners = {}
    for name, optimizer in found.items():
        other = owners.setdefault(id(inner(optimizer)), name)
        if other != name:
            raise TrainingError(
                f"{other} and {name} are one optimizer, which can move one network only. Make "
                "another one with the same arguments."
            )
    return found


def built_optimizer(optimizer, weights, compute_dtype):
    """Makes an optimizer ready to move weights, and to scale the loss under float16.

    Args:
        optimizer: A Keras optimizer, or its name.
        weights: The variables that it will move.
        compute_dtype: What the model computes in.
    """
    optimizer = keras.optimizers.get(optimizer)
    scaled = isinstance(optimizer, keras.optimizers.LossScaleOptimizer)
    if compute_dtype == "float16" and not scaled:
        optimizer = ReplicaSafeLossScaleOptimizer(optimizer)
    # Built here, not in the first step: variables made inside a replica, or after a checkpoint
    # is read, are lost or refused.
    optimizer.build(weights)
    return optimizer


def inner(optimizer):
    """Gives the optimizer that moves the weights, without a loss scale around it."""
    return getattr(optimizer, "inner_optimizer", optimizer)


def scales_loss(model):
    """Says whether an optimizer of a model scales its loss, and skips steps that overflow."""
    return any(hasattr(optimizer, "dynamic_scale") for optimizer in model.optimizers.values())


def reset(optimizer):
    """Forgets an optimizer's means and its count of steps; keeps its rate and loss scale."""
    optimizer = inner(optimizer)
    for variable in optimizer.variables:
        name = variable.path.rpartition("/")[2]
        if name != "learning_rate":
            # Adagrad's and Ftrl's sums do not start at zero.
            sums = name.endswith("_accumulator")
            start = getattr(optimizer, "initial_accumulator_value", 0.0) if sums else 0.0
            variable.assign(tf.cast(tf.fill(variable.shape, start), variable.dtype))
    product = getattr(optimizer, "_u_product", None)  # of Nadam's momentums, which starts at one
    if product is not None:
        product.assign(tf.ones((), product.dtype))
