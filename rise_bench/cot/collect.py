"""From rollouts to a CoT dataset: best-of-G of the training logs, a sweep over what they lack, the join."""

from collections.abc import Callable, Collection
from dataclasses import asdict, dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

from rise_bench.cot.closed_loop import ClosedLoop, LoopSettings
from rise_bench.cot.grounding import Judging, judge_rollouts
from rise_bench.cot.rollout_groups import Group, best_first, best_of, complete, groups
from rise_bench.cot.row_log import read_rows
from rise_bench.cot.share import Share, claimed
from rise_bench.cot.sweep import Swept, discard_old_rollouts, read_sampler, refused_ids, sweep
from rise_bench.cot.writer import CotPlan, cot_options, write_cots
from rise_bench.data.dataset import BenchmarkDataset
from rise_bench.data.manifest import MANIFEST_NAME, Manifest, read_manifest
from rise_bench.errors import ConfigError, DataError
from rise_bench.errors.redaction import redacted
from rise_bench.files.atomic import sha256_file
from rise_bench.files.settings_record import same_settings
from rise_bench.models.sampler import Sampler
from rise_bench.prompts.templates import prompt_hash


@dataclass(frozen=True, slots=True)
class CollectJob:
    """What is collected.

    Attributes:
        benchmark: Benchmark with images.
        config: 4-shot, 16-shot or full.
        out: Folder of the CoT dataset.
        sweep_log: Folder of the sweep's logs, shared by all processes.
        settings: How a sample is annotated in the sweep.
        splits: Splits whose samples get a chain of thought.
        train_log: Folder of the rollouts of a training run; None for a sweep over everything.
        sampler: Loads the model of the sweep; None to leave uncovered samples out.
        model: What names that model and its sampling; a rerun must name the same.
        tau: Rewards of at least tau are `high`.
        only: Ids to collect; None for all.
        provenance: Model and versions of the training run, for the rows of its log.
        sweep_provenance: The same for rows of the sweep; None for what the sampler says of itself.
        allow_missing: Leave samples out that the model refuses.
        overwrite: Replace `out`, and sample anew.
        keep_rollouts: With `overwrite`: choose from the rollouts of the sweep that there are.
        judging: How groundedness is judged; None leaves its columns null.
    """

    benchmark: BenchmarkDataset
    config: str
    out: Path
    sweep_log: Path
    settings: LoopSettings
    splits: tuple[str, ...] = ("train",)
    train_log: Path | None = None
    sampler: Callable[[], Sampler] | None = None
    model: dict[str, Any] = field(default_factory=dict)
    tau: float = 0.75
    only: frozenset[str] | None = None
    provenance: dict[str, Any] = field(default_factory=dict)
    sweep_provenance: dict[str, Any] | None = None
    allow_missing: bool = False
    overwrite: bool = False
    keep_rollouts: bool = False
    judging: Judging | None = None


@dataclass(frozen=True, slots=True)
class Collected:
    """State after a process did its share.

    Attributes:
        manifest: The dataset, if this process wrote it.
        swept: Samples that this process annotated.
        left: Samples that other processes have not done yet.
        reused: Samples that training, or an earlier start of the sweep, had annotated before.
        asked: Samples that are collected; 0 if the same command had written the dataset before.
    """

    manifest: Manifest | None
    swept: int
    left: int
    reused: int = 0
    asked: int = 0


#: Samples that a model may refuse before the first one is annotated.
_PATIENCE = 20


def collect(
    job: CollectJob,
    share: Share,
    *,
    started: Callable[[int], None] = lambda total: None,  # noqa: ARG005
    progress: Callable[[int], None] = lambda samples: None,  # noqa: ARG005
    judged: Callable[[int, int], None] = lambda done, total: None,  # noqa: ARG005
) -> Collected:
    """Do this process's share, and write the dataset if nothing is left.

    Args:
        job: What is collected.
        share: Which of how many processes this is.
        started: Called with the number of samples that this process has to annotate.
        progress: Called with the number of samples just done.
        judged: Called with (chains of thought judged, all), by the process that writes.

    Raises:
        ConfigError: `out` is taken, the sweep's folder holds another sweep, or somebody else collects there.
        DataError: The model refused samples, and `allow_missing` is not set; or the sweep left samples out.
    """
    if job.out.is_file():
        raise ConfigError(f"{job.out} is a file, expected a folder; choose another --out")
    with claimed(job.sweep_log, share, lambda busy: _prepare(job, busy)):
        if (finished := _finished(job)) is not None:
            return Collected(finished, 0, 0)
        return _collect(job, share, started, progress, judged)


def _prepare(job: CollectJob, busy: bool) -> None:
    """Clear the sweep's folder where it has to be, and check that it holds the sweep that is asked for."""
    asked = {"config": job.config, "loop": job.settings.to_json(), "model": redacted(job.model)}
    asked["benchmark_sha256"] = job.benchmark.sha256
    if job.overwrite and not job.keep_rollouts:
        manifest = job.out / MANIFEST_NAME
        discard_old_rollouts(
            job.sweep_log, asked, sha256_file(manifest) if manifest.is_file() else "", busy=busy
        )
    if job.sampler is not None:
        same_settings(job.sweep_log, asked)


