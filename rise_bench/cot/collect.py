"""Collection of a CoT dataset: best-of-G of the training logs, and a sweep over the samples they lack."""

from collections.abc import Callable, Container, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from itertools import islice
from pathlib import Path

from rise_bench.cot.closed_loop import ClosedLoop
from rise_bench.cot.collect_job import Collected, CollectJob
from rise_bench.cot.collect_record import finished, options_of, provenance_of
from rise_bench.cot.engines.sweep_run import sweep_on_engine
from rise_bench.cot.engines.sweep_work import SweepWork
from rise_bench.cot.engines.work import refused_in
from rise_bench.cot.grounding import judge_rollouts
from rise_bench.cot.id_set import IdSet
from rise_bench.cot.rescoring import own_share, rescore, rescored, rescoring_log
from rise_bench.cot.rollout_groups import Group, best_first, best_of, covered_ids, groups
from rise_bench.cot.row_log import read_rows
from rise_bench.cot.share import Share, claimed
from rise_bench.cot.sweep import REPLACES, Swept, ask_again, discard_old_rollouts, sweep
from rise_bench.cot.writer import CotPlan, write_cots
from rise_bench.data.manifest import MANIFEST_NAME, Manifest, read_manifest
from rise_bench.errors import BusyError, ConfigError, DataError
from rise_bench.errors.redaction import redacted
from rise_bench.files.atomic import sha256_file
from rise_bench.files.settings_record import SETTINGS_NAME, same_settings
from rise_bench.models.loading import EndpointSettings
from rise_bench.models.sampler import Sampler

#: Samples that a model may refuse before it has annotated any.
_PATIENCE = 20


def collect(
    job: CollectJob,
    share: Share,
    *,
    started: Callable[[int], None] = lambda total: None,  # noqa: ARG005
    progress: Callable[[int], None] = lambda samples: None,  # noqa: ARG005
    judged: Callable[[int, int], None] = lambda done, total: None,  # noqa: ARG005
    rescoring: Callable[[int, int], None] = lambda done, total: None,  # noqa: ARG005
) -> Collected:
    """Do this process's share, and write the dataset if no sample is left.

    Args:
        job: The job.
        share: Rank of this process and number of processes.
        started: Called with the number of samples that this process will annotate.
        progress: Called with the number of samples just annotated.
        judged: Called by the writing process with (number of samples judged, number in all).
        rescoring: Called with (number of selected texts reconstructed again, number in all).

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
        if (manifest := finished(job)) is not None:
            return Collected(manifest, 0, 0)
        return _collect(job, share, started, progress, judged, rescoring)


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
        known = job.overwrite or (job.sweep_log / SETTINGS_NAME).exists()
        if not known and (job.out / MANIFEST_NAME).is_file():
            read_manifest(job.out)
            raise ConfigError(
                f"{job.out} was collected before, and {job.sweep_log}, which says from which model, is not "
                "there. Pass --overwrite to sample again, or choose another --out."
            )
        same_settings(job.sweep_log, asked)


def _collect(
    job: CollectJob,
    share: Share,
    started: Callable[[int], None],
    progress: Callable[[int], None],
    judged: Callable[[int, int], None],
    rescoring: Callable[[int, int], None],
) -> Collected:
    done, swept = covered(job), Swept()
    asked = todo = to_sweep = 0
    for position, uid in enumerate(_all_ids(job)):
        if job.wants(uid):
            asked += 1
            todo += uid not in done
            to_sweep += job.sweeps and uid not in done and position % share.of == share.rank
    with _model(job) as model:
        # Before the model is loaded, which takes long enough for another process to end.
        if job.engine is None and job.sampler is not None and to_sweep:
            own = islice(_all_ids(job), share.rank, None, share.of)
            ask_again(job.sweep_log, share, (uid for uid in own if job.wants(uid) and uid not in done))
        if job.engine is not None and todo:
            started(todo)
            swept = _on_engine(job, done, progress)
        elif job.sampler is not None and to_sweep:
            started(to_sweep)
            sampler, loop = model(), ClosedLoop(job.benchmark.spec, job.settings)
            swept = sweep(
                job.benchmark,
                job.config,
                sampler,
                partial(loop.verified, given=job.given)
                if job.given
                else partial(loop.annotated, views=job.rescoring),
                job.sweep_log,
                splits=job.splits,
                wanted=lambda uid: job.wants(uid) and uid not in done,
                share=share,
                patience=_patience(job, job.sweep_log),
                progress=progress,
            )
        _no_refusals(job, swept, to_sweep)
        if not job.judge_selects:
            _rescore(job, _best(job), share, model, rescoring)
    left = _left(job)
    counts = {"reused": asked - todo, "asked": asked}
    if left and job.sampler is not None:
        if share.of == 1:
            raise DataError(
                f"{len(left)} samples, first {min(left)}, have fewer than {job.settings.samples} rollouts in "
                f"{job.sweep_log} though they were just sampled. Pass --overwrite to sample again."
            )
        return Collected(None, swept.done, len(left), **counts)
    return Collected(_write(job, share, judged, rescoring), swept.done, 0, **counts)


@contextmanager
def _model(job: CollectJob) -> Iterator[Callable[[], Sampler]]:
    """Yield a function that loads the model at its first call; at the end the model is closed."""
    loaded: list[Sampler] = []

    def sampler() -> Sampler:
        if not loaded:
            if job.sampler is None:
                raise ConfigError("new reconstructions need a model; name one by --model")
            loaded.append(job.sampler())
        return loaded[0]

    try:
        yield sampler
    finally:
        for model in loaded:
            model.close()


def _rescore(
    job: CollectJob,
    kept: Mapping[str, Group],
    share: Share,
    model: Callable[[], Sampler],
    progress: Callable[[int, int], None],
) -> None:
    """Reconstruct again from this process's share of the selected texts, if the job asks for that."""
    if job.rescoring is None or not (own := own_share(job, job.rescoring, kept, share)):
        return
    log_folder = rescoring_log(job, job.rescoring)
    ask_again(log_folder, share, own)
    patience = _patience(job, log_folder)
    swept = rescore(job, job.rescoring, own, model(), share, patience=patience, progress=progress)
    _no_refusals(job, swept, len(own))


