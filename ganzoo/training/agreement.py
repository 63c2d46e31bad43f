"""Workers that train together have to mean the same run."""

import hashlib
import json

from ganzoo.distribution import gather_numbers, worker_addresses
from ganzoo.errors import TrainingError


def check_agreement(strategy, settings, stream) -> None:
    """Makes sure that all workers have the same settings and images; each has to call it.

    Where the images lie may differ from one to another.

    Raises:
        TrainingError: Names what differs, and the workers whose is not that of the first.
    """
    workers = len(worker_addresses(strategy)[0])
    if workers < 2:
        return
    for name, part in parts(settings, stream).items():
        numbers = gather_numbers(strategy, digest(part))
        numbers = numbers[:: len(numbers) // workers]  # once a worker
        others = [worker for worker, number in enumerate(numbers) if number != numbers[0]]
        if others:
            listed = ", ".join(map(str, others))
            raise TrainingError(
                f"The workers do not agree on {name}: worker {listed} differs from worker 0. "
                "Start each with the same command, the same images and the same ganzoo."
            )


def parts(settings, stream) -> dict:
    """Lists what has to agree, by name, in one order on every worker."""
    names = ("family", "model", "optimizers", "training", "phases")
    found = {f"the settings of {name}": getattr(settings, name) for name in names}
    found["the settings of data"] = settings.data | {"source": None}
    sources = stream.description["sources"]
    found["the images"] = [source | {"name": None} for source in sources]
    return found


def digest(part) -> int:
    """Makes a number of 62 bits of what JSON can hold."""
    text = json.dumps(part, sort_keys=True, default=str)
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") >> 2
