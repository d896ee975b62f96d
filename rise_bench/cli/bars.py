"""Progress bars of commands, on standard error."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial

#: Called with (what is done, how much of it, how much in all if that is known).
Show = Callable[[str, int, int | None], None]


@contextmanager
def step_bars(*, transient: bool = False, remove_full: bool = False) -> Iterator[Show]:
    """Give a function that shows a bar for each thing that is done.

    Args:
        transient: Remove the bars in the end.
        remove_full: Remove each bar when it is full.
    """
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=transient) as bars:
        tasks: dict[str, object] = {}

        def show(what: str, done: int, total: int | None) -> None:
            if what not in tasks:
                tasks[what] = bars.add_task(what, total=total)
            bars.update(tasks[what], completed=done, total=total)  # type: ignore[arg-type]
            if remove_full and done == total:
                bars.remove_task(tasks.pop(what))  # type: ignore[arg-type]

        yield show


@contextmanager
def progress_bar(label: str, *, transient: bool = True) -> Iterator[Callable[[int, int], None]]:
    """Give a function that shows (done, total) of one thing."""
    with step_bars(transient=transient) as show:
        show(label, 0, None)
        yield partial(show, label)


@contextmanager
def drawing_bar() -> Iterator[Callable[[int, int], None]]:
    """Give a function that shows (done, total) of drawn pictures, with a bar only while they are drawn."""
    with step_bars(transient=True, remove_full=True) as show:
        yield partial(show, "drawing")
