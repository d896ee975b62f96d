"""A review: the items of a source, the decisions on them, and the file that keeps these."""

import json
import threading
from bisect import bisect_left, bisect_right
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, get_args

from rise_bench.annotations.base import Annotation
from rise_bench.annotations.kinds import KINDS, label_problem
from rise_bench.curation.decisions import (
    Action,
    Decision,
    read_decisions,
    write_decisions,
)
from rise_bench.curation.queue import ReviewItem
from rise_bench.curation.review.sources import open_source
from rise_bench.data.manifest import DECISIONS_NAME
from rise_bench.errors import DataError

ACTIONS: tuple[Action, ...] = get_args(Action)

#: Views of a queue beside one for each action.
ALL, UNDECIDED, DECIDED = "all", "undecided", "decided"


class ConflictError(DataError):
    """The decision on an item was changed since the reader saw it."""


@dataclass(frozen=True, slots=True)
class View:
    """Selection of items.

    Attributes:
        show: "all", "undecided", "decided" or an action.
        search: Text that the ids hold, in any case.
    """

    show: str = ALL
    search: str = ""


class Review:
    """A queue and the decisions on it; safe to call from several threads, and the only writer of the file.

    Attributes:
        folder: The folder.
        source: The items.
        path: File of the decisions.
    """

    def __init__(self, folder: Path) -> None:
        """Open the queue of a folder and the decisions that were made before.

        Raises:
            ConfigError: If the folder is a benchmark.
            DataError: If it holds nothing to review, or its decisions cannot be read.
        """
        self.folder, self.source, self.path = folder, open_source(folder), folder / DECISIONS_NAME
        self._lock = threading.Lock()
        self._versions: Counter[str] = Counter()
        self._decisions: dict[str, Decision] = {}
        self._stamp: tuple[int, ...] = ()
        self._sync()

    def _sync(self) -> None:
        """Read the file again if another program has written it."""
        if (stamp := _stamp(self.path)) == self._stamp:
            return
        decisions, own = read_decisions(self.path), self.source.header.dataset_sha256
        versions = {decision.dataset_sha256 for decision in decisions.values()} - {"", own}
        if own and versions:
            raise DataError(
                f"{self.path} decides on version {min(versions)[:12]} of the dataset, and what is to be "
                f"reviewed is of version {own[:12]}; move the file elsewhere"
            )
        for uid in decisions.keys() | self._decisions.keys():
            self._versions[uid] += decisions.get(uid) != self._decisions.get(uid)
        self._decisions, self._stamp = decisions, stamp

    def counts(self) -> dict[str, int]:
        """Return the number of items, of those decided and undecided, and of each action."""
        with self._lock:
            self._sync()
            actions = Counter(
                self._decisions[uid].action for uid in self.source.ids if uid in self._decisions
            )
        decided = sum(actions.values())
        totals = {"items": len(self.source.ids), DECIDED: decided}
        return totals | {UNDECIDED: len(self.source.ids) - decided} | {a: actions[a] for a in ACTIONS}

    def places(self, view: View) -> list[int]:
        """Return the places of the items in a view, in order."""
        search = view.search.casefold()
        with self._lock:
            self._sync()
            return [
                index
                for index, uid in enumerate(self.source.ids)
                if search in uid.casefold() and _shown(self._decisions.get(uid), view.show)
            ]

    def decision(self, index: int) -> tuple[Decision | None, int]:
        """Return the decision on an item, and its version, which each change raises."""
        uid = self.source.ids[index]
        with self._lock:
            return self._decisions.get(uid), self._versions[uid]

    def decide(self, index: int, version: int, action: Action, values: Any = None, note: str = "") -> None:
        """Save a decision.

        Args:
            index: Place of the item.
            version: Version of the decision that the reader saw.
            action: The action.
            values: The edited annotation, as `AnnotationKind.to_json` writes it.
            note: Note of the reviewer.

        Raises:
            ConflictError: If the decision was changed in the meantime.
            DataError: If the annotation cannot be the ground truth of the item.
        """
        item = self.source.item(index)
        chosen = self._chosen(item, action, values)
        text = "" if chosen is None else json.dumps(KINDS[self.source.header.kind].to_json(chosen))
        now = datetime.now(UTC).isoformat(timespec="seconds")
        version_of_data = self.source.header.dataset_sha256
        self._save(index, version, Decision(item.id, action, text, note.strip(), now, version_of_data))

    def withdraw(self, index: int, version: int) -> None:
        """Take a decision back.

        Raises:
            ConflictError: If the decision was changed in the meantime.
        """
        self._save(index, version, None)

    def _chosen(self, item: ReviewItem, action: Action, values: Any) -> Annotation | None:
        header = self.source.header
        if action == "skip":
            return None
        if action == "accept":
            if item.given is None:
                raise DataError("the data has no label for this item; take the model's, or edit it")
            return None
        try:
            chosen = item.suggested if action == "model" else self._parsed(values)
            if chosen is None:
                raise DataError("the model gave no label for this item; edit it, or skip it")
            if item.given is not None:
                chosen = KINDS[header.kind].in_place_of(chosen, item.given)
            problem = label_problem(item.gold(chosen), header.classes)
        except (AttributeError, LookupError, OverflowError, TypeError, ValueError) as error:
            raise DataError(
                f"this is not an annotation of kind {header.kind} ({error}); edit it again"
            ) from error
        if problem:
            raise DataError(f"this cannot be the label: {problem}; edit it")
        return chosen

    def _parsed(self, values: Any) -> Annotation:
        if not isinstance(values, list):
            raise TypeError("expected a list")
        annotation: Annotation = KINDS[self.source.header.kind].from_json(values, self.source.header.classes)
        return annotation

    def _save(self, index: int, version: int, decision: Decision | None) -> None:
        uid = self.source.ids[index]
        with self._lock:
            self._sync()
            if version != self._versions[uid]:
                raise ConflictError("this item was decided elsewhere in the meantime; look at it again")
            changed = {key: value for key, value in self._decisions.items() if key != uid}
            if decision is not None:
                changed[uid] = decision
            write_decisions(self.path, changed)
            self._decisions, self._stamp = changed, _stamp(self.path)
            self._versions[uid] += 1


def _shown(decision: Decision | None, show: str) -> bool:
    state = {ALL, UNDECIDED} if decision is None else {ALL, DECIDED, decision.action}
    return show in state


def _stamp(path: Path) -> tuple[int, ...]:
    try:
        stat = path.stat()
    except FileNotFoundError:
        return ()
    return stat.st_ino, stat.st_size, stat.st_mtime_ns


def neighbours(places: Sequence[int], index: int) -> tuple[int | None, int | None]:
    """Return the places before and after an item in a view, which need not hold it."""
    left, right = bisect_left(places, index), bisect_right(places, index)
    return (places[left - 1] if left else None), (places[right] if right < len(places) else None)
