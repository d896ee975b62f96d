"""Entry point that adds the rise_ tasks and a model to lmms-eval.

lmms-eval 0.6 and 0.7 load plug-in models (entry-point group `lmms_eval.models`), not plug-in tasks.
`register` adds our task folders to every `TaskManager`, as `--include_path` would, and returns the model
`rise_hf`. It never imports lmms_eval and never raises: a failing entry point would disable all others. Box
tasks exist once for each unit of boxes; the manager's model name picks the folder.
"""

import importlib.abc
import importlib.machinery
import importlib.util
import sys
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

from rise_bench.catalog.families import RISE_HF
from rise_bench.prompts.asked_format import box_unit_of

_TASKS_MODULE = "lmms_eval.tasks"
_REGISTRY_MODULE = "lmms_eval.models.registry_v2"
_MODELS = {RISE_HF: "rise_bench.models.lmms_chat.RiseHf"}


def task_folders(model: object) -> list[str]:
    """Return the task folders for `--model`: tasks without boxes, and those in its unit of boxes.

    Anything but a name (an object, None) has the default unit.
    """
    unit = box_unit_of(model if isinstance(model, str) else "")
    spec = importlib.util.find_spec("rise_bench.tasks")
    places = spec.submodule_search_locations if spec else None
    root = Path(next(iter(places or [])))
    return [str(root / folder) for folder in ("distributions", f"boxes_{unit}", "groups")]


def register() -> list[Any]:
    """Hook into lmms-eval's task manager, now or as soon as it is imported; return the manifests of models.

    None are returned without lmms-eval's registry, which calls this.
    """
    module = sys.modules.get(_TASKS_MODULE)
    if module is not None and hasattr(module, "TaskManager"):
        _patch(module)
    elif not any(isinstance(finder, _OnImport) for finder in sys.meta_path):
        sys.meta_path.insert(0, _OnImport())
    manifest = getattr(sys.modules.get(_REGISTRY_MODULE), "ModelManifest", None)
    return (
        [manifest(model_id=name, chat_class_path=path) for name, path in _MODELS.items()] if manifest else []
    )


def _patch(module: ModuleType) -> None:
    manager = module.TaskManager
    if getattr(manager, "_rise_bench", False):
        return
    original = manager.initialize_tasks

    def initialize_tasks(self: Any, include_path: Any = None, include_defaults: bool = True) -> Any:
        paths = [include_path] if isinstance(include_path, str) else list(include_path or [])
        added = [path for path in task_folders(self.model_name) if path not in paths]
        return original(self, include_path=[*paths, *added], include_defaults=include_defaults)

    manager.initialize_tasks = initialize_tasks
    manager._rise_bench = True


class _OnImport(importlib.abc.MetaPathFinder):
    """Patches `lmms_eval.tasks` when it is imported, then steps aside."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        """Find the module as usual; its loader patches the task manager after running the module."""
        if fullname != _TASKS_MODULE:
            return None
        sys.meta_path.remove(self)
        spec = importlib.machinery.PathFinder.find_spec(fullname, path, target)
        if spec is not None and spec.loader is not None:
            run = spec.loader.exec_module

            def exec_module(module: ModuleType) -> None:
                run(module)
                _patch(module)

            spec.loader.exec_module = exec_module  # type: ignore[method-assign]
        return spec
