"""Walks between latents: how smooth a generator's world is (Radford et al. 2016, section 6.1)."""

import numpy as np
import tensorflow as tf

from ganzoo import randomness
from ganzoo.checks import check_trained, check_unused, model_name
from ganzoo.errors import GanzooError
from ganzoo.explore import drawing
from ganzoo.pictures import make_grid, scatter
from ganzoo.sampling import images_at_once, in_parts, to_pixels


def slerp(start, end, share) -> np.ndarray:
    """Goes from one latent towards another along the arc between them.

    Gaussian latents lie near a sphere; the middle of a straight line would lie far inside it,
    where a generator has never been. With ω the angle between start and end it is
    (sin((1 - share) ω) start + sin(share ω) end) / sin ω (Shoemake 1985), and the straight line
    where ω is 0 or π.

    Args:
        start: `(latent_dim,)`.
        end: `(latent_dim,)`.
        share: How far to go, 0 to 1; a number or an array `(n,)`.

    Returns:
        float32 `(latent_dim,)`, or `(n, latent_dim)`.
    """
    start, end = np.asarray(start, "float64"), np.asarray(end, "float64")
    share = np.asarray(share, "float64")[..., None]
    lengths = np.linalg.norm(start) * np.linalg.norm(end)
    cosine = np.clip(start @ end / lengths, -1, 1) if lengths else 1.0
    angle = np.arccos(cosine)
    if np.sin(angle) < 1e-6:
        return ((1 - share) * start + share * end).astype("float32")
    first, second = np.sin((1 - share) * angle), np.sin(share * angle)
    return ((first * start + second * end) / np.sin(angle)).astype("float32")


def between(start, end, share, *, spherical=True, classes=0) -> np.ndarray:
    """Goes from one latent towards another, as suits what they consist of.

    Args:
        start: `(latent_dim,)`.
        end: `(latent_dim,)`.
        share: How far to go, 0 to 1; a number or an array `(n,)`.
        spherical: Along an arc; False for a straight line, which suits uniform latents.
        classes: How many values at the end of a latent are weights of classes. These go in a
            straight line, on which they add up to 1 everywhere.

    Returns:
        float32 `(latent_dim,)`, or `(n, latent_dim)`.
    """
    start, end = np.asarray(start, "float32"), np.asarray(end, "float32")
    line = start + np.asarray(share, "float32")[..., None] * (end - start)
    if not spherical:
        return line
    noise = len(start) - classes
    return np.concatenate([slerp(start[:noise], end[:noise], share), line[..., noise:]], axis=-1)


def geometry_of(model) -> dict[str, int | bool]:
    """Gives what `between` and `walk` have to know of a model's latents."""
    spherical = model.latent_distribution == "normal"
    return {"spherical": spherical, "classes": getattr(model, "classes", 0)}


def walk(latents, steps: int, *, spherical=True, classes=0, loop=True) -> np.ndarray:
    """Visits latents one after the other.

    Args:
        latents: `(stations, latent_dim)`.
        steps: Latents from each station, which is the first of them, towards the next.
        spherical: As in `between`.
        classes: As in `between`.
        loop: Go back to the first station at the end.

    Returns:
        float32 `(n, latent_dim)`; without `loop` it ends with the last station itself.
    """
    latents = np.asarray(latents, "float32")
    if len(latents) < 2:
        raise GanzooError(f"A walk visits 2 stations or more, got {len(latents)}. Ask for more.")
    if steps < 1:
        raise GanzooError(f"A walk cannot take {steps} steps between stations. Ask for 1 or more.")
    shares = np.arange(steps) / steps
    ends = np.roll(latents, -1, axis=0) if loop else latents[1:]
    path = [
        between(start, end, shares, spherical=spherical, classes=classes)
        for start, end in zip(latents, ends, strict=False)
    ]
    return np.concatenate(path if loop else [*path, latents[-1:]])


def interpolate(model, *, stations=5, steps=16, seed=0, loop=True, truncation=None) -> np.ndarray:
    """Generates the images of a walk between random latents.

    Args:
        model: A model that starts from noise.
        stations: Random latents to visit.
        steps: Images from one to the next.
        seed: Same seed, same walk.
        loop: Come back to the first.
        truncation: As in `generate`.

    Returns:
        uint8 `(n, h, w, c)`; for points, float32 `(n, 2)`.
    """
    key = randomness.seed_key(seed)
    latents = latents_of(model).draw_latents(stations, key, truncation).numpy()
    return images_of(model, walk(latents, steps, **geometry_of(model), loop=loop))


def draw_interpolation(
    model, *, out, count=9, stations=None, steps=16, seed=0, truncation=None
) -> np.ndarray:
    """Writes walks as a looping film (`.gif`), several side by side, or as strips (`.png`).

    Args:
        model: A model that starts from noise.
        out: The file.
        count: Walks; in a picture each is a row, from one random latent to another.
        stations: Random latents that each walk of a film visits, 5 by default.
        steps: Images from one latent to the next.
        seed: Same seed, same walks.
        truncation: As in `generate`.

    Returns:
        The images, uint8 `(count, n, h, w, c)`.
    """
    if count < 1:
        raise GanzooError(f"Cannot draw {count} walks. Ask for 1 or more.")
    film = drawing.is_film(out)
    if not film:
        check_unused("a picture, whose walks go from one latent to another,", stations=stations)
    walks = np.stack(
        [
            interpolate(
                model,
                stations=(5 if stations is None else stations) if film else 2,
                steps=steps,
                seed=seed + number,
                loop=film,
                truncation=truncation,
            )
            for number in range(count)
        ]
    )
    if walks.ndim == 3:  # points in the plane
        frames = [scatter(walks[:, index]) for index in range(walks.shape[1])]
    elif film:
        frames = [make_grid(drawing.enlarge(walks[:, index])) for index in range(walks.shape[1])]
    else:
        strips = drawing.enlarge(walks.reshape(-1, *walks.shape[2:]))
        frames = [make_grid(strips, columns=walks.shape[1])]
    drawing.write_picture(out, [drawing.to_rgb(frame) for frame in frames])
    return walks


def images_of(model, latents) -> np.ndarray:
    """Generates the images of given latents `(n, latent_dim)`, uint8 `(n, h, w, c)`."""
    return in_parts(
        lambda part: to_pixels(model(tf.constant(part), training=False)),
        latents,
        images_at_once(model.image_shape),
    )


def latents_of(model):
    """Gives back a model that starts from noise.

    Raises:
        GanzooError: It is of another kind.
        WeightsError: Other networks of the model are trained, and the generator is not.
    """
    if not hasattr(model, "draw_latents"):
        raise GanzooError(
            f"{model_name(model)!r} has no latents to walk among or to search: it translates "
            "pictures. Use a model that starts from noise, such as a DCGAN."
        )
    check_trained(model, model.sampling_name)
    return model
