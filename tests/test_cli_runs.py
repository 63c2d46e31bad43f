"""Runs that something stops: a damaged picture, Ctrl-C, a full disk."""

import os
import pathlib
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
from PIL import Image

import ganzoo
from ganzoo.training.checkpoints import list_checkpoints, step_of

TINY_DCGAN = [
    *("--set", "model.image_size=16", "--set", "data.image_size=16"),
    *("--set", "model.base_filters=2", "--set", "model.latent_dim=4"),
    *("--set", "training.batch_size=16"),
]
BAD = 77


@pytest.fixture
def pictures(tmp_path):
    """A folder of 100 JPEGs, one of which, in their middle, is cut short."""
    folder = tmp_path / "pictures"
    folder.mkdir()
    random = np.random.default_rng(0)
    for number in range(100):
        pixels = random.integers(0, 256, (16, 16), "uint8")
        Image.fromarray(pixels).save(folder / f"{number:03}.jpg")
    bad = folder / f"{BAD:03}.jpg"
    bad.write_bytes(bad.read_bytes()[:-200])
    return folder


def test_a_truncated_picture_is_named_and_can_be_left_out(run, fails, pictures, tmp_path):
    command = ["train", "dcgan_mnist", "--data", pictures, "--out", tmp_path / "run"]
    command += [*TINY_DCGAN, "--steps", 7]
    message = fails(*command)
    assert message.startswith(f"'{pictures / '077.jpg'}' is damaged: ")
    assert message.endswith("or pass skip_bad=True (--skip-bad) to leave such files out.")
    # What the failed run left is in nobody's way.
    with pytest.warns(UserWarning, match="077.jpg' is damaged") as caught:
        status, _, _ = run(*command, "--skip-bad")
    assert "1 in all" in str(caught[0].message)
    assert status == 0
    assert ganzoo.load(tmp_path / "run").preset.data["skip_bad"] is True


def test_a_run_on_a_folder_whose_name_is_not_utf_8_ends_and_goes_on(run, tmp_path):
    place = pathlib.Path(os.fsdecode(os.fsencode(tmp_path) + b"/caf\xe9"))
    try:
        place.mkdir()
    except OSError:
        pytest.skip("a file system of UTF-8 names")
    for number in range(16):
        Image.fromarray(np.full((16, 16), number, "uint8")).save(place / f"{number}.png")
    command = ["train", "dcgan_mnist", "--data", place, "--out", tmp_path / "run", *TINY_DCGAN]
    for steps in (1, 2):
        assert run(*command, "--steps", steps)[0] == 0
    assert ganzoo.load(tmp_path / "run").preset.data["source"] == str(place)


def test_ctrl_c_saves_and_says_how_to_go_on(tmp_path):
    out = tmp_path / "a run"
    command = [sys.executable, "-m", "ganzoo", "train", "gan_ring", "--out", str(out)]
    command += ["--set", "model.generator_units=[8, 8]", "--set", "training.batch_size=8"]
    command += ["--set", "training.checkpoint_every=100000"]
    process = subprocess.Popen(
        [*command, "--steps", "1000000"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ | {"CUDA_VISIBLE_DEVICES": ""},
    )
    deadline = time.monotonic() + 240
    log = out / "metrics.jsonl"
    while not (log.is_file() and log.stat().st_size) and time.monotonic() < deadline:
        assert process.poll() is None, process.communicate()[1]
        time.sleep(0.1)
    process.send_signal(signal.SIGINT)
    printed, errors = process.communicate(timeout=240)
    assert (process.returncode, printed) == (130, "")
    last = errors.strip().splitlines()[-1]
    (saved,) = [step_of(path) for path in list_checkpoints(out / "checkpoints")]
    assert last == (
        f"error: Stopped by SIGINT at step {saved}; everything up to it is saved. Go on with the "
        f"same command; the run is in '{out}'."
    )
    assert "Traceback" not in errors
    assert ganzoo.load(out).generate(3, seed=0).shape == (3, 2)
    done = subprocess.run([*command, "--steps", str(saved + 5)], capture_output=True, timeout=240)
    assert done.returncode == 0, done.stderr
    steps = [step_of(path) for path in list_checkpoints(out / "checkpoints")]
    assert steps == [saved, saved + 5]


@pytest.fixture
def tiny_disk(tmp_path):
    """A disk of 400 kB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=400k", "tmpfs", str(folder)]
    try:
        done = subprocess.run(mount, capture_output=True, check=False)
    except OSError:
        done = None
    if done is None or done.returncode:
        pytest.skip("no disk can be mounted here")
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True)


@pytest.mark.parametrize("filters", [16, 2])
def test_a_full_disk_ends_a_run_in_one_sentence(run, tiny_disk, pictures, filters):
    (pictures / f"{BAD:03}.jpg").unlink()
    command = ["train", "dcgan_mnist", "--data", pictures, "--out", tiny_disk / "run"]
    command += [*TINY_DCGAN, "--steps", 100_000, "--set", f"model.base_filters={filters}"]
    command += ["--set", "training.checkpoint_every=1", "--set", "training.sample_every=1"]
    status, _, errors = run(*command, "--keep", 100_000)
    *_, message = errors.splitlines()  # a model of so few steps is warned of before
    assert status == 2
    assert message.startswith("error: ")
    assert "the disk is full. Free some space" in message or "No space left" in message
    names = [path.name for path in (tiny_disk / "run").rglob("*")]
    assert not [name for name in names if name.endswith((".partial", ".old"))]
