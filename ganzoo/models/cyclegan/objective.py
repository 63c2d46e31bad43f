"""What the four networks of a CycleGAN minimise: Zhu et al. 2017, equations 1 to 3, and 5.2."""

import functools

import tensorflow as tf

from ganzoo import losses
from ganzoo.data.augment import augment_for


def generator_losses(model, images_a, images_b, *, training):
    """Computes what the generators minimise, and what it consists of.

    Args:
        model: A compiled `CycleGAN`.
        images_a: Images of A `(batch, h, w, c)` in [-1, 1].
        images_b: Images of B, unpaired.
        training: Whether the networks train.

    Returns:
        The weighted sum and its terms without their weights, by their reported names, and the
        translated images by domain, `{"a": …, "b": …}`.
    """
    ask = functools.partial(_ask, merge=model.merge_calls, training=training)
    keep_a, keep_b = ([images_a], [images_b]) if model.identity_weight else ([], [])
    fake_b, *same_b = ask(model.generator_ab, images_a, *keep_b)
    fake_a, *same_a = ask(model.generator_ba, images_b, *keep_a)
    (back_a,) = ask(model.generator_ba, fake_b)
    (back_b,) = ask(model.generator_ab, fake_a)
    (logits_a,) = ask(model.discriminator_a, _seen(model, fake_a, "fake a for G", training))
    (logits_b,) = ask(model.discriminator_b, _seen(model, fake_b, "fake b for G", training))
    _, adversarial_loss = losses.loss_pair(model.loss)
    values = {
        "adversarial_loss_ab": adversarial_loss(logits_b),
        "adversarial_loss_ba": adversarial_loss(logits_a),
        "cycle_loss_a": mean_distance(back_a, images_a),
        "cycle_loss_b": mean_distance(back_b, images_b),
        "identity_loss_a": mean_distance(same_a[0], images_a) if same_a else tf.constant(0.0),
        "identity_loss_b": mean_distance(same_b[0], images_b) if same_b else tf.constant(0.0),
    }
    return values | {"generator_loss": _weigh(model, values)}, {"a": fake_a, "b": fake_b}


def discriminator_losses(model, images_a, images_b, fakes, *, training):
    """Computes what the discriminators of the domains in `fakes` minimise, by reported name."""
    discriminator_loss, _ = losses.loss_pair(model.loss)
    values = {}
    for domain, fake_images in fakes.items():
        real_images = images_a if domain == "a" else images_b
        real_images = _seen(model, real_images, f"real {domain}", training)
        fake_images = _seen(model, fake_images, f"fake {domain}", training)
        discriminator = getattr(model, f"discriminator_{domain}")
        logits = _ask(
            discriminator, real_images, fake_images, merge=model.merge_calls, training=training
        )
        loss = model.discriminator_loss_weight * discriminator_loss(*logits)
        values[f"discriminator_loss_{domain}"] = loss
    return values


def _seen(model, images, purpose, training):
    """Augments what a discriminator is shown in training, real and translated alike."""
    return augment_for(model, images, purpose) if training else images


def mean_distance(images, others):
    """Averages |images - others| over everything, in float32."""
    return tf.reduce_mean(tf.abs(tf.cast(images, "float32") - tf.cast(others, "float32")))


def _ask(network, *batches, merge, training):
    """Calls a network on several batches, at once or one by one; no layer mixes images."""
    shapes = {tuple(batch.shape[1:]) for batch in batches}
    one_size = len(shapes) == 1 and None not in shapes.pop()
    if not (merge and one_size):
        return [network(batch, training=training) for batch in batches]
    sizes = [tf.shape(batch)[0] for batch in batches]
    return tf.split(network(tf.concat(batches, axis=0), training=training), sizes)


def _weigh(model, values):
    """Adds up the generators' loss; identity counts as a share of its domain's cycle."""
    total = values["adversarial_loss_ab"] + values["adversarial_loss_ba"]
    for domain, weight in (("a", model.cycle_weight_a), ("b", model.cycle_weight_b)):
        identity = model.identity_weight * values[f"identity_loss_{domain}"]
        total += weight * (values[f"cycle_loss_{domain}"] + identity)
    return total
