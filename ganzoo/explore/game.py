"""The game in the plane, step by step: Goodfellow et al. 2014, figure 1, in two dimensions."""

import math
import pathlib
from dataclasses import dataclass

import keras
import numpy as np
import tensorflow as tf
from PIL import Image, ImageDraw

from ganzoo import data, losses, randomness, zoo
from ganzoo.checks import check_seed
from ganzoo.errors import GanzooError
from ganzoo.explore import drawing

EQUILIBRIUM = -math.log(4)  # V(D, G) where D cannot tell (Theorem 1)
_SIDE = 48  # points of the lattice that D's surface is drawn from, each way
_LIMIT = 1.4
_DRAWN = 500
_ARROWS = 60


@dataclass(frozen=True)
class Game:
    """What happened in a game, frame by frame.

    Attributes:
        steps: Updates taken before each frame, `(frames,)`.
        values: V(D, G) before the frame's update, `(frames,)`; the game ends near
            `EQUILIBRIUM`.
        surfaces: D's probability of "real" on a lattice, rows from the top, `(frames, s, s)`.
        rises: How fast D's logit changes there when D follows the real points alone: the first
            move, `(frames, s, s)`.
        falls: The same when it follows the samples alone: the second move.
        samples: Of G, before the update, `(frames, n, 2)`.
        moved: The same samples after it: the third move.
        real_points: Of the data, `(n, 2)`.
    """

    steps: np.ndarray
    values: np.ndarray
    surfaces: np.ndarray
    rises: np.ndarray
    falls: np.ndarray
    samples: np.ndarray
    moved: np.ndarray
    real_points: np.ndarray


def play_game(preset="gan_ring", *, steps=None, frames=40, seed=0) -> Game:
    """Trains a GAN on points in the plane from the start, and records the game.

    Args:
        preset: Name of a preset whose images are points.
        steps: Length of the game; the preset's by default.
        frames: Moments to record, close together at the start.
        seed: Decides initial weights, order of the data and latents.

    Raises:
        GanzooError: The preset makes pictures, not points, lacks data, batch size or length, or
            is a folder; or a number is below 1.
    """
    check_seed("seed", seed)
    if preset not in zoo.list_presets() and pathlib.Path(preset).is_dir():
        raise GanzooError(
            f"{str(preset)!r} is a folder, and a game trains a preset from the start. Use "
            "'gan_ring' or 'gan_grid25'."
        )
    settings = zoo.preset_info(preset)
    keras.utils.set_random_seed(seed)
    # Several updates in one call would be seen as one: each is looked at before and after.
    overrides = {"model.seed": seed, "training.steps_per_execution": 1}
    model = zoo.load(preset, weights=False, **overrides)
    if len(getattr(model, "image_shape", (1, 1))) != 1:
        raise GanzooError(
            f"{preset!r} makes pictures, and the game is drawn in the plane. Use 'gan_ring' or "
            "'gan_grid25'."
        )
    source = _setting(preset, settings, "data", "source")
    batch_size = _setting(preset, settings, "training", "batch_size")
    dataset = data.load(source, batch_size=batch_size, seed=seed)
    length = settings["training"]
    if steps is None and length.get("steps") is None and length.get("epochs"):
        steps = length["epochs"] * dataset.stream.steps_per_epoch
    elif steps is None:
        steps = _setting(preset, settings, "training", "steps")
    if min(steps, frames) < 1:
        raise GanzooError(f"A game of {steps} steps has no {frames} frames. Ask for 1 or more.")
    recorder = _Recorder(moments(steps, frames), dataset.stream, steps)
    epochs = math.ceil(steps / dataset.stream.steps_per_epoch)
    model.fit(dataset, epochs=epochs, verbose=0, callbacks=[recorder])
    return recorder.game()


def _setting(preset, settings, section, key):
    value = settings[section].get(key)
    if value is None:
        raise GanzooError(
            f"{preset!r} has no {section}.{key}, which a game needs. Set it as 'gan_ring' does: "
            "ganzoo info gan_ring --yaml"
        )
    return value


def draw_game(preset="gan_ring", *, out, steps=None, frames=40, seed=0) -> Game:
    """Plays the game and writes its film; see `play_game`.

    A frame shows data (dark), samples (green) and D's surface (red where D believes in "real",
    blue where it does not), the three moves of the next update, and V up to there.

    Args:
        out: A `.gif`, or a `.png` for the last frame.
    """
    game = play_game(preset, steps=steps, frames=frames, seed=seed)
    shown = range(len(game.steps)) if drawing.is_film(out) else [len(game.steps) - 1]
    drawing.write_picture(out, [game_frame(game, index) for index in shown], seconds_a_frame=0.15)
    return game


