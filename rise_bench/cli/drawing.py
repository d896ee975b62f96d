"""How far the drawing of a benchmark is: a bar that is gone when it is done."""

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn


class DrawingBar:
    """A context in which `show` is to be told of pictures."""

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
        """Show how many pictures are drawn."""
        self._bar.update(self._task, completed=done, total=total, visible=done < total)
