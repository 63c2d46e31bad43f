"""Pictures of a run: grids from fixed latents at an interval, a film of them, and real images."""

import pathlib
import re
from collections.abc import Iterator

import keras
import numpy as np
import tensorflow as tf
from PIL import Image

from ganzoo.errors import TrainingError
from ganzoo.pictures import write_gif, write_png
from ganzoo.sampling import images_to_look_at
from ganzoo.training.intervals import Interval

_NAME = re.compile(r"step-(\d{8})\.png")
_MOST_FRAMES, _LONGEST = 100, 512  # of a film, and of its frames' sides in pixels


class SampleGrids(keras.callbacks.Callback):
    """Writes `samples/step-….png` at the start, at an interval and at the end.

    Where `Checkpoints`, which come before it, put a run back, its own later pictures are removed.
    Pictures of any other run are left alone: give each run a folder of its own.

    Args:
        folder: The run folder.
        every: Steps between two pictures.
        examples: First images of the data, for models that translate.
        seed: Seed of the latents, the same for every picture.
        replace: Whether later pictures are this run's own in any case, and are removed too where
            it begins anew, as after a kill before its first checkpoint.

    Raises:
        TrainingError: When training begins anew, and not to `replace`: pictures of later steps
            are there.
    """

    def __init__(
        self, folder, every: int = 500, examples=None, seed: int = 0, replace: bool = False
    ):
        super().__init__()
        self.folder = pathlib.Path(folder) / "samples"
        self.interval = Interval(every)
        self.examples = examples
        self.seed = seed
        self.replace = replace
        self._drawn = None

    def on_train_begin(self, logs=None):
        step = self._drawn = self.model.steps_taken
        self.interval.start(step)
        self._cut_back(step)
        if step == 0 or not (self.folder / sample_name(step)).exists():
            self._draw()

    def _cut_back(self, step):
        later = [path for path in list_samples(self.folder) if step_of_sample(path) > step]
        # Keras's own BackupAndRestore notes the epoch.
        restored = self.model.fit_state.restored or getattr(self.model, "_initial_epoch", None)
        if later and not (restored or self.replace):
            raise TrainingError(
                f"{self.folder} holds pictures up to step {step_of_sample(later[-1])}, of another "
                f"run: this one begins at step {step}. Name another folder, or move them away."
            )
        for path in later:
            path.unlink()

    def on_train_batch_end(self, batch, logs=None):
        if self.interval.passed(self.model.steps_taken):
            self._draw()

    def on_train_end(self, logs=None):
        if self.model.steps_taken != self._drawn:
            self._draw()
        write_gif(self.folder.parent / "samples.gif", film_frames(list_samples(self.folder)))

    def _draw(self):
        self._drawn = self.model.steps_taken
        picture = self.model.preview(self.seed, self.examples)
        write_png(self.folder / sample_name(self._drawn), picture)


def film_frames(paths) -> Iterator[np.ndarray]:
    """Opens pictures one after the other for a film, uint8 `(h, w, 3)`.

    Of very many, evenly spaced ones are taken, with the first and the last. All get the size
    of the last, reduced to 512 pixels a side.
    """
    count = min(len(paths), _MOST_FRAMES)
    chosen = np.linspace(0, len(paths) - 1, count).round().astype(int)
    with Image.open(paths[-1]) as last:
        factor = min(1.0, _LONGEST / max(last.size))
        width, height = (max(1, round(side * factor)) for side in last.size)
    for index in chosen:
        with Image.open(paths[index]) as picture:
            grows = picture.width < width
            filter = Image.Resampling.NEAREST if grows else Image.Resampling.LANCZOS
            yield np.asarray(picture.convert("RGB").resize((width, height), filter))


def sample_name(step: int) -> str:
    """Names the picture of a step."""
    return f"step-{step:08d}.png"


def list_samples(folder) -> list[pathlib.Path]:
    """Lists the pictures of a run, the oldest first."""
    folder = pathlib.Path(folder)
    if not folder.is_dir():
        return []
    return sorted(path for path in folder.iterdir() if _NAME.fullmatch(path.name))


def step_of_sample(path) -> int:
    """Reads a picture's step off its name."""
    return int(path.stem.removeprefix("step-"))


def first_images(stream):
    """Takes the first images of a source, in file order: what pictures are made from.

    Returns:
        Float `(n, h, w, c)`, or a tuple of two of these for pairs.
    """
    shape = tf.nest.flatten(stream.element_spec)[0].shape[1:]
    count = images_to_look_at(shape)
    first = [next(domain.read_once(count)) for domain in stream.domains]
    return first[0] if len(first) == 1 else tuple(first)


def spaced_images(stream):
    """Takes images from all over a source: what samples are compared with; None for pairs."""
    if len(stream.domains) > 1:
        return None
    return stream.read_spaced(images_to_look_at(stream.element_spec.shape[1:]))
