"""Weak scaling: two worker processes, each on a core of its own, against one."""

import contextlib
import json
import os
import socket
import sys

from benchmark_turns import Worker, ratio


def weak_scaling(row, options, precision):
    """Compares one pinned process with two that train together, the batch of each the same.

    Both run at once would disturb each other: they take turns on the cores.

    Returns:
        The row's result: `scaling`, the images a second of two over twice those of one.
    """
    batch_size = options.batch_size or row.batch_size
    cores = sorted(os.sched_getaffinity(0))[:2]
    with contextlib.ExitStack() as stack:
        alone, *workers = [
            stack.enter_context(Worker(sys.executable, "benchmark_ganzoo.py", *rest))
            for rest in _processes(row, options, precision, batch_size, cores)
        ]
        for worker in (alone, *workers):
            worker.wait()
        together = Together(workers)
        alone.ask("step", repeat=2), together.step(2)
        (seconds,), _ = alone.ask("step")
        repeat = max(1, round(options.seconds / seconds))
        times = [[], []]
        for _ in range(options.rounds):
            times[0].append(alone.ask("step", repeat=repeat)[0])
            times[1].append(together.step(repeat))
        # Two processes take in a step what one takes in two: the ratio of the times is it.
        return {"first_step": alone.ask("hello")[1]["first_step"], "scaling": ratio(*times[::-1])}


class Together:
    """Worker processes of one cluster, which have to take each step at the same time."""

    def __init__(self, workers):
        self.workers = workers

    def step(self, repeat):
        for worker in self.workers:
            worker.send("step", repeat=repeat)
        return [worker.receive()[0] for worker in self.workers][0]


def _processes(row, options, precision, batch_size, cores):
    """Lists row, environment and cores of the process alone, and of the two of a cluster."""
    base = {"precision": precision, "threads": 1, "live": True}
    yield row.request(options, batch_size, **base), {}, cores[:1]
    addresses = [f"127.0.0.1:{port}" for port in _free_ports(len(cores))]
    for index, core in enumerate(cores):
        task = {"type": "worker", "index": index}
        cluster = {"TF_CONFIG": json.dumps({"cluster": {"worker": addresses}, "task": task})}
        request = row.request(options, len(cores) * batch_size, strategy="multi_worker", **base)
        yield request, cluster, [core]


def _free_ports(count):
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [one.getsockname()[1] for one in sockets]
