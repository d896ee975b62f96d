"""SmolVLM (Idefics3) and InternVL from pre-flight to collecting, with released chat templates and sizes.

The chat templates in `rise_bench/catalog/families.py` are those of HuggingFaceTB/SmolVLM-256M-Instruct and
-500M-Instruct (as in tests/models/idefics3/test_processing_idefics3.py of transformers) and of
OpenGVLab/InternVL3-1B-hf (as in transformers' convert_internvl_weights_to_hf.py). All are Apache-2.0.
"""

import pytest
import torch
from transformers import AutoModelForImageTextToText
from transformers.models.got_ocr2.image_processing_got_ocr2 import GotOcr2ImageProcessor
from transformers.models.idefics3.image_processing_idefics3 import Idefics3ImageProcessor
from typer.testing import CliRunner

from rise_bench.annotations.kinds import render_gold
from rise_bench.catalog.families import FAMILIES
from rise_bench.cli import app
from rise_bench.data.dataset import open_dataset
from rise_bench.errors import ConfigError
from rise_bench.models.adapters import is_adapter
from rise_bench.models.families import limit_pictures
from rise_bench.prompts.templates import answer_only_prompt, answer_only_text
from rise_bench.reports.run_report import read_metrics
from rise_bench.trainers import rise_cot, sft
from rise_bench.trainers.checks import preflight
from rise_bench.trainers.phases.trl_arguments import load_processor
from rise_bench.trainers.runs.next_steps import evaluation
from rise_bench.trainers.runs.run_folder import RunFolder
from rise_bench.trainers.settings.setting_checks import check_vllm

pytestmark = pytest.mark.usefixtures("own_cache")

#: Text of a prompt with a picture, as the released template gives it.
CHATS = {
    "idefics3": "<|im_start|>User:<image>What?<end_of_utterance>\nAssistant:",
    "internvl": "<|im_start|>user\n<IMG_CONTEXT>\nWhat?<|im_end|>\n<|im_start|>assistant\n",
}
ENDS = {"idefics3": "<end_of_utterance>\n", "internvl": "<|im_end|>\n"}
#: Image processor and tokens of a tile of the released checkpoints.
RELEASED = {
    "idefics3": (
        lambda: Idefics3ImageProcessor(size={"longest_edge": 2048}, max_image_size={"longest_edge": 512}),
        {"image_seq_len": 64},
    ),
    "internvl": (
        lambda: GotOcr2ImageProcessor(
            size={"height": 448, "width": 448}, crop_to_patches=True, max_patches=12
        ),
        {"image_seq_length": 256},
    ),
}


@pytest.fixture(params=CHATS)
def family(request):
    return request.param


def test_a_prompt_is_that_of_the_released_template(make_config, family):
    processor = load_processor(make_config(family=family).model)
    content = [{"type": "image"}, {"type": "text", "text": "What?"}]
    turns = [{"role": "user", "content": content}]
    assert processor.apply_chat_template(turns, add_generation_prompt=True) == CHATS[family]


@pytest.mark.parametrize(
    ("max_pixels", "size", "tokens"),
    [
        (401_408, (900, 450), {"idefics3": 64, "internvl": 3 * 256}),
        (401_408, (900, 900), {"idefics3": 64, "internvl": 256}),
        (1_048_576, (900, 900), {"idefics3": 5 * 64, "internvl": 5 * 256}),
    ],
)
def test_a_picture_has_whole_tiles_within_the_limit(make_config, family, max_pixels, size, tokens):
    """The tokens of an image at the released sizes, as docs/small_machines.md says them."""
    images, settings = RELEASED[family]
    tiny = load_processor(make_config(family=family).model)
    parts = {"video_processor": tiny.video_processor} if family == "internvl" else {}
    processor = type(tiny)(images(), tiny.tokenizer, **parts, **settings)
    limit_pictures(processor, 3136, max_pixels)
    shown = torch.randint(0, 255, (3, size[1], size[0]), dtype=torch.uint8)
    chat = FAMILIES[family].chat.image
    asked = processor(text=[chat], images=[[shown]], return_tensors="pt")
    assert int((asked["input_ids"] == processor.image_token_id).sum()) == tokens[family]


