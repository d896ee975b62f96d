"""The notebooks of examples/ run from top to bottom on a CPU, and are stored without outputs."""

import csv
import json
import os
import sys
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

pytest.importorskip("torch")

EXAMPLES = Path(__file__).parents[2] / "examples"
NOTEBOOKS = sorted(EXAMPLES.glob("*.ipynb"))


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_is_stored_without_outputs(path: Path) -> None:
    notebook = nbformat.read(path, as_version=4)
    nbformat.validate(notebook)
    cells = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert all(cell.outputs == [] and cell.execution_count is None for cell in cells)


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Run a notebook in an empty folder and return what it printed; a command that fails, fails it."""
    monkeypatch.setenv("PATH", os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]]))
    for name in ("IPYTHONDIR", "JUPYTER_RUNTIME_DIR", "JUPYTER_DATA_DIR"):
        monkeypatch.setenv(name, str(tmp_path / "jupyter"))
    folder = tmp_path / "work"
    folder.mkdir()
    monkeypatch.chdir(folder)

    def run(name: str) -> str:
        notebook = nbformat.read(EXAMPLES / f"{name}.ipynb", as_version=4)
        cells = []
        for cell in notebook.cells:
            cells.append(cell)
            if cell.cell_type == "code" and cell.source.startswith("!"):
                cells.append(nbformat.v4.new_code_cell("assert _exit_code == 0"))
        notebook.cells = cells
        NotebookClient(notebook, timeout=300, kernel_name="python3").execute()
        outputs = [output for cell in cells if cell.cell_type == "code" for output in cell.outputs]
        return "".join(output.get("text", "") for output in outputs)

    return run


def test_own_data(run) -> None:
    printed = run("own_data")
    assert "10 pictures, distribution (csv)" in printed
    manifest = json.loads(Path("cots/manifest.json").read_text())
    assert manifest["counts"] == {"train": 8}
    assert printed.count("<answer>") >= 8


def test_score_and_explain(run) -> None:
    printed = run("score_and_explain")
    assert "1.0 ((64.0, 48.0, 320.0, 240.0),)" in printed
    assert "reward 0.000" in printed and "leak True" in printed


def test_audit_finds_planted_errors(run) -> None:
    """At least half of the four wrong labels are among the six most suspicious of forty."""
    run("audit")
    with Path("audit/audit.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 40
    planted = [bool(row["planted"]) for row in rows]
    assert sum(planted) == 4
    assert sum(planted[:6]) >= 2
