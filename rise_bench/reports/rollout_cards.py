"""Sample rollouts of a report: image, chain of thought with its leaks marked, statement beside truth."""

from __future__ import annotations

import base64
import io
from collections.abc import Callable, Mapping, Sequence
from html import escape
from typing import Any

from rise_bench.annotations.base import Annotation, Gold
from rise_bench.annotations.boxes.values import Boxes
from rise_bench.annotations.distribution.values import Distribution
from rise_bench.data.dataset import BenchmarkDataset
from rise_bench.files.images import decode_rgb
from rise_bench.prompts.answer_format import Style
from rise_bench.prompts.clean_text import clean_cot
from rise_bench.rendering.charts import boxes_overlay
from rise_bench.scoring.leaks import find_leaks
from rise_bench.scoring.rewards import read_stated

THUMBNAIL_PX = 440
Row = dict[str, Any]
Badge = tuple[str, str]
Remark = Callable[[Row], Sequence[Badge]]


def sample_cards(
    rollouts: Sequence[Row], dataset: BenchmarkDataset | None, config: Mapping[str, Any], count: int
) -> str:
    """Cards of a few rollouts of the last steps, from the best reward to the worst.

    Args:
        rollouts: Rows of the rollout log in order of steps.
        dataset: The benchmark, for images and truths; None shows the texts alone.
        config: The run's settings as a tree.
        count: How many cards.
    """
    return cards(choose(rollouts, count), dataset, config["model"])


def cards(
    rows: Sequence[Row],
    dataset: BenchmarkDataset | None,
    model: Mapping[str, Any],
    *,
    split: str = "train",
    remark: Remark = lambda _: (),
) -> str:
    """Cards of the rows, in their order.

    Args:
        rows: Rows with `id`, `step` or `title`, `reward`, `similarity`, `format_ok`, `reason`, and either
            `cot` and `reconstruction` or `response`.
        dataset: The benchmark, for images and truths; None shows the texts alone.
        model: `box_unit` and `max_pixels` of the model that wrote them.
        split: Split that the rows are of.
        remark: Says more of a row, as badges: ("good" | "bad" | "", text).
    """
    golds: dict[str, Gold] = {}
    pictures: dict[str, str] = {}
    if dataset:
        golds = {gold.id: gold for gold in dataset.golds(split)}
        pictures = _thumbnails(dataset, split, {row["id"] for row in rows})
    made = [_card(row, golds.get(row["id"]), pictures.get(row["id"], ""), model, remark(row)) for row in rows]
    return f"<div class='rollouts'>{''.join(made)}</div>"


