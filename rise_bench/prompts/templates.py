"""The four prompts of RISE, for both kinds of annotation; each dataset and result stores their hash.

- reason: image + annotation -> chain of thought (Reasoning Generation).
- reconstruct: image + chain of thought -> annotation (Annotation Reconstruction); never holds the annotation.
- think-answer: image -> chain of thought and annotation (RISE-R1, Visual-RFT, evaluation).
- answer-only: image -> annotation (SFT).

The paper's appendix with its templates is not public; these keep its rules: describe visual cues, no numbers
in the CoT, one fixed output form. The unit of boxes is always said in the prompt.
"""

import hashlib

from rise_bench.annotations.answer_format import DEFAULT_FORMAT, AnswerFormat
from rise_bench.annotations.base import Annotation, Gold
from rise_bench.annotations.boxes.values import Boxes
from rise_bench.annotations.distribution.values import Distribution
from rise_bench.annotations.kinds import render_gold
from rise_bench.catalog.spec import BenchmarkSpec
from rise_bench.prompts.clean_text import clean_cot


def task_sentence(spec: BenchmarkSpec, gold: Gold) -> str:
    """Return what is asked of this sample, e.g. "Locate every cat in this image."."""
    return spec.question.replace("{category}", gold.category).replace("{question}", gold.question)


def answer_form(spec: BenchmarkSpec, gold: Gold, answer_format: AnswerFormat = DEFAULT_FORMAT) -> str:
    """Return the sentences that say how an answer is written, unit of the boxes included."""
    if spec.kind == "distribution":
        names = ", ".join(spec.classes)
        return (
            f"The classes are: {names}. Answer with JSON that gives the classes probabilities that sum to 1, "
            f'like {{"{spec.classes[0]}": p, "{spec.classes[1]}": p}}; a class left out has probability 0.'
        )
    frame = answer_format.frame(gold)
    scale = {
        "norm1000": "in thousandths of the image's width (x, w) and height (y, h), from 0 to 1000",
        "px": f"in pixels of the image, which is {frame.width:g} wide and {frame.height:g} high",
        "resized_px": f"in pixels of the image, which is {frame.width:g} wide and {frame.height:g} high",
    }[answer_format.unit]
    return (
        "Answer with a JSON list of boxes [[x, y, w, h], ...]: left, top, width and height of each box, "
        f"{scale}; [] if there is none."
    )


def reason_prompt(spec: BenchmarkSpec, gold: Gold, answer_format: AnswerFormat = DEFAULT_FORMAT) -> str:
    """Ask for a chain of thought that justifies the sample's annotation without giving it away."""
    annotation = render_gold(gold, answer_format)
    secret = (
        "probabilities, percentages or any other number"
        if spec.kind == "distribution"
        else ("coordinates, sizes or any other number")
    )
    return (
        f"Question: {task_sentence(spec, gold)}\nThe correct annotation is {annotation}.\n"
        "Explain step by step which visual cues in the image lead to this annotation, so well that a reader "
        f"who sees the image and your explanation can work the annotation out. Do not write {secret}. "
        "Write only the explanation."
    )


def reconstruct_prompt(
    spec: BenchmarkSpec, gold: Gold, cot: str, answer_format: AnswerFormat = DEFAULT_FORMAT
) -> str:
    """Ask for the annotation, given the image and a chain of thought; the annotation itself is not used."""
    return (
        f"Question: {task_sentence(spec, gold)}\nReasoning: {clean_cot(cot)}\n"
        f"Follow this reasoning. {answer_form(spec, gold, answer_format)}\n"
        "Write only <answer>JSON</answer>."
    )


def think_answer_prompt(spec: BenchmarkSpec, gold: Gold, answer_format: AnswerFormat = DEFAULT_FORMAT) -> str:
    """Ask for a chain of thought and an annotation in the think-answer form."""
    return (
        f"{task_sentence(spec, gold)}\n{answer_form(spec, gold, answer_format)}\n"
        "First describe the visual cues and reason from them, then answer. "
        "Write <think>reasoning</think><answer>JSON</answer>."
    )


def answer_only_prompt(spec: BenchmarkSpec, gold: Gold, answer_format: AnswerFormat = DEFAULT_FORMAT) -> str:
    """Ask for the annotation at once."""
    return (
        f"{task_sentence(spec, gold)}\n{answer_form(spec, gold, answer_format)}\n"
        "Write only <answer>JSON</answer>."
    )


def think_answer_text(cot: str, answer: str) -> str:
    """Write the target of eq. 8: a chain of thought and an answer in the think-answer form."""
    return f"<think>{clean_cot(cot)}</think><answer>{answer}</answer>"


def answer_only_text(answer: str) -> str:
    """Write an answer in the answer-only form."""
    return f"<answer>{answer}</answer>"


def prompt_hash(spec: BenchmarkSpec, answer_format: AnswerFormat = DEFAULT_FORMAT) -> str:
    """Return the first 16 hex digits of the sha256 of the four prompts on fixed samples."""
    annotations: tuple[Annotation, ...] = (Boxes(((64.0, 48.0, 320.0, 240.0),)),)
    if spec.kind == "distribution":
        even = Distribution(spec.classes, tuple(1 / len(spec.classes) for _ in spec.classes))
        sure = Distribution(spec.classes, tuple(float(c == spec.classes[0]) for c in spec.classes))
        annotations = (even, sure)  # which are written in two ways
    golds = [Gold("sample", one, 640, 480, "CATEGORY", "QUESTION") for one in annotations]
    gold = golds[0]
    prompts = (
        *(reason_prompt(spec, one, answer_format) for one in golds),
        reconstruct_prompt(spec, gold, "REASONING", answer_format),
        think_answer_prompt(spec, gold, answer_format),
        answer_only_prompt(spec, gold, answer_format),
    )
    return hashlib.sha256("\0".join(prompts).encode()).hexdigest()[:16]
