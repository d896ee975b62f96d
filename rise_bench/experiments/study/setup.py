"""Benchmark and model of a study: found, linked, and the same at every start."""

from dataclasses import asdict, replace
from pathlib import Path

from rise_bench import __version__
from rise_bench.data.dataset import BenchmarkDataset, open_dataset
from rise_bench.errors import ConfigError, DataError
from rise_bench.experiments.cell import Setup
from rise_bench.experiments.scale import ScaleName
from rise_bench.experiments.study.registered import (
    BASE_MODEL_SHA256,
    PLANS,
    RECORDED,
    REGISTERED,
    recorded_plan,
    study_record,
)
from rise_bench.experiments.study.settings import trials_name
from rise_bench.experiments.study.study_plan import StudyPlan
from rise_bench.files.atomic import atomic_write_bytes, atomic_write_text, sha256_bytes, sha256_file
from rise_bench.files.json_text import json_text
from rise_bench.hub.find import find_benchmark
from rise_bench.models.base_model import BASE_MODEL
from rise_bench.models.families import family_of
from rise_bench.models.names import checked_model, is_model_folder, local_model
from rise_bench.trainers.runs.provenance import git_state


def setup_of(model: str, scale: ScaleName, settings: tuple[str, ...] = ()) -> tuple[str, Setup]:
    """Return model and setup; a folder by its absolute path, the embedded model as "".

    Raises:
        ConfigError: The model is a folder without a model, or neither folder nor name tells its family.
    """
    if model == BASE_MODEL:
        return "", Setup(scale=scale, settings=settings)
    local = local_model(model)
    on_hub = not is_model_folder(local)
    name = model if on_hub else str(Path(local).absolute())
    return name, Setup(family_of(name).name, scale, settings, on_hub)


def find_own(name: str | Path) -> BenchmarkDataset:
    """Find a dataset by folder, name or Hub id, for a study of it.

    Raises:
        DataError: There is none, it lacks its images, its training rows or its test rows, or only a board has
            its test annotations.
    """
    dataset = find_benchmark(name)
    lacking = [split for split in ("train", "test") if not dataset.manifest.counts.get(split)]
    if lacking:
        raise DataError(
            f"{dataset.root} has no {' and no '.join(lacking)} rows, and a study trains on train and scores "
            "on test. Build it again with both (`rise-bench build custom --test-fraction 0.3`)."
        )
    if dataset.manifest.is_withheld:
        raise DataError(
            f"the test annotations of {dataset.root} are placeholders, so that a study could score nothing. "
            "Name a dataset with its own."
        )
    return dataset


def link_dataset(link: Path, given: BenchmarkDataset | None = None) -> BenchmarkDataset:
    """Open the dataset that a link of a study leads to; the link is made first if it is not there.

    Args:
        link: The link, named after the benchmark.
        given: Dataset that it has to lead to; the one of its name if None.

    Raises:
        DataError: There is no dataset of that name, or it lacks its images.
        ConfigError: It leads to another dataset.
    """
    if not link.exists():
        dataset = given or find_benchmark(link.name)
        link.parent.mkdir(parents=True, exist_ok=True)
        link.unlink(missing_ok=True)
        link.symlink_to(dataset.root.absolute(), target_is_directory=True)
    linked = open_dataset(link)
    if given is not None and given.sha256 != linked.sha256:
        raise ConfigError(
            f"{link} leads to {link.resolve()}, another dataset than {given.root}; choose another --out"
        )
    return linked


def keep_identity(out: Path, base: str | Path = "", dataset: BenchmarkDataset | None = None) -> None:
    """Record base model, registered claims and commit in OUT/study.json, and copy the claims beside it.

    Args:
        out: Folder of the study.
        base: Model that all methods start from; empty for the embedded one.
        dataset: Benchmark, unless it is drawn.

    Raises:
        ConfigError: The folder was begun with another model or dataset, or the model does not exist.
    """
    now = {BASE_MODEL_SHA256: _model_identity(base)}
    if dataset is not None:
        now[f"{dataset.spec.name}_sha256"] = dataset.sha256
    begun = study_record(out)
    for name, value in now.items():
        if begun.get(name, value) != value:
            what = "base model" if name.startswith("base_model") else name.removesuffix("_sha256")
            raise ConfigError(
                f"{out} was begun with the {what} {begun[name][:12]}, this one is {value[:12]}; "
                "choose another --out"
            )
    if not begun:
        begun = {"rise_bench": __version__, RECORDED: sha256_file(REGISTERED), "git": git_state()}
        atomic_write_bytes(out / REGISTERED.name, REGISTERED.read_bytes())
    if now.keys() - begun.keys():
        atomic_write_text(out / "study.json", json_text(now | begun) + "\n")


def keep_plan(out: Path, name: str, plan: StudyPlan, *, keep: bool = True) -> None:
    """Record the plan of a benchmark and budget (`moods/paper`) in OUT/study.json, which is there.

    Args:
        out: Folder of the study.
        name: Name of the plan.
        plan: The plan.
        keep: Record it; otherwise it is only compared with the recorded one.

    Raises:
        ConfigError: The folder has another plan for them.
    """
    before = recorded_plan(out, name)
    if before is None:
        if keep:
            begun = study_record(out)
            begun[PLANS] = begun.get(PLANS, {}) | {name: asdict(plan)}
            atomic_write_text(out / "study.json", json_text(begun) + "\n")
    elif told := _differing(plan, before):
        raise ConfigError(f"{out} holds another study of {name}: {told}. Choose another --out.")


def refuse_other_trials(out: Path, benchmark: str, budget: str, plan: StudyPlan) -> None:
    """Refuse settings that trials of another plan chose; the number of validation pictures may differ.

    Raises:
        ConfigError: The trials in the folder had other steps, training pictures, settings or another model.
    """
    trials = recorded_plan(out, trials_name(benchmark, budget))
    if trials is None or not plan.tuned:
        return
    if told := _differing(plan, replace(trials, tuned=True, test=plan.test)):
        raise ConfigError(
            f"{out / 'tuned.json'} has the settings of trials that had another plan: the study has {told}. "
            "Choose another --out, and tune there with the options of the study."
        )


def _differing(plan: StudyPlan, before: StudyPlan) -> str:
    """Return the differences of two plans; empty if they are equal."""
    now, then = asdict(plan), asdict(before)
    return ", ".join(f"{key} {now[key]!r} instead of {then[key]!r}" for key in now if now[key] != then[key])


def _model_identity(base: Path | str) -> str:
    """Return the sha256 of the weights of a local model, or the commit of one on the Hub."""
    folder = Path(local_model(str(base) or BASE_MODEL))
    if not folder.is_dir() and not isinstance(base, Path):
        return checked_model(base, weights=False).revision
    hashes = [sha256_file(path) for path in sorted(folder.glob("*.safetensors"))]
    if not hashes:
        raise ConfigError(f"--model {base}: expected the folder of a model with model.safetensors. Name one.")
    return hashes[0] if len(hashes) == 1 else sha256_bytes(" ".join(hashes).encode())
