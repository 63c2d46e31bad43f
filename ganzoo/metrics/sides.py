"""The two sides of a score: real images, generated ones, translated ones, batch by batch."""

import hashlib
import os
from collections.abc import Iterator
from typing import Any

import numpy as np

from ganzoo.checks import model_name
from ganzoo.data.decoding import to_uint8
from ganzoo.data.sources import open_source, split_in_name
from ganzoo.errors import DataError
from ganzoo.metrics.hashing import weights_sha256
from ganzoo.metrics.inputs import blocks
from ganzoo.metrics.running import on_all_replicas


class RealImages:
    """Images of a source, each once, in the order of the files.

    Args:
        stream: Has `count` and `once(batch_size)`, batches float in [-1, 1] (or points); with
            `read_once` in its place a picture that cannot be read is named.
        limit: Takes a random part of this size; all by default.
        seed: Decides which part.
        name: What the source is called in the protocol; what it calls itself by default.
        from_end: Take the part from the other end of the permutation that `seed` decides, so
            that it shares no image with one from the start.
    """

    def __init__(
        self,
        stream: Any,
        limit: int | None = None,
        seed: int = 0,
        name: str | None = None,
        from_end: bool = False,
    ) -> None:
        self.stream = stream
        self.total = int(stream.count)
        if limit is not None and not 1 <= limit <= self.total:
            raise DataError(
                f"Cannot take {limit:,} of the {self.total:,} real images. Give 1 to "
                f"{self.total:,}, or leave the number out for all."
            )
        self.count = limit or self.total
        self.seed = seed
        self.name = name or source_name(stream)
        self.from_end = from_end

    def batches(self, batch_size: int) -> Iterator[np.ndarray]:
        """Yields grey levels uint8 `(n, h, w, c)`, or points float32 `(n, 2)`."""
        chosen = np.ones(self.total, bool)
        if self.count < self.total:
            chosen[:] = False
            order = np.random.RandomState(self.seed).permutation(self.total)
            chosen[order[::-1][: self.count] if self.from_end else order[: self.count]] = True
        start = 0
        read = getattr(self.stream, "read_once", None) or self.stream.once
        for batch in read(batch_size):
            batch = np.asarray(batch)
            mask = chosen[start : start + len(batch)]
            start += len(batch)
            if mask.any():
                yield to_levels(batch[mask])
        if start != self.total:
            raise DataError(
                f"{self.name} gave {start:,} images and had announced {self.total:,}. Look for "
                "files that changed meanwhile."
            )

    def stamp(self) -> dict[str, Any]:
        """What the protocol says of this side."""
        known = [getattr(source, "split", None) for source in getattr(self.stream, "sources", ())]
        opened = " + ".join(dict.fromkeys(filter(None, known)))
        return {
            "source": self.name,
            "split": opened or split_in_name(self.name) or "all",
            "images": self.count,
            "of": self.total,
        }


class GeneratedImages:
    """Samples of a model that starts from noise; image i depends on (seed, i) only.

    Args:
        model: Has `draw_latents(count, key, truncation, first)` and maps latents to float images.
        count: How many.
        seed: Decides the latents.
        truncation: As in `generate`.
    """

    def __init__(
        self, model: Any, count: int, seed: int = 0, truncation: float | None = None
    ) -> None:
        self.model, self.count, self.seed, self.truncation = model, count, seed, truncation

    def batches(self, batch_size: int) -> Iterator[np.ndarray]:
        """Yields grey levels uint8 `(n, h, w, c)`, or points float32 `(n, 2)`."""
        for batch in self.floats(batch_size):
            yield to_levels(batch)

    def floats(self, batch_size: int) -> Iterator[np.ndarray]:
        """Yields the generator's own output, nominally in [-1, 1], not rounded."""
        from ganzoo.randomness import seed_key

        key = seed_key(self.seed)
        run = on_all_replicas(
            lambda batch: self.model(batch, training=False), strategy_of(self.model)
        )
        for block in blocks(self.count, batch_size):
            size = block.stop - block.start
            latents = self.model.draw_latents(size, key, self.truncation, first=block.start)
            yield np.asarray(run(np.asarray(latents)), np.float32)

    def stamp(self) -> dict[str, Any]:
        """What the protocol says of this side."""
        network = getattr(self.model, "sampling_generator", self.model)
        return {
            "model": model_name(self.model),
            "sha256": weights_sha256(network),
            "precision": getattr(network, "compute_dtype", None),
            "images": self.count,
            "seed": self.seed,
            "truncation": self.truncation,
        }


