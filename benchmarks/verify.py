"""Measure the scores of true and of foreign texts by `rise-bench verify`, on drawn moods.

    python benchmarks/verify.py --rows 60

Every picture gets its own true description, and the description of another picture.
"""

import argparse
import contextlib
import io
import json
import tempfile
from pathlib import Path

from typer.testing import CliRunner

from rise_bench.builders.synthetic import plan
from rise_bench.cli import app
from rise_bench.data.writer import write_dataset
from rise_bench.synthetic.rows import drawn_rows
from rise_bench.synthetic.statements import MOOD_SENTENCES, describe

COLUMNS = ("reward", "reward_blind", "lift")


def descriptions(count: int) -> dict[str, str]:
    """Return the true description of each test picture, by sample id."""
    rows = drawn_rows("moods", "test", count, 0)
    texts = (describe(row.truth, list(MOOD_SENTENCES), MOOD_SENTENCES) for row in rows)
    return {f"moods/test/{number:06d}": text for number, text in enumerate(texts)}


def verified(folder: Path, name: str, texts: dict[str, str]) -> dict[str, float]:
    """Verify texts and return the summary of the command."""
    file = folder / f"{name}.jsonl"
    file.write_text("".join(json.dumps({"id": uid, "cot": text}) + "\n" for uid, text in texts.items()))
    command = [
        "verify",
        str(file),
        "--benchmark",
        str(folder / "moods"),
        "--model",
        "rise-bench-base",
        "--json",
    ]
    with contextlib.redirect_stderr(io.StringIO()):
        result = CliRunner().invoke(app, command)
    if result.exit_code:
        raise SystemExit(result.output)
    summary: dict[str, float] = json.loads(result.stdout)
    return summary


def main() -> None:
    """Print a line for each kind of text."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rows", type=int, default=60)
    count = parser.parse_args().rows
    true = descriptions(count)
    shifted = [*list(true.values())[count // 3 :], *list(true.values())[: count // 3]]
    with tempfile.TemporaryDirectory() as folder:
        write_dataset(plan("moods", train=8, test=count), Path(folder) / "moods")
        for name, texts in (("true", true), ("foreign", dict(zip(true, shifted, strict=True)))):
            summary = verified(Path(folder), name, texts)
            print(name, ", ".join(f"{column} {summary[column]:.3f}" for column in COLUMNS))


if __name__ == "__main__":
    main()
