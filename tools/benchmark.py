"""Measures how fast ganzoo trains, generates and reads, in one table.

    python tools/benchmark.py                                   every row, float32
    python tools/benchmark.py dcgan_64 cyclegan_128             some rows
    python tools/benchmark.py --measure train,fit               some measures
    python tools/benchmark.py dcgan_64 --against torch          beside PyTorch, with the ratio
    python tools/benchmark.py dcgan_64 --before ../old          beside another checkout of ganzoo
    python tools/benchmark.py --workers                         weak scaling over two processes

Standard error tells what is being measured. Most rows take a few minutes on two cores. One of the
progressive GAN, at the authors' width, or of CycleGAN at 256×256 takes that long for `train`
alone, and far longer for `fit`, which trains through some epochs. Ratios come from processes that
take turns, A B A B, so that they hold on a busy machine too, where times do not; each is printed
with its lowest and highest round. Above 1, ganzoo is faster. PyTorch's step is written as the
official code writes it and with ganzoo's call structure, each in the default layout and in
channels-last; `pip install ganzoo[benchmark]`, or name another Python that has it by
--torch-python.
"""

import argparse
import importlib
import inspect
import json
import os
import pathlib
import platform
import subprocess
import sys
import time

from benchmark_rows import RIVALS, ROWS
from benchmark_scaling import weak_scaling
from benchmark_table import table_of
from benchmark_turns import CLOCKS, Worker, ratio, summary, take_turns

MEASURES = ("train", "generate", "fit", "data")
PRECISIONS = ("float32", "bfloat16", "float16")
_IMAGES = (1, 64)


def main(arguments=None):
    options = parse(arguments)
    report = {"environment": environment(), "options": vars(options), "rows": []}
    report["list_seconds"] = time_of_list()
    print(f"ganzoo list: {report['list_seconds']:.2f} s")
    for name in options.rows:
        for precision in options.precision:
            tell(f"{name} {precision}: the first step")
            result = weak_scaling(ROWS[name], options, precision) if options.workers else (
                measure(ROWS[name], options, precision)
            )  # fmt: skip
            report["rows"].append({"row": name, "precision": precision} | result)
            print(table_of(name, precision, result), flush=True)
            if options.json:
                options.json.write_text(json.dumps(report, indent=1, default=str) + "\n")


def parse(arguments=None):
    """Reads the options; refuses rows, measures and rivals that there are not."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("rows", nargs="*", metavar="ROW", help=", ".join(ROWS))
    parser.add_argument("--measure", type=_some_of(MEASURES), default=list(MEASURES))
    parser.add_argument("--precision", type=_some_of(PRECISIONS), default=["float32"])
    parser.add_argument("--against", choices=["torch"])
    parser.add_argument("--rivals", type=_some_of(RIVALS), default=list(RIVALS))
    parser.add_argument("--torch-python", default=sys.executable)
    parser.add_argument("--before", metavar="FOLDER", help="another checkout of ganzoo, a rival")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=1.0, help="of one turn, at least a step")
    parser.add_argument("--batch-size", type=int)
    parser.add_argument("--threads", type=int, help="of one operation; all by default")
    parser.add_argument("--clock", choices=CLOCKS, default="wall")
    parser.add_argument("--xla", action="store_true")
    parser.add_argument("--workers", action="store_true")
    parser.add_argument("--json", type=pathlib.Path, metavar="FILE")
    options = parser.parse_args(arguments)
    for name in options.rows:
        if name not in ROWS:
            parser.error(f"there is no row {name!r}; choose among {', '.join(ROWS)}")
    if options.workers:
        measured = options.measure != list(MEASURES)
        if measured or options.against or options.before or options.threads:
            parser.error("--workers compares ganzoo with itself, on one thread a process; leave "
                         "out --measure, --against, --before and --threads")  # fmt: skip
        if environment()["cores"] in (None, 1):
            parser.error("--workers needs a core for each of two processes, and Linux to pin them")
    if options.against:
        _check_torch(parser, options.torch_python)
    options.rows = options.rows or list(ROWS)
    return options


def _check_torch(parser, python):
    """Refuses a Python without PyTorch at once, and not after the minutes of ganzoo's own part."""
    try:
        done = subprocess.run([python, "-c", "import torch"], capture_output=True, text=True)
        reason = (done.stderr.strip().splitlines() or ["no reason given"])[-1]
        found = done.returncode == 0
    except OSError as error:
        reason, found = error.strerror, False
    if not found:
        parser.error(f"{python} cannot import torch ({reason}); pip install '.[benchmark]', or "
                     "name a Python that has it by --torch-python")  # fmt: skip


