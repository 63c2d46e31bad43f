"""Folders of pictures, translated file by file, in Python and on the command line."""

import io
import shutil

import keras
import numpy as np
import pytest
from PIL import Image

import ganzoo
from ganzoo.errors import DataError, GanzooError
from ganzoo.translating import translate_files

TINY = {"model.base_filters": 2, "model.residual_blocks": 1}


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    """The folder of a tiny CycleGAN, whose weights are large enough to change pictures."""
    keras.utils.set_random_seed(0)
    model = ganzoo.load("cyclegan_horse2zebra", weights=False, **TINY)
    for weight in model.generator_ab.trainable_variables:
        weight.assign(8 * weight)
    return write_model(model, tmp_path_factory.mktemp("models") / "zebra")


def write_model(model, folder):
    ganzoo.save(model, folder, notes="Trained on nothing.")
    return folder


@pytest.fixture(scope="module")
def model(saved):
    return ganzoo.load(saved)


@pytest.fixture
def photos(tmp_path):
    """Pictures of several kinds, two of them in a folder further below."""
    folder = tmp_path / "photos"
    (folder / "herd" / "old").mkdir(parents=True)
    random = np.random.default_rng(0)
    for number, name in enumerate(("a.png", "b.TIF", "herd/c.ppm", "herd/old/d.bmp")):
        pixels = random.integers(0, 256, (24, 20 + 4 * number, 3), "uint8")
        Image.fromarray(pixels).save(folder / name)
    Image.fromarray(random.integers(0, 256, (16, 16), "uint8")).save(folder / "herd" / "e.jpg")
    frames = [Image.fromarray(np.full((16, 12, 3), shade, "uint8")) for shade in (40, 200)]
    frames[0].save(folder / "f.gif", save_all=True, append_images=frames[1:])
    return folder


WRITTEN = {
    "a.png": "a.png",
    "b.TIF": "b.png",
    "f.gif": "f.png",
    "herd/c.ppm": "herd/c.png",
    "herd/e.jpg": "herd/e.jpg",
    "herd/old/d.bmp": "herd/old/d.bmp",
}


def names(folder):
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*.*"))


def pixels(path):
    with Image.open(path) as picture:
        return np.asarray(picture)


def test_a_folder_keeps_its_names_and_gets_what_translate_makes(model, photos, tmp_path):
    done = list(translate_files(model, photos, tmp_path / "out"))
    assert [path.relative_to(tmp_path / "out").as_posix() for path, _ in done] == [
        *WRITTEN.values()
    ]
    assert {count for _, count in done} == {6}
    assert names(tmp_path / "out") == sorted(WRITTEN.values())
    for original, written in WRITTEN.items():
        expected = model.translate(photos / original)
        found = pixels(tmp_path / "out" / written)
        assert np.abs(expected.astype(int) - pixels_of(photos / original)).max() > 20, "it changed"
        if written.endswith(".jpg"):
            expected = as_jpeg(expected)
        np.testing.assert_array_equal(found, expected, err_msg=written)


def as_jpeg(image):
    file = io.BytesIO()
    Image.fromarray(image).save(file, "jpeg", quality=95)
    return pixels(file)


def pixels_of(path):
    """The first frame in colour."""
    with Image.open(path) as picture:
        return np.asarray(picture.convert("RGB")).astype(int)


def test_what_is_no_picture_is_named(model, photos, tmp_path):
    for name in ("notes.txt", "herd/list.csv", ".hidden.png"):
        (photos / name).write_text("no picture")
    message = r"Skipped 3 file\(s\) in .*photos that are no pictures: .hidden.png, herd/list.csv, n"
    with pytest.warns(UserWarning, match=message):
        assert len(list(translate_files(model, photos, tmp_path / "out"))) == 6
    for number in range(30):
        (photos / f"{number:02}.txt").write_text("no picture")
    with pytest.warns(UserWarning, match=r"Skipped 33 file.* 18\.txt and 13 more\.$"):
        next(translate_files(model, photos, tmp_path / "out"))


