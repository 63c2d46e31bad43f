"""When is it time again? By steps, also where several are taken at once."""


class Interval:
    """Says after which steps a multiple of `every` has been passed.

    The multiples are those of the step, not of the calls, so that a resumed run stops at the
    same ones.
    """

    def __init__(self, every: int):
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
