"""Progress of work on images: a bar on a terminal, a line every ten per cent elsewhere."""

import sys
import time
from types import TracebackType

from rich import progress
from rich.console import Console

from genbench.wording import duration

QUIET = 5.0
"""Seconds of work of a verb that draws or scores that say nothing of how far they are where there is no terminal."""


class Progress:
    """Show images done, images per second and the time left.

    Args:
        name: of the work.
        total: number of images.
        done: number of images finished earlier.
        quiet: seconds before the first line, so that short work prints nothing without a terminal.
    """

    def __init__(self, name: str, total: int, done: int = 0, quiet: float = 0.0) -> None:
        self._name, self._total, self._quiet = name, total, quiet
        self._done = self._resumed_at = done
        self._begin = time.perf_counter()
        self._bar: progress.Progress | None = None

    def __enter__(self) -> "Progress":
        """Show the bar."""
        if sys.stderr.isatty():
            columns = (
                progress.TextColumn("{task.description}"),
                progress.BarColumn(bar_width=16),
                progress.MofNCompleteColumn(),
                progress.TextColumn("{task.fields[speed]:,.0f} images/s"),
                progress.TimeElapsedColumn(),
                "left",
                progress.TimeRemainingColumn(),
            )
            self._bar = progress.Progress(*columns, console=Console(stderr=True))
            self._bar.add_task(self._name, total=self._total, completed=self._done, speed=0.0)
            self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Leave the bar as it is."""
        if self._bar is not None:
            self._bar.stop()

    def advance(self, count: int) -> None:
        """Count images."""
        before, self._done = self._done, self._done + count
        seconds = time.perf_counter() - self._begin
        speed = (self._done - self._resumed_at) / seconds
        if self._bar is not None:
            self._bar.update(self._bar.task_ids[0], completed=self._done, speed=speed)
        elif seconds >= self._quiet and before * 10 // self._total != self._done * 10 // self._total:
            left = duration((self._total - self._done) / speed)
            say(f"{self._name}: {self._done:,} of {self._total:,}, {speed:,.0f} images/s, {left} left")


def say(text: str) -> None:
    """Print a message for the user to stderr, separate from the results."""
    print(text, file=sys.stderr, flush=True)


def human_bytes(count: int) -> str:
    """Return a number of bytes in readable form: 34.7 GiB."""
    size, unit = float(count), "B"
    for unit in ("B", "KiB", "MiB", "GiB", "TiB"):
        if size < 1024 or unit == "TiB":
            break
        size /= 1024
    return f"{size:.1f} {unit}" if unit != "B" else f"{count} B"
