import sqlite3
from pathlib import Path

import pytest

from rise_bench.errors import ConfigError
from rise_bench.evaluation.lmms_command import GROUPS, TASKS, read_command
from rise_bench.evaluation.response_cache import forget_failures
from rise_bench.models.base_model import base_model_folder

OUT = Path("out/run")


def test_flags_pass_through_untouched_and_ours_come_last():
    """lmms-eval believes the last of two equal flags."""
    given = ["--tasks", "rise_lisa", "--model", "qwen2_vl", "--batch_size", "4", "--output_path=elsewhere"]
    command = read_command(given)
    ours = ["--log_samples", "--output_path", "out/run", "--model_args", "a=1", "--timezone", "UTC"]
    assert command.passed_on(OUT, "a=1") == [*given, *ours]
    assert (command.tasks, command.model, command.output) == (("rise_lisa",), "qwen2_vl", Path("elsewhere"))
    assert read_command(["--tasks", "rise_lisa"]).output == Path("results")


def test_a_time_zone_that_was_asked_for_stays():
    given = ["--tasks", "rise_lisa", "--timezone", "Europe/Oslo"]
    assert read_command(given).passed_on(OUT, "") == [*given, "--log_samples", "--output_path", "out/run"]


@pytest.mark.parametrize(
    ("given", "read"),
    [
        ("pretrained=rise-bench-base,device=cpu", f"pretrained={base_model_folder()},device=cpu"),
        ("device=cpu,pretrained=rise-bench-base", f"device=cpu,pretrained={base_model_folder()}"),
        ("pretrained=Qwen/Qwen2-VL-2B-Instruct", "pretrained=Qwen/Qwen2-VL-2B-Instruct"),
        ("notpretrained=rise-bench-base", "notpretrained=rise-bench-base"),
    ],
)
def test_the_base_model_that_ships_is_known_by_its_name(given, read):
    assert read_command(["--tasks", "rise_lisa", f"--model_args={given}"]).model_args == read


def test_a_run_folder_stands_for_the_model_of_its_last_phase(tmp_path):
    (tmp_path / "config.yaml").write_text("stage: rise_r1\n")
    asked = ["--tasks", "rise_lisa", "--model_args", f"pretrained={tmp_path},device=cpu"]
    with pytest.raises(ConfigError, match=r"no finished model .*finish it with `rise-bench train`"):
        read_command(asked)
    for phase in ("sft", "grpo"):
        (tmp_path / phase / "final").mkdir(parents=True)
        assert read_command(asked).checkpoint == str(tmp_path / phase / "final")


@pytest.mark.parametrize("limit", ["0", "-2", "nan", "inf"])
def test_a_limit_that_runs_no_rows_is_refused(limit):
    with pytest.raises(ConfigError, match=f"--limit {limit} runs no rows"):
        read_command(["--tasks", "rise_lisa", f"--limit={limit}"])


@pytest.mark.parametrize(
    ("model", "model_args", "checkpoint"),
    [
        ("qwen2_vl", "device=cpu, pretrained=a/b", "a/b"),
        ("vllm", "model=a/b,tensor_parallel_size=2", "a/b"),
        ("sglang", "model_path=a/b", "a/b"),
        ("openai", "model=a/b,base_url=http://127.0.0.1/v1", ""),
        ("openai", "model=gpt", ""),
        ("vllm", "", ""),
    ],
)
def test_the_checkpoint_that_is_loaded_here(model, model_args, checkpoint):
    given = ["--tasks", "rise_lisa", "--model", model, "--model_args", model_args]
    assert read_command(given).checkpoint == checkpoint


@pytest.mark.parametrize(
    ("names", "tasks"),
    [
        ("rise", GROUPS["rise"]),
        ("rise_lisa,rise_lisa,rise", ("rise_lisa", "rise_emotion6", "rise_imagenet_sub", "rise_coco_sub")),
        ("mme,rise_custom", ("rise_custom",)),
        ("rise_*", tuple(TASKS)),
        ("mme", ()),
    ],
)
def test_our_tasks_among_those_asked_for(names, tasks):
    command = read_command(["--tasks", names])
    assert command.tasks == tasks
    assert command.others == (("mme",) if "mme" in names else ())


