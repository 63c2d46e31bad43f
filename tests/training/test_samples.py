"""The pictures of a run, whose they are, and the film of them: few frames, one in memory."""

import numpy as np
import pytest
from PIL import Image

from ganzoo import data
from ganzoo.errors import TrainingError
from ganzoo.pictures import write_gif, write_png
from ganzoo.training import Checkpoints, SampleGrids, samples
from tests.models.conformance import build, take_steps, tiny_preset


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


@pytest.fixture
def points(tmp_path):
    """Four batches of points in the plane."""
    np.save(tmp_path / "points.npy", np.random.default_rng(0).normal(size=(16, 2)))
    return data.load(tmp_path / "points.npy", batch_size=4)


def contents(folder):
    return {path.name: path.read_bytes() for path in samples.list_samples(folder / "samples")}


def test_pictures_of_another_run_are_left_alone(points, tmp_path):
    take_steps(build(tiny_preset("gan_ring")), points, callbacks=[SampleGrids(tmp_path, 2)])
    before = contents(tmp_path)
    assert list(before) == [samples.sample_name(step) for step in (0, 2, 4)]
    other = build(tiny_preset("gan_ring"), seed=1)
    message = (
        r"samples holds pictures up to step 4, of another run: this one begins at step 0\. Name "
        r"another folder, or move them away\.$"
    )
    with pytest.raises(TrainingError, match=message):
        take_steps(other, points, callbacks=[SampleGrids(tmp_path, 2)])
    other.step.assign(2)  # trained elsewhere
    with pytest.raises(TrainingError, match="of another run: this one begins at step 2"):
        take_steps(other, points, callbacks=[SampleGrids(tmp_path, 2)])
    other.step.assign(0)
    take_steps(other, points)  # where in the data it stands now is told by no checkpoint
    other.step.assign(1)
    with pytest.raises(TrainingError, match="pictures up to step 4, of another run"):
        take_steps(other, points, callbacks=[SampleGrids(tmp_path, 2)])
    assert contents(tmp_path) == before


def test_a_run_goes_on_where_its_pictures_end(points, tmp_path):
    model = build(tiny_preset("gan_ring"))
    for _ in range(2):
        take_steps(model, points, callbacks=[SampleGrids(tmp_path, 2)])
    assert list(contents(tmp_path)) == [samples.sample_name(step) for step in (0, 2, 4, 6, 8)]


def test_a_restored_run_removes_its_own_later_pictures(points, tmp_path):
    def callbacks():
        return [Checkpoints(tmp_path / "checkpoints", every=3, keep=9), SampleGrids(tmp_path, 1)]

    take_steps(build(tiny_preset("gan_ring")), points, callbacks=callbacks())
    newest = tmp_path / "checkpoints" / "step-00000004"
    newest.rename(tmp_path / "away")
    before = contents(tmp_path)
    for step in (4, 7):  # of a way that the run has gone back from
        (tmp_path / "samples" / samples.sample_name(step)).write_bytes(b"stale")
    take_steps(build(tiny_preset("gan_ring")), points, callbacks=callbacks())
    assert contents(tmp_path) == before


def test_a_run_that_may_replace_its_pictures_begins_anew(points, tmp_path):
    for seed in (0, 1):
        model = build(tiny_preset("gan_ring"), seed=seed)
        grids = SampleGrids(tmp_path, 3 - seed, replace=True)
        take_steps(model, points, callbacks=[grids])
        if seed == 0:
            start = contents(tmp_path)[samples.sample_name(0)]
    found = contents(tmp_path)
    assert list(found) == [samples.sample_name(step) for step in (0, 2, 4)]
    assert found[samples.sample_name(0)] != start
