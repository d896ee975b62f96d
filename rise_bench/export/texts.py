"""Texts of exported rows in the documented form of each trainer, and the note on training with them."""

from typing import Any

from rise_bench.annotations.answer_format import DEFAULT_FORMAT, AnswerFormat
from rise_bench.annotations.base import Gold
from rise_bench.annotations.kinds import KINDS, render_gold
from rise_bench.annotations.trainer_form import TrainerForms
from rise_bench.catalog.spec import BenchmarkSpec
from rise_bench.prompts.templates import (
    answer_form,
    answer_only_text,
    task_sentence,
    think_answer_prompt,
    think_answer_text,
)


def prompt_text(spec: BenchmarkSpec, gold: Gold, answer_format: AnswerFormat) -> str:
    """Return the think-answer prompt."""
    return think_answer_prompt(spec, gold, answer_format)


def answer_text(gold: Gold, cot: str, answer_format: AnswerFormat) -> str:
    """Return the target of eq. 8: chain of thought, then answer."""
    return think_answer_text(cot, render_gold(gold, answer_format))


def visual_rft_problem(spec: BenchmarkSpec, gold: Gold) -> str:
    """Return a prompt for the form of Visual-RFT's rewards, or the project's own if they have none."""
    if (forms := _forms(spec)) is None:
        return think_answer_prompt(spec, gold)
    ask, _, form = forms.visual_rft(gold, spec.classes)
    return f"{task_sentence(spec, gold)}\n{ask}\nReason first. Write <think>reasoning</think>{form}."


def visual_rft_solution(spec: BenchmarkSpec, gold: Gold) -> str:
    """Return the solution in Visual-RFT's form, or the project's own."""
    forms = _forms(spec)
    return forms.visual_rft(gold, spec.classes).answer if forms else answer_only_text(render_gold(gold))


def vlm_r1_question(spec: BenchmarkSpec, gold: Gold) -> str:
    """Return a question for VLM-R1, which adds the think-answer instruction itself."""
    forms = _forms(spec)
    ask = forms.vlm_r1(gold, spec.classes).ask if forms else answer_form(spec, gold)
    return f"{task_sentence(spec, gold)} {ask}"


def vlm_r1_answer(spec: BenchmarkSpec, gold: Gold) -> str:
    """Return the answer for the comparison of VLM-R1."""
    forms = _forms(spec)
    return forms.vlm_r1(gold, spec.classes).answer if forms else render_gold(gold)


def vlm_r1_fields(spec: BenchmarkSpec) -> dict[str, str]:
    """Return the fields of a row that select VLM-R1's reward."""
    forms = _forms(spec)
    return {"accu_reward_method": forms.vlm_r1_reward} if forms and forms.vlm_r1_reward else {}


def _forms(spec: BenchmarkSpec) -> TrainerForms | None:
    """Return the forms of other trainers' rewards, or None."""
    return KINDS[spec.kind].trainer_forms.get(spec.metric)


def llama_factory_entry(spec: BenchmarkSpec, file_name: str) -> dict[str, Any]:
    """Return the description of the exported file for LLaMA-Factory's `dataset_info.json`."""
    return {
        f"rise_{spec.name}_cot": {
            "file_name": file_name,
            "formatting": "sharegpt",
            "columns": {"messages": "messages", "images": "images"},
            "tags": {
                "role_tag": "role",
                "content_tag": "content",
                "user_tag": "user",
                "assistant_tag": "assistant",
            },
        }
    }


def readme(
    form: str,
    spec: BenchmarkSpec,
    config: str,
    rows: int,
    content_sha256: str,
    answer_format: AnswerFormat = DEFAULT_FORMAT,
) -> str:
    """Return the note beside the exported rows."""
    use = _USE[form].replace("NAME", f"rise_{spec.name}_cot")
    own_reward = (
        f"\nThe solutions are of kind {spec.kind}; use `rise_bench.scoring.rewards.r1_reward` as the reward, "
        "because the trainer's own compares strings.\n"
        if _forms(spec) is None and form in ("visual_rft", "vlm_r1")
        else ""
    )
    if form in _LIMITS and KINDS[spec.kind].in_frame and answer_format.unit == "resized_px":
        limit = _LIMITS[form].replace("N", str(answer_format.max_pixels))
        use += (
            "\n\nBoxes are in pixels of the picture as a Qwen2.5-VL processor shrinks it to at most "
            f"{answer_format.max_pixels} pixels. Train with the same limit: {limit}."
        )
    terms = "\nThe images may not be republished.\n" if spec.images == "reference" else ""
    return (
        f"# RISE {spec.name}, chains of thought for {form}\n\n{rows} rows of configuration `{config}` "
        f"of the CoT dataset with content sha256 `{content_sha256}`.\n\n{use}\n{own_reward}{terms}"
    )


#: How a trainer is told the largest picture.
_LIMITS = {
    "trl": "`max_pixels=N` of the processor",
    "messages": "`image_max_pixels: N` of LLaMA-Factory, `MAX_PIXELS=N` of ms-swift",
}

_USE = {
    "trl": "```bash\ntrl sft --model_name_or_path MODEL --dataset_name DIR --output_dir OUT\n```",
    "messages": (
        "LLaMA-Factory: `dataset_dir: DIR`, `dataset: NAME`, `template: qwen2_vl`.\n\n"
        "```bash\nROOT_IMAGE_DIR=DIR swift sft --model MODEL --dataset DIR/train.jsonl\n```"
    ),
    "visual_rft": (
        "`--dataset_name DIR` of Visual-RFT's `grpo.py` (boxes) or `grpo_classification.py`, which call "
        "`DatasetDict.load_from_disk`."
    ),
    "vlm_r1": (
        "```bash\ntorchrun src/open_r1/grpo_jsonl.py --data_file_paths DIR/train.jsonl "
        "--image_folders DIR/images …\n```"
    ),
}
