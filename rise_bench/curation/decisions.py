"""Decisions of people on the items of a queue: the lines of `decisions.csv`, which `audit --apply` reads."""

import csv
import io
import itertools
import json
from collections.abc import Iterable, Mapping
from dataclasses import astuple, dataclass
from pathlib import Path
from typing import Literal, get_args

from rise_bench.annotations.base import Annotation
from rise_bench.annotations.kinds import KINDS
from rise_bench.curation.queue import QueueHeader
from rise_bench.data.manifest import DECISIONS_NAME
from rise_bench.errors import DataError
from rise_bench.files.atomic import atomic_write_text

Action = Literal["accept", "model", "edit", "skip"]

#: Characters; the largest that the review page sends is a quarter of it.
_LARGEST_CELL = 1 << 22

_COLUMNS = ("id", "action", "annotation", "note", "time_utc", "dataset_sha256")


@dataclass(frozen=True, slots=True)
class Decision:
    """Decision on an item.

    Attributes:
        id: Id of the item.
        action: `accept` keeps the given label; `model` takes the model's; `edit` takes `annotation`; `skip`
            decides nothing.
        annotation: The annotation that holds from now on, as JSON of `AnnotationKind.to_json`, in pixels of
            the original image; empty for `accept` and `skip`.
        note: Note of the reviewer.
        time_utc: When, in ISO 8601.
        dataset_sha256: Identity of the dataset that the item is a row of; empty for a picture.
    """

    id: str
    action: Action
    annotation: str = ""
    note: str = ""
    time_utc: str = ""
    dataset_sha256: str = ""

    def read(self, header: QueueHeader) -> Annotation | None:
        """Return the annotation that was chosen; None if nothing changes.

        Raises:
            DataError: If the text is not an annotation of the queue's kind.
        """
        if self.action in ("accept", "skip"):
            return None
        try:
            annotation: Annotation = KINDS[header.kind].from_json(json.loads(self.annotation), header.classes)
        except (LookupError, TypeError, ValueError, RecursionError) as error:
            raise DataError(
                f"decision of {self.id!r}: {self.annotation[:80]!r} is not an annotation of kind "
                f"{header.kind}; decide it again in `rise-bench review`"
            ) from error
        return annotation


def read_decisions(path: Path) -> dict[str, Decision]:
    """Read decisions by id; none if there is no such file.

    Raises:
        DataError: A line is not a decision, or an item is decided twice.
    """
    if not path.exists():
        return {}
    decisions: dict[str, Decision] = {}
    csv.field_size_limit(_LARGEST_CELL)
    try:
        reader = csv.DictReader(io.StringIO(path.read_text(encoding="utf-8-sig"), newline=""), strict=True)
        if not {"id", "action"} <= set(reader.fieldnames or ()):
            raise DataError(
                f"{path}: expected the columns {', '.join(_COLUMNS)}; write them in the first line"
            )
        for row in reader:
            where = f"{path} line {reader.line_num}"
            if row["action"] not in get_args(Action):
                raise DataError(
                    f"{where}: action {row['action']!r}; write one of {', '.join(get_args(Action))}"
                )
            if row["id"] in decisions:
                raise DataError(f"{where}: {row['id']!r} is decided twice; remove one line")
            decisions[row["id"]] = Decision(**{name: row.get(name) or "" for name in _COLUMNS})  # type: ignore[arg-type]
    except (UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"{path} is not CSV in UTF-8 ({error}); save it as one") from error
    return decisions


def set_aside(folder: Path, changed: Iterable[str]) -> int:
    """Move decisions on items that are other ones by now to `decisions-before.csv`; return their number.

    Where that has one on the same item, the next file, `decisions-before-2.csv`, takes it.
    """
    path = folder / DECISIONS_NAME
    decisions = read_decisions(path)
    moved = left = {uid: decisions.pop(uid) for uid in changed if uid in decisions}
    for number in itertools.count(1):
        if not left:
            break
        ending = f"-{number}" if number > 1 else ""
        before = folder / f"{Path(DECISIONS_NAME).stem}-before{ending}.csv"
        known = read_decisions(before)
        write_decisions(before, left | known)
        left = {uid: decision for uid, decision in left.items() if known.get(uid, decision) != decision}
    if moved:
        write_decisions(path, decisions)
    return len(moved)


def write_decisions(path: Path, decisions: Mapping[str, Decision] | Iterable[Decision]) -> None:
    """Write decisions so that a reader sees the old file or the new."""
    values = decisions.values() if isinstance(decisions, Mapping) else decisions
    text = io.StringIO(newline="")
    writer = csv.writer(text)
    writer.writerow(_COLUMNS)
    writer.writerows(map(astuple, values))
    atomic_write_text(path, text.getvalue())
