"""One picture by its name: what `ganzoo explore WHAT NAME` calls."""

import inspect
import pathlib
from collections.abc import Callable

import numpy as np

from ganzoo.checks import check_choice, model_name
from ganzoo.errors import GanzooError, nearest


def explore(what: str, name: str, out, **options) -> pathlib.Path:
    """Draws one of the pictures of `ganzoo.explore` from names alone, as the command line has them.

    Args:
        what: "game", "interpolate", "activations", "features", "invert", "adversarial",
            "growth", "cycle" or "training".
        name: A preset, model folder or run folder; for "game" a preset of points, and for
            "training" a run folder.
        out: The file, `.png` or `.gif`.
        options: Those that the picture takes, None for its own default; `data` is a source, and
            for "cycle" may be a pair of them:
            game: steps, frames, seed;
            interpolate: count, stations, steps, seed, truncation;
            activations: picture, network, seed, count;
            features: data, count (images on the map), method, queries, neighbours, seed,
                skip_bad;
            invert: picture, data, steps, restarts, seed, skip_bad;
            adversarial: data, count, method, classifier, seed, skip_bad;
            growth: count, seed, truncation;
            cycle: data, picture, count, direction, seed, skip_bad;
            training: frames, names.

    Returns:
        The path of the file.

    Raises:
        GanzooError: There is no such picture, it does not take an option, or the model is of
            another kind.
    """
    check_choice(f"There is nothing to explore by the name {what!r}", what, PICTURES)
    out = pathlib.Path(out)
    if out.suffix.lower() not in (".png", ".gif"):
        raise GanzooError(f"{out} is neither a PNG nor a GIF. Name a .png or .gif file.")
    given = {key: value for key, value in options.items() if value is not None}
    known = options_of(what)
    for key in given:
        if key not in known:
            raise GanzooError(
                f"'explore {what}' takes no {key}.{nearest(key, known)} "
                f"It takes: {', '.join(known)}."
            )
    PICTURES[what](name, out, **given)
    return out


def options_of(what: str) -> list[str]:
    """Names the options that a picture takes."""
    return list(inspect.signature(PICTURES[what]).parameters)[2:]


def _game(name, out, steps=None, frames=40, seed=0):
    from ganzoo.explore.game import draw_game

    draw_game(name, out=out, steps=steps, frames=frames, seed=seed)


def _interpolate(name, out, count=9, stations=None, steps=16, seed=0, truncation=None):
    from ganzoo.explore.interpolation import draw_interpolation

    draw_interpolation(
        _model(name),
        out=out,
        count=count,
        stations=stations,
        steps=steps,
        seed=seed,
        truncation=truncation,
    )


def _activations(name, out, picture=None, network=None, seed=0, count=8):
    from ganzoo.explore.channels import draw_activations

    model = _model(name)
    if picture is not None:
        picture = _picture(model, picture)
    draw_activations(model, out=out, picture=picture, network=network, seed=seed, count=count)


def _features(
    name,
    out,
    data=None,
    count=500,
    method="tsne",
    queries=8,
    neighbours=8,
    seed=0,
    skip_bad=None,
):
    from ganzoo.explore.features import draw_features, featured

    model = featured(_model(name))
    images, labels = _images(model, data, count, seed, skip_bad)
    draw_features(
        model,
        images,
        labels,
        out=out,
        queries=queries,
        count=neighbours,
        method=method,
        seed=seed,
    )


def _invert(name, out, picture=None, data=None, steps=300, restarts=8, seed=0, skip_bad=None):
    from ganzoo.explore.interpolation import latents_of
    from ganzoo.explore.inversion import draw_inversion

    model = latents_of(_model(name))
    _refuse_both(picture, data)
    if picture is not None:
        target = _picture(model, picture)
    else:
        target = _images(model, data, 1, seed, skip_bad)[0][0]
    draw_inversion(model, target, out=out, steps=steps, restarts=restarts, seed=seed)


