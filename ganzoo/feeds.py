"""What feeds a `fit`: a ganzoo dataset, which any batch can be had of, or any other.

Positions count the images of a `fit`, over all replicas. A feed tells the loop

- `batch_size`, the global one, and `steps_per_epoch`, None where that is not known;
- `exact`: whether it can begin at any position, in batches of any size;
- `restarts`: whether each epoch reads the data from its start;
- `order`: what decides the images and their order, to go on there in a later `fit`, or None;
- `start_of(epoch)`: the position at which an epoch begins;
- `iterator(position, batch_size)`: the batches from a position on, on every replica;
- `steps_left(state, batch_size)`: the steps left of the epoch of a `FitState`;
- `epochs_of(images)`: how many epochs so many images take, rounded up;
- `explain(error)`: what TensorFlow's error came of, as a `DataError`, or the error itself.
"""

import math
import os
import re

import tensorflow as tf

from ganzoo import batches, distribution
from ganzoo.checks import check_whole
from ganzoo.data.pipeline import Stream, load
from ganzoo.data.sources import open_source
from ganzoo.errors import DataError, GanzooError

_BATCH_SIZE = 32  # Keras's, where nobody says another
# How TensorFlow writes that an assertion in a graph does not hold, its message first.
_ASSERTION = re.compile(r"assertion failed: \[([^\]]*)\]")
_OTHER_SHAPE = re.compile(r"Shape of tensor .*(\[.*\]) is not compatible with .* (\[.*\])")


class StreamFeed:
    """Batches of a ganzoo dataset, from any image on, of any batch size.

    With `steps_per_epoch`, as in Keras, an epoch goes on where the one before it ended. The first
    one begins at position `begun` of the stream.
    """

    exact = True
    restarts = False

    def __init__(self, stream, strategy, steps_per_epoch=None, begun=0):
        self.stream = stream
        self.begun = begun
        self.strategy = strategy
        self.batch_size = stream.batch_size
        self.steps_per_epoch = steps_per_epoch or stream.steps_per_epoch
        # Images, and not steps: a model may change the size of its batches on the way.
        self.images_per_epoch = (
            self.steps_per_epoch * self.batch_size if steps_per_epoch else stream.count
        )

    @property
    def order(self):
        return self.stream.order

    def start_of(self, epoch):
        return self.begun + epoch * self.steps_per_epoch * self.batch_size

    def iterator(self, position, batch_size):
        stream = self.stream
        if batch_size != stream.batch_size:
            stream = stream.with_batch_size(batch_size)
        return distribution.distribute_stream(stream, self.strategy, position)

    def explain(self, error):
        return self.stream.explain(error)

    def steps_left(self, state, batch_size):
        left = self.images_per_epoch - (state.position - state.epoch_start)
        return max(0, math.ceil(left / batch_size))

    def epochs_of(self, images):
        return math.ceil(images / self.images_per_epoch)


class DatasetFeed:
    """Batches of any other dataset, which each epoch reads from its start.

    With `steps_per_epoch`, as in Keras, an epoch goes on where the one before it ended; a `fit`
    that begins with a later epoch reads the batches of those before it and passes them by.
    """

    exact = False
    order = None

    def __init__(self, dataset, strategy, batch_size, steps_per_epoch=None):
        self.dataset = dataset
        self.strategy = strategy
        self.batch_size = batch_size
        self.restarts = steps_per_epoch is None
        distribution.check_divides(self.batch_size, strategy)
        cardinality = int(self.dataset.cardinality())
        if cardinality == tf.data.INFINITE_CARDINALITY and self.restarts:
            raise DataError(
                "The dataset never ends, and so no epoch would. Pass steps_per_epoch to fit, or "
                "validation_steps where it is the validation data."
            )
        self.steps_per_epoch = steps_per_epoch or (cardinality if cardinality > 0 else None)

    def start_of(self, epoch):
        return epoch * (self.steps_per_epoch or 0) * self.batch_size

    def iterator(self, position, batch_size):
        before = 0 if self.restarts else position // batch_size
        dataset = self.dataset.skip(before) if before else self.dataset
        return distribution.distribute_dataset(dataset, self.strategy)

    def explain(self, error):
        found = _ASSERTION.search(error.message)
        if found:
            return DataError(found[1])
        found = _OTHER_SHAPE.search(error.message)
        if found:
            return DataError(
                f"A batch of the dataset has the shape {found[1]}, and the model trains on "
                f"{found[2]}. Bring all images to one size as they are read."
            )
        return error

    def steps_left(self, state, batch_size):
        del batch_size
        return math.inf if self.steps_per_epoch is None else self.steps_per_epoch - state.batch

    def epochs_of(self, images):
        return math.ceil(images / (self.batch_size * (self.steps_per_epoch or 1) or 1))


