"""Checkpoints that a run killed at any instant continues from, to the same bits."""

import concurrent.futures
import pathlib
import re
import shutil
import warnings

import keras
import numpy as np

from ganzoo.checks import check_whole
from ganzoo.distribution import gather_numbers, is_chief
from ganzoo.errors import TrainingError
from ganzoo.files import replacing_folder, sha256_of
from ganzoo.training.intervals import Interval
from ganzoo.training.state import first_not_finite, read_state, write_state

_NAME = re.compile(r"step-(\d{8})")
_ARRAYS = "state.npz"
_HASH = "state.sha256"


class Checkpoints(keras.callbacks.Callback):
    """Saves the whole state of a run at an interval, and continues from the newest save.

    With a ganzoo dataset a run continues at the very step; with any other at the start of the
    epoch. The arrays are copied between two steps and written while training goes on.

    Args:
        folder: Where the checkpoints are, one folder each.
        every: Steps between two saves.
        keep: How many of the newest to keep.
        resume: False starts anew, which a folder that holds checkpoints refuses.

    Raises:
        TrainingError: `every` or `keep` is below 1; or, when training begins, checkpoints are
            there that are not to be resumed, or are of another model.
    """

    def __init__(self, folder, every: int = 1000, keep: int = 2, resume: bool = True):
        super().__init__()
        check_whole("The number of checkpoints to keep", keep, error=TrainingError)
        self.folder = pathlib.Path(folder)
        self.interval = Interval(every)
        self.keep = keep
        self.resume = resume
        self._writer = None
        self._pending = None
        self._last_saved = None

    def on_train_begin(self, logs=None):
        self._writer = concurrent.futures.ThreadPoolExecutor(1, "checkpoint")
        if is_chief(self.model.distribute_strategy):
            remove_leftovers(self.folder)
        self._last_saved = self.model.steps_taken
        if self.resume:
            self.restore()
        elif list_checkpoints(self.folder):
            raise TrainingError(
                f"{self.folder} holds checkpoints, and resume is False. Name another folder, or "
                "remove them."
            )
        self.interval.start(self.model.steps_taken)

    def on_train_batch_end(self, batch, logs=None):
        if self.interval.passed(self.model.steps_taken) and self.model.fit_state.weights_finite:
            self.save()

    def on_train_end(self, logs=None):
        self.save_unless_saved()
        self.close()

    def restore(self) -> bool:
        """Puts the newest sound checkpoint into the model; says whether there was one.

        Every worker has to call it at one step.

        Raises:
            TrainingError: It is of another model, or the workers found different ones.
        """
        self.wait()
        # Only the chief writes: the others wait here until its last save is on the disk. It
        # waits for them in turn, before it removes what they may still read.
        gather_numbers(self.model.distribute_strategy, 0)
        found = self._read_newest()
        self._check_agreement()
        return found

    def _read_newest(self):
        found = list_checkpoints(self.folder)
        for path in reversed(found):
            problem = damage(path)
            if problem:
                warnings.warn(
                    f"The checkpoint {path} is damaged ({problem}) and is passed over.",
                    stacklevel=2,
                )
                continue
            write_state(self.model, read_arrays(path), path)
            self._last_saved = self.model.steps_taken
            return True
        if found:
            warnings.warn(
                f"No checkpoint in {self.folder} is sound: training begins at step "
                f"{self.model.steps_taken}.",
                stacklevel=2,
            )
        return False

    def _check_agreement(self):
        steps = gather_numbers(self.model.distribute_strategy, self.model.steps_taken)
        if len(set(steps)) > 1:
            raise TrainingError(
                f"The replicas found checkpoints of different steps, {steps}, in {self.folder}. "
                "Put the run folder where all workers can read it, under one path."
            )

    def save(self):
        """Copies the state and has it written; every worker has to call it at one step.

        Raises:
            TrainingError: A weight is not finite: such a state is not worth keeping.
        """
        self.wait()
        step = self.model.steps_taken
        culprit = first_not_finite(self.model)
        if culprit:
            raise TrainingError(
                f"The state at step {step} is not saved: {culprit}. The checkpoints before it in "
                f"{self.folder} are kept; train on with a lower learning rate."
            )
        arrays = read_state(self.model)
        self._last_saved = step
        if is_chief(self.model.distribute_strategy):
            self._pending = self._writer.submit(self._write, step, arrays)

    def save_unless_saved(self):
        """Saves, unless this step was; every worker has to call it at one step."""
        if self.model.steps_taken != self._last_saved:
            self.save()

    def wait(self):
        """Waits until the last save is on the disk, and raises what went wrong with it."""
        pending, self._pending = self._pending, None
        if pending is not None:
            pending.result()

    def close(self):
        """Waits for the last save and ends the thread; safe to call twice."""
        self.wait()
        if self._writer is not None:
            self._writer.shutdown()

    def _write(self, step, arrays):
        path = self.folder / f"step-{step:08d}"
        write_checkpoint(path, arrays)
        # Those of later steps are damaged, or of a way that this run has gone back from.
        kept = [other for other in list_checkpoints(self.folder) if other <= path][-self.keep :]
        for other in list_checkpoints(self.folder):
            if other not in kept:
                shutil.rmtree(other, ignore_errors=True)


def write_checkpoint(path, arrays: dict) -> None:
    """Writes arrays and their hash to a new folder, which appears whole or not at all."""
    with replacing_folder(path) as partial:
        with open(partial / _ARRAYS, "wb") as file:
            np.savez(file, **{name.replace("/", "|"): array for name, array in arrays.items()})
        (partial / _HASH).write_text(sha256_of(partial / _ARRAYS), encoding="ascii")


def read_arrays(path) -> dict:
    """Reads the arrays of a checkpoint, by name."""
    with np.load(path / _ARRAYS, allow_pickle=False) as file:
        return {name.replace("|", "/"): file[name] for name in file.files}


def list_checkpoints(folder) -> list[pathlib.Path]:
    """Lists the checkpoints of a folder, the oldest first."""
    folder = pathlib.Path(folder)
    if not folder.is_dir():
        return []
    return sorted(path for path in folder.iterdir() if _NAME.fullmatch(path.name))


def step_of(path) -> int:
    """Reads a checkpoint's step off its name."""
    return int(pathlib.Path(path).name.removeprefix("step-"))


def newest_sound(folder) -> pathlib.Path | None:
    """Finds the newest checkpoint that is not damaged."""
    sound = (path for path in reversed(list_checkpoints(folder)) if not damage(path))
    return next(sound, None)


def damage(path) -> str:
    """Says what is wrong with a checkpoint, or "".

    Raises:
        TrainingError: It cannot be read at the moment, so that nobody knows.
    """
    try:
        expected = (path / _HASH).read_text(encoding="ascii").strip()
        found = sha256_of(path / _ARRAYS)
    except (FileNotFoundError, NotADirectoryError, UnicodeDecodeError) as error:
        return str(error)
    except OSError as error:  # a share that is away for a moment: to begin anew would lose the run
        raise TrainingError(
            f"The checkpoint {path} cannot be read: {error.strerror or error}. Look to the disk "
            "and to who may read it, and start again; or remove the checkpoint, and the run goes "
            "on from the one before."
        ) from error
    return "" if found == expected else "its content does not match its hash"


def remove_leftovers(folder) -> None:
    """Removes what a killed run left half-written."""
    folder = pathlib.Path(folder)
    if folder.is_dir():
        for path in folder.glob(".step-*"):
            shutil.rmtree(path, ignore_errors=True)
