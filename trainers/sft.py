"""SFT: the answer only, as the paper's baseline; and the SFT phase of every other stage.

    rise-bench train sft --recipe emotion6/sft

The loss is on the completion only, image and prompt are masked, and nothing is cut to a length. Eq. 8 sums
the negative log-probabilities of a sequence and averages over sequences. TRL divides the same sum, over all
rows of an optimiser step on all devices, by its number of tokens: within a step every token weighs the same
in both; the scale differs, and with it what gradient clipping does (docs/decisions/training_loss.md). The
loss in the curves is a mean per token, comparable between stages.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from datasets import Dataset
from trl.trainer.sft_config import SFTConfig
from trl.trainer.sft_trainer import SFTTrainer

from rise_bench.annotations.kinds import render_gold
from rise_bench.catalog.stages import stage
from rise_bench.errors import DataError
from rise_bench.prompts import templates
from rise_bench.trainers.data.answer_mask import ReasonsAlone
from rise_bench.trainers.data.training_data import TrainingData, imitated, open_training_data
from rise_bench.trainers.phases.lora import policy
from rise_bench.trainers.phases.phase import run_phase
from rise_bench.trainers.phases.trl_arguments import common_arguments, load_processor
from rise_bench.trainers.runs.run_folder import RunFolder
from rise_bench.trainers.settings.config import TrainConfig


@dataclass(frozen=True, slots=True)
class Example:
    """One SFT target: the position of its sample in the training data, its prompt and its completion."""

    position: int
    prompt: str
    completion: str


@stage("sft", phases=("sft",), asks="answer_only")
def train(config: TrainConfig, run: RunFolder) -> Path:
    """Train on the annotations alone and return the folder of the trained model."""
    data = open_training_data(config.data)
    answer_format = config.model.answer_format
    examples = [
        Example(
            i,
            templates.answer_only_prompt(data.spec, gold, answer_format),
            templates.answer_only_text(render_gold(gold, answer_format)),
        )
        for i, gold in enumerate(data.golds)
    ]
    return train_sft(config, run, config.model.name, data, examples)


def think_answer_examples(config: TrainConfig, data: TrainingData, cots: Mapping[str, str]) -> list[Example]:
    """Return targets of eq. 8: the think-answer prompt, then chain of thought and annotation.

    The annotation is the ground truth, or the teacher's own (`data.cot_answers=reconstruction`). Samples
    without a chain of thought in `cots`, by sample id, are left out.
    """
    answer_format = config.model.answer_format
    return [
        Example(
            i,
            templates.think_answer_prompt(data.spec, gold, answer_format),
            templates.think_answer_text(cots[gold.id], render_gold(gold, answer_format)),
        )
        for i, gold in enumerate(imitated(config, data) if cots else ())
        if gold.id in cots
    ]


def train_sft(
    config: TrainConfig, run: RunFolder, start: str | Path, data: TrainingData, examples: Sequence[Example]
) -> Path:
    """Run the SFT phase from the checkpoint `start` and return the folder of the trained model."""

    def build(source: str, start: str) -> SFTTrainer:
        processor = load_processor(config.model, source)
        arguments = SFTConfig(
            **common_arguments(config, "sft", run),
            per_device_train_batch_size=config.sft.rows_per_device,
            max_length=None,
            completion_only_loss=True,
        )
        lora = config.model.lora
        trainer = SFTTrainer(
            **(policy(lora, start, arguments) if lora.rank else {"model": source}),
            args=arguments,
            train_dataset=sft_rows(data, examples),
            processing_class=processor,
        )
        if config.data.cot_answers == "none" and config.declared_stage.cots:
            trainer.data_collator = ReasonsAlone(trainer.data_collator, processor.tokenizer.decode)
        return trainer

    return run_phase(config, run, "sft", start, build)


def sft_rows(data: TrainingData, examples: Sequence[Example]) -> Dataset:
    """Return rows `images`, `prompt`, `completion`, made on access; images stay on disk until then."""
    if not examples:
        raise DataError("no SFT examples; lower data.tau, or check data.cots and data.shots")

    def read(batch: dict[str, list[int]]) -> dict[str, list[Any]]:
        chosen = [examples[i] for i in batch["index"]]
        return {
            "images": [list(data.pictures(example.position)) for example in chosen],
            "prompt": [[{"role": "user", "content": example.prompt}] for example in chosen],
            "completion": [[{"role": "assistant", "content": example.completion}] for example in chosen],
        }

    return Dataset.from_dict({"index": list(range(len(examples)))}).with_transform(read)
