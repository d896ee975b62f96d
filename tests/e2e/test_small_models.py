"""SmolVLM, InternVL3 and an adapter through the real lmms-eval: its responses are those of transformers."""

import json
import shlex
from pathlib import Path

import pytest
import torch

from rise_bench.evaluation.responses import read_responses
from rise_bench.files.images import decode_rgb
from rise_bench.models.families import limit_pictures
from rise_bench.models.local import load_checkpoint
from rise_bench.models.tiny import make_tiny_model
from rise_bench.prompts.templates import think_answer_prompt
from rise_bench.trainers.runs.next_steps import evaluation
from rise_bench.trainers.settings.config import ComputeConfig, DataConfig, ModelConfig, TrainConfig

from ..support.tiny_models import write_adapter
from .conftest import Drawn, Run

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("own_cache")]

NEW_TOKENS = 12
SAMPLES = 3
TILE_PX = 56


def evaluated(run: Run, drawn: Drawn, model: Path, max_pixels: int) -> tuple[dict[str, str], str]:
    """Responses by id and standard error of the command that a training run of the model prints."""
    config = TrainConfig(
        stage="rise_r1",
        model=ModelConfig(str(model), max_pixels=max_pixels),
        data=DataConfig(str(drawn.scenes.root)),
        compute=ComputeConfig(use_cpu=True),
    )
    words = shlex.split(evaluation(config, drawn.scenes, model))
    start = words.index("rise-bench")
    done = run(
        *("rise_bench", *words[start + 1 :], "--gen_kwargs", f"max_new_tokens={NEW_TOKENS}", "--json"),
        *("--limit", str(SAMPLES), "--output_path", model.parent / "results"),
        **dict(word.split("=", 1) for word in words[:start]),
    )
    assert done.returncode == 0, done.stdout + done.stderr
    (scored,) = json.loads(done.stdout).values()
    assert (scored["samples"], scored["metadata"]["box_unit"]) == (SAMPLES, "norm1000")
    texts = read_responses(Path(scored["samples_file"])).texts
    return {sample: text.strip() for sample, text in texts.items()}, done.stderr


def expected(drawn: Drawn, model: Path, max_pixels: int) -> dict[str, str]:
    """Greedy responses by id, of transformers alone; prompts and picture sizes as in training."""
    processor, loaded, _ = load_checkpoint(str(model), dtype=torch.bfloat16)
    limit_pictures(processor, 3136, max_pixels)
    golds = {gold.id: gold for gold in drawn.scenes.golds("test")}
    texts = {}
    for row in list(drawn.scenes.rows("test", columns=["id", "image"]))[:SAMPLES]:
        prompt = think_answer_prompt(drawn.scenes.spec, golds[row["id"]])
        content = [{"type": "image"}, {"type": "text", "text": prompt}]
        chat = processor.apply_chat_template(
            [{"role": "user", "content": content}], add_generation_prompt=True
        )
        inputs = processor(text=[chat], images=[decode_rgb(row["image"]["bytes"])], return_tensors="pt")
        output = loaded.generate(**inputs, max_new_tokens=NEW_TOKENS, do_sample=False)
        new = output[:, inputs["input_ids"].shape[1] :]
        (text,) = processor.batch_decode(new, skip_special_tokens=True)
        texts[row["id"]] = text.strip()
    return texts


@pytest.mark.parametrize("family", ["idefics3", "internvl"])
def test_a_family_of_tiles_is_shown_the_tiles_of_its_training(
    run: Run, drawn: Drawn, tmp_path: Path, family: str
) -> None:
    model = make_tiny_model(tmp_path / "tiny", family)
    one, four = (expected(drawn, model, n * TILE_PX**2) for n in (1, 4))  # the checkpoint's own is 4
    assert one != four and any(one.values())
    assert evaluated(run, drawn, model, TILE_PX**2)[0] == one


def adapter_of(family: str, folder: Path) -> Path:
    """A random adapter without processor, beside its base model `base`."""
    torch.manual_seed(0)
    write_adapter(folder / "adapter", make_tiny_model(folder / "base", family))
    return folder / "adapter"


def test_an_adapter_is_evaluated_merged_with_its_base_model(run: Run, drawn: Drawn, tmp_path: Path) -> None:
    adapter = adapter_of("idefics3", tmp_path)
    alone, merged = (expected(drawn, model, TILE_PX**2) for model in (tmp_path / "base", adapter))
    responses, said = evaluated(run, drawn, adapter, TILE_PX**2)
    assert responses == merged != alone
    assert f"{adapter} is an adapter; merged with its base model it is" in said


def test_an_adapter_without_processor_has_the_limits_of_its_base_model(
    run: Run, drawn: Drawn, tmp_path: Path
) -> None:
    """lmms-eval's own qwen2_vl would take its own; it shows pictures as JPEG, so that responses differ."""
    responses, said = evaluated(run, drawn, adapter_of("qwen2_vl", tmp_path), 50_176)
    assert "min_pixels=3136, as processor_config.json of" in said
    assert len(responses) == SAMPLES
