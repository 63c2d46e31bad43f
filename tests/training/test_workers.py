"""Several real worker processes: the same numbers as one, and no hang when one is lost."""

import signal
import time

import pytest

from tests.training.runs import (
    SGD,
    command,
    final_state,
    finish,
    greatest_difference,
    run,
    start_each,
    start_slurm_tasks,
    start_workers,
    wait_for_checkpoint,
)

OPTIONS = (
    "--set", f"optimizers.generator_optimizer={SGD}",
    "--set", f"optimizers.discriminator_optimizer={SGD}",
    "--strategy", "multi_worker",
    "--peer-timeout", "6",
)  # fmt: skip
ALONE = (*OPTIONS[:4], "--steps", "40")


@pytest.mark.parametrize(
    ("begin", "count"),
    [
        (start_workers, 2),
        pytest.param(start_workers, 3, marks=pytest.mark.soak),
        pytest.param(start_slurm_tasks, 2, marks=pytest.mark.soak),
    ],
)
def test_workers_end_with_the_weights_of_a_single_process(begin, count, tmp_path):
    run(command(tmp_path / "alone", *ALONE))
    workers = begin(command(tmp_path / "shared", *OPTIONS, "--steps", "40"), count)
    outputs = []
    for status, output in map(finish, workers):
        assert status == 0, output[-3000:]
        outputs.append(output)
    assert f"Training on {count} CPUs of {count} workers." in outputs[0]
    difference, where = greatest_difference(
        final_state(tmp_path / "alone"), final_state(tmp_path / "shared")
    )
    assert difference < 1e-6, where


@pytest.mark.soak
def test_workers_with_other_settings_end_before_they_train(tmp_path):
    seeds = [(*OPTIONS, "--steps", "40", "--seed", str(seed)) for seed in (0, 1)]
    workers = start_each([command(tmp_path / "shared", *options) for options in seeds])
    for status, output in map(finish, workers):
        assert status == 2, output[-3000:]
        assert (
            "error: The workers do not agree on the settings of training: worker 1 differs"
            in output
        )
    assert not (tmp_path / "shared").exists()


@pytest.mark.soak
def test_a_killed_worker_ends_the_others_and_the_run_continues_on_one(tmp_path):
    arguments = command(tmp_path / "shared", *OPTIONS, "--steps", "100000")
    workers = start_workers(arguments, 2)
    wait_for_checkpoint(tmp_path / "shared", workers[0], step=10)
    workers[1].send_signal(signal.SIGKILL)
    began = time.monotonic()
    status, output = finish(workers[0], timeout=60)
    assert status != 0
    assert time.monotonic() - began < 30
    assert "worker 1 (127.0.0.1:" in output, output[-3000:]
    assert "has not been heard of for 6 s" in output
    step = _last_step(tmp_path / "shared")
    longer = str(step + 20)
    for folder in ("shared", "alone"):
        run(command(tmp_path / folder, *OPTIONS[:4], "--steps", longer))
    difference, where = greatest_difference(
        final_state(tmp_path / "alone"), final_state(tmp_path / "shared")
    )
    assert difference < 1e-5, where


@pytest.mark.soak
def test_a_stopped_worker_is_noticed_and_sigterm_saves_on_all(tmp_path):
    arguments = command(tmp_path / "shared", *OPTIONS, "--steps", "100000")
    workers = start_workers(arguments, 2)
    wait_for_checkpoint(tmp_path / "shared", workers[0], step=10)
    workers[1].send_signal(signal.SIGTERM)
    ends = [finish(worker, timeout=60) for worker in workers]
    for status, output in ends:
        assert status == 75, output[-3000:]
        assert "Stopped by SIGTERM at step" in output
    stopped_at = {output.partition("at step ")[2].partition(";")[0] for _, output in ends}
    assert stopped_at == {str(_last_step(tmp_path / "shared"))}
    workers = start_workers(arguments, 2)
    wait_for_checkpoint(tmp_path / "shared", workers[0], step=int(stopped_at.pop()) + 10)
    workers[1].send_signal(signal.SIGSTOP)
    began = time.monotonic()
    status, output = finish(workers[0], timeout=60)
    workers[1].kill()
    workers[1].communicate()
    assert status == 75, output[-3000:]
    assert "worker 1 (127.0.0.1:" in output
    assert 5 < time.monotonic() - began < 20


def _last_step(folder):
    return int(final_state(folder)["model/step"])
