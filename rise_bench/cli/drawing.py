"""Progress bar of drawing a benchmark."""

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn


class DrawingBar:
    """Progress bar; `show` updates it inside its context."""

    def __init__(self) -> None:
        """Draw on standard error."""
        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
        console = Console(stderr=True, markup=False, highlight=False)
        self._bar = Progress(*columns, console=console, transient=True)
        self._task = self._bar.add_task("drawing", total=None, visible=False)

    def __enter__(self) -> "DrawingBar":
        """Start drawing."""
        self._bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Stop drawing."""
        self._bar.stop()

    def show(self, done: int, total: int) -> None:
        """Show the number of drawn images."""
        self._bar.update(self._task, completed=done, total=total, visible=done < total)
