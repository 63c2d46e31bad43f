"""ganzoo's side of the benchmark: one model's training, in a process that takes turns.

    python tools/benchmark_ganzoo.py '{"preset": "dcgan_celeba64", …}'

`tools/benchmark.py` starts it and speaks to it; see `benchmark_turns.py`.
"""

import contextlib
import io
import json
import pathlib
import shutil
import sys
import tempfile
import time

START = time.perf_counter()
from ganzoo.quiet import import_tensorflow_quietly  # noqa: E402

import_tensorflow_quietly()

import keras  # noqa: E402
import numpy as np  # noqa: E402
import tensorflow as tf  # noqa: E402
from benchmark_data import write_source  # noqa: E402
from benchmark_flops import MatrixProduct, count_flops  # noqa: E402
from benchmark_turns import CLOCKS, claim_output, peak_memory, serve  # noqa: E402
from rich.console import Console  # noqa: E402

from ganzoo import distribution, zoo  # noqa: E402
from ganzoo.training import Checkpoints, HealthCheck, MetricsLog  # noqa: E402
from ganzoo.training.progress import RunProgress  # noqa: E402
from ganzoo.training.settings import fill_in, open_data, run_settings  # noqa: E402

_BUFFERED = 16  # batches that may have been ready before anybody asked
_EPOCH = 16  # executions; a real epoch has more, and its end costs something too