def test_originals_are_never_written_to(model, photos, tmp_path):
    before = names(photos)
    (tmp_path / "link").symlink_to(photos)
    for out in (photos, photos / "herd", photos / "new" / "one", tmp_path / "link"):
        with pytest.raises(GanzooError, match="lies in .*photos, as its pictures do. Name another"):
            list(translate_files(model, photos, out))
    with pytest.raises(GanzooError, match="a.png is the picture itself. Name another file"):
        list(translate_files(model, photos / "a.png", photos / "herd" / ".." / "a.png"))
    assert names(photos) == before
    beside = tmp_path / "photos2"  # begins with the same letters, and lies elsewhere
    assert len(list(translate_files(model, photos, beside))) == 6


def test_a_result_never_takes_the_place_of_an_original(model, tmp_path):
    inner = tmp_path / "nest" / "photos"
    (inner / "photos").mkdir(parents=True)
    for number, path in enumerate((inner / "x.png", inner / "photos" / "x.png")):
        Image.fromarray(np.full((16, 16, 3), 80 * number, "uint8")).save(path)
    with pytest.raises(GanzooError, match="would replace .*nest/photos/x.png, one of the pictures"):
        list(translate_files(model, inner, tmp_path / "nest"))
    assert pixels(inner / "x.png").max() == 0
    links = tmp_path / "links"
    links.mkdir()
    (links / "x.png").symlink_to(inner / "x.png")
    with pytest.raises(GanzooError, match="would replace .*photos/x.png, one of the pictures"):
        list(translate_files(model, links, inner))
    assert pixels(inner / "x.png").max() == 0


def test_links_are_followed_and_those_that_lead_nowhere_are_named(model, photos, tmp_path):
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    shutil.copy(photos / "a.png", elsewhere / "g.png")
    (photos / "herd" / "more").symlink_to(elsewhere)
    (photos / "herd" / "loop").symlink_to(photos)
    (photos / "gone.png").symlink_to(tmp_path / "absent.png")
    message = (
        r"Skipped 2 file\(s\) .*: gone.png \(a link to nothing\), "
        r"herd/loop \(a link to a folder around it\)\.$"
    )
    with pytest.warns(UserWarning, match=message):
        list(translate_files(model, photos, tmp_path / "out"))
    assert names(tmp_path / "out") == sorted([*WRITTEN.values(), "herd/more/g.png"])
    with pytest.raises(GanzooError, match="lies in .*herd/more, as its pictures do"):
        list(translate_files(model, photos, elsewhere / "out"))


def test_links_that_lead_to_each_other_end(model, photos, tmp_path):
    (photos / "one").mkdir()
    (photos / "two").mkdir()
    shutil.copy(photos / "a.png", photos / "two" / "h.png")
    (photos / "one" / "over").symlink_to(photos / "two")
    (photos / "two" / "back").symlink_to(photos / "one")
    message = r"Skipped 2 file\(s\) .*: one/over/back \(a link .* around it\), two/back/over \("
    with pytest.warns(UserWarning, match=message):
        list(translate_files(model, photos, tmp_path / "out"))
    assert names(tmp_path / "out") == sorted([*WRITTEN.values(), "one/over/h.png", "two/h.png"])


def test_a_picture_that_cannot_be_translated_is_named(model, photos, tmp_path):
    Image.fromarray(np.zeros((4, 9, 3), "uint8")).save(photos / "a.png")
    message = r"photos/a\.png' has 4×9 pixels, too few to translate\. Give sides of 8 or more"
    with pytest.raises(DataError, match=message):
        list(translate_files(model, photos, tmp_path / "out"))
    (photos / "a.png").write_text("no picture")
    message = (
        r"photos/a\.png' is not a picture that can be read\. Give another file, or take it out"
    )
    with pytest.raises(DataError, match=message):
        list(translate_files(model, photos, tmp_path / "out"))
    (photos / "a.png").rename(photos / "c.png")
    message = r"Or leave out .*\(--skip-bad\)\. 1 of 6 pictures are in .*out\."
    with pytest.raises(DataError, match=message):
        list(translate_files(model, photos, tmp_path / "out"))
    with pytest.raises(DataError) as caught:
        list(translate_files(model, photos / "c.png", tmp_path / "c.png"))
    assert "skip" not in str(caught.value), "one picture cannot be left out"


