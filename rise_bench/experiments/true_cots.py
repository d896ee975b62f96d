"""Chains of thought of a RISE-CoT run that say nothing false, chosen with knowledge that no user has."""

from pathlib import Path

from rise_bench.cot.dataset import TAU
from rise_bench.cot.rollout_log import Rollout, latest_rollouts
from rise_bench.cot.unverified import write_unverified
from rise_bench.data.dataset import BenchmarkDataset
from rise_bench.data.manifest import Manifest
from rise_bench.errors import DataError
from rise_bench.synthetic.fact_check import check_texts


def write_true_cots(
    benchmark: BenchmarkDataset, run: Path, out: Path, *, tau: float = TAU, overwrite: bool = False
) -> Manifest:
    """Write a CoT dataset, without rewards, of the best true rollout of each sample; the latest of equals.

    A rollout is true if it states something about its picture and every statement is true. Samples without
    one of at least `tau` are left out.

    Args:
        benchmark: Drawn benchmark that the run was trained on, images included.
        run: Folder of a RISE-CoT run.
        out: Folder to make.
        tau: Smallest reward.
        overwrite: Replace other content of `out`.

    Raises:
        DataError: The benchmark was not drawn or is another than the run's, or no rollout is true
            and has the reward.
        ConfigError: `out` may not be written.
    """
    rewarded = [rollout for rollout in latest_rollouts([run / "rollouts"]) if rollout.reward >= tau]
    if unknown := {rollout.id for rollout in rewarded} - {gold.id for gold in benchmark.train_golds()}:
        raise DataError(
            f"{run}: {len(unknown)} of its samples are not in {benchmark.root}, e.g. {min(unknown)!r}. Name "
            "the benchmark that the run was trained on."
        )
    checked = check_texts(((rollout.id, rollout.cot) for rollout in rewarded), benchmark, "train")
    best: dict[str, Rollout] = {}
    for rollout, facts in zip(rewarded, checked, strict=True):
        if facts and all(fact.true for fact in facts):
            best[rollout.id] = max(best.get(rollout.id, rollout), rollout, key=lambda r: (r.reward, r.step))
    if not best:
        raise DataError(
            f"{run}: none of {len(rewarded)} rollouts with a reward of at least {tau:g} states something and "
            "nothing false. Name a RISE-CoT run of this benchmark, trained for longer."
        )
    texts = {uid: rollout.cot for uid, rollout in best.items()}
    provenance = {"model": "true rollouts of RISE-CoT", "tau": tau}
    return write_unverified(benchmark, texts, provenance, out, overwrite=overwrite)
