"""`rise-bench init`: look at own data, build its dataset, and write one recipe for the rest."""

from __future__ import annotations

import os
import re
import shlex
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from rise_bench.catalog.benchmarks import BENCHMARKS
from rise_bench.curation.own.changes import record, refuse_other_contents
from rise_bench.curation.own.choice import Choice, choose
from rise_bench.curation.own.machine import this_machine
from rise_bench.curation.own.plan import RECIPE_NAME, Plan
from rise_bench.curation.own.recipe import DataSection, Recipe
from rise_bench.curation.own.recipe_text import recipe_text
from rise_bench.data.manifest import Manifest
from rise_bench.data.writer import write_dataset
from rise_bench.errors import ConfigError, DataError
from rise_bench.files.atomic import atomic_write_text


@dataclass(frozen=True, slots=True)
class Wanted:
    """Settings of `init`.

    Attributes:
        pictures: Folder of the pictures.
        labels: File or folder of the annotations; None if it is looked for.
        data: Settings of the dataset; its places are filled in by the recipe, from the two above.
        name: Name of the dataset; made of the folder's name if empty.
        out: Folder to write; `NAME-rise` in the current folder, or beside the pictures, if None.
        model: Model to train, or, with `endpoint`, that is asked; empty for a choice by the machine.
        endpoint: Base URLs of an OpenAI-compatible API.
        seed: Seed of the split and of the trainings.
    """

    pictures: Path
    labels: Path | None
    data: DataSection
    name: str = ""
    out: Path | None = None
    model: str = ""
    endpoint: tuple[str, ...] = ()
    seed: int = 0

    @property
    def dataset_name(self) -> str:
        """Name of the dataset."""
        if self.name:
            return self.name
        name = re.sub(r"[^a-z0-9]+", "_", self.pictures.absolute().name.lower()).strip("_")[:64]
        name = name if name[:1].isalpha() else f"own_{name}".rstrip("_")
        return f"own_{name}" if name in BENCHMARKS else name

    @property
    def folder(self) -> Path:
        """Folder to write; by default in the working directory, or beside the pictures if it is inside."""
        if self.out is not None:
            return self.out.expanduser().absolute()
        here, pictures = Path.cwd(), self.pictures.resolve()
        place = pictures.parent if here.resolve().is_relative_to(pictures) else here
        return place / f"{self.dataset_name}-rise"


@dataclass(frozen=True, slots=True)
class Made:
    """Results of `init`: the plan, the dataset's manifest, and the reasons for the recipe."""

    plan: Plan
    manifest: Manifest
    choice: Choice

    def next_commands(self) -> list[str]:
        """Return the steps that come next: commands, after a setting that is still to be written."""
        file = shlex.quote(os.path.relpath(self.plan.file))
        cots = shlex.quote(os.path.relpath(self.plan.cots))
        dataset = shlex.quote(os.path.relpath(self.plan.dataset))
        publish = f"rise-bench publish {cots} --repo ORG/NAME --dry-run"
        endpoint = self.plan.recipe.endpoint
        if endpoint is None:
            return [f"rise-bench run {file} --show", f"rise-bench run {file}", publish]
        price = f"--samples {self.plan.recipe.collect.samples} --price-input 0.4 --price-output 1.6"
        source = f"--benchmark {dataset} --endpoint {endpoint.url[0]}"
        cost = f"rise-bench collect {source} {price} --out {cots} --dry-run"
        unnamed = "" if endpoint.model else f"write endpoint.model, the server's name of the model, in {file}"
        return [*([unnamed] if unnamed else []), cost, f"rise-bench run {file}", publish]


def refuse_taken(wanted: Wanted) -> None:
    """Refuse a folder that holds a recipe already, or results of one.

    Raises:
        ConfigError: It does.
    """
    path = wanted.folder / RECIPE_NAME
    if path.exists():
        raise ConfigError(f"{path} is there already; go on with it, or choose another --out")
    plan = Plan(path, Recipe(wanted.dataset_name, wanted.data))
    if results := [name for name in plan.folder.all_seconds() if name != "build"]:
        raise ConfigError(
            f"{wanted.folder} holds results of an earlier recipe ({', '.join(results)}), which would count "
            "as those of the new one; choose another --out, or move the folder"
        )


def initialise(
    wanted: Wanted,
    *,
    progress: Callable[[int, int], None] = lambda done, total: None,  # noqa: ARG005
) -> Made:
    """Build the dataset, choose the settings, write the recipe.

    Raises:
        ConfigError: An option is invalid, or the folder holds a recipe already.
        DataError: The data cannot be built as it is.
    """
    from rise_bench.builders import custom

    refuse_taken(wanted)
    started = time.monotonic()
    options = asdict(wanted.data)
    for name in ("pictures", "labels"):
        del options[name]
    source = custom.plan(
        wanted.pictures,
        name=wanted.dataset_name,
        annotations=wanted.labels,
        format_name=options.pop("format"),
        license_id=options.pop("license"),
        seed=wanted.seed,
        **options,
    )
    plan = Plan(wanted.folder / RECIPE_NAME, _recipe(wanted))
    refuse_other_contents(plan.dataset, source.spec.name, "choose another --out or --name")
    manifest = write_dataset(source, plan.dataset, seed=wanted.seed, overwrite=True, progress=progress)
    if "train" not in manifest.counts:
        raise DataError(
            f"{wanted.pictures} has no picture to train on; name a smaller --test-fraction than "
            f"{wanted.data.test_fraction:g}, or mark some as train"
        )
    seconds = time.monotonic() - started
    choice = choose(plan, manifest, wanted.model, wanted.endpoint, this_machine())
    plan = replace(plan, recipe=choice.recipe)
    plan.folder.write(plan.stages()["build"][0], seconds, done=True)
    record(plan)
    # last: without it the same command makes everything again
    atomic_write_text(plan.file, recipe_text(choice.recipe, list(_lead(plan, manifest, choice))))
    return Made(plan, manifest, choice)


def _recipe(wanted: Wanted) -> Recipe:
    """The recipe as far as the data decides it."""
    labels = wanted.labels
    if labels is not None and not labels.exists():
        labels = wanted.pictures / labels
    section = replace(
        wanted.data,
        pictures=_from(wanted.folder, wanted.pictures),
        labels=_from(wanted.folder, labels) if labels else "",
    )
    return Recipe(wanted.dataset_name, section, seed=wanted.seed)


def _from(folder: Path, path: Path) -> str:
    """Return a path as seen from a folder; both may be reached through links, behind which ".." differs."""
    return os.path.relpath(path.resolve(), folder.resolve())


def _lead(plan: Plan, manifest: Manifest, choice: Choice) -> Iterator[str]:
    """Comment at the top of the recipe."""
    rows = ", ".join(f"{count} {split}" for split, count in manifest.counts.items())
    yield f"RISE on {plan.recipe.name}: {rows} rows. Written by `rise-bench init`; edit it freely."
    yield "  rise-bench run rise.yaml              every stage that is not done; after a crash the same again"
    yield "  rise-bench run rise.yaml --show       the stages and their commands"
    yield "  rise-bench run rise.yaml --stage X    one stage: " + ", ".join(plan.stages())
    yield ""
    yield from choice.notes
