"""The examination of a machine: what it finds, and that each fault is named with its fix."""

import json
import re
from pathlib import Path
from types import SimpleNamespace

import pytest
from click.testing import Result
from typer.testing import CliRunner

from rise_bench.builders.synthetic import plan
from rise_bench.catalog.extras import extras, packages_of
from rise_bench.cli import app
from rise_bench.data.writer import write_dataset
from rise_bench.doctor import machine, packages
from rise_bench.doctor.abilities import ability_lines
from rise_bench.doctor.line import Line
from rise_bench.doctor.machine import machine_lines
from rise_bench.doctor.packages import PURPOSES, package_lines, pinned_versions
from rise_bench.doctor.places import data_lines, hub_lines
from rise_bench.models.devices import Gpu, TorchInstall, torch_install

GIB = 2**30
CARD = Gpu("card", 24 * GIB, (8, 9))


def doctor(*options: str) -> Result:
    return CliRunner().invoke(app, ["doctor", *options], env={"COLUMNS": "100"})


def by_name(lines: list[Line]) -> dict[str, Line]:
    return {line.name: line for line in lines}


@pytest.fixture
def roomy(monkeypatch, tmp_path) -> None:
    """Give memory and disk to spare and no GPU: the result does not depend on what else this machine does."""
    monkeypatch.setattr(machine, "available_bytes", lambda: 16 * GIB)
    monkeypatch.setattr(machine.shutil, "disk_usage", lambda _: SimpleNamespace(free=100 * GIB))
    monkeypatch.setattr(machine, "_NVIDIA", tmp_path / "no driver")


def test_the_command_prints_every_area_and_json_says_the_same(roomy) -> None:
    shown = doctor()
    printed = json.loads(doctor("--json").stdout)
    areas = list(dict.fromkeys(line["area"] for line in printed["lines"]))
    assert areas == ["machine", "packages", "data", "hub", "runs"]
    assert all(re.search(rf"\b{re.escape(line['name'])}\b", shown.stdout) for line in printed["lines"])
    assert printed["ok"] and shown.exit_code == 0
    assert len(shown.stdout.splitlines()) < 70


def test_each_line_that_is_not_ok_has_its_fix() -> None:
    lines = json.loads(doctor("--json").stdout)["lines"]
    assert [line["name"] for line in lines if line["state"] != "ok" and not line["fix"]] == []


def test_what_is_broken_ends_with_exit_code_1(roomy, monkeypatch, tmp_path) -> None:
    monkeypatch.setenv("RISE_BENCH_DATA", str(tmp_path / "nowhere"))
    done = doctor("--json")
    (problem,) = (line for line in json.loads(done.stdout)["lines"] if line["state"] == "problem")
    assert done.exit_code == 1
    assert problem["name"] == "$RISE_BENCH_DATA" and "is not a folder" in problem["value"]


def test_datasets_are_listed_with_their_rows_and_damaged_ones_apart(monkeypatch, tmp_path) -> None:
    monkeypatch.setenv("RISE_BENCH_DATA", str(tmp_path))
    write_dataset(plan(benchmark="moods", train=3, test=2, seed=0), tmp_path / "moods", seed=0)
    (tmp_path / "damaged").mkdir()
    (tmp_path / "damaged" / "manifest.json").write_text("{}")
    lines = by_name(data_lines())
    assert lines["$RISE_BENCH_DATA"].state == "ok"
    assert "moods (3 train + 2 test)" in lines["$RISE_BENCH_DATA"].value
    assert lines["damaged"].state == "problem" and str(tmp_path / "damaged") in lines["damaged"].fix
    assert lines["cache folder"].fix == "rise-bench build moods"


def test_the_hub_answers_or_not(minihub, sign_in) -> None:
    assert [line.state for line in hub_lines()] == ["ok", "missing"]
    sign_in("hf_alice")
    assert [line.state for line in hub_lines()] == ["ok", "ok"]


