"""The hook into lmms-eval, in processes of their own because it patches what is imported."""

import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from rise_bench.evaluation.lmms_models import model_names
from rise_bench.evaluation.lmms_plugin import task_folders


def _python(code: str) -> str:
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_register_is_an_entry_point_that_imports_no_lmms_eval():
    code = """
import sys
from importlib.metadata import entry_points
(hook,) = entry_points(group="lmms_eval.models", name="rise_bench")
assert hook.load()() == [], "no registry to register a model in"
assert "lmms_eval" not in sys.modules
"""
    _python(code)


def test_the_model_of_rise_bench_is_registered_beside_those_of_lmms_eval():
    assert "rise_hf" in model_names() and "internvl_hf" in model_names()


@pytest.mark.slow
def test_tasks_are_found_though_the_task_manager_was_imported_before_the_plugin():
    """The other order is that of every run in tests/e2e."""
    code = """
import lmms_eval.tasks
import lmms_eval.models
from lmms_eval.tasks import TaskManager
manager = TaskManager(model_name="qwen2_5_vl", include_defaults=False)
print(*manager.all_tasks)
print(manager.task_index["rise_lisa"]["yaml_path"])
"""
    names, path = _python(code).splitlines()[-2:]
    assert set(names.split()) >= {"rise", "rise_emotion6", "rise_lisa", "rise_custom"}
    assert path.endswith("boxes_resized_px/rise_lisa.yaml")


@pytest.mark.parametrize(
    ("model", "folder"),
    [("qwen2_vl", "boxes_norm1000"), ("qwen2_5_vl", "boxes_resized_px"), (None, "boxes_norm1000")],
)
def test_box_tasks_come_in_the_unit_of_the_model(model, folder):
    folders = [Path(path) for path in task_folders(model)]
    assert [path.name for path in folders] == ["distributions", folder, "groups"]
    assert all(path.is_dir() for path in folders)


def test_every_unit_has_the_same_tasks(root):
    units = sorted((root / "tasks").glob("boxes_*"))
    assert [unit.name for unit in units] == ["boxes_norm1000", "boxes_px", "boxes_resized_px"]
    assert len({tuple(sorted(path.name for path in unit.glob("*.yaml"))) for unit in units}) == 1


def test_yaml_files_name_their_own_task_unit_and_dataset(root):
    """They are near copies of each other: a slip of the pen in one would score under the wrong unit."""
    loader = type("Loader", (yaml.SafeLoader,), {})
    loader.add_constructor("!function", lambda loader, node: loader.construct_scalar(node))
    for path in sorted((root / "tasks").glob("*s/*.yaml")) + sorted((root / "tasks").glob("boxes_*/*.yaml")):
        config = yaml.load(path.read_text(), Loader=loader)
        if "group" in config:
            continue
        name = path.stem.removeprefix("rise_")
        unit = path.parent.name.removeprefix("boxes_") if path.parent.name.startswith("boxes_") else ""
        suffix = f"{name}__{unit}" if unit else name
        assert config["task"] == path.stem
        assert config["dataset_kwargs"] == f"rise_bench.tasks.data.files__{name}"
        assert config["process_docs"] == f"rise_bench.tasks.data.documents__{suffix}"
        assert config["metadata"] == f"rise_bench.tasks.data.metadata__{suffix}"