def test_pictures_that_cannot_be_translated_may_be_left_out(model, photos, tmp_path):
    (photos / "a.png").write_text("no picture")
    with pytest.warns(UserWarning, match=r"Skipped .*a\.png: .* is not a picture that can be read"):
        done = list(translate_files(model, photos, tmp_path / "out", skip_bad=True))
    assert names(tmp_path / "out") == sorted(set(WRITTEN.values()) - {"a.png"})
    assert len(done) == 5
    (tmp_path / "bad").mkdir()
    (tmp_path / "bad" / "a.png").write_text("no picture")
    with (
        pytest.warns(UserWarning, match=r"Skipped .*a\.png"),
        pytest.raises(DataError, match=r"No picture in .*bad can be translated\. Check what"),
    ):
        list(translate_files(model, tmp_path / "bad", tmp_path / "none", skip_bad=True))


def test_two_pictures_never_become_one(model, photos, tmp_path):
    shutil.copy(photos / "a.png", photos / "f.png")
    with pytest.raises(DataError, match=r"f\.png and .*f\.gif would both become .*Rename one"):
        list(translate_files(model, photos, tmp_path / "out"))
    assert not (tmp_path / "out").exists()


def test_places_that_cannot_be(model, photos, tmp_path):
    (tmp_path / "empty").mkdir()
    for source, out, message in (
        (tmp_path / "empty", tmp_path / "out", "empty holds no pictures"),
        (tmp_path / "absent", tmp_path / "out", "nothing at .*absent. Name a picture or a folder"),
        (photos, saved_file(tmp_path), "is a file. Name a folder for the results"),
        (photos / "a.png", tmp_path / "a.gif", "a.gif is no picture. Name a .png or .jpg"),
    ):
        with pytest.raises(GanzooError, match=message):
            list(translate_files(model, source, out))
    with pytest.raises(GanzooError, match="does not translate; it generates"):
        list(translate_files(object(), photos, tmp_path / "out"))


def saved_file(folder):
    (folder / "file").write_text("a file")
    return folder / "file"


# --- on the command line ----------------------------------------------------------------------


def test_the_command_writes_a_folder(run, saved, model, photos, tmp_path, monkeypatch):
    monkeypatch.setenv("FORCE_COLOR", "1")  # as on a terminal, where progress is shown
    (photos / "notes.txt").write_text("no picture")
    with pytest.warns(UserWarning, match=r"Skipped 1 file\(s\) .*: notes.txt\."):
        status, out, errors = run("translate", saved, photos, "--out", tmp_path / "zebras")
    assert (status, out) == (0, f"Wrote 6 pictures to {tmp_path / 'zebras'}\n")
    assert "Translating" in errors
    assert "Tiles" not in errors
    np.testing.assert_array_equal(
        pixels(tmp_path / "zebras" / "a.png"), model.translate(photos / "a.png")
    )


def test_the_command_shows_how_far_a_large_picture_is(run, saved, tmp_path, monkeypatch):
    monkeypatch.setenv("FORCE_COLOR", "1")
    Image.new("RGB", (400, 280)).save(tmp_path / "large.png")
    status, _, errors = run(
        "translate", saved, tmp_path / "large.png", "--out", tmp_path / "x.png", "--tile", 256
    )
    assert status == 0
    assert "Tiles" in errors


def test_the_command_writes_one_picture(run, saved, model, photos, tmp_path):
    out = tmp_path / "zebra.webp"
    status, told, errors = run(
        "translate", saved, photos / "herd" / "c.ppm", "--out", out, "--direction", "ba"
    )
    assert (status, told) == (0, f"Wrote 1 picture to {out}\n")
    assert "Wrote" not in errors
    assert pixels(out).shape == (24, 28, 3)


def test_the_command_refuses_to_write_among_the_originals(fails, saved, photos):
    message = fails("translate", saved, photos, "--out", photos / "zebras")
    assert message.endswith("photos, as its pictures do. Name another folder.")
