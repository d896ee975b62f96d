"""Files of Reason-RFT's dataset: their layout, and the fields of a record.

Official layout: `train_jsons/`, `test_jsons/` and the unpacked `images/train_images/`, `images/test_images/`.
A file is a list of records `id`, `image` (two names in a list for a transformation), `problem`, `answer`, and
in training `cot`. Older test files say `solution` for `answer`, and have the question alone in
`problem_no_prompt`.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any

from rise_bench.data.build_plan import inside
from rise_bench.errors import DataError
from rise_bench.files.plain_text import id_problem
from rise_bench.prompts.clean_text import clean_cot

_GET_AGAIN = "get the dataset tanhuajie2001/Reason-RFT-CoT-Dataset again"

#: Field -> keys that may hold it, the first one that a record has counts.
_KEYS = {"image": ("image",), "question": ("problem_no_prompt", "problem"), "answer": ("answer", "solution")}

_TURN = "Now, it's your turn!"
_PROMPT_END = re.compile(
    r"\s*(?:Please select the correct answer by writing the letter[^.]*\.)?"
    r"\s*Output the (?:thinking|summary) process in <.*\Z",
    re.DOTALL,
)
_IN_TAGS = re.compile(r"<answer>(.*?)(?:</answer>|\Z)", re.DOTALL)
_THOUGHT = re.compile(r".*<think>", re.DOTALL)
_AFTER_THOUGHT = re.compile(r"</think>.*|<answer>.*", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Record:
    """Record of a file.

    Attributes:
        number: Its place in the file, from 1.
        id: Its id, or its number where the ids of the file cannot be used.
        images: Names of its images, in order.
        question: The question without the frame of a prompt.
        answer: The answer without tags.
        cot: The chain of thought without tags; empty where there is none.
    """

    number: int
    id: str
    images: tuple[str, ...]
    question: str
    answer: str
    cot: str


@dataclass(slots=True)
class RecordFile:
    """Records of a file, and what was found in it."""

    path: Path
    records: list[Record]
    notes: list[str] = field(default_factory=list)


def read_file(path: Path, source: Path) -> RecordFile:
    """Read a file of records.

    Raises:
        DataError: The file is not a list of records, or the first lacks an expected key; the error
            names the keys that were found.
    """
    try:
        content = json.loads(inside(source, path).read_text(encoding="utf-8-sig"))
    except (OSError, ValueError, RecursionError) as error:
        raise DataError(f"{path} is not JSON ({error}); {_GET_AGAIN}") from error
    if not isinstance(content, list) or not content or not all(isinstance(row, dict) for row in content):
        raise DataError(f"{path}: expected a list of records, as Reason-RFT has; {_GET_AGAIN}")
    first = content[0]
    if missing := [keys for keys in _KEYS.values() if not any(key in first for key in keys)]:
        expected = ", ".join(" or ".join(keys) for keys in missing)
        raise DataError(
            f"{path}: the first record has the keys {', '.join(map(repr, first))}, expected also {expected}; "
            f"{_GET_AGAIN}, or tell us of its new form"
        )
    ids, why = _ids(content)
    records = [
        _record(path, number, uid, row) for number, (uid, row) in enumerate(zip(ids, content, strict=True), 1)
    ]
    notes = [f"{path.name}: {len(records)} records with the keys {', '.join(map(str, first))}"]
    if why:
        notes.append(f"{path.name}: rows have the numbers of the records as ids, because {why}")
    return RecordFile(path, records, notes)


def _ids(content: list[dict[str, Any]]) -> tuple[list[str], str]:
    """Return the ids of the records, or their numbers and the reason."""
    ids = [str(row.get("id", "")).strip() for row in content]
    numbers = [str(number) for number in range(1, len(ids) + 1)]
    if not all(ids):
        return numbers, "a record has no id"
    if len(set(ids)) < len(ids):
        return numbers, "two records have one id"
    problem = next(filter(None, map(id_problem, ids)), "")
    return (numbers, problem) if problem else (ids, "")


def _record(path: Path, number: int, uid: str, row: Mapping[str, Any]) -> Record:
    where = f"{path} record {number}"
    try:
        image, question, answer = (row[next(key for key in keys if key in row)] for keys in _KEYS.values())
    except StopIteration:
        raise DataError(f"{where}: it lacks an image, a question or an answer; {_GET_AGAIN}") from None
    names = [image] if isinstance(image, str) else image
    if not isinstance(names, list) or not names or not all(isinstance(name, str) for name in names):
        raise DataError(
            f"{where}: image is {image!r:.80}, expected a file name or a list of them; {_GET_AGAIN}"
        )
    for name in names:
        if PurePosixPath(name).is_absolute() or ".." in PurePosixPath(name).parts:
            raise DataError(f"{where}: image name {name!r} leaves the folder of the images; {_GET_AGAIN}")
    return Record(
        number,
        uid,
        tuple(names),
        plain_question(str(question)),
        plain_answer(str(answer)),
        plain_cot(str(row.get("cot") or "")),
    )


def plain_question(text: str) -> str:
    """Return a question without what a prompt puts around it.

    >>> plain_question("<image> How many? Output the thinking process in <think> </think> and …")
    'How many?'
    """
    text = text.replace("\r\n", "\n").rpartition(_TURN)[2]
    return clean_cot(_PROMPT_END.sub("", text))


def plain_answer(text: str) -> str:
    """Return an answer without tags.

    >>> plain_answer("<answer> 3 </answer>"), plain_answer("B")
    ('3', 'B')
    """
    match = _IN_TAGS.search(text)
    return (match[1] if match else text).strip()


def plain_cot(text: str) -> str:
    """Return a chain of thought without its tags, and without the answer behind it.

    >>> plain_cot("<think>Two on the left.</think>" + chr(10) + "<answer>2</answer>")
    'Two on the left.'
    """
    return clean_cot(_AFTER_THOUGHT.sub("", _THOUGHT.sub("", text.replace("\r\n", "\n"))))


def image_folder(source: Path, split_folder: str, records: list[Record]) -> Path:
    """Return the folder that the names of images are relative to.

    Raises:
        DataError: If the images of the first records are in none of the folders.
    """
    candidates = (source / "images", source / "images" / split_folder, source / split_folder, source)
    for folder in candidates:
        if any((folder / name).is_file() for record in records[:20] for name in record.images):
            return folder
    raise DataError(
        f"{records[0].images[0]} is in none of {', '.join(map(str, candidates))}; unpack {split_folder}.zip "
        "in the folder of the dataset"
    )
