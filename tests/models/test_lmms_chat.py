"""The model `rise_hf`, called as lmms-eval calls it; tests/e2e runs it by lmms-eval itself."""

import inspect
import re
from types import SimpleNamespace

import pytest
from lmms_eval.api.instance import Instance
from PIL import Image

from rise_bench.errors import ConfigError
from rise_bench.models.lmms_chat import PicturesOnly, RiseHf

SETTINGS = {"max_new_tokens": 8, "temperature": 0, "until": []}


def say(model: RiseHf, documents: list[list[dict]]) -> list[str]:
    """Responses to documents, each the content of a message."""
    model.task_dict = {"task": {"test": documents}}
    requests = [
        Instance(
            request_type="generate_until",
            arguments=("", _messages, dict(SETTINGS), index, "task", "test"),
            idx=0,
            metadata={"task": "task", "doc_id": index, "repeats": 1},
        )
        for index in range(len(documents))
    ]
    return [result.text for result in model.generate_until(requests)]


def _messages(document: list[dict]) -> list[dict]:
    return [{"role": "user", "content": document}]


@pytest.mark.parametrize("family", ["idefics3", "internvl"])
def test_samples_of_a_batch_have_the_responses_of_single_samples(tiny, family):
    """Texts of different lengths, with two, one and no pictures."""
    pictures = [
        {"type": "image", "url": Image.effect_noise((90, 60), 80 + i).convert("RGB")} for i in range(3)
    ]
    documents = [
        [*pictures[:2], {"type": "text", "text": "Which one is darker, and why?"}],
        [pictures[2], {"type": "text", "text": "What?"}],
        [{"type": "text", "text": "Say joy."}],
    ]
    one, three = (
        say(RiseHf(str(tiny(family)), device="cpu", batch_size=size, dtype="float32"), documents)
        for size in (1, 3)
    )
    assert one == three and len(set(one)) > 1


@pytest.mark.parametrize(
    ("family", "settings", "message"),
    [
        ("qwen2_vl", {}, "is of the family Qwen2-VL; use --model qwen2_vl"),
        ("idefics3", {"max_pixels": "many"}, "max_pixels=many; use a whole number of pixels"),
        ("internvl", {"max_pixels": 0}, "max_pixels=0; use a whole number of pixels"),
        ("qwen3_vl", {"min_pixels": 0.5}, "min_pixels=0.5; use a whole number of pixels"),
        ("qwen3_vl", {"min_pixels": 3136}, "give max_pixels too"),
    ],
)
def test_what_it_does_not_run_is_refused(tiny, family, settings, message):
    with pytest.raises(ConfigError, match=message):
        RiseHf(str(tiny(family)), device="cpu", **settings)


def test_the_page_lists_its_arguments(root):
    page = (root / "docs" / "small_machines.md").read_text(encoding="utf-8")
    (listed,) = re.findall(r"Its arguments are (.*?)\. ", page, re.DOTALL)
    known = [name for name in inspect.signature(RiseHf).parameters if name != "self"]
    assert re.findall(r"`(\w+)`", listed.replace(" (`bfloat16`)", "")) == known


@pytest.mark.parametrize("others", [{"videos": ["a.mp4"], "audios": []}, {"videos": [], "audios": ["a.wav"]}])
def test_videos_and_audios_are_refused(others):
    processor = PicturesOnly(SimpleNamespace(tokenizer="tokens"))
    assert processor.tokenizer == "tokens"
    with pytest.raises(ConfigError, match="takes pictures only"):
        processor(images=[], text=["What?"], **others)
