"""Collects from a side's images what metrics need, in one pass and bounded memory."""

import dataclasses
import hashlib
import json
import os
import pathlib
import warnings
import zipfile
from collections.abc import Callable
from typing import Any

import numpy as np

from ganzoo.errors import DataError
from ganzoo.metrics.extractors import Extractor
from ganzoo.metrics.frechet import Moments
from ganzoo.metrics.sides import RealImages, Side, finish_digest, images_sha256
from ganzoo.metrics.similarity import pair_scores
from ganzoo.metrics.store import RowStore
from ganzoo.metrics.wasserstein import LevelPatches

EXTRACTED = ("moments", "features", "logits")
MOST_PAIRS = 10_000
MOST_PATCHED = 16_384
# Cached features beyond this size would cost more disk than they save time.
MOST_CACHED_BYTES = 1 << 29
CACHE_FORMAT = 2  # 1 knew Keras models by their weights alone


@dataclasses.dataclass
class Gathered:
    """What one pass over a side left; None for what was not needed."""

    count: int = 0
    sha256: str = ""
    shape: tuple[int, ...] = ()  # of one image
    moments: Any = None  # Moments
    features: Any = None  # RowStore, as the next
    logits: Any = None
    patches: Any = None  # LevelPatches
    points: Any = None  # RowStore
    similarity: float = 0.0
    pairs: int = 0
    cached: bool = False


def gather(
    side: Side,
    needs: set[str],
    extractor: Extractor | None = None,
    *,
    batch_size: int = 64,
    patched: int = MOST_PATCHED,
    seed: int = 0,
    role: str = "real",
    advance: Callable[[int], Any] = lambda count: None,
    wanted_shape: tuple[int, ...] = (),
) -> Gathered:
    """Goes once over a side.

    Args:
        side: The images.
        needs: Among "moments", "features", "logits", "patches", "pairs", "points".
        extractor: For the first three.
        batch_size: Images a call.
        patched: How many images give patches, spread evenly over the side.
        seed: With `role`, decides the patches' places.
        role: "real" or "fake": which side of the score this is, whatever its images are.
        advance: Told how many images were done, after each batch.
        wanted_shape: The shape of an image on the other side, or () where any will do.

    Raises:
        DataError: The images are of another shape.
    """
    found = Gathered()
    digest, leftover = hashlib.sha256(), None
    for batch in side.batches(batch_size):
        found.shape = batch.shape[1:]
        _check_shape(found.shape, wanted_shape)
        digest.update(np.ascontiguousarray(batch).tobytes())
        if extractor is not None and needs.intersection(EXTRACTED):
            _extract(found, side.count, needs, extractor, batch)
        if "patches" in needs:
            _cut_patches(found, side.count, batch, patched, seed, role)
        if "pairs" in needs:
            leftover = _compare_pairs(found, batch, leftover)
        if "points" in needs:
            found.points = found.points or RowStore(side.count, batch[0].size)
            found.points.append(batch.reshape(len(batch), -1))
        found.count += len(batch)
        advance(len(batch))
    found.sha256 = finish_digest(digest, found.shape)
    return found


def _check_shape(shape: tuple[int, ...], wanted: tuple[int, ...]) -> None:
    """Refuses to compare images of two sizes, which differ whatever they show."""
    if wanted and shape != wanted:
        real, fake = ("×".join(map(str, sides)) for sides in (wanted, shape))
        raise DataError(
            f"The real images are {real} and those to score are {fake}. Give "
            f"image_size={shape[0]}, or load both at one size and number of channels."
        )


def _extract(found: Gathered, count: int, needs: set[str], extractor: Extractor, batch) -> None:
    outputs: tuple[str, ...] = ("features",) if needs & {"moments", "features"} else ()
    if "logits" in needs:
        outputs += ("logits",)
    rows = extractor(batch, outputs)
    if "moments" in needs:
        found.moments = found.moments or Moments(rows["features"].shape[1])
        found.moments.update(rows["features"])
    if "features" in needs:
        found.features = found.features or RowStore(count, rows["features"].shape[1])
        found.features.append(rows["features"])
    if "logits" in needs:
        found.logits = found.logits or RowStore(count, rows["logits"].shape[1])
        found.logits.append(rows["logits"])


def _cut_patches(found: Gathered, count: int, batch, patched: int, seed: int, role: str) -> None:
    """Adds the patches of every image whose turn it is: `patched` of them, evenly spread."""
    patched = min(patched, count)
    if found.patches is None:
        found.patches = LevelPatches(patched, batch.shape[1:], seed=seed, side=role)
    numbers = np.arange(found.count, found.count + len(batch))
    turn = (numbers + 1) * patched // count > numbers * patched // count
    if turn.any():
        found.patches.update(batch[turn])