class StreamTestFeed(DatasetFeed):
    """Each image of a ganzoo dataset once, in the order of the files, and nothing by chance."""

    def __init__(self, stream, model, steps=None):
        self.stream = stream
        count = _count_for_test(model, stream.count, stream.batch_size)
        dataset = stream.in_order(count=count)
        super().__init__(dataset, model.distribute_strategy, stream.batch_size, steps)

    def explain(self, error):
        return self.stream.explain(error)


def feed_for(
    model,
    data,
    *,
    batch_size=None,
    shuffle=True,
    steps_per_epoch=None,
    training=True,
    again=False,
):
    """Makes a feed of what a user gave to `fit` or `evaluate`, after checking its first batch.

    Args:
        model: What takes the batches.
        data: As `AdversarialModel.fit` takes it.
        batch_size: Images in a batch, in place of a ganzoo dataset's own; of no use to another
            dataset, whose batches are made.
        shuffle: Whether to shuffle such data.
        steps_per_epoch: Steps, where they are not those of all the data.
        training: False for tests: nothing is shuffled or flipped, and of an array or a source
            each image counts once, where the model and the replicas can take a smaller last
            batch.
        again: Whether to go on where the model's last `fit` ended, if that had the same images.

    Raises:
        DataError: It holds no images that the model can take.
    """
    if steps_per_epoch is not None:
        check_whole("The number of steps", steps_per_epoch, error=DataError)
    stream = _stream_of(model, data, batch_size, shuffle)
    if stream is not None:
        model.check_batch(stream.element_spec)
        if not training:
            return StreamTestFeed(stream, model, steps_per_epoch)
        begun = model.fit_state.position if again and stream.order == model.last_order else 0
        return StreamFeed(stream, model.distribute_strategy, steps_per_epoch, begun)
    dataset = data[0] if isinstance(data, tuple) and len(data) == 1 else data
    if not isinstance(dataset, tf.data.Dataset):
        if batch_size is not None:
            check_whole("batch_size", batch_size, error=DataError)
        dataset = _batches_of(model, dataset, batch_size or _BATCH_SIZE, shuffle, training)
        if training:  # without end: each epoch has an order of its own, also of a resumed run
            steps_per_epoch = steps_per_epoch or int(dataset.cardinality()) or None
            dataset = dataset.repeat()
    elif training and batch_size is not None:
        raise DataError(
            f"The dataset is in batches already, which batch_size={batch_size} does not change. "
            f"Leave batch_size out, or change the dataset: dataset.rebatch({batch_size})."
        )
    if isinstance(dataset.element_spec, tuple) and len(dataset.element_spec) == 1:
        dataset = dataset.map(lambda batch: batch)
    model.check_batch(dataset.element_spec)
    first = next(iter(dataset.take(1)), None)
    if first is None:
        raise DataError(
            "The dataset gave no batch. Check that it holds images, and not fewer than a batch."
        )
    model.check_batch(dataset.element_spec, first)
    dataset = _as_the_model_takes(dataset, model.batch_shapes())
    size = tf.nest.flatten(dataset.element_spec)[0].shape[0] or len(tf.nest.flatten(first)[0])
    return DatasetFeed(dataset, model.distribute_strategy, size, steps_per_epoch)


