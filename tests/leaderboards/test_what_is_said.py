"""What a submission says of its model and its command."""

from pathlib import Path

import pytest

from rise_bench.errors import ConfigError, DataError
from rise_bench.leaderboards.pack import RunFiles, Statement, command_of, pack

COMMIT = "b" * 40
SAID = Statement(f"anna/tiny@{COMMIT}", "0-shot", "Anna")


def run_of(folder: Path, model_args: str) -> RunFiles:
    content = {
        "config": {"resolved_cli_args": {"model": "qwen2_vl", "model_args": model_args}},
        "results": {},
    }
    return RunFiles("rise_moods", "moods", content, folder / "x_samples_rise_moods.jsonl")


@pytest.mark.parametrize(
    ("given", "shown"),
    [
        ("pretrained=/home/anna/m,device=cpu", "pretrained=anna/tiny,device=cpu"),
        ("pretrained=runs/rise_r1/grpo/final", "pretrained=anna/tiny"),
        ("pretrained=~/m,peft=/home/anna/adapters/a", "pretrained=anna/tiny,peft=a"),
        ("model_path=./m,chat_template=../anna/chat.jinja", "model_path=anna/tiny,chat_template=chat.jinja"),
        (
            "model=tiny,base_url=http://anna:word@host:8000/v1/",
            "model=tiny,base_url=http://***@host:8000/v1/",
        ),
        ("pretrained=anna/tiny,max_pixels=12544", "pretrained=anna/tiny,max_pixels=12544"),
    ],
)
def test_the_command_names_no_folder_and_no_password(tmp_path: Path, given: str, shown: str) -> None:
    assert command_of(run_of(tmp_path, given), SAID) == f"lmms-eval --model qwen2_vl --model_args {shown}"


@pytest.mark.parametrize(
    ("given", "problem"),
    [
        ("pretrained=bob/large", "the run is of bob/large.*give --model bob/large@COMMIT"),
        (f"pretrained=anna/tiny,revision={'c' * 40}", f"the run is of commit {'c' * 40}"),
    ],
)
def test_a_run_of_another_model_is_not_sent(tmp_path: Path, boards, given: str, problem: str) -> None:
    with pytest.raises(ConfigError, match=problem):
        pack(run_of(tmp_path, given), boards["emotion6"], SAID)


@pytest.mark.parametrize(
    "given",
    [
        "pretrained=Anna/Tiny",
        f"pretrained=anna/tiny,revision={COMMIT}",
        "pretrained=/home/anna/m",
        "model=bob/large,base_url=http://host/v1",
        "pretrained=bob/large,peft=anna/tiny",
    ],
)
def test_a_run_that_may_be_of_the_model_is_read(tmp_path: Path, boards, given: str) -> None:
    with pytest.raises(DataError, match=r"x_samples_rise_moods\.jsonl"):
        pack(run_of(tmp_path, given), boards["emotion6"], SAID)
