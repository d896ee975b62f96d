"""What a win-rate is against: the per-sample JSD of one fixed model (the paper uses RISE-2B).

Until per-sample results of a RISE-2B are published, the reference of every benchmark is the constant mean of
the training labels, which follows from the dataset and needs no file; each result names its reference. Any
other run can be the reference by hand; its name then carries the hash of its samples file.
"""

from pathlib import Path

from rise_bench.annotations.distribution.metrics import jsd
from rise_bench.annotations.distribution.values import Distribution
from rise_bench.annotations.kinds import floor_predictors
from rise_bench.data.dataset import BenchmarkDataset
from rise_bench.errors import ConfigError
from rise_bench.evaluation.responses import read_responses, score_responses
from rise_bench.files.atomic import sha256_file
from rise_bench.scoring.scores import Reference

TRAIN_MEAN = "train_mean"
UNIFORM = "uniform"


def win_rate_reference(dataset: BenchmarkDataset, split: str = "test") -> Reference:
    """Return the reference of a benchmark of distributions: a constant predictor's JSD on each sample.

    It is the mean of the training labels; without a train split the uniform distribution.

    Raises:
        ConfigError: If the benchmark has boxes, which have no JSD.
    """
    if dataset.spec.kind != "distribution":
        raise ConfigError(f"{dataset.spec.name} has boxes: a win-rate compares JSD and needs distributions")
    golds = dataset.golds(split)
    floors = floor_predictors(dataset.train_golds(), golds)
    name = TRAIN_MEAN if TRAIN_MEAN in floors else UNIFORM
    predict = floors[name]
    values = {}
    for gold in golds:
        stated = predict(gold)
        if isinstance(gold.annotation, Distribution) and isinstance(stated, Distribution):
            values[gold.id] = jsd(gold.annotation.probs, stated.probs)
    return Reference(name, values)


def reference_from_samples(path: Path, dataset: BenchmarkDataset, split: str = "test") -> Reference:
    """Make a complete run the reference; its name is the file's name and the first 12 digits of its sha256.

    Raises:
        DataError: If the run is incomplete or belongs to another version of the dataset.
    """
    scores = score_responses(read_responses(path), dataset.golds(split), dataset.sha256)
    name = f"{path.stem}@{sha256_file(path)[:12]}"
    return Reference(name, {score.id: score.jsd for score in scores if score.jsd is not None})
