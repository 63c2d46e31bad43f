"""From two sides and a list of metrics to scores that carry their protocol."""

import dataclasses
import warnings
from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from ganzoo._version import __version__
from ganzoo.errors import GanzooError
from ganzoo.metrics.extractors import Extractor
from ganzoo.metrics.gathering import (
    EXTRACTED,
    MOST_PATCHED,
    Gathered,
    StatisticsCache,
    gather,
)
from ganzoo.metrics.measures import ALIASES, MEASURES, Context, score_name
from ganzoo.metrics.sides import RealImages, Side

# Below so many images a Fréchet distance on 2,048 features rests on singular covariances.
FEW_IMAGES = 2048

Scores = dict[str, dict[str, Any]]


@dataclasses.dataclass
class Scoring:
    """What is to be measured, and how; `score` does it.

    Attributes:
        measures: Names of `MEASURES`.
        settings: For each of them its settings, all values filled in.
        extractor: The network, where a measure needs one.
        cache: Where statistics of real images are kept, or None.
        valid: Validation images, for `parzen`.
        seed: Decides subsets and places of patches.
        batch_size: Images a call.
        advance: Told (what, images done, images in all) after each batch.
        measure_of: For each score that was made, by name, the one of `measures` that it is of.
    """

    measures: list[str]
    settings: dict[str, dict[str, Any]]
    extractor: Extractor | None = None
    cache: StatisticsCache | None = None
    valid: RealImages | None = None
    seed: int = 0
    batch_size: int = 64
    advance: Callable[[str, int, int], Any] = lambda what, done, total: None
    measure_of: dict[str, str] = dataclasses.field(default_factory=dict)

    def score(self, real: RealImages, fakes: list[Side]) -> Scores:
        """Scores samples, drawn once or several times, against real images."""
        self._warn_of_few(real, "real images")
        self._warn_of_few(fakes[0], "samples")
        most = self.settings.get("swd", {}).get("images", MOST_PATCHED)
        patched = min(most, real.count, fakes[0].count)
        found = self._gather_real(real, patched)
        gathered = [
            self._gather(
                fake,
                "fake",
                self._needs("fake"),
                patched,
                "samples" if len(fakes) == 1 else f"samples, draw {number} of {len(fakes)}",
                wanted_shape=found.shape,
            )
            for number, fake in enumerate(fakes, 1)
        ]
        draws = [
            self._measure(Context(found, drawn, real, fake, self))
            for fake, drawn in zip(fakes, gathered, strict=True)
        ]
        sides = {"real": _stamp_of(real, found), "fake": _stamp_of(fakes[0], gathered[0])}
        return {
            name: self._stamped(name, [draw[name] for draw in draws], sides) for name in draws[0]
        }

    def _needs(self, side: str) -> set[str]:
        return set().union(*(getattr(MEASURES[name], side) for name in self.measures))

    def _gather(
        self,
        side: Side,
        role: str,
        needs: set[str],
        patched: int,
        what: str,
        wanted_shape: tuple[int, ...] = (),
    ) -> Gathered:
        if not needs:
            return Gathered(count=side.count)
        options = self._options(side, patched, what)
        return gather(side, needs, self.extractor, role=role, wanted_shape=wanted_shape, **options)

    def _gather_real(self, real: RealImages, patched: int) -> Gathered:
        """Takes what was extracted before from the cache, and the rest from the images."""
        needs = self._needs("real")
        extracted = needs.intersection(EXTRACTED)
        if self.cache is None or self.extractor is None or not extracted:
            return self._gather(real, "real", needs, patched, "real images")
        options = self._options(real, patched, "real images")
        found = self.cache.gather(real, extracted, self.extractor, **options)
        rest = self._gather(real, "real", needs - extracted, patched, "real images")
        found.patches = rest.patches
        return found

    def _options(self, side: Side, patched: int, what: str) -> dict[str, Any]:
        return {
            "batch_size": self.batch_size,
            "patched": patched,
            "seed": self.seed,
            "advance": lambda count: self.advance(what, count, side.count),
        }

    def _measure(self, context: Context) -> dict[str, dict[str, Any]]:
        """Computes every measure on one draw of samples: entries by score name."""
        entries: dict[str, dict[str, Any]] = {}
        for name in self.measures:
            measure = MEASURES[name]
            values = measure.compute(context, **self.settings[name])
            for base, value in values.items():
                entry = dict(value) if isinstance(value, dict) else {"value": value}
                own = {"settings": self.settings[name]} if self.settings[name] else {}
                title = score_name(base, measure, self.extractor)
                self.measure_of[title] = name
                entries[title] = entry | own | {"extracted": measure.extracted}
        return entries

    def _stamped(self, name, entries, sides) -> dict[str, Any]:
        """Joins a score's draws and its protocol."""
        values = [entry["value"] for entry in entries]
        rest = {key: _of_draws(key, entries) for key in entries[0] if key != "extracted"}
        stamp: dict[str, Any] = {"metric": name} | sides | rest
        stamp["value"] = float(np.mean(values))
        stamp["std"] = float(np.std(values)) if len(values) > 1 else None
        stamp["repeats"] = len(values)
        if len(values) > 1:
            stamp["values"] = [float(value) for value in values]
        if entries[0]["extracted"] and self.extractor is not None:
            stamp["extractor"] = {"name": self.extractor.name, "sha256": self.extractor.sha256}
            stamp["resizer"] = self.extractor.resizer
        return stamp | {"seed": self.seed, "precision": PRECISION} | versions()

    def _warn_of_few(self, side: Side, what: str) -> None:
        """Warns where there are too few images for distances of distributions."""
        compared = (MEASURES[name] for name in self.measures)
        if not any(measure.extracted and measure.real for measure in compared):
            return
        if side.count < FEW_IMAGES:
            warnings.warn(
                f"Only {side.count:,} {what}: below {FEW_IMAGES:,} a distance of distributions "
                "is mostly bias. Compare it only with scores on equally many.",
                stacklevel=4,
            )


