"""What lmms-eval's models are called and need, found out before lmms-eval starts."""

import importlib.util
import subprocess
import sys

import pytest

from rise_bench.errors import ConfigError, PrerequisiteError
from rise_bench.evaluation.lmms_eval import evaluate
from rise_bench.evaluation.lmms_models import check_failures, check_model, check_whole_response


@pytest.fixture
def without(monkeypatch):
    """Makes Python modules look as if they were not installed."""

    def hide(*modules):
        real = importlib.util.find_spec

        def find_spec(name, package=None):
            return None if name in modules else real(name, package)

        monkeypatch.setattr(importlib.util, "find_spec", find_spec)

    return hide


@pytest.mark.parametrize(
    ("name", "near"),
    [
        ("qwen2vl", "qwen2_vl"),
        ("qwen2_vl ", "qwen2_vl"),
        ("Qwen2_VL", "qwen2_vl"),
        ("qwen25_vl", "qwen2_5_vl"),
        ("qwen2.5_vl", "qwen2_5_vl"),
        ("openai_compatable", "openai_compatible"),
        ("vlm", "vllm"),
        ("hf", "qwen2_vl"),
    ],
)
def test_an_unknown_model_is_refused_with_the_nearest_names(name, near):
    with pytest.raises(ConfigError, match=rf"no --model {name!r}; .*\b{near}\b"):
        check_model(name)


@pytest.mark.parametrize(
    "name", ["qwen2_vl", "qwen2_5_vl", "qwen3_vl", "openai", "openai_compatible", "rise_hf"]
)
def test_models_whose_packages_are_there_pass(name):
    check_model(name, "pretrained=x")


@pytest.mark.parametrize("name", ["gpt4v", "claude", "qwen_vl_api", "srt_api", "reka", "gpt4o_audio"])
def test_clients_that_hide_failed_requests_are_refused(name):
    with pytest.raises(ConfigError, match=f"--model {name} .*--model openai or litellm"):
        check_failures(name)


@pytest.mark.parametrize(
    "name",
    ["openai", "litellm", "async_openai", "gemini", "qwen2_vl", "qwen2_5_vl", "qwen3_vl", "vllm", "rise_hf"],
)
def test_models_that_mark_failed_requests_or_ask_no_service_pass(name):
    check_failures(name)


@pytest.mark.parametrize(
    ("name", "module", "command"),
    [
        ("vllm", "vllm", 'pip install "rise-bench[vllm]"'),
        ("vllm_generate", "vllm", 'pip install "rise-bench[vllm]"'),  # builds on the model above
        ("whisper_vllm", "vllm", 'pip install "rise-bench[vllm]"'),
        ("sglang", "sglang", "pip install sglang"),
        ("openai", "openai", "pip install "),
        ("openai_compatible", "openai", "pip install "),  # an alias
        ("async_openai", "openai", "pip install "),
        ("gpt4v", "openai", "pip install "),
        ("litellm", "litellm", "pip install litellm"),  # imported when it is used first
        ("claude", "anthropic", "pip install anthropic"),  # imported in a try
        ("qwen2_vl", "decord", 'pip install "rise-bench[eval]"'),
        ("qwen2_vl", "qwen_vl_utils", "install"),  # else "'NoneType' object is not callable"
        ("reka", "reka", "as the model's authors say"),  # a stranger may own that name on the index
    ],
)
def test_a_missing_package_is_named_with_what_installs_it(without, name, module, command):
    without(module)
    with pytest.raises(PrerequisiteError, match=rf"--model {name} needs {module}; ") as caught:
        check_model(name)
    assert command in str(caught.value)


def test_no_model_is_refused_with_an_example():
    with pytest.raises(ConfigError, match="--model qwen2_vl"):
        check_model("")


@pytest.mark.parametrize("module", ["peft"])
def test_packages_for_other_ends_are_not_asked_for(without, module):
    without(module)
    check_model("qwen2_vl")
    check_model("openai")


@pytest.mark.parametrize(
    "model_args", ["pretrained=x,attn_implementation=flash_attention_2", "use_flash_attention_2=True"]
)
def test_a_missing_attention_kernel_is_named(without, model_args):
    without("flash_attn")
    with pytest.raises(PrerequisiteError, match=r"flash_attn; pip install \"rise-bench\[flash-attn\]\""):
        check_model("qwen2_vl", model_args)


@pytest.mark.parametrize(
    ("model", "model_args"),
    [
        ("qwen3_vl", "pretrained=x,enable_thinking=True"),
        ("qwen3_vl", "enable_thinking=None"),  # lmms-eval reads it as a text, which is true
        ("qwen3_5", "pretrained=x"),  # its default
    ],
)
def test_a_model_that_cuts_the_reason_is_refused_with_the_setting_that_keeps_it(model, model_args):
    with pytest.raises(ConfigError, match=r"cuts the reason .*,enable_thinking=False$"):
        check_whole_response(model, model_args)
    check_whole_response(model, "pretrained=x,enable_thinking=False")


@pytest.mark.parametrize("model", ["qwen3_vl", "qwen2_vl", "openai", "rise_bench_unknown"])
def test_a_model_that_keeps_the_reason_passes(model):
    check_whole_response(model, "pretrained=x")


def test_eval_refuses_a_model_that_cuts_the_reason_before_it_starts():
    given = [
        "--tasks",
        "rise_moods",
        "--model",
        "qwen3_vl",
        "--model_args",
        "pretrained=x,enable_thinking=True",
    ]
    with pytest.raises(ConfigError, match="cuts the reason"):
        evaluate(given)


def test_nothing_heavy_is_imported():
    code = (
        "import sys; from rise_bench.evaluation.lmms_models import check_model, pixel_limits\n"
        "check_model('qwen2_vl'); pixel_limits('qwen3_vl')\n"
        "assert not {'torch', 'transformers', 'datasets'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
