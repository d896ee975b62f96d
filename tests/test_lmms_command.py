import sqlite3
from pathlib import Path

import pytest

from rise_bench.base_model import base_model_folder
from rise_bench.errors import ConfigError, PrerequisiteError
from rise_bench.evaluation import forget_failures
from rise_bench.lmms_command import GROUPS, TASKS, read_command, run_command


def test_flags_pass_through_untouched_and_what_is_missing_is_added():
    given = (
        "--tasks",
        "rise_lisa",
        "--model",
        "qwen2_vl",
        "--batch_size",
        "4",
        "--gen_kwargs",
        "temperature=0",
    )
    command = read_command(given)
    assert command.arguments == (*given, "--log_samples", "--output_path", "results")
    assert (command.tasks, command.model, command.output) == (("rise_lisa",), "qwen2_vl", Path("results"))


def test_nothing_is_added_where_nothing_is_missing():
    given = ("--tasks=rise_lisa", "--log_samples", "--output_path=out", "-c", "cache")
    command = read_command(given)
    assert command.arguments == given
    assert (command.output, command.cache) == (Path("out"), Path("cache"))


@pytest.mark.parametrize(
    ("given", "passed"),
    [
        ("pretrained=rise-bench-base,device=cpu", f"pretrained={base_model_folder()},device=cpu"),
        (
            "--model_args=device=cpu,pretrained=rise-bench-base",
            f"--model_args=device=cpu,pretrained={base_model_folder()}",
        ),
        ("pretrained=Qwen/Qwen2-VL-2B-Instruct", "pretrained=Qwen/Qwen2-VL-2B-Instruct"),
        ("notpretrained=rise-bench-base", "notpretrained=rise-bench-base"),
    ],
)
def test_the_base_model_that_ships_is_known_by_its_name(given, passed):
    assert read_command(["--tasks", "rise_lisa", given]).arguments[2] == passed


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
    assert read_command(["--tasks", names]).tasks == tasks


def test_the_tables_of_tasks_are_the_yaml_files(root):
    files = {path.stem for folder in (root / "tasks").glob("*s*") for path in folder.glob("rise_*.yaml")}
    assert files == set(TASKS)
    assert {path.stem for path in (root / "tasks" / "groups").glob("*.yaml")} == set(GROUPS)


def test_a_config_file_fills_in_and_the_command_line_wins(tmp_path):
    config = tmp_path / "run.yaml"
    config.write_text("tasks: rise_moods\nmodel: openai\nlimit: 4\nlog_samples: true\nbatch_size: 2\n")
    command = read_command(["--config", str(config), "--model", "qwen2_vl"])
    assert (command.tasks, command.model, command.limit) == (("rise_moods",), "qwen2_vl", 4)
    assert command.arguments == ("--config", str(config), "--model", "qwen2_vl", "--output_path", "results")
    config.write_text("- tasks: rise_moods\n- tasks: rise_lisa\n")
    with pytest.raises(ConfigError, match="one run a file"):
        read_command(["--config", str(config)])


@pytest.mark.parametrize(
    ("flags", "message"),
    [([], "--tasks rise_emotion6"), (["--tasks", "rise", "--limit", "few"], "few"), (["--tasks"], "tasks")],
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


LMMS = """
import sys
text, code = sys.argv[-2], int(sys.argv[-1])
sys.stderr.write("Model Responding:  50%\\rModel Responding: 100%\\n")
print(text)
sys.exit(code)
"""

TRACEBACK = (
    "Traceback (most recent call last):\n  File x\nrise_bench.errors.DataError: no dataset 'emotion6'\n"
    "The above exception was the direct cause\nImportError: Failed to import function 'files'\n"
    "\x1b[31m2026 | ERROR | Error during evaluation: Failed\x1b[0m. Please set `--verbosity=DEBUG`"
)


@pytest.fixture
def lmms(tmp_path, monkeypatch):
    """Runs a stand-in for lmms-eval that prints a text and ends with a code."""
    (tmp_path / "lmms_eval.py").write_text(LMMS)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))

    def run(text: str, code: int) -> str:
        command = read_command(
            ["--tasks", "rise_moods", "--log_samples", "--output_path", "x", text, str(code)]
        )
        return run_command(command, processes=1, environment={"SOMETHING": "1"})

    return run


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("all is well", ""),
        ("x | Error during evaluation: boom. Please set `--verbosity=DEBUG`", "boom"),
        ("RuntimeError: CUDA out of memory", "RuntimeError: CUDA out of memory"),
        ("ValueError: boom\n\ntenacity.RetryError: RetryError[<Future>]", "ValueError: boom"),
        ("tenacity.RetryError: RetryError[<Future>]", "tenacity.RetryError: RetryError[<Future>]"),
        (
            "RuntimeError: Found no NVIDIA driver on your system",
            "RuntimeError: Found no NVIDIA driver on your system. "
            "Without a GPU add device=cpu,device_map=cpu to --model_args",
        ),
        (TRACEBACK, "rise_bench.errors.DataError: no dataset 'emotion6'"),
    ],
)
def test_the_reason_is_found_in_the_output(lmms, capfd, text, reason):
    assert lmms(text, 0) == reason
    out, err = capfd.readouterr()
    assert out == ""  # standard output is for our result alone
    assert "Model Responding: 100%" in err


def test_an_exit_code_is_an_error_with_the_reason(lmms):
    with pytest.raises(PrerequisiteError, match="exit code 3: ValueError: no"):
        lmms("ValueError: no", 3)


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
