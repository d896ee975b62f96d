"""What a run folder refuses to go on with: another order of phases, other processes, no optimiser's state."""

import json

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
