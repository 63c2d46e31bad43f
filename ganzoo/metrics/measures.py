"""The metrics by name: what each needs from the two sides, and how it is computed."""

import dataclasses
import inspect
import itertools
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np

from ganzoo.checks import check_seed, is_number, is_whole
from ganzoo.errors import GanzooError, nearest
from ganzoo.metrics.extractors import Extractor
from ganzoo.metrics.frechet import frechet_distance
from ganzoo.metrics.gathering import MOST_PATCHED, Gathered
from ganzoo.metrics.inception_score import inception_score
from ganzoo.metrics.kernel import kernel_distance
from ganzoo.metrics.manifold import DensityCoverage, PrecisionRecall, manifold_scores
from ganzoo.metrics.modes import count_modes
from ganzoo.metrics.neighbours import duplicate_rate
from ganzoo.metrics.parzen import parzen_log_likelihood
from ganzoo.metrics.path import path_length, squared_feature_distance
from ganzoo.metrics.sides import (
    GeneratedImages,
    RealImages,
    Side,
    images_sha256,
    strategy_of,
)
from ganzoo.metrics.wasserstein import distances_of_levels

# Names under which the field knows a measure, on the network that defines it and no other.
STANDARD_NAMES = {"frechet": "fid", "kernel": "kid", "class_score": "inception_score"}


@dataclasses.dataclass
class Context:
    """What a measure may look at: the two sides, what was gathered from them, the options."""

    real: Gathered
    fake: Gathered
    real_side: RealImages
    fake_side: Side
    options: Any  # the Scoring: seed, batch_size, extractor, valid, advance

    def progress(self, what: str, total: int) -> Callable[[int], Any]:
        """Makes the function that is told how many more images arithmetic is done with."""
        return lambda done: self.options.advance(what, done, total)


@dataclasses.dataclass(frozen=True)
class Measure:
    """One entry of the table.

    Attributes:
        compute: Maps a context and settings to values: a dict of names to numbers, or to dicts
            with `value` and what else belongs to it.
        real: What `gather` has to leave of the real side.
        fake: The same for the samples.
        extracted: Whether its names carry the extractor's.
        noise_only: Whether it needs a model that starts from noise.
    """

    compute: Callable[..., dict[str, Any]]
    real: frozenset[str] = frozenset()
    fake: frozenset[str] = frozenset()
    extracted: bool = True
    noise_only: bool = False

    def settings(self, given: dict[str, Any], name: str) -> dict[str, Any]:
        """All settings with their values: the defaults, and what is given over them."""
        parameters = list(inspect.signature(self.compute).parameters.values())[1:]
        known = {parameter.name: parameter.default for parameter in parameters}
        unknown = [key for key in given if key not in known]
        if unknown:
            raise GanzooError(
                f"The metric {name!r} has no setting {unknown[0]!r}."
                f"{nearest(unknown[0], known)} "
                + (f"Choose among {', '.join(known)}." if known else "It has none: leave it out.")
            )
        for key, value in given.items():
            _check_setting(name, key, value, known[key])
        return known | given


def _check_setting(metric: str, key: str, value: Any, default: Any) -> None:
    """Refuses a value of another kind than the default; counts begin at 1."""
    if key.endswith("seed"):
        if value is not None:
            check_seed(f"{metric}.{key}", value)
        return
    if isinstance(default, str):
        fits, wanted = isinstance(value, str), "text"
    elif isinstance(default, int):
        fits = is_whole(value) and value >= 1
        wanted = "a whole number from 1 up"
    else:
        fits = (value is None and default is None) or (is_number(value) and value >= 0)
        wanted = "a number from 0 up"
    if not fits:
        raise GanzooError(f"{metric}.{key} is {value!r:.60}. It has to be {wanted}.")


def _frechet(context: Context) -> dict[str, Any]:
    return {"frechet": frechet_distance(context.real.moments, context.fake.moments)}


