"""What a run folder refuses to go on with: another order of phases, other processes, no optimiser's state."""

import json
from dataclasses import replace

import pytest

from rise_bench.errors import ConfigError
from rise_bench.trainers.runs.run_folder import MARK, RunFolder


@pytest.fixture
def two_phases(make_config, tmp_path):
    """A config of SFT and then GRPO, and its folder."""
    config = make_config(stage="rise_r1")
    folder = RunFolder.of(config)
    assert config.active_phases == ("sft", "grpo")
    return config, folder


def checkpoint(folder, phase, step, *files):
    path = folder.phase_dir(phase) / f"checkpoint-{step}"
    path.mkdir(parents=True)
    for name in (MARK, *files):
        (path / name).touch()
    return path


def test_a_second_phase_that_was_trained_alone_is_not_taken_for_the_result_of_both(two_phases):
    config, folder = two_phases
    folder.refuse_other_order(config)
    checkpoint(folder, "grpo", 1)
    with pytest.raises(ConfigError, match=r"checkpoint-1 was trained without sft.*go on with phases=grpo"):
        folder.refuse_other_order(config)
    folder.final_dir("sft").mkdir(parents=True)
    folder.refuse_other_order(config)


def test_never_resuming_is_about_the_phase_that_begins(two_phases, make_config):
    _, folder = two_phases
    config = make_config("run.resume=never", stage="rise_r1")
    folder.final_dir("sft").mkdir(parents=True)
    folder.refuse_to_resume(config, ["grpo"])
    with pytest.raises(ConfigError, match="run.resume = never, but .*sft/final exists"):
        folder.refuse_to_resume(config)


def test_another_number_of_processes_does_not_go_on(two_phases):
    config, folder = two_phases
    checkpoint(folder, "sft", 3)
    (folder.path / "run.json").write_text(json.dumps({"world_size": 8}))
    folder.refuse_other_processes(config, 8)
    with pytest.raises(ConfigError, match="was written by 8 processes, there are 4 now"):
        folder.refuse_other_processes(config, 4)
    with pytest.raises(ConfigError, match="there are 1 now"):
        RunFolder.create(config)
    folder.final_dir("sft").mkdir(parents=True)
    folder.refuse_other_processes(config, 4)


def test_a_checkpoint_says_by_itself_how_many_processes_wrote_it(two_phases, monkeypatch):
    """A start of another phase on other processes does not change what is known of it."""
    config, folder = two_phases
    monkeypatch.setenv("RANK", "0")
    monkeypatch.setenv("WORLD_SIZE", "8")
    checkpoint(folder, "grpo", 20)
    folder.complete_checkpoint("grpo", 20, keep=2)
    (folder.path / "run.json").write_text(json.dumps({"world_size": 4}))
    folder.refuse_other_processes(config, 8)
    with pytest.raises(ConfigError, match="was written by 8 processes, there are 4 now"):
        folder.refuse_other_processes(config, 4)


def test_a_failed_start_that_left_a_checkpoint_is_kept(two_phases):
    config, _ = two_phases
    folder = RunFolder.create(config)
    checkpoint(folder, "sft", 20)
    folder.discard_if_nothing_was_trained()
    assert folder.last_checkpoint("sft") is not None, "no line of metrics.jsonl is written by then"
    (folder.last_checkpoint("sft") / MARK).unlink()
    folder.discard_if_nothing_was_trained()
    assert not folder.path.exists(), "an incomplete one is nothing to go on from"


def test_a_start_that_trains_nothing_leaves_what_is_known_of_the_models(two_phases, monkeypatch):
    config, _ = two_phases
    folder = RunFolder.create(config, prompt_hashes={"toy": "1"}, cots_sha256="a")
    before = json.loads((folder.path / "run.json").read_text())
    monkeypatch.setattr("rise_bench.trainers.runs.run_folder.versions", lambda: {"torch": "9"})
    for phase in config.active_phases:
        folder.final_dir(phase).mkdir(parents=True)
    RunFolder.create(config, prompt_hashes={"toy": "2"}, cots_sha256="b")
    after = json.loads((folder.path / "run.json").read_text())
    assert len(after.pop("starts")) == 1 + len(before.pop("starts")) and after == before
    assert folder.versions() == before["versions"] != {"torch": "9"}
    folder.final_dir("grpo").rmdir()
    RunFolder.create(config, prompt_hashes={"toy": "2"}, cots_sha256="b")
    assert folder.versions() == {"torch": "9"}


