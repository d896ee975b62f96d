"""Stages of training: each trainer declares its own by `@stage`, which is read without importing it."""

from __future__ import annotations

import ast
import functools
import importlib.util
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal, TypeVar

from rise_bench.annotations.answer_format import Style
from rise_bench.errors import ConfigError

Phase = Literal["sft", "grpo"]

_Train = TypeVar("_Train", bound=Callable[..., Path])


@dataclass(frozen=True, slots=True)
class Stage:
    """Stage of training.

    Attributes:
        name: Name of the stage.
        phases: Its phases in order.
        asks: Text that the policy writes: chain of thought and answer, answer only, or chain of thought and
            from that the annotation (closed loop).
        cots: Setting of the chains of thought of its SFT phase; empty without any.
        cots_optional: Whether that setting may be empty, or its chains of thought all below the thresholds.
        cots_unfiltered: Whether it trains on all chains of thought, independent of their reward.
        file: Source file of the trainer.
    """

    name: str
    phases: tuple[Phase, ...]
    asks: Literal["think_answer", "answer_only", "closed_loop"] = "think_answer"
    cots: Literal["", "cots", "expert_cots"] = ""
    cots_optional: bool = False
    cots_unfiltered: bool = False
    file: Path = Path()

    @property
    def is_closed_loop(self) -> bool:
        """Whether a rollout is a pair of chain of thought and reconstruction."""
        return self.asks == "closed_loop"

    def style(self, response_form: str) -> Style:
        """Form in which a trained model answers, by the run's `reward.response_form`."""
        if self.asks == "answer_only":
            return "answer_only"
        return "caption" if response_form == "caption" else "think_answer"


def stage(name: str, **facts: Any) -> Callable[[_Train], _Train]:
    """Declare the decorated `train(config, run) -> Path` as the trainer of a stage with these attributes.

    `stages` reads the declaration from the source, so every argument is a literal.
    """
    Stage(name, **facts)
    return lambda train: train


@functools.cache
def stages() -> dict[str, Stage]:
    """Stages by name, as the files of `rise_bench.trainers` declare them; none of them is imported."""
    package = importlib.util.find_spec("rise_bench.trainers")
    folders = (package and package.submodule_search_locations) or []
    files = sorted(file for folder in folders for file in Path(folder).glob("*.py"))
    return {declared.name: declared for file in files for declared in _declared(file)}


def get_stage(name: str) -> Stage:
    """Return a stage by name, or raise `ConfigError`."""
    if name not in stages():
        raise ConfigError(f"no stage {name!r}; choose one of {', '.join(stages())}.")
    return stages()[name]


def _declared(file: Path) -> Iterator[Stage]:
    for node in ast.parse(file.read_text(encoding="utf-8")).body:
        for call in getattr(node, "decorator_list", ()):
            if isinstance(call, ast.Call) and isinstance(call.func, ast.Name) and call.func.id == "stage":
                facts = {keyword.arg or "": ast.literal_eval(keyword.value) for keyword in call.keywords}
                yield replace(Stage(ast.literal_eval(call.args[0]), **facts), file=file)