def _some_of(known):
    def read(text):
        names = text.split(",")
        for name in names:
            if name not in known:
                raise argparse.ArgumentTypeError(
                    f"{name!r} is none of {', '.join(known)}; give some, with commas between"
                )
        return names

    return read


def measure(row, options, precision):
    """Measures one row at one precision; gives a dict, of which `table_of` makes text."""
    request = row.request(options, precision=precision)
    with Worker(sys.executable, "benchmark_ganzoo.py", request).wait() as ours:
        hello = ours.ask("hello")[1]
        result = {key: hello[key] for key in ("first_step", "devices")}
        repeat = turns_of(ours, options)
        if "train" in options.measure:
            tell("train")
            result |= training(ours, request["batch_size"], options.rounds, repeat)
        if "generate" in options.measure:
            tell("generate")
            result["generate"] = {count: generation(ours, count) for count in _IMAGES}
        if {"train", "generate"} & set(options.measure):
            result["rivals"] = {
                name: against(ours, worker, options, repeat)
                for name, worker in rivals(row, request, options)
            }
    if "fit" in options.measure:
        tell("fit")
        result["fit"] = fit_over_step(row, options, precision)
    if "data" in options.measure:
        tell("data")
        result["data"] = {kind: reading(row, kind, options, precision) for kind in row.sources}
    return result


def tell(text):
    """Says on standard error what is being measured."""
    print(f"  … {text}", file=sys.stderr, flush=True)


def turns_of(worker, options):
    """Counts the steps of one turn: those of `--seconds`, at least one."""
    worker.ask("step")
    (seconds,), _ = worker.ask("step")
    return max(1, round(options.seconds / seconds))


