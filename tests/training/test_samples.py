"""The film of a run's pictures: few frames, small ones, and one in memory at a time."""

import numpy as np
import pytest
from PIL import Image

from ganzoo.pictures import write_gif, write_png
from ganzoo.training import samples


def write_samples(folder, count, sides=(6, 4)):
    """Pictures of which every pixel is the picture's number."""
    folder.mkdir()
    for number in range(count):
        shade = np.full((sides[1], sides[0], 1), number, "uint8")
        write_png(folder / samples.sample_name(10 * number), shade)
    return samples.list_samples(folder)


@pytest.mark.parametrize(("count", "frames"), [(1, 1), (2, 2), (100, 100), (101, 100), (250, 100)])
def test_a_film_has_evenly_spaced_frames_with_the_first_and_the_last(count, frames, tmp_path):
    shades = [frame[0, 0, 0] for frame in samples.film_frames(write_samples(tmp_path / "s", count))]
    assert len(shades) == frames
    assert (shades[0], shades[-1]) == (0, count - 1)
    steps = np.diff(np.array(shades, int))
    assert set(steps) <= {count // frames, -(-count // frames)} - {0}


def test_frames_have_the_size_of_the_last_reduced_to_512_pixels(tmp_path):
    paths = write_samples(tmp_path / "s", 2, sides=(600, 1030))
    write_png(paths[0], np.array([[[10], [20]]], "uint8"))
    first, last = samples.film_frames(paths)
    assert first.shape == last.shape == (512, 298, 3)
    assert set(np.unique(first)) == {10, 20}, "enlarged pictures keep their square pixels"
    assert (last == 1).all()
    (whole,) = samples.film_frames(write_samples(tmp_path / "t", 1, sides=(512, 40)))
    assert whole.shape == (40, 512, 3)


def test_a_film_is_written_with_one_picture_open_at_a_time(tmp_path, monkeypatch):
    opened, most = [], []
    open_picture = Image.open

    def counted(path):
        picture = open_picture(path)
        opened.append(picture)
        most.append(sum(item.fp is not None for item in opened))
        return picture

    monkeypatch.setattr(Image, "open", counted)
    write_gif(tmp_path / "film.gif", samples.film_frames(write_samples(tmp_path / "s", 30)))
    assert (len(opened), max(most)) == (31, 1)
    monkeypatch.undo()
    with Image.open(tmp_path / "film.gif") as film:
        assert film.n_frames == 30
