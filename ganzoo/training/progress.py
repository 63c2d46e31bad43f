"""How far a run is: a bar in a terminal, plain lines at a sane rate elsewhere."""

import time

import keras
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

_PLAIN_SECONDS = 30.0


class RunProgress(keras.callbacks.Callback):
    """Shows steps, images a second, time left and the losses.

    Args:
        total_steps: Steps of the whole run.
        console: Where to; standard error by default.
    """

    def __init__(self, total_steps: int, console: Console | None = None):
        super().__init__()
        self.total = total_steps
        self.console = console or Console(stderr=True)
        self._bar = None
        self._rate = _Rate()
        self._last_line = 0.0

    def on_train_begin(self, logs=None):
        step = self._step()
        self._rate = _Rate()
        self._last_line = time.monotonic()
        if self.console.is_terminal:
            self._bar = Progress(
                TextColumn("step {task.completed:.0f}/{task.total:.0f}"),
                BarColumn(bar_width=24),
                TextColumn("{task.fields[rate]}"),
                TimeRemainingColumn(),
                TextColumn("{task.fields[losses]}"),
                console=self.console,
            )
            self._task = self._bar.add_task(
                "", total=self.total, completed=step, rate="", losses=""
            )
            self._bar.start()

    def on_train_batch_end(self, batch, logs=None):
        state = self.model.fit_state
        rate = self._rate.update(state.position)
        if self._bar:
            self._bar.update(
                self._task,
                completed=self._step(),
                rate=f"{rate:,.0f} images/s",
                losses=_losses(state.values),
            )
        elif time.monotonic() - self._last_line >= _PLAIN_SECONDS:
            self._line(rate, state)

    def on_train_end(self, logs=None):
        self.stop()
        if not self._bar:
            self._line(self._rate.mean(self.model.fit_state.position), self.model.fit_state)

    def tell(self, text: str) -> None:
        """Prints a message above the bar."""
        self.console.print(text, style="yellow", highlight=False)

    def stop(self):
        """Takes the bar down; safe to call twice."""
        if self._bar:
            self._bar.stop()

    def _step(self):
        return int(self.model.step)

    def _line(self, rate, state):
        self._last_line = time.monotonic()
        self.console.print(
            f"step {self._step()}/{self.total}  {rate:,.0f} images/s  {_losses(state.values)}",
            highlight=False,
            soft_wrap=True,
        )


class _Rate:
    """Images a second over the last few seconds, without the first step, which compiles."""

    def __init__(self):
        self.marks = []

    def update(self, position):
        now = time.monotonic()
        self.marks.append((now, position))
        while len(self.marks) > 2 and now - self.marks[0][0] > 10.0:
            self.marks.pop(0)
        return self.mean(position)

    def mean(self, position):
        if len(self.marks) < 2:
            return 0.0
        (began, first), (now, _) = self.marks[0], self.marks[-1]
        return (position - first) / max(now - began, 1e-9)


def _losses(values):
    shown = [(name, value) for name, value in values.items() if name.endswith("_loss")]
    return "  ".join(f"{name.removesuffix('_loss')} {value:.3f}" for name, value in shown)
