"""The latent whose image is nearest to a given picture, found by gradient descent."""

from dataclasses import dataclass

import numpy as np
import tensorflow as tf

from ganzoo import randomness
from ganzoo.checks import model_name
from ganzoo.errors import DataError, GanzooError
from ganzoo.explore import drawing
from ganzoo.explore.interpolation import latents_of

_FRAMES = 8
_SIDE = 112


@dataclass(frozen=True)
class Inversion:
    """What a search found.

    Attributes:
        latents: The best latent, `(latent_dim,)`.
        image: Its image, float32 `(h, w, c)`, nominally in [-1, 1].
        error: Mean squared difference of that image from the picture.
        errors: The same at every step for every start, `(steps + 1, restarts)`.
        steps: The steps that `progress` shows.
        progress: Images of the best start on its way, `(len(steps), h, w, c)`.
    """

    latents: np.ndarray
    image: np.ndarray
    error: float
    errors: np.ndarray
    steps: np.ndarray
    progress: np.ndarray


def invert(
    model, picture, *, steps=300, restarts=8, learning_rate=0.05, prior_weight=0.0, seed=0
) -> Inversion:
    """Searches the latent whose image is nearest to a picture, in mean squared difference.

    Adam moves `restarts` random latents at once, at a rate that falls to 0 along a cosine; the
    best of all steps and starts counts. Uniform latents are kept inside their range.

    Args:
        model: A model that starts from noise.
        picture: float `(h, w, c)` in [-1, 1], of the size that the model makes.
        steps: Steps to take.
        restarts: Latents to start from.
        learning_rate: Of the first step.
        prior_weight: Weight of the mean square of Gaussian latents, which keeps them likely.
        seed: Of the starts.

    Raises:
        DataError: The picture is of another size.
        GanzooError: The model has no latents, a number is below 1, or all differences are NaN.
    """
    picture = _checked(model, picture, steps, restarts)
    start = model.draw_latents(restarts, randomness.seed_key(seed))
    search = _Search(model, picture, start, prior_weight)
    looks, path = [], []
    for step in range(steps + 1):
        found, slope = search.look()
        looks.append(found.numpy())
        path.append(search.latents.numpy())
        if step < steps:
            rate = learning_rate * 0.5 * (1 + np.cos(np.pi * step / steps))
            search.move(slope, tf.constant(rate, "float32"))
    errors = np.array(looks)
    if np.isnan(errors).all():
        raise GanzooError(
            f"No image of {model_name(model)!r} has a finite difference from the picture. Look for "
            "NaN in the picture, and in the weights: they may have diverged in training."
        )
    reached, best = np.unravel_index(np.nanargmin(errors), errors.shape)
    shown = np.unique(np.linspace(0, reached, _FRAMES).round().astype(int))
    progress = model(tf.constant(np.array([path[number][best] for number in shown])))
    latents = path[reached][best]
    image = model(tf.constant(latents[None]))[0].numpy()
    return Inversion(latents, image, float(errors[reached, best]), errors, shown, progress.numpy())


def draw_inversion(
    model, picture, *, out, steps=300, restarts=8, learning_rate=0.05, prior_weight=0.0, seed=0
) -> Inversion:
    """Draws the picture, the images on the way to the best latent, and the errors of all starts.

    Args:
        out: A `.png`, or a `.gif` of the way.
        model: As in `invert`, like the others.
    """
    found = invert(
        model,
        picture,
        steps=steps,
        restarts=restarts,
        learning_rate=learning_rate,
        prior_weight=prior_weight,
        seed=seed,
    )
    best = int(np.nanargmin(np.nanmin(found.errors, axis=0)))
    times = np.arange(len(found.errors))
    starts = {
        f"start {number + 1}": (times, np.log10(found.errors[:, number]))
        for number in [best, *[n for n in range(restarts) if n != best]][:6]
    }
    target = (drawing.fit(np.asarray(picture), _SIDE), "picture")
    way = [
        (drawing.fit(image, _SIDE), f"step {step}")
        for step, image in zip(found.steps, found.progress, strict=True)
    ]

    def page(cells, until):
        top = drawing.table([[target, *cells]])
        bottom = drawing.curves(
            starts,
            width=max(top.shape[1], 420),
            until=until,
            title="mean squared difference, log10",
        )
        return drawing.table([[top], [bottom]])

    if drawing.is_film(out):
        frames = [page([cell], step) for cell, step in zip(way, found.steps.tolist(), strict=True)]
        drawing.write_picture(out, [*frames, frames[-1]], seconds_a_frame=0.5)
    else:
        drawing.write_picture(out, [page(way, None)])
    return found


class _Search:
    """Latents on their way down, and what Adam remembers of it."""

    def __init__(self, model, picture, start, prior_weight):
        self.model, self.picture, self.prior_weight = model, picture, prior_weight
        self.latents = tf.Variable(start)
        self.mean = tf.Variable(tf.zeros_like(start))
        self.square = tf.Variable(tf.zeros_like(start))
        self.count = tf.Variable(0.0)
        self.look = tf.function(self._look)
        self.move = tf.function(self._move)

    def _look(self):
        with tf.GradientTape() as tape:
            images = tf.cast(self.model(self.latents, training=False), "float32")
            gaps = tf.square(images - self.picture)
            errors = tf.reduce_mean(gaps, axis=list(range(1, gaps.shape.rank)))
            prior = self.prior_weight * tf.reduce_mean(tf.square(self.latents), axis=1)
            total = tf.reduce_sum(errors + prior)
        return errors, tape.gradient(total, self.latents)

    def _move(self, slope, rate):
        self.count.assign_add(1.0)
        self.mean.assign(0.9 * self.mean + 0.1 * slope)
        self.square.assign(0.999 * self.square + 0.001 * tf.square(slope))
        mean = self.mean / (1 - tf.pow(0.9, self.count))
        square = self.square / (1 - tf.pow(0.999, self.count))
        self.latents.assign_sub(rate * mean / (tf.sqrt(square) + 1e-8))
        if self.model.latent_distribution == "uniform":
            bound = self.model.latent_bound
            self.latents.assign(tf.clip_by_value(self.latents, -bound, bound))


def _checked(model, picture, steps, restarts):
    shape = latents_of(model).image_shape
    picture = np.asarray(picture)
    if picture.shape != tuple(shape) or picture.dtype == np.uint8:
        raise DataError(
            f"The picture is {picture.dtype} {picture.shape}, and {model_name(model)!r} makes "
            f"floats {tuple(shape)} in [-1, 1]. Resize it, and give pixels / 127.5 - 1."
        )
    if min(steps, restarts) < 1:
        raise GanzooError(f"{steps} steps from {restarts} starts find nothing. Ask for 1 or more.")
    return tf.constant(picture, "float32")
