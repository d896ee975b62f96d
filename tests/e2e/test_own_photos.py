"""A new user's way on 60 photos with six wrong labels, from `init` to the corrected dataset."""

import csv
import json
import shutil
from collections import Counter
from pathlib import Path

import pytest

from rise_bench.curation.decisions import Decision, write_decisions
from rise_bench.curation.queue import ReviewQueue
from rise_bench.data.dataset import open_dataset

from ..support.in_process import invoke
from ..support.made_sources import write_csv

#: Licences under which a photo of Flickr may be shown with attribution.
LICENCES = {"4", "5", "7", "8"}

PHOTOS, WRONG = 60, 6


@pytest.fixture
def photos(shared_data: Path, tmp_path: Path) -> dict[str, str]:
    """Photos by the kind of thing that takes most of them, with six wrong labels; file -> right label."""
    coco, right = shared_data / "coco", {}
    with (coco / "image_provenance.csv").open() as file:
        allowed = {
            (r["split"], r["file_name"]) for r in csv.DictReader(file) if r["flickr_license_id"] in LICENCES
        }
    for split in ("train2017", "val2017"):
        content = json.loads((coco / "annotations" / f"instances_{split}.json").read_text())
        group = {category["id"]: category["supercategory"] for category in content["categories"]}
        area: dict[int, Counter] = {}
        for entry in content["annotations"]:
            area.setdefault(entry["image_id"], Counter())[group[entry["category_id"]]] += entry["area"]
        for image in content["images"]:
            name = image["file_name"]
            if (split, name) in allowed and image["id"] in area and len(right) < PHOTOS:
                (tmp_path / "photos").mkdir(exist_ok=True)
                shutil.copy(coco / split / name, tmp_path / "photos" / name)
                label = area[image["id"]].most_common(1)[0][0]
                right[name] = label if label in ("person", "animal", "vehicle") else "thing"
    assert len(right) == PHOTOS
    other = {"person": "thing", "animal": "vehicle", "vehicle": "animal", "thing": "person"}
    given = {name: other[label] if i % 10 == 3 else label for i, (name, label) in enumerate(right.items())}
    write_csv(tmp_path / "photos" / "labels.csv", ["file", "label"], given.items())
    return right


@pytest.mark.slow
def test_from_photos_with_wrong_labels_to_a_corrected_dataset(photos, tmp_path):
    """Nothing is asked of the tiny model's answers; the way itself is, each command as a user starts it."""
    out = tmp_path / "work"
    printed = invoke("init", tmp_path / "photos", "--model", "tiny-qwen2_vl", "--out", out, "--yes").stdout
    assert "60 pictures, distribution (csv)" in printed and "4 classes" in printed
    recipe = out / "rise.yaml"
    recipe.write_text(recipe.read_text().replace("shots: full", "shots: 4-shot"))

    outcome = json.loads(invoke("run", recipe, "--json").stdout)
    assert outcome["done"] == ["build", "rise_cot", "collect", "check", "rise_r1", "eval", "report"]
    score = outcome["scores"]["trained"]
    assert score["samples"] == 18 and {"uniform", "majority_class"} <= score["floors"].keys()
    page = Path(outcome["report"]).read_text()
    assert "baseline: majority_class" in page and "Test pictures that RISE answers" in page

    dataset, run = out / "data" / "photos", out / "runs" / "rise_r1"
    labels = tmp_path / "labels"
    invoke(
        "annotate",
        tmp_path / "photos",
        "--model",
        run,
        "--benchmark",
        dataset,
        "--out",
        labels,
        "--max-length",
        8,
    )
    assert len((labels / "annotations.jsonl").read_text().splitlines()) == PHOTOS
    audit = tmp_path / "audit"
    invoke("audit", dataset, "--predictions", labels, "--out", audit)
    queue = ReviewQueue(audit)
    assert len(queue) == PHOTOS

    # What `rise-bench review` writes when somebody corrects the wrong ones.
    names = {row["id"]: row["source_id"] for s in ("train", "test") for row in open_dataset(dataset).rows(s)}
    classes = queue.header.classes
    decisions = []
    for item in map(queue.item, range(len(queue))):
        truth = [float(name == photos[names[item.id]]) for name in classes]
        if list(item.given.probs) != truth:
            decisions.append(Decision(item.id, "edit", json.dumps(truth)))
    assert len(decisions) == WRONG
    write_decisions(audit / "decisions.csv", decisions)

    corrected = tmp_path / "photos-2"
    invoke("audit", dataset, "--apply", audit / "decisions.csv", "--out", corrected)
    assert "no findings" in invoke("check", corrected).stdout
    golds = {gold.id: gold for split in ("train", "test") for gold in open_dataset(corrected).golds(split)}
    for uid, gold in golds.items():
        assert classes[gold.annotation.probs.index(1.0)] == photos[names[uid]]