def _collect(
    job: CollectJob,
    share: Share,
    started: Callable[[int], None],
    progress: Callable[[int], None],
    judged: Callable[[int, int], None],
) -> Collected:
    ids = _ids(job)
    position = {uid: i for i, uid in enumerate(_ids(job, everything=True))}
    swept = Swept()
    done = covered(job)
    todo = [uid for uid in ids if uid not in done]
    to_sweep = sum(position[uid] % share.of == share.rank for uid in todo)
    if job.sampler is not None and to_sweep:
        started(to_sweep)
        sampler = job.sampler()
        try:
            swept = sweep(
                job.benchmark,
                job.config,
                sampler,
                partial(ClosedLoop(job.benchmark.spec, job.settings).annotate, sampler),
                job.sweep_log,
                splits=job.splits,
                covered=set(position) - set(todo),
                share=share,
                patience=None if job.allow_missing else _PATIENCE,
                progress=progress,
            )
        finally:
            sampler.close()
    if swept.refused and not job.allow_missing:
        uid, reason = next(iter(swept.refused.items()))
        raise DataError(
            f"the model refused {len(swept.refused)} of {to_sweep} samples, first {uid}: {reason}. Start the "
            "same command again, or pass --allow-missing to leave them out."
        )
    left = set(ids) - covered(job) - (refused_ids(job.sweep_log) if job.allow_missing else set())
    counts = {"reused": len(ids) - len(todo), "asked": len(ids)}
    if left and job.sampler is not None:
        if share.of == 1:
            raise DataError(
                f"{len(left)} samples, first {min(left)}, have fewer than {job.settings.samples} rollouts in "
                f"{job.sweep_log} though they were just sampled. Pass --overwrite to sample anew."
            )
        return Collected(None, swept.done, len(left), **counts)
    return Collected(_write(job, ids, share, judged), swept.done, 0, **counts)


def covered(job: CollectJob) -> set[str]:
    """Ids with a rollout of the training run, or with a whole group of the sweep."""
    trained = set(groups([job.train_log])) if job.train_log else set()
    return trained | set(complete(groups([job.sweep_log]), job.settings.samples))


def _ids(job: CollectJob, *, everything: bool = False) -> list[str]:
    rows = job.benchmark.rows_of(job.splits, job.config, columns=["id"])
    return [row["id"] for row in rows if everything or job.only is None or row["id"] in job.only]


def _finished(job: CollectJob) -> Manifest | None:
    """The dataset, if the same command wrote it before."""
    if job.overwrite or not job.out.exists() or not any(job.out.iterdir()):
        return None
    if not (job.out / MANIFEST_NAME).is_file():
        raise ConfigError(f"{job.out} is not empty; choose another --out, or pass --overwrite")
    manifest = read_manifest(job.out)
    asked = cot_options(job.benchmark, job.config, job.tau, job.only, job.splits) | _options(job)
    for name in sorted(manifest.options.keys() | asked.keys()):
        before, now = manifest.options.get(name), asked.get(name)
        if before != now and (name, before, now) != ("config", "default", "full"):  # as 0.1.0 called it
            raise ConfigError(
                f"{job.out} holds another collection ({name} was {before}, is {now}); "
                "pass --overwrite to sample anew, --overwrite --keep-rollouts to choose from the same "
                "rollouts, or choose another --out"
            )
    return manifest


def _options(job: CollectJob) -> dict[str, str]:
    """What the manifest says of the judging, and of how much training had sampled."""
    trained = {}
    if job.train_log:
        trained = {"training_rollouts": str(sum(1 for _ in read_rows([job.train_log])))}
    return trained | (job.judging.options if job.judging else {})


def _write(
    job: CollectJob, ids: Collection[str], share: Share, judged: Callable[[int, int], None]
) -> Manifest | None:
    wanted, options = set(ids), _options(job)
    logs = [job.sweep_log, *([job.train_log] if job.train_log else [])]
    best = {uid: group for uid, group in best_of(groups(logs)).items() if uid in wanted}
    plan = CotPlan(
        job.benchmark,
        job.config,
        best,
        _provenance(job),
        job.tau,
        job.settings.rule.variant,
        job.only,
        job.splits,
        options=options,
    )
    if job.judging is not None and best:
        candidates = {uid: [group] for uid, group in best.items()}
        if job.judging.min_groundedness is not None:
            candidates = {uid: all_ for uid, all_ in best_first(logs, job.tau).items() if uid in wanted}
        kept, judge = judge_rollouts(
            job.benchmark,
            job.config,
            candidates,
            job.judging,
            job.sweep_log,
            splits=job.splits,
            process=share.rank,
            progress=judged,
        )
        plan = replace(
            plan,
            best={uid: judged.group for uid, judged in kept.items()},
            grounded={uid: (judged.score, judged.worst) for uid, judged in kept.items()},
            judge=judge,
        )
    try:
        return write_cots(plan, job.out, overwrite=job.overwrite)
    except ConfigError:
        if share.of == 1:
            raise
        return None  # another process found everything done at the same moment, and writes it


def _provenance(job: CollectJob) -> Callable[[Group], dict[str, Any]]:
    settings = job.settings
    shared = {
        "prompt_hash": prompt_hash(job.benchmark.spec, settings.answer_format),
        "reward_rule": asdict(settings.rule),
        "box_unit": settings.answer_format.unit,
        "benchmark": job.benchmark.spec.name,
        "benchmark_sha256": job.benchmark.sha256,
    }
    swept = job.sweep_provenance
    if swept is None:
        swept = read_sampler(job.sweep_log)

    def of(group: Group) -> dict[str, Any]:
        provenance = shared | (swept if group.path.parent == job.sweep_log else job.provenance)
        return {str(name): redacted(value) for name, value in provenance.items()}

    return of
