"""What the four networks of a CycleGAN minimise: Zhu et al. 2017, equations 1 to 3, and 5.2."""

import functools

import tensorflow as tf

from ganzoo import losses
from ganzoo.data.augment import augment_for

_LARGE = 256 * 256  # pixels of an image


def generator_losses(model, domain, images, *, training):
    """Computes what images of one domain add to the generators' loss, and what it consists of.

    The other domain's images have no part in it: the losses of both, added up, are those of the
    paper.

    Args:
        model: A compiled `CycleGAN`.
        domain: "a" or "b", where the images come from.
        images: Float `(batch, h, w, c)` in [-1, 1].
        training: Whether the networks train.

    Returns:
        The weighted sum, its terms without their weights by their reported names, and what the
        images become in the other domain.
    """
    call = functools.partial(_call, merge=model.merge_calls, training=training)
    other = "b" if domain == "a" else "a"
    there = getattr(model, f"generator_{domain}{other}")
    back = getattr(model, f"generator_{other}{domain}")
    (fake,) = call(there, images)
    # The way back is to restore images, and to leave those alone that are of its target already.
    cycled, *kept = call(back, fake, *([images] if model.identity_weight else []))
    shown = _augmented(model, fake, f"fake {other} for G", training)
    (logits,) = call(getattr(model, f"discriminator_{other}"), shown)
    _, adversarial_loss = losses.loss_pair(model.loss)
    adversarial = adversarial_loss(logits)  # equation 1
    cycle = mean_distance(cycled, images)  # equation 2
    identity = mean_distance(kept[0], images) if kept else tf.constant(0.0)  # section 5.2
    weight = getattr(model, f"cycle_weight_{domain}")
    values = {
        f"adversarial_loss_{domain}{other}": adversarial,
        f"cycle_loss_{domain}": cycle,
        f"identity_loss_{domain}": identity,
    }
    return adversarial + weight * (cycle + model.identity_weight * identity), values, fake


def discriminator_losses(model, images_a, images_b, fakes, *, training):
    """Computes what the discriminators of the domains in `fakes` minimise: equation 1.

    Args:
        model: A compiled `CycleGAN`.
        images_a: Images of A, float `(batch, h, w, c)` in [-1, 1].
        images_b: Images of B.
        fakes: Translations by the domain, "a" or "b", that they are made to look like.
        training: Whether the networks train.

    Returns:
        The weighted loss of each discriminator, by its reported name.
    """
    discriminator_loss, _ = losses.loss_pair(model.loss)
    values = {}
    for domain, fake_images in fakes.items():
        real_images = images_a if domain == "a" else images_b
        real_images = _augmented(model, real_images, f"real {domain}", training)
        fake_images = _augmented(model, fake_images, f"fake {domain}", training)
        discriminator = getattr(model, f"discriminator_{domain}")
        logits = _call(
            discriminator, real_images, fake_images, merge=model.merge_calls, training=training
        )
        loss = model.discriminator_loss_weight * discriminator_loss(*logits)
        values[f"discriminator_loss_{domain}"] = loss
    return values


def in_turn(images, before):
    """Makes images wait for the tensors `before`, where that saves more than it costs.

    Large images fill memory with what their gradient needs: half as much when the two domains
    take turns. Small ones leave processors idle, unless both are at work at once.
    """
    height, width = images.shape[1:3]
    large = None in (height, width) or height * width >= _LARGE
    with tf.control_dependencies(tf.nest.flatten(before) if large else []):
        return tf.identity(images)


def _augmented(model, images, purpose, training):
    """Augments what a discriminator is shown in training, real and translated alike."""
    return augment_for(model, images, purpose) if training else images


def mean_distance(images, others):
    """Averages |images - others| over everything, in float32."""
    return tf.reduce_mean(tf.abs(tf.cast(images, "float32") - tf.cast(others, "float32")))


def _call(network, *batches, merge, training):
    """Calls a network on several batches, at once or one by one; no layer mixes images."""
    shapes = {tuple(batch.shape[1:]) for batch in batches}
    one_size = len(shapes) == 1 and None not in shapes.pop()
    if not (merge and one_size):
        return [network(batch, training=training) for batch in batches]
    sizes = [tf.shape(batch)[0] for batch in batches]
    return tf.split(network(tf.concat(batches, axis=0), training=training), sizes)