def _kernel(context: Context, subsets: int = 100, subset_size: int = 1000) -> dict[str, Any]:
    real, fake = _features(context)
    size = min(subset_size, len(real), len(fake))
    mean, std = kernel_distance(real, fake, subsets, size, seed=context.options.seed)
    return {"kernel": {"value": mean, "subset_std": std, "subset_size": size}}


def _class_score(
    context: Context, splits: int = 10, shuffle_seed: int | None = None
) -> dict[str, Any]:
    mean, std = inception_score(context.fake.logits.rows, splits, shuffle_seed)
    return {"class_score": {"value": mean, "split_std": std}}


def _precision_recall(context: Context, k: int = 3) -> dict[str, Any]:
    return _manifold(context, k, "precision and recall")[0]._asdict()


def _density_coverage(context: Context, k: int = 5) -> dict[str, Any]:
    return _manifold(context, k, "density and coverage")[1]._asdict()


def _manifold(context: Context, k: int, what: str) -> tuple[PrecisionRecall, DensityCoverage]:
    real, fake = _features(context)
    # The distances among the real images, among the samples, and between the two.
    total = 2 * len(real) + len(fake)
    return manifold_scores(real, fake, k, context.progress(what, total))


def _duplicates(context: Context, threshold: float | None = None) -> dict[str, Any]:
    real, fake = _features(context)
    # Neighbours draw closer as rows are added: compare equally many. Files, and what is made of
    # them, may be in the order of their classes, so that the first of them are no fair part.
    count = min(len(real), len(fake))
    real, fake = (
        side if len(side) == count else side[np.arange(count) * len(side) // count]
        for side in (real, fake)
    )
    advance = context.progress("duplicates", count if threshold is not None else 2 * count)
    rate = duplicate_rate(fake, real, threshold, advance)
    return {"duplicate_rate": rate}


def _features(context: Context) -> tuple[np.ndarray, np.ndarray]:
    return context.real.features.rows, context.fake.features.rows


def _sliced_wasserstein(
    context: Context, repeats: int = 4, directions: int = 128, images: int = MOST_PATCHED
) -> dict[str, Any]:
    """Compares the patches that `gather` cut, of at most `images` of either side."""
    real, fake = context.real.patches, context.fake.patches
    levels = distances_of_levels(
        real, fake, repeats=repeats, directions=directions, seed=context.options.seed
    )
    images_each = real.stores[0].count // real.patches_per_image
    value = levels.pop("average")
    return {"swd_x1000": {"value": value, "levels": levels, "images_each": images_each}}


def _multi_scale_ssim(context: Context) -> dict[str, Any]:
    pairs = context.fake.pairs
    if not pairs:
        raise GanzooError("MS-SSIM compares pairs of samples. Ask for at least 2 of them.")
    return {"ms_ssim": {"value": context.fake.similarity / pairs, "pairs": pairs}}


def _modes(context: Context, share: float = 0.01) -> dict[str, Any]:
    from ganzoo.data.samples import POINT_SETS

    points = POINT_SETS.get(context.real_side.name)
    if points is None:
        raise GanzooError(
            f"The modes of {context.real_side.name!r} are not known. Count modes on one of "
            f"{', '.join(POINT_SETS)}."
        )
    rows = context.fake.points.rows
    hit, modes, good = count_modes(rows, points.centers, points.sigma, share)
    return {"modes_hit": {"value": hit, "modes": modes}, "good_points": good}


def _parzen(context: Context, samples: int = 10_000, valid_limit: int = 1000) -> dict[str, Any]:
    if context.options.valid is None or not isinstance(context.fake_side, GeneratedImages):
        raise GanzooError(
            "A Parzen likelihood needs a model that starts from noise, and validation images to "
            "choose σ on. Name their source with valid (--valid SOURCE), apart from the test "
            "images."
        )
    source = context.fake_side
    side = GeneratedImages(source.model, samples, source.seed, source.truncation)
    size, valid = context.options.batch_size, context.options.valid
    pixels = _joined((batch + 1) / 2 for batch in side.floats(size))
    total = min(valid_limit, valid.count) + context.real_side.count
    likelihood = parzen_log_likelihood(
        np.clip(pixels, 0, 1),
        _joined(batch / 255 for batch in valid.batches(size)),
        _joined(batch / 255 for batch in context.real_side.batches(size)),
        valid_limit=valid_limit,
        advance=context.progress("parzen", total),
    )
    extra = {"standard_error": likelihood.standard_error, "sigma": likelihood.sigma}
    digest, shape = images_sha256(context.real_side, size)
    sides = {
        "real": context.real_side.stamp() | {"shape": list(shape), "sha256": digest},
        "fake": side.stamp(),
        "valid": valid.stamp(),
    }
    return {"parzen": {"value": likelihood.mean} | extra | sides}


def _joined(batches: Iterable[np.ndarray]) -> np.ndarray:
    return np.concatenate(list(batches))


def _path_length(
    context: Context, pairs: int = 10_000, epsilon: float = 1e-4, sampling: str = "full"
) -> dict[str, Any]:
    from ganzoo.metrics.running import on_all_replicas

    side: Any = context.fake_side
    extract: Any = context.options.extractor
    run = on_all_replicas(lambda z: side.model(z, training=False), strategy_of(side.model))
    value = path_length(
        lambda latents: (np.asarray(run(latents), np.float32) + 1) * np.float32(127.5),
        squared_feature_distance(lambda images: extract(images)["features"]),
        side.model.latent_dim,
        classes=getattr(side.model, "classes", 0),
        count=pairs,
        epsilon=epsilon,
        sampling=sampling,
        batch_size=context.options.batch_size,
        seed=side.seed,
        advance=context.progress("pairs of path_length", pairs),
    )
    stamp = side.stamp() | {"images": 2 * pairs, "truncation": None}
    return {"path_length": {"value": value, "fake": stamp}}


_FEATURES = frozenset({"features"})
_PATCHES = frozenset({"patches"})
MEASURES = {
    "fid": Measure(_frechet, frozenset({"moments"}), frozenset({"moments"})),
    "kid": Measure(_kernel, _FEATURES, _FEATURES),
    "inception_score": Measure(_class_score, fake=frozenset({"logits"})),
    "precision_recall": Measure(_precision_recall, _FEATURES, _FEATURES),
    "density_coverage": Measure(_density_coverage, _FEATURES, _FEATURES),
    "duplicates": Measure(_duplicates, _FEATURES, _FEATURES),
    "path_length": Measure(_path_length, noise_only=True),
    "swd": Measure(_sliced_wasserstein, _PATCHES, _PATCHES, extracted=False),
    "ms_ssim": Measure(_multi_scale_ssim, fake=frozenset({"pairs"}), extracted=False),
    "modes": Measure(_modes, fake=frozenset({"points"}), extracted=False, noise_only=True),
    "parzen": Measure(_parzen, extracted=False, noise_only=True),
}
ALIASES = {"frechet": "fid", "kernel": "kid", "is": "inception_score", "sliced_wasserstein": "swd"}


def chosen_measures(names: Iterable[str], also: Iterable[str] = ()) -> list[str]:
    """Resolves the names that a user gives, in order and each once.

    Raises:
        GanzooError: A name is unknown, or there is none.
    """
    names = [names] if isinstance(names, str) else list(names)
    known = [*MEASURES, *also]
    resolved = []
    parts = itertools.chain.from_iterable(str(name).split(",") for name in names)
    for name in filter(None, (part.strip().lower() for part in parts)):
        name = ALIASES.get(name, name)
        if name not in known:
            raise GanzooError(
                f"There is no metric {name!r}. Choose among {', '.join(known)}."
                + nearest(name, [*known, *ALIASES])
            )
        if name not in resolved:
            resolved.append(name)
    if not resolved:
        raise GanzooError(f"No metric is named. Choose among {', '.join(known)}.")
    return resolved


def score_name(base: str, measure: Measure, extractor: Extractor | None) -> str:
    """Names a score: "fid" on the standard network, "frechet_lenet_mnist" on another."""
    if not measure.extracted or extractor is None:
        return base
    return STANDARD_NAMES.get(base, base) if extractor.standard else f"{base}_{extractor.name}"