def _patience(job: CollectJob, log_folder: Path) -> int | None:
    """Refusals before the first answer that end the sampling; in a log of before they come first."""
    begun = any(True for _ in read_rows([log_folder]))
    return None if job.allow_missing or begun else _PATIENCE


def _no_refusals(job: CollectJob, swept: Swept, asked: int) -> None:
    if swept.refused and not job.allow_missing:
        uid, reason = next(iter(swept.refused.items()))
        advice = "Check --model and --endpoint, then start" if ": answered 4" in reason else "Start"
        raise DataError(
            f"the model refused {len(swept.refused)} of {asked} samples, first {uid}: {reason.rstrip('.')}. "
            f"{advice} the same command again, or pass --allow-missing to skip them (`rise-bench run`: "
            "collect.allow_missing in the recipe, and --repeat)."
        )


def _left(job: CollectJob) -> set[str]:
    """Return the samples that lack rollouts, or new reconstructions if the job asks for these."""
    done = covered(job)
    left = {uid for uid in _ids(job) if uid not in done} if job.sweeps else set()
    refused = set(refused_in(job.sweep_log))
    if job.rescoring is not None and not job.judge_selects:
        kept = rescored(job, job.rescoring, _best(job))
        left |= {uid for uid, group in kept.items() if group.rescored is None}
        refused |= set(refused_in(rescoring_log(job, job.rescoring)))
    return left - refused if job.allow_missing else left


def _best(job: CollectJob) -> Mapping[str, Group]:
    """Return the group with the best rollout of each sample that has one."""
    return best_of(groups(_logs(job), job.settings.rule.view, _ids(job)))


def _logs(job: CollectJob) -> list[Path]:
    return [job.sweep_log, *([job.train_log] if job.train_log else [])]


def _on_engine(job: CollectJob, done: Container[str], progress: Callable[[int], None]) -> Swept:
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
        work, job.engine, job.sampler, done, allow_missing=job.allow_missing, progress=progress
    )


def covered(job: CollectJob) -> IdSet:
    """Return the ids with a rollout of the training run or a complete group of the sweep."""
    return covered_ids(job.sweep_log, job.settings.samples, job.train_log)


def _all_ids(job: CollectJob) -> Iterator[str]:
    return (row["id"] for row in job.benchmark.rows_of(job.splits, job.config, columns=["id"]))


def _ids(job: CollectJob) -> Iterator[str]:
    return filter(job.wants, _all_ids(job))


def _write(
    job: CollectJob,
    share: Share,
    judged: Callable[[int, int], None],
    rescoring: Callable[[int, int], None],
) -> Manifest | None:
    best = _best(job)
    plan = CotPlan(
        job.benchmark,
        job.config,
        best,
        provenance_of(job),
        job.tau,
        job.settings.rule.variant,
        job.only,
        job.splits,
        options=options_of(job),
        verified=job.given is not None,
        reconstructions=job.rescoring.reconstructions if job.rescoring else 0,
    )
    if job.judging is not None and best:
        candidates = {uid: [group] for uid, group in best.items()}
        if job.judge_selects:
            ranked = best_first(_logs(job), job.tau, job.settings.rule.view, _ids(job))
            candidates = {uid: ranked[uid] for uid in best}
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
    if job.rescoring is not None:
        if job.judge_selects:
            with _model(job) as model:
                _rescore(job, plan.best, Share(), model, rescoring)
        rows = rescored(job, job.rescoring, plan.best)
        plan = replace(plan, best={uid: group for uid, group in rows.items() if group.rescored})
    try:
        written = write_cots(plan, job.out, overwrite=job.overwrite)
        (job.sweep_log / REPLACES).unlink(missing_ok=True)  # another --overwrite asks the model again
        return written
    except ConfigError as error:
        there = isinstance(error, BusyError) or (job.out / MANIFEST_NAME).is_file()
        if share.of == 1 or not there:
            raise
        return None  # another process finished at the same moment, and writes the dataset
