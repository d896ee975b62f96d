"""rise.yaml: read back as it was written, every line explained, mistakes named."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from transformers import Qwen2VLConfig, Qwen2VLForConditionalGeneration

from rise_bench.curation.own.machine import Machine, fitted, smallest
from rise_bench.curation.own.plan import Plan
from rise_bench.curation.own.recipe import (
    CollectSection,
    DataSection,
    EndpointSection,
    EvalSection,
    Recipe,
    read_recipe,
)
from rise_bench.curation.own.recipe_text import recipe_text
from rise_bench.errors import ConfigError

OWN = Recipe("pets", DataSection("../photos", classes=("cat", "dog: small")))
ASKED = replace(OWN, endpoint=EndpointSection(("http://localhost:8000/v1",), "teacher"))
TRAINED = smallest(
    replace(
        OWN,
        model={"name": "Qwen/Qwen2-VL-2B-Instruct", "attn_implementation": "sdpa"},
        rise_cot={},
        rise_r1={},
        eval=EvalSection(),
    ),
    Machine(1, 80 * 2**30),
    100,
)


ADAPTED = replace(
    TRAINED,
    model={**TRAINED.model, "lora": {"rank": 16}},
    rise_r1={**TRAINED.rise_r1, "sft": {**TRAINED.rise_r1["sft"], "learning_rate": 2e-4}},
)


@pytest.mark.parametrize("recipe", [ASKED, TRAINED, ADAPTED], ids=["endpoint", "gpu", "adapter"])
def test_what_init_writes_is_read_back_and_every_line_is_explained(recipe, tmp_path):
    path = tmp_path / "rise.yaml"
    path.write_text(recipe_text(recipe, ["A recipe"]))
    assert read_recipe(path) == recipe and Plan.read(tmp_path) == Plan(path, recipe)
    assert [line for line in path.read_text().splitlines() if line and "# " not in line] == []


@pytest.mark.parametrize(("gibibytes", "rank"), [(80, 0), (24, 16), (2, None)])
def test_where_all_weights_do_not_fit_an_adapter_is_trained(gibibytes, rank):
    """The paper's model of 2.2e9 parameters: 33 GiB of states for all weights, 4 for an adapter."""
    config = Qwen2VLConfig(
        text_config={"hidden_size": 1536, "intermediate_size": 8960, "num_hidden_layers": 28}
        | {"num_attention_heads": 12, "num_key_value_heads": 2, "vocab_size": 151936},
        vision_config={"depth": 32, "embed_dim": 1280, "hidden_size": 1536},
    )
    with torch.device("meta"):
        shape = Qwen2VLForConditionalGeneration(config)
    chosen = fitted(TRAINED, Machine(1, gibibytes * 2**30), shape, 100)
    if rank is None:
        assert chosen is None
        return
    trained = [chosen.training_config(stage) for stage in chosen.trainings]
    assert [c.model.lora.rank for c in trained] == [rank, rank]
    assert {c.grpo.learning_rate for c in trained} == {2e-4 if rank else 2e-5}


WRITTEN = recipe_text(TRAINED)


MISTAKES = {
    ("test_fraction", "test_fractoin"): r"'data\.test_fractoin'; did you mean 'data\.test_fraction'",
    ("  samples: 8", "  samples: many"): r"collect\.samples = 'many' is not a whole number",
    ("    steps: 63", "    step: 63"): r"rise_cot: unknown key 'grpo\.step'; did you mean 'grpo\.steps'",
    ("  tau: 0.75", "  tau: 75"): r"collect\.tau = 75.*between 0 and 1",
    ("  splits: [train]", "  splits: [val]"): r"collect\.splits = 'val'; choose one of",
    ("rise_cot:", "rise_kot:"): r"unknown key 'rise_kot'; did you mean 'rise_cot'",
    ("  splits: [train]", "  splits: [test]"): r"rise_r1 trains on rows of train",
    ("name: pets", "nam: pets"): r"name is missing",
    ("num_generations: 8", "num_generations: 7"): r"no multiple of grpo\.num_generations",
}


@pytest.mark.parametrize("change", MISTAKES)
def test_a_mistake_is_named_with_its_place_and_the_fix(change, tmp_path):
    path = tmp_path / "rise.yaml"
    path.write_text(recipe_text(TRAINED).replace(*change))
    with pytest.raises(ConfigError, match=MISTAKES[change]):
        read_recipe(path)


IMPOSSIBLE = {
    "name: pets\ndata: {pictures: x}\n": "neither of endpoint and rise_cot",
    recipe_text(ASKED) + "rise_cot:\n": "both of endpoint and rise_cot",
    recipe_text(ASKED) + "eval:\n": "eval scores the model of rise_r1",
    recipe_text(ASKED).replace("teacher", "''"): r"endpoint\.model is empty",
    ": :": "cannot be read",
    "- a": "not a mapping",
}


@pytest.mark.parametrize("text", IMPOSSIBLE)
def test_what_cannot_be_is_refused(text, tmp_path):
    path = tmp_path / "rise.yaml"
    path.write_text(text)
    with pytest.raises(ConfigError, match=IMPOSSIBLE[text]):
        read_recipe(path)


def test_stages_are_those_that_the_recipe_asks_for():
    def stages(recipe):
        return list(Plan(Path("/x/rise.yaml"), recipe).stages())

    assert stages(ASKED) == ["build", "collect", "check", "report"]
    assert stages(TRAINED) == ["build", "rise_cot", "collect", "check", "rise_r1", "eval", "report"]
    taught = replace(ASKED, rise_r1={}, model={"name": "tiny-qwen2_vl"}, scale="smoke")
    assert stages(taught) == ["build", "collect", "check", "rise_r1", "report"]


def test_the_commands_carry_every_setting():
    recipe = replace(TRAINED, collect=CollectSection(4, 0.6, ("train", "test"), "none"), shots="16-shot")
    stages = Plan(Path("/x/rise.yaml"), recipe).stages()
    build, cot, collect, r1 = (
        " ".join(stages[s][0].arguments) for s in ("build", "rise_cot", "collect", "rise_r1")
    )
    assert "--source /photos --name pets" in build and "--classes cat,dog: small" in build
    assert "--recipe paper/rise_cot model.name=Qwen/Qwen2-VL-2B-Instruct" in cot
    assert "grpo.gradient_accumulation_steps=64" in cot and "data.shots=16-shot" in cot
    assert "--splits train,test --samples 4 --tau 0.6 --judge none --out /x/cots" in collect
    assert "data.cots=/x/cots" in r1 and "data.tau=0.6" in r1
    trained, untrained = (" ".join(job.arguments) for job in stages["eval"])
    assert "--model qwen2_vl" in trained and "pretrained=/x/runs/rise_r1/grpo/final," in trained
    assert "pretrained=Qwen/Qwen2-VL-2B-Instruct," in untrained
