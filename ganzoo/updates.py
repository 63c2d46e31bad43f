"""One update of some weights, by the gradient of a loss, as every `train_step` makes it."""

import tensorflow as tf

from ganzoo.optimizers import inner
from ganzoo.replicas import replica_count


def minimize(loss, tape, weights, optimizer, l2_weight=0.0):
    """Moves `weights`, and no others, one optimizer step down `loss`.

    Args:
        loss: Scalar, a mean over this replica's rows.
        tape: The tape that recorded `loss`.
        weights: Variables to move.
        optimizer: A Keras optimizer built on `weights`.
        l2_weight: Adds `l2_weight * w` to the gradient of each weight w.
    """
    optimizer.apply(gradients(loss, tape, weights, optimizer, l2_weight), weights)


def minimize_together(moves, tape):
    """Moves several players at once: every gradient is taken before any of them steps.

    Args:
        moves: A tuple for each player, `(loss, weights, optimizer)` as `minimize` takes them.
        tape: The persistent tape that recorded the losses.
    """
    slopes = [gradients(loss, tape, weights, optimizer) for loss, weights, optimizer in moves]
    for slope, (_, weights, optimizer) in zip(slopes, moves, strict=True):
        optimizer.apply(slope, weights)


def gradients(loss, tape, weights, optimizer, l2_weight=0.0):
    """Differentiates `loss`, for `optimizer.apply`; the arguments are those of `minimize`.

    Keras adds up the gradients of all replicas: a loss that is a mean over one replica's rows
    counts for its share only. Under float16 the optimizer scales the loss as well.
    """
    share = optimizer.scale_loss(tf.constant(1.0 / replica_count(), loss.dtype))
    found = tape.gradient(loss, weights, output_gradients=share)
    if l2_weight:
        found = [
            gradient + l2_weight * share * tf.convert_to_tensor(weight)
            for gradient, weight in zip(found, weights, strict=True)
        ]
    # TensorFlow's graph optimizer may let a read of a weight slip behind the update that
    # follows it in the program: nothing moves before the loss and all gradients are there.
    with tf.control_dependencies([loss, *found]):
        return [tf.identity(gradient) for gradient in found]


def loss_scale(optimizer):
    """Gives the factor that a half-precision optimizer multiplies losses by; 1 for others."""
    one = tf.constant(1.0)
    return optimizer.scale_loss(one) if inner(optimizer) is not optimizer else one
