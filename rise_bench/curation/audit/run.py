"""An audit from end to end: answers, closed loops, scores."""

import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from rise_bench.annotations.base import Annotation, Gold
from rise_bench.annotations.kinds import KINDS, label_problem
from rise_bench.cot.dataset import CotDataset
from rise_bench.curation.annotate.ranked_scores import annotations_file
from rise_bench.curation.audit.answers import Answers, ask, medoid, read_answers
from rise_bench.curation.audit.folds import Folds, cross_fit
from rise_bench.curation.audit.loops import Loop, loops_of_cots, run_loops
from rise_bench.curation.audit.measure import RANDOM, Measured, measure
from rise_bench.curation.audit.model import AskedModel
from rise_bench.curation.audit.plant import plant
from rise_bench.curation.audit.sampling import items
from rise_bench.curation.audit.scores import SCORES, RowScores, score_rows
from rise_bench.curation.decisions import read_decisions
from rise_bench.curation.queue import QUEUE_NAME, ReviewQueue
from rise_bench.data.dataset import BenchmarkDataset
from rise_bench.data.manifest import DECISIONS_NAME
from rise_bench.errors import ConfigError
from rise_bench.experiments.jobs import Progress as JobProgress
from rise_bench.files.atomic import sha256_file
from rise_bench.files.locks import locked_folder
from rise_bench.files.settings_record import same_settings

#: Called with (what is done, how much of it, how much in all).
Progress = Callable[[str, int, int], None]


@dataclass(frozen=True, slots=True)
class Audit:
    """Settings of an audit.

    Attributes:
        dataset: Dataset with images.
        out: Folder of everything.
        splits: Splits that are audited.
        cots: Chains of thought that explain the labels.
        reasoner: Model of the closed loop; without `cots` for the given labels, and for the model's own.
        rollouts: Rollouts of each label.
        answerer: Source of image-only answers: cross-fitting, a ready model, a file, or None.
        samples: Answers per row of a ready model.
        seed: Seed of sampling and of planted errors.
        planted: Share of the labels that are made wrong; 0 audits the labels as they are.
    """

    dataset: BenchmarkDataset
    out: Path
    splits: tuple[str, ...]
    cots: CotDataset | None = None
    reasoner: AskedModel | None = None
    rollouts: int = 4
    answerer: Folds | AskedModel | Path | None = None
    samples: int = 1
    seed: int = 0
    planted: float = 0.0

    def __post_init__(self) -> None:
        if self.answerer is None and self.cots is None and self.reasoner is None:
            raise ConfigError(
                "nothing to audit by; name --cots, --reasoner, --model, --predictions or --folds"
            )
        if self.planted and (self.cots is not None or isinstance(self.answerer, Path)):
            raise ConfigError(
                "--plant needs answers to and reasons for the planted labels; leave --cots and --predictions "
                "out, and name the model that reasons with --reasoner"
            )

    @property
    def work(self) -> Path:
        """Folder of what an audit goes on from."""
        return self.out / "work"

    @property
    def out_of_fold(self) -> bool | None:
        """Whether no model answered a row that it was trained on; None if that is not known."""
        return True if isinstance(self.answerer, Folds) else None

    def to_json(self) -> dict[str, Any]:
        """Return what decides the result."""
        answerer: Any = self.answerer
        if isinstance(self.answerer, Path):
            answerer = {"sha256": sha256_file(annotations_file(self.answerer) or self.answerer)}
        elif isinstance(self.answerer, Folds):
            answerer = {name: value for name, value in asdict(self.answerer).items() if name != "batch_rows"}
            answerer |= {"assignment": "by shared pictures"}
        elif self.answerer is not None:
            answerer = self.answerer.to_json() | {"samples": self.samples}
        return {
            "dataset_sha256": self.dataset.sha256,
            "splits": list(self.splits),
            "cots_sha256": self.cots.manifest.content_sha256 if self.cots else "",
            "reasoner": self.reasoner.to_json() | {"rollouts": self.rollouts} if self.reasoner else None,
            "answers": answerer,
            "seed": self.seed,
            "planted": self.planted,
        }


@dataclass(frozen=True, slots=True)
class Audited:
    """An audit that is done.

    Attributes:
        dataset: The dataset whose labels were scored: with planted errors, their copy.
        rows: Its rows, the most suspicious first.
        errors: Name of the planted error by row id.
        measured: Results of each score on planted errors, by its name; empty without any.
    """

    dataset: BenchmarkDataset
    rows: list[RowScores]
    errors: Mapping[str, str]
    measured: Mapping[str, Measured]


def run_audit(audit: Audit, progress: Progress = lambda what, done, total: None) -> Audited:  # noqa: ARG005
    """Run an audit; what is finished is not done again.

    Raises:
        ConfigError: The folder holds another audit, or another process works in it.
        PrerequisiteError: A model cannot be reached, or a training failed.
    """
    if audit.out.resolve().is_relative_to(audit.dataset.root.resolve()):
        raise ConfigError(
            f"--out {audit.out} lies in the dataset, and would be deleted when that is built again; choose "
            "another"
        )
    with locked_folder(audit.work, audit.out):
        decided = (audit.out / DECISIONS_NAME).exists()
        _refuse_other_decisions(audit)
        same_settings(audit.work, audit.to_json(), ("rank*.jsonl", "fold-*"), kept=decided)
        dataset, errors = audit.dataset, {}
        if audit.planted:
            planted = plant(
                audit.dataset,
                audit.splits,
                audit.planted,
                audit.seed,
                audit.work / "planted",
                lambda done, total: progress("plant errors", done, total),
            )
            dataset, errors = planted.dataset, planted.errors
        rows = {gold.id: (split, gold) for split in audit.splits for gold in dataset.golds(split)}
        answers = _answers(audit, dataset, list(rows), progress)
        golds = {uid: gold for uid, (_, gold) in rows.items()}
        given, own = _loops(audit, dataset, golds, answers, progress)
        scored = score_rows(rows, answers, given, own)
    measured = _measured(scored, errors, audit.seed) if errors else {}
    return Audited(dataset, scored, errors, measured)


