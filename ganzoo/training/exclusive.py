"""One process at a time trains in a run folder."""

import contextlib
import pathlib
from collections.abc import Iterator

from ganzoo.errors import TrainingError
from ganzoo.files import explained

LOCK = ".lock"


@contextlib.contextmanager
def only_run(folder: pathlib.Path) -> Iterator[None]:
    """Keeps other processes from training in a run folder, until the block ends or this one does.

    The lock's file stays: removed, it would hide the lock of a process that is about to take it.

    Raises:
        TrainingError: Another process trains in it.
        GanzooError: It cannot be written to.
    """
    import filelock

    lock = filelock.FileLock(folder / LOCK)
    try:
        with explained(folder):
            folder.mkdir(parents=True, exist_ok=True)
            lock.acquire(timeout=0)
    except filelock.Timeout as error:
        raise TrainingError(
            f"Another process trains in {folder}. Wait until it has ended, or name another folder "
            "for this run."
        ) from error
    except NotImplementedError:  # by some file systems over a network: then nobody is kept out
        pass
    try:
        yield
    finally:
        lock.release()
