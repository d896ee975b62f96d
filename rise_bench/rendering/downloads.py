"""Numbers of a page as files inside it: links that save CSV or JSON, without a server or a script."""

import base64
import csv
import io
from collections.abc import Iterable, Mapping, Sequence

from rise_bench.files.json_text import json_text


def csv_address(rows: Sequence[Mapping[str, object]], columns: Iterable[str] = ()) -> str:
    """Return rows as the address of a CSV file.

    Args:
        rows: Column -> value; a column that a row lacks stays empty.
        columns: Columns that come first; the others follow in order of appearance.

    >>> address = csv_address([{"step": 1, "loss": 0.5}, {"step": 2, "reward": 1}])
    >>> base64.b64decode(address.partition(",")[2]).decode().split()
    ['step,loss,reward', '1,0.5,', '2,,1']
    """
    names = list(dict.fromkeys([*columns, *(name for row in rows for name in row)]))
    out = io.StringIO()
    writer = csv.DictWriter(out, names, restval="", lineterminator="\n")
    writer.writeheader()
    writer.writerows(dict(row) for row in rows)
    return _address("text/csv", out.getvalue())


def json_address(value: object) -> str:
    """Return a value as the address of a JSON file."""
    return _address("application/json", json_text(value) + "\n")


def _address(kind: str, text: str) -> str:
    return f"data:{kind};charset=utf-8;base64,{base64.b64encode(text.encode()).decode()}"
