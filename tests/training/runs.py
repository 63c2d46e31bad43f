"""Starts real training processes, alone or as workers of a cluster, for the tests to kill."""

import json
import os
import signal
import socket
import subprocess
import sys
import time

import numpy as np

from ganzoo.training.checkpoints import newest_sound, read_arrays

started: list[subprocess.Popen] = []  # by the test that runs

BATCH_SIZE = 12
SGD = "{class_name: SGD, config: {learning_rate: 0.05}}"


def command(out, *options, preset="gan_ring", data=None):
    """Gives the command line of a tiny run that saves often."""
    settings = {
        "training.checkpoint_every": 10,
        "training.sample_every": 40,
        "training.batch_size": BATCH_SIZE,
    }
    if preset == "gan_ring":
        settings |= {"model.generator_units": "[8, 8]", "model.discriminator_units": "[8, 8]"}
    arguments = [sys.executable, "-m", "ganzoo", "train", preset, "--out", str(out)]
    for source in data or []:
        arguments += ["--data", str(source)]
    for key, value in settings.items():
        arguments += ["--set", f"{key}={value}"]
    return [*arguments, *options]


def start(arguments, **environment):
    """Starts a process that writes its output to a pipe."""
    process = subprocess.Popen(
        arguments,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env=os.environ | {"CUDA_VISIBLE_DEVICES": "", "OMP_NUM_THREADS": "1"} | environment,
    )
    started.append(process)
    return process


def finish(process, timeout=300):
    """Waits for a process; gives its exit status and what it wrote."""
    try:
        output, _ = process.communicate(timeout=timeout)
    except subprocess.TimeoutExpired:
        process.kill()
        output, _ = process.communicate()
        raise AssertionError(f"still running after {timeout} s:\n{output[-3000:]}") from None
    return process.returncode, output


def run(arguments):
    """Runs a command to its end, which has to be a good one."""
    status, output = finish(start(arguments))
    assert status == 0, output[-3000:]
    return output


def start_workers(arguments, count):
    """Starts `count` workers of one cluster on this machine."""
    return start_each([arguments] * count)


def start_each(commands):
    """Starts the workers of one cluster on this machine, each with a command of its own."""
    ports = free_ports(len(commands))
    workers = [f"127.0.0.1:{port}" for port in ports]
    return [
        start(
            arguments,
            TF_CONFIG=json.dumps(
                {"cluster": {"worker": workers}, "task": {"type": "worker", "index": index}}
            ),
        )
        for index, arguments in enumerate(commands)
    ]


def start_slurm_tasks(arguments, count):
    """Starts `count` tasks on this machine with the variables that Slurm's srun sets."""
    return [
        start(
            arguments,
            SLURM_JOB_ID=str(os.getpid()),
            SLURM_STEP_ID="0",
            SLURM_STEP_NODELIST="127.0.0.1",
            SLURM_STEP_TASKS_PER_NODE=str(count),
            SLURM_STEP_NUM_TASKS=str(count),
            SLURM_PROCID=str(index),
            SLURM_LOCALID=str(index),
            SLURM_NODEID="0",
        )
        for index in range(count)
    ]


def free_ports(count):
    """Finds ports that nothing listens on."""
    sockets = [socket.socket() for _ in range(count)]
    for one in sockets:
        one.bind(("127.0.0.1", 0))
    ports = [one.getsockname()[1] for one in sockets]
    for one in sockets:
        one.close()
    return ports


def wait_for_checkpoint(folder, process, step=1, timeout=240):
    """Waits until a run has saved a checkpoint of at least this step, or has ended."""
    deadline = time.monotonic() + timeout
    while time.monotonic() < deadline and process.poll() is None:
        names = sorted(path.name for path in (folder / "checkpoints").glob("step-*"))
        if names and int(names[-1].removeprefix("step-")) >= step:
            return
        time.sleep(0.02)
    assert process.poll() is None, process.communicate()[0][-3000:]
    raise AssertionError(f"no checkpoint of step {step} within {timeout} s")


def kill_at_random(process, random, longest):
    """Sends SIGKILL after a random time of at most `longest` seconds; says whether it hit."""
    try:
        process.wait(timeout=random.uniform(0.0, longest))
    except subprocess.TimeoutExpired:
        process.send_signal(signal.SIGKILL)
        process.communicate()
        return True
    return False


def final_state(folder):
    """Reads everything that the last checkpoint of a run holds."""
    return read_arrays(newest_sound(folder / "checkpoints"))


def greatest_difference(one, other):
    """Gives the greatest difference between two states, and the name of where it is."""
    assert one.keys() == other.keys()
    return max(
        (float(np.max(np.abs(one[key].astype("float64") - other[key]), initial=0.0)), key)
        for key in one
        if not key.startswith("fit/")
    )