def _compare_pairs(found: Gathered, batch, leftover):
    """Compares images 2i and 2i + 1 of the side; returns the one that still waits."""
    if leftover is not None:
        batch = np.concatenate([leftover, batch])
    room = MOST_PAIRS - found.pairs
    count = min(len(batch) // 2, room)
    if count:
        scores = pair_scores(batch[0 : 2 * count : 2], batch[1 : 2 * count : 2])
        found.similarity += float(scores.sum())
        found.pairs += count
    return batch[-1:] if len(batch) % 2 else None


class StatisticsCache:
    """Keeps what was extracted from real images, under the hash of pixels and extractor.

    The pixels are hashed anew each time, so that changed data never meets old statistics.

    Args:
        folder: Where; made when first written to.
    """

    def __init__(self, folder: pathlib.Path) -> None:
        self.folder = pathlib.Path(folder)

    def gather(
        self, side: RealImages, needs: set[str], extractor: Extractor, **options
    ) -> Gathered:
        """Does as `gather` for `needs` among the extracted, or reads what it left before."""
        identity = _identity(extractor, side.count)
        kept = sorted(self.folder.glob(f"{_short_hash(identity)}-*.npz"))
        if kept:
            digest, shape = images_sha256(side, options.get("batch_size", 64))
            found = self._read(self._place(identity, digest), identity, digest, needs)
            if found is not None:
                found.shape = shape
                options.get("advance", lambda count: None)(side.count)
                return found
        found = gather(side, needs, extractor, **options)
        place = self._place(identity, found.sha256)
        try:
            self._write(place, identity, self._joined(found, place, identity))
        except OSError as error:
            warnings.warn(
                f"{self.folder} cannot be written ({error.strerror or error}), so that the real "
                "images' statistics are not kept. Set GANZOO_HOME to another folder.",
                stacklevel=2,
            )
        return found

    def _place(self, identity: dict, digest: str) -> pathlib.Path:
        return self.folder / f"{_short_hash(identity)}-{digest[:32]}.npz"

    def _joined(self, found: Gathered, place, identity) -> Gathered:
        """Adds to what was found now the other statistics that a file holds already."""
        kept = self._read(place, identity, found.sha256, None) or Gathered()
        given = {name: getattr(found, name) or getattr(kept, name) for name in EXTRACTED}
        return dataclasses.replace(found, **given)

    def _read(self, place, identity, digest, needs) -> Gathered | None:
        """Reads statistics that are whole, of these very images, and enough for `needs`.

        Where that is None, all there are.
        """
        if not place.is_file():
            return None
        try:
            with open(place, "rb") as file, np.load(file, allow_pickle=False) as arrays:
                head = json.loads(str(arrays["identity"]))
                held = set(arrays["needs"].tolist())
                needs = held if needs is None else needs
                if head != identity | {"images": digest} or not needs <= held:
                    return None
                return _unpacked(arrays, needs, digest)
        except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile):
            return None

    def _write(self, place, identity, found: Gathered) -> None:
        arrays: Any = _packed(found) | {
            "identity": np.array(json.dumps(identity | {"images": found.sha256}))
        }
        self.folder.mkdir(parents=True, exist_ok=True)
        aside = place.with_name(f"{place.name}.{os.getpid()}.part")
        try:
            with open(aside, "wb") as file:
                np.savez(file, **arrays)
            os.replace(aside, place)
        finally:
            aside.unlink(missing_ok=True)


def _identity(extractor: Extractor, count: int) -> dict[str, Any]:
    """What, beside the pixels, decides the statistics."""
    return {
        "format": CACHE_FORMAT,
        "extractor": extractor.name,
        "sha256": extractor.sha256,
        "resizer": extractor.resizer,
        "pixel_range": [extractor.low, extractor.high],
        "count": count,
    }


def _short_hash(identity: dict[str, Any]) -> str:
    return hashlib.sha256(json.dumps(identity, sort_keys=True).encode()).hexdigest()[:16]


def _packed(found: Gathered) -> dict[str, np.ndarray]:
    arrays: dict[str, Any] = {}
    needs = []
    if found.moments is not None:
        arrays |= {"mean": found.moments.mean, "scatter": found.moments.scatter}
        needs.append("moments")
    for name in ("features", "logits"):
        store = getattr(found, name)
        if store is not None and store.rows.nbytes <= MOST_CACHED_BYTES:
            arrays[name] = store.rows
            needs.append(name)
    return arrays | {"count": np.array(found.count), "needs": np.array(needs, dtype=str)}


def _unpacked(arrays, needs: set[str], digest: str) -> Gathered:
    found = Gathered(count=int(arrays["count"]), sha256=digest, cached=True)
    if "moments" in needs:
        found.moments = Moments(len(arrays["mean"]))
        found.moments.count = found.count
        found.moments.mean, found.moments.scatter = arrays["mean"], arrays["scatter"]
    for name in ("features", "logits"):
        if name in needs:
            rows = arrays[name]
            store = RowStore(*rows.shape)
            store.append(rows)
            setattr(found, name, store)
    return found
