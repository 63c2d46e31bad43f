"""When is it time again? By steps, also where several are taken at once."""

from ganzoo.checks import check_whole
from ganzoo.errors import TrainingError


class Interval:
    """Says after which steps a multiple of `every` has been passed.

    The multiples are those of the step, not of the calls, so that a resumed run stops at the
    same ones.

    Raises:
        TrainingError: `every` is no whole number from 1 up.
    """

    def __init__(self, every: int):
        check_whole("The interval in steps", every, error=TrainingError)
        self.every = every
        self.last = 0

    def start(self, step: int) -> None:
        """Counts from this step on."""
        self.last = step

    def passed(self, step: int) -> bool:
        """Says whether a multiple lies after the last call's step and not after this one."""
        due = step // self.every > self.last // self.every
        self.last = step
        return due
