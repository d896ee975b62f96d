"""JSON values for the page: the review, a page of its list, an item."""

import math
from dataclasses import asdict
from typing import Any

from rise_bench.annotations.base import Annotation
from rise_bench.annotations.kinds import KINDS
from rise_bench.curation.review.session import Review, View, neighbours
from rise_bench.errors import DataError


def review_view(review: Review) -> dict[str, Any]:
    """Return what all items have in common."""
    header = review.source.header
    return {
        "title": header.title,
        "order": header.order,
        "classes": list(header.classes),
        "editor": KINDS[header.kind].editor,
        "file": str(review.path),
    }


def list_view(review: Review, view: View, start: int, count: int) -> dict[str, Any]:
    """Return `count` rows of the list from `start` on: place, id, first score and what was decided."""
    places = review.places(view)
    rows = []
    for index in places[start : start + count]:
        decision, _ = review.decision(index)
        rank = review.source.ranks[index]
        row = {"index": index, "id": review.source.ids[index], "rank": _finite(rank)}
        rows.append(row | {"action": decision and decision.action})
    return {"total": len(places), "rows": rows, "counts": review.counts()}


def item_view(review: Review, index: int, view: View) -> dict[str, Any]:
    """Return an item, its decision, and where a view goes on from it."""
    item = review.source.item(index)
    places = review.places(view)
    before, _ = neighbours(places, index)
    names = ("id", "width_px", "height_px", "question", "category", "reason", "why")
    return {name: getattr(item, name) for name in names} | {
        "index": index,
        "given": _annotation(item.given),
        "suggested": _annotation(item.suggested),
        "scores": [(name, _finite(value)) for name, value in item.scores.items()],
        "before": before,
        "place": sum(place < index for place in places),
        "total": len(places),
        **decision_view(review, index, view),
    }


def decision_view(review: Review, index: int, view: View) -> dict[str, Any]:
    """Return the decision on an item, its version, the counts, and what comes next, as of now."""
    decision, version = review.decision(index)
    chosen, problem = None, ""
    if decision is not None:
        try:
            chosen = _annotation(decision.read(review.source.header))
        except DataError as error:
            problem = str(error)
    return {
        "version": version,
        "decision": decision and asdict(decision) | {"chosen": chosen, "problem": problem},
        "counts": review.counts(),
        "after": neighbours(review.places(view), index)[1],
        "undecided": next(iter(review.places(View("undecided"))), None),
    }


def _annotation(annotation: Annotation | None) -> dict[str, Any] | None:
    """Return the values of an annotation, and what shows them: outlines over the image, bars and text."""
    if annotation is None:
        return None
    kind = KINDS[annotation.kind]
    return {
        "values": kind.to_json(annotation),
        "outlines": kind.outlines(annotation),
        "shares": list(kind.shares(annotation).items()),
        "text": kind.render(annotation),
    }


def _finite(value: float | None) -> float | None:
    return None if value is None or not math.isfinite(value) else value