def test_sft_goes_on_with_the_chains_of_thought_that_it_began_with(two_phases):
    config, folder = two_phases
    RunFolder.create(config, cots_sha256="a" * 64)
    RunFolder.create(config, cots_sha256="b" * 64)  # nothing was trained yet
    checkpoint(folder, "sft", 3)
    with pytest.raises(ConfigError, match="has trained on other chains of thought"):
        RunFolder.create(config, cots_sha256="c" * 64)
    RunFolder.create(config, cots_sha256="b" * 64)
    folder.final_dir("sft").mkdir(parents=True)
    RunFolder.create(config, cots_sha256="c" * 64)
    RunFolder.create(replace(config, phases=("grpo",)))
    assert json.loads((folder.path / "run.json").read_text())["cots_sha256"] == "b" * 64, "of its only SFT"


@pytest.mark.parametrize(
    ("stage", "phases", "samples", "left", "refused"),
    [
        ("reason_rft", (), "rest", "sft/final", True),  # else GRPO would train on samples of SFT
        ("reason_rft", (), "rest", "sft/final grpo/checkpoint-1", True),
        ("reason_rft", (), "rest", "sft/checkpoint-1", True),
        ("reason_rft", (), "rest", "sft/final grpo/final", False),
        ("reason_rft", (), "rest", "", False),
        ("reason_rft", (), "all", "sft/final grpo/checkpoint-1", False),
        ("reason_rft", ("grpo",), "rest", "grpo/checkpoint-1", True),
        ("reason_rft", ("grpo",), "all", "grpo/checkpoint-1", False),
        ("reason_rft", ("sft",), "rest", "sft/final", False),
        ("metis_rise", (), "rest", "grpo/checkpoint-1", True),
        ("metis_rise", (), "rest", "grpo/final", True),
        ("metis_rise", (), "all", "grpo/final", False),
    ],
)
def test_grpo_on_the_rest_depends_on_the_chains_of_thought_too(
    make_config, stage, phases, samples, left, refused
):
    config = make_config(f"data.grpo_samples={samples}", f"phases={json.dumps(phases)}", stage=stage)
    RunFolder.create(config, cots_sha256="a" * 64)
    for path in left.split():
        (RunFolder.of(config).path / path).mkdir(parents=True)
        if "checkpoint" in path:
            (RunFolder.of(config).path / path / MARK).touch()
    RunFolder.create(config, cots_sha256="a" * 64)
    if refused:
        with pytest.raises(ConfigError, match="has trained on other chains of thought"):
            RunFolder.create(config, cots_sha256="b" * 64)
    else:
        RunFolder.create(config, cots_sha256="b" * 64)


@pytest.mark.parametrize(
    ("files", "accelerate", "problem"),
    [
        (("optimizer.pt",), "none", ""),
        (("optimizer.pt",), "ddp", ""),
        (("global_step3",), "zero2", ""),
        ((), "none", r"has no state of the optimiser \(run.save_only_model\)"),
        (("global_step3",), "ddp", "was written by DeepSpeed, and compute.accelerate is ddp now"),
        (("optimizer.pt",), "zero3", "was written without DeepSpeed, and compute.accelerate is zero3 now"),
    ],
)
def test_a_checkpoint_goes_on_only_with_its_optimiser(make_config, files, accelerate, problem):
    config = make_config(f"compute.accelerate={accelerate}", stage="rise_r1")
    folder = RunFolder.of(config)
    checkpoint(folder, "sft", 3, *files)
    folder.refuse_other_state(config, "sft", 3)  # only its model is left to be written
    if not problem:
        folder.refuse_other_state(config, "sft", 9)
        return
    with pytest.raises(ConfigError, match=problem):
        folder.refuse_other_state(config, "sft", 9)
