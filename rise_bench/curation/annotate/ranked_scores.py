"""Scores of an annotation run on the samples of a benchmark: with the confidences, and without."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from rise_bench.annotations.base import Gold
from rise_bench.annotations.kinds import KINDS
from rise_bench.annotations.metric import RankedScore
from rise_bench.curation.annotate.formats import json_lines
from rise_bench.curation.annotate.records import AnnotationRun, Answer
from rise_bench.data.dataset import BenchmarkDataset
from rise_bench.errors import DataError
from rise_bench.evaluation.score_run import ScoredRun, score_baselines
from rise_bench.evaluation.win_rate_reference import win_rate_reference
from rise_bench.scoring.bootstrap import RESAMPLES
from rise_bench.scoring.response import Reading
from rise_bench.scoring.scores import SampleScore, aggregate, score_annotation, score_unreadable


@dataclass(frozen=True, slots=True)
class ScoredAnnotations:
    """Scores of an annotation run.

    Attributes:
        run: Scores that need no confidence, beside the baselines.
        ranked: Scores that use the confidences, by name.
    """

    run: ScoredRun
    ranked: dict[str, RankedScore]

    def to_json(self) -> dict[str, Any]:
        """Return the scores as plain JSON values."""
        return self.run.to_json() | {"ranked": {name: asdict(score) for name, score in self.ranked.items()}}


def annotations_file(path: Path) -> Path | None:
    """Return the `annotations.jsonl` that a path is or holds; None if it is something else."""
    file = path / json_lines.NAME if path.is_dir() else path
    return file if file.name == json_lines.NAME and file.is_file() else None


def score_annotations(
    path: Path, dataset: BenchmarkDataset, split: str = "test", *, resamples: int = RESAMPLES
) -> ScoredAnnotations:
    """Score annotations against the ground truth of a split; a row is known by the hash of its image's file.

    Args:
        path: `annotations.jsonl`.
        dataset: The benchmark.
        split: Split whose pictures were annotated, perhaps among others.
        resamples: Bootstrap resamples.

    Raises:
        DataError: If the file is not what `annotate` writes, or a row of the split has no answer.
    """
    golds = sorted(dataset.golds(split), key=lambda gold: gold.id)
    answers = answers_by_row(path, dataset, split)
    _require_all(path, dataset, split, golds, answers)
    scores = [_score(gold, answers[gold.id]) for gold in golds]
    reference = win_rate_reference(dataset, split)
    report = aggregate(dataset.spec, golds, scores, reference=reference, resamples=resamples)
    baselines = score_baselines(dataset, split, reference=reference, resamples=0)
    ranked = KINDS[dataset.spec.kind].ranked_scores(
        golds, [score.stated for score in scores], [answers[gold.id].parts for gold in golds]
    )
    return ScoredAnnotations(ScoredRun(dataset.spec, dataset.sha256, report, baselines), ranked)


def _score(gold: Gold, answer: Answer) -> SampleScore:
    if answer.annotation is None:
        return score_unreadable(gold, Reading(None, answer.reading, False, answer.reason, ""))
    return score_annotation(gold, answer.annotation)


def answers_by_row(path: Path, dataset: BenchmarkDataset, split: str) -> dict[str, Answer]:
    """Return the answers to rows of a split, by row id.

    A row is known by the hash of its image's file, its class and its question; copies have one answer.

    Raises:
        DataError: If the file is not what `annotate` writes.
    """
    names = ("source_sha256", "category", "question")
    rows = dataset.rows(split, columns=["id", *names])
    ids: dict[tuple[str, ...], list[str]] = {}
    for row in rows:
        ids.setdefault(tuple(row[name] for name in names), []).append(row["id"])
    return {row_id: answer for asked, answer in _read(path, dataset) for row_id in ids.get(asked, ())}


def _require_all(
    path: Path, dataset: BenchmarkDataset, split: str, golds: list[Gold], answers: Mapping[str, Answer]
) -> None:
    missing = [gold.id for gold in golds if gold.id not in answers]
    if missing:
        raise DataError(
            f"{path} has no answer to {len(missing)} of {len(golds)} {split} samples of {dataset.spec.name}, "
            f"e.g. {missing[0]!r}; annotate the pictures that the benchmark was built from, as it asks"
        )


def _read(path: Path, dataset: BenchmarkDataset) -> Iterator[tuple[tuple[str, str, str], Answer]]:
    """Yield what was asked (hash of the picture, class, question), and the answer."""
    spec = dataset.spec
    run = AnnotationRun(Path(), spec, dataset.manifest.categories, "", 1, "")
    with path.open(encoding="utf-8") as file:
        for number, line in enumerate(file, start=1):
            try:
                values = json.loads(line)
                picture, answer = json_lines.answer_of(run, values)
                asked = picture.sha256, answer.category, values["question"]
            except (LookupError, TypeError, ValueError) as error:
                raise DataError(
                    f"{path}, line {number}: not an annotation of {spec.kind} ({error!r}); give the file "
                    "that `rise-bench annotate` wrote for this benchmark"
                ) from error
            yield asked, answer
