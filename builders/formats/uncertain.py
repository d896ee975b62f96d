"""Annotations with a confidence, as models and detectors write them beside theirs."""

from collections.abc import Mapping, Sequence

from rise_bench.builders.formats.csv_file import NUMBER

#: Columns of a confidence.
_COLUMNS = ("confidence", "box_confidence", "score")


def uncertain_note(count: int) -> tuple[str, ...]:
    """Return what to say of annotations with a confidence below 1; `rise-bench review` sets it to 1."""
    if not count:
        return ()
    return (
        f"{count} annotations have a confidence below 1, as those of a model: look through them before they "
        "count as true, those of `rise-bench annotate` with `rise-bench review`",
    )


def uncertain_rows(
    records: Sequence[tuple[str, Mapping[str, str]]], unused: Sequence[str]
) -> tuple[str, ...]:
    """Return the note on the rows of a CSV, by its columns that are not used."""
    columns = [name for name in unused if name.lower() in _COLUMNS]
    rows = ([record[name] for name in columns] for _, record in records)
    return uncertain_note(sum(any(map(_is_below_one, cells)) for cells in rows))


def _is_below_one(cell: str) -> bool:
    return NUMBER.fullmatch(cell) is not None and float(cell) < 1