@pytest.mark.parametrize(
    ("names", "message"),
    [
        ("rise_mood", "rise_mood is not a rise-bench task; did you mean rise_moods?"),
        ("rise_moods,rise_coco", "did you mean rise_coco_sub"),
        ("list", "There are rise_emotion6"),
        ("list_groups", "listed by `lmms-eval tasks list`"),
    ],
)
def test_a_task_that_can_only_be_a_slip_is_refused_with_the_nearest(names, message):
    with pytest.raises(ConfigError, match=message):
        read_command(["--tasks", names])


def test_the_tables_of_tasks_are_the_yaml_files(root):
    files = [path for path in (root / "tasks").glob("*/rise_*.yaml") if path.parent.name != "groups"]
    assert {path.stem for path in files} == set(TASKS)
    assert {path.stem for path in (root / "tasks" / "groups").glob("*.yaml")} == set(GROUPS)


def test_a_config_file_fills_in_and_the_command_line_wins(tmp_path):
    config = tmp_path / "run.yaml"
    config.write_text("tasks: rise_moods\nmodel: openai\nlimit: 4\nlog_samples: true\nbatch_size: 2\n")
    command = read_command(["--config", str(config), "--model", "qwen2_vl"])
    assert (command.tasks, command.model, command.limit) == (("rise_moods",), "qwen2_vl", 4)
    assert command.arguments == ("--config", str(config), "--model", "qwen2_vl")
    config.write_text("tasks: rise_moods\nmodel_args:\n  pretrained: rise-bench-base\n  device: cpu\n")
    command = read_command(["--config", str(config)])
    assert command.model_args == f"pretrained={base_model_folder()},device=cpu"
    config.write_text("- tasks: rise_moods\n- tasks: rise_lisa\n")
    with pytest.raises(ConfigError, match="one run a file"):
        read_command(["--config", str(config)])


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        ([], "--tasks rise_emotion6"),
        (["--tasks", "rise", "--limit", "few"], "few"),
        (["--tasks"], "tasks"),
        (["--tasks", "rise", "--output_path", "a,b"], "a,b holds a comma"),
    ],
)
def test_flags_that_make_no_sense(flags, message):
    with pytest.raises(ConfigError, match=message):
        read_command(flags)


@pytest.mark.parametrize(
    ("flags", "rows"),
    [
        ((), slice(0, None)),
        (("--limit", "-1"), slice(0, None)),
        (("--limit", "8"), slice(0, 8)),
        (("--limit", "0.101"), slice(0, 11)),
        (("--limit", "8", "--offset", "3"), slice(3, 11)),
    ],
)
def test_rows_of_a_limited_run(flags, rows):
    assert read_command(["--tasks", "rise_moods", *flags]).rows(100) == rows


def test_failures_in_a_response_cache_are_forgotten_and_answers_are_not(tmp_path):
    """lmms-eval stores a failure like a response and would serve it for ever."""
    shards = [tmp_path / "cache.db", tmp_path / "runs" / "1" / "rank_0.db"]
    for path in shards:
        path.parent.mkdir(parents=True, exist_ok=True)
        with sqlite3.connect(path) as database:
            database.execute("CREATE TABLE responses (cache_key TEXT PRIMARY KEY, response TEXT)")
            rows = [
                ("1", '"fine"'),
                ("2", '"[LMMS_EVAL_REQUEST_FAILED after 5 retries] x"'),
                ("3", '"[LMMS_EVAL_BUDGET_EXCEEDED]"'),
            ]
            database.executemany("INSERT INTO responses VALUES (?, ?)", rows)
        database.close()
    sqlite3.connect(tmp_path / "runs" / "1" / "empty.db").close()
    assert forget_failures(tmp_path) == 4
    assert forget_failures(tmp_path / "cache.db") == 0
    for path in shards:
        with sqlite3.connect(path) as database:
            assert database.execute("SELECT response FROM responses").fetchall() == [('"fine"',)]
        database.close()


def test_a_cache_that_does_not_exist_yet_is_fine(tmp_path):
    assert forget_failures(tmp_path / "none") == 0
