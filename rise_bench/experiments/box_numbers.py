"""Round numbers of answered boxes: the share that ends in 0, and the number of boxes per answer.

    python -m rise_bench.experiments.box_numbers STUDY/scenes/paper/16-shot/seed-*/eval/rise

prints a line for each samples file of lmms-eval below the folders. The base model that ships writes boxes in
tens, as it was taught; whoever imitates exact boxes has to unlearn that first (docs/study_findings.md).
"""

import argparse
import re
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from rise_bench.errors import run_program
from rise_bench.evaluation.responses import read_responses

_ANSWER = re.compile(r"<answer>(.*?)(?:</answer>|$)", re.DOTALL)
_NUMBER = re.compile(r"\d+")


def numbers(text: str) -> list[str]:
    """Return the whole numbers of the last answer of a response.

    >>> numbers("<think>At the top.</think><answer>[[300, 158, 210, 21]]</answer>")
    ['300', '158', '210', '21']
    """
    answers = _ANSWER.findall(text)
    return _NUMBER.findall(answers[-1]) if answers else []


def samples_files(places: Sequence[Path]) -> Iterator[Path]:
    """Yield the samples files below folders, in order."""
    for place in places:
        yield from [place] if place.is_file() else sorted(place.rglob("*_samples_*.jsonl"))


def main() -> None:
    """Print a line for each samples file, and one for all."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("places", type=Path, nargs="+", help="samples files, or folders that hold them")
    of_all: list[str] = []
    rows = 0
    for path in samples_files(parser.parse_args().places):
        texts = read_responses(path).texts
        stated = [number for text in texts.values() for number in numbers(text)]
        sys.stdout.write(f"{path}: {_share(stated, len(texts))}\n")
        of_all += stated
        rows += len(texts)
    sys.stdout.write(f"all: {_share(of_all, rows)}\n")


def _share(stated: Sequence[str], rows: int) -> str:
    ending = sum(number.endswith("0") for number in stated)
    share = ending / len(stated) if stated else 0.0
    boxes = len(stated) / 4 / max(1, rows)
    return f"{share:.3f} of {len(stated)} numbers end in 0; {boxes:.2f} boxes per answer"


if __name__ == "__main__":
    run_program(main)
