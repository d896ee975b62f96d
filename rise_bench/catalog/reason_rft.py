"""Benchmarks of Reason-RFT (arXiv 2503.20752): three tasks, each with an in-domain and out-of-domain tests.

A task is one dataset: its training split, its in-domain test (`test`), and its out-of-domain tests as further
splits. Each of these tests is a benchmark of its own, so that it has a task, baselines and a board.
"""

from rise_bench.catalog.parts import with_parts
from rise_bench.catalog.spec import BenchmarkSpec

_SOURCE = "https://huggingface.co/datasets/tanhuajie2001/Reason-RFT-CoT-Dataset"
_CITATION = "Tan et al., Reason-RFT: Reinforcement Fine-Tuning for Visual Reasoning, NeurIPS 2025"

#: Functions of TRANCE with their values.
CHANGES = (
    "change_size(small|medium|large)",
    "change_color(yellow|gray|cyan|blue|brown|green|red|purple)",
    "change_material(glass|metal|rubber)",
    "change_shape(cube|sphere|cylinder)",
    "change_position(front|behind|left|right|front_left|front_right|behind_left|behind_right)",
)

_TASKS = (
    BenchmarkSpec(
        name="counting",
        kind="value",
        metric="accuracy",
        question="{question}",
        license_note=(
            "CLEVR-Math is CC BY-SA 4.0 on images of CLEVR; no licence of Super-CLEVR's images was found."
        ),
        source_url=_SOURCE,
        citation=_CITATION,
    ),
    BenchmarkSpec(
        name="structure",
        kind="value",
        metric="accuracy",
        question="{question}",
        license_note=(
            "GeoMath is collected from websites of schools, without a licence that could be found: neither "
            "its pictures nor its texts may be republished."
        ),
        source_url=_SOURCE,
        citation=_CITATION,
        texts="reference",
    ),
    BenchmarkSpec(
        name="transformation",
        kind="steps",
        metric="step_score",
        question=(
            "The first image shows objects before, the second after one to four changes. {question} Which "
            "changes were made? A position is where an object moved to from its place in the first image."
        ),
        classes=CHANGES,
        license_note="TRANCE is CC BY-NC 4.0: not for commercial use.",
        source_url=_SOURCE,
        citation=_CITATION,
        images_per_row=2,
    ),
)

REASON_RFT = with_parts(_TASKS)
