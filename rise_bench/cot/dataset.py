"""CoT datasets: the rows of a benchmark, each with its best chain of thought and that one's scores.

Shards are split by reward: `high` holds the rows with reward >= tau, `low` the rest. The configuration
`high` reads the first, `default` both, so no row is stored twice.
"""

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from rise_bench.annotations.answer_format import DEFAULT_FORMAT, AnswerFormat
from rise_bench.catalog.spec import BenchmarkSpec
from rise_bench.data.dataset import parquet_rows
from rise_bench.data.manifest import Manifest, checked_file, read_manifest
from rise_bench.data.schema import features, has_columns
from rise_bench.errors import ConfigError, DataError

if TYPE_CHECKING:
    from datasets import Features


Subset = Literal["high", "default"]


#: Configuration of a CoT dataset -> its shards.
COT_CONFIGS: dict[Subset, tuple[str, ...]] = {"high": ("high",), "default": ("high", "low")}


#: Columns that hold the judge's scores.
GROUNDED = ("groundedness", "groundedness_worst_sentence")


#: Columns of other views of the closed loop; CoT datasets of version 0.1.0 do not have them.
VIEWS = ("reward_blind", "lift")


#: Column of the reward at selection; CoT datasets of version 0.1.0 do not have it.
SELECTED = "reward_selected"


def reconstruction_format(provenance: str) -> AnswerFormat:
    """Return the format in which the reconstruction of a row was asked for, from its column `provenance`."""
    usual = replace(DEFAULT_FORMAT, style="answer_only").to_json()
    return AnswerFormat.from_json(usual | json.loads(provenance))


def cot_features(spec: BenchmarkSpec, categories: tuple[str, ...] = ()) -> "Features":
    """Return the columns of a CoT row: those of the benchmark, and the following.

    - `cot`, `reconstruction`: the chain of thought and its reconstruction, unchanged;
    - `reward`, `similarity`: R and S of eq. 1, in [0, 1]; means, if the annotation was reconstructed again
      after the selection;
    - `reward_selected`: R when the chain of thought was selected, usually the largest of its group and so too
      high an estimate (without the picture, if its run was rewarded so); equal to `reward` if nothing was
      reconstructed again; null if nothing was selected;
    - `leak_numbers`, `leak_strict`, `format_ok`: the verdicts of eq. 1;
    - `prior_score`: similarity of the mean of the training annotations, a baseline for `reward`;
    - `group_rewards`: rewards of the group from which the row was chosen;
    - `groundedness`, `groundedness_worst_sentence`: groundedness of the chain of thought and of its worst
      sentence by a frozen judge, in nats (docs/groundedness.md; the manifest names the measure); null without
      a judge;
    - `reward_blind`: R of eq. 1 if the reconstruction is made without the images; null if there is none;
    - `lift`: R minus the reward of a reconstruction beside an empty chain of thought; null if there is none;
    - `provenance`: JSON with model, revision, step, prompt hash, reward rule, sampling, versions and judge.
    """
    from datasets import Features, List, Value

    texts = {name: Value("string") for name in ("cot", "reconstruction")}
    names = ("reward", SELECTED, "similarity", "prior_score", *GROUNDED, *VIEWS)
    numbers = {name: Value("float64") for name in names}
    verdicts = {name: Value("bool") for name in ("leak_numbers", "leak_strict", "format_ok")}
    rest = {"group_rewards": List(Value("float64")), "provenance": Value("string")}
    return Features(dict(features(spec, categories)) | texts | numbers | verdicts | rest)


def known_features(spec: BenchmarkSpec, categories: tuple[str, ...] = ()) -> tuple["Features", ...]:
    """Return the columns of CoT rows as they are written now, before `SELECTED`, and by version 0.1.0."""
    from datasets import Features

    now = cot_features(spec, categories)
    later: tuple[tuple[str, ...], ...] = ((), (SELECTED,), (SELECTED, *VIEWS))
    return tuple(Features({name: now[name] for name in now if name not in absent}) for absent in later)


