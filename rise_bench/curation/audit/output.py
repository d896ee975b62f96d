"""Files of an audit: `audit.csv`, `audit.json`, the review queue, Label Studio tasks, and `audit.html`."""

import csv
import io
import json
from typing import Any

from rise_bench.annotations.kinds import KINDS
from rise_bench.catalog.spec import BenchmarkSpec
from rise_bench.curation.audit.folds import Folds
from rise_bench.curation.audit.label_studio import write_tasks
from rise_bench.curation.audit.model import AskedModel
from rise_bench.curation.audit.page import write_page
from rise_bench.curation.audit.run import Audit, Audited
from rise_bench.curation.audit.scores import COMBINED, SCORES, RowScores
from rise_bench.curation.audit.why import LOW, why
from rise_bench.curation.queue import QueueHeader, ReviewItem, write_queue
from rise_bench.files.atomic import atomic_write_text
from rise_bench.prompts.templates import task_sentence

CSV_NAME, JSON_NAME, PAGE_NAME = "audit.csv", "audit.json", "audit.html"
_PAGE_ROWS = 60  # the most suspicious labels


def write_output(audit: Audit, audited: Audited, *, tasks: int = 200) -> dict[str, Any]:
    """Write the files of an audit and return its summary.

    Args:
        audit: Settings of the audit.
        audited: Its results.
        tasks: Labels that become tasks of Label Studio; 0 writes none.
    """
    spec, out_of_fold = audited.dataset.spec, bool(audit.out_of_fold)
    items = [review_item(row, spec, out_of_fold=out_of_fold) for row in audited.rows]
    atomic_write_text(audit.out / CSV_NAME, _csv(audited, items))
    write_queue(audit.out, _header(audited), items)
    if tasks:
        write_tasks(audit.out, audited, items[:tasks])
    summary = _summary(audit, audited)
    write_page(audit.out / PAGE_NAME, audited, items[:_PAGE_ROWS], summary)
    atomic_write_text(audit.out / JSON_NAME, json.dumps(summary, indent=1) + "\n")
    return summary


def review_item(row: RowScores, spec: BenchmarkSpec, *, out_of_fold: bool) -> ReviewItem:
    """Return a row of a benchmark as an item of the review queue."""
    gold, kind = row.gold, KINDS[row.gold.kind]
    return ReviewItem(
        gold.id,
        gold.width_px,
        gold.height_px,
        question=task_sentence(spec, gold),
        category=gold.category,
        given=gold.annotation,
        suggested=None if row.own is None else kind.tidied(row.own, gold.frame_px),
        reason=row.reason,
        scores={"suspicion": row.suspicion, **row.scores},
        why=why(row, out_of_fold=out_of_fold),
    )


def _header(audited: Audited) -> QueueHeader:
    dataset = audited.dataset
    return QueueHeader(
        f"Audit of {dataset.spec.name}",
        "audit",
        dataset.spec.kind,
        "suspicion, the most suspicious label first",
        dataset.spec.classes,
        dataset.manifest.categories,
        dataset=str(dataset.root.absolute()),
        dataset_sha256=dataset.sha256,
    )


def _csv(audited: Audited, items: list[ReviewItem]) -> str:
    names = [name for name in SCORES if any(name in row.scores for row in audited.rows)]
    planted = ("planted",) if audited.errors else ()
    columns = ("rank", "id", "split", "category", "suspicion", *names, *planted, "given", "model", "why")
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, columns)
    writer.writeheader()
    for rank, (row, item) in enumerate(zip(audited.rows, items, strict=True), start=1):
        kind = KINDS[row.gold.kind]
        own = "" if item.suggested is None else kind.render(item.suggested)
        line: dict[str, Any] = {
            "rank": rank,
            "id": row.gold.id,
            "split": row.split,
            "category": row.gold.category,
            "suspicion": f"{row.suspicion:.6f}",
            "given": kind.render(row.gold.annotation),
            "model": own,
            "why": " ".join(item.why),
        }
        line |= {name: f"{row.scores[name]:.6f}" for name in names if name in row.scores}
        line |= {name: audited.errors.get(row.gold.id, "") for name in planted}
        writer.writerow(line)
    return text.getvalue()


def _refused(audit: Audit, audited: Audited) -> int:
    """Return the number of rows about which the model was asked and gave nothing, which have no score."""
    if not isinstance(audit.answerer, AskedModel | Folds):
        return 0
    return sum("answer_similarity" not in row.scores for row in audited.rows)


def _summary(audit: Audit, audited: Audited) -> dict[str, Any]:
    counts = {name: sum(name in row.scores for row in audited.rows) for name in SCORES}
    return {
        "dataset": str(audited.dataset.root),
        "dataset_sha256": audited.dataset.sha256,
        "rows": len(audited.rows),
        "unreadable": sum(row.own is None for row in audited.rows if "answer_similarity" in row.scores),
        "refused": _refused(audit, audited),
        "disagrees": sum(row.scores.get("answer_similarity", 1.0) < LOW for row in audited.rows),
        "scored": {name: count for name, count in counts.items() if count},
        "combined": list(COMBINED),
        "out_of_fold": audit.out_of_fold,
        "planted": len(audited.errors),
        "measured": {name: measured.to_json() for name, measured in audited.measured.items()},
        "settings": audit.to_json(),
    }
