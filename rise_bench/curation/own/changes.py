"""Changes of a recipe or its data since its stages ran, and the stages to repeat."""

from __future__ import annotations

import json
import shlex
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

from rise_bench.builders.formats.picture_files import files_below, is_picture
from rise_bench.curation.own.picture_hashes import PictureHashes
from rise_bench.curation.own.plan import Plan
from rise_bench.curation.own.recipe import recipe_tree
from rise_bench.data.dataset import open_dataset
from rise_bench.data.manifest import MANIFEST_NAME, read_manifest
from rise_bench.data.replacing import refuse_decided
from rise_bench.errors import ConfigError
from rise_bench.files.atomic import atomic_write_text, sha256_bytes, sha256_once
from rise_bench.files.json_text import json_text
from rise_bench.files.settings_record import SETTINGS_NAME

#: Stages and settings that decide what is sampled. Whatever else changes, rollouts and answers stay good.
_SAMPLED_FROM = {"build", "rise_cot"}
_SAMPLED_BY = {"shots", "endpoint.model", "collect.samples"}

#: Settings of the card and of publishing: the dataset is built again, and its rows are the same.
_CARD = {"data.title", "data.citation", "data.source_url", "data.license", "data.images"}

#: Settings that name places: what lies there decides.
_PLACES = {"data.pictures", "data.labels"}

#: Files that file managers leave in a folder.
_OF_THE_SYSTEM = {"Thumbs.db", "desktop.ini"}

_CONTENT = "files of data.pictures and data.labels"

#: Begin of a record of files in which pictures count by hash; in those of before they counted by size.
_HASHED = "sha256:"

#: Endings of label files beside which a build reads pictures alone.
_TABLES = {".csv", ".tsv", ".json", ".jsonl", ".xml"}

#: Settings beside those of `data` that decide which rows a dataset has.
_OF_ROWS = {"name", "seed", _CONTENT}


@dataclass(frozen=True, slots=True)
class Changes:
    """Difference between a recipe and what its folder was made with.

    Attributes:
        settings: Dotted keys that differ, each with the value before and now.
        stages: Stages that ran and have to be repeated, in order.
    """

    settings: Mapping[str, tuple[Any, Any]]
    stages: tuple[str, ...]

    @property
    def text(self) -> str:
        """Description of the changes."""
        parts = [f"{key} was {_shown(old)}, is {_shown(new)}" for key, (old, new) in self.settings.items()]
        return "; ".join(parts) or "the folder lies elsewhere, or rise-bench is another version"


def find_changes(plan: Plan) -> Changes:
    """Compare a recipe with the records of the stages that ran."""
    before = _read(plan)
    now = _fingerprint(plan, before.get(_CONTENT))
    old, new = dict(_flat(before)), dict(_flat(now))
    if not (_CONTENT in now and _CONTENT in old):  # the pictures are, or were, elsewhere: what is built stays
        old.pop(_CONTENT, None)
        new.pop(_CONTENT, None)
    settings = {
        key: (old.get(key), new.get(key)) for key in sorted(old | new) if old and old.get(key) != new.get(key)
    }
    touched: set[str] = set()
    stages = []
    for stage, jobs in plan.stages().items():
        names = {job.name for job in jobs}
        changed = any(_arguments(plan, job.name) not in (None, list(job.arguments)) for job in jobs)
        changed |= stage == "build" and _CONTENT in settings
        if changed or any(set(job.needs) & touched for job in jobs):
            touched |= names
            if any(_arguments(plan, name) is not None for name in names):
                stages.append(stage)
    return Changes(settings, tuple(stages))


def refuse_changes(plan: Plan) -> None:
    """Refuse a recipe that would repeat what is done.

    Raises:
        ConfigError: It would; the message holds what changed, and the stages.
    """
    changes = find_changes(plan)
    if changes.stages:
        raise ConfigError(
            f"{plan.file} changed since {plan.out} was made with it: {changes.text}. Stages to repeat: "
            f"{', '.join(changes.stages)}. Pass --repeat to delete what they made and repeat them, undo the "
            f"change, or give another `out`.{_kept_text(plan, changes)}"
        )


