"""Progress of jobs: a bar for each on a terminal, else a line when one starts and ends."""

from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn
from rich.progress import Progress as Bars

if TYPE_CHECKING:
    from rise_bench.experiments.job_folder import JobFolder
    from rise_bench.experiments.jobs import Progress


class JobBars:
    """Progress of jobs; `show` updates it inside its context.

    Attributes:
        unfinished: Bar of each job that runs, by its name.
    """

    def __init__(self, jobs: int, folder: "JobFolder") -> None:
        """Expect a number of jobs with records in `folder`."""
        self._console = Console(stderr=True, markup=False, highlight=False)
        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
        self._bars = Bars(*columns, console=self._console, disable=not self._console.is_terminal)
        self._all = self._bars.add_task("all jobs", total=jobs)
        self.unfinished: dict[str, Any] = {}
        self._folder = folder

    def __enter__(self) -> "JobBars":
        """Start drawing."""
        self._bars.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Stop drawing."""
        self._bars.stop()

    def show(self, progress: "Progress") -> None:
        """Show the progress of a job."""
        job = progress.job
        if progress.finished or progress.failed:
            state = "failed" if progress.failed else "done before"
            if job.name in self.unfinished:
                self._bars.remove_task(self.unfinished.pop(job.name))
                state = "failed" if progress.failed else f"{self._folder.seconds(job.name) / 60:.1f} min"
            self._console.print(f"  {job.label}: {state}")
            self._bars.advance(self._all)
            return
        if job.name not in self.unfinished:
            self.unfinished[job.name] = self._bars.add_task(job.label, total=None)
            if not self._console.is_terminal:
                self._console.print(f"  {job.label} ...")
        total = progress.total or None
        self._bars.update(self.unfinished[job.name], completed=progress.done, total=total)
