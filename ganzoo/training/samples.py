"""Pictures of a run: grids from fixed latents at an interval, and a film of them."""

import pathlib
import re

import keras
import numpy as np
from PIL import Image

from ganzoo.pictures import write_gif, write_png
from ganzoo.training.intervals import Interval

_NAME = re.compile(r"step-(\d{8})\.png")


class SampleGrids(keras.callbacks.Callback):
    """Writes `samples/step-….png` at the start, at an interval and at the end.

    Args:
        folder: The run folder.
        every: Steps between two pictures.
        examples: First images of the data, for models that translate.
        seed: Seed of the latents, the same for every picture.
    """

    def __init__(self, folder, every: int = 500, examples=None, seed: int = 0):
        super().__init__()
        self.folder = pathlib.Path(folder) / "samples"
        self.interval = Interval(every)
        self.examples = examples
        self.seed = seed
        self._drawn = None

    def on_train_begin(self, logs=None):
        step = self._drawn = self.model.steps_taken
        self.interval.start(step)
        for path in list_samples(self.folder):
            if step_of_sample(path) > step:
                path.unlink()
        if not (self.folder / sample_name(step)).exists():
            self._draw()

    def on_train_batch_end(self, batch, logs=None):
        if self.interval.passed(self.model.steps_taken):
            self._draw()

    def on_train_end(self, logs=None):
        if self.model.steps_taken != self._drawn:
            self._draw()
        frames = [Image.open(path).convert("RGB") for path in list_samples(self.folder)]
        sides = frames[-1].size
        frames = [np.asarray(frame.resize(sides, Image.Resampling.NEAREST)) for frame in frames]
        write_gif(self.folder.parent / "samples.gif", frames)

    def _draw(self):
        self._drawn = self.model.steps_taken
        picture = self.model.preview(self.seed, self.examples)
        write_png(self.folder / sample_name(self._drawn), picture)


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
