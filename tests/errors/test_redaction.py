"""No secret of the process and no control of the terminal in what is shown or stored."""

import base64
import json
import logging
import subprocess
import sys

import pytest

from rise_bench.cli import _safe_record
from rise_bench.errors import ConfigError, of_os_error
from rise_bench.errors.redaction import printable, redact, redacted, remember_secret, safe_text

SECRET = "v3ry/secret+value"


@pytest.fixture(autouse=True)
def _no_other_secrets(monkeypatch, tmp_path):
    monkeypatch.setattr("os.environ", {"HF_HOME": str(tmp_path)})


@pytest.mark.parametrize("name", ["HF_TOKEN", "OPENAI_API_KEY", "AWS_SECRET", "DB_PASSWORD", "my_key", "KEY"])
@pytest.mark.parametrize(
    "form",
    [
        SECRET,
        json.dumps({"k": SECRET}),
        repr(SECRET),
        "v3ry%2Fsecret%2Bvalue",
        base64.b64encode(SECRET.encode()).decode(),
        f"x{SECRET}x",
    ],
)
def test_what_the_environment_names_a_secret_is_redacted_in_every_form(monkeypatch, name, form):
    monkeypatch.setenv(name, SECRET)
    shown = redact(f"the server said {form}.")
    assert SECRET not in shown and form not in shown and "***" in shown


def test_a_secret_of_several_lines_is_redacted_line_by_line(monkeypatch):
    monkeypatch.setenv("A_KEY", "first-line\nsecond-line\r\n")
    assert redact("first-line, then second-line") == "***, then ***"


def test_tokens_of_the_hub_and_remembered_secrets_are_known(tmp_path):
    (tmp_path / "token").write_text("a-login-token\n")
    (tmp_path / "stored_tokens").write_text("[mine]\nhf_token = another-token\n")
    remember_secret("given-by-option")
    assert redact("a-login-token another-token given-by-option") == "*** *** ***"


@pytest.mark.parametrize(
    ("text", "secret"),
    [
        ("https://me:hunter2@host/v1", "hunter2"),
        ("https://me:hun@ter2@host/v1", "ter2"),
        ("http://tok3n@[::1]:80/", "tok3n"),
        ("Authorization: Bearer abc.def", "abc.def"),
        ("authorization: basic bWU6aHVudGVyMg==", "bWU6"),
        ("{'Authorization': 'Bearer abc.def'}", "abc.def"),
        (r"{\"authorization\": \"Bearer abc.def\"}", "abc.def"),
        ("got 'bearer abc.def'", "abc.def"),
        ("model=m,api_key=abc,base_url=x", "abc"),
        ('{"api_key": "abc"}', "abc"),
        ("X-Api-Key: abc", "abc"),
        ("?access_token=abc&n=1", "abc"),
        ("password: hunter2", "hunter2"),
        ("no hf_AbcdefghijklmnopqrstUV here", "hf_Abc"),
        ("Incorrect API key provided: sk-proj-abcdefghijklmnop", "abcdefgh"),
    ],
)
def test_what_looks_like_a_secret_is_redacted_though_nobody_named_it(text, secret):
    shown = redact(text)
    assert secret not in shown and "***" in shown


@pytest.mark.parametrize(
    "text",
    [
        "unexpected token: }",
        "the key 'classes' is missing; max_new_tokens=32",
        "https://host:8000/v1/chat",
        "mail me@example.org",
        "set --api-key-env, e.g. --api-key-env TEACHER_KEY",
        "pad_token=<pad>",
    ],
)
def test_ordinary_text_stays(text, monkeypatch):
    monkeypatch.setenv("VLLM_API_KEY", "EMPTY")
    monkeypatch.setenv("A_KEY", "max")
    monkeypatch.setenv("B_KEY", "toke")
    assert redact(text) == text


def test_values_are_redacted_at_any_depth_and_keep_their_types(monkeypatch):
    monkeypatch.setenv("A_TOKEN", SECRET)
    before = {"a": [1, None, True, {SECRET: (SECRET, 0.5)}]}
    assert redacted(before) == {"a": [1, None, True, {"***": ["***", 0.5]}]}


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("\x1b]0;owned\x07", r"\x1b]0;owned\x07"),
        ("\x9b31m", r"\x9b31m"),
        ("a\rb\r\nc\td\n", "a\\rb\nc\td\n"),
        ("exe\u202egpj", r"exe\u202egpj"),
        ("\ud83d", r"\ud83d"),
        ("caf\udce9", r"caf\udce9"),
        ("line\u2028break", r"line\u2028break"),
        ("\u0915\u094d\u200d\u0937 é 漢字 🙂", "\u0915\u094d\u200d\u0937 é 漢字 🙂"),
    ],
)
def test_what_acts_on_a_terminal_is_written_out(text, shown):
    assert printable(text) == shown
    safe_text(text).encode()


def test_errors_and_logs_are_safe_whoever_made_the_text(monkeypatch):
    monkeypatch.setenv("A_TOKEN", SECRET)
    assert str(ConfigError(f"no {SECRET}\x1b[2J")) == "no ***\\x1b[2J"
    assert str(of_os_error(PermissionError(13, "Permission denied", f"/x/{SECRET}"))).startswith(
        "/x/***: Perm"
    )
    try:
        raise ValueError(SECRET)
    except ValueError:
        record = _safe_record("x", logging.ERROR, "f.py", 1, "%s failed", (SECRET,), sys.exc_info())
    shown = logging.Formatter().format(record)
    assert shown.startswith("*** failed\nTraceback") and SECRET not in shown


@pytest.mark.parametrize(
    ("body", "shown"),
    [
        (
            "raise OSError(28, 'No space left on device', 'out/x')",
            "out/x: No space left on device. Free",
        ),
        ("raise ValueError('the key is v3ry/secret+value')", "ValueError: the key is ***"),
    ],
)
def test_what_ends_the_command_is_shown_without_secrets(body, shown):
    code = (
        "import sys\nfrom rise_bench import cli\n@cli.app.command()\n"
        f"def boom() -> None:\n    {body}\nsys.argv = ['rise-bench', 'boom']\ncli.main()"
    )
    run = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False, env={"A_KEY": SECRET}
    )
    assert run.returncode == 1 and shown in run.stderr.replace("\n", " ") and SECRET not in run.stderr