def _of_draws(key: str, entries: list[dict[str, Any]]) -> Any:
    """What the draws have beside their values: once where it is the same, or a list of each.

    A side is that of the first draw: `seed` and `repeats` tell the others.
    """
    found = [entry[key] for entry in entries]
    same = all(item == found[0] for item in found)
    return found[0] if same or key in ("real", "fake", "valid") else found


def _stamp_of(side: Side, found: Gathered) -> dict[str, Any]:
    """A side's stamp, with its images' shape, and the hash of pixels where those are what it is."""
    hashed = isinstance(side, RealImages) and found.sha256
    shape = {"shape": list(found.shape)} if found.shape else {}
    return side.stamp() | shape | ({"sha256": found.sha256} if hashed else {})


PRECISION = {"network": "float32", "statistics": "float64"}


def versions() -> dict[str, str]:
    """The versions of what computed a score."""
    return {"ganzoo": __version__, "tensorflow": tf.__version__, "keras": keras.__version__}


def resolved_settings(
    names: list[str], given: dict[str, dict[str, Any]]
) -> dict[str, dict[str, Any]]:
    """Fills in the settings of every metric that can have any.

    Args:
        names: The metrics, those of models that translate among them.
        given: Settings by a metric's name, or another name that it has.

    Raises:
        GanzooError: Settings for a metric that is not asked for, or an unknown setting.
    """
    resolved: dict[str, dict[str, Any]] = {name: {} for name in names}
    for alias, settings in given.items():
        name = ALIASES.get(alias.lower(), alias.lower())
        if name not in names:
            raise GanzooError(
                f"There are settings for {alias!r}, which is not among the metrics "
                f"{', '.join(names)}. Ask for it too, or leave its settings out."
            )
        if not isinstance(settings, dict):
            raise GanzooError(
                f"The settings of {alias!r} are {settings!r:.60}. Give a dict of names and values, "
                'such as {"kid": {"subsets": 50}}.'
            )
        if settings and name not in MEASURES:
            raise GanzooError(
                f"The metric {name!r} has no setting {next(iter(settings))!r}. It has none: leave "
                "it out."
            )
        resolved[name] |= settings
    return {
        name: MEASURES[name].settings(settings, name)
        for name, settings in resolved.items()
        if name in MEASURES
    }
