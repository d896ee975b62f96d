"""Datasets of strangers: nothing that they say becomes a path, and nothing is written where they point."""

import dataclasses
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from rise_bench.cot.dataset import open_cots
from rise_bench.cot.rollout_groups import Group
from rise_bench.cot.writer import CotPlan, write_cots
from rise_bench.data.dataset import open_dataset
from rise_bench.data.manifest import read_manifest, rows_sha256, write_manifest
from rise_bench.data.writer import write_dataset
from rise_bench.errors import DataError, RiseError
from rise_bench.export.writers import export
from rise_bench.files.atomic import sha256_file
from rise_bench.hub.publish import stage
from rise_bench.hub.rehydrate import rehydrate_folder

from ..support.made_sources import distribution_plan

Content = dict[str, Any]
SHARD = "data/train-4-shot-00000.parquet"


def write_small_cots(
    benchmark: Path, out: Path, rollouts: Path, *, rewards: tuple[float, ...] = (1.0,)
) -> None:
    """Chains of thought of every training row, rewards in turn."""
    rollouts.mkdir()
    verdict = {"reconstruction": "{}", "format_ok": True, "leak_numbers": False, "leak_strict": False}
    for number, reward in enumerate(rewards):
        row = {"id": "a", "step": 1, "group": 0, "cot": "Soft light.", "reward": reward} | verdict
        row["similarity"] = reward
        (rollouts / f"{number}.jsonl").write_text(json.dumps(row) + "\n")
    dataset = open_dataset(benchmark)
    best = {}
    for number, row in enumerate(dataset.rows("train", columns=["id"])):
        turn = number % len(rewards)
        log = rollouts / f"{turn}.jsonl"
        best[row["id"]] = Group(step=1, attempt="a", rewards=[rewards[turn]], path=log, offset=0)
    write_cots(CotPlan(dataset, "full", best, provenance=lambda group: {"model": "tiny"}), out)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A benchmark and its chains of thought, as a stranger would begin with."""
    root = tmp_path_factory.mktemp("made")
    write_dataset(distribution_plan(root / "source", train=14, test=3), root / "benchmark", workers=1)
    write_small_cots(root / "benchmark", root / "cots", root / "rollouts")
    return {name: root / name for name in ("benchmark", "cots", "source")}


@pytest.fixture
def folder(made: dict[str, Path], tmp_path: Path) -> Path:
    return Path(shutil.copytree(made["benchmark"], tmp_path / "given"))


def edit(folder: Path, change: Callable[[Content], object]) -> None:
    """Change the manifest, and leave out its own hash, as an attacker would."""
    path = folder / "manifest.json"
    content = json.loads(path.read_text())
    del content["manifest_sha256"]
    change(content)
    path.write_text(json.dumps(content))


def file_named(name: str) -> Callable[[Content], object]:
    """Call a shard by another name, in the manifest."""
    return lambda m: m["files"].update({name: m["files"].pop(SHARD)})


def spec(**changes: Any) -> Callable[[Content], object]:
    return lambda m: m["spec"].update(changes)


def entry(**changes: Any) -> Callable[[Content], object]:
    return lambda m: m["files"][SHARD].update(changes)


def top(**changes: Any) -> Callable[[Content], object]:
    return lambda m: m.update(changes)


def row_called(uid: str) -> Callable[[Content], object]:
    return lambda m: m["images_sha256"].update({uid: "0" * 64})


NAMES = (
    "../../x",
    "/tmp/x",
    "a/b",
    "a\\b",
    "..",
    "",
    "con",
    "nul",
    "Com1",
    "a b",
    "x\n",
    "x\0",
    "ä",
    "a" * 65,
    "~",
    "a.b",
)
FILES = (
    "../y.parquet",
    "/tmp/y.parquet",
    "data/../../y.parquet",
    "data/../manifest.json",
    "data\\train-4-shot-00000.parquet",
    "C:\\y.parquet",
    "train-4-shot-00000.parquet",
    "data/train-4-shot-00000.parquet\n",
    "data/train-4-shot-٠٠٠٠٠.parquet",
    "data/train-rest-00000.parquet",
    "data/test-00000.PARQUET",
    "data/x/train-4-shot-00000.parquet",
    "",
    "README.md",
)
IDS = (
    "",
    "/etc/passwd",
    "a/../../b",
    "..",
    "a\\..\\b",
    "C:\\x",
    "a\nb",
    "a\0b",
    "a\x1b[2Jb",
    "a\u202eb",
    "x" * 2000,
)
HOSTILE: dict[str, Callable[[Content], object]] = {
    **{f"name {name!r}": spec(name=name) for name in NAMES},
    **{f"file {name!r}": file_named(name) for name in FILES},
    **{f"id {uid[:20]!r}": row_called(uid) for uid in IDS},
    "hash with a path": entry(sha256="../" + "0" * 61),
    "hash too short": entry(sha256="0" * 63),
    "hash in capitals": entry(sha256="A" * 64),
    "image hash with a path": lambda m: m["images_sha256"].update({next(iter(m["images_sha256"])): "../x"}),
    "identity with a path": top(content_sha256="../../x"),
    "rows as text": entry(rows="12"),
    "rows below zero": entry(rows=-1),
    "rows beyond the file": entry(rows=10**9),
    "bytes as a fraction": entry(bytes=1.5),
    "bytes as a truth value": entry(bytes=True),
    "split with a path": entry(split="../train"),
    "shard with a path": entry(shard="../x"),
    "shard of chains of thought": entry(shard="high"),
    "split that there is none of": lambda m: m["counts"].update(val=1),
    "counts that the files do not hold": lambda m: m["counts"].update(train=1),
    "class with an escape": spec(classes=["red", "green", "\x1b[31m"]),
    "classes exchanged": spec(classes=["green", "red", "blue"]),
    "question exchanged": spec(question="Which of them is best?"),
    "metric exchanged": spec(metric="accuracy"),
    "question that turns the text": spec(question="a\u202eb"),
    "licence with an escape": spec(license="mit\x1b]0;x\x07"),
    "unknown field of the spec": spec(extra=1),
    "unknown field": top(extra=1),
    "unknown field of a file": entry(path="/tmp/x"),
    "drop with an escape": top(drops={"x": ["\x1b[2J"]}),
    "option with an escape": top(options={"tau": "\x1b"}),
    "schema version as a truth value": top(schema_version=True),
    "schema version as text": top(schema_version="1"),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_manifest_is_refused(folder: Path, name: str) -> None:
    edit(folder, HOSTILE[name])
    with pytest.raises(DataError, match=r"manifest\.json"):
        open_dataset(folder)


@pytest.mark.parametrize(
    "text",
    [
        "[" * 100_000,
        '{"schema_version": 1, "schema_version": 1}',
        '{"a": NaN}',
        '{"a": "\\ud800"}',
        "[]",
        "",
        "\0",
    ],
)
def test_a_manifest_that_two_readers_could_read_differently_is_refused(folder: Path, text: str) -> None:
    (folder / "manifest.json").write_text(text)
    with pytest.raises(DataError, match=r"manifest\.json"):
        read_manifest(folder)


def files_below(root: Path) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in root.rglob("*") if path.is_file()}


@pytest.mark.parametrize(
    "change", [spec(name="../../x"), file_named("../../y.parquet"), file_named("/tmp/rise-y.parquet")]
)
def test_rehydrate_writes_nothing_where_a_manifest_points(
    made: dict[str, Path],
    folder: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    change: Callable[[Content], object],
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "deep" / "cache"))
    edit(folder, top(images="reference"))
    edit_again = json.loads((folder / "manifest.json").read_text())
    change(edit_again)
    (folder / "manifest.json").write_text(json.dumps(edit_again))
    before = files_below(tmp_path)
    for out in (None, tmp_path / "out"):
        with pytest.raises(DataError):
            rehydrate_folder(folder, made["source"], out=out)
    assert files_below(tmp_path) == before


def forge_rows(folder: Path, change: Callable[[Content], object]) -> None:
    """Change every row of chains of thought, and make the manifest agree."""
    (name,) = read_manifest(folder).files
    schema, rows = pq.read_schema(folder / name), pq.read_table(folder / name).to_pylist()
    for row in rows:
        change(row)
    pq.write_table(pa.Table.from_pylist(rows, schema=schema), folder / name)
    facts = {"sha256": sha256_file(folder / name), "bytes": (folder / name).stat().st_size}
    edit(folder, lambda m: m["files"][name].update(facts))


@pytest.mark.parametrize("form", ["trl", "messages", "visual_rft", "vlm_r1"])
@pytest.mark.parametrize(
    "change",
    [
        lambda row: row.update(source_sha256="../../../escaped"),
        lambda row: row.update(source_sha256="/tmp/rise-bench-escaped"),
        lambda row: row.update(source_sha256="0" * 64),
        lambda row: row.update(source_sha256=None),
        lambda row: row.update(image=None),
        lambda row: row.update(image={"bytes": None, "path": "/etc/hostname"}),
    ],
)
def test_export_names_files_by_what_they_hold(
    made: dict[str, Path], tmp_path: Path, form: Any, change: Callable[[Content], object]
) -> None:
    folder = Path(shutil.copytree(made["cots"], tmp_path / "given"))
    forge_rows(folder, change)
    before = files_below(tmp_path)
    with pytest.raises(RiseError, match="does not hold the image"):
        export(folder, tmp_path / "out", form)
    assert files_below(tmp_path) == before


def test_datasets_of_version_0_1_0_still_load(made: dict[str, Path], folder: Path) -> None:
    """Their manifest has no hash of its own, and its identity is that of the rows."""
    rows = read_manifest(folder).rows_sha256

    def as_before(content: Content) -> None:
        del content["rows_sha256"]
        content["content_sha256"] = rows

    edit(folder, as_before)
    dataset = open_dataset(folder)
    assert dataset.sha256 == rows
    assert len(dataset.golds("train")) == 14
    cots = Path(shutil.copytree(made["cots"], folder.parent / "cots"))
    edit(cots, lambda content: content.pop("rows_sha256"))
    assert len(list(open_cots(cots).rows("high"))) == 14


def test_identity_covers_what_decides_a_score_and_nothing_else(made: dict[str, Path], folder: Path) -> None:
    manifest = read_manifest(folder)
    assert rows_sha256([]) != manifest.rows_sha256
    free = manifest.spec | {"license": "mit", "citation": "Somebody", "source_url": "https://example.org"}
    write_manifest(folder, manifest.model_copy(update={"spec": free}))
    assert read_manifest(folder).content_sha256 == manifest.content_sha256
    for changed in ({"question": "Other?"}, {"metric": "accuracy"}, {"classes": ["green", "red", "blue"]}):
        other = manifest.model_copy(update={"spec": manifest.spec | changed})
        assert other.of_rows(str(manifest.rows_sha256)).content_sha256 != manifest.content_sha256


def forge_file(folder: Path, name: str, change: Callable[[pa.Table], pa.Table] | None) -> None:
    """Give a shard other columns (None: bytes that are no parquet), and make the manifest agree."""
    path = folder / name
    if change is None:
        path.write_bytes(b"PAR1" + b"\0" * 100)
    else:
        pq.write_table(change(pq.read_table(path)), path)
    facts = {"sha256": sha256_file(path), "bytes": path.stat().st_size}
    edit(folder, lambda m: m["files"][name].update(facts))


def without(column: str) -> Callable[[pa.Table], pa.Table]:
    return lambda table: table.drop_columns(column)


def of_lists(column: str) -> Callable[[pa.Table], pa.Table]:
    def change(table: pa.Table) -> pa.Table:
        at = table.column_names.index(column)
        return table.set_column(at, column, pa.array([[1]] * table.num_rows))

    return change


COLUMNS: dict[str, Callable[[pa.Table], pa.Table] | None] = {
    "no parquet": None,
    "no id": without("id"),
    "no image": without("image"),
    "no source_id": without("source_id"),
    "no cot": without("cot"),
    "ids of another type": of_lists("id"),
    "hashes of another type": of_lists("source_sha256"),
    "classes of another name": lambda table: table.replace_schema_metadata({}),
}


@pytest.mark.parametrize("name", COLUMNS)
@pytest.mark.parametrize("use", ["export", "publish", "rehydrate"])
def test_other_columns_are_refused_before_anything_is_written(
    made: dict[str, Path], tmp_path: Path, use: str, name: str
) -> None:
    folder = Path(shutil.copytree(made["cots"], tmp_path / "given"))
    forge_file(folder, "data/train-high-00000.parquet", COLUMNS[name])
    if use == "rehydrate":
        content = json.loads((folder / "manifest.json").read_text())
        (folder / "manifest.json").write_text(json.dumps(content | {"images": "reference"}))
    (tmp_path / "work").mkdir()
    uses: dict[str, Callable[[], object]] = {
        "export": lambda: export(folder, tmp_path / "out", "trl"),
        "publish": lambda: stage(folder, "a/b", tmp_path / "work"),
        "rehydrate": lambda: rehydrate_folder(folder, made["source"], out=tmp_path / "out"),
    }
    with pytest.raises(DataError, match=r"train-high-00000\.parquet (is not a readable|has other columns)"):
        uses[use]()
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    "change",
    [
        lambda row: row.update(provenance="["),
        lambda row: row.update(provenance=None),
        lambda row: row.update(provenance="[" * 100_000),
        lambda row: row.update(reward=None),
        lambda row: row.update(prior_score=None),
    ],
)
def test_rows_that_a_card_cannot_show_are_named(
    made: dict[str, Path], tmp_path: Path, change: Callable[[Content], object]
) -> None:
    folder = Path(shutil.copytree(made["cots"], tmp_path / "given"))
    forge_rows(folder, change)
    (tmp_path / "work").mkdir()
    with pytest.raises(DataError, match="rise-bench check"):
        stage(folder, "a/b", tmp_path / "work")


@pytest.mark.parametrize(
    "card", ["", "# Data", "---\n", "---\nconfigs: 3\n---\n", "---\n[\n---\n", "---\na: 1\n---\n", None]
)
def test_a_card_that_cannot_be_read_is_named(made: dict[str, Path], tmp_path: Path, card: str | None) -> None:
    folder = Path(shutil.copytree(made["cots"], tmp_path / "given"))
    (folder / "README.md").unlink()
    if card is not None:
        (folder / "README.md").write_text(card)
    (tmp_path / "work").mkdir()
    with pytest.raises(DataError, match=r"README\.md is not a dataset card"):
        stage(folder, "a/b", tmp_path / "work")


def test_names_of_files_with_control_characters_are_refused_or_shown_by_the_build(tmp_path: Path) -> None:
    """What was built can be read: an id is refused with its file, a file left out is listed in plain text."""
    plan = distribution_plan(tmp_path / "source", train=4, test=2)
    for uid in ("shades/a\x1b[2J", "shades/../x", "/x"):
        rows = [dataclasses.replace(plan.train[0], id=uid), *plan.train[1:]]
        with pytest.raises(DataError, match="rename the file"):
            write_dataset(dataclasses.replace(plan, train=rows), tmp_path / "out", workers=1)
    plan = dataclasses.replace(plan, drops={"no image": ["a\x1b]0;x\x07\u202e.txt"]})
    write_dataset(plan, tmp_path / "out", workers=1)
    assert read_manifest(tmp_path / "out").drops == {"no image": ("a\\x1b]0;x\\x07\\u202e.txt",)}