def test_sft_learns_the_answer_and_the_token_that_ends_it(make_config, toy, tiny, family):
    """SmolVLM's template drops an answer that is not a list of parts."""
    config = make_config("sft.steps=1", "sft.rows_per_device=8", stage="sft", family=family)
    run = RunFolder.create(config)
    sft.train(config, run)
    (row,) = [row for row in read_metrics(run.path) if "loss" in row]
    processor = load_processor(config.model)
    model = AutoModelForImageTextToText.from_pretrained(tiny(family), dtype=torch.float32).eval()
    total, count = 0.0, 0
    for gold, image in zip(toy.golds, toy.images, strict=True):
        content = [{"type": "image"}, {"type": "text", "text": answer_only_prompt(toy.spec, gold)}]
        answer = [{"type": "text", "text": answer_only_text(render_gold(gold))}]
        turns = [{"role": "user", "content": content}, {"role": "assistant", "content": answer}]
        prompt = processor.apply_chat_template(turns[:1], add_generation_prompt=True)
        whole = processor.apply_chat_template(turns)
        target = whole.removeprefix(prompt)
        assert target.endswith(ENDS[family]) and answer[0]["text"] in target
        ids = processor(text=[prompt], images=[[image]], return_tensors="pt")
        own = torch.tensor([processor.tokenizer(target, add_special_tokens=False)["input_ids"]])
        asked = {**ids, "input_ids": torch.cat([ids["input_ids"], own], 1)}
        asked["attention_mask"] = torch.ones_like(asked["input_ids"])
        with torch.no_grad():
            logits = model(**asked).logits[0]
        logps = logits[:-1].log_softmax(-1).gather(-1, asked["input_ids"][0, 1:, None])[:, 0]
        total -= logps[-own.shape[1] :].sum().item()
        count += own.shape[1]
    assert row["loss"] == pytest.approx(total / count, rel=1e-3)


@pytest.mark.parametrize("rank", [0, 4])
def test_from_preflight_to_a_cot_dataset(make_config, built, graded, capsys, family, rank):
    config = make_config(
        *(f"model.lora.rank={rank}", f"model.lora.adapter_only={str(rank > 0).lower()}", "grpo.steps=1"),
        *("data.tau=0.9", "data.max_prompt_length=2048", "grpo.beta=0.1"),
        family=family,
    )
    seen = preflight.inspect(config)
    assert not seen.findings and seen.needs["phases"]["grpo"]["memory_bytes"] > 0
    run = RunFolder.create(config)
    final = rise_cot.train(config, run)
    assert is_adapter(final) == (rank > 0)
    said = capsys.readouterr().err
    assert "grpo.prefix_tree: " not in said  # rows were packed
    result = CliRunner().invoke(app, ["collect", str(run.path), "--no-sweep", "--judge-swaps", "2"])
    assert result.exit_code == 0, result.output
    command = evaluation(config, open_dataset(built), final)
    assert "--model rise_hf " in command and f",max_pixels={config.model.max_pixels}" in command


def test_vllm_is_refused_before_the_run(make_config, family, monkeypatch):
    monkeypatch.setattr(
        "rise_bench.trainers.settings.setting_checks.require_extra",
        lambda name: None,  # vllm is not installed here
    )
    config = make_config("grpo.vllm=colocate", family=family)
    with pytest.raises(ConfigError, match=rf"prompts of {FAMILIES[family].label}.*Set grpo\.vllm=none"):
        check_vllm(config, "grpo", 1)


def test_a_prompt_that_is_too_long_asks_for_one_tile(make_config, toy, family):
    from rise_bench.annotations.base import Gold
    from rise_bench.trainers.checks.prompt_length import check_prompts

    config = make_config("data.max_prompt_length=24", family=family)
    processor = load_processor(config.model)
    rows = [(Gold("big", toy.golds[0].annotation, 1200, 900), "Where?")]
    longest = check_prompts(make_config(family=family), processor, rows)
    with pytest.raises(ConfigError, match=rf"big \(1200 x 900 px\) has {longest} tokens") as caught:
        check_prompts(config, processor, rows)
    assert "Lower model.max_pixels to 3136" in str(caught.value)
