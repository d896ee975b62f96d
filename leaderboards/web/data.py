"""Files of the sample view: samples of each run, ground truth of each benchmark, images.

Images are copied only if they may be republished; otherwise a sample has texts and numbers only.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rise_bench.annotations.average_precision import MAX_STATED
from rise_bench.annotations.base import Annotation, Gold
from rise_bench.annotations.kinds import KINDS, kind_of, render_gold
from rise_bench.annotations.metric import SHARED, SIMILARITY, Metric
from rise_bench.catalog.benchmarks import texts_may_be_shown
from rise_bench.data.pictures import pictures_of
from rise_bench.files.atomic import sha256_bytes
from rise_bench.files.side_by_side import one_picture
from rise_bench.leaderboards.ranking.entries import Entry, key_of
from rise_bench.leaderboards.submissions.samples import SAMPLES_NAME, read_samples
from rise_bench.leaderboards.verification.gold_board import GoldBoard
from rise_bench.leaderboards.verification.verifier import Verification
from rise_bench.scoring.scores import SampleScore

#: Suffix by the first bytes of an image; other formats are not copied.
_SUFFIXES = {b"\xff\xd8\xff": ".jpg", b"\x89PNG": ".png", b"RIFF": ".webp"}


@dataclass(frozen=True)
class RunWriter:
    """Writer of the samples of verified submissions, called in worker processes.

    Attributes:
        results: Results folder, for the raw responses.
        out: Folder of the site.
    """

    results: Path
    out: Path

    def __call__(self, outcome: Verification, board: GoldBoard) -> None:
        """Write the samples, except for hidden ground truth."""
        if board.pin.hidden:
            return
        assert outcome.submission is not None
        assert outcome.report is not None
        responses, _ = read_samples((self.results / outcome.path / SAMPLES_NAME).read_bytes())
        samples = [_sample(board.spec.ranking, score, responses[score.id]) for score in outcome.scores]
        submission = outcome.submission.model_dump(mode="json", exclude={"samples", "metrics"})
        metrics = {name: metric.value for name, metric in outcome.report.metrics.items()}
        run = {"path": outcome.path, **submission, "recomputed": metrics, "read": outcome.report.reasons}
        write_json(self.path_of(outcome.path), {"run": run, "samples": samples})

    def path_of(self, folder: str) -> Path:
        """Return the file with the samples of a submission."""
        return self.out / "runs" / f"{key_of(folder)}.json"


def _sample(metric: Metric, score: SampleScore, response: str) -> dict[str, Any]:
    think, answer = score.reading.think, score.reading.answer
    sample: dict[str, Any] = {
        "id": score.id,
        "score": round(score.value(metric), 6),
        "similarity": round(score.similarity, 6),
        "think": think,
        "answer": answer,
    }
    if score.stated is not None:
        sample["stated"] = _drawing(score.stated)
    if score.reading.reason != "ok":
        sample["reason"] = score.reading.reason
    if "".join(response.split()) != "".join(f"<think>{think}</think><answer>{answer}</answer>".split()):
        sample["raw"] = response
    return sample


def _drawing(annotation: Annotation) -> dict[str, list[Any]]:
    """Return outlines over the image, and bars in the order of the classes."""
    kind = kind_of(annotation)
    outlines = [
        [[_rounded(x), _rounded(y)] for x, y in outline] for outline in kind.outlines(annotation)[:MAX_STATED]
    ]
    shares = [_rounded(share) for share in kind.shares(annotation).values()]
    drawing = {"outlines": outlines} if outlines or kind.in_frame else {}
    return drawing | ({"shares": shares} if shares else {})


def _truth(gold: Gold, *, shown: bool) -> dict[str, Any]:
    """Return what is drawn of a true annotation, or its text if nothing is and it may be shown."""
    drawing = _drawing(gold.annotation)
    return {"gold": drawing} | ({"text": render_gold(gold)} if shown and not drawing else {})


def _rounded(number: float) -> float:
    return float(f"{number:.6g}")


def write_gold(board: GoldBoard, out: Path) -> None:
    """Write `gold/<benchmark>.json` and the images that may be republished."""
    samples = {
        gold.id: {
            "width": gold.width_px,
            "height": gold.height_px,
            **_truth(gold, shown=texts_may_be_shown(board.spec)),
        }
        | ({"category": gold.category} if gold.category else {})
        | ({"question": gold.question} if gold.question and texts_may_be_shown(board.spec) else {})
        for gold in board.golds
    }
    if board.spec.images == "embed":
        for row in board.dataset.rows("test", columns=["id", board.spec.image_column, "license"]):
            if name := _write_image(row, out / "images" / board.spec.name):
                samples[row["id"]] |= {
                    "image": f"images/{board.spec.name}/{name}",
                    "license": row["license"] or "",
                }
    spec = board.spec
    about = {
        "name": spec.name,
        "metric": spec.metric,
        "shown": (spec.ranking if spec.ranking.sample else SIMILARITY).to_json(),
        "metrics": {metric.name: metric.to_json() for metric in (*KINDS[spec.kind].metrics, *SHARED)},
        "classes": list(spec.classes),
        "question": spec.question,
        "images": spec.images,
        "license_note": spec.license_note,
    }
    write_json(out / "gold" / f"{spec.name}.json", {"benchmark": about, "samples": samples})


def _write_image(row: dict[str, Any], folder: Path) -> str:
    pictures = pictures_of(row)
    data = one_picture(pictures) if pictures else b""
    suffix = next((s for start, s in _SUFFIXES.items() if data.startswith(start)), "")
    if not suffix:
        return ""
    name = sha256_bytes(data)[:20] + suffix
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_bytes(data)
    return name


def write_runs_index(entries: Sequence[Entry], out: Path) -> None:
    """Write `runs/index-<benchmark>.json`, the list of models to compare with."""
    by_benchmark: dict[str, list[Any]] = {}
    for entry in entries:
        run = entry.submission
        by_benchmark.setdefault(run.benchmark, []).append(
            [entry.key, run.model.name, run.shots, round(entry.main.value, 6)]
        )
    for name, rows in by_benchmark.items():
        write_json(out / "runs" / f"index-{name}.json", rows)


def write_json(path: Path, value: Any) -> None:
    """Write compact JSON into the site."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False), "utf-8")
