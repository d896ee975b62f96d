"""`audit.html`: the most suspicious labels with their pictures, and what planted errors say of the scores."""

import base64
import io
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

from rise_bench.annotations.kinds import KINDS
from rise_bench.curation.audit.measure import FIGURES
from rise_bench.curation.audit.run import Audited
from rise_bench.curation.audit.sampling import items as stream
from rise_bench.curation.audit.scores import SCORES
from rise_bench.curation.queue import ReviewItem
from rise_bench.files.atomic import atomic_write_text
from rise_bench.files.images import decode_rgb
from rise_bench.files.side_by_side import side_by_side
from rise_bench.rendering.render import render

_THUMBNAIL_PX = 440

_NOTES = {
    True: "No model answered an image that it was trained on.",
    None: "The answers are not known to be out of fold; a model repeats labels that it was trained on.",
}


def write_page(path: Path, audited: Audited, items: Sequence[ReviewItem], summary: Mapping[str, Any]) -> None:
    """Write the page of an audit."""
    pictures = _thumbnails(audited, {item.id for item in items})
    cards = [
        _card(item, rank, audited.errors.get(item.id, "")) | {"picture": pictures.get(item.id, "")}
        for rank, item in enumerate(items, start=1)
    ]
    facts = {
        "Dataset": f"{audited.dataset.spec.name} ({audited.dataset.sha256[:12]})",
        "Labels": _shown(len(items), summary["rows"]),
        "Sorted by": "mean rank of " + ", ".join(SCORES[name].title for name in summary["combined"]),
    }
    if "answer_similarity" in summary["scored"]:
        facts["Answers"] = _NOTES[summary["out_of_fold"]]
    if audited.errors:
        facts["Planted errors"] = f"{len(audited.errors)} labels were made wrong to test the scores"
    html = render(
        "audit.html.j2",
        title=f"Audit of {audited.dataset.spec.name}",
        facts=facts,
        headings=list(FIGURES.values()),
        measured=[(_title(name), list(of.figures.values())) for name, of in audited.measured.items()],
        cards=cards,
    )
    atomic_write_text(path, str(html))


def _shown(shown: int, rows: int) -> str:
    return f"{rows}, all shown" if shown == rows else f"{rows}; the {shown} most suspicious are shown"


def _title(name: str) -> str:
    return SCORES[name].title if name in SCORES else {"suspicion": "combined"}.get(name, name)


def _card(item: ReviewItem, rank: int, error: str) -> dict[str, Any]:
    assert item.given is not None
    kind = KINDS[item.given.kind]
    annotations = {"gold": item.given} | ({} if item.suggested is None else {"stated": item.suggested})
    shares = {name: kind.shares(annotation) for name, annotation in annotations.items()}
    bars = {key: [(name, of[key]) for name, of in shares.items()] for key in shares["gold"]}
    return {
        "rank": rank,
        "id": item.id,
        "asked": item.question or item.category,
        "width_px": item.width_px,
        "height_px": item.height_px,
        "layers": [(name, kind.outlines(annotation)) for name, annotation in annotations.items()],
        "bars": {name: pairs for name, pairs in bars.items() if any(share >= 0.005 for _, share in pairs)},
        "given": kind.render(item.given),
        "model": "no readable answer" if item.suggested is None else kind.render(item.suggested),
        "reason": item.reason,
        "badges": [(name.replace("_", " "), f"{value:.2f}") for name, value in item.scores.items()],
        "why": item.why,
        "error": error,
    }


def _thumbnails(audited: Audited, ids: Collection[str]) -> dict[str, str]:
    """Return small pictures as data addresses, by row id; none of a dataset without images."""
    if audited.dataset.manifest.images == "reference":
        return {}
    thumbnails = {}
    for gold, images in stream(audited.dataset, audited.dataset.manifest.counts, ids):
        small = side_by_side([decode_rgb(image, gold.id) for image in images])
        small.thumbnail((_THUMBNAIL_PX, _THUMBNAIL_PX))
        file = io.BytesIO()
        small.save(file, "jpeg", quality=82)
        thumbnails[gold.id] = "data:image/jpeg;base64," + base64.b64encode(file.getvalue()).decode()
    return thumbnails
