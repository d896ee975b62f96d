"""The text of `rise.yaml`: every setting with a comment that says what it means."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import yaml

from rise_bench.curation.own.recipe import Recipe, recipe_tree

#: Dotted key -> what it means.
ABOUT = {
    "name": "of the dataset, and of its task",
    "out": "folder of everything that is made, from this file",
    "seed": "of the split and of the trainings",
    "scale": "settings of the trainings that are not named here: paper, world or smoke",
    "shots": "training pictures of each class: 4-shot, 16-shot or full",
    "data": "stage build: the dataset",
    "data.pictures": "folder of the pictures, from this file",
    "data.labels": "file or folder of the annotations; empty for folders as classes",
    "data.format": "of the annotations: csv, coco, yolo, voc, label-studio, cvat, folders",
    "data.question": "task sentence of the prompts; empty: one that fits the annotations",
    "data.classes": "class names in order; empty: as the annotations have them",
    "data.test_fraction": "share of the pictures that no training sees, where the data has no splits",
    "data.keep_empty": "whether pictures without an object count, as pictures with nothing to find",
    "data.images": "embed: publish sends the pictures, which you may; reference: ids and hashes only",
    "data.license": "of the pictures, e.g. cc-by-4.0; for the card of the dataset, as the lines below",
    "data.title": "title; empty: the name",
    "data.citation": "how to cite the pictures, in a line",
    "data.source_url": "web address of the pictures",
    "endpoint": "stage collect: a model behind an OpenAI-compatible API writes the chains of thought",
    "endpoint.url": "base address with its /v1; several share the work",
    "endpoint.model": "name that the server knows it by",
    "endpoint.api_key_env": "environment variable that holds the key; not the key itself",
    "endpoint.concurrency": "requests in flight",
    "model": "model that both trainings start from",
    "model.name": "of the Hub, or a folder",
    "model.box_unit": "unit of boxes that it was trained on",
    "model.max_pixels": "larger pictures are shrunk to this area",
    "model.attn_implementation": "flash_attention_2 needs its package; sdpa does not",
    "model.lora": "an adapter is trained instead of all weights, in a quarter of the memory",
    "model.lora.rank": "its rank; 0 trains all weights",
    "learning_rate": "ten times that of all weights",
    "compute": "both trainings on this machine",
    "compute.accelerate": "none: one process; zero2, zero3, ddp: one for each GPU",
    "compute.bf16": "half the memory; needs a GPU that has it",
    "compute.gradient_checkpointing": "less memory, a quarter more time",
    "compute.use_cpu": "without a GPU",
    "rise_cot": "stage rise_cot: learns to explain annotations so that they can be reconstructed",
    "collect": "stage collect: the best chain of thought of each picture, with its reward",
    "collect.samples": "chains of thought that are tried for a picture",
    "collect.tau": "reward from which a chain of thought counts as verified, and is trained on",
    "collect.splits": "which pictures get one; test is never trained on",
    "collect.allow_missing": "true: leave out the pictures that the model refuses to explain",
    "collect.judge": "frozen model that judges whether a text is about its picture, or none",
    "rise_r1": "stage rise_r1: a model that explains and annotates new pictures",
    "grpo": "reinforcement learning",
    "sft": "imitation of the verified chains of thought",
    "steps": "optimiser steps",
    "num_generations": "rollouts of a prompt that are compared with one another",
    "rollouts_per_device": "rollouts at a time on a GPU; lower it if memory is short",
    "rows_per_device": "rows at a time on a GPU",
    "gradient_accumulation_steps": "batches of a step; raise it where you lower the line above",
    "max_cot_length": "tokens of a chain of thought",
    "max_reconstruction_length": "tokens of a reconstruction",
    "max_completion_length": "tokens of an answer",
    "eval": "stage eval: scores on the test split, beside baselines that never look at a picture",
    "eval.batch_size": "pictures at a time",
    "eval.max_new_tokens": "longest answer",
    "eval.untrained": "score the model before training too",
}

_COMMENT_COLUMN = 40


def recipe_text(recipe: Recipe, lead: Sequence[str] = ()) -> str:
    """Write a recipe as YAML that `read_recipe` reads back to an equal value.

    Args:
        recipe: The recipe.
        lead: Lines of comment at the top.
    """
    lines = [*(f"# {line}".rstrip() for line in lead), ""]
    tree = recipe_tree(recipe)
    unused = {name for name in ("scale", "model", "compute") if not recipe.trainings or not tree[name]}
    for name, value in sorted(tree.items(), key=lambda item: isinstance(item[1], dict)):
        if name in unused:
            continue
        if isinstance(value, dict):
            lines.append("")
        lines += _lines(name, value, "", "")
    return "\n".join(lines).strip() + "\n"


def _lines(name: str, value: Any, above: str, indent: str) -> Iterator[str]:
    key = f"{above}{name}"
    comment = ABOUT.get(key, ABOUT.get(name, ""))
    if not isinstance(value, Mapping):
        text = yaml.safe_dump([value], default_flow_style=True, allow_unicode=True, width=10_000).strip()
        yield _with_comment(f"{indent}{name}: {text[1:-1]}", comment)
        return
    yield _with_comment(f"{indent}{name}:" + ("" if value else " {}"), comment)
    for inner, setting in value.items():
        yield from _lines(inner, setting, f"{key}.", f"{indent}  ")


def _with_comment(text: str, comment: str) -> str:
    return f"{text.ljust(_COMMENT_COLUMN)}  # {comment}" if comment else text
