"""Pinned datasets, their ground truth, and the settings of the board.

`board.json` at the root of the results dataset pins each benchmark's dataset by commit and content hash,
names the RISE submission for comparisons, and lists hidden submissions. Only the copy on main is read; pull
requests that change it are refused.
"""

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from rise_bench.annotations.base import Gold
from rise_bench.catalog.benchmarks import is_own
from rise_bench.catalog.parts import TEST_PARTS
from rise_bench.catalog.spec import BenchmarkSpec
from rise_bench.data.dataset import BenchmarkDataset
from rise_bench.data.hub_files import check_repo_id
from rise_bench.errors import ConfigError, DataError
from rise_bench.evaluation.win_rate_reference import win_rate_reference
from rise_bench.files.atomic import atomic_write_text
from rise_bench.files.strict_json import StrictJsonError, loads
from rise_bench.hub.find import find_benchmark, open_found
from rise_bench.scoring.scores import Reference

BOARD_NAME = "board.json"
_COMMIT = re.compile(r"[0-9a-f]{40}")

#: Version of rules.md and the scoring.
RULES_VERSION = 1


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class Pin(_Strict):
    """Pinned dataset of a benchmark.

    Attributes:
        dataset: Its id on the Hub.
        revision: Its commit; empty for a local one.
        content_sha256: Hash of its content with the ground truth of the test split.
        published_sha256: For hidden ground truth, hash of the public dataset, whose test split has the same
            samples with other annotations. Submissions name it; their claims are not compared.
    """

    dataset: str
    revision: Annotated[str, Field(pattern=r"^([0-9a-f]{40})?$")] = ""
    content_sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
    published_sha256: Annotated[str, Field(pattern=r"^([0-9a-f]{64})?$")] = ""

    @property
    def hidden(self) -> bool:
        """Whether the ground truth of the test split is hidden."""
        return bool(self.published_sha256)

    @property
    def asked_sha256(self) -> str:
        """Content hash of the dataset in submissions."""
        return self.published_sha256 or self.content_sha256


def _board_name(name: str) -> str:
    return re.sub(r"/(4|16)$", r"/\1-shot", name)


class BoardSettings(_Strict):
    """`board.json`.

    Attributes:
        schema_version: 1.
        title: Heading of the site.
        benchmarks: Benchmark -> pinned dataset, in the order of the site.
        rise: Board ("emotion6/full") -> folder of its RISE submission. Version 0.1.0 wrote "emotion6/16" for
            "emotion6/16-shot".
        hidden: Folder of a submission -> why it is hidden.
    """

    schema_version: Annotated[int, Field(ge=1, le=1)]
    title: str = "RISE-Bench"
    benchmarks: dict[str, Pin]
    rise: dict[Annotated[str, BeforeValidator(_board_name)], str] = {}
    hidden: dict[str, str] = {}


def read_settings(results: Path) -> BoardSettings:
    """Read `board.json` of a results folder.

    Raises:
        ConfigError: If it is missing or breaks its schema.
    """
    path = results / BOARD_NAME
    try:
        return BoardSettings.model_validate(loads(path.read_bytes()))
    except FileNotFoundError:
        raise ConfigError(
            f"{results} has no {BOARD_NAME}; make one with `rise-bench leaderboard init {results} --data DIR`"
        ) from None
    except (StrictJsonError, ValidationError) as error:
        raise ConfigError(f"{path}: {error}; fix it by hand, see leaderboards/rules.md") from error


def write_settings(results: Path, settings: BoardSettings) -> None:
    """Write `board.json`."""
    data = settings.model_dump(mode="json")
    atomic_write_text(results / BOARD_NAME, json.dumps(data, indent=2, ensure_ascii=False) + "\n")


@dataclass(frozen=True)
class GoldBoard:
    """Ground truth of a benchmark.

    Attributes:
        spec: The benchmark.
        pin: The pinned dataset.
        golds: Test samples, in order of ids.
        train: Training samples, for the baselines.
        reference: Opponent of win-rates, or None.
        dataset: The opened dataset folder.
    """

    spec: BenchmarkSpec
    pin: Pin
    golds: tuple[Gold, ...]
    train: tuple[Gold, ...]
    reference: Reference | None
    dataset: BenchmarkDataset = field(repr=False)

    @cached_property
    def by_id(self) -> dict[str, Gold]:
        """Sample by id."""
        return {gold.id: gold for gold in self.golds}


def load_gold(dataset: BenchmarkDataset, pin: Pin | None = None) -> GoldBoard:
    """Load the ground truth of a dataset.

    Raises:
        DataError: The dataset is not the pinned one.
    """
    pin = pin or Pin(dataset=dataset.spec.hub_id, content_sha256=dataset.sha256)
    if pin.hidden and dataset.sha256 == pin.published_sha256:
        raise DataError(
            f"{dataset.root} is the published dataset, without the test annotations; give the folder that "
            "holds them with --data, or put it below RISE_BENCH_DATA"
        )
    if dataset.sha256 != pin.content_sha256:
        raise DataError(
            f"{dataset.root} has content {dataset.sha256[:12]}, the board pins {pin.content_sha256[:12]}; "
            f"give the folder of {pin.dataset} at {pin.revision or 'the pinned version'} with --data"
        )
    return GoldBoard(
        dataset.spec,
        pin,
        tuple(sorted(dataset.golds("test"), key=lambda gold: gold.id)),
        tuple(dataset.train_golds()),
        win_rate_reference(dataset),
        dataset,
    )