def _adversarial(
    name, out, data=None, count=5, method=None, classifier=None, seed=0, skip_bad=None
):
    from ganzoo.explore.adversarial import METHODS, draw_adversarial, judge_of
    from ganzoo.explore.classifiers import load_classifier

    model = _model(name)
    if classifier is None:
        judge, names = judge_of(model), ("fake", "real")
    else:
        judge, names = load_classifier(classifier), ()
    images, _ = _images(model, data, count, seed, skip_bad)
    methods = METHODS if method is None else (method,)
    draw_adversarial(judge, images, out=out, methods=methods, names=names)


def _growth(name, out, count=6, seed=0, truncation=None):
    from ganzoo.explore.growth import draw_growth

    draw_growth(_model(name), out=out, count=count, seed=seed, truncation=truncation)


def _cycle(name, out, data=None, picture=None, count=4, direction="ab", seed=0, skip_bad=None):
    from ganzoo.data.decoding import to_uint8
    from ganzoo.explore.cycles import draw_cycle, translator_of

    model = translator_of(_model(name))
    _refuse_both(picture, data)
    if picture is not None:
        pictures = [picture]
    else:
        domain = int(direction == "ba")
        images, _ = _images(model, data, count, seed, skip_bad, domain=domain)
        pictures = list(to_uint8(images).numpy())
    draw_cycle(model, pictures, out=out, direction=direction)


def _training(name, out, frames=None, names=None):
    from ganzoo.explore.films import draw_training

    draw_training(name, out=out, frames=frames, names=names)


PICTURES: dict[str, Callable] = {
    "game": _game,
    "interpolate": _interpolate,
    "activations": _activations,
    "features": _features,
    "invert": _invert,
    "adversarial": _adversarial,
    "growth": _growth,
    "cycle": _cycle,
    "training": _training,
}


def _model(name):
    from ganzoo import zoo

    return zoo.load(name)


def _refuse_both(picture, data):
    if picture is not None and data is not None:
        raise GanzooError(
            f"Both a picture, {picture}, and a source of pictures, {data}, are given. Leave out "
            "--data or --picture."
        )


def _images(model, data, count, seed, skip_bad=None, domain=None):
    """Takes images from a source, by default that of the model's preset, as the preset says.

    Of two sources, or a folder of two domains, those of `domain`, 0 or 1; None refuses two.
    """
    from ganzoo.explore.labelled import take_images

    if domain is None and isinstance(data, tuple | list):
        raise GanzooError(
            f"{model_name(model)!r} has one domain of images, and there are several sources: "
            f"{', '.join(map(str, data))}. Give one (--data SOURCE)."
        )
    if count < 1:
        raise GanzooError(f"Cannot take {count} images. Ask for 1 or more.")
    settings = model.preset.data
    source = settings.get("source") if data is None else data
    shape = _image_shape(model)
    return take_images(
        source,
        count,
        image_size=shape[0],
        channels=shape[-1],
        seed=seed,
        domain=domain,
        resize=settings.get("resize") or "crop",
        skip_bad=bool(settings.get("skip_bad")) if skip_bad is None else skip_bad,
    )


def _picture(model, path):
    """Reads a picture for a model: float32 `(h, w, c)` in [-1, 1], of the size that it takes."""
    from PIL import Image

    from ganzoo.data.decoding import read_image

    height, width, channels = _image_shape(model)
    pixels = read_image(path, channels)
    picture = Image.fromarray(pixels[..., 0] if channels == 1 else pixels)
    side = min(picture.size)
    left, top = (picture.width - side) // 2, (picture.height - side) // 2
    square = (left, top, left + side, top + side)
    resized = picture.resize((width, height), Image.Resampling.LANCZOS, box=square)
    return np.asarray(resized, "float32").reshape(height, width, channels) / 127.5 - 1


def _image_shape(model):
    """Gives the shape of the images that a model makes, or that its preset trains on."""
    shape = getattr(model, "image_shape", None)
    if shape is not None and len(shape) == 3:
        return shape
    if shape is not None:
        raise GanzooError(f"{model_name(model)!r} makes points, not pictures. Use 'explore game'.")
    side = model.preset.data.get("image_size") or 256
    return (side, side, model.channels)
