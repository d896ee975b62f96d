"""Cross-fitting: each row is answered by a model that was not trained on its image."""

import shutil
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from rise_bench.catalog.stages import get_stage
from rise_bench.curation.audit.answers import Answers, ask
from rise_bench.curation.audit.model import asked_model
from rise_bench.curation.audit.relabel import Change, write_copy
from rise_bench.curation.audit.sampling import items, logged
from rise_bench.data.dataset import BenchmarkDataset
from rise_bench.data.manifest import MANIFEST_NAME
from rise_bench.data.pictures import picture_hashes
from rise_bench.data.splits import by_rank
from rise_bench.errors import ConfigError, RiseError
from rise_bench.experiments.job_folder import Job, JobFolder
from rise_bench.experiments.jobs import Progress as JobProgress
from rise_bench.experiments.jobs import run_jobs


@dataclass(frozen=True, slots=True)
class Folds:
    """Settings of the models of the folds.

    Attributes:
        count: Number of folds, at least 2.
        stage: Stage of training.
        recipe: Recipe by name or path; empty for the default of the stage.
        overrides: Settings (`key=value`) after the recipe's.
        cots: CoT dataset, by folder or name, for a stage that trains on one.
        samples: Answers per row.
        seed: Seed of the folds, of training and of sampling.
        batch_rows: Rows per batch.
    """

    count: int = 3
    stage: str = "sft"
    recipe: str = ""
    overrides: tuple[str, ...] = ()
    cots: Path | str = ""
    samples: int = 1
    seed: int = 0
    batch_rows: int = 4

    def __post_init__(self) -> None:
        if self.count < 2:
            raise ConfigError(
                f"{self.count} folds leave no row to train on; name at least 2, or a ready model with --model"
            )
        if get_stage(self.stage).is_closed_loop:
            raise ConfigError(f"{self.stage} answers no image alone; name another stage, e.g. sft or rise_r1")


def fold_of_rows(dataset: BenchmarkDataset, ids: list[str], folds: int, seed: int) -> dict[str, int]:
    """Return the fold of each row: rows that share an image are in one fold, and folds of about equal size.

    Raises:
        ConfigError: There are fewer groups of rows that share no image than folds.
    """
    images = _joined({uid: picture_hashes(dataset.manifest.images_sha256[uid]) for uid in ids})
    rows = Counter(images.values())
    order = by_rank(seed, "audit folds", sorted(rows))
    sizes, place = [0] * folds, {}
    for image in sorted(order, key=lambda image: -rows[image]):
        place[image] = sizes.index(min(sizes))
        sizes[place[image]] += rows[image]
    if not all(sizes):
        raise ConfigError(
            f"{len(ids)} rows make {len(rows)} groups that share no picture, too few for {folds} folds; name "
            "fewer --folds, or a ready model with --model"
        )
    return {uid: place[image] for uid, image in images.items()}


def _joined(pictures: Mapping[str, list[str]]) -> dict[str, str]:
    """Return one picture of each row, the same for rows that share one, directly or over other rows."""
    above: dict[str, str] = {}

    def top(picture: str) -> str:
        while (higher := above.setdefault(picture, picture)) != picture:
            above[picture] = above[higher]
            picture = higher
        return picture

    for first, *more in pictures.values():
        for other in more:
            low, high = sorted((top(first), top(other)))
            above[high] = low
    return {uid: top(of[0]) for uid, of in pictures.items()}


def cross_fit(
    dataset: BenchmarkDataset,
    splits: tuple[str, ...],
    ids: list[str],
    folds: Folds,
    work: Path,
    progress: Callable[[int, int], None],
    training: Callable[[JobProgress], None],
) -> Answers:
    """Train a model for each fold on the others, and ask it about the fold.

    Finished folds are not repeated; the training data of a fold are deleted when it is answered.

    Args:
        dataset: Dataset with images.
        splits: Splits that the rows are of.
        ids: Rows to answer.
        folds: Settings of the folds.
        work: Folder of runs and logs.
        progress: Called with (rows answered, rows in all).
        training: Called with the progress of a training.

    Raises:
        PrerequisiteError: A training failed, or an extra is missing.
    """
    fold_of = fold_of_rows(dataset, ids, folds.count, folds.seed)
    texts: dict[str, list[str]] = {}
    answer_format = None
    for number in range(folds.count):
        held_out = [uid for uid in ids if fold_of[uid] == number]
        place = work / f"fold-{number}"
        if set(held_out) - logged(place / "answers").keys():
            _train(dataset, place, fold_of, number, folds, training)
        model = asked_model(str(place / "run"), batch_rows=folds.batch_rows)
        answer_format = model.answer_format
        before = len(texts)
        texts |= ask(
            dataset.spec,
            lambda todo: items(dataset, splits, todo),
            held_out,
            model,
            folds.samples,
            folds.seed,
            place / "answers",
            lambda done, _, before=before: progress(before + done, len(ids)),  # type: ignore[misc]
        )
        shutil.rmtree(place / dataset.spec.name, ignore_errors=True)
    assert answer_format is not None
    return Answers(texts, answer_format)


def _train(
    dataset: BenchmarkDataset,
    place: Path,
    fold_of: Mapping[str, int],
    number: int,
    folds: Folds,
    training: Callable[[JobProgress], None],
) -> None:
    """Train the model of a fold, unless that is done."""
    data = place / dataset.spec.name
    declared = get_stage(folds.stage)
    cots = (f"data.{declared.cots}={folds.cots}",) if declared.cots and folds.cots else ()
    job = Job(
        f"train-{number}",
        f"train the model of fold {number + 1} of {folds.count}",
        (
            *("train", folds.stage, *(("--recipe", folds.recipe) if folds.recipe else ())),
            *(f"data.benchmark={data.absolute()}", "data.shots=full", f"seed={folds.seed}", *cots),
            *folds.overrides,
            f"run.output_dir={(place / 'run').absolute()}",
        ),
        environment={"TOKENIZERS_PARALLELISM": "false"},
    )
    jobs = JobFolder(place.parent / "jobs")
    if not jobs.is_done(job) and not (data / MANIFEST_NAME).is_file():
        write_copy(
            dataset,
            data,
            Change(notes=(f"Training rows of fold {number + 1} of {folds.count} of an audit",)),
            train=lambda uid: fold_of.get(uid, number) != number,
        )
    try:
        run_jobs([job], jobs, progress=training)
    except RiseError:
        if not (place / "run").exists():  # refused before it began: other settings may be tried
            shutil.rmtree(place)
            (jobs.path / f"{job.name}.json").unlink(missing_ok=True)
        raise
