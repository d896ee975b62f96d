"""Print the figures of the base model's card.

    python -m rise_bench.trainers.base_model.evaluate --model rise_bench/models/base_model

All figures are of pictures of the drawn benchmarks (224 px JPEG through the model's own processor): true
statements, format rates, scores before any training, pointing, and the closed loop. Greedy unless "sampled".
"""

from __future__ import annotations

import argparse
import json
import random
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast, get_args

import numpy as np
import torch
from PIL import Image
from transformers import AutoProcessor, Qwen2VLForConditionalGeneration

from rise_bench.annotations.answer_format import AnswerFormat
from rise_bench.annotations.base import Gold
from rise_bench.annotations.kinds import fit_baselines
from rise_bench.catalog.benchmarks import get_benchmark
from rise_bench.catalog.spec import BenchmarkSpec
from rise_bench.cot.dataset import TAU
from rise_bench.files.images import decode_rgb
from rise_bench.models.likelihood import DESCRIBE
from rise_bench.prompts.clean_text import clean_cot
from rise_bench.prompts.templates import (
    answer_only_prompt,
    reason_prompt,
    reconstruct_prompt,
    think_answer_prompt,
)
from rise_bench.scoring.rewards import cot_reward
from rise_bench.scoring.scores import aggregate, score_annotation, score_response
from rise_bench.synthetic import statements
from rise_bench.synthetic.rows import DrawnBenchmark, Split, drawn_rows


@dataclass(frozen=True)
class Sample:
    """Decoded row of a drawn benchmark."""

    images: tuple[Image.Image, ...]
    gold: Gold
    truth: Any
    described: Any


def samples(benchmark: str, split: str, count: int, seed: int = 0) -> list[Sample]:
    """Draw the first rows of a split."""
    drawn = []
    for row in drawn_rows(cast(DrawnBenchmark, benchmark), cast(Split, split), count, seed):
        image, annotation = row.render()
        gold = Gold(row.source_id, annotation, 224, 224, row.category, row.question)
        images = tuple(decode_rgb(data) for data in (image, *row.render_further()))
        drawn.append(Sample(images, gold, row.truth, row.described))
    return drawn


class Speaker:
    """Model with its processor: pictures and prompts to texts."""

    def __init__(self, folder: Path) -> None:
        self.processor = AutoProcessor.from_pretrained(folder, trust_remote_code=False)
        self.model = Qwen2VLForConditionalGeneration.from_pretrained(
            folder, dtype=torch.float32, use_safetensors=True
        ).eval()
        tokens = self.processor.tokenizer.added_tokens_decoder
        end = self.processor.tokenizer.eos_token_id
        self.suppressed = sorted(i for i, t in tokens.items() if t.special and i != end)

    def say(
        self,
        images: Sequence[tuple[Image.Image, ...]],
        prompts: Sequence[str],
        *,
        sampled: bool = False,
        batch: int = 50,
    ) -> list[str]:
        """Answer each prompt about its pictures, at most 160 new tokens."""
        texts: list[str] = []
        for start in range(0, len(prompts), batch):
            conversations = [
                [
                    {
                        "role": "user",
                        "content": [
                            *({"type": "image", "image": i} for i in shown),
                            {"type": "text", "text": p},
                        ],
                    }
                ]
                for shown, p in zip(
                    images[start : start + batch], prompts[start : start + batch], strict=True
                )
            ]
            inputs = self.processor.apply_chat_template(
                conversations,
                tokenize=True,
                return_dict=True,
                return_tensors="pt",
                add_generation_prompt=True,
                processor_kwargs={"padding": True},
            )
            with torch.inference_mode():
                output = self.model.generate(
                    **inputs,
                    max_new_tokens=160,
                    do_sample=sampled,
                    temperature=1.0,
                    top_k=0,
                    top_p=1.0,
                    suppress_tokens=self.suppressed,
                )
            texts += self.processor.batch_decode(
                output[:, inputs["input_ids"].shape[1] :], skip_special_tokens=True
            )
        return texts


def truth_rate(texts: Sequence[str], rows: Sequence[Sample]) -> dict[str, float]:
    """Return the share of true statements by cue and of all, and the number of statements per text."""
    read = statements.statements
    claims = [s for text, row in zip(texts, rows, strict=True) for s in read(text, row.truth)]
    cues = sorted({s.cue for s in claims})
    rates = (
        {cue: float(np.mean([s.true for s in claims if s.cue == cue])) for cue in cues}
        if len(cues) > 1
        else {}
    )
    rates["all"] = float(np.mean([s.true for s in claims])) if claims else 0.0
    rates["statements_per_text"] = len(claims) / len(texts)
    return rates


def annotate(speaker: Speaker, spec: BenchmarkSpec, rows: Sequence[Sample]) -> dict[str, Any]:
    """Return format rates and scores of zero-shot answers in both formats, and the baselines."""
    golds, images = [r.gold for r in rows], [r.images for r in rows]
    result: dict[str, Any] = {}
    for style, prompt in (("think_answer", think_answer_prompt), ("answer_only", answer_only_prompt)):
        for sampled in (False, True):
            texts = speaker.say(images, [prompt(spec, g) for g in golds], sampled=sampled)
            scores = [score_response(g, t, AnswerFormat(style)) for g, t in zip(golds, texts, strict=True)]  # type: ignore[arg-type]
            result[f"{style}{' sampled' if sampled else ''}"] = {
                "format": float(np.mean([s.reading.format_ok for s in scores])),
                **_metrics(spec, golds, scores),
                **({"true_statements": truth_rate(texts, rows)["all"]} if style == "think_answer" else {}),
            }
    baselines = fit_baselines([r.gold for r in samples(spec.name, "train", 300)])
    for name, answer in baselines.items():
        result[f"baseline {name}"] = _metrics(spec, golds, [score_annotation(g, answer(g)) for g in golds])
    return result