def test_a_silent_hub_is_said_within_seconds(minihub, monkeypatch) -> None:
    monkeypatch.setattr("rise_bench.doctor.places.hub_answers", lambda timeout_s: timeout_s > 3)
    (hub, _) = hub_lines()
    assert hub.state == "missing" and "does not answer within 3 s" in hub.value


def test_offline_is_a_choice_and_no_request_is_sent() -> None:
    assert "HF_HUB_OFFLINE is set" in hub_lines()[0].value


def test_every_extra_of_a_user_has_its_line() -> None:
    users = set(extras()) - {"all", "demo", "dev", "docs"}
    assert users <= PURPOSES.keys(), "say in PURPOSES what a new extra is for"
    assert set(by_name(package_lines())) == {*users, "versions"}


def test_a_version_out_of_range_is_a_problem_and_another_than_tested_is_not(monkeypatch) -> None:
    real = packages.metadata.version
    monkeypatch.setattr(packages.metadata, "version", lambda name: "1.15.0" if name == "trl" else real(name))
    lines = by_name(package_lines())
    assert lines["train"].state == "problem" and "trl 1.15.0 is not <2,>=1.16" in lines["train"].value
    assert lines["versions"].state == "ok"
    assert f"trl 1.15.0 (tested: {pinned_versions()['trl']})" in lines["versions"].value


def test_pinned_versions_are_those_of_the_checkout_and_cover_what_is_installed_by_default(root: Path) -> None:
    assert len(pinned_versions()) == (root / "constraints.txt").read_text().count("==")
    assert {name.lower() for name in packages_of("all")} <= pinned_versions().keys()


@pytest.mark.parametrize(
    ("torch", "trains", "evaluates"),
    [
        (TorchInstall("2.14.1", "13.0"), "missing", "missing"),
        (TorchInstall("2.14.1", "13.0", (CARD,)), "missing", "ok"),
        (TorchInstall("2.14.1", "13.0", (CARD, CARD)), "ok", "ok"),
        (TorchInstall(error="No module named 'torch'"), "missing", "missing"),
    ],
)
def test_what_can_be_run_follows_from_the_cards(torch, trains, evaluates) -> None:
    lines = by_name(ability_lines(torch))
    assert (lines["train 2B"].state, lines["evaluate 2B"].state) == (trains, evaluates)
    assert lines["drawn benchmarks"].state == ("ok" if torch.version else "missing")


def test_a_card_that_torch_cannot_use_is_a_problem(monkeypatch, tmp_path) -> None:
    monkeypatch.setattr(machine, "_NVIDIA", tmp_path)
    gpu = by_name(machine_lines(TorchInstall("2.14.1")))["GPU"]
    assert gpu.state == "problem" and "a build without CUDA" in gpu.value
    old = by_name(machine_lines(TorchInstall("2", "12", (Gpu("T4", 16 * GIB, (7, 5)),))))["GPU"]
    assert old.state == "ok" and "compute.bf16=false" in old.fix


def test_a_torch_that_cannot_be_imported_is_a_problem() -> None:
    line = by_name(machine_lines(TorchInstall(error="libcudart.so.13: cannot open")))["torch"]
    assert line.state == "problem" and "libcudart" in line.value


def test_a_container_has_the_memory_of_its_limit(monkeypatch, tmp_path) -> None:
    (tmp_path / "memory.max").write_text(f"{3 * GIB}\n")
    monkeypatch.setattr(machine, "_LIMIT", tmp_path / "memory.max")
    assert machine.available_bytes() <= 3 * GIB
    line = by_name(machine_lines(torch_install()))["memory"]
    assert line.state == "problem" and "--jobs 1" in line.fix


def test_a_full_disk_is_a_problem(monkeypatch) -> None:
    monkeypatch.setattr(machine.shutil, "disk_usage", lambda _: SimpleNamespace(free=GIB))
    line = by_name(machine_lines(torch_install()))["disk"]
    assert line.state == "problem" and line.value.startswith("1 GiB free") and "XDG_CACHE_HOME" in line.fix
