"""The model that a run starts from: recorded in run.json at the first start, the same at every later one.

A Hub model is told by its commit, to which the run then keeps though the branch moves on; a local one by the
hash of its weights.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from rise_bench.errors import ConfigError
from rise_bench.models.adapters import is_adapter
from rise_bench.models.names import checked_model, weights_of
from rise_bench.trainers.runs.agreement import decided_by_rank_0
from rise_bench.trainers.runs.run_folder import RunFolder
from rise_bench.trainers.settings.config import TrainConfig


def with_start_model(config: TrainConfig, run: RunFolder) -> TrainConfig:
    """Return the config with the commit of its model, recorded by rank 0, which alone reads the weights.

    Raises:
        ConfigError: The run began with other weights, and what is left to train reads them.
    """
    revision = decided_by_rank_0(lambda: _revision(config, run), use_cpu=config.compute.use_cpu)
    return replace(config, model=replace(config.model, revision=revision))


def _revision(config: TrainConfig, run: RunFolder) -> str:
    model, recorded, begun = config.model, run.start_model(), run.has_begun()
    pinned = recorded.get("revision", "") if begun else ""
    if not _is_read(config, run):
        return pinned or model.revision
    now = weights_of(model.name)
    if not now:
        now = {"revision": pinned or checked_model(model.name, model.revision, weights=False).revision}
    if not begun:
        run.record_start_model(now)
    elif recorded and recorded != now:  # a run of an earlier version has no record
        before, after = (" ".join(f"{key} {told[key][:12]}" for key in told) for told in (recorded, now))
        raise ConfigError(
            f"{run.path} began with other weights of model.name = {model.name} ({before}, now {after}). "
            "Restore them, or train in another run.output_dir."
        )
    return now.get("revision", model.revision)


def _is_read(config: TrainConfig, run: RunFolder) -> bool:
    """Whether a phase that is left starts from the model, or from an adapter of it."""
    left = next((phase for phase in config.active_phases if not run.final_dir(phase).exists()), None)
    if left is None:
        return False
    start = run.start_of(config, left)
    return start == config.model.name or is_adapter(Path(start))