def choose(rollouts: Sequence[Row], count: int) -> list[Row]:
    """Pick `count` rollouts of the last tenth of the steps, evenly over the order of their rewards."""
    steps = sorted({row["step"] for row in rollouts})
    late = set(steps[-max(1, len(steps) // 10) :])
    ranked = sorted(
        (r for r in rollouts if r["step"] in late), key=lambda r: (-r["reward"], r["step"], r["id"])
    )
    if len(ranked) <= count:
        return ranked
    return [ranked[round(i * (len(ranked) - 1) / max(1, count - 1))] for i in range(count)]


def _card(
    row: Row, gold: Gold | None, picture: str, model: Mapping[str, Any], remarks: Sequence[Badge]
) -> str:
    looped = "cot" in row
    text = row["reconstruction"] if looped else row["response"]
    style: Style = "answer_only" if looped else "think_answer"
    stated: Annotation | None = None
    if gold:
        stated, _ = read_stated(
            gold, text, unit=model["box_unit"], style=style, max_pixels=model["max_pixels"]
        )
    body = ""
    if looped:
        classes = gold.annotation.classes if gold and isinstance(gold.annotation, Distribution) else ()
        body += f"<p class='label'>Chain of thought</p><p>{mark_leaks(row['cot'], classes)}</p>"
    body += f"<p class='label'>{'Reconstruction' if looped else 'Response'}</p><pre>{escape(text)}</pre>"
    title = f"{row['id']}, {row['title'] if 'title' in row else 'step ' + str(row['step'])}"
    return (
        f"<article><div>{_picture(gold, stated, picture)}{_caption(gold, stated)}</div>"
        f"<div><h3>{escape(title)}</h3>{_badges(row, remarks)}{body}"
        f"{_bars(gold, stated)}</div></article>"
    )


def mark_leaks(cot: str, classes: tuple[str, ...] = ()) -> str:
    """Escape a chain of thought as it enters a prompt and mark its leaks; a tooltip says the reason."""
    cot = clean_cot(cot)
    parts, position = [], 0
    for span in sorted(find_leaks(cot, classes=classes), key=lambda s: s.start):
        if span.start >= position:
            parts.append(escape(cot[position : span.start]))
            parts.append(f'<mark title="{escape(span.reason)}">{escape(cot[span.start : span.end])}</mark>')
            position = span.end
    return "".join(parts) + escape(cot[position:])


def _badges(row: Row, remarks: Sequence[Badge]) -> str:
    badges: list[Badge] = [
        ("", f"reward {row['reward']:.3f}"),
        ("", f"similarity {row['similarity']:.3f}"),
        *remarks,
    ]
    badges.append(("good", "format ok") if row["format_ok"] else ("bad", "format wrong"))
    if "leak_numbers" in row:
        badges.append(("bad", "leak") if row["leak_numbers"] else ("good", "no leak"))
        if row["leak_strict"] and not row["leak_numbers"]:
            badges.append(("", "names a class"))
    if row["reason"] != "ok":
        badges.append(("bad", row["reason"]))
    spans = "".join(f'<span class="{kind}">{escape(text)}</span>' for kind, text in badges)
    return f"<div class='badges'>{spans}</div>"


def _picture(gold: Gold | None, stated: Annotation | None, picture: str) -> str:
    if not picture or gold is None:
        return ""
    layers = ""
    for annotation, css_class in ((gold.annotation, "gold"), (stated, "stated")):
        if isinstance(annotation, Boxes):
            layers += boxes_overlay(annotation, gold.width_px, gold.height_px, css_class=css_class)
    return f'<div class="picture"><img src="{picture}" alt="{escape(gold.id)}">{layers}</div>'


def _caption(gold: Gold | None, stated: Annotation | None) -> str:
    if gold is None or not isinstance(gold.annotation, Boxes):
        return ""
    told = f"{len(stated.xywh)} box(es)" if isinstance(stated, Boxes) else "unreadable"
    asked = escape(gold.question or gold.category)
    truth = f"truth (blue, solid): {len(gold.annotation.xywh)} box(es)"
    return f"<p class='note'>{asked}<br>{truth}<br>stated (orange, dashed): {told}</p>"


def _bars(gold: Gold | None, stated: Annotation | None) -> str:
    if gold is None or not isinstance(gold.annotation, Distribution):
        return ""
    rows = []
    for i, name in enumerate(gold.annotation.classes):
        pairs = [("gold", gold.annotation.probs[i])]
        if isinstance(stated, Distribution):
            pairs.append(("stated", stated.probs[i]))
        bars = "".join(
            f'<div class="bar {kind}" style="width:{min(max(p, 0), 1):.0%}"></div>' for kind, p in pairs
        )
        numbers = " / ".join(f"{p:.2f}" for _, p in pairs)
        rows.append(f"<tr><th>{escape(name)}</th><td class='bars'>{bars}</td><td>{numbers}</td></tr>")
    told = "stated (orange, striped)" if stated else "stated: unreadable"
    return f"<table>{''.join(rows)}</table><p class='note'>truth (blue) / {told}</p>"


def _thumbnails(dataset: BenchmarkDataset, split: str, ids: set[str]) -> dict[str, str]:
    found: dict[str, str] = {}
    for row in dataset.rows(split, columns=["id", "image"]):
        if row["id"] not in ids or not row["image"]:
            continue
        small = decode_rgb(row["image"]["bytes"], row["id"])
        small.thumbnail((THUMBNAIL_PX, THUMBNAIL_PX))
        file = io.BytesIO()
        small.save(file, "jpeg", quality=82)
        found[row["id"]] = "data:image/jpeg;base64," + base64.b64encode(file.getvalue()).decode()
        if len(found) == len(ids):
            break
    return found
