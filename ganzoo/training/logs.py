"""The numbers of a run: one line of JSON a report, and the same in TensorBoard."""

import contextlib
import json
import math
import pathlib

import keras
import tensorflow as tf

from ganzoo.files import write_text
from ganzoo.training.intervals import Interval


class MetricsLog(keras.callbacks.Callback):
    """Appends to `metrics.jsonl` and writes TensorBoard scalars.

    On resume and rollback both are cut back to the checkpoint: each step appears once. Put it
    after `Checkpoints`, which decides where that is. A model that has taken no step begins both
    anew: give each run a folder of its own.

    Args:
        folder: The run folder.
        every: Steps between two lines; each holds the values of its step, so that a resumed
            run writes the same lines.
    """

    def __init__(self, folder, every: int = 50):
        super().__init__()
        self.path = pathlib.Path(folder) / "metrics.jsonl"
        self.board = pathlib.Path(folder) / "tensorboard"
        self.interval = Interval(every)
        self._writer = None

    def on_train_begin(self, logs=None):
        self._cut_back(self.model.steps_taken)

    def _cut_back(self, step):
        """Keeps what was written up to a step, and goes on from there."""
        self.close()
        self.interval.start(step)
        lines = [line for line in read_log(self.path) if self._stays(line, step)]
        write_text(self.path, "".join(json.dumps(line) + "\n" for line in lines))
        for path in self.board.glob("events.out.tfevents.*"):
            path.unlink(missing_ok=True)
        self._writer = tf.summary.create_file_writer(str(self.board))
        for line in lines:
            self._to_board(line)

    def _stays(self, line, step):
        """Says whether a run that is back at a step has written a line already."""
        # The state of an epoch's last step is taken before the epoch ends, which it then does anew.
        ends_anew = "epoch_end" in line and self.model.fit_state.batch
        return line["step"] < step or (line["step"] == step and not ends_anew)

    def on_train_batch_end(self, batch, logs=None):
        if self.model.steps_taken < self.interval.last:  # a rollback
            self._cut_back(self.model.steps_taken)
        elif self.interval.passed(self.model.steps_taken):
            self.write(self.model.fit_state.values)

    def on_epoch_end(self, epoch, logs=None):
        others = {
            name: value
            for name, value in (logs or {}).items()
            if name not in self.model.reported_names
        }
        if others:
            self.write({"epoch_end": epoch} | others)

    def on_train_end(self, logs=None):
        self.close()

    def close(self):
        """Closes TensorBoard's file, also where the disk is full; safe to call twice."""
        writer, self._writer = self._writer, None
        if writer is not None:
            with contextlib.suppress(tf.errors.OpError):
                writer.close()

    def write(self, values: dict) -> None:
        """Appends a line with these values, the step and the images seen by this run."""
        state = self.model.fit_state
        line = {
            "step": self.model.steps_taken,
            "epoch": state.epoch,
            "images_seen": state.position,
        } | {name: finite_or_none(value) for name, value in values.items()}
        with open(self.path, "a", encoding="utf-8") as file:
            file.write(json.dumps(line) + "\n")
        self._to_board(line)

    def _to_board(self, line):
        with self._writer.as_default(step=line["step"]):
            for name, value in line.items():
                if isinstance(value, float) and name != "step":
                    tf.summary.scalar(name, value)
        self._writer.flush()


def read_log(path) -> list[dict]:
    """Reads a `metrics.jsonl`; a last line that a kill cut short is left out."""
    lines = []
    if pathlib.Path(path).is_file():
        for line in pathlib.Path(path).read_text(encoding="utf-8").splitlines():
            try:
                lines.append(json.loads(line))
            except json.JSONDecodeError:
                break
    return lines


def finite_or_none(value):
    """Gives a number as JSON can hold it: NaN and infinities become null."""
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value
