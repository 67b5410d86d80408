"""How a fit is shown while it runs: a live bar in a terminal, a line every few seconds elsewhere."""

import time
from collections.abc import Callable
from typing import Self

from rich.console import Console
from rich.progress import BarColumn, TaskID, TextColumn
from rich.progress import Progress as Bar

from ..splatting.train_types import Progress
from .live import Live

LINE_EVERY = 5.0  # seconds between lines where there is no terminal


def say(console: Console, text: str) -> None:
    """A plain sentence: nothing in it is markup, no number is coloured, long paths are not broken."""
    console.print(text, markup=False, highlight=False, soft_wrap=True)


class Watch:
    """Shows a fit. Use it as a context: ``with Watch(console) as watch: watch.show(progress)``."""

    def __init__(self, console: Console) -> None:
        self.console = console
        self._bar: Bar | None = None
        self._task = TaskID(0)
        self._last_line = 0.0

    def __enter__(self) -> Self:
        if self.console.is_terminal:
            columns = (TextColumn("fitting"), BarColumn(bar_width=None), TextColumn("{task.fields[facts]}"))
            self._bar = Bar(*columns, console=self.console, expand=True, refresh_per_second=4)
            self._task = self._bar.add_task("fitting", total=None, facts="the first step")
            self._bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._bar is not None:
            self._bar.stop()

    def show(self, progress: Progress) -> None:
        """Draw the facts of one step."""
        if self._bar is not None:
            self._bar.update(self._task, completed=progress.step, total=progress.steps, facts=facts(progress))
        elif self._is_due(progress):
            say(self.console, facts(progress))

    def say(self, text: str) -> None:
        """A sentence above the bar."""
        say(self.console, text)

    def _is_due(self, progress: Progress) -> bool:
        now = time.monotonic()
        if now - self._last_line < LINE_EVERY and progress.step < progress.steps:
            return False
        self._last_line = now
        return True


def facts(progress: Progress) -> str:
    """Step, loss, PSNR, Gaussians and time left, in one line."""
    return (
        f"step {progress.step}/{progress.steps}  loss {progress.loss:.4f}  PSNR {progress.psnr:.2f} dB  "
        f"{progress.count:,} Gaussians  {clock(progress.seconds_left)} left"
    )


def clock(seconds: float) -> str:
    """Minutes and seconds, with hours when there are any."""
    whole = max(0, round(seconds))
    hours, minutes = whole // 3600, whole % 3600 // 60
    return f"{hours}:{minutes:02}:{whole % 60:02}" if hours else f"{minutes}:{whole % 60:02}"


def counter(console: Console, what: str, told: Live | None = None) -> Callable[[int, int], None]:
    """A report(done, total) that says how far ``what`` is, and the time left, every few seconds; not of quick work.

    Args:
        told: where those who watch the scene are told, too.
    """
    return paced(lambda text: say(console, text), what, told)


def paced(tell: Callable[[str], None], what: str, told: Live | None = None) -> Callable[[int, int], None]:
    """As :func:`counter`, to whoever takes sentences."""
    began = last = time.monotonic()

    def report(done: int, total: int) -> None:
        nonlocal last
        left = (time.monotonic() - began) * (total - done) / max(done, 1)
        if told is not None:
            told.count(done, total, what, left)
        if time.monotonic() - last > LINE_EVERY:
            last = time.monotonic()
            tell(f"{what}: {done} of {total}, {clock(left)} left")

    return report
