"""A benchmark with two pictures a row from its task to scores, reports, the review page and the board."""

import base64
import io
import json
import re
from pathlib import Path

import datasets
import pytest
from PIL import Image

from rise_bench.annotations.answer_format import DEFAULT_FORMAT
from rise_bench.annotations.kinds import render_gold
from rise_bench.catalog.spec import BenchmarkSpec
from rise_bench.cot.rollout_log import Rollout
from rise_bench.curation.annotate.question import annotation_run
from rise_bench.curation.queue import QueueHeader, ReviewItem, ReviewQueue, write_queue
from rise_bench.data.dataset import BenchmarkDataset
from rise_bench.data.pictures import pictures_of
from rise_bench.errors import ConfigError, DataError
from rise_bench.evaluation.responses import read_responses
from rise_bench.evaluation.score_run import score_run
from rise_bench.files.side_by_side import one_picture
from rise_bench.hub.find import find_benchmark
from rise_bench.leaderboards.submissions.schema import Submission, write_submission
from rise_bench.leaderboards.verification.gold_board import BoardSettings, load_gold, write_settings
from rise_bench.leaderboards.web.build import build_site
from rise_bench.reports.rollout_cards import cards
from rise_bench.tasks import data
from rise_bench.tasks.documents import doc_to_visual, process_results

from ..leaderboards.conftest import make_parts
from ..support.made_sources import photo
from ..support.pairs import write_pairs

BOTH_PX = (56 + 8 + 56, 56)


@pytest.fixture
def pairs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> BenchmarkDataset:
    monkeypatch.setenv("RISE_BENCH_DATA", str(tmp_path))
    monkeypatch.setenv("RISE_BENCH_CUSTOM", "pairs")
    write_pairs(tmp_path, test=40)
    return find_benchmark("pairs")


def answers(dataset: BenchmarkDataset) -> dict[str, str]:
    """The true answer to all but the first sample."""
    golds = sorted(dataset.golds("test"), key=lambda gold: gold.id)
    said = [render_gold(golds[1]), *map(render_gold, golds[1:])]
    return {
        gold.id: f"<think>Seen at {gold.id}.</think><answer>{text}</answer>"
        for gold, text in zip(golds, said, strict=True)
    }


def test_a_task_shows_both_pictures_in_order(pairs: BenchmarkDataset, tmp_path: Path) -> None:
    files = data.files__custom | {"cache_dir": str(tmp_path / "cache")}
    documents = data.documents__custom__norm1000(datasets.load_dataset("parquet", split="test", **files))
    stored = {row["id"]: row for row in pairs.rows("test")}
    texts = answers(pairs)
    values = []
    for document in documents:
        shown = doc_to_visual(document)
        expected = [Image.open(io.BytesIO(d)).convert("RGB") for d in pictures_of(stored[document["id"]])]
        assert [picture.tobytes() for picture in shown] == [picture.tobytes() for picture in expected]
        values.append(process_results(document, [texts[document["id"]]]))
    (accuracy,) = (m["aggregation"] for m in data.metrics__custom if m["metric"] == "accuracy")
    assert accuracy([value["accuracy"] for value in values]) == 39 / 40
    samples = tmp_path / "samples.jsonl"
    samples.write_text("".join(json.dumps({"id": i, "response": t}) + "\n" for i, t in texts.items()))
    assert score_run(read_responses(samples), pairs, resamples=0).report.metrics["accuracy"].value == 39 / 40


def test_the_board_shows_the_pictures_side_by_side(pairs: BenchmarkDataset, tmp_path: Path) -> None:
    board, results, site = load_gold(pairs), tmp_path / "results", tmp_path / "site"
    parts = make_parts(board, responses=answers(pairs))
    said = Submission.model_validate(parts.submission)
    write_submission(results / "submissions" / "anna" / "pairs-1", said, parts.samples)
    settings = BoardSettings(schema_version=1, benchmarks={"pairs": board.pin})
    write_settings(results, settings)
    build_site(results, settings, {"pairs": board}, site, workers=1)
    samples = json.loads((site / "gold" / "pairs.json").read_text())["samples"]
    assert len(samples) == 40
    for sample in samples.values():
        with Image.open(site / sample["image"]) as shown:
            assert shown.size == BOTH_PX


def test_reports_show_the_pictures_side_by_side(pairs: BenchmarkDataset) -> None:
    (gold, *_) = pairs.golds("train")
    rollout = Rollout(gold.id, 1, 0, 0.0, cot="It is alike.", reconstruction="{}")
    page = cards([("step 1", rollout)], pairs, DEFAULT_FORMAT)
    (encoded,) = re.findall(r"data:image/jpeg;base64,([A-Za-z0-9+/=]+)", page)
    with Image.open(io.BytesIO(base64.b64decode(encoded))) as shown:
        assert shown.size == BOTH_PX


def test_a_review_shows_the_pictures_side_by_side(pairs: BenchmarkDataset, tmp_path: Path) -> None:
    golds = pairs.golds("train")
    header = QueueHeader(
        "Audit",
        "audit",
        "distribution",
        classes=pairs.spec.classes,
        dataset=str(pairs.root),
        dataset_sha256=pairs.sha256,
    )
    items = [ReviewItem(gold.id, 56, 56, given=gold.annotation, scores={"s": 1.0}) for gold in golds]
    (tmp_path / "queue").mkdir()
    write_queue(tmp_path / "queue", header, items)
    queue = ReviewQueue(tmp_path / "queue")
    stored = {row["id"]: row for row in pairs.rows("train")}
    for index in range(len(queue)):
        item = queue.item(index)
        assert queue.image_bytes(item) == one_picture(pictures_of(stored[item.id]))


def test_side_by_side_is_left_to_right_and_one_stays_as_it_is() -> None:
    wide, tall = photo(1, (40, 20), form="PNG"), photo(2, (10, 30), form="PNG")
    assert one_picture((wide,)) == wide
    with Image.open(io.BytesIO(one_picture((wide, tall)))) as joined:
        assert joined.size == (40 + 8 + 10, 30)
        for data_, box in ((wide, (0, 0, 40, 20)), (tall, (48, 0, 58, 30))):
            with Image.open(io.BytesIO(data_)) as own:
                assert joined.crop(box).tobytes() == own.convert("RGB").tobytes()
        assert joined.crop((40, 0, 48, 30)).getcolors() == [(8 * 30, (255, 255, 255))]


def test_places_in_one_picture_need_one_picture_a_row() -> None:
    with pytest.raises(DataError, match="'boxes' are places in one picture, and its rows have 2"):
        BenchmarkSpec("x", "boxes", "ap50", "Where?", images_per_row=2)


def test_annotate_asks_about_one_picture_at_a_time(pairs: BenchmarkDataset) -> None:
    with pytest.raises(ConfigError, match="pairs asks about 2 pictures at once"):
        annotation_run(Path(), "pairs", "", "", 1, "m")
