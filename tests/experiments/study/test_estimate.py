"""The estimate of a study by measured steps, and what it leaves out until it is measured."""

import json
from pathlib import Path

import pytest

from rise_bench.cli.study_options import gpus_of, time_left
from rise_bench.experiments.cell import Setup
from rise_bench.experiments.study.estimate import estimate, measuring_jobs
from rise_bench.experiments.study.grid import Study

METHODS = ("rise", "sft", "base")


@pytest.fixture
def study(tmp_path: Path) -> Study:
    model, setup = "Qwen/Qwen2-VL-2B-Instruct", Setup(scale="paper", on_hub=True)
    return Study(tmp_path, "emotion6", ("4-shot",), 2, METHODS, "paper", 200, base=model, setup=setup)


def measured(study: Study, stage: str, section: str, seconds: float) -> None:
    """Log three steps of a measuring run, the first of which took long."""
    run = study.out / "emotion6" / "measure" / "runs" / stage
    run.mkdir(parents=True)
    times = [50.0, 50 + seconds, 50 + 2 * seconds]
    rows = [{"phase": section, "step": step + 1, "time": time} for step, time in enumerate(times)]
    rows.append({"phase": section, "step": 3, "time": times[-1] + 30, "train_runtime": 100.0})
    (run / "metrics.jsonl").write_text("\n".join(map(json.dumps, rows)))


def test_nothing_is_guessed_before_it_is_measured(study: Study) -> None:
    left = estimate(study)
    assert left.seconds == 0
    assert left.unmeasured == {
        "train rise_cot": 2,
        "collect": 2,
        "train rise_r1": 2,
        "train sft": 2,
        "eval": 6,
    }


def test_steps_and_whole_jobs_are_counted_as_measured(study: Study) -> None:
    measured(study, "rise_cot", "grpo", 20.0)
    measured(study, "visual_rft", "grpo", 10.0)
    measured(study, "sft", "sft", 2.0)
    of_seed = 200 * 20 + 200 * (2 + 10) + 200 * 2  # RISE-CoT, RISE-R1 of two phases, SFT
    left = estimate(study)
    assert left.seconds == pytest.approx(2 * of_seed)
    assert left.unmeasured == {"collect": 2, "eval": 6}
    base = measuring_jobs(study)[-1]
    study.jobs_folder.write(base, 300.0, done=True)
    (samples := study.out / "samples.jsonl").touch()
    printed = json.dumps({"rise_emotion6": {"samples_file": str(samples)}})
    study.jobs_folder.output(base.name).write_text(printed)
    left = estimate(study)
    assert left.seconds == pytest.approx(2 * of_seed + 5 * 300)
    assert left.unmeasured == {"collect": 2}


def test_gpu_hours_are_those_of_all_gpus_of_a_job(study: Study) -> None:
    measured(study, "rise_cot", "grpo", 20.0)
    jobs = study.jobs()
    hours, gpu_hours, sentence = time_left(study, jobs, 4, gpus_of(["gpus_per_node=8", "nodes=2"]))
    assert hours == pytest.approx(2 * 200 * 20 / 3600 / 4)
    assert gpu_hours == pytest.approx(16 * 4 * hours)
    assert f"{gpu_hours:.1f} GPU hours with 16 a job" in sentence
    _, unknown, sentence = time_left(study, jobs, 4, gpus_of(["partition=gpu"]))
    assert unknown is None and "multiplied by a job's GPUs" in sentence


def test_measuring_jobs_are_short_and_one_of_them_is_the_studys_own(study: Study) -> None:
    jobs = measuring_jobs(study)
    assert [job.name.rpartition("/")[2] for job in jobs] == ["rise_cot", "visual_rft", "sft", "eval_base"]
    assert all(any(text.endswith(".steps=3") for text in job.arguments) for job in jobs[:3])
    assert jobs[-1] in study.jobs()
    assert all("model.name=Qwen/Qwen2-VL-2B-Instruct" in job.arguments for job in jobs[:3])
    assert not any("HF_HUB_OFFLINE" in job.environment for job in jobs)
