"""Publishing: what goes out, what may not, and the card."""

import hashlib
import io
import json
import shutil
from dataclasses import replace
from functools import partial
from pathlib import Path

import pyarrow.parquet as pq
import pytest
import yaml
from datasets import load_dataset
from PIL import Image

from rise_bench.catalog.benchmarks import BENCHMARKS
from rise_bench.data.hub_files import commit_of
from rise_bench.data.manifest import read_manifest, write_manifest
from rise_bench.data.writer import write_dataset
from rise_bench.errors import ConfigError, DataError
from rise_bench.hub.publish import image_policy, preview, publish
from rise_bench.hub.push import Outgoing, push
from rise_bench.rendering.histogram import bin_counts, reward_histogram

from ..support.made_sources import distribution_plan, write_photo
from ..support.minihub import Minihub
from .conftest import COCO_SUB, Source, build

REPO = "rise/set"
CARD = b"---\nlicense: mit\n---\n"


def card(hub: Minihub, repo: str = REPO) -> tuple[dict, str]:
    _, head, body = hub.files(repo)["README.md"].decode().split("---\n", 2)
    return yaml.safe_load(head), body


def images_of(source: Source) -> list[bytes]:
    return [path.read_bytes() for path in sorted(source.images.rglob("*.jpg"))]


def test_embedded_benchmark_goes_out_byte_for_byte(alice: Minihub, coco_sub: Source) -> None:
    pushed = publish(coco_sub.benchmark, REPO)
    files = alice.files(REPO)
    manifest = read_manifest(coco_sub.benchmark)
    for path in manifest.files:
        assert files[path] == (coco_sub.benchmark / path).read_bytes()
    assert {"README.md", "eval.yaml", "manifest.json"} < set(files)
    assert pushed.commit == commit_of(REPO)
    assert json.loads(files["manifest.json"])["images"] == "embed"


def test_every_configuration_loads_and_no_row_is_stored_twice(alice: Minihub, coco_sub: Source) -> None:
    commit = publish(coco_sub.benchmark, REPO).commit
    rows = {name: load_dataset(REPO, name, revision=commit) for name in ("4-shot", "16-shot", "full")}
    assert [len(rows[name]["train"]) for name in rows] == [8, 20, 20]
    assert {len(found["test"]) for found in rows.values()} == {4}
    stored = [
        uid
        for path, data in alice.files(REPO).items()
        if path.endswith(".parquet")
        for uid in pq.read_table(io.BytesIO(data), columns=["id"])["id"].to_pylist()
    ]
    assert len(stored) == len(set(stored)) == 24
    row = rows["4-shot"]["train"][0]
    assert row["image"].size == (32, 24)
    assert row["objects"]["bbox"]


def test_cot_dataset_loads_as_the_card_says(alice: Minihub, coco_sub: Source) -> None:
    publish(coco_sub.cots, REPO)
    high = load_dataset(REPO, "high", split="train")
    everything = load_dataset(REPO, split="train")
    assert len(everything) == 20
    assert len(high) == 5
    assert min(high["reward"]) >= 0.75 > sorted(everything["reward"])[-6]
    assert set(high.column_names) >= {
        "cot",
        "reward",
        "similarity",
        "prior_score",
        "provenance",
        "leak_strict",
    }


@pytest.mark.parametrize("part", ["benchmark", "cots"])
def test_images_that_may_not_be_republished_never_leave(alice: Minihub, emotion6: Source, part: str) -> None:
    """No image column, no sample picture, and not one image's bytes anywhere in what the server received."""
    publish(getattr(emotion6, part), REPO)
    sent = list(alice.blobs.values())
    for data in images_of(emotion6):
        assert not any(data in blob or data[40:200] in blob for blob in sent)
    rows = load_dataset(REPO, split="train")
    assert rows.with_format("arrow")["image"].null_count == len(rows) == 20
    manifest = json.loads(alice.files(REPO)["manifest.json"])
    assert manifest["images"] == "reference"
    by_hash = {hashlib.sha256(data).hexdigest() for data in images_of(emotion6)}
    assert set(rows["source_sha256"]) <= by_hash
    assert {manifest["images_sha256"][uid] for uid in rows["id"]} == set(rows["source_sha256"])


def test_everything_but_the_images_survives_the_stripping(alice: Minihub, emotion6: Source) -> None:
    publish(emotion6.benchmark, REPO)
    files = alice.files(REPO)
    manifest = json.loads(files["manifest.json"])
    for path, entry in manifest["files"].items():
        sent, built = pq.read_table(io.BytesIO(files[path])), pq.read_table(emotion6.benchmark / path)
        assert sent.drop_columns("image").equals(built.drop_columns("image"))
        assert sent.schema.equals(built.schema, check_metadata=True)
        assert entry["sha256"] == hashlib.sha256(files[path]).hexdigest()
        assert entry["bytes"] == len(files[path])


@pytest.mark.parametrize("part", ["benchmark", "cots"])
def test_asking_to_embed_is_refused_with_the_reason(alice: Minihub, emotion6: Source, part: str) -> None:
    with pytest.raises(
        ConfigError, match="emotion6 may not be republished: Academic research only"
    ) as caught:
        publish(getattr(emotion6, part), REPO, embed=True)
    assert "rehydrate" in str(caught.value)
    assert alice.repos == {}