def load_boards(settings: BoardSettings, data: Iterable[Path]) -> dict[str, GoldBoard]:
    """Load the ground truth of every pinned benchmark: from the given folders, else by commit or name.

    Raises:
        DataError: If a dataset does not exist or is not the pinned dataset.
        ConfigError: If a folder holds a benchmark without a pin.
    """
    datasets = (find_benchmark(name, images=False) for name in data)
    given = {dataset.spec.name: dataset for dataset in datasets}
    foreign = sorted(set(given) - set(settings.benchmarks))
    if foreign:
        raise ConfigError(
            f"the board has no benchmark {foreign[0]!r}; it has {', '.join(settings.benchmarks)}"
        )
    return {
        name: load_gold(given.get(name) or _find(name, pin), pin) for name, pin in settings.benchmarks.items()
    }


def _find(name: str, pin: Pin) -> BenchmarkDataset:
    """Open a dataset for its ground truth; a pinned commit needs no images."""
    # of a hidden truth the commit is of the dataset that everyone can get, without it
    if not pin.revision or pin.hidden:
        return find_benchmark(name)
    dataset = open_found(pin.dataset, revision=pin.revision)
    return dataset.part(name, TEST_PARTS[name][1]) if name in TEST_PARTS else dataset


def pins_of(
    datasets: Iterable[BenchmarkDataset],
    revisions: Mapping[str, str],
    published: Iterable[BenchmarkDataset] = (),
) -> dict[str, Pin]:
    """Pin datasets by content, and by commit if given.

    Args:
        datasets: Datasets with the test annotations.
        revisions: Benchmark -> ORG/NAME@COMMIT of the dataset that everyone can get; of a benchmark of the
            catalogue the commit alone stands for its own repository.
        published: For hidden test annotations, the public datasets that go with `datasets`.

    Raises:
        ConfigError: If a private dataset lacks its public one, or a public one its private one, or a commit
            is of another benchmark, has another form, or is of an unknown repository.
    """
    public = {dataset.spec.name: dataset for dataset in published}
    pins = {}
    for dataset in datasets:
        spec, manifest = dataset.spec, dataset.manifest
        pair = public.get(spec.part_of or spec.name)
        if manifest.is_withheld:
            raise ConfigError(f"{dataset.root} has no test annotations; give it with --published, not --data")
        if manifest.is_private and pair is None:
            raise ConfigError(f"{dataset.root} is private; give the public dataset of it with --published")
        repository, commit = _repository_of(spec, revisions.get(spec.name, ""))
        pins[spec.name] = Pin(
            dataset=repository,
            revision=commit,
            content_sha256=dataset.sha256,
            published_sha256=_published(dataset, pair) if pair else "",
        )
    if unknown := sorted(set(revisions) - set(pins)):
        raise ConfigError(f"--revision has {unknown[0]}, and --data has {', '.join(pins)}; correct the name")
    if lonely := sorted(set(public) - _bases(pins)):
        raise ConfigError(
            f"--published has {lonely[0]}, and --data has not; give the private folder of it too"
        )
    return pins


def _repository_of(spec: BenchmarkSpec, revision: str) -> tuple[str, str]:
    """Return repository and commit of a revision; without one, the default repository and ""."""
    repository, _, commit = revision.rpartition("@")
    if not revision:
        return spec.hub_id, ""
    if not _COMMIT.fullmatch(commit):
        raise ConfigError(
            f"--revision {spec.name}={revision}: expected a commit of 40 hexadecimal digits. Give "
            f"{spec.name}=ORG/NAME@COMMIT, with the commit that `rise-bench publish` printed."
        )
    if not repository and is_own(spec):
        raise ConfigError(
            f"--revision {spec.name}={revision}: the repository of {spec.name} is not known. Give "
            f"{spec.name}=ORG/NAME@COMMIT."
        )
    return check_repo_id(repository or spec.hub_id), commit


def _bases(pins: Mapping[str, Pin]) -> set[str]:
    return {TEST_PARTS.get(name, (name, ""))[0] for name in pins}


def _published(private: BenchmarkDataset, public: BenchmarkDataset) -> str:
    """Return the hash of a public dataset, after a look whether it belongs to the private one."""
    name = private.spec.name
    if private.spec.part_of:
        public = public.part(name, TEST_PARTS[name][1])
    ids = [[gold.id for gold in dataset.golds("test")] for dataset in (private, public)]
    same = all(private.manifest.images_sha256.get(i) == public.manifest.images_sha256.get(i) for i in ids[0])
    if not public.manifest.is_withheld or sorted(ids[0]) != sorted(ids[1]) or not same:
        raise ConfigError(
            f"{public.root} is not the public dataset of {private.root}: its test rows or images differ, or "
            "it has annotations of its own; make both with `rise-bench leaderboard hide`"
        )
    return public.sha256
