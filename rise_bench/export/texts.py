"""The texts of exported rows, each as its trainer documents it, and the note on how to train with them."""

import json
from typing import Any

from rise_bench.annotations.base import Frame, Gold
from rise_bench.annotations.boxes.values import Boxes, BoxUnit
from rise_bench.annotations.distribution.values import Distribution
from rise_bench.annotations.kinds import render_gold
from rise_bench.catalog.spec import BenchmarkSpec
from rise_bench.prompts.templates import task_sentence, think_answer_prompt, think_answer_text

_THOUSANDTHS = Frame(1000, 1000)

#: The label of a box where a row has no category (LISA).
_NO_CATEGORY = "target"


def prompt_text(spec: BenchmarkSpec, gold: Gold, unit: BoxUnit) -> str:
    """Return the think-answer prompt."""
    return think_answer_prompt(spec, gold, unit=unit)


def answer_text(gold: Gold, cot: str, unit: BoxUnit) -> str:
    """Return the target of eq. 8: chain of thought, then answer."""
    return think_answer_text(cot, render_gold(gold, unit))


def visual_rft_problem(spec: BenchmarkSpec, gold: Gold) -> str:
    """Return a prompt that asks for the answer form which Visual-RFT's rewards read."""
    if spec.metric == "jsd":
        return think_answer_prompt(spec, gold)
    if spec.metric == "accuracy":
        answer = f"Answer with one of: {', '.join(spec.classes)}."
        form = "<answer>name</answer>"
    else:
        answer = (
            "Give each box as left, top, right and bottom in whole thousandths of the image, and a "
            "confidence between 0 and 1; answer No Objects if there is none."
        )
        form = "<answer>[{'Position': [x1, y1, x2, y2], 'Confidence': number}, ...]</answer>"
    return f"{task_sentence(spec, gold)}\n{answer}\nReason first. Write <think>reasoning</think>{form}."


def visual_rft_solution(spec: BenchmarkSpec, gold: Gold) -> str:
    """Return the solution in Visual-RFT's form: a name, or boxes in thousandths; probabilities as ours."""
    if isinstance(gold.annotation, Boxes):
        boxes = [{"Position": box, "Confidence": 1.0} for box in corners(gold, _THOUSANDTHS)]
        return f"<answer>{boxes}</answer>"
    if spec.metric == "accuracy":
        return f"<answer>{_most_probable(gold)}</answer>"
    return f"<answer>{render_gold(gold)}</answer>"


def vlm_r1_question(spec: BenchmarkSpec, gold: Gold) -> str:
    """Return a question for VLM-R1, which adds the think-answer instruction itself."""
    if spec.metric == "ap50":
        label = gold.category or _NO_CATEGORY
        form = f'[{{"bbox_2d": [x1, y1, x2, y2], "label": "{label}"}}]'
        return f"{task_sentence(spec, gold)} Answer with a ```json block of boxes in pixels, like {form}."
    if spec.metric == "accuracy":
        return f"{task_sentence(spec, gold)} Answer with one of: {', '.join(spec.classes)}."
    example = f'{{"{spec.classes[0]}": p, "{spec.classes[1]}": p}}'
    return (
        f"{task_sentence(spec, gold)} The classes are: {', '.join(spec.classes)}. Answer with JSON that "
        f"gives classes their probabilities, which sum to 1, like {example}."
    )


def vlm_r1_answer(spec: BenchmarkSpec, gold: Gold) -> str:
    """Return the answer that VLM-R1 compares with; boxes in the form of its `map` reward."""
    if isinstance(gold.annotation, Boxes):
        label = gold.category or _NO_CATEGORY
        boxes = [{"bbox_2d": box, "label": label} for box in corners(gold, gold.frame_px)]
        return f"```json\n{json.dumps(boxes)}\n```"
    return _most_probable(gold) if spec.metric == "accuracy" else render_gold(gold)


def corners(gold: Gold, frame: Frame) -> list[list[int]]:
    """Return boxes as whole [left, top, right, bottom] in a frame, no side empty."""
    assert isinstance(gold.annotation, Boxes)
    scaled = gold.annotation.rescale(gold.frame_px, frame).xywh
    return [
        [round(x), round(y), max(round(x) + 1, round(x + w)), max(round(y) + 1, round(y + h))]
        for x, y, w, h in scaled
    ]


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


def readme(form: str, spec: BenchmarkSpec, config: str, rows: int, content_sha256: str) -> str:
    """Return the note that lies beside the exported rows."""
    use = _USE[form].replace("NAME", f"rise_{spec.name}_cot")
    own_reward = (
        "\nThe solutions are distributions; use `rise_bench.scoring.rewards.r1_reward` as the reward, "
        "because the "
        "trainer's own compares strings.\n"
        if spec.metric == "jsd" and form in ("visual_rft", "vlm_r1")
        else ""
    )
    terms = "\nThe images may not be republished.\n" if spec.images == "reference" else ""
    return (
        f"# RISE {spec.name}, chains of thought for {form}\n\n{rows} rows of configuration `{config}` "
        f"of the CoT dataset with content sha256 `{content_sha256}`.\n\n{use}\n{own_reward}{terms}"
    )


def _most_probable(gold: Gold) -> str:
    assert isinstance(gold.annotation, Distribution)
    return gold.annotation.top


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
