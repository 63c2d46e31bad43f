"""Which metrics, and which options, suit which kind of model."""

import os
from typing import Any

from ganzoo.checks import check_seed, check_trained, check_unused, check_whole, model_name
from ganzoo.errors import DataError, GanzooError
from ganzoo.metrics.measures import MEASURES
from ganzoo.metrics.sides import RealImages, same_images

CYCLE_MEASURES = ("cycle_psnr", "identity_error")
# Draw their own samples, as many as a setting of theirs says.
_OWN_COUNTS = {"path_length": "pairs", "parzen": "samples"}


def check_fits(model: Any, names: list[str]) -> None:
    """Refuses metrics that this kind of model cannot have, and a model that is not trained."""
    if isinstance(model, str | os.PathLike):  # a string has a `translate` of its own
        raise GanzooError(
            f"The model is {str(model)!r}, a name. Load it first: ganzoo.load({str(model)!r})"
        )
    translates = hasattr(model, "translate")
    for name in names:
        if name in CYCLE_MEASURES and not translates:
            raise GanzooError(f"{name!r} is for models that translate. Leave it out.")
        if name in MEASURES and MEASURES[name].noise_only and not hasattr(model, "draw_latents"):
            raise GanzooError(f"{name!r} is for models that start from noise. Leave it out.")
    if translates:
        _check_directions(model, names)
    if hasattr(model, "draw_latents"):
        check_trained(model, model.sampling_name)
    latents = getattr(model, "latent_distribution", "normal")
    if "path_length" in names and latents != "normal":
        raise GanzooError(
            f"'path_length' walks between Gaussian latents, and those of {model_name(model)!r} "
            f"are {latents}. Leave it out."
        )


def _check_directions(model: Any, names: list[str]) -> None:
    """Refuses a way back that is not trained, and a model that has no way at all."""
    if not model.directions:
        raise GanzooError(
            f"No generator of {model_name(model)!r} is trained. Train it, or load weights that "
            "hold one."
        )
    if "cycle_psnr" in names and len(model.directions) < 2:
        raise GanzooError(
            f"'cycle_psnr' goes there and back, and {model_name(model)!r} is trained in the "
            f"direction {model.directions[0]!r} alone. Leave it out."
        )


def check_draws(
    model: Any,
    names: list[str],
    seed: int,
    repeats: int,
    count: int | None,
    real_count: int | None,
    truncation: float | None,
) -> None:
    """Refuses numbers of samples, and ways to draw them, that model or metrics have no use for."""
    check_counts(names, count, real_count, truncation)
    check_whole("repeats", repeats)
    check_seed("seed", seed)
    check_seed("seed of the last repeat", seed + repeats - 1)
    if count is not None and hasattr(model, "translate"):
        raise GanzooError(
            "A model that translates makes one image of each original. Leave count out; "
            "real_count (--real-count) takes a part of the originals."
        )
    if hasattr(model, "draw_latents"):
        return
    if repeats > 1:
        raise GanzooError("Only samples of noise can be drawn again. Leave repeats at 1.")
    if truncation is not None:
        raise GanzooError("Only latents can be truncated, and these are none. Leave it out.")


def check_counts(
    names: list[str], count: int | None, real_count: int | None, truncation: float | None
) -> None:
    """Refuses what is no number of images, and a number or a truncation that changes nothing."""
    for name, value in {"count": count, "real_count": real_count}.items():
        if value is not None:
            check_whole(name, value)
    if count is not None and _OWN_COUNTS.keys() >= set(names):
        settings = " and ".join(f"{name}.{_OWN_COUNTS[name]}" for name in names)
        raise GanzooError(
            f"count is {count}, and {' and '.join(names)} would not use it. Leave count out, and "
            f"set {settings}."
        )
    if names == ["path_length"]:
        check_unused("'path_length', which walks between whole Gaussians,", truncation=truncation)


def check_options(names: list[str], valid: Any, **extraction: Any) -> None:
    """Refuses options of which none of the metrics makes anything.

    Args:
        names: The metrics.
        valid: Source of validation images, or None.
        extraction: What was said of the extractor, None where nothing was.
    """
    what = f"what is measured ({', '.join(names)})"
    if "parzen" not in names:
        check_unused(what, valid=valid)
    if not any(name in MEASURES and MEASURES[name].extracted for name in names):
        check_unused(what, **extraction)


def check_valid(valid: RealImages, real: RealImages) -> None:
    """Refuses to choose what fits the test images best on these very images."""
    if same_images(valid.stream, real.stream):
        raise DataError(
            f"The validation images and those to score against are both {real.name!r}, so that σ "
            "would be chosen on the test. Give other images as valid (--valid SOURCE)."
        )


def check_apart(side: RealImages, real: RealImages) -> None:
    """Refuses two parts of one source that are too large to share no image."""
    if side.count + real.count > real.total:
        raise DataError(
            f"Both sides come from {real.name!r}, whose {real.total:,} images are too few for "
            f"{real.count:,} and {side.count:,} that share none. Give a real_count and a count "
            f"that add up to {real.total:,} at most."
        )


def check_points(model: Any, real: RealImages, names: list[str]) -> None:
    """Refuses metrics of images for points."""
    streams = (real.stream, getattr(model, "stream", None))
    sources = [source for stream in streams for source in getattr(stream, "sources", ())]
    points = len(getattr(model, "image_shape", ())) == 1
    if not points and not any(getattr(source, "is_points", False) for source in sources):
        return
    for name in names:
        if name != "modes":
            raise GanzooError(
                f"{name!r} compares images, and these are points. Ask for the metric 'modes'."
            )
