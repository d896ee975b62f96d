"""Stages of a run on own data as jobs: the `rise-bench` commands that a recipe comes to."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rise_bench.catalog.families import RISE_HF
from rise_bench.curation.own.recipe import Recipe, Settings, read_recipe
from rise_bench.errors import ConfigError
from rise_bench.evaluation.lmms_command import CUSTOM_TASK, CUSTOM_VARIABLE
from rise_bench.experiments.job_folder import Job, JobFolder
from rise_bench.models.families import family_of
from rise_bench.trainers.settings.config import TrainConfig

#: File of the recipe in the folder that `init` writes.
RECIPE_NAME = "rise.yaml"

#: Names of the two models that are scored.
TRAINED, UNTRAINED = "trained", "untrained"


@dataclass(frozen=True, slots=True)
class Plan:
    """A recipe and the places of what it makes.

    Attributes:
        file: File of the recipe.
        recipe: The recipe.
    """

    file: Path
    recipe: Recipe

    @classmethod
    def read(cls, file: Path) -> Plan:
        """Read the recipe in a file, or in the folder of `init`; errors as `read_recipe`."""
        if (file / RECIPE_NAME).is_file():
            file /= RECIPE_NAME
        return cls(file.absolute(), read_recipe(file))

    @property
    def out(self) -> Path:
        """Folder of everything that is made."""
        return (self.file.parent / Path(self.recipe.out).expanduser()).resolve()

    @property
    def dataset(self) -> Path:
        """Folder of the dataset; `rise-bench eval` finds it by its last part."""
        return self.out / "data" / self.recipe.name

    @property
    def cots(self) -> Path:
        """Folder of the dataset of chains of thought."""
        return self.out / "cots"

    @property
    def page(self) -> Path:
        """The report."""
        return self.out / "report.html"

    @property
    def scores(self) -> Path:
        """Folder of the scores, a file for each model as `rise-bench score --json` prints them."""
        return self.out / "scores"

    @property
    def folder(self) -> JobFolder:
        """Records and logs of the jobs."""
        return JobFolder(self.out / "jobs")

    @property
    def pictures(self) -> Path:
        """Folder of the pictures."""
        return (self.file.parent / Path(self.recipe.data.pictures).expanduser()).resolve()

    @property
    def answers(self) -> Path:
        """Folder of what a model was asked while collecting."""
        return self.cots.with_name("cots.rollouts")

    @property
    def kept_answers(self) -> Path:
        """The same while the dataset is built again, until it is known whether its rows are the same."""
        return self.cots.with_name("cots.rollouts.kept")

    @property
    def labels(self) -> Path | None:
        """File or folder of the annotations; None if it is looked for in the pictures."""
        if not self.recipe.data.labels:
            return None
        beside = self.file.parent / Path(self.recipe.data.labels).expanduser()
        return beside.resolve() if beside.exists() else self.pictures / self.recipe.data.labels

    def run(self, stage: str) -> Path:
        """Folder of a training run."""
        return self.out / "runs" / stage

    def outputs(self, stage: str) -> tuple[Path, ...]:
        """Folders that a stage writes."""
        of_stage = {
            "build": (self.dataset,),
            "collect": (self.cots, self.answers, self.kept_answers),
            "eval": (self.out / "eval",),
            "report": (self.page,),
            "check": (),
        }
        return of_stage.get(stage, (self.run(stage),))

    def stages(self) -> dict[str, list[Job]]:
        """Stages of the recipe in order, and the jobs of each; `report` has none."""
        recipe, stages = self.recipe, {"build": [self._build()]}
        if recipe.rise_cot is not None:
            stages["rise_cot"] = [self._train("rise_cot", "build", data={})]
        stages["collect"] = [self._collect()]
        stages["check"] = [self._job("check", "check", ("check", str(self.cots), "--json"), "collect")]
        if recipe.rise_r1 is not None:
            data = {"cots": str(self.cots), "tau": recipe.collect.tau}
            stages["rise_r1"] = [self._train("rise_r1", "check", data=data)]
        if recipe.eval is not None:
            stages["eval"] = self._evaluations()
        return stages | {"report": []}

    def chosen(self, stage: str) -> dict[str, list[Job]]:
        """Return a stage, or all of them if it is empty.

        Raises:
            ConfigError: The recipe has no such stage.
        """
        stages = self.stages()
        if stage and stage not in stages:
            raise ConfigError(
                f"{self.file} has no stage {stage!r}; it has {', '.join(stages)}. Name one of these."
            )
        return {name: jobs for name, jobs in stages.items() if stage in ("", name)}

    def _build(self) -> Job:
        data = self.recipe.data
        options = {
            "--annotations": str(self.labels or ""),
            "--format": data.format,
            "--question": data.question,
            "--classes": ",".join(data.classes),
            "--title": data.title,
            "--citation": data.citation,
            "--source-url": data.source_url,
        }
        arguments = (
            *("build", "custom", "--source", str(self.pictures), "--name", self.recipe.name),
            *(part for name, value in options.items() if value for part in (name, value)),
            *("--test-fraction", f"{data.test_fraction:g}", "--images", data.images),
            *("--license", data.license, "--seed", str(self.recipe.seed)),
            *(("--keep-empty",) if data.keep_empty else ()),
            *("--out", str(self.dataset), "--json"),
        )
        return self._job("build", "build the dataset", arguments)

    def _train(self, stage: str, needs: str, data: Mapping[str, Any]) -> Job:
        data = {"benchmark": str(self.dataset), "shots": self.recipe.shots, **data}
        fixed = {"data": data, "seed": self.recipe.seed, "run": {"output_dir": str(self.run(stage))}}
        settings = (*_overrides(self.recipe.training_settings(stage)), *_overrides(fixed))
        recipe = f"{self.recipe.scale}/{stage}"
        arguments = ("train", stage, "--recipe", recipe, *settings)
        return self._job(stage, f"train {stage}", arguments, needs)

    def _collect(self) -> Job:
        recipe, collect, endpoint = self.recipe, self.recipe.collect, self.recipe.endpoint
        if endpoint is None:
            source: tuple[str, ...] = (str(self.run("rise_cot")),)
        else:
            source = (
                *("--benchmark", str(self.dataset), "--shots", recipe.shots, "--model", endpoint.model),
                *(part for url in endpoint.url for part in ("--endpoint", url)),
                *("--api-key-env", endpoint.api_key_env, "--concurrency", str(endpoint.concurrency)),
            )
        arguments = (
            *("collect", *source, "--splits", ",".join(collect.splits), "--samples", str(collect.samples)),
            *("--tau", f"{collect.tau:g}", "--judge", collect.judge or "none"),
            *(("--allow-missing",) if collect.allow_missing else ()),
            *("--out", str(self.cots), "--json"),
        )
        needs = "build" if endpoint else "rise_cot"
        return self._job("collect", "collect the chains of thought", arguments, needs)

    def _evaluations(self) -> list[Job]:
        config = self.recipe.training_config("rise_r1", str(self.file))
        models = {TRAINED: str(self.run("rise_r1") / config.active_phases[-1] / "final")}
        if self.recipe.eval and self.recipe.eval.untrained:
            models[UNTRAINED] = config.model.name
        return [self._evaluate(name, model, config) for name, model in models.items()]

    def _evaluate(self, name: str, model: str, config: TrainConfig) -> Job:
        section = self.recipe.eval
        assert section is not None
        place = ",device=cpu,device_map=cpu" if config.compute.use_cpu else ""
        family = family_of(config.model.name)
        if name == UNTRAINED and config.model.revision and family.lmms_model == RISE_HF:
            place += f",revision={config.model.revision}"  # the other engines take the newest
        unit = ("--box-unit", config.model.box_unit) if config.model.box_unit != family.box_unit else ()
        arguments = (
            *("eval", "--tasks", CUSTOM_TASK, "--model", family.lmms_model),
            *("--model_args", f"pretrained={model}{place},max_pixels={config.model.max_pixels}"),
            *("--batch_size", str(section.batch_size), *unit),
            *("--gen_kwargs", f"max_new_tokens={section.max_new_tokens}"),
            *("--output_path", str(self.out / "eval" / name), "--verbosity", "WARNING", "--json"),
        )
        needs = "rise_r1" if name == TRAINED else "build"
        return self._job(f"eval_{name}", f"score the {name} model", arguments, needs)

    def _job(self, name: str, label: str, arguments: tuple[str, ...], *needs: str) -> Job:
        environment = {"RISE_BENCH_DATA": str(self.dataset.parent), CUSTOM_VARIABLE: self.recipe.name}
        return Job(name, label, arguments, needs, environment)


def _overrides(settings: Settings, prefix: str = "") -> list[str]:
    """Settings as `key=value` of `rise-bench train`."""
    given = []
    for name, value in settings.items():
        if isinstance(value, dict):
            given += _overrides(value, f"{prefix}{name}.")
        else:
            text = value if isinstance(value, str) else json.dumps(value)
            given.append(f"{prefix}{name}={text}")
    return given
