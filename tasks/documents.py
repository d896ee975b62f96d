"""Stateless functions over one document: what the model is shown, and how its response is scored.

A document is a row of the dataset with the columns of `prepare`, such as the unit of its boxes, so that
scoring looks nothing up elsewhere.
"""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from rise_bench.annotations.answer_format import AnswerFormat
from rise_bench.annotations.boxes.values import BoxUnit, frame_of
from rise_bench.annotations.kinds import KINDS, render_gold
from rise_bench.catalog.spec import BenchmarkSpec
from rise_bench.data.pictures import pictures_of
from rise_bench.data.schema import row_to_gold
from rise_bench.evaluation.responses import is_failed_request
from rise_bench.evaluation.win_rate_reference import win_rate_reference
from rise_bench.files.images import decode_rgb
from rise_bench.hub.find import find_benchmark
from rise_bench.prompts.asked_format import asked_format
from rise_bench.prompts.templates import RESPONSE_PROMPTS
from rise_bench.scoring.response_text import response_text
from rise_bench.scoring.scores import score_response
from rise_bench.tasks.aggregation import metric_list


def prepare(documents: Any, *, benchmark: str, unit: BoxUnit) -> Any:
    """Add to each row its prompt, its target text and all inputs of scoring.

    Args:
        documents: A `datasets.Dataset` of one split.
        benchmark: Name of the dataset.
        unit: Unit of boxes.

    Returns:
        The dataset, its images still encoded, with the columns `prompt`, `target`, `spec` (JSON),
        `dataset_sha256`, `box_unit`, `max_pixels`, `style` and `reference` (NaN without a win-rate).
    """
    from datasets import Dataset, Image, List, concatenate_datasets

    dataset = find_benchmark(benchmark)
    spec, answer_format = dataset.spec, asked_format(unit)
    ask = RESPONSE_PROMPTS[answer_format.style]
    golds = [row_to_gold(spec, row) for row in documents.remove_columns(spec.image_column)]
    reference = win_rate_reference(dataset)
    values = reference.values if reference else {}
    constant = {
        "spec": json.dumps(spec.to_json()),
        "dataset_sha256": dataset.sha256,
        **answer_format.to_json(),
    }
    added: dict[str, list[Any]] = {name: [value] * len(golds) for name, value in constant.items()}
    added["prompt"] = [ask(spec, gold, answer_format) for gold in golds]
    added["target"] = [render_gold(gold, answer_format) for gold in golds]
    added["reference"] = [values.get(gold.id, float("nan")) for gold in golds]
    encoded = Image(decode=False)
    documents = documents.cast_column(
        spec.image_column, encoded if spec.images_per_row == 1 else List(encoded)
    )
    return concatenate_datasets([documents, Dataset.from_dict(added)], axis=1)


def doc_to_visual(doc: Mapping[str, Any]) -> list[Any]:
    """Return the images of a row in RGB, upright, in order.

    For `resized_px` they have the size in the prompt, by the filter of the Qwen processors, which keep it.
    """
    images = [decode_rgb(picture, doc["id"]) for picture in pictures_of(doc)]
    if doc["box_unit"] != "resized_px":
        return images
    frame = frame_of("resized_px", doc["width"], doc["height"], max_pixels=doc["max_pixels"])
    return [image.resize((int(frame.width), int(frame.height))) for image in images]


def process_results(doc: Mapping[str, Any], results: Sequence[str | None]) -> dict[str, Any]:
    """Score the first response to a document; null counts as empty.

    Returns:
        Metric -> value of this sample, None for a failed request. The value of the kind's main metric, and of
        those that need all samples, is a row with sample id, ground truth and stated annotation.
    """
    spec = BenchmarkSpec.from_json(json.loads(doc["spec"]))
    gold = row_to_gold(spec, doc)
    kind = KINDS[spec.kind]
    main = kind.metrics[0]
    row: dict[str, Any] = {
        "id": gold.id,
        "benchmark": spec.name,
        "dataset_sha256": doc["dataset_sha256"],
        "style": doc["style"],
        "gold": kind.to_json(gold.annotation),
    }
    if kind.in_frame:
        size = {"width": gold.width_px, "height": gold.height_px, "category": gold.category}
        row |= size | {"box_unit": doc["box_unit"], "max_pixels": doc["max_pixels"]}
    with_row = [metric.name for metric in kind.metrics if metric is main or metric.pool]
    text = response_text(results[0])
    if results[0] is None:
        row["no_response"] = True  # lmms-eval writes it as the text "None"
    if is_failed_request(text):
        unscored: dict[str, Any] = {metric["metric"]: None for metric in metric_list(spec.kind)}
        return unscored | dict.fromkeys(with_row, row | {"failed": True}) | {"failed_requests": 1.0}
    score = score_response(gold, text, AnswerFormat.from_json(doc))
    row |= {
        "reason": score.reading.reason,
        "stated": None if score.stated is None else kind.to_json(score.stated),
    }
    shared = {
        "similarity": score.similarity,
        "parse_rate": float(score.stated is not None),
        "format_rate": float(score.reading.format_ok),
        "failed_requests": 0.0,
    }
    if main.name in score.values:
        row["score"] = score.values[main.name]
    if kind.references:
        shared["win_rate"], shared["tie_rate"] = main.win_and_tie(score.values[main.name], doc["reference"])
    return {**score.values, **dict.fromkeys(with_row, row), **shared}
