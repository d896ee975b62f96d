"""Training on rows with several pictures: every stage shows all of them, in order."""

import pytest
from PIL import Image

from rise_bench.cot.row_log import read_rows
from rise_bench.data.pictures import pictures_of
from rise_bench.errors import ConfigError
from rise_bench.trainers import rise_cot, sft
from rise_bench.trainers.checks.prompt_length import longest_prompt
from rise_bench.trainers.data.training_data import open_training_data
from rise_bench.trainers.phases.trl_arguments import load_processor
from rise_bench.trainers.runs.run_folder import RunFolder

from ..support.pairs import write_pairs


@pytest.fixture(scope="module")
def pairs(tmp_path_factory):
    return write_pairs(tmp_path_factory.mktemp("pairs"))


def test_rows_of_the_training_data_are_those_of_the_files(pairs, make_config):
    data = open_training_data(make_config(f"data.benchmark={pairs.root}").data)
    stored = {row["id"]: row for row in pairs.rows("train")}
    for index, gold in enumerate(data.golds):
        assert pictures_of(data.images[index]) == pictures_of(stored[gold.id])
        assert [type(picture) for picture in data.pictures(index)] == [Image.Image] * 2


def test_sft_puts_both_pictures_before_the_question(pairs, make_config, monkeypatch):
    config = make_config(f"data.benchmark={pairs.root}", "sft.steps=1", stage="sft")
    batches = []

    class Watched(sft.SFTTrainer):
        def training_step(self, model, inputs, *more):
            batches.append(inputs)
            return super().training_step(model, inputs, *more)

    monkeypatch.setattr(sft, "SFTTrainer", Watched)
    sft.train(config, RunFolder.create(config))
    rows = len(batches[0]["input_ids"])
    assert len(batches[0]["image_grid_thw"]) == 2 * rows


@pytest.mark.parametrize("gradient", ["both", "cot"])
def test_rise_cot_trains_on_both_pictures_of_both_segments(pairs, make_config, graded, gradient, monkeypatch):
    config = make_config(f"data.benchmark={pairs.root}", "grpo.steps=1", f"grpo.gradient={gradient}")
    forwards = []

    class Watched(rise_cot.ClosedLoopTrainer):
        def _get_per_token_logps_and_entropies(self, model, input_ids, *more, **inputs):
            forwards.append((len(input_ids), inputs["image_grid_thw"], inputs.get("num_images")))
            return super()._get_per_token_logps_and_entropies(model, input_ids, *more, **inputs)

    monkeypatch.setattr(rise_cot, "ClosedLoopTrainer", Watched)
    folder = RunFolder.create(config)
    rise_cot.train(config, folder)
    assert forwards
    assert all(len(grid) == 2 * rows for rows, grid, _ in forwards)
    assert all(set(count) == {2} for *_, count in forwards if count is not None)
    assert len(list(read_rows([folder.rollouts_dir]))) == 4


def test_a_judge_of_the_reward_sees_both_pictures(pairs, make_config, graded, monkeypatch):
    shown = []
    ground = rise_cot.FrozenJudge.ground
    monkeypatch.setattr(
        rise_cot.FrozenJudge,
        "ground",
        lambda self, images, texts, others: shown.append(images) or ground(self, images, texts, others),
    )
    config = make_config(
        f"data.benchmark={pairs.root}", "grpo.steps=1", "reward.grounded=gate", "reward.grounded_swaps=2"
    )
    rise_cot.train(config, RunFolder.create(config))
    assert all(len(pictures) == 2 for images in shown for pictures in images)


def test_prompts_are_counted_with_all_their_pictures(pairs, make_config):
    config = make_config(f"data.benchmark={pairs.root}")
    processor = load_processor(config.model)
    golds = pairs.golds("train")
    counted = longest_prompt(config, processor, pairs.spec, golds, lambda text: None)
    data = open_training_data(config.data)
    from rise_bench.cot.closed_loop import ClosedLoop

    loop = ClosedLoop(pairs.spec, config.loop)
    longest = 0
    for index, gold in enumerate(data.golds):
        pictures = list(data.pictures(index))
        for text, extra in ((loop.reason_text(gold), 0), (loop.reconstruct_text(gold, ""), 10)):
            message = [
                {"role": "user", "content": [*({"type": "image"},) * 2, {"type": "text", "text": text}]}
            ]
            chat = processor.apply_chat_template(message, add_generation_prompt=True)
            ids = processor(text=[chat], images=pictures, return_tensors="pt")["input_ids"]
            longest = max(longest, ids.shape[1] + extra)
    assert counted == longest
    short = make_config(f"data.benchmark={pairs.root}", f"data.max_prompt_length={counted - 1}")
    with pytest.raises(ConfigError, match="of the 2 images"):
        longest_prompt(short, processor, pairs.spec, golds, lambda text: None)
