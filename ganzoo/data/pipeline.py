"""Batches as functions of a position in an endless stream of shuffled images.

Pass e of the stream is the e-th permutation of the images, drawn from (seed, e); flips and
crops are drawn from (seed, position). Any batch can so be made at once, on any number of
replicas, without a shuffle buffer and without a state to save.
"""

import functools
from collections.abc import Iterator
from dataclasses import asdict
from typing import Any

import numpy as np
import tensorflow as tf

from ganzoo.checks import check_whole
from ganzoo.data.domain import Domain
from ganzoo.data.pictures import PictureSource
from ganzoo.data.sources import Source, SourceName, open_source
from ganzoo.data.views import View, check_flag, checked_view, warn_of_enlarging
from ganzoo.errors import DataError
from ganzoo.randomness import checked_seed

# What TensorFlow raises where a picture cannot be read or decoded.
READ_ERRORS = (
    tf.errors.DataLossError,
    tf.errors.InvalidArgumentError,
    tf.errors.NotFoundError,
    tf.errors.UnknownError,
)
_READING = "IteratorGetNext"  # the operation that such an error then names


def load(
    source: SourceName,
    *,
    image_size: int | None = None,
    channels: int = 3,
    batch_size: int,
    seed: int = 0,
    resize: str = "crop",
    load_size: int | None = None,
    flip: bool = False,
    shuffle: bool = True,
    skip_bad: bool = False,
) -> tf.data.Dataset:
    """Opens a source of images for training.

    Args:
        source: What `ganzoo.data.open_source` describes; two for pairs of domains.
        image_size: Side of the square images; points have none.
        channels: 3 for colour, 1 for grey.
        batch_size: Images in a batch, over all replicas.
        seed: With the position, decides order, crops and flips.
        resize: `crop` (centre square, antialiased), `pad` (black around, what is larger is
            reduced), `stretch`, or `load_crop` (bicubic to `load_size`, a random crop).
        load_size: Side for `load_crop`; None for 286 / 256 of `image_size`.
        flip: Mirror half of the images, left to right.
        shuffle: False for the order of the files.
        skip_bad: Decode all pictures once; leave out, with a warning, those that cannot be.

    Returns:
        An epoch, ceil(count / batch_size) full batches `(batch_size, image_size, image_size,
        channels)`, float32 in [-1, 1]; pairs of them for two domains; points `(batch_size, 2)`
        as they are. Its attribute `stream` is the endless `Stream`.

    Raises:
        DataError: The source cannot be read, or a setting does not fit it.
        GanzooError: The seed is not a whole number of at most 64 bits.
    """
    check_flag("shuffle", shuffle)
    check_flag("skip_bad", skip_bad)
    sources = open_source(source, skip_bad=skip_bad)
    view = checked_view(sources, image_size, channels, resize, load_size, flip)
    warn_of_enlarging(sources, view)
    return Stream(sources, view, batch_size=batch_size, seed=seed, shuffle=shuffle).epoch()


