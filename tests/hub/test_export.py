"""Exports, each read back the way the project that it is for documents.

TRL is installed, so its own trainer reads the rows. The other projects are not; their documented loading
steps are taken here one by one: LLaMA-Factory data/README.md, ms-swift Customization/Custom-dataset,
Visual-RFT dataset/build_dataset.ipynb and grpo.py, VLM-R1 README "For your own data" and grpo_jsonl.py.
"""

import hashlib
import io
import json
import re
from pathlib import Path
from typing import Any

import pytest
from datasets import Dataset, DatasetDict, Image, load_dataset
from PIL import Image as Pillow

from rise_bench.annotations.answer_format import AnswerFormat
from rise_bench.annotations.base import Frame, Gold
from rise_bench.annotations.boxes.trainer_forms import corners
from rise_bench.annotations.boxes.values import Boxes
from rise_bench.catalog.benchmarks import get_benchmark
from rise_bench.cot.dataset import open_cots
from rise_bench.data.schema import row_to_gold
from rise_bench.errors import ConfigError
from rise_bench.export import writers
from rise_bench.export.writers import export
from rise_bench.files.images import decode_rgb
from rise_bench.hub.publish import publish
from rise_bench.scoring.response import read_response
from rise_bench.scoring.rewards import r1_reward

from ..support.made_sources import photo
from ..support.minihub import Minihub
from .conftest import Source


def exported(source: Source, tmp_path: Path, form: Any, **options: Any) -> Path:
    assert export(source.cots, tmp_path / "out", form, **options) == 5
    return tmp_path / "out"


def high_rows(source: Source) -> list[dict[str, Any]]:
    return list(open_cots(source.cots).rows("high"))


def golds(source: Source) -> list[Gold]:
    spec = open_cots(source.cots).spec
    return [row_to_gold(spec, row) for row in high_rows(source)]


@pytest.fixture(params=["emotion6", "coco_sub"])
def source(request: pytest.FixtureRequest) -> Source:
    return request.getfixturevalue(request.param)


