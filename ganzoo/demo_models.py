"""What the demo page asks of models, and the checks of what strangers send it."""

import pathlib
import threading

import numpy as np

from ganzoo import zoo
from ganzoo.errors import DataError, GanzooError
from ganzoo.explore.drawing import enlarge, to_rgb
from ganzoo.explore.interpolation import between, geometry_of, images_of, latents_of
from ganzoo.pictures import make_grid, write_gif
from ganzoo.randomness import seed_key

MAX_PIXELS = 4 * 2**20
SUFFIXES = (".png", ".jpg", ".jpeg", ".webp", ".bmp", ".gif")
_NO_TRUNCATION = 3.0  # of a slider's end: 99.7 % of Gaussian values lie within
_MOST_IMAGES = 64
_MOST_GRID_PIXELS = 16 * 2**20
_POINTS = 2000
_FILM_FRAMES = 24


class Showroom:
    """The models of a page, and what it asks of them; one request at a time, but for downloads.

    Args:
        names: Presets, model folders or run folders.
        max_pixels: Largest picture that is translated.
    """

    def __init__(self, names, max_pixels=MAX_PIXELS):
        self.names = list(names)
        self.max_pixels = max_pixels
        self._lock = threading.Lock()
        self._loaded = {}

    def model(self, name):
        """Loads a model, or gives the one last loaded by this name.

        Raises:
            GanzooError: The page does not show it, or it cannot be loaded.
        """
        if name not in self.names:
            raise GanzooError(f"This page does not show {name!r}. Choose a model from its list.")
        with self._lock:
            if name in self._loaded:
                return self._loaded[name]
        # Without the lock: nobody waits for a download but those who chose its model.
        preset, folder = zoo.find(name)
        if not folder:
            zoo.fetch_trained(preset)
        with self._lock:
            if name not in self._loaded:
                # One at a time: large ones fill memory.
                self._loaded = {name: zoo.load(name, offline=True)}
            return self._loaded[name]

    def generate(self, name, count, seed, truncation=None):
        """Generates a grid, uint8 `(h, w, 3)`; points become one scatter plot."""
        model = self.model(name)
        seed, count = whole(seed, "seed"), whole(count, "count")
        height, width = (*model.image_shape, 1)[:2]
        most = min(_MOST_IMAGES, _MOST_GRID_PIXELS // (height * width))
        if not 1 <= count <= most:
            raise GanzooError(
                f"The page draws 1 to {most} images of this model, and not {count}. For more use: "
                "ganzoo generate"
            )
        with self._lock:
            images = model.generate(
                count if len(model.image_shape) == 3 else _POINTS,
                seed=seed,
                truncation=_truncation_for(model, truncation),
            )
        return to_rgb(make_grid(enlarge(images) if images.ndim == 4 else images))

    def walk(self, name, first_seed, second_seed, positions, truncation=None):
        """Generates images on the way from one seed's image to another's.

        Args:
            name: Of the model.
            first_seed: Where the way begins, at position 0.
            second_seed: Where it ends, at position 1.
            positions: Numbers in [0, 1].
            truncation: As in `generate`.

        Returns:
            uint8 `(len(positions), h, w, 3)`.
        """
        model = latents_of(self.model(name))
        truncation = _truncation_for(model, truncation)
        seeds = (whole(first_seed, "first seed"), whole(second_seed, "second seed"))
        with self._lock:
            start, end = (
                model.draw_latents(1, seed_key(seed), truncation)[0].numpy() for seed in seeds
            )
            latents = between(start, end, np.asarray(positions), **geometry_of(model))
            images = images_of(model, latents)
        if images.ndim == 2:
            return np.stack([to_rgb(make_grid(image[None])) for image in images])
        return np.stack([to_rgb(image) for image in enlarge(images, 256)])

    def film(self, name, first_seed, second_seed, folder, truncation=None):
        """Writes the way there and back as a GIF in a folder; gives its path."""
        there = np.linspace(0, 1, _FILM_FRAMES)
        images = self.walk(name, first_seed, second_seed, there, truncation)
        path = pathlib.Path(folder) / f"walk-{int(first_seed)}-{int(second_seed)}.gif"
        write_gif(path, [*images, *images[-2:0:-1]], seconds_a_frame=0.08)
        return str(path)

    def translate(self, name, path, direction):
        """Translates an uploaded picture; gives it, its translation and the way back, or None.

        Raises:
            DataError: It is no picture, or has too many pixels.
            GanzooError: The direction is not trained.
        """
        if not path:
            raise DataError("There is no picture yet. Upload one, or drag it here.")
        model = self.model(name)
        picture = open_upload(path, model.channels, self.max_pixels)
        with self._lock:
            translated = model.translate(picture, direction)
            back = None
            if direction[::-1] in model.directions:
                back = to_rgb(model.translate(translated, direction[::-1]))
        return to_rgb(picture), to_rgb(translated), back


def open_upload(path, channels, max_pixels=MAX_PIXELS):
    """Reads a picture that a stranger sent, uint8 `(h, w, channels)`.

    Its size is read off its head, before anything is decoded.

    Raises:
        DataError: It is no picture, or has too many pixels.
    """
    from PIL import Image

    from ganzoo.data.decoding import FORMATS, read_image

    try:
        with Image.open(path, formats=FORMATS) as picture:
            width, height = picture.size
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise DataError(
            "This file is no picture that can be read. Choose a PNG, JPEG, WebP, BMP or GIF."
        ) from error
    if width * height > max_pixels:
        raise DataError(
            f"This picture has {width}×{height} pixels, and up to {max_pixels / 1e6:.1f} "
            "million are taken here. Reduce it, or use: ganzoo translate"
        )
    try:
        return read_image(path, channels)
    except DataError as error:
        raise DataError("This picture is damaged. Save it again, or choose another.") from error


def whole(value, name):
    """Reads a number of the page as an int in the range of seeds.

    Raises:
        GanzooError: The field is empty, or the number is out of range.
    """
    if value is None or not -(2**31) <= value < 2**31:
        raise GanzooError(f"The {name} is {value}. Give a whole number below 2,147,483,648.")
    return int(value)


def _truncation_for(model, truncation):
    off = truncation is None or truncation >= _NO_TRUNCATION
    return None if off or model.latent_distribution != "normal" else truncation