def game_frame(game: Game, index: int) -> np.ndarray:
    """Draws one frame of a game, uint8 `(height, width, 3)`."""
    samples, moved = game.samples[index], game.moved[index]
    times = arrow_scale(samples, moved)
    surface = drawing.diverging(2 * game.surfaces[index] - 1, 1.0)
    blank = np.full_like(surface, 255)
    moves = [
        (
            _panel(drawing.diverging(game.rises[index]), 130, dark=game.real_points),
            "1  real points lift D",
        ),
        (
            _panel(drawing.diverging(game.falls[index]), 130, green=samples),
            "2  samples press D down",
        ),
        (
            _panel(blank, 130, arrows=(samples, moved, times)),
            f"3  samples move ({times:.0f} times)",
        ),
    ]
    large = _panel(surface, 430, dark=game.real_points, green=samples)
    top = drawing.table([[large, drawing.table([[move] for move in moves])]])
    value = drawing.curves(
        {"V(D, G)": (game.steps, game.values)},
        width=top.shape[1],
        height=150,
        lines={"-log 4": EQUILIBRIUM},
        until=game.steps[index],
        title=f"step {game.steps[index]:,}    V(D, G) = {game.values[index]:.3f}",
    )
    return np.concatenate([top, value])


def moments(steps: int, frames: int) -> list[int]:
    """Chooses up to `frames` of the first `steps` updates, close together at the start."""
    return sorted({round((steps - 1) * (n / max(frames - 1, 1)) ** 2) for n in range(frames)})


def arrow_scale(samples, moved) -> float:
    """Chooses the factor by which arrows are drawn longer: 90 % of them end within 0.2."""
    lengths = np.linalg.norm(moved - samples, axis=-1)
    length = float(np.quantile(lengths, 0.9))
    return max(1.0, 0.2 / length) if length > 0 else 1.0


def lattice(side: int = _SIDE) -> np.ndarray:
    """Gives points of the plane, row by row from the top left, `(side * side, 2)` float32."""
    ticks = np.linspace(-_LIMIT, _LIMIT, side, dtype="float32")
    across, up = np.meshgrid(ticks, ticks[::-1])
    return np.stack([across, up], -1).reshape(-1, 2)


def moves_of_discriminator(discriminator, real_points, samples, places):
    """Computes how fast D's logits at some places change along each half of its gradient.

    The first half of V is the mean of log D at real points, the second that of log(1 - D) at
    samples; D climbs both at once.

    Returns:
        Two arrays `(places,)`: the rise, and the fall.
    """
    weights = [weight.value for weight in discriminator.trainable_variables]
    halves = []
    for points, sign in ((real_points, -1.0), (samples, 1.0)):
        with tf.GradientTape() as tape:
            logits = discriminator(points, training=False)
            loss = tf.reduce_mean(tf.nn.softplus(sign * logits))
        slopes = tape.gradient(loss, weights)
        with tf.autodiff.ForwardAccumulator(weights, [-slope for slope in slopes]) as forward:
            logits = discriminator(places, training=False)
        halves.append(forward.jvp(logits).numpy()[:, 0])
    return tuple(halves)


class _Recorder(keras.callbacks.Callback):
    """Looks at a model before and after some of its updates."""

    def __init__(self, moments, stream, steps):
        super().__init__()
        self.moments, self.steps = set(moments), steps
        self.real_points = next(stream.read_once(2000))
        self.places = tf.constant(lattice())
        self.frames = []

    def on_train_batch_begin(self, batch, logs=None):
        step = self.model.steps_taken
        if step not in self.moments:
            return
        samples = self._samples()
        discriminator = self.model.discriminator
        real_logits = discriminator(self.real_points, training=False)
        fake_logits = discriminator(samples, training=False)
        logits = discriminator(self.places, training=False)
        moves = moves_of_discriminator(discriminator, self.real_points, samples, self.places)
        rise, fall = (move.reshape(_SIDE, _SIDE) for move in moves)
        surface = tf.reshape(tf.sigmoid(logits), (_SIDE, _SIDE)).numpy()
        value = float(losses.game_value(real_logits, fake_logits))
        self.frames.append([step, value, surface, rise, fall, samples.numpy()])

    def on_train_batch_end(self, batch, logs=None):
        if self.frames and len(self.frames[-1]) == 6:
            self.frames[-1].append(self._samples().numpy())
        if self.model.steps_taken >= self.steps:
            self.model.stop_training = True

    def _samples(self):
        latents = self.model.draw_latents(2000, randomness.seed_key(0))
        return self.model.generator(latents, training=False)

    def game(self):
        columns = [np.array(column) for column in zip(*self.frames, strict=True)]
        return Game(*columns, self.real_points.numpy())


def _panel(background, side, *, dark=None, green=None, arrows=None):
    """Draws points and arrows on a picture of the plane."""
    picture = Image.fromarray(background).resize((side, side), Image.Resampling.BICUBIC)
    write = ImageDraw.Draw(picture)
    radius = side / 240

    def place(point):
        return [(0.5 + 0.5 * point[0] / _LIMIT) * side, (0.5 - 0.5 * point[1] / _LIMIT) * side]

    for points, colour in ((dark, (60, 60, 60)), (green, drawing.GREEN)):
        for x, y in map(place, points[:_DRAWN] if points is not None else ()):
            write.ellipse((x - radius, y - radius, x + radius, y + radius), fill=colour)
    if arrows is not None:
        starts, ends, times = arrows
        for start, end in zip(starts[:_ARROWS], ends[:_ARROWS], strict=True):
            tip = start + times * (end - start)
            write.line((*place(start), *place(tip)), fill=drawing.GREEN, width=1)
            x, y = place(tip)
            write.ellipse((x - 2, y - 2, x + 2, y + 2), fill=drawing.GREEN)
    write.rectangle((0, 0, side - 1, side - 1), outline=drawing.PALE)
    return np.asarray(picture)