def test_trl_rows_train_a_step_with_the_loss_on_the_completion(
    emotion6: Source, tmp_path: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    from transformers import AutoProcessor, Qwen2VLForConditionalGeneration
    from trl import SFTConfig, SFTTrainer

    from rise_bench.models.tiny import make_tiny_model

    rows = load_dataset(str(exported(emotion6, tmp_path, "trl")), split="train")
    assert set(rows.column_names) == {"prompt", "completion", "images"}
    model = make_tiny_model(tmp_path_factory.mktemp("tiny") / "model", "qwen2_vl")
    trainer = SFTTrainer(
        Qwen2VLForConditionalGeneration.from_pretrained(model),
        args=SFTConfig(
            str(tmp_path / "run"),
            max_steps=1,
            per_device_train_batch_size=2,
            use_cpu=True,
            bf16=False,
            max_length=None,
            report_to=[],
            save_strategy="no",
            disable_tqdm=True,
        ),
        train_dataset=rows,
        processing_class=AutoProcessor.from_pretrained(model),
    )
    batch = next(iter(trainer.get_train_dataloader()))
    tokenizer = trainer.processing_class.tokenizer
    learned = tokenizer.decode(batch["labels"][0][batch["labels"][0] != -100])
    assert "Soft light" in learned
    assert "<answer>" in learned
    assert "classes are" not in learned
    assert batch["pixel_values"].shape[0] > 0
    assert trainer.train().training_loss > 0


def test_trl_texts_are_prompt_and_target(source: Source, tmp_path: Path) -> None:
    rows = load_dataset(str(exported(source, tmp_path, "trl")), split="train")
    raw = rows.cast_column("images", [Image(decode=False)])
    for row, built, gold in zip(raw, high_rows(source), golds(source), strict=True):
        assert row["prompt"] == [{"role": "user", "content": built["problem"]}]
        assert r1_reward(gold, row["completion"][0]["content"]).reward > 0.99
        assert row["images"][0]["bytes"] == built["image"]["bytes"]


def test_llama_factory_reads_the_messages(source: Source, tmp_path: Path) -> None:
    folder = exported(source, tmp_path, "messages")
    described = json.loads((folder / "dataset_info.json").read_text())
    ((name, entry),) = described.items()
    assert re.fullmatch(r"rise_(emotion6|coco_sub)_cot", name)
    assert entry["formatting"] == "sharegpt"
    columns, tags = entry["columns"], entry["tags"]
    rows = load_dataset("json", data_files=str(folder / entry["file_name"]), split="train")
    for row, gold in zip(rows, golds(source), strict=True):
        turns = row[columns["messages"]]
        roles = [turn[tags["role_tag"]] for turn in turns]
        assert roles == [tags["user_tag"], tags["assistant_tag"]]
        texts = [turn[tags["content_tag"]] for turn in turns]
        images = row[columns["images"]]
        assert sum(text.count("<image>") for text in texts) == len(images) == 1
        assert (folder / images[0]).is_file(), "dataset_dir is also media_dir unless that is set"
        assert r1_reward(gold, texts[1]).reward > 0.99


def test_ms_swift_reads_the_same_file(source: Source, tmp_path: Path) -> None:
    """Standard format: `messages` with role and content, `images` relative to ROOT_IMAGE_DIR, one a tag."""
    folder = exported(source, tmp_path, "messages")
    for line in (folder / "train.jsonl").read_text().splitlines():
        row = json.loads(line)
        assert set(row) == {"messages", "images"}
        assert [set(turn) for turn in row["messages"]] == [{"role", "content"}] * 2
        assert row["messages"][0]["content"].startswith("<image>")
        assert (folder / row["images"][0]).stat().st_size > 0


def test_image_files_are_the_original_bytes(source: Source, tmp_path: Path) -> None:
    folder = exported(source, tmp_path, "messages")
    for row, line in zip(high_rows(source), (folder / "train.jsonl").read_text().splitlines(), strict=True):
        data = (folder / json.loads(line)["images"][0]).read_bytes()
        assert hashlib.sha256(data).hexdigest() == row["source_sha256"]


def test_other_programs_show_the_picture_that_models_see_here() -> None:
    """Those that do not turn a phone's picture, or show colours under what is transparent."""
    turned = Pillow.Exif()
    turned[0x0112] = 6
    made = photo(1, exif=turned), photo(2, mode="RGBA", form="PNG"), photo(3, mode="L"), photo(4)
    for number, data in enumerate(made):
        name, kept = writers._file("x", data, "x")
        with Pillow.open(io.BytesIO(kept)) as seen:
            assert "exif" not in seen.info
            assert seen.convert("RGB").tobytes() == decode_rgb(data).tobytes()
        assert (kept == data) == (number > 1) and name == ("x.png" if number < 2 else "x.jpg")


def test_the_note_says_at_which_size_boxes_are_stated(source: Source, tmp_path: Path) -> None:
    options: dict[str, Any] = {"unit": "resized_px", "max_pixels": 784}
    text = (exported(source, tmp_path, "messages", **options) / "README.md").read_text()
    boxes = "coco" in open_cots(source.cots).spec.name
    assert ("`image_max_pixels: 784`" in text) == boxes
    for line, gold in zip(
        (tmp_path / "out" / "train.jsonl").read_text().splitlines(), golds(source), strict=True
    ):
        answer = json.loads(line)["messages"][1]["content"]
        assert r1_reward(gold, answer, AnswerFormat(unit="resized_px", max_pixels=784)).reward > 0.8


def visual_rft_boxes(text: str) -> list[dict[str, Any]]:
    """Between the answer tags, single quotes made double, read as JSON: as grpo.py takes both sides."""
    return json.loads(text.split("<answer>")[1].split("</answer>")[0].replace("'", '"'))


def test_visual_rft_loads_from_disk_and_reads_the_boxes(coco_sub: Source, tmp_path: Path) -> None:
    data = DatasetDict.load_from_disk(str(exported(coco_sub, tmp_path, "visual_rft")))
    assert data["train"].column_names == ["image", "problem", "solution"]
    for row, gold in zip(data["train"], golds(coco_sub), strict=True):
        assert row["image"].size == (32, 24)
        assert gold.category in row["problem"]
        assert "'Position': [x1, y1, x2, y2], 'Confidence': number" in row["problem"]
        boxes = visual_rft_boxes(row["solution"])
        assert len(boxes) == len(gold.annotation.xywh)
        for box, (x, y, w, h) in zip(boxes, gold.annotation.xywh, strict=True):
            x1, y1, x2, y2 = box["Position"]
            assert box["Confidence"] == 1.0
            expected = (x / 32, y / 24, (x + w) / 32, (y + h) / 24)
            assert (x1 / 1000, y1 / 1000, x2 / 1000, y2 / 1000) == pytest.approx(expected, abs=0.0006)
        assert read_response(row["solution"], "boxes").annotation is not None


def test_visual_rft_distribution_is_ours(emotion6: Source, tmp_path: Path) -> None:
    data = DatasetDict.load_from_disk(str(exported(emotion6, tmp_path, "visual_rft")))
    for row, built in zip(data["train"], high_rows(emotion6), strict=True):
        assert (row["problem"], row["solution"]) == (built["problem"], built["solution"])


def vlm_r1_rows(folder: Path) -> list[dict[str, Any]]:
    """Open the lines, join the image folder, split the turns, strip answer tags: as grpo_jsonl.py does."""
    rows = []
    for line in (folder / "train.jsonl").read_text().splitlines():
        item = json.loads(line)
        item["image_path"] = [str(folder / "images" / item.pop("image"))]
        human, answer = item.pop("conversations")
        assert (human["from"], answer["from"]) == ("human", "gpt")
        item["problem"] = human["value"].replace("<image>", "")
        item["solution"] = answer["value"].replace("<answer>", "").replace("</answer>", "").strip()
        item.setdefault("accu_reward_method", "default")
        rows.append(item)
    return list(Dataset.from_list(rows))


def test_vlm_r1_reads_boxes_for_its_map_reward(coco_sub: Source, tmp_path: Path) -> None:
    rows = vlm_r1_rows(exported(coco_sub, tmp_path, "vlm_r1"))
    for row, gold in zip(rows, golds(coco_sub), strict=True):
        assert Path(row["image_path"][0]).is_file()
        assert row["accu_reward_method"] == "map"
        assert "<image>" not in row["problem"]
        boxes = json.loads(re.search(r"```json(.*?)```", row["solution"], re.DOTALL)[1])
        assert [box["label"] for box in boxes] == [gold.category] * len(gold.annotation.xywh)
        first = gold.annotation.xywh[0]
        assert boxes[0]["bbox_2d"] == [first[0], first[1], first[0] + first[2], first[1] + first[3]]


def test_vlm_r1_distribution(emotion6: Source, tmp_path: Path) -> None:
    for row, gold in zip(vlm_r1_rows(exported(emotion6, tmp_path, "vlm_r1")), golds(emotion6), strict=True):
        assert row["accu_reward_method"] == "default"
        assert sum(json.loads(row["solution"]).values()) == pytest.approx(1)
        assert gold.annotation.classes[0] in row["problem"]


def test_accuracy_benchmarks_ask_for_one_name() -> None:
    from rise_bench.annotations.distribution.values import Distribution
    from rise_bench.export.texts import visual_rft_problem, visual_rft_solution, vlm_r1_answer

    spec = get_benchmark("imagenet_sub")
    gold = Gold("x", Distribution(spec.classes, (0.0, 1.0, *[0.0] * 18)), 10, 10)
    assert visual_rft_solution(spec, gold) == "<answer>backpack</answer>"
    assert vlm_r1_answer(spec, gold) == "backpack"
    assert "backpack" in visual_rft_problem(spec, gold)


def test_corners_are_whole_and_never_empty() -> None:
    gold = Gold("x", Boxes(((0.2, 0.2, 0.1, 0.1), (10, 20, 30, 40))), 100, 100)
    assert corners(gold, gold.frame_px) == [[0, 0, 1, 1], [10, 20, 40, 60]]
    assert corners(gold, Frame(1000, 1000))[1] == [100, 200, 400, 600]


def test_boxes_are_in_the_asked_unit(coco_sub: Source, tmp_path: Path) -> None:
    rows = load_dataset(str(exported(coco_sub, tmp_path, "trl", unit="px")), split="train")
    for row, gold in zip(rows, golds(coco_sub), strict=True):
        assert "in pixels of the image, which is 32 wide and 24 high" in row["prompt"][0]["content"]
        assert r1_reward(gold, row["completion"][0]["content"], AnswerFormat(unit="px")).reward > 0.99


def test_all_rows_with_config_default(coco_sub: Source, tmp_path: Path) -> None:
    assert export(coco_sub.cots, tmp_path / "out", "trl", config="default") == 20


def test_export_refuses_what_it_cannot_do(alice: Minihub, emotion6: Source, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="without chains of thought; make them with `rise-bench collect`"):
        export(emotion6.benchmark, tmp_path / "out", "trl")
    publish(emotion6.cots, "rise/cots")
    with pytest.raises(ConfigError, match="run `rise-bench rehydrate rise/cots --source DIR`"):
        export("rise/cots", tmp_path / "out", "trl")
    assert list(tmp_path.glob("*out*")) == []


def test_export_reads_from_the_hub(alice: Minihub, coco_sub: Source, tmp_path: Path) -> None:
    commit = publish(coco_sub.cots, "rise/cots").commit
    assert export("rise/cots", tmp_path / "out", "messages", revision=commit) == 5


def test_placeholder_in_a_strangers_question_does_not_become_an_image(tmp_path: Path) -> None:
    from rise_bench.export.writers import (  # the check needs a row that no builder lets in
        ExportRow,
        _write_messages,
    )

    spec = get_benchmark("lisa")
    gold = Gold("x", Boxes(((1.0, 1.0, 5.0, 5.0),)), 10, 10, question="the cup")
    row = ExportRow(
        spec, gold, "A cup <image> stands <|image_pad|> there.", (("a.jpg", b"\xff\xd8"),), AnswerFormat()
    )
    _write_messages([row], tmp_path)
    text = (tmp_path / "train.jsonl").read_text()
    assert text.count("<image>") == 1
    assert "image_pad" not in text