def _kept_text(plan: Plan, changes: Changes) -> str:
    """Say that --repeat keeps the answers of an API, and how to get new ones; empty if it keeps none."""
    if not plan.recipe.endpoint or "collect" not in changes.stages or not plan.answers.is_dir():
        return ""
    if not _answers_hold(plan, changes):
        return ""
    if "build" in changes.stages:
        return " The API's answers are kept if the dataset still has the same rows."
    (collect,) = plan.stages()["collect"]
    command = shlex.join(("rise-bench", *collect.arguments, "--overwrite"))
    return f" The API's answers are kept; to ask it again, first run: {command}"


def discard(plan: Plan, changes: Changes) -> None:
    """Delete the output and the records of the stages that have to be repeated.

    The records go last, so that a killed start leaves something to be repeated.

    Raises:
        ConfigError: People's decisions would be deleted too.
    """
    stages = plan.stages()
    if "build" in changes.stages:
        refuse_foreign(plan)
    if "collect" in changes.stages:
        refuse_decided(plan.cots)
    if "build" in changes.stages:
        refuse_decided(plan.dataset)
    _discard_absent(plan, set(changes.stages), {job.name for jobs in stages.values() for job in jobs})
    valid = _answers_hold(plan, changes)
    if valid and _changes_of_rows(plan, changes) and plan.answers.is_dir():
        shutil.rmtree(plan.kept_answers, ignore_errors=True)
        plan.answers.rename(plan.kept_answers)
    for stage in reversed(changes.stages):
        for path in plan.outputs(stage):
            if path in (plan.answers, plan.kept_answers) and valid:
                continue
            if path.is_dir():
                shutil.rmtree(path)
            else:
                path.unlink(missing_ok=True)
        for path in (plan.page, *plan.scores.glob("*.json")):  # of a model that is no longer there
            path.unlink(missing_ok=True)
        for job in stages[stage]:
            plan.folder.log(job.name).unlink(missing_ok=True)
            (plan.folder.path / f"{job.name}.json").unlink(missing_ok=True)


def _changes_of_rows(plan: Plan, changes: Changes) -> set[str]:
    """Return the changed settings that may give the dataset other rows."""
    of_rows = {key for key in changes.settings if key.startswith("data.") or key in _OF_ROWS} - _CARD
    before = _read(plan).get(_CONTENT)
    if before == _fingerprint(plan, before).get(_CONTENT) is not None:
        of_rows -= _PLACES
    return of_rows


def _answers_hold(plan: Plan, changes: Changes) -> bool:
    """Whether a model would be asked the same now, as far as that is known before a build."""
    sampled_from = _SAMPLED_FROM & set(changes.stages)
    # only the card changes, files lie elsewhere, or are perhaps not read
    if _read(plan) and _changes_of_rows(plan, changes) <= {_CONTENT}:
        sampled_from.discard("build")
    return not sampled_from and _SAMPLED_BY.isdisjoint(changes.settings)


def refuse_foreign(plan: Plan) -> None:
    """Refuse whatever lies where the dataset is to be, unless it is a dataset of that name or built there.

    Raises:
        ConfigError: It is something else, e.g. the pictures.
    """
    built_here = ("--out", str(plan.dataset)) in pairwise(_arguments(plan, "build") or [])
    if built_here and plan.folder.done_seconds("build") is not None:
        return
    fix = f"move it elsewhere, or give another `name` or `out` in {plan.file}"
    refuse_other_contents(plan.dataset, plan.recipe.name, fix)


def refuse_other_contents(folder: Path, name: str, fix: str) -> None:
    """Refuse a place that is neither free nor holds the dataset of a name; `fix` ends the error."""
    if not folder.exists() or (folder.is_dir() and not any(folder.iterdir())):
        return
    holds = read_manifest(folder).benchmark.name if (folder / MANIFEST_NAME).is_file() else ""
    if holds != name:
        what = (
            f"holds the dataset {holds}"
            if holds
            else "is a file"
            if folder.is_file()
            else "holds other files"
        )
        raise ConfigError(f"{folder} {what}, and the dataset {name} would take its place; {fix}")


def restore_answers(plan: Plan) -> None:
    """Take kept answers back if the dataset that was built again has the same rows; delete them if not."""
    if not plan.kept_answers.is_dir():
        return
    asked = _json_of(plan.kept_answers / SETTINGS_NAME)
    if asked.get("benchmark_sha256") == open_dataset(plan.dataset).sha256:
        plan.kept_answers.rename(plan.answers)
    else:
        shutil.rmtree(plan.kept_answers)


