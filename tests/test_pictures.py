"""Grids, scatter plots and films, pixel by pixel."""

import gc

import numpy as np
import pytest
from PIL import Image

from ganzoo import pictures
from ganzoo.errors import GanzooError


def numbered(count, height=2, width=3, channels=1):
    """Images of which every pixel is the image's number."""
    return np.broadcast_to(
        np.arange(count, dtype="uint8")[:, None, None, None], (count, height, width, channels)
    )


def test_a_grid_lays_images_out_row_by_row():
    grid = pictures.make_grid(numbered(5), gap=1)
    assert grid.dtype == np.uint8
    white = 255
    top = [0, 0, 0, white, 1, 1, 1, white, 2, 2, 2]
    bottom = [3, 3, 3, white, 4, 4, 4, white, white, white, white]
    wanted = [top, top, [white] * 11, bottom, bottom]
    np.testing.assert_array_equal(grid[..., 0], wanted)


@pytest.mark.parametrize(
    ("count", "columns", "gap", "shape"),
    [
        (64, None, 2, (8 * 2 + 7 * 2, 8 * 3 + 7 * 2, 3)),
        (1, None, 2, (2, 3, 3)),
        (6, 2, 0, (6, 6, 3)),
        (2, None, 2, (2, 8, 3)),
    ],
)
def test_shapes_of_grids(count, columns, gap, shape):
    assert pictures.make_grid(numbered(count, channels=3), columns=columns, gap=gap).shape == shape


def test_a_grid_of_nothing_is_refused():
    with pytest.raises(GanzooError, match="needs at least one image, got 0. Ask for more"):
        pictures.make_grid(numbered(0))


def test_points_become_a_scatter_plot():
    points = np.array([[1.0, 0.75]] + [[-1.0, -0.5]] * 3 + [[np.nan, 0.0], [9.0, 9.0]], "float32")
    picture = pictures.make_grid(points)
    assert picture.shape == (256, 256, 1)
    rows, columns, _ = np.nonzero(picture < 255)
    # x = 1 lies 5/6 of the way to the right, y = 0.75 lies 1/4 of the way down.
    assert sorted(zip(rows, columns, strict=True)) == [(63, 213), (170, 42)]
    assert picture[170, 42, 0] < picture[63, 213, 0] < 200, "more points are darker"


@pytest.mark.parametrize("channels", [1, 3])
def test_png_files_hold_the_pixels(tmp_path, channels):
    image = np.random.default_rng(0).integers(0, 256, (5, 7, channels), "uint8")
    pictures.write_png(tmp_path / "new" / "image.png", image)
    with Image.open(tmp_path / "new" / "image.png") as picture:
        assert picture.mode == {1: "L", 3: "RGB"}[channels]
        np.testing.assert_array_equal(np.asarray(picture).reshape(image.shape), image)


def test_a_film_holds_its_frames_and_repeats(tmp_path):
    frames = [np.full((4, 6, 1), shade, "uint8") for shade in (0, 100, 200)]
    pictures.write_gif(tmp_path / "film.gif", frames, seconds_a_frame=0.1)
    with Image.open(tmp_path / "film.gif") as film:
        assert (film.n_frames, film.info["loop"], film.info["duration"]) == (3, 0, 100)
        for number, shade in enumerate((0, 100, 200)):
            film.seek(number)
            assert abs(int(np.asarray(film.convert("L"))[0, 0]) - shade) <= 2


def pages_in_memory(size):
    gc.collect()
    pictures = [item for item in gc.get_objects() if isinstance(item, Image.Image)]
    return sum((page.mode, page.size) == ("RGB", size) for page in pictures)


def test_a_film_holds_few_of_its_frames_in_memory(tmp_path):
    living = []

    def frames():
        for shade in range(5):
            living.append(pages_in_memory((7, 5)))
            yield np.full((5, 7, 3), shade, "uint8")

    gc.freeze()  # what other tests have left, TensorFlow's graphs, takes seconds to look through
    try:
        pictures.write_gif(tmp_path / "film.gif", frames())
    finally:
        gc.unfreeze()
    assert 0 < max(living) <= 3
