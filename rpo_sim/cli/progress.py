"""The progress bar of long work."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

ProgressBar = Callable[[float, float | None, str], None]


@contextmanager
def progress_bar() -> Iterator[ProgressBar]:
    """A bar on stderr, on a terminal only: call it with (done, in all or None, what is being done)."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    console = Console(stderr=True)
    columns = (BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(), TextColumn("{task.description}"))
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as bar:
        task = bar.add_task("", total=None)
        yield lambda done, total, message: bar.update(task, completed=done, total=total, description=message)
