"""The settings of a training run: frozen dataclasses whose defaults are the paper's values.

A recipe is a YAML file with the same sections; `key=value` overrides use dotted keys, for instance
`grpo.learning_rate=1e-5`. A setting has one name, and an unknown key is an error that names the nearest one,
because a misspelt key that is silently ignored costs a training run.

Paper: "Implementation Details" of RISE (arXiv 2508.13229): Qwen2-VL-2B on 8 GPUs, AdamW, lr 2e-5, weight
decay 0.1, bf16, ZeRO-3, FlashAttention-2, gradient checkpointing, prompt length 1024, 401,408 pixels, batch
size 1, gradient accumulation 2, 200 steps for SFT and for RFT, tau 0.75.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated, Literal

from pydantic import BeforeValidator, ConfigDict

from rise_bench.annotations.answer_format import AnswerFormat
from rise_bench.annotations.boxes.values import MAX_PIXELS, MIN_PIXELS, BoxUnit
from rise_bench.catalog.stages import Phase, Stage, get_stage
from rise_bench.cot.closed_loop import LoopSettings
from rise_bench.data.splits import Shots
from rise_bench.errors import ConfigError
from rise_bench.scoring.rewards import RewardRule
from rise_bench.trainers.settings.lora import LoraSettings
from rise_bench.trainers.settings.number_checks import check_numbers
from rise_bench.trainers.settings.setting_types import Listed, Number, Text, numbers

#: Losses that divide by the number of tokens of the whole batch; `bnpo` does so in each pass, which may hold
#: one group.
_PER_TOKEN = ("dapo", "cispo", "vespo")

#: Losses of TRL's GRPO that need no other setting beside them.
Loss = Literal["grpo", "bnpo", "dr_grpo", "dapo", "cispo", "sapo", "vespo"]

#: Schedules of transformers that need no other setting beside them.
Scheduler = Literal[
    "linear",
    "cosine",
    "cosine_with_restarts",
    "constant",
    "constant_with_warmup",
    "polynomial",
    "inverse_sqrt",
]


@dataclass(frozen=True, slots=True)
class ModelConfig:
    """The checkpoint to start from and how images enter it."""

    name: Text = "Qwen/Qwen2-VL-2B-Instruct"  #: Hub id or folder
    revision: Text = ""  #: Hub revision; empty means the default branch
    box_unit: BoxUnit = "norm1000"  #: what the family was trained on
    max_pixels: int = MAX_PIXELS
    min_pixels: int = MIN_PIXELS
    attn_implementation: Text = "flash_attention_2"  #: or sdpa, eager
    lora: LoraSettings = field(default_factory=LoraSettings)

    @property
    def answer_format(self) -> AnswerFormat:
        """Format of think-answer responses."""
        return AnswerFormat(unit=self.box_unit, max_pixels=self.max_pixels)


@dataclass(frozen=True, slots=True)
class DataConfig:
    """Training data."""

    benchmark: Text = "emotion6"  #: registered name, or the folder of a built benchmark
    shots: Shots = "full"
    cots: Text = ""  #: CoT dataset (folder or Hub id) for the SFT phase of rise_r1 and reason_rft
    cot_subset: Literal["high", "all"] = "high"  #: D_RISE^high (reward >= tau) or all of D_RISE
    tau: Number = 0.75
    min_groundedness: Number | None = None  #: smallest groundedness of a CoT, in nats
    min_reward_blind: Number | None = None  #: smallest blind reward of a CoT
    min_lift: Number | None = None  #: smallest lift of a CoT
    #: answer that SFT learns behind a chain of thought: the annotation (eq. 8), what was reconstructed from
    #: the text, or none, so that the chain of thought alone is learned
    cot_answers: Literal["annotation", "reconstruction", "none"] = "annotation"
    cot_rows: int = 0  #: chains of thought of the SFT phase, drawn by the seed; 0 takes all
    grpo_samples: Literal["all", "rest"] = "all"  #: rest leaves out those of the SFT phase
    expert_cots: Text = ""  #: CoT dataset for prompts that metis_rise never solves
    max_prompt_length: int = 1024  #: tokens, image tokens included; checked before the first step


@dataclass(frozen=True, slots=True)
class OptimConfig:
    """Settings that the SFT and the GRPO phase share."""

    steps: int = 200
    learning_rate: Number = 2e-5
    weight_decay: Number = 0.1
    lr_scheduler: Scheduler = "linear"  #: of transformers
    warmup_steps: int = 0
    max_grad_norm: Number = 1.0
    gradient_accumulation_steps: int = 2


@dataclass(frozen=True, slots=True)
class SftConfig(OptimConfig):
    """The SFT phase; the loss is on the completion only."""

    rows_per_device: int = 1


@dataclass(frozen=True, slots=True)
class GrpoConfig(OptimConfig):
    """GRPO phase. A rollout is a response, or in rise_cot a pair of CoT and reconstruction.

    The paper's batch size 1 is a prompt per device, so `rollouts_per_device` = `num_generations`.
    """

    num_generations: int = 8
    rollouts_per_device: int = 8
    max_completion_length: int = 512  #: tokens of a response (visual_rft, rise_r1, …)
    max_cot_length: int = 320  #: tokens of a CoT (rise_cot); like the other two not counted on Qwen texts
    max_reconstruction_length: int = 256  #: tokens of a reconstruction (rise_cot)
    temperature: Number = 1.0
    top_p: Number = 1.0
    num_iterations: int = 1  #: optimiser steps that one batch of rollouts serves (mu of GRPO)
    beta: Number = 0.0  #: KL weight; 0 needs no reference model
    epsilon: Number = 0.2
    epsilon_high: Number | None = None  #: upper end of clipping, else epsilon; acts with num_iterations > 1
    mask_truncated: bool = False  #: leave responses that reach their limit out of the loss
    drop_uniform_groups: bool = False  #: leave groups whose rewards are all equal out of loss and token count
    loss_type: Loss = "dapo"  #: of TRL
    scale_rewards: Literal["group", "batch", "none"] = "group"
    gradient: Literal["both", "cot"] = "both"  #: rise_cot: the segments that get gradient
    prefix_tree: bool = True  #: compute what the rows of a micro-batch share once
    shared_prefill: bool = True  #: without vLLM: read each prompt once for all its samples
    vllm: Literal["none", "server", "colocate"] = "none"
    vllm_server_url: Text = ""  #: server mode, e.g. http://10.0.0.5:8000
    vllm_gpu_memory_utilization: Number = 0.3  #: colocate mode
    vllm_tensor_parallel_size: int = 1  #: colocate mode


@dataclass(frozen=True, slots=True)
class MetisConfig:
    """Sorting of prompts after the GRPO phase of metis_rise."""

    samples: int = 8  #: responses a prompt
    solved_reward: Number = 0.75  #: a response with at least this reward (eq. 9) solves its prompt
    keep: int = 1  #: best self-distilled responses kept for a prompt that is solved sometimes


@dataclass(frozen=True, slots=True)
class ComputeConfig:
    """Use of the machines."""

    accelerate: Text = "zero3"  #: none, ddp, zero2, zero3, multi_node, or the path of an accelerate config
    bf16: bool = True
    gradient_checkpointing: bool = True
    use_cpu: bool = False


@dataclass(frozen=True, slots=True)
class RunConfig:
    """Output, logging, checkpoints and resuming."""

    output_dir: Text = ""  #: empty means runs/<benchmark>-<shots>-<stage>
    logging_steps: int = 1
    save_steps: int = 20  #: a crash loses at most as many optimiser steps; pre-flight says what one costs
    save_total_limit: int = 2  #: newest checkpoints that are kept; 0 keeps all
    save_only_model: bool = False  #: no optimiser state: such a run cannot resume
    resume: Literal["auto", "never"] = "auto"  #: auto goes on from the last complete checkpoint
    report_to: Annotated[tuple[str, ...], Listed] = ()  #: of transformers: tensorboard, wandb, trackio
    on_unreadable: Literal["stop", "warn"] = "stop"  #: where no answer of `unreadable_groups` can be read
    unreadable_groups: int = 64  #: groups in a row; a run of fewer is judged at its end
    preflight: bool = True  #: look at prompts, memory, disk and hours


@dataclass(frozen=True, slots=True)
class TrainConfig:
    """All settings of a run; invalid combinations raise `ConfigError`."""

    __pydantic_config__ = ConfigDict(extra="forbid")

    stage: Text = "rise_cot"  #: by name
    phases: Annotated[tuple[Phase, ...], Listed] = ()  #: empty means every phase of the stage
    seed: int = 42
    model: ModelConfig = field(default_factory=ModelConfig)
    data: DataConfig = field(default_factory=DataConfig)
    reward: Annotated[RewardRule, BeforeValidator(numbers)] = field(
        default_factory=RewardRule
    )  #: Table 5 is its switches
    sft: SftConfig = field(default_factory=SftConfig)
    grpo: GrpoConfig = field(default_factory=GrpoConfig)
    metis: MetisConfig = field(default_factory=MetisConfig)
    compute: ComputeConfig = field(default_factory=ComputeConfig)
    run: RunConfig = field(default_factory=RunConfig)

    def __post_init__(self) -> None:
        allowed = self.declared_stage.phases
        if not set(self.phases) <= set(allowed):
            raise ConfigError(
                f"phases = {list(self.phases)}: {self.stage} has {list(allowed)}. Name some of these."
            )
        if self.reward.grounded != "none":
            self._check_grounded()
        if self.reward.view != "picture" and not self.declared_stage.is_closed_loop:
            raise ConfigError(
                f"reward.view = {self.reward.view}: {self.stage} pays by eq. 9, which has no reconstruction. "
                "Set it for rise_cot only."
            )
        if self.reward.format_bonus and self.declared_stage.is_closed_loop:
            raise ConfigError(
                f"reward.format_bonus = {self.reward.format_bonus}: {self.stage} pays by eq. 1, which has no "
                "bonus. Set reward.format_bonus=0."
            )
        if self.declared_stage.is_closed_loop and (
            self.reward.length_weight or self.reward.response_form != "think"
        ):
            raise ConfigError(
                f"reward.length_weight = {self.reward.length_weight}, reward.response_form = "
                f"{self.reward.response_form}: {self.stage} pays by eq. 1, which has neither. "
                "Set reward.length_weight=0 reward.response_form=think."
            )
        if self.grpo.drop_uniform_groups and self.grpo.loss_type not in _PER_TOKEN:
            raise ConfigError(
                f"grpo.drop_uniform_groups = true: with grpo.loss_type = {self.grpo.loss_type} each row has "
                "its share of the loss, dropped or not. "
                f"Set grpo.loss_type to one of {', '.join(_PER_TOKEN)}."
            )
        if self.data.grpo_samples == "rest" and not self.declared_stage.cots:
            raise ConfigError(
                f"data.grpo_samples = rest: {self.stage} has no phase on chains of thought. "
                "Set data.grpo_samples=all."
            )
        if not 0 <= self.data.tau <= 1:
            raise ConfigError(f"data.tau = {self.data.tau}: rewards lie in [0, 1]. Choose tau in that range.")
        check_numbers(self)
        if self.grpo.num_generations < 2:
            raise ConfigError(
                f"grpo.num_generations = {self.grpo.num_generations}: a group of one has no advantage. "
                "Set at least 2."
            )
        if self.grpo.vllm == "server" and not self.grpo.vllm_server_url:
            raise ConfigError(
                "grpo.vllm = server without grpo.vllm_server_url. Set it, e.g. http://localhost:8000."
            )

        if self.model.box_unit == "resized_px" and self.model.min_pixels != MIN_PIXELS:
            raise ConfigError(
                f"model.min_pixels = {self.model.min_pixels}: boxes in resized_px are read for {MIN_PIXELS}. "
                "Leave it out."
            )

    @property
    def loop(self) -> LoopSettings:
        """The closed loop as the run samples and rewards it."""
        return LoopSettings(
            samples=self.grpo.num_generations,
            max_cot_length=self.grpo.max_cot_length,
            max_reconstruction_length=self.grpo.max_reconstruction_length,
            answer_format=self.model.answer_format,
            rule=self.reward,
        )

    def _check_grounded(self) -> None:
        if not self.declared_stage.is_closed_loop:
            raise ConfigError(
                f"reward.grounded = {self.reward.grounded}: {self.stage} pays by eq. 9, which has no judge. "
                "Set it for rise_cot only."
            )
        if self.compute.accelerate in ("zero3", "multi_node"):
            raise ConfigError(
                f"reward.grounded = {self.reward.grounded}: {self.compute.accelerate} would shard the frozen "
                "judge. Set compute.accelerate=zero2 or ddp."
            )

    @property
    def declared_stage(self) -> Stage:
        """The stage as its trainer declares it."""
        return get_stage(self.stage)

    @property
    def active_phases(self) -> tuple[Phase, ...]:
        """The phases that run, in the stage's order."""
        return tuple(p for p in self.declared_stage.phases if not self.phases or p in self.phases)

    @property
    def cot_phases(self) -> tuple[Phase, ...]:
        """The phases of the stage whose samples depend on which have chains of thought."""
        read: tuple[Phase, ...] = ("sft", "grpo") if self.data.grpo_samples == "rest" else ("sft",)
        return tuple(p for p in self.declared_stage.phases if p in read)
