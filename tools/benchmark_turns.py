"""Processes that take turns: each waits on a pipe until it is told what to do.

Two programs that are to be compared run in long-lived processes of their own and are asked for
a few steps each in turn, A B A B, so that whatever else the machine does meets both alike.
Needs the standard library only: PyTorch's process has its own Python.
"""

import contextlib
import json
import os
import pathlib
import statistics
import subprocess
import sys
import time

# On a busy machine the processor's time tells more than that on the wall, for one thread.
CLOCKS = {"wall": time.perf_counter, "cpu": time.process_time}
TOOLS = pathlib.Path(__file__).resolve().parent


def claim_output():
    """Takes standard output for answers; whatever else prints goes to standard error."""
    out = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    return out


def serve(answers, out, clock):
    """Answers requests until standard input ends: the side of the process that measures.

    A request is one line of JSON, `{"do": name, "repeat": n, "arguments": [...]}`; the answer
    is one line, `{"seconds": [...], "value": last}`.

    Args:
        answers: Functions by name.
        out: What `claim_output` gave.
        clock: Function that gives the time in seconds, one of `CLOCKS`.
    """
    print(json.dumps({"ready": True}), file=out, flush=True)
    for line in sys.stdin:
        request = json.loads(line)
        seconds, value = [], None
        for _ in range(request.get("repeat", 1)):
            start = clock()
            value = answers[request["do"]](*request.get("arguments", []))
            seconds.append(clock() - start)
        print(json.dumps({"seconds": seconds, "value": value}), file=out, flush=True)


class Worker:
    """A process that `serve`s; use it in a `with`.

    Args:
        python: The Python that runs it.
        script: File beside this one.
        row: What it measures, passed on as JSON.
        environment: Variables to set.
        cores: Processor cores it may use; None for all.
    """

    def __init__(self, python, script, row, environment=None, cores=None):
        self.name = script
        pin = None if cores is None else (lambda: os.sched_setaffinity(0, cores))
        self.process = subprocess.Popen(
            [python, str(TOOLS / script), json.dumps(row)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=os.environ | (environment or {}),
            preexec_fn=pin,
        )

    def wait(self):
        """Waits until it is ready to be asked."""
        self._read()
        return self

    def send(self, do, *arguments, repeat=1):
        """Asks without waiting for the answer."""
        request = {"do": do, "repeat": repeat, "arguments": arguments}
        self.process.stdin.write(json.dumps(request) + "\n")
        self.process.stdin.flush()

    def receive(self):
        """Waits for the answer: seconds of each repetition, and the last value."""
        answer = self._read()
        return answer["seconds"], answer["value"]

    def ask(self, do, *arguments, repeat=1):
        self.send(do, *arguments, repeat=repeat)
        return self.receive()

    def _read(self):
        line = self.process.stdout.readline()
        if not line:
            raise SystemExit(f"{self.name} ended with status {self.process.wait()}.")
        return json.loads(line)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        with contextlib.suppress(BrokenPipeError):
            self.process.stdin.close()
        try:
            self.process.wait(timeout=20)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.process.stdout.close()


def take_turns(workers, rounds, do, *arguments, repeat=1):
    """Asks each worker in turn, `rounds` times; gives the seconds of each, round by round."""
    seconds = [[] for _ in workers]
    for _ in range(rounds):
        for worker, found in zip(workers, seconds, strict=True):
            found.append(worker.ask(do, *arguments, repeat=repeat)[0])
    return seconds


def summary(rounds):
    """Gives median and spread (half the distance of the quartiles over the median) of times."""
    values = sorted(second for seconds in rounds for second in seconds)
    median = statistics.median(values)
    if len(values) < 2:
        return {"median": median, "spread": 0.0, "count": len(values)}
    low, _, high = statistics.quantiles(values, n=4, method="inclusive")
    return {"median": median, "spread": (high - low) / 2 / median, "count": len(values)}


def ratio(ours, theirs):
    """Compares times taken in turns: the median, over the rounds, of theirs over ours.

    Above 1, ours is faster. The rounds lie side by side in time, so that each pair met the same
    machine; the lowest and highest of them tell how far to trust the median.
    """
    found = [
        statistics.median(their_seconds) / statistics.median(our_seconds)
        for our_seconds, their_seconds in zip(ours, theirs, strict=True)
    ]
    return {"ratio": statistics.median(found), "low": min(found), "high": max(found)}


def peak_memory():
    """Reads the most memory in bytes that this process ever held, since it was started."""
    status = pathlib.Path("/proc/self/status")
    if status.exists():
        found = [line for line in status.read_text().splitlines() if line.startswith("VmHWM")]
        return int(found[0].split()[1]) * 1024
    import resource

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