class Training:
    """A preset's training on random pictures, and what can be asked of it.

    Args:
        row: What `benchmark.py` sends: `preset`, `overrides`, `precision`, `batch_size`,
            `data` (kind of source), `picture_side`, `live` (whether steps read the source, and
            not one batch again and again), `jit`, `steps_per_execution`, `strategy`, `threads`,
            `clock`.
        folder: For the source and what a run writes.
    """

    def __init__(self, row, folder):
        self.row, self.folder = row, pathlib.Path(folder)
        self.images_a_step = row["batch_size"]
        strategy = distribution.make_strategy(row.get("strategy", "none"))
        self.settings = run_settings(
            row["preset"],
            data_source=self.write_images(),
            steps=None,
            epochs=1,
            overrides=row["overrides"],
            training={"precision": row["precision"], "batch_size": row["batch_size"]},
        )
        self.settings.training["steps_per_execution"] = row["steps_per_execution"]
        self.settings.training["jit"] = "on" if row["jit"] else "off"
        self.dataset = open_data(self.settings)
        fill_in(self.settings, self.dataset.stream)
        keras.utils.set_random_seed(0)
        with strategy.scope():
            self.model = zoo.build(self.settings)
        self.model.check_batch(self.dataset.stream.element_spec)
        self.model.prepare(self.images_a_step)
        self.model.begin_stage(0, self.images_a_step)
        self.iterator = self.batches(strategy)
        self.clock = CLOCKS[row["clock"]]
        self._product = None

    def write_images(self):
        count = _EPOCH * self.row["steps_per_execution"] * self.row["batch_size"]
        return write_source(
            self.folder, self.row["data"], self.row["picture_side"], self.channels, count
        )

    @property
    def channels(self):
        return self.row["overrides"]["data.channels"]

    def batches(self, strategy):
        """Iterates over the source; or over one batch: what the step alone costs."""
        if self.row["live"]:
            return distribution.distribute_stream(self.dataset.stream, strategy, 0)
        batch = next(iter(self.dataset.stream.dataset(0)))
        return iter(tf.data.Dataset.from_tensors(batch).repeat())

    def step(self):
        """Takes the compiled step, as often as one execution holds it, and waits for it."""
        many = self.row["steps_per_execution"]
        values, _ = self.model.step_function()(self.iterator, many)
        return np.asarray(values).tolist()[0]

    def flops(self, short_cuts=True):
        """Counts the operations of one step, with its short cuts or as it would be without."""
        from ganzoo import shortcuts  # which older checkouts lack

        spec = self.dataset.stream.element_spec
        spec = tf.nest.map_structure(
            lambda one: tf.TensorSpec((self.images_a_step, *one.shape[1:]), one.dtype), spec
        )
        with contextlib.nullcontext() if short_cuts else shortcuts.scope(False):
            step = tf.function(self.model.counted_train_step).get_concrete_function(spec)
        return count_flops(step)

    def product(self):
        """Takes a large matrix product; gives its operations."""
        self._product = self._product or MatrixProduct(self.row["precision"])
        return self._product.take()

    def memory(self):
        """Reads the peak memory in bytes: of the accelerator if there is one."""
        if tf.config.list_physical_devices("GPU"):
            return tf.config.experimental.get_memory_info("GPU:0")["peak"]
        return peak_memory()

    def generate(self, count):
        """Generates or translates a batch of images to uint8."""
        if self.settings.family != "cyclegan":
            self.model.generate(count, seed=0)
            return
        side = self.settings.data["image_size"]
        self.model.translate(np.zeros((count, side, side, self.channels), "uint8"))

    def fit(self, steps):
        """Trains by `fit` as a run does; gives the mean seconds of a step.

        The first steps, while the input gets going, do not count; what one checkpoint costs
        counts for its share of the steps between two.
        """
        every = self.settings.training.get("checkpoint_every", 1000)
        clock, out = StepClock(self.clock), pathlib.Path(tempfile.mkdtemp(dir=self.folder))
        checkpoints = Checkpoints(out / "checkpoints", every=10**9, resume=False)
        callbacks = [
            checkpoints, HealthCheck(checkpoints), MetricsLog(out),
            RunProgress(steps, console=Console(file=io.StringIO())), clock,
        ]  # fmt: skip
        epochs = -(-steps // self.dataset.stream.steps_per_epoch)
        self.model.fit(self.dataset, epochs=epochs, verbose=0, callbacks=callbacks)
        checkpoints.close()
        seconds = clock.seconds_a_step + clock.seconds_a_save(out / "one_checkpoint") / every
        shutil.rmtree(out)
        return seconds

    def load(self, seconds):
        """Reads batches as training does, as fast as they come; gives images a second."""
        iterator = iter(self.dataset.stream.dataset(0))
        for _ in range(_BUFFERED):
            next(iterator)
        start, batches = self.clock(), 0
        while batches < _BUFFERED or self.clock() < start + seconds:
            tf.nest.map_structure(np.asarray, next(iterator))
            batches += 1
        return batches * self.images_a_step / (self.clock() - start)


class StepClock(keras.callbacks.Callback):
    """Times the steps of a `fit`, and what a checkpoint keeps it waiting."""

    warmup = 2

    def __init__(self, clock):
        super().__init__()
        self.clock = clock

    def on_train_begin(self, logs=None):
        self.moments = []

    def on_train_batch_end(self, batch, logs=None):
        self.moments.append((self.clock(), self.model.steps_taken))

    @property
    def seconds_a_step(self):
        (start, first), (end, last) = self.moments[self.warmup], self.moments[-1]
        return (end - start) / (last - first)

    def seconds_a_save(self, folder):
        """Times a save with the writing of it, which shares the processor with the steps."""
        checkpoints = Checkpoints(folder)
        checkpoints.set_model(self.model)
        checkpoints.on_train_begin()
        start = self.clock()
        checkpoints.save()
        checkpoints.close()
        return self.clock() - start


def devices():
    """Names the accelerators that TensorFlow sees."""
    details = map(tf.config.experimental.get_device_details, tf.config.list_physical_devices("GPU"))
    return [one.get("device_name", "GPU") for one in details]


def main():
    out, row = claim_output(), json.loads(sys.argv[1])
    for gpu in tf.config.list_physical_devices("GPU"):
        tf.config.experimental.set_memory_growth(gpu, True)  # leaves the rival some
    if row["threads"]:
        tf.config.threading.set_intra_op_parallelism_threads(row["threads"])
    with tempfile.TemporaryDirectory() as folder:
        training = Training(row, folder)
        training.step()
        first = time.perf_counter() - START
        versions = {"tensorflow": tf.__version__, "keras": keras.__version__}
        hello = {"version": versions, "devices": devices(), "first_step": first}
        serve(
            {
                "hello": lambda: hello,
                "step": training.step,
                "memory": training.memory,
                "product": training.product,
                "flops": training.flops,
                "generate": training.generate,
                "fit": training.fit,
                "load": training.load,
            },
            out,
            training.clock,
        )


if __name__ == "__main__":
    main()