def _metrics(spec: BenchmarkSpec, golds: Sequence[Gold], scores: Sequence[Any]) -> dict[str, float]:
    report = aggregate(spec, golds, scores, resamples=2)
    return {
        spec.metric: report.metrics[spec.metric].value,
        "similarity": float(np.mean([s.similarity for s in scores])),
    }


def reconstruct(speaker: Speaker, spec: BenchmarkSpec, rows: Sequence[Sample]) -> dict[str, float]:
    """Return scores of the annotation reconstructed from a complete, true description and the picture."""
    rng, prompts = random.Random(0), []
    for row in rows:
        if isinstance(row.described, tuple):
            cot = " ".join(map(statements.describe_thing, row.described)) or statements.NOTHING
        else:
            forms = statements.MOOD_SENTENCES if spec.name == "moods" else statements.KIND_SENTENCES
            cot = statements.describe(row.truth, rng.sample(list(forms), len(forms)), forms)
        prompts.append(reconstruct_prompt(spec, row.gold, cot))
    texts = speaker.say([r.images for r in rows], prompts)
    scores = [
        score_response(r.gold, t, AnswerFormat("answer_only")) for r, t in zip(rows, texts, strict=True)
    ]
    return {
        "format": float(np.mean([s.reading.format_ok for s in scores])),
        **_metrics(spec, [r.gold for r in rows], scores),
    }


def closed_loop(
    speaker: Speaker, spec: BenchmarkSpec, rows: Sequence[Sample], group: int = 8
) -> dict[str, float]:
    """Return the reward of eq. 1 for `group` sampled chains of thought per picture."""
    many = [row for row in rows for _ in range(group)]
    images = [row.images for row in many]
    cots = speaker.say(images, [reason_prompt(spec, row.gold) for row in many], sampled=True)
    prompts = [
        reconstruct_prompt(spec, row.gold, clean_cot(cot)) for row, cot in zip(many, cots, strict=True)
    ]
    answers = speaker.say(images, prompts, sampled=True)
    verdicts = [cot_reward(row.gold, c, a) for row, c, a in zip(many, cots, answers, strict=True)]
    rewards = np.array([v.reward for v in verdicts]).reshape(-1, group)
    return {
        "reward": float(rewards.mean()),
        "best_of_group": float(rewards.max(1).mean()),
        "share_best_above_tau": float((rewards.max(1) >= TAU).mean()),
        "leaks": float(np.mean([v.leak_numbers for v in verdicts])),
        "format": float(np.mean([v.format_ok for v in verdicts])),
        "true_statements": truth_rate(cots, many)["all"],
    }


def evaluate(
    folder: Path, count: int, seed: int, benchmarks: Sequence[str] = get_args(DrawnBenchmark)
) -> dict[str, Any]:
    """Return all figures of the card."""
    torch.set_num_threads(1)
    torch.manual_seed(0)
    speaker = Speaker(folder)
    figures: dict[str, Any] = {
        "parameters": sum(p.numel() for p in speaker.model.parameters()),
        "bytes": (folder / "model.safetensors").stat().st_size,
    }
    for name in benchmarks:
        spec, rows = get_benchmark(name), samples(name, "test", count, seed)
        train = samples(name, "train", max(10, count // 5), seed)
        figures[name] = {
            "describe": truth_rate(speaker.say([r.images for r in rows], [DESCRIBE] * len(rows)), rows),
            **annotate(speaker, spec, rows),
            "reconstruct from the truth": reconstruct(speaker, spec, rows),
            "closed loop sampled": closed_loop(speaker, spec, train),
        }
    return figures


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description="Print the figures of the base model's card.")
    parser.add_argument("--model", type=Path, required=True, help="folder of the model")
    parser.add_argument("--count", type=int, default=200, help="test pictures of each benchmark")
    parser.add_argument(
        "--seed", type=int, default=100, help="of the pictures; studies and demos use 0, 1, …"
    )
    parser.add_argument(
        "--benchmark", action="append", choices=get_args(DrawnBenchmark), help="one of them; default all"
    )
    parser.add_argument("--json", action="store_true", help="one JSON object instead of lines")
    arguments = parser.parse_args()
    asked = arguments.benchmark or get_args(DrawnBenchmark)
    figures = evaluate(arguments.model, arguments.count, arguments.seed, asked)
    if arguments.json:
        sys.stdout.write(json.dumps(figures) + "\n")
        return
    for name, value in figures.items():
        if not isinstance(value, dict):
            sys.stdout.write(f"{name}: {value}\n")
            continue
        sys.stdout.write(f"\n{name}\n")
        for line, numbers in value.items():
            sys.stdout.write(f"  {line:<28} {'  '.join(f'{k} {v:.3f}' for k, v in numbers.items())}\n")


if __name__ == "__main__":
    main()
