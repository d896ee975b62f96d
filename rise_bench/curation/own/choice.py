"""Choice of a recipe's stages and settings, by the named model and this machine."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from importlib.util import find_spec

from rise_bench.curation.own.machine import Machine, fitted, smallest, steps_for
from rise_bench.curation.own.plan import Plan
from rise_bench.curation.own.recipe import CollectSection, EndpointSection, EvalSection, Recipe, Settings
from rise_bench.data.manifest import Manifest
from rise_bench.errors import RiseError
from rise_bench.models.base_model import BASE_MODEL, MAX_PIXELS
from rise_bench.models.names import TINY
from rise_bench.prompts.asked_format import box_unit_of
from rise_bench.trainers.settings.config import ModelConfig

#: Where a server on this machine listens by vLLM's default.
_LOCAL_SERVER = "http://localhost:8000/v1"

#: Chains of thought that an API is asked for: half of the paper's eight, at half the price.
_API_SAMPLES = 4


@dataclass(frozen=True, slots=True)
class Choice:
    """A recipe, and in sentences why it is so."""

    recipe: Recipe
    notes: tuple[str, ...]


def choose(plan: Plan, manifest: Manifest, model: str, endpoint: tuple[str, ...], machine: Machine) -> Choice:
    """Choose stages and settings.

    Args:
        plan: Recipe as far as the data decides it; its dataset is built.
        manifest: Of the dataset.
        model: Model that was named; empty if none was.
        endpoint: Base URLs that were named.
        machine: This machine.
    """
    scores = EvalSection() if "test" in manifest.counts else None
    if endpoint:
        return _asked(plan, endpoint, model, "An API writes the chains of thought, as --endpoint says.")
    if model.startswith(TINY) or model == BASE_MODEL:
        return _on_cpu(plan, model, scores)
    if not machine.gpus:
        why = "No GPU here, so an API writes the chains of thought; name it below, or by --endpoint."
        return _asked(plan, (), model, why)
    return _trained(plan, manifest, model or ModelConfig().name, machine, scores)


def _asked(plan: Plan, urls: tuple[str, ...], model: str, why: str) -> Choice:
    section = EndpointSection(urls or (_LOCAL_SERVER,), model)
    recipe = replace(plan.recipe, endpoint=section, collect=CollectSection(samples=_API_SAMPLES))
    return Choice(recipe, (why,))


def _on_cpu(plan: Plan, model: str, scores: EvalSection | None) -> Choice:
    """The shipped base model, or a tiny random one, on a CPU."""
    tiny = model.startswith(TINY)
    grpo: Settings = {"steps": 2} if tiny else {"steps": 40}
    r1: Settings = {
        "sft": {"steps": 2} if tiny else {"steps": 53},
        "grpo": {"steps": 2} if tiny else {"steps": 27},
    }
    if scores:
        scores = EvalSection(20, 24 if tiny else 256, untrained=not tiny)
    recipe = replace(
        plan.recipe,
        scale="smoke" if tiny else "world",
        model={"name": model, "max_pixels": MAX_PIXELS},
        rise_cot={"grpo": grpo},
        collect=CollectSection(2, 0.0) if tiny else CollectSection(),
        rise_r1=r1,
        eval=scores,
    )
    why = f"{model} is trained on a CPU: a trial of the way, too small for photos."
    return Choice(recipe, (why, *_preflight(recipe, plan)))


def _trained(
    plan: Plan, manifest: Manifest, model: str, machine: Machine, scores: EvalSection | None
) -> Choice:
    flash = find_spec("flash_attn") or find_spec("kernels")
    recipe = replace(
        plan.recipe,
        model={
            "name": model,
            "box_unit": box_unit_of(model),
            "max_pixels": ModelConfig().max_pixels,
            "attn_implementation": "flash_attention_2" if flash else "sdpa",
        },
        rise_cot={},
        rise_r1={},
        collect=CollectSection(judge=model),
        eval=scores,
    )
    rows = manifest.counts["train"]
    try:
        from rise_bench.trainers.checks.memory import shape_of

        shape = shape_of(ModelConfig(name=model))
    except (RiseError, ImportError) as error:
        unseen = smallest(recipe, machine, rows)
        note = f"The model cannot be looked at yet ({error}); settings that need least memory."
        return Choice(unseen, (f"{machine}.", note))
    chosen = fitted(recipe, machine, shape, rows)
    if chosen is None:
        why = f"{model} does not fit on {machine}, so an API writes the chains of thought."
        return _asked(plan, (), "", why)
    trained = "an adapter of it (all weights do not fit)" if "lora" in chosen.model else "all weights"
    why = f"{machine}: {model}, {trained}, {steps_for(rows)} steps per phase for {rows} training rows."
    return Choice(chosen, (why, *_preflight(chosen, plan)))


def _preflight(recipe: Recipe, plan: Plan) -> Iterator[str]:
    """Yield the pre-flight of the first training: memory, disk, hours, problems."""
    if not find_spec("trl"):
        yield "Trainings need the extra train: pip install 'rise-bench[train]'."
        return
    from rise_bench.trainers.checks.preflight import inspect

    data = {"benchmark": str(plan.dataset), "shots": recipe.shots}
    settings = replace(recipe, rise_cot={**(recipe.rise_cot or {}), "data": data})
    seen = inspect(settings.training_config("rise_cot"))
    yield "Pre-flight of rise_cot (a guide, no measurement):"
    yield from (f"  {fact}" for fact in seen.facts)
    yield from (f"  warning: {text}" for text in seen.warnings)
    yield from (f"  PROBLEM: {text}" for text in seen.findings)
