"""References of win-rates: per-sample values of a fixed model (the paper uses RISE-2B's JSD).

Until per-sample results of a RISE-2B are published, the reference of a benchmark is a baseline, which follows
from the dataset; each result names its reference. Another run can be given as the reference; its name then
has the hash of its samples file.
"""

from pathlib import Path

from rise_bench.annotations.kinds import KINDS, fit_baselines
from rise_bench.data.dataset import BenchmarkDataset
from rise_bench.errors import ConfigError
from rise_bench.evaluation.responses import read_responses, score_responses
from rise_bench.files.atomic import sha256_file
from rise_bench.scoring.scores import Reference, score_annotation


def win_rate_reference(dataset: BenchmarkDataset, split: str = "test") -> Reference | None:
    """Return the reference of a benchmark, a baseline; None if its kind has no win-rate."""
    names = KINDS[dataset.spec.kind].references
    if not names:
        return None
    golds = dataset.golds(split)
    baselines = fit_baselines(dataset.train_golds(), golds)
    name = next(name for name in names if name in baselines)
    scores = [score_annotation(gold, baselines[name](gold)) for gold in golds]
    return Reference.of(name, dataset.spec.kind, scores)


def reference_from_samples(path: Path, dataset: BenchmarkDataset, split: str = "test") -> Reference:
    """Return a complete run as the reference; its name has the first 12 digits of the file's sha256."""
    spec = dataset.spec
    if not KINDS[spec.kind].references:
        raise ConfigError(f"{spec.name} has no win-rate, because {spec.kind} have none; drop --reference")
    scores = score_responses(read_responses(path), dataset.golds(split), dataset.sha256)
    return Reference.of(f"{path.stem}@{sha256_file(path)[:12]}", spec.kind, scores)
