"""The four prompts of RISE and one of Reason-RFT; each dataset and result stores their hash.

- reason: image + annotation -> chain of thought (Reasoning Generation).
- reconstruct: image + chain of thought -> annotation (Annotation Reconstruction); never holds the annotation.
- think-answer: image -> chain of thought and annotation (RISE-R1, Visual-RFT, evaluation).
- answer-only: image -> annotation (SFT).
- caption: the think-answer form after a summary and a caption (a variant of Reason-RFT).

The paper's appendix with its templates is not public; these keep its rules: describe visual cues, no numbers
in the CoT, one fixed output form. The unit of boxes is always said in the prompt.
"""

import hashlib
from collections.abc import Callable, Mapping

from rise_bench.annotations.answer_format import DEFAULT_FORMAT, AnswerFormat, Style
from rise_bench.annotations.base import Gold
from rise_bench.annotations.kinds import KINDS, render_gold
from rise_bench.catalog.spec import BenchmarkSpec
from rise_bench.prompts.clean_text import clean_cot


def task_sentence(spec: BenchmarkSpec, gold: Gold) -> str:
    """Return what is asked of this sample, e.g. "Locate every cat in this image."."""
    return spec.question.replace("{category}", gold.category).replace("{question}", gold.question)


def answer_form(spec: BenchmarkSpec, gold: Gold, answer_format: AnswerFormat = DEFAULT_FORMAT) -> str:
    """Return the sentences that say how an answer is written, unit of the boxes included."""
    return KINDS[spec.kind].instructions(spec.classes, answer_format.unit, answer_format.frame(gold))


def _shared(spec: BenchmarkSpec, gold: Gold, answer_format: AnswerFormat) -> str:
    """Return the start that all prompts of a sample share, so that it has to be read once."""
    return f"{task_sentence(spec, gold)}\n{answer_form(spec, gold, answer_format)}\n"


def reason_prompt(spec: BenchmarkSpec, gold: Gold, answer_format: AnswerFormat = DEFAULT_FORMAT) -> str:
    """Ask for a chain of thought that justifies the sample's annotation without giving it away."""
    kind = KINDS[spec.kind]
    annotation = render_gold(gold, answer_format) + kind.explained(gold.annotation)
    shown = "image" if spec.images_per_row == 1 else "images"
    return (
        f"{_shared(spec, gold, answer_format)}The correct annotation is {annotation}.\n"
        f"Explain step by step which visual cues in the {shown} lead to this annotation, so well that a "
        f"reader who sees the {shown} and your explanation can work the annotation out. Do not write "
        f"{kind.secret}. "
        "Write only the explanation."
    )


def reconstruct_prompt(
    spec: BenchmarkSpec, gold: Gold, cot: str, answer_format: AnswerFormat = DEFAULT_FORMAT
) -> str:
    """Ask for the annotation, given the image and a chain of thought; the annotation itself is not used."""
    return (
        f"{_shared(spec, gold, answer_format)}Reasoning: {clean_cot(cot)}\n"
        f"Follow this reasoning. Write only <answer>{KINDS[spec.kind].answer_form}</answer>."
    )


def caption_prompt(spec: BenchmarkSpec, gold: Gold, answer_format: AnswerFormat = DEFAULT_FORMAT) -> str:
    """Ask for the think-answer form after a summary and a caption, a variant of Reason-RFT."""
    shown = "image" if spec.images_per_row == 1 else "images"
    return (
        f"{_shared(spec, gold, answer_format)}"
        f"First sum up the task, then describe the {shown}, then reason from the visual cues, then answer. "
        "Write <summary>task</summary><caption>description</caption><think>reasoning</think>"
        f"<answer>{KINDS[spec.kind].answer_form}</answer>."
    )


def think_answer_prompt(spec: BenchmarkSpec, gold: Gold, answer_format: AnswerFormat = DEFAULT_FORMAT) -> str:
    """Ask for a chain of thought and an annotation in the think-answer form."""
    return (
        f"{_shared(spec, gold, answer_format)}"
        "First describe the visual cues and reason from them, then answer. "
        f"Write <think>reasoning</think><answer>{KINDS[spec.kind].answer_form}</answer>."
    )


def answer_only_prompt(spec: BenchmarkSpec, gold: Gold, answer_format: AnswerFormat = DEFAULT_FORMAT) -> str:
    """Ask for the annotation at once."""
    return f"{_shared(spec, gold, answer_format)}Write only <answer>{KINDS[spec.kind].answer_form}</answer>."


#: Prompt of each style of responses.
RESPONSE_PROMPTS: Mapping[Style, Callable[[BenchmarkSpec, Gold, AnswerFormat], str]] = {
    "think_answer": think_answer_prompt,
    "answer_only": answer_only_prompt,
    "caption": caption_prompt,
}


def think_answer_text(cot: str, answer: str) -> str:
    """Write the target of eq. 8: a chain of thought and an answer in the think-answer form."""
    return f"<think>{clean_cot(cot)}</think><answer>{answer}</answer>"


def answer_only_text(answer: str) -> str:
    """Write an answer in the answer-only form."""
    return f"<answer>{answer}</answer>"


def prompt_hash(spec: BenchmarkSpec, answer_format: AnswerFormat = DEFAULT_FORMAT) -> str:
    """Return the first 16 hex digits of the sha256 of the prompts on fixed samples; caption has one more."""
    examples = KINDS[spec.kind].examples(spec.classes)  # in all ways of writing them
    golds = [Gold("sample", annotation, 640, 480, "CATEGORY", "QUESTION") for annotation in examples]
    gold = golds[0]
    prompts = (
        *(reason_prompt(spec, gold, answer_format) for gold in golds),
        reconstruct_prompt(spec, gold, "REASONING", answer_format),
        think_answer_prompt(spec, gold, answer_format),
        answer_only_prompt(spec, gold, answer_format),
        *((caption_prompt(spec, gold, answer_format),) if answer_format.style == "caption" else ()),
    )
    return hashlib.sha256("\0".join(prompts).encode()).hexdigest()[:16]