def _stream_of(model, data, batch_size, shuffle):
    """Gives the stream behind a ganzoo dataset, or that of a source; None for other data."""
    stream = data if isinstance(data, Stream) else getattr(data, "stream", None)
    if stream is not None:
        return stream.with_batch_size(batch_size) if batch_size else stream
    names = data if isinstance(data, tuple | list) and data else [data]
    if not all(isinstance(name, str | os.PathLike) for name in names):
        return None
    settings = {"shuffle": True} | _settings(model, data, batch_size)
    if not shuffle:
        settings["shuffle"] = False
    return load(data, **settings).stream


def _settings(model, source, batch_size):
    """Gives what to open a source with: as the model's preset says, at the model's own size."""
    preset = getattr(model, "preset", None)
    training = preset.training if preset else {}
    options = dict(preset.data) if preset else {}
    options.pop("source", None)
    shapes = model.batch_shapes()
    shape = shapes[0] if isinstance(shapes[0], tuple) else shapes
    if len(shape) == 2 and not all(domain.is_points for domain in open_source(source)):
        raise DataError(
            f"{type(model).__name__} trains on points (batch, {shape[1]}), and {str(source)!r} "
            "holds images. Give it points, such as 'ring8', or load a model of images."
        )
    if len(shape) == 4:
        options["channels"] = shape[-1]
        if shape[1] is not None and shape[1] != options.get("image_size"):
            options |= {"image_size": shape[1], "load_size": None}
        if not options.get("image_size"):
            raise DataError(
                f"{type(model).__name__} trains on images of any size, so the size to open "
                f"{str(source)!r} at has to be given. Open it with ganzoo.data.load(…, "
                "image_size=256, batch_size=1), and pass what that returns."
            )
    batch_size = batch_size or training.get("batch_size") or _BATCH_SIZE
    return options | {"batch_size": batch_size, "seed": training.get("seed") or 0}


def _as_the_model_takes(dataset, shapes):
    """Casts other floats, such as NumPy's own, to float32, and holds all batches to the shape."""
    shapes = batches.as_shapes(shapes)

    def taken(*batch):
        images = [
            tf.cast(tf.ensure_shape(one, shape), "float32")
            for one, shape in zip(batch, shapes, strict=True)
        ]
        return images[0] if len(images) == 1 else tuple(images)

    return dataset.map(taken)


def _batches_of(model, data, batch_size, shuffle, training):
    arrays = tf.nest.flatten(data) if isinstance(data, tuple) else [data]
    if not all(hasattr(array, "shape") and hasattr(array, "dtype") for array in arrays):
        raise DataError(
            f"fit cannot train on {type(data).__name__!r}. Give it a dataset from "
            "ganzoo.data.load, a tf.data.Dataset of batches, or an array of images."
        )
    counts = [array.shape[0] if len(array.shape) else 0 for array in arrays]
    if min(counts) != max(counts):
        raise DataError(
            f"The arrays hold {' and '.join(map(str, counts))} images, and a batch takes equally "
            "many from each. Cut them to one length, or save them: ganzoo.data.load(('a.npy', "
            "'b.npy'), …) takes domains of any two lengths."
        )
    if not counts[0]:
        raise DataError("The array holds no images. Check how it was made.")
    dataset = tf.data.Dataset.from_tensor_slices(data)
    if not training:
        count = _count_for_test(model, counts[0], batch_size)
        return dataset.take(count).batch(batch_size, drop_remainder=count % batch_size == 0)
    if shuffle:
        # Another order in every fit, which a notebook may call epoch by epoch.
        dataset = dataset.shuffle(counts[0], seed=model.seed + model.steps_taken)
    return dataset.batch(batch_size, drop_remainder=True)


def _count_for_test(model, count, batch_size):
    """Counts the images that make batches for the model, on its replicas: the last is smaller."""
    rest = count % batch_size
    while rest:
        try:
            distribution.check_divides(rest, model.distribute_strategy)
            model.check_batch_size(rest, fixed=True)
            break
        except GanzooError:
            rest -= 1
    return count // batch_size * batch_size + rest
