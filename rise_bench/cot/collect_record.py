"""Record of a collection in its manifest and its rows: options and provenance."""

from collections.abc import Callable
from dataclasses import asdict
from functools import cache
from typing import Any

from rise_bench.cot.collect_job import CollectJob
from rise_bench.cot.rescoring import rescoring_log
from rise_bench.cot.rollout_groups import Group
from rise_bench.cot.row_log import read_rows
from rise_bench.cot.sweep import read_sampler
from rise_bench.cot.writer import cot_options
from rise_bench.data.manifest import MANIFEST_NAME, Manifest, read_manifest
from rise_bench.errors import ConfigError
from rise_bench.errors.redaction import redacted
from rise_bench.files.atomic import sha256_bytes
from rise_bench.files.paths import without_folders
from rise_bench.prompts.templates import prompt_hash


def finished(job: CollectJob) -> Manifest | None:
    """Return the manifest if the same command has already written the dataset."""
    if job.overwrite or not job.out.exists() or not any(job.out.iterdir()):
        return None
    if not (job.out / MANIFEST_NAME).is_file():
        raise ConfigError(f"{job.out} is not empty; choose another --out, or pass --overwrite")
    manifest = read_manifest(job.out)
    asked = cot_options(job.benchmark, job.config, job.tau, job.only, job.splits) | options_of(job)
    again = (
        "verify again"
        if job.given
        else ("sample again, --overwrite --keep-rollouts to choose from the same rollouts")
    )
    for name in sorted(manifest.options.keys() | asked.keys()):
        before, now = manifest.options.get(name), asked.get(name)
        before = before and short_path(before)
        if before != now and (name, before, now) != ("config", "default", "full"):  # name in 0.1.0
            raise ConfigError(
                f"{job.out} holds another collection ({name} was {before}, is {now}); "
                f"pass --overwrite to {again}, or choose another --out"
            )
    return manifest


def options_of(job: CollectJob) -> dict[str, str]:
    """Return the manifest's options for selection, judge, views, and the number of training rollouts."""
    options, view = {}, job.settings.rule.view
    if job.train_log:
        options["training_rollouts"] = str(sum(1 for _ in read_rows([job.train_log])))
    if view != "picture":
        options["select"] = view
    if job.rescoring is not None:
        options |= job.rescoring.options
    if job.judging is not None:
        options |= job.judging.options
        if view != "picture" and job.judge_selects:
            options["select"] = f"{view}, {options['select']}"
    options |= job.given.options if job.given else {}
    return {name: short_path(text) for name, text in options.items()}


def short_path(text: str) -> str:
    """Shorten a text that is an absolute path to its last two parts and a hash, which tells it from others.

    >>> short_path("/home/me/runs/a/grpo/final")
    'grpo/final (path sha256 51b2f044)'
    """
    short = without_folders(text)
    return text if short == text else f"{short} (path sha256 {sha256_bytes(text.encode())[:8]})"


def provenance_of(job: CollectJob) -> Callable[[Group], dict[str, Any]]:
    """Return a function from the group of a row to its provenance."""
    settings = job.settings
    shared = {
        "prompt_hash": prompt_hash(job.benchmark.spec, settings.answer_format),
        "reward_rule": asdict(settings.rule),
        "box_unit": settings.answer_format.unit,
        "max_pixels": settings.answer_format.max_pixels,
        "benchmark": job.benchmark.spec.name,
        "benchmark_sha256": job.benchmark.sha256,
        **(job.given.options if job.given else {}),
    }
    swept = job.sweep_provenance
    if swept is None:
        swept = read_sampler(job.sweep_log)

    again = {}
    if job.rescoring is not None:
        sampler = read_sampler(rescoring_log(job, job.rescoring))
        again = {"reconstructed_again": sampler | job.rescoring.options}

    @cache  # redaction reads the token files of the Hub, which would take most of the time of a large dataset
    def of_kind(of_sweep: bool) -> dict[str, Any]:
        provenance = shared | again | (swept if of_sweep else job.provenance)
        return {str(name): redacted(without_folders(value)) for name, value in provenance.items()}

    return lambda group: of_kind(group.path.parent == job.sweep_log)