def test_embed_is_fine_where_the_source_allows_it(alice: Minihub, coco_sub: Source) -> None:
    assert publish(coco_sub.benchmark, REPO, embed=True).sent


def test_an_edited_manifest_does_not_free_the_images(
    alice: Minihub, emotion6: Source, tmp_path: Path
) -> None:
    folder = tmp_path / "edited"
    shutil.copytree(emotion6.benchmark, folder)
    manifest = read_manifest(folder)
    write_manifest(folder, manifest.model_copy(update={"spec": manifest.spec | {"images": "embed"}}))
    publish(folder, REPO)
    assert json.loads(alice.files(REPO)["manifest.json"])["images"] == "reference"
    with pytest.raises(ConfigError, match="may not be republished"):
        publish(folder, REPO, embed=True)


def test_policy_of_the_catalogue() -> None:
    assert {name: image_policy(spec) for name, spec in BENCHMARKS.items() if spec.paper_counts} == {
        "emotion6": "reference",
        "lisa": "reference",
        "imagenet_sub": "reference",
        "coco_sub": "embed",
    }


def test_a_file_changed_after_the_build_is_not_published(
    alice: Minihub, coco_sub: Source, tmp_path: Path
) -> None:
    folder = tmp_path / "changed"
    shutil.copytree(coco_sub.benchmark, folder)
    path = next((folder / "data").iterdir())
    data = bytearray(path.read_bytes())
    data[100] ^= 1
    path.write_bytes(data)
    with pytest.raises(DataError, match="changed after it was built"):
        publish(folder, REPO)
    assert alice.repos == {}


def test_published_twice_nothing_is_sent_twice(alice: Minihub, emotion6: Source) -> None:
    """Stripped files, card and picture come out the same each time, so the second run has nothing to send."""
    first = publish(emotion6.cots, REPO)
    alice.log.clear()
    second = publish(emotion6.cots, REPO)
    assert (second.commit, second.sent) == (first.commit, ())
    assert alice.requests("PUT", ".") == alice.requests("POST", "commit") == []


def test_dry_run_shows_the_change_and_makes_none(alice: Minihub, coco_sub: Source) -> None:
    seen = preview(coco_sub.benchmark, REPO)
    assert seen.change.head == ""
    assert alice.repos == {}
    pushed = publish(coco_sub.benchmark, REPO)
    assert tuple(file.path for file in seen.change.send) == pushed.sent
    alice.log.clear()
    again = preview(coco_sub.benchmark, REPO)
    assert (again.change.send, again.change.head) == ((), pushed.commit)
    assert {r.method for r in alice.log} <= {"GET", "HEAD"}