class TranslatedImages:
    """What a translating model makes of the other domain's images.

    Args:
        model: Has `translate(images, direction)`, uint8 in and out.
        originals: The images to translate.
        direction: "ab" or "ba".
    """

    def __init__(self, model: Any, originals: RealImages, direction: str) -> None:
        self.model, self.originals, self.direction = model, originals, direction
        self.count = originals.count

    def batches(self, batch_size: int) -> Iterator[np.ndarray]:
        """Yields translations, uint8 `(n, h, w, c)`."""
        for batch in self.originals.batches(batch_size):
            yield np.asarray(self.model.translate(batch, direction=self.direction))

    def stamp(self) -> dict[str, Any]:
        """What the protocol says of this side."""
        network = getattr(self.model, f"generator_{self.direction}", self.model)
        return {
            "model": model_name(self.model),
            "sha256": weights_sha256(network),
            "precision": getattr(network, "compute_dtype", None),
            "direction": self.direction,
            "images": self.count,
            "from": self.originals.stamp(),
        }


Side = RealImages | GeneratedImages | TranslatedImages


def open_sides(
    model: Any,
    source: Any,
    batch_size: int,
    *,
    image_size: int | None,
    resize: str | None,
    skip_bad: bool | None,
    limit: int | None = None,
    seed: int = 0,
) -> list[RealImages]:
    """Opens a source at the model's size: one side, or two for a pair of domains."""
    stream = getattr(source, "stream", source)
    if not is_opened(source):
        from ganzoo import data

        _refuse_images_for_points(model, source)
        preset = getattr(getattr(model, "preset", None), "data", None) or {}
        size, channels, mode = _geometry(model, preset, image_size, resize)
        stream = data.load(
            source,
            image_size=size,
            channels=channels,
            batch_size=batch_size,
            resize=mode,
            shuffle=False,
            skip_bad=bool(preset.get("skip_bad")) if skip_bad is None else skip_bad,
        ).stream
    domains = getattr(stream, "domains", (stream,))
    return [RealImages(domain, limit, seed) for domain in domains]


def _refuse_images_for_points(model, source):
    """Raises DataError where a model makes points and the source holds images."""
    if len(getattr(model, "image_shape", ())) != 1:
        return
    if not all(domain.is_points for domain in open_source(source)):
        raise DataError(
            f"{model_name(model)!r} makes points, and {source!r} holds images. Give points, such "
            "as 'ring8'."
        )


def _geometry(model, preset, image_size, resize):
    """Side, channels and resize mode: as asked, or as model, preset or the model's dataset say."""
    shape = tuple(getattr(model, "image_shape", None) or ())
    view = getattr(getattr(model, "stream", None), "view", None)
    if view is not None:
        shape = (view.image_size, view.image_size, view.channels)
    size = image_size or (shape[0] if len(shape) == 3 else preset.get("image_size"))
    channels = shape[2] if len(shape) == 3 and shape[2] else preset.get("channels", 3)
    # Real against real compares what two sources show, and not two ways of showing it.
    return size, channels, resize or getattr(view, "resize", None) or preset.get("resize") or "crop"


def is_opened(source: Any) -> bool:
    """Says whether a source is no string but a dataset of `ganzoo.data.load`, or its stream."""
    return hasattr(source, "stream") or hasattr(source, "once")


def to_levels(batch: np.ndarray) -> np.ndarray:
    """Turns float images in [-1, 1] into grey levels uint8, rounded and clipped.

    Grey levels and points `(n, 2)` pass as they are.
    """
    if batch.ndim != 4 or batch.dtype == np.uint8:
        return batch
    return to_uint8(batch).numpy()


def images_sha256(side: Side, batch_size: int) -> tuple[str, tuple[int, ...]]:
    """Hashes the pixels that a side shows, with their shape; gives that of one image too."""
    digest, shape = hashlib.sha256(), ()
    for batch in side.batches(batch_size):
        shape = batch.shape[1:]
        digest.update(np.ascontiguousarray(batch).tobytes())
    return finish_digest(digest, shape), shape


def finish_digest(digest: Any, shape: tuple[int, ...]) -> str:
    """Ends a hash of pixels with the shape of one image."""
    digest.update(str(tuple(shape)).encode())
    return digest.hexdigest()


def strategy_of(model: Any) -> Any:
    """The strategy that a model was made under, or None."""
    return getattr(model, "distribute_strategy", None)


def same_images(first: Any, second: Any) -> bool:
    """Says whether two streams show the same images, at whatever size."""
    if first is second:
        return True
    found = [
        [_identity(source) for source in getattr(stream, "sources", ())]
        for stream in (first, second)
    ]
    return bool(found[0]) and found[0] == found[1]


def _identity(source: Any) -> Any:
    """What two sources of the same images have in common."""
    if not hasattr(source, "digest"):
        return id(source)
    if hasattr(source, "levels"):
        return source.digest()
    # The fingerprint of an array is of its values; that of pictures, of their names and sizes,
    # which other pictures in another place may have too. A place has many names.
    return source.digest(), os.path.realpath(source.files.path(int(source.numbers[0])))


def source_name(stream: Any) -> str:
    """What a stream's source calls itself, without the folders above."""
    sources = getattr(stream, "sources", ())
    names = [os.path.join(*str(source.name).split(os.sep)[-2:]) for source in sources]
    return " + ".join(names) or type(stream).__name__