def _discard_absent(plan: Plan, repeated: set[str], present: set[str]) -> None:
    """Delete what later stages made that the recipe does not have now: put back, they would count as done."""
    gone = {name for name in ("rise_cot", "rise_r1", "eval") if name not in plan.stages()}
    if "build" not in repeated:
        gone.discard("rise_cot")
    if not repeated - {"eval", "report"}:
        gone.clear()
    for path in (path for stage in sorted(gone) for path in plan.outputs(stage)):
        shutil.rmtree(path, ignore_errors=True)
    for path in plan.folder.path.glob("*.json"):
        if path.stem not in present and (path.stem.partition("_")[0] == "eval" or path.stem in gone):
            plan.folder.log(path.stem).unlink(missing_ok=True)
            path.unlink()


def record(plan: Plan) -> None:
    """Write down the recipe that the stages run with; what is known of pictures that are away stays.

    Kept answers of another model or of other settings are deleted.
    """
    if not _SAMPLED_BY.isdisjoint(find_changes(plan).settings):
        shutil.rmtree(plan.kept_answers, ignore_errors=True)
    before = _read(plan)
    hashes = PictureHashes(plan.folder.path)
    now = {name: value for name, value in before.items() if name == _CONTENT} | _fingerprint(
        plan, _HASHED, hashes
    )
    hashes.keep()
    if before != now:
        atomic_write_text(recipe_file(plan), json_text(now) + "\n")


def recipe_file(plan: Plan) -> Path:
    """Return the file of the recipe that the stages ran with."""
    return plan.out / "recipe.json"


def _read(plan: Plan) -> dict[str, Any]:
    return _json_of(recipe_file(plan))


def _json_of(path: Path) -> dict[str, Any]:
    """Return the object in a file of JSON; empty without one."""
    try:
        tree: Any = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    except ValueError:
        tree = {}
    return tree if isinstance(tree, dict) else {}


def _fingerprint(plan: Plan, form: str | None, hashes: PictureHashes | None = None) -> dict[str, Any]:
    """The resolved recipe, and what the files of the data hold, as far as they are there.

    Args:
        plan: The recipe.
        form: Record of the files in the form that is wanted, with hashes of pictures or, as before, with
            sizes; nothing is read if None.
        hashes: Known hashes; those in the folder of jobs if None.
    """
    tree = recipe_tree(plan.recipe)
    labels = plan.labels
    if form is None or not plan.pictures.is_dir() or (labels and not labels.exists()):
        return tree
    all_labels_elsewhere = (
        labels and not labels.is_relative_to(plan.pictures) and labels.suffix.lower() in _TABLES
    )
    inside = plan.out.resolve().is_relative_to(plan.pictures)
    marked = _HASHED if form.startswith(_HASHED) else ""
    known = (hashes or PictureHashes(plan.folder.path)) if marked else None
    listed = [
        f"{name} {_content(path, name, known)}"
        for path in _files(plan.pictures)
        if is_picture(path) or not all_labels_elsewhere
        if not (inside and path.resolve().is_relative_to(plan.out.resolve()))
        for name in [path.relative_to(plan.pictures).as_posix()]
    ]
    if labels and not labels.is_relative_to(plan.pictures):
        # pictures beside labels are not read
        listed += [_content(path, "", None) for path in ([labels] if labels.is_file() else _files(labels))]
    return tree | {_CONTENT: marked + sha256_bytes("\n".join(listed).encode())[:16]}


def _files(folder: Path) -> Iterator[Path]:
    """The files that a build can read, in order."""
    return (path for path in files_below(folder) if path.is_file() and path.name not in _OF_THE_SYSTEM)


def _content(path: Path, name: str, hashes: PictureHashes | None) -> str:
    """The hash of a file; of a picture its size where there are no `hashes`."""
    if not is_picture(path):
        return sha256_once(path)
    return hashes.of(path, name) if hashes else str(path.stat().st_size)


def _arguments(plan: Plan, job: str) -> list[str] | None:
    """Arguments that a job was started with; None if it was not."""
    path = plan.folder.path / f"{job}.json"
    return json.loads(path.read_text(encoding="utf-8"))["arguments"] if path.is_file() else None


def _flat(tree: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for name, value in tree.items():
        if isinstance(value, dict):
            yield from _flat(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", value


def _shown(value: Any) -> str:
    return "not there" if value is None else json.dumps(value)
