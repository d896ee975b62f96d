"""The two loops on TRL of the training-step benchmark: ours, and stock GRPO."""

import torch
from train_step_clock import now
from transformers import TrainerCallback
from trl import GRPOConfig, GRPOTrainer

from rise_bench.cot.closed_loop import ClosedLoop, LoopSettings
from rise_bench.prompts.templates import reason_prompt, think_answer_prompt
from rise_bench.trainers.data.grpo_rows import prompt_rows
from rise_bench.trainers.phases.cpu_logprob_patch import trained_positions_only
from rise_bench.trainers.rollouts.closed_loop_trainer import ClosedLoopTrainer


class StepTimer(TrainerCallback):
    """Seconds of each optimiser step, generation included."""

    def __init__(self):
        self.seconds = []

    def on_step_begin(self, *_, **__):
        """Start the clock."""
        self.begun = now()

    def on_step_end(self, *_, **__):
        """Stop it."""
        self.seconds.append(now() - self.begun)


def trl_arguments(setup, folder, rows):
    """GRPOConfig of both TRL loops; `rows` is rows a rollout."""
    dtype = "bfloat16" if setup.gpu else "float32"
    return GRPOConfig(
        output_dir=str(folder),
        per_device_train_batch_size=setup.generations * rows,
        num_generations=setup.generations * rows,
        gradient_accumulation_steps=setup.prompts,
        max_completion_length=setup.shape.cot + setup.shape.reconstruction,
        generation_kwargs={"suppress_tokens": setup.not_sampled},
        max_steps=setup.steps + 1,
        learning_rate=1e-6,
        bf16=setup.gpu,
        use_cpu=not setup.gpu,
        gradient_checkpointing=setup.gpu,
        model_init_kwargs={"dtype": dtype, "attn_implementation": setup.attention},
        report_to=[],
        save_strategy="no",
        disable_tqdm=True,
        logging_strategy="no",
    )


def random_reward(completions, **_):
    """Rewards that give every group an advantage."""
    return torch.rand(len(completions)).tolist()


def time_trainer(trainer):
    """Seconds of each step after the first."""
    timer = StepTimer()
    trainer.add_callback(timer)
    trainer.train()
    return timer.seconds[1:]


def ours(setup, folder, *, prefix_tree=True):
    """The closed loop of rise_bench."""
    golds = {gold.id: gold for gold in setup.samples.golds}
    settings = LoopSettings(
        setup.generations,
        max_cot_length=setup.shape.cot,
        max_reconstruction_length=setup.shape.reconstruction,
    )
    trainer = ClosedLoopTrainer(
        loop=ClosedLoop(setup.samples.spec, settings),
        golds=golds,
        model=str(setup.model),
        start=str(setup.model),
        reward_funcs=lambda cot, **_: torch.rand(len(cot) // 2).repeat_interleave(2).tolist(),
        args=trl_arguments(setup, folder, 2),
        train_dataset=rows(setup, reason_prompt),
        processing_class=setup.processor,
        prefix_tree=prefix_tree,
    )
    with trained_positions_only():
        return time_trainer(trainer)


def padded(setup, folder):
    """The closed loop without the prefix tree."""
    return ours(setup, folder, prefix_tree=False)


def grpo(setup, folder):
    """Stock TRL."""
    trainer = GRPOTrainer(
        model=str(setup.model),
        reward_funcs=random_reward,
        args=trl_arguments(setup, folder, 1),
        train_dataset=rows(setup, think_answer_prompt),
        processing_class=setup.processor,
    )
    return time_trainer(trainer)


def rows(setup, prompt):
    """The samples with a prompt each."""
    samples = setup.samples
    return prompt_rows(
        samples.golds,
        lambda i: [samples.images[i]],
        lambda gold: prompt(samples.spec, gold),
        minimum=setup.prompts,
    )