class Stream:
    """An endless stream of images, of which any batch can be had directly.

    Attributes:
        count: Number of images; of pairs, that of the larger domain.
        batch_size: Images in a global batch.
        steps_per_epoch: ceil(count / batch_size).
        description: All that decides the batches, as JSON can hold it.
    """

    def __init__(
        self,
        sources: tuple[Source, ...],
        view: View,
        *,
        batch_size: int,
        seed: int = 0,
        shuffle: bool = True,
        first_domain: int = 0,  # the number of the first source's domain, by which it draws
    ):
        check_whole("batch_size", batch_size, error=DataError)
        self.sources, self.view = sources, view
        self.batch_size, self.seed, self.shuffle = batch_size, checked_seed(seed), bool(shuffle)
        self.count = max(source.count for source in sources)
        self.steps_per_epoch = -(-self.count // batch_size)
        self._first_domain = first_domain
        self._domains = [
            Domain(source, view, self.seed, self.shuffle, first_domain + number)
            for number, source in enumerate(sources)
        ]

    @property
    def domains(self) -> tuple["Stream", ...]:
        """The streams of the single domains of a pair; else this stream."""
        return tuple(
            self._like(sources=(source,), first_domain=self._first_domain + number)
            for number, source in enumerate(self.sources)
        )

    @property
    def element_spec(self) -> Any:
        """The type and shape of a global batch."""
        return self.dataset(0, 1).element_spec

    @property
    def description(self) -> dict[str, Any]:
        sources = [
            {"name": source.name, "count": source.count, "digest": source.digest()}
            for source in self.sources
        ]
        settings = {"batch_size": self.batch_size, "seed": self.seed, "shuffle": self.shuffle}
        return {"sources": sources, **asdict(self.view), **settings}

    @property
    def order(self) -> tuple:
        """All that decides the images and their order, but not how they are batched."""
        sources = tuple((source.name, source.count) for source in self.sources)
        return sources, self.view, self.seed, self.shuffle, self._first_domain

    def with_batch_size(self, batch_size: int) -> "Stream":
        """Gives the same stream of images in batches of another size."""
        return self._like(batch_size=batch_size)

    def _like(self, **changes: Any) -> "Stream":
        """Makes a stream that differs from this one in some arguments."""
        names = ("sources", "view", "batch_size", "seed", "shuffle")
        same = {name: getattr(self, name) for name in names}
        return Stream(**{**same, "first_domain": self._first_domain, **changes})

    def dataset(
        self,
        start: int = 0,
        steps: int | None = None,
        *,
        first_replica: int = 0,
        local_replicas: int = 1,
        num_replicas: int = 1,
    ) -> tf.data.Dataset:
        """Gives the batches from position `start` on.

        Args:
            start: Position of the first global batch's first image in the endless stream.
            steps: Number of global batches; None for no end.
            first_replica: The first of the replicas to feed, of `num_replicas`.
            local_replicas: How many replicas to feed, one after the other in every step.
            num_replicas: R; row i of a global batch belongs to replica i mod R.

        Returns:
            For each step and each local replica a batch of `batch_size / num_replicas` rows.
        """
        _check_replicas(self.batch_size, first_replica, local_replicas, num_replicas)
        positions = functools.partial(
            _positions, start, self.batch_size, first_replica, local_replicas, num_replicas
        )
        counter = tf.data.Dataset.counter(0, 1, "int64")
        if steps is not None:
            counter = tf.data.Dataset.range(steps * local_replicas)
        parts = [
            domain.batches(counter.map(positions), self.batch_size // num_replicas)
            for domain in self._domains
        ]
        return _finished(parts)

    def epoch(self) -> tf.data.Dataset:
        """Gives the first pass's batches; the dataset's attribute `stream` is this stream."""
        dataset = self.dataset(steps=self.steps_per_epoch)
        dataset.stream = self
        return dataset

    def explain(self, error: tf.errors.OpError) -> Exception:
        """Finds what a batch failed on: a DataError that names the picture, or `error` itself.

        TensorFlow wraps errors of Python functions, and its own decoders name no files. What
        came of a step itself, as the same kinds of errors do on a GPU, no picture is asked about.
        """
        _, found, text = str(error).partition("ganzoo.errors.DataError: ")
        if found:
            return DataError(text.partition("\n")[0])
        if _READING not in str(error):
            return error
        bad = (source.find_bad() for source in self.sources if isinstance(source, PictureSource))
        return next((each for each in bad if each is not None), error)

    def once(self, batch_size: int | None = None) -> tf.data.Dataset:
        """Gives every image exactly once, in the order of the files, nothing by chance.

        The last batch may be smaller. `load_crop` stretches to `image_size` as CycleGAN's
        tests do. For pairs use `domains[0].once()` and `domains[1].once()`.
        """
        if len(self._domains) != 1:
            raise DataError(
                "The two domains of a pair differ in number, so no batches hold both exactly "
                "once. Use stream.domains[0].once() and stream.domains[1].once()."
            )
        return self.in_order(batch_size)

    def in_order(self, batch_size: int | None = None, count: int | None = None) -> tf.data.Dataset:
        """Gives the images in the order of the files, nothing by chance; see `once`.

        Args:
            batch_size: Images in a batch; of the last there may be fewer.
            count: How many images, from the first on; None for all. Of a pair as many as its
                larger domain has: the smaller one begins again.
        """
        batch_size = batch_size or self.batch_size
        check_whole("batch_size", batch_size, error=DataError)
        indices = tf.data.Dataset.range(self.count if count is None else count).batch(batch_size)
        parts = [domain.batches(indices, batch_size, by_chance=False) for domain in self._domains]
        return _finished(parts)

    def read_once(self, batch_size: int | None = None) -> Iterator[tf.Tensor]:
        """Yields the batches of `once`.

        Raises:
            DataError: A picture cannot be read; it is named.
        """
        return self._read(self.once(batch_size))

    def read_spaced(self, count: int) -> tf.Tensor:
        """Reads `count` images at equal distances in the order of the files, or all of fewer.

        Of a source that is sorted they show all classes, where the first show one.

        Raises:
            DataError: A picture cannot be read; or the images are pairs.
        """
        if len(self._domains) != 1:
            raise DataError(
                "The images are pairs, of two domains. Use stream.domains[0].read_spaced, or that "
                "of stream.domains[1]."
            )
        indices = np.linspace(0, self.count - 1, min(count, self.count)).astype("int64")
        positions = tf.data.Dataset.from_tensors(indices)
        images = self._domains[0].batches(positions, len(indices), by_chance=False)
        return next(self._read(_finished([images])))

    def _read(self, dataset: tf.data.Dataset) -> Iterator[tf.Tensor]:
        batches = iter(dataset)
        while True:
            try:
                batch = next(batches, None)
            except READ_ERRORS as error:
                raise self.explain(error) from error
            if batch is None:
                return
            yield batch


def _positions(start, batch_size, first_replica, local_replicas, num_replicas, number):
    """Gives the positions of the rows of element `number` of `Stream.dataset`."""
    step, local = number // local_replicas, number % local_replicas
    rows = tf.range(batch_size // num_replicas, dtype="int64") * num_replicas
    return start + step * batch_size + first_replica + local + rows


def _finished(parts):
    dataset = parts[0] if len(parts) == 1 else tf.data.Dataset.zip(tuple(parts))
    options = tf.data.Options()
    options.deterministic = True
    # Many pictures at a time, each on one thread, beat one at a time on many.
    options.threading.max_intra_op_parallelism = 1
    # Rows are dealt by hand; TensorFlow's own dealing would break the order.
    options.experimental_distribute.auto_shard_policy = tf.data.experimental.AutoShardPolicy.OFF
    return dataset.prefetch(2).with_options(options)


def _check_replicas(batch_size, first_replica, local_replicas, num_replicas):
    if batch_size % num_replicas:
        raise DataError(
            f"A batch of {batch_size} cannot be dealt to {num_replicas} replicas. Give a "
            f"batch_size that {num_replicas} divides."
        )
    if not 0 <= first_replica < first_replica + local_replicas <= num_replicas:
        raise DataError(
            f"Replicas {first_replica} to {first_replica + local_replicas - 1} are not among "
            f"{num_replicas}. Give a range within them."
        )
