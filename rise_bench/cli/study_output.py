"""Output of `rise-bench study`: tables of results, and the jobs that are left."""

from pathlib import Path
from typing import TYPE_CHECKING

import typer

if TYPE_CHECKING:
    from rise_bench.experiments.job_folder import Job
    from rise_bench.experiments.study.grid import Study
    from rise_bench.experiments.study.measure import Result
    from rise_bench.experiments.study.tuning import Tuning


def print_tables(out: Path, results: "list[Result]") -> None:
    """Print the registered claims, and scores, claims and questions of each budget."""
    from rise_bench.cli.tables import print_rows
    from rise_bench.experiments.study.page import judged_claims
    from rise_bench.experiments.study.summary import by_budget, over_shots, read_results
    from rise_bench.experiments.study.tables import (
        claim_table,
        question_table,
        registered_table,
        score_table,
    )

    if registered := registered_table(judged_claims(out, read_results(out / "results.jsonl"))):
        print_rows("Registered claims", registered.headings, registered.rows)
    for groups in by_budget(results):
        compared = [*groups, *over_shots(groups)]
        scores = f"{groups[0].benchmark}, {groups[0].metric}: mean over seeds ± standard deviation (seeds)"
        for title, table in (
            (scores, score_table(compared)),
            ("Claims of the paper, exploratory", claim_table(compared)),
            ("Questions of this project, exploratory", question_table(compared)),
        ):
            if table.rows:
                print_rows(title, table.headings, table.rows)


def list_jobs(jobs: "list[Job]", plan: "Study | Tuning", at_once: int, as_json: bool, gpus: int = 0) -> None:
    """Print the jobs that are left by place, and how long they take; with `as_json` their commands."""
    from rise_bench.cli.study_options import time_left
    from rise_bench.cli.tables import print_json
    from rise_bench.experiments.study.run import jobs_by_place

    folder = plan.jobs_folder
    left = [job for job in jobs if not folder.is_done(job)]
    hours, gpu_hours, sentence = time_left(plan, jobs, max(1, at_once), gpus)
    if as_json:
        print_json(
            {
                "jobs": [job.name for job in left],
                "done": len(jobs) - len(left),
                "hours": round(hours, 2),
                "gpu_hours": None if gpu_hours is None else round(gpu_hours, 2),
                "estimate": sentence,
                "commands": {job.name: ["rise-bench", *job.arguments] for job in left},
            }
        )
        return
    for where, count in jobs_by_place(left).items():
        typer.echo(f"{where}: {count} jobs")
    typer.echo(f"{len(left)} jobs, {len(jobs) - len(left)} done; {sentence}")
