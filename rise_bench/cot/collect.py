"""Collection of a CoT dataset: best-of-G of the training logs, and a sweep over the samples they lack."""

from collections.abc import Callable, Collection, Sequence
from dataclasses import asdict, dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

from rise_bench.cot.closed_loop import ClosedLoop, LoopSettings
from rise_bench.cot.engines.settings import EngineSettings
from rise_bench.cot.engines.sweep_run import sweep_on_engine
from rise_bench.cot.engines.sweep_work import SweepWork
from rise_bench.cot.given_cots import GivenCots
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
from rise_bench.models.loading import EndpointSettings
from rise_bench.models.sampler import Sampler
from rise_bench.prompts.templates import prompt_hash


@dataclass(frozen=True, slots=True)
class CollectJob:
    """Job of a collection.

    Attributes:
        benchmark: Benchmark with images.
        config: Configuration: 4-shot, 16-shot or full.
        out: Folder of the CoT dataset.
        sweep_log: Folder of the sweep's logs, shared by all processes.
        settings: Settings of the closed loop in the sweep.
        splits: Splits to collect chains of thought for.
        train_log: Folder of a training run's rollouts; None to sweep over all samples.
        sampler: Function that loads the model of the sweep; None to skip samples without rollouts.
        model: Name and sampling settings of that model; a rerun must have the same.
        tau: Smallest reward of the shard `high`.
        only: Ids of the samples to collect; None for all.
        provenance: Model and versions of the training run, for rows from its log.
        sweep_provenance: The same for rows from the sweep; None takes the sampler's own description.
        allow_missing: Skip samples that the model refuses.
        overwrite: Replace `out`, and sample again.
        keep_rollouts: With `overwrite`: choose from the existing rollouts of the sweep.
        judging: Settings of the groundedness judge; None leaves its columns null.
        given: Chains of thought to verify; None lets the model of the sweep write them.
        engine: Settings of the engine that runs the sweep; None runs it in this process. With an engine,
            `sampler` is an `EndpointSettings`.
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
    given: GivenCots | None = None
    engine: EngineSettings | None = None


@dataclass(frozen=True, slots=True)
class Collected:
    """State of a collection after a process has done its share.

    Attributes:
        manifest: Manifest of the dataset, if this process wrote it.
        swept: Number of samples that this process annotated.
        left: Number of samples that other processes still have to annotate.
        reused: Number of samples that training, or an earlier start of the sweep, had annotated.
        asked: Number of samples to collect; 0 if the same command had already written the dataset.
    """

    manifest: Manifest | None
    swept: int
    left: int
    reused: int = 0
    asked: int = 0


#: Samples that a model may refuse before it has annotated any.
_PATIENCE = 20


def collect(
    job: CollectJob,
    share: Share,
    *,
    started: Callable[[int], None] = lambda total: None,  # noqa: ARG005
    progress: Callable[[int], None] = lambda samples: None,  # noqa: ARG005
    judged: Callable[[int, int], None] = lambda done, total: None,  # noqa: ARG005
) -> Collected:
    """Do this process's share, and write the dataset if no sample is left.

    Args:
        job: The job.
        share: Rank of this process and number of processes.
        started: Called with the number of samples that this process will annotate.
        progress: Called with the number of samples just annotated.
        judged: Called by the writing process with (number of samples judged, number in all).

    Raises:
        ConfigError: `out` holds something else, the sweep's folder holds another sweep, or another
            process collects there.
        DataError: The model refused samples and `allow_missing` is not set, or the sweep skipped samples.
    """
    if job.out.is_file():
        raise ConfigError(f"{job.out} is a file, expected a folder; choose another --out")
    if job.out.resolve() == job.benchmark.root.resolve():
        raise ConfigError(f"{job.out} is the benchmark itself; choose another --out")
    with claimed(job.sweep_log, share, lambda busy: _prepare(job, busy)):
        if (finished := _finished(job)) is not None:
            return Collected(finished, 0, 0)
        return _collect(job, share, started, progress, judged)


def _prepare(job: CollectJob, busy: bool) -> None:
    """Clear the sweep's folder if the job asks for that, and check that it holds the job's sweep."""
    asked = {"config": job.config, "loop": job.settings.to_json(), "model": redacted(job.model)}
    asked["benchmark_sha256"] = job.benchmark.sha256
    if job.given is not None:
        asked["given"] = job.given.options
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
    if job.engine is not None and todo:
        started(len(todo))
        swept = _on_engine(job, todo, progress)
    elif job.sampler is not None and to_sweep:
        started(to_sweep)
        sampler, loop = job.sampler(), ClosedLoop(job.benchmark.spec, job.settings)
        try:
            swept = sweep(
                job.benchmark,
                job.config,
                sampler,
                partial(loop.verify, sampler, job.given) if job.given else partial(loop.annotate, sampler),
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
            "same command again, or pass --allow-missing to skip them."
        )
    left = set(ids) - covered(job) - (refused_ids(job.sweep_log) if job.allow_missing else set())
    counts = {"reused": len(ids) - len(todo), "asked": len(ids)}
    if left and job.sampler is not None:
        if share.of == 1:
            raise DataError(
                f"{len(left)} samples, first {min(left)}, have fewer than {job.settings.samples} rollouts in "
                f"{job.sweep_log} though they were just sampled. Pass --overwrite to sample again."
            )
        return Collected(None, swept.done, len(left), **counts)
    return Collected(_write(job, ids, share, judged), swept.done, 0, **counts)


def _on_engine(job: CollectJob, todo: Sequence[str], progress: Callable[[int], None]) -> Swept:
    work = SweepWork(
        job.benchmark,
        job.config,
        job.splits,
        job.only,
        job.settings,
        job.sweep_log,
        job.train_log,
        job.given,
    )
    if job.engine is None or not isinstance(job.sampler, EndpointSettings):
        raise TypeError("an engine needs the settings of an endpoint")
    return sweep_on_engine(
        work, job.engine, job.sampler, todo, allow_missing=job.allow_missing, progress=progress
    )


def covered(job: CollectJob) -> set[str]:
    """Return the ids with a rollout of the training run or a complete group of the sweep."""
    trained = set(groups([job.train_log])) if job.train_log else set()
    return trained | set(complete(groups([job.sweep_log]), job.settings.samples))


def _ids(job: CollectJob, *, everything: bool = False) -> list[str]:
    rows = job.benchmark.rows_of(job.splits, job.config, columns=["id"])
    return [row["id"] for row in rows if everything or job.only is None or row["id"] in job.only]


def _finished(job: CollectJob) -> Manifest | None:
    """Return the manifest if the same command has already written the dataset."""
    if job.overwrite or not job.out.exists() or not any(job.out.iterdir()):
        return None
    if not (job.out / MANIFEST_NAME).is_file():
        raise ConfigError(f"{job.out} is not empty; choose another --out, or pass --overwrite")
    manifest = read_manifest(job.out)
    asked = cot_options(job.benchmark, job.config, job.tau, job.only, job.splits) | _options(job)
    again = (
        "verify again"
        if job.given
        else ("sample again, --overwrite --keep-rollouts to choose from the same rollouts")
    )
    for name in sorted(manifest.options.keys() | asked.keys()):
        before, now = manifest.options.get(name), asked.get(name)
        if before != now and (name, before, now) != ("config", "default", "full"):  # name in 0.1.0
            raise ConfigError(
                f"{job.out} holds another collection ({name} was {before}, is {now}); "
                f"pass --overwrite to {again}, or choose another --out"
            )
    return manifest


def _options(job: CollectJob) -> dict[str, str]:
    """Return the manifest's options for the judge and for the number of training rollouts."""
    trained = {}
    if job.train_log:
        trained = {"training_rollouts": str(sum(1 for _ in read_rows([job.train_log])))}
    return trained | (job.judging.options if job.judging else {}) | (job.given.options if job.given else {})


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
        verified=job.given is not None,
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
        return None  # another process finished at the same moment, and writes the dataset


def _provenance(job: CollectJob) -> Callable[[Group], dict[str, Any]]:
    settings = job.settings
    shared = {
        "prompt_hash": prompt_hash(job.benchmark.spec, settings.answer_format),
        "reward_rule": asdict(settings.rule),
        "box_unit": settings.answer_format.unit,
        "benchmark": job.benchmark.spec.name,
        "benchmark_sha256": job.benchmark.sha256,
        **(job.given.options if job.given else {}),
    }
    swept = job.sweep_provenance
    if swept is None:
        swept = read_sampler(job.sweep_log)

    def of(group: Group) -> dict[str, Any]:
        provenance = shared | (swept if group.path.parent == job.sweep_log else job.provenance)
        return {str(name): redacted(value) for name, value in provenance.items()}

    return of
