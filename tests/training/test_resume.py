"""Runs that are killed at any instant end with the same bits as those that are not."""

import random
import signal
import time

import numpy as np
import pytest

from ganzoo.training.checkpoints import list_checkpoints
from ganzoo.training.logs import read_log
from tests.training.runs import (
    BATCH_SIZE,
    command,
    final_state,
    finish,
    kill_at_random,
    run,
    start,
    wait_for_checkpoint,
)

# Small runs of one preset a family: what to set, the data, and the steps of a long one.
RUNS = {
    "gan_ring": ([], None, 300),
    "dcgan_mnist": (["model.base_filters=4", "model.latent_dim=8"], ["mnist5k"], 300),
    "progan_mnist": (
        [
            *("model.image_size=8", "data.image_size=8", "data.resize=crop"),
            *("model.base_filters=4", "model.max_filters=8", "model.latent_dim=8"),
        ],
        ["mnist5k"],
        250,
    ),
    "cyclegan_textures": (
        [
            *("model.base_filters=4", "model.residual_blocks=1", "model.discriminator_filters=4"),
            *("training.pool_size=20", "data.image_size=32"),
        ],
        None,
        150,
    ),
}


def arguments_for(preset, out, share):
    """Gives the command of a small run of a family's preset, of a share of its length."""
    settings, data, steps = RUNS[preset]
    length = ["--steps", str(round(share * steps))]
    if preset == "progan_mnist":  # trains as long as its phases, the second of them a fade-in
        kimg, length = share * steps * BATCH_SIZE / 1000, []
        settings = [
            *settings,
            f"phases=[{{resolution: 4, stabilize_kimg: {kimg / 5}}}, "
            f"{{resolution: 8, fade_kimg: {kimg * 3 / 5}, stabilize_kimg: {kimg / 5}}}]",
        ]
    options = [item for setting in settings for item in ("--set", setting)]
    return command(out, *options, *length, preset=preset, data=data)


@pytest.mark.parametrize("preset", RUNS)
@pytest.mark.parametrize("kills", [1, pytest.param(20, marks=pytest.mark.soak)])
def test_a_killed_run_ends_with_the_bits_of_an_unbroken_one(preset, kills, tmp_path):
    share = 0.3 if kills == 1 else 1.0
    began = time.monotonic()
    run(arguments_for(preset, tmp_path / "unbroken", share))
    life = time.monotonic() - began
    chance = random.Random(kills)
    hits, killed = 0, [tmp_path / "killed-0"]
    while hits < kills:
        process = start(arguments_for(preset, killed[-1], share))
        if not (killed[-1] / "checkpoints").is_dir():
            wait_for_checkpoint(killed[-1], process)
        if kill_at_random(process, chance, 0.3 if kills == 1 else life):
            hits += 1
        else:  # it came to its end before its time: the next kills are another run's, and earlier
            killed.append(tmp_path / f"killed-{len(killed)}")
            life *= 0.8
    for folder in killed:
        run(arguments_for(preset, folder, share))
        assert_same_run(folder, tmp_path / "unbroken")


def assert_same_run(one, other):
    """Compares the last checkpoints, the sample pictures and the logs of two runs."""
    states = [final_state(folder) for folder in (one, other)]
    assert states[0].keys() == states[1].keys()
    assert [key for key in states[0] if not np.array_equal(states[0][key], states[1][key])] == []
    for name in sorted(path.name for path in (other / "samples").iterdir()):
        assert (one / "samples" / name).read_bytes() == (other / "samples" / name).read_bytes()
    assert read_log(one / "metrics.jsonl") == read_log(other / "metrics.jsonl")


def test_sigterm_saves_and_exits_with_its_own_status(tmp_path):
    process = start(command(tmp_path / "run", "--steps", "1000000"))
    wait_for_checkpoint(tmp_path / "run", process)
    process.send_signal(signal.SIGTERM)
    status, output = finish(process)
    assert status == 75, output
    assert "error: Stopped by SIGTERM at step" in output
    assert "Go on with the same command" in output
    assert "Traceback" not in output
    step = int(output.partition("at step ")[2].partition(";")[0])
    assert list_checkpoints(tmp_path / "run" / "checkpoints")[-1].name == f"step-{step:08d}"
    assert (tmp_path / "run" / "model" / "SHA256SUMS").is_file()
