"""Annotating the pictures of a folder: ask, judge, write."""

from collections.abc import Callable
from typing import Any

from rise_bench.cot.share import Share, claimed
from rise_bench.curation.annotate.answers import Answers
from rise_bench.curation.annotate.engine import ask_on_engine
from rise_bench.curation.annotate.formats import FORMATS
from rise_bench.curation.annotate.job import AnnotateJob
from rise_bench.curation.annotate.judge import judge_reasons
from rise_bench.curation.annotate.outputs import SUMMARY_NAME, write_outputs
from rise_bench.curation.annotate.pictures import picture_paths
from rise_bench.curation.annotate.sampling import ask
from rise_bench.curation.queue import ITEMS_NAME, QUEUE_NAME
from rise_bench.data.manifest import DECISIONS_NAME, MANIFEST_NAME
from rise_bench.errors import ConfigError
from rise_bench.files.settings_record import SETTINGS_NAME, same_settings

#: Called with the name of a step, the work just done and, at its start, the work in all.
Progress = Callable[[str, int, int | None], None]


def annotate(job: AnnotateJob, progress: Progress = lambda step, done, total: None) -> dict[str, Any]:  # noqa: ARG005
    """Ask what no earlier start has an answer to, and write the results of all.

    Returns:
        The content of `annotate.json`; "asked" and "reused" count the questions of this start.

    Raises:
        ConfigError: There are no pictures, the folder holds another run, or somebody else is at work there.
        DataError: The model refuses every question.
    """
    if job.out.is_file():
        raise ConfigError(f"{job.out} is a file, expected a folder; choose another --out")
    _refuse_taken(job)
    pictures = sum(1 for _ in picture_paths(job.run.pictures, job.out.resolve()))
    if not pictures:
        raise ConfigError(f"{job.run.pictures} holds no pictures; name the folder that they lie in")
    with claimed(job.log, Share(), lambda busy: same_settings(job.log, job.settings())):  # noqa: ARG005
        progress("annotating", 0, pictures * len(job.asked))
        put = ask if job.engine is None else ask_on_engine
        asked = put(job, lambda done: progress("annotating", done, None))
        answers, judge = Answers(job), dict[str, Any]()
        if job.judging is not None:
            progress("judging", 0, pictures * len(job.asked))
            answers.grounded, judge = judge_reasons(
                job, job.judging, answers, lambda done: progress("judging", done, None)
            )
        progress("writing", 0, pictures - len(asked.skipped))
        summary = write_outputs(job, answers, asked, judge, lambda done: progress("writing", done, None))
    return summary | {"asked": asked.answered, "reused": asked.reused}


def _refuse_taken(job: AnnotateJob) -> None:
    """Refuse to begin in the folder of the pictures, or in one that holds files that would be replaced.

    Raises:
        ConfigError: It does.
    """
    if (job.log / SETTINGS_NAME).is_file():
        return
    if job.out.resolve() == job.run.pictures.resolve():
        raise ConfigError(
            f"--out {job.out} is the folder of the pictures, in which nothing is changed; choose another"
        )
    written = [SUMMARY_NAME, QUEUE_NAME, ITEMS_NAME, *(of.file for of in FORMATS.values())]
    for name in (*written, DECISIONS_NAME, MANIFEST_NAME):
        if (job.out / name).exists():
            raise ConfigError(
                f"{job.out / name} is there already, and {job.log}, from which an earlier annotation would "
                "go on, is not; choose another --out, or move what is there"
            )