def test_pictures_that_say_where_they_were_taken_are_counted(
    alice: Minihub, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    plan = distribution_plan(tmp_path / "source", train=2, test=2)
    version_only, exif = Image.Exif(), Image.Exif()
    version_only.get_ifd(0x8825)[0] = b"\2\3\0\0"
    exif.get_ifd(0x8825).update({1: "N", 2: (48.0, 8.0, 0.0), 3: "E", 4: (11.0, 34.0, 0.0)})
    write_photo(tmp_path / "source" / "0.jpg", 9, exif=exif)
    write_photo(tmp_path / "source" / "1.jpg", 8, exif=version_only)
    write_dataset(replace(plan, spec=replace(plan.spec, images="embed")), tmp_path / "out", workers=1)
    assert preview(tmp_path / "out", REPO).pictures_with_places == 1
    publish(tmp_path / "out", REPO, private=True)
    assert not caplog.records, "a private repository is one's own"
    publish(tmp_path / "out", "rise/public")
    assert "1 picture(s) say in their EXIF where they were taken" in caplog.text


def test_new_version_removes_the_shards_of_the_old(alice: Minihub, coco_sub: Source, tmp_path: Path) -> None:
    publish(coco_sub.benchmark, REPO)
    newer = build(tmp_path, COCO_SUB, train=8).benchmark
    pushed = publish(newer, REPO)
    assert pushed.deleted
    assert {p for p in alice.files(REPO) if p.startswith("data/")} == set(read_manifest(newer).files)


@pytest.mark.parametrize("held", ["benchmark", "other", "manifest", "files", "images", "table"])
def test_another_dataset_is_not_replaced(
    alice: Minihub, coco_sub: Source, emotion6: Source, held: str
) -> None:
    """Not by its chains of thought either, nor in a pull request."""
    if held in ("benchmark", "other"):
        publish((coco_sub if held == "benchmark" else emotion6).benchmark, REPO)
    else:
        paths = {
            "manifest": "manifest.json",
            "files": "data/own.csv",
            "images": "train/1.jpg",
            "table": "own.csv",
        }
        push(REPO, [Outgoing.of("README.md", CARD), Outgoing.of(paths[held], b"[1]")], title="By hand")
    before = alice.files(REPO)
    texts = {
        "benchmark": "the benchmark coco_sub",
        "other": "the benchmark emotion6",
        "manifest": "a manifest.json of something else",
        "files": "a dataset of another form",
    }
    form = texts.get(held, texts["files"])
    problem = f"{REPO} holds {form}, and chains of thought for coco_sub .*give another repository"
    for send in (publish, preview, partial(publish, create_pr=True)):
        with pytest.raises(ConfigError, match=problem):
            send(coco_sub.cots, REPO)
    assert alice.files(REPO) == before


def test_a_repository_with_a_card_alone_is_free(alice: Minihub, coco_sub: Source) -> None:
    push(REPO, [Outgoing.of("README.md", CARD)], title="Soon")
    assert publish(coco_sub.cots, REPO).sent


CARD_PARTS = {
    "what it is": "Images with annotations of kind",
    "how made": "rise-bench build` with seed 0",
    "counts beside the paper's": "| train | 20 | 1386 |",
    "floors": "| train_mean |",
    "licence and terms": "Academic research only",
    "loading": 'rows = load_dataset("rise/set", "16-shot", split="train")',
    "citation": "arXiv preprint arXiv:2508.13229",
    "source's citation": "Peng et al.",
    "limits": "## Known limits",
    "sample rows": "source part0/020.jpg, licence other",
    "rehydrate": "rise-bench rehydrate rise/set --source DIR",
}


def test_benchmark_card_has_every_part(alice: Minihub, emotion6: Source) -> None:
    publish(emotion6.benchmark, REPO)
    head, body = card(alice)
    assert {name for name, text in CARD_PARTS.items() if text not in body} == set()
    assert "Do not publish" not in body
    assert body.count("## Loading") == 1
    assert "/home/me" not in body + alice.files(REPO)["manifest.json"].decode()
    assert [config["config_name"] for config in head["configs"]] == ["4-shot", "16-shot", "full"]
    assert head["license"] == "other"
    assert {"rise-bench", "benchmark", "emotion6", "arxiv:2508.13229"} <= set(head["tags"])
    task = yaml.safe_load(alice.files(REPO)["eval.yaml"])["tasks"][0]
    assert task == {"id": "rise_emotion6", "config": "full", "split": "test"}


COT_CARD_PARTS = {
    "model": "| model | tiny |",
    "sampling": '"temperature": 1.0',
    "tau": "reward at least tau = 0.75 (`high`) | 5 (25.0%)",
    "baseline": "mean of the baseline",
    "picture": "![Distribution of rewards](assets/rewards.png)",
    "loading": 'rows = load_dataset("rise/set", "high", split="train")',
    "limits": "cannot tell a true",
    "licence": "Academic research only",
}


def test_cot_card_has_every_part(alice: Minihub, emotion6: Source) -> None:
    publish(emotion6.cots, REPO)
    head, body = card(alice)
    assert {name for name, text in COT_CARD_PARTS.items() if text not in body} == set()
    assert "chain-of-thought" in head["tags"]
    assert (head["license"], head["size_categories"]) == ("other", ["n<1K"])
    drawn = Image.open(io.BytesIO(alice.files(REPO)["assets/rewards.png"]))
    assert drawn.size == (800, 360)
    assert "eval.yaml" not in alice.files(REPO)


def test_texts_of_models_stay_text_on_the_card(alice: Minihub, coco_sub: Source) -> None:
    """A CoT with markup is shown in an indented block, where neither HTML nor a heading takes effect."""
    publish(coco_sub.cots, REPO)
    _, body = card(alice)
    lines = [line for line in body.splitlines() if "<b>face</b>" in line or "not a heading" in line]
    assert lines
    assert all(line.startswith("    ") for line in lines)


def test_sample_pictures_are_original_bytes(alice: Minihub, coco_sub: Source) -> None:
    publish(coco_sub.cots, REPO)
    pictures = {p: d for p, d in alice.files(REPO).items() if p.startswith("assets/sample-")}
    assert len(pictures) == 4
    assert set(pictures.values()) <= set(images_of(coco_sub))


def test_histogram_counts_and_draws() -> None:
    assert bin_counts([0, 0.049, 0.05, 0.75, 1.0]) == [2, 1] + [0] * 13 + [1] + [0] * 3 + [1]
    picture = reward_histogram([0.9] * 10 + [0.1], 0.75)
    assert picture == reward_histogram([0.9] * 10 + [0.1], 0.75)
    image = Image.open(io.BytesIO(picture))
    assert image.getpixel((5, 5))[3] == 0, "the page shines through, in light and in dark mode"
    ink = [pixel for count, pixel in image.getcolors(1 << 20) if pixel[3] == 255]
    for page in (0, 255):  # luminance, so that lines and letters are read on white and on black
        assert all(abs(page - (0.21 * r + 0.72 * g + 0.07 * b)) > 60 for r, g, b, _ in ink)
    pixels = image.convert("RGB")
    high, low = pixels.getpixel((60 + int(0.925 * 720), 200)), pixels.getpixel((60 + int(0.125 * 720), 300))
    assert high == (0, 114, 178), "the bin of 0.9 is as high as the plot, and of the colour of high rewards"
    assert low == (148, 163, 184) or low == (255, 255, 255)