def _refuse_other_decisions(audit: Audit) -> None:
    """Refuse to audit another version of a dataset beside decisions, which would seem to be about it.

    Raises:
        ConfigError: There are decisions on another version; with planted errors, on the dataset without.
    """
    path = audit.out / DECISIONS_NAME
    decided = read_decisions(path)
    versions = {decision.dataset_sha256 for decision in decided.values()} - {""}
    if decided and not versions and (audit.out / QUEUE_NAME).is_file():
        versions = {ReviewQueue(audit.out).header.dataset_sha256}
    own = audit.dataset.sha256
    others = versions & {own} if audit.planted else versions - {own}  # a planted copy has another identity
    if others:
        now = "a copy of it with planted errors" if audit.planted else f"version {own[:12]}"
        raise ConfigError(
            f"{path} decides on version {min(others)[:12]} of the dataset, and this audit is of {now}; "
            "choose another --out"
        )


def _answers(audit: Audit, dataset: BenchmarkDataset, ids: list[str], progress: Progress) -> Answers | None:
    def answered(done: int, total: int) -> None:
        progress("answers", done, total)

    def trained(job: JobProgress) -> None:
        progress(job.job.label, max(job.total, 1) if job.finished else job.done, max(job.total, 1))

    if isinstance(audit.answerer, Folds):
        return cross_fit(dataset, audit.splits, ids, audit.answerer, audit.work, answered, trained)
    if isinstance(audit.answerer, Path):
        return read_answers(audit.answerer, dataset, audit.splits)
    if audit.answerer is None:
        return None
    texts = ask(
        dataset.spec,
        lambda todo: items(dataset, audit.splits, todo),
        ids,
        audit.answerer,
        audit.samples,
        audit.seed,
        audit.work / "answers",
        answered,
    )
    return Answers(texts, audit.answerer.answer_format)


def _loops(
    audit: Audit,
    dataset: BenchmarkDataset,
    golds: Mapping[str, Gold],
    answers: Answers | None,
    progress: Progress,
) -> tuple[dict[str, Loop], dict[str, Loop]]:
    """Return the closed loops on the given labels and on the model's own."""

    def run(
        what: str, folder: str, labels: Mapping[str, Gold], about: Mapping[str, str] | None = None
    ) -> dict[str, Loop]:
        assert audit.reasoner is not None
        return run_loops(
            dataset.spec,
            lambda todo: items(dataset, audit.splits, todo),
            labels,
            audit.reasoner,
            audit.rollouts,
            audit.seed,
            audit.work / folder,
            lambda done, total: progress(what, done, total),
            about=about,
        )

    given: dict[str, Loop] = {}
    if audit.cots is not None:
        given = loops_of_cots(audit.cots, golds, dataset.sha256)
    elif audit.reasoner is not None:
        given = run("closed loops on the given labels", "given", golds)
    if audit.reasoner is None or answers is None:
        return given, {}
    own = own_labels(dataset, {uid: golds[uid] for uid in given}, answers)
    same = {uid: given[uid] for uid, gold in own.items() if gold == golds[uid]}
    other = {uid: gold for uid, gold in own.items() if uid not in same}
    about = {uid: json.dumps(KINDS[gold.kind].to_json(gold.annotation)) for uid, gold in other.items()}
    return given, same | run("closed loops on the model's labels", "own", other, about)


def own_labels(dataset: BenchmarkDataset, golds: Mapping[str, Gold], answers: Answers) -> dict[str, Gold]:
    """Return the model's own label of each row that has one which could be ground truth."""
    own: dict[str, Gold] = {}
    for uid, gold in golds.items():
        label: Annotation | None = medoid(answers.stated(gold))
        kind = KINDS[gold.kind]
        label = None if label is None else kind.tidied(label, gold.frame_px)
        if label is None:
            continue
        stated = replace(gold, annotation=label)
        if not label_problem(stated, dataset.spec.classes):
            own[uid] = stated
    return own


def _measured(rows: list[RowScores], errors: Mapping[str, str], seed: int) -> dict[str, Measured]:
    names = [errors.get(row.gold.id, "") for row in rows]
    columns: dict[str, list[float | None]] = {"suspicion": [row.suspicion for row in rows]}
    for name, score in SCORES.items():
        sign = -1 if score.low_is_suspicious else 1
        columns[name] = [sign * row.scores[name] if name in row.scores else None for row in rows]
    columns[RANDOM] = [0.0] * len(rows)
    measured = {name: measure(values, names, seed=seed) for name, values in columns.items()}
    return {name: value for name, value in measured.items() if value is not None}
