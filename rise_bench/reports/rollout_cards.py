"""Sample rollouts of a report: image, chain of thought with leaks marked, statement beside ground truth."""

from __future__ import annotations

import base64
import io
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from rise_bench.annotations.answer_format import AnswerFormat, Style
from rise_bench.annotations.base import Annotation, Gold
from rise_bench.annotations.kinds import kind_of
from rise_bench.data.dataset import BenchmarkDataset
from rise_bench.files.images import decode_rgb
from rise_bench.prompts.clean_text import clean_cot
from rise_bench.rendering.render import render
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
        dataset: The benchmark, for images and ground truth; None shows the texts alone.
        config: The run's settings as a tree.
        count: How many cards.
    """
    model = config["model"]
    answer_format = AnswerFormat(unit=model["box_unit"], max_pixels=model["max_pixels"])
    return cards(choose(rollouts, count), dataset, answer_format)


def cards(
    rows: Sequence[Row],
    dataset: BenchmarkDataset | None,
    answer_format: AnswerFormat,
    *,
    split: str = "train",
    remark: Remark = lambda _: (),
) -> str:
    """Cards of the rows, in their order.

    Args:
        rows: Rows with `id`, `step` or `title`, `reward`, `similarity`, `format_ok`, `reason`, and either
            `cot` and `reconstruction` or `response`.
        dataset: The benchmark, for images and ground truth; None shows the texts alone.
        answer_format: How boxes were asked for; the style follows from the row.
        split: Split that the rows belong to.
        remark: Further badges of a row: ("good" | "bad" | "", text).
    """
    golds: dict[str, Gold] = {}
    pictures: dict[str, str] = {}
    if dataset:
        golds = {gold.id: gold for gold in dataset.golds(split)}
        pictures = _thumbnails(dataset, split, {row["id"] for row in rows})
    made = [
        _card(row, golds.get(row["id"]), pictures.get(row["id"], ""), answer_format, remark(row))
        for row in rows
    ]
    return render("rollout_cards.html.j2", cards=made)


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
    row: Row, gold: Gold | None, picture: str, answer_format: AnswerFormat, remarks: Sequence[Badge]
) -> dict[str, Any]:
    looped = "cot" in row
    text = row["reconstruction"] if looped else row["response"]
    style: Style = "answer_only" if looped else "think_answer"
    stated: Annotation | None = None
    if gold:
        stated, _ = read_stated(gold, text, replace(answer_format, style=style))
    classes = kind_of(gold.annotation).leak_names(gold.annotation, gold.category) if gold else ()
    return {
        "id": row["id"],
        "title": f"{row['id']}, {row['title'] if 'title' in row else 'step ' + str(row['step'])}",
        "badges": _badges(row, remarks),
        "cot": mark_leaks(row["cot"], classes) if looped else None,
        "text": text,
        "picture": picture,
        "readable": stated is not None,
        **(_shown(gold, stated) if gold else {"layers": (), "caption": (), "bars": {}}),
    }


def mark_leaks(cot: str, classes: tuple[str, ...] = ()) -> list[tuple[str, str]]:
    """Cut a chain of thought, as it enters a prompt, into pieces: text, and the reason if it is a leak."""
    cot = clean_cot(cot)
    pieces, position = [], 0
    for span in sorted(find_leaks(cot, classes=classes), key=lambda s: s.start):
        if span.start >= position:
            pieces += [(cot[position : span.start], ""), (cot[span.start : span.end], span.reason)]
            position = span.end
    return [*pieces, (cot[position:], "")]


def _badges(row: Row, remarks: Sequence[Badge]) -> list[Badge]:
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
    return badges


def _shown(gold: Gold, stated: Annotation | None) -> dict[str, Any]:
    """Ground truth and, where it can be read, the statement: bars, boxes over the image, or text."""
    kind, annotations = kind_of(gold.annotation), {"gold": gold.annotation}
    if stated is not None:
        annotations["stated"] = stated
    shares = {name: kind.shares(annotation) for name, annotation in annotations.items()}
    layers = {name: kind.overlay(annotation) for name, annotation in annotations.items()}
    texts = {
        name: f"{len(layers[name])} box(es)" if layers["gold"] else kind.render(annotation)
        for name, annotation in annotations.items()
    }
    caption = (
        gold.question or gold.category,
        f"truth (blue, solid): {texts['gold']}",
        f"stated (orange, dashed): {texts.get('stated', 'unreadable')}",
    )
    return {
        "width_px": gold.width_px,
        "height_px": gold.height_px,
        "layers": [(name, boxes) for name, boxes in layers.items() if layers["gold"]],
        "caption": () if shares["gold"] else caption,
        "bars": {key: [(name, of[key]) for name, of in shares.items()] for key in shares["gold"]},
    }


def _thumbnails(dataset: BenchmarkDataset, split: str, ids: set[str]) -> dict[str, str]:
    thumbnails: dict[str, str] = {}
    for row in dataset.rows(split, columns=["id", "image"]):
        if row["id"] not in ids or not row["image"]:
            continue
        small = decode_rgb(row["image"]["bytes"], row["id"])
        small.thumbnail((THUMBNAIL_PX, THUMBNAIL_PX))
        file = io.BytesIO()
        small.save(file, "jpeg", quality=82)
        thumbnails[row["id"]] = "data:image/jpeg;base64," + base64.b64encode(file.getvalue()).decode()
        if len(thumbnails) == len(ids):
            break
    return thumbnails