def require_columns(root: Path, manifest: Manifest, files: Iterable[str]) -> None:
    """Compare the columns of files with those of the manifest's benchmark.

    Raises:
        DataError: A file differs from the manifest, or has other columns, types or class names.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    parts = manifest.benchmark, manifest.categories
    expected = known_features(*parts) if manifest.holds_cots else (features(*parts),)
    for name in files:
        try:
            schema = pq.read_schema(checked_file(root, name, manifest))
        except (pa.ArrowException, OSError) as error:
            raise DataError(
                f"{root / name} is not a readable parquet file ({error}); copy the folder again"
            ) from error
        if not any(has_columns(schema, columns) for columns in expected):
            raise DataError(
                f"{root / name} has other columns than a dataset of {manifest.benchmark.name}; "
                "build it again, or ask its publisher"
            )


@dataclass(frozen=True, slots=True)
class CotDataset:
    """Folder of a complete CoT dataset."""

    root: Path
    spec: BenchmarkSpec
    manifest: Manifest

    def files(self, subset: Subset = "default", split: str | None = None) -> list[Path]:
        """Return the Parquet files of a configuration, `high` first; of every split if None.

        Raises:
            DataError: A file differs from the manifest.
        """
        return [
            checked_file(self.root, path, self.manifest)
            for shard in COT_CONFIGS[subset]
            for path, entry in sorted(self.manifest.files.items())
            if entry.shard == shard and split in (None, entry.split)
        ]

    def rows(
        self,
        subset: Subset = "default",
        split: str | None = None,
        *,
        columns: Sequence[str] | None = None,
    ) -> Iterator[dict[str, Any]]:
        """Stream the rows of a configuration; of every split if None."""
        for path in self.files(subset, split):
            yield from parquet_rows(path, columns=columns)

    def texts(
        self,
        *,
        min_reward: float | None = None,
        min_groundedness: float | None = None,
        min_reward_blind: float | None = None,
        min_lift: float | None = None,
        may_be_empty: bool = False,
    ) -> dict[str, str]:
        """Return the chains of thought of the train split by sample id.

        Args:
            min_reward: Smallest reward (tau of the paper); None takes all rows.
            min_groundedness: Smallest groundedness, in nats; None takes all. Of a dataset by version 0.1.0,
                that of the worst sentence, in nats per token.
            min_reward_blind: Smallest blind reward; None takes all.
            min_lift: Smallest lift; None takes all.
            may_be_empty: Return an empty result if no row is left.

        Raises:
            ConfigError: No row is left, and `may_be_empty` is off.
            DataError: A threshold is given, but a row lacks its number.
        """
        settings = {
            "reward": ("tau", min_reward),
            self.threshold_column: ("data.min_groundedness", min_groundedness),
            VIEWS[0]: ("data.min_reward_blind", min_reward_blind),
            VIEWS[1]: ("data.min_lift", min_lift),
        }
        least = {name: smallest for name, (_, smallest) in settings.items() if smallest is not None}
        if least:
            self.require_rewards("Or train on all: data.cot_subset=all, without any data.min_….")
        texts = {
            row["id"]: row["cot"]
            for row in self.rows(split="train", columns=["id", "cot", *least])
            if all(self._number(row, name, settings[name][0]) >= smallest for name, smallest in least.items())
        }
        if not texts and not may_be_empty:
            asked = " and ".join(f"{name} >= {smallest}" for name, smallest in least.items())
            lower = " or ".join(settings[name][0] for name in least)
            raise ConfigError(
                f"{self.root} has no chain of thought with {asked}. Lower {lower}."
                if least
                else f"{self.root} has no chain of thought in its train split. Collect some with "
                "`rise-bench collect`."
            )
        return texts

    def require_rewards(self, advice: str) -> None:
        """Raise `DataError`, with advice, if the chains of thought are unverified."""
        if self.manifest.unverified:
            raise DataError(
                f"{self.root} holds unverified chains of thought, without rewards; give them some with "
                f"`rise-bench verify`. {advice}"
            )

    @property
    def threshold_column(self) -> str:
        """Column that thresholds of groundedness are compared with: that of the recorded measure."""
        options = self.manifest.options
        old = "judge" in options and "judge_measure" not in options
        return "groundedness_worst_sentence" if old else "groundedness"

    def _number(self, row: dict[str, Any], name: str, setting: str) -> float:
        value: float | None = row.get(name)
        if value is None:
            option = "--judge MODEL" if name in GROUNDED else f"--{name.removeprefix('reward_')}"
            raise DataError(
                f"{self.root}: row {row['id']} has no {name}. Collect again with {option}, or remove "
                f"{setting}."
            )
        return value


def open_cots(folder: Path | str) -> CotDataset:
    """Open a CoT dataset folder.

    Raises:
        DataError: The folder is not a complete CoT dataset.
    """
    root = Path(folder).expanduser()
    manifest = read_manifest(root)
    if not manifest.files or not manifest.holds_cots:
        raise DataError(f"{root} is not a CoT dataset; make one with `rise-bench collect`")
    if missing := [name for name in manifest.files if not (root / name).is_file()]:
        raise DataError(f"{root} lacks {missing[0]}; copy the folder again or collect again")
    return CotDataset(root, manifest.benchmark, manifest)


#: The paper's threshold for chains of thought to train on.
TAU = 0.75
