"""Job of a collection, and its state after a process has done its share."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rise_bench.cot.closed_loop import LoopSettings
from rise_bench.cot.engines.settings import EngineSettings
from rise_bench.cot.given_cots import GivenCots
from rise_bench.cot.grounding import Judging
from rise_bench.cot.views import Views
from rise_bench.data.dataset import BenchmarkDataset
from rise_bench.data.manifest import Manifest
from rise_bench.models.sampler import Sampler


@dataclass(frozen=True, slots=True)
class CollectJob:
    """Job of a collection.

    Attributes:
        benchmark: Benchmark with images.
        config: Configuration: 4-shot, 16-shot or full.
        out: Folder of the CoT dataset.
        sweep_log: Folder of the sweep's logs, shared by all processes.
        settings: Settings of the closed loop in the sweep; the view of its rule selects rollouts.
        splits: Splits to collect chains of thought for.
        train_log: Folder of a training run's rollouts; None to sweep over all samples.
        sampler: Function that loads the model that sweeps and rescores; None if neither is asked for.
        sweeps: Whether samples without rollouts are annotated, if there is a sampler.
        rescoring: Views of new reconstructions from the selected chains of thought, whose means no selection
            has raised; None keeps the rewards of the selected rollouts.
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
    sweeps: bool = True
    rescoring: Views | None = None
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

    def wants(self, uid: str) -> bool:
        """Whether the sample of an id is to be collected."""
        return self.only is None or uid in self.only

    @property
    def judge_selects(self) -> bool:
        """Whether groundedness decides which rollouts are kept."""
        return self.judging is not None and self.judging.min_groundedness is not None


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
