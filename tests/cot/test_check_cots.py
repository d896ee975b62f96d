"""`check` on chains of thought: silent on sound ones, and each break is found."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from rise_bench.cot.check import check_folder
from rise_bench.data.manifest import read_manifest
from rise_bench.data.writer import write_dataset

from ..data.test_check import edit_manifest, edit_rows, set_first
from ..data.test_hostile_datasets import write_small_cots
from ..support.made_sources import boxes_plan, distribution_plan, photo

HIGH, LOW = "data/train-high-00000.parquet", "data/train-low-00000.parquet"


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    root = tmp_path_factory.mktemp("sound")
    for kind, plan in (("distribution", distribution_plan), ("boxes", boxes_plan)):
        write_dataset(plan(root / f"source of {kind}"), root / f"benchmark of {kind}", workers=1)
        write_small_cots(
            root / f"benchmark of {kind}", root / kind, root / f"rollouts of {kind}", rewards=(0.2, 0.9)
        )
    return {kind: root / kind for kind in ("distribution", "boxes")}


@pytest.mark.parametrize("kind", ["distribution", "boxes"])
def test_sound_chains_of_thought_have_no_findings(sound: dict[str, Path], kind: str) -> None:
    rows = 0

    def advance() -> None:
        nonlocal rows
        rows += 1

    assert set(read_manifest(sound[kind]).files) == {HIGH, LOW}
    assert check_folder(sound[kind], advance) == []
    assert rows == {"distribution": 12, "boxes": 8}[kind]


def change_card(folder: Path, old: str, new: str) -> None:
    path = folder / "README.md"
    assert old in path.read_text()
    path.write_text(path.read_text().replace(old, new))


BREAKS: dict[str, tuple[Callable[[Path], object], str]] = {
    "no manifest": (lambda f: (f / "manifest.json").unlink(), "no manifest"),
    "file gone": (lambda f: (f / HIGH).unlink(), "is missing"),
    "bytes changed": (lambda f: (f / HIGH).write_bytes((f / HIGH).read_bytes()[::-1]), "its sha256 is"),
    "file too many": (lambda f: shutil.copy(f / HIGH, f / "data" / "x.parquet"), "not in the manifest"),
    "files exchanged": (
        lambda f: edit_manifest(f, lambda m: m["files"].update({HIGH: m["files"][LOW] | {"shard": "high"}})),
        "bytes, the manifest says",
    ),
    "no thought": (lambda f: edit_rows(f, HIGH, set_first("cot", " ")), "cot holds no text"),
    "null thought": (lambda f: edit_rows(f, HIGH, set_first("cot", None)), "cot holds no text"),
    "null reconstruction": (lambda f: edit_rows(f, HIGH, set_first("reconstruction", None)), "no text"),
    "reward NaN": (lambda f: edit_rows(f, HIGH, set_first("reward", float("nan"))), "reward is nan"),
    "reward null": (lambda f: edit_rows(f, HIGH, set_first("reward", None)), "reward is None"),
    "reward below zero": (lambda f: edit_rows(f, LOW, set_first("reward", -1.0)), "reward is -1"),
    "similarity NaN": (
        lambda f: edit_rows(f, LOW, set_first("similarity", float("inf"))),
        "similarity is inf",
    ),
    "groundedness NaN": (lambda f: edit_rows(f, LOW, set_first("groundedness", float("nan"))), "is nan"),
    "low reward in high": (
        lambda f: edit_rows(f, HIGH, set_first("reward", 0.1)),
        "not belong to shard high",
    ),
    "high reward in low": (lambda f: edit_rows(f, LOW, set_first("reward", 0.9)), "not belong to shard low"),
    "another tau": (lambda f: edit_manifest(f, lambda m: m["options"].update(tau="0.95")), "tau is 0.95"),
    "tau that is no number": (
        lambda f: edit_manifest(f, lambda m: m["options"].update(tau="x")),
        "manifest.json",
    ),
    "reward of no rollout": (
        lambda f: edit_rows(f, HIGH, set_first("reward", 0.8)),
        "not among its group's rewards",
    ),
    "no group": (
        lambda f: edit_rows(f, HIGH, set_first("group_rewards", None)),
        "not among its group's rewards",
    ),
    "no provenance": (lambda f: edit_rows(f, HIGH, set_first("provenance", "[1]")), "not a JSON object"),
    "null provenance": (lambda f: edit_rows(f, HIGH, set_first("provenance", None)), "not a JSON object"),
    "other truth": (
        lambda f: edit_rows(f, HIGH, set_first("probs", [0.0, 0.0, 1.0])),
        "solution is not the ground truth",
    ),
    "no truth": (lambda f: edit_rows(f, HIGH, set_first("probs", [0.9, 0.9, 0.9])), "sum to 2.7"),
    "other image": (
        lambda f: edit_rows(f, HIGH, set_first("image", {"bytes": photo(900), "path": "x.jpg"})),
        "not the one that source_sha256 names",
    ),
    "no image": (lambda f: edit_rows(f, HIGH, set_first("image", None)), "has no image"),
    "other size": (lambda f: edit_rows(f, HIGH, set_first("width", 99)), "the row says 99 x 36"),
    "double id": (
        lambda f: edit_rows(f, LOW, lambda rows: rows[0].update(id=rows[1]["id"])),
        "this id appears twice",
    ),
    "ghost row": (
        lambda f: edit_manifest(f, lambda m: m["images_sha256"].update(ghost="0" * 64)),
        "1 rows are in no file, e.g. 'ghost'",
    ),
    "no card": (lambda f: (f / "README.md").unlink(), "README.md"),
    "card that leaves files out": (
        lambda f: change_card(f, "data/train-*.parquet", HIGH),
        "'default' does not name",
    ),
    "card without high": (
        lambda f: change_card(f, "config_name: high", "config_name: x"),
        "'high' does not name",
    ),
}


@pytest.mark.parametrize("name", BREAKS)
def test_break_is_found(sound: dict[str, Path], tmp_path: Path, name: str) -> None:
    folder = Path(shutil.copytree(sound["distribution"], tmp_path / "cots"))
    break_it, expected = BREAKS[name]
    break_it(folder)
    findings = [f"{finding.where}: {finding.problem}" for finding in check_folder(folder)]
    assert any(expected in finding for finding in findings), findings


def test_chains_of_thought_of_version_0_1_0_are_sound(sound: dict[str, Path], tmp_path: Path) -> None:
    folder = Path(shutil.copytree(sound["distribution"], tmp_path / "cots"))
    edit_manifest(folder, lambda m: m.pop("rows_sha256"))
    card = folder / "README.md"
    card.write_text(
        "".join(f"{line}\n" for line in card.read_text().splitlines() if "files sha256" not in line)
    )
    assert "manifest_sha256" not in json.loads((folder / "manifest.json").read_text())
    assert check_folder(folder) == []


def test_high_may_be_empty(tmp_path: Path) -> None:
    write_dataset(distribution_plan(tmp_path / "source"), tmp_path / "benchmark", workers=1)
    write_small_cots(tmp_path / "benchmark", tmp_path / "cots", tmp_path / "rollouts", rewards=(0.1, 0.2))
    assert check_folder(tmp_path / "cots") == []


def test_an_empty_text_with_reward_0_is_an_unusable_reply_and_no_problem(
    sound: dict[str, Path], tmp_path: Path
) -> None:
    folder = Path(shutil.copytree(sound["distribution"], tmp_path / "cots"))

    def empty(rows: list[dict[str, Any]]) -> None:
        scores = {name: 0.0 for name in ("reward", "reward_selected", "similarity") if name in rows[0]}
        rows[0].update(scores, cot="\n", group_rewards=[0.0])

    edit_rows(folder, LOW, empty)
    assert "cot holds no text" not in {finding.problem for finding in check_folder(folder)}
