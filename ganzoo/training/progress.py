"""How far a run is: a bar in a terminal, plain lines at a sane rate elsewhere."""

import collections
import math
import time

import keras
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from ganzoo.cards import counted

_FIRST_SECONDS, _PLAIN_SECONDS = 5.0, 30.0  # before a plain line, and between two


class RunProgress(keras.callbacks.Callback):
    """Shows steps, images a second, time left and the losses.

    Args:
        steps: Steps of the whole run; None where they are not known.
        images: Images that it takes from the data, by which it is measured then.
        console: Where to; standard error by default.
        devices: What trains, to begin with; "" to say nothing of it.
    """

    def __init__(
        self,
        steps: int | None = None,
        images: int | None = None,
        console: Console | None = None,
        devices: str = "",
    ):
        super().__init__()
        self.devices = devices
        self.steps = steps
        self.length = images if steps is None else steps
        self.console = console or Console(stderr=True)
        self._bar = None
        self._rate = _Rate()
        self._pace = _Rate()
        self._last_line = 0.0

    def on_train_begin(self, logs=None):
        self._rate = _Rate()  # of images
        self._pace = _Rate()  # of what the length is measured in
        self._last_line = time.monotonic() - _PLAIN_SECONDS + _FIRST_SECONDS
        if self._done() >= self.length:
            taken = counted(self.model.steps_taken, "steps")
            self.tell(f"The run has taken {taken}: nothing is left to train. "
                      "Ask for a greater length to go on.")  # fmt: skip
            return
        if self.devices:
            self.console.print(f"Training on {self.devices}.", highlight=False, soft_wrap=True)
        if self.console.is_terminal:
            self._bar = Progress(
                TextColumn("{task.description}"),
                BarColumn(bar_width=24),
                TextColumn("{task.fields[rate]}"),
                TimeRemainingColumn(),
                TextColumn("{task.fields[losses]}"),
                console=self.console,
            )
            self._task = self._bar.add_task(
                self._step(),
                total=self.length,
                completed=self._done(),
                rate="",
                losses="",
            )
            self._bar.start()

    def on_train_batch_end(self, batch, logs=None):
        state = self.model.fit_state
        rate = self._rate.update(state.position)
        pace = self._pace.update(self._done())
        if self._bar:
            self._bar.update(
                self._task,
                description=self._step(),
                completed=self._done(),
                rate=_speed(rate),
                losses=_losses(state.values),
            )
        elif time.monotonic() - self._last_line >= _PLAIN_SECONDS:
            self._line(rate, pace, state)

    def on_train_end(self, logs=None):
        self.close()
        if not self._bar and self._pace.marks:
            state = self.model.fit_state
            self._line(self._rate.mean(state.position), self._pace.mean(self._done()), state)

    def tell(self, text: str) -> None:
        """Prints a message above the bar."""
        wrap = self.console.is_terminal  # what reads a file wants a message in one line
        self.console.print(text, style="yellow", highlight=False, soft_wrap=not wrap)

    def close(self):
        """Takes the bar down; safe to call twice."""
        if self._bar:
            self._bar.stop()

    def _step(self):
        step = self.model.steps_taken
        if self.steps is not None:
            return f"step {step}/{self.steps}"
        return f"step {step}, {self._done() / self.length:.1%}"

    def _done(self):
        return self.model.fit_state.position if self.steps is None else self.model.steps_taken

    def _line(self, rate, pace, state):
        self._last_line = time.monotonic()
        words = [
            self._step(),
            _speed(rate),
            _time_left(self.length - self._done(), pace),
            _losses(state.values),
        ]
        self.console.print(
            "  ".join(word for word in words if word),
            highlight=False,
            soft_wrap=True,
        )


class _Rate:
    """Progress a second over the last minute, without the first step, which compiles.

    A shorter time would be told by a score or a checkpoint alone, where one was just made.
    """

    def __init__(self):
        self.marks = collections.deque()

    def update(self, position):
        now = time.monotonic()
        self.marks.append((now, position))
        while len(self.marks) > 20 and now - self.marks[0][0] > 60.0:
            self.marks.popleft()
        return self.mean(position)

    def mean(self, position):
        if len(self.marks) < 2:
            return 0.0
        (began, first), (now, _) = self.marks[0], self.marks[-1]
        return (position - first) / max(now - began, 1e-9)


def _speed(rate):
    """Writes images a second; "" where no second step has told it yet."""
    if not rate:
        return ""
    return f"{rate:,.0f} images/s" if rate >= 10 else f"{rate:.1f} images/s"


def _time_left(length, pace):
    """Writes how long a run goes on, as "2 h 05 min left"; "" where that is over or not known."""
    if length <= 0 or not pace or length == math.inf:
        return ""
    if length / pace < 60:
        return f"{10 * math.ceil(length / pace / 10)} s left"
    hours, minutes = divmod(math.ceil(length / pace / 60), 60)
    return f"{hours} h {minutes:02} min left" if hours else f"{minutes} min left"


def _losses(values):
    shown = [(name, value) for name, value in values.items() if name.endswith("_loss")]
    return "  ".join(f"{name.removesuffix('_loss')} {value:.3f}" for name, value in shown)