def training(ours, batch_size, rounds, repeat):
    """Times steps and matrix products in turns; counts operations; reads the peak memory."""
    memory = ours.ask("memory")[1]
    ours.ask("product")
    times, rates = [], []
    for _ in range(rounds):
        times.append(ours.ask("step", repeat=repeat)[0])
        (seconds,), operations = ours.ask("product")
        rates.append(operations / seconds)
    step = summary(times)
    taken, plain = (ours.ask("flops", short_cuts)[1] for short_cuts in (True, False))
    rate = sorted(rates)[len(rates) // 2]
    return {
        "step": step,
        "images_a_second": batch_size / step["median"],
        "flops": taken,
        "flops_without_short_cuts": plain,
        "product_rate": rate,
        "share_of_limit": taken / step["median"] / rate,
        "memory": memory,
    }


def generation(worker, count, repeat=3):
    worker.ask("generate", count)
    return count / summary([worker.ask("generate", count, repeat=repeat)[0]])["median"]


def rivals(row, request, options):
    """Starts, one after another, the processes that ganzoo's takes turns with."""
    if options.before:
        tell(f"beside {options.before}")
        before = {"PYTHONPATH": options.before}
        yield options.before, Worker(sys.executable, "benchmark_ganzoo.py", request, before)
    for name in options.rivals if options.against else ():
        tell(f"beside torch {name}")
        told = torch_request(row, request, name)
        yield f"torch {name}", Worker(options.torch_python, "benchmark_torch.py", told)


def against(ours, rival, options, repeat):
    """Takes turns with a rival; gives the ratios, and what it needs."""
    with rival.wait():
        hello = rival.ask("hello")[1]
        rival.ask("step", repeat=2)
        memory = rival.ask("memory")[1]
        ours.ask("step")
        times = take_turns([ours, rival], options.rounds, "step", repeat=repeat)
        result = {"step": summary(times[1]), "memory": memory, **hello}
        if "train" in options.measure:
            result["training"] = ratio(*times)
        if "generate" in options.measure:
            result["generate"] = {}
            for count in _IMAGES:
                take_turns([ours, rival], 1, "generate", count)
                times = take_turns([ours, rival], options.rounds, "generate", count)
                result["generate"][count] = ratio(*times)
    return result


def torch_request(row, request, rival):
    """Gives what PyTorch's process is told: the same networks, batch and precision."""
    from ganzoo import presets, quiet

    quiet.import_tensorflow_quietly()
    preset = presets.override(presets.read_preset(row.preset), request["overrides"])
    build = importlib.import_module(f"ganzoo.models.{preset.family}").build
    defaults = {
        name: parameter.default for name, parameter in inspect.signature(build).parameters.items()
    }
    structure, layout = rival.split("/")
    return {
        "family": preset.family,
        "model": defaults | preset.model,
        "image_shape": [row.side, row.side, row.channels],
        "structure": structure,
        "layout": layout,
    } | {key: request[key] for key in ("batch_size", "precision", "threads", "clock")}


def fit_over_step(row, options, precision):
    """Compares the bare compiled step with `fit` under the callbacks of a run, in turns."""
    request = row.request(options, precision=precision, steps_per_execution=row.steps_per_execution)
    with Worker(sys.executable, "benchmark_ganzoo.py", request).wait() as ours:
        many = row.steps_per_execution
        repeat = turns_of(ours, options)
        steps = many * max(8, repeat)
        ours.ask("fit", steps)
        bare, fit = [], []
        for _ in range(options.rounds):
            seconds = ours.ask("step", repeat=max(4, repeat))[0]
            bare.append([sum(seconds) / len(seconds) / many])
            fit.append([ours.ask("fit", steps)[1]])
    return ratio(fit, bare) | {"seconds_a_step": summary(fit)["median"]}


def reading(row, kind, options, precision):
    """Compares how fast a source is read with how fast training consumes it, in turns."""
    side = row.picture_side or row.side
    request = row.request(options, precision=precision, data=kind, picture_side=side)
    loads, steps = [], []
    with Worker(sys.executable, "benchmark_ganzoo.py", request).wait() as ours:
        turns_of(ours, options)
        for _ in range(options.rounds):
            loads.append([request["batch_size"] / ours.ask("load", options.seconds)[1]])
            steps.append(ours.ask("step", repeat=3)[0])
    rate = request["batch_size"] / summary(loads)["median"]
    return {"images_a_second": rate, "over_training": ratio(loads, steps)}


def environment():
    """Names the software and the hardware that the numbers hold for."""
    from importlib.metadata import version

    cpu = pathlib.Path("/proc/cpuinfo")
    models = cpu.read_text().split("model name")[1:2] if cpu.exists() else []
    return {
        "python": platform.python_version(),
        "system": platform.platform(),
        "processor": models[0].splitlines()[0].strip("\t :") if models else platform.processor(),
        "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else None,
        "load": os.getloadavg()[0] if hasattr(os, "getloadavg") else None,
        **{name: version(name) for name in ("ganzoo", "tensorflow", "keras", "numpy")},
    }


def time_of_list(repeat=3):
    """Times `ganzoo list`, the least of some: what a user waits for an answer."""
    seconds = []
    for _ in range(repeat):
        start = time.perf_counter()
        subprocess.run(
            [sys.executable, "-m", "ganzoo", "list"], stdout=subprocess.DEVNULL, check=True
        )
        seconds.append(time.perf_counter() - start)
    return min(seconds)


if __name__ == "__main__":
    main()
