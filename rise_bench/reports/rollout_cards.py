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
from rise_bench.annotations.leak_rule import Secrets
from rise_bench.cot.rollout_log import Rollout
from rise_bench.data.dataset import BenchmarkDataset
from rise_bench.data.pictures import pictures_of
from rise_bench.files.images import decode_rgb
from rise_bench.files.side_by_side import side_by_side
from rise_bench.prompts.clean_text import clean_cot
from rise_bench.rendering.render import render
from rise_bench.scoring.leaks import find_leaks
from rise_bench.scoring.rewards import read_stated

THUMBNAIL_PX = 440
Badge = tuple[str, str]
Remark = Callable[[Rollout], Sequence[Badge]]


def sample_cards(
    rollouts: Sequence[Rollout], dataset: BenchmarkDataset | None, config: Mapping[str, Any], count: int
) -> str:
    """Return cards of `count` rollouts of the last steps, from the best reward to the worst.

    Args:
        rollouts: Rollouts in order of steps.
        dataset: Benchmark for images and ground truth; None shows the texts alone.
        config: Settings of the run as a tree.
        count: Number of cards.
    """
    model = config["model"]
    answer_format = AnswerFormat(unit=model["box_unit"], max_pixels=model["max_pixels"])
    chosen = [(f"step {rollout.step}", rollout) for rollout in choose(rollouts, count)]
    return cards(chosen, dataset, answer_format)


def cards(
    titled: Sequence[tuple[str, Rollout]],
    dataset: BenchmarkDataset | None,
    answer_format: AnswerFormat,
    *,
    split: str = "train",
    remark: Remark = lambda _: (),
) -> str:
    """Return cards of rollouts in their order.

    Args:
        titled: Title of each card, and the rollout.
        dataset: Benchmark for images and ground truth; None shows the texts alone.
        answer_format: Format of boxes; the style follows from the rollout.
        split: Split of the samples.
        remark: Further badges of a rollout: ("good" | "bad" | "", text).
    """
    golds: dict[str, Gold] = {}
    pictures: dict[str, str] = {}
    if dataset:
        golds = {gold.id: gold for gold in dataset.golds(split)}
        pictures = _thumbnails(dataset, split, {rollout.id for _, rollout in titled})
    made = [
        {"title": f"{rollout.id}, {title}", "picture": pictures.get(rollout.id, "")}
        | _card(rollout, golds.get(rollout.id), answer_format, remark(rollout))
        for title, rollout in titled
    ]
    return render("rollout_cards.html.j2", cards=made)


def choose(rollouts: Sequence[Rollout], count: int) -> list[Rollout]:
    """Pick `count` rollouts of the last tenth of the steps, evenly over the order of their rewards."""
    steps = sorted({rollout.step for rollout in rollouts})
    late = set(steps[-max(1, len(steps) // 10) :])
    ranked = sorted((r for r in rollouts if r.step in late), key=lambda r: (-r.reward, r.step, r.id))
    if len(ranked) <= count:
        return ranked
    return [ranked[round(i * (len(ranked) - 1) / max(1, count - 1))] for i in range(count)]


def _card(
    rollout: Rollout, gold: Gold | None, answer_format: AnswerFormat, remarks: Sequence[Badge]
) -> dict[str, Any]:
    looped = rollout.response is None
    style: Style = "answer_only" if looped else "think_answer"
    stated: Annotation | None = None
    if gold:
        stated, _ = read_stated(gold, rollout.answer, replace(answer_format, style=style))
    secrets = kind_of(gold.annotation).secrets(gold.annotation, gold.category) if gold else Secrets()
    return {
        "id": rollout.id,
        "badges": _badges(rollout, remarks),
        "cot": mark_leaks(rollout.cot, secrets) if looped else None,
        "text": rollout.answer,
        "readable": stated is not None,
        **(_shown(gold, stated) if gold else {"layers": (), "caption": (), "bars": {}}),
    }


def mark_leaks(cot: str, secrets: Secrets) -> list[tuple[str, str]]:
    """Cut a chain of thought, as it enters a prompt, into pieces: text, and the reason if it is a leak."""
    cot = clean_cot(cot)
    pieces, position = [], 0
    for span in sorted(find_leaks(cot, **secrets._asdict()), key=lambda s: s.start):
        if span.start >= position:
            pieces += [(cot[position : span.start], ""), (cot[span.start : span.end], span.reason)]
            position = span.end
    return [*pieces, (cot[position:], "")]


def _badges(rollout: Rollout, remarks: Sequence[Badge]) -> list[Badge]:
    badges: list[Badge] = [
        ("", f"reward {rollout.reward:.3f}"),
        ("", f"similarity {rollout.similarity:.3f}"),
        *((("", "reconstructed without the picture"),) if rollout.view == "blind" else ()),
        *(
            ("", f"{title} {value:.3f}")
            for title, value in (
                ("when selected", rollout.reward_selected),
                ("without the picture", rollout.reward_blind if rollout.view == "picture" else None),
                ("lift", rollout.lift),
            )
            if value is not None
        ),
        *remarks,
    ]
    badges.append(("good", "format ok") if rollout.format_ok else ("bad", "format wrong"))
    if rollout.response is None:
        badges.append(("bad", "leak") if rollout.leak_numbers else ("good", "no leak"))
        if rollout.leak_strict and not rollout.leak_numbers:
            badges.append(("", "names a class"))
    if rollout.reason != "ok":
        badges.append(("bad", rollout.reason))
    return badges


def _shown(gold: Gold, stated: Annotation | None) -> dict[str, Any]:
    """Ground truth and, where it can be read, the statement: bars, outlines over the image, or text."""
    kind, annotations = kind_of(gold.annotation), {"gold": gold.annotation}
    if stated is not None:
        annotations["stated"] = stated
    shares = {name: kind.shares(annotation) for name, annotation in annotations.items()}
    layers = {name: kind.outlines(annotation) for name, annotation in annotations.items()}
    texts = {
        name: f"{len(layers[name])} {kind.name}" if layers["gold"] else kind.render(annotation)
        for name, annotation in annotations.items()
    }
    caption = (
        gold.question or gold.category,
        f"truth (blue, solid): {texts['gold']}",
        f"answer (orange, dashed): {texts.get('stated', 'unreadable')}",
    )
    return {
        "width_px": gold.width_px,
        "height_px": gold.height_px,
        "layers": [(name, outlines) for name, outlines in layers.items() if layers["gold"]],
        "caption": () if shares["gold"] else caption,
        "bars": {key: [(name, of[key]) for name, of in shares.items()] for key in shares["gold"]},
    }


def _thumbnails(dataset: BenchmarkDataset, split: str, ids: set[str]) -> dict[str, str]:
    thumbnails: dict[str, str] = {}
    for row in dataset.rows(split, columns=["id", dataset.spec.image_column]):
        if row["id"] not in ids or not (pictures := pictures_of(row)):
            continue
        small = side_by_side([decode_rgb(picture, row["id"]) for picture in pictures])
        small.thumbnail((THUMBNAIL_PX, THUMBNAIL_PX))
        file = io.BytesIO()
        small.save(file, "jpeg", quality=82)
        thumbnails[row["id"]] = "data:image/jpeg;base64," + base64.b64encode(file.getvalue()).decode()
        if len(thumbnails) == len(ids):
            break
    return thumbnails
