"""The progress of long work: a bar on a terminal, a line now and then elsewhere."""

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import typer

if TYPE_CHECKING:
    from rich.progress import ProgressColumn

ProgressBar = Callable[[float, float | None, str], None]

LINE_EVERY_SECONDS = 30.0  # short work stays silent in a log


@contextmanager
def progress_bar() -> Iterator[ProgressBar]:
    """A bar on stderr, on a terminal only: call it with (done, in all or None, what is being done)."""
    from rich.progress import MofNCompleteColumn, TimeElapsedColumn

    with _bar(MofNCompleteColumn(), TimeElapsedColumn()) as told:
        yield told


@contextmanager
def run_progress() -> Iterator[ProgressBar]:
    """The same for simulated runs, with their rate and the time left; in a log a line each half minute."""
    if not sys.stderr.isatty():
        yield _Lines().told
        return
    from rich.progress import MofNCompleteColumn, ProgressColumn, Task, TimeRemainingColumn
    from rich.text import Text

    class Rate(ProgressColumn):
        """Runs a second, of late."""

        def render(self, task: Task) -> Text:
            return Text(f"{task.speed:,.0f}/s" if task.speed else "")

    with _bar(MofNCompleteColumn(), Rate(), TimeRemainingColumn(compact=True)) as told:
        yield told


@contextmanager
def _bar(*columns: "ProgressColumn") -> Iterator[ProgressBar]:
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn

    console = Console(stderr=True)
    every = (BarColumn(bar_width=20), *columns, TextColumn("{task.description}"))
    with Progress(*every, console=console, transient=True, disable=not console.is_terminal) as bar:
        task = bar.add_task("", total=None)
        yield lambda done, total, message: bar.update(task, completed=done, total=total, description=message)


class _Lines:
    """A line on stderr when the last is old enough: done, rate since then, time left."""

    def __init__(self) -> None:
        self._at = time.monotonic()
        self._done = 0.0

    def told(self, done: float, total: float | None, message: str) -> None:
        """As a bar is called."""
        from rpo_sim.units import format_duration

        seconds = time.monotonic() - self._at
        if total is None or done >= total or seconds < LINE_EVERY_SECONDS or done <= self._done:
            return
        rate = (done - self._done) / seconds
        left = format_duration(round((total - done) / rate))
        typer.echo(f"{message}: {done:,.0f} of {total:,.0f} runs, {rate:,.1f}/s, {left} left", err=True)
        self._at, self._done = time.monotonic(), done
