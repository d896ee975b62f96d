"""Groundedness beside annotations: judged once, on other pictures, and kept; and all of it for real."""

import json

import pytest

from rise_bench.cot.grounding import Judging
from rise_bench.curation.annotate.annotate import annotate
from rise_bench.errors import DataError
from rise_bench.scoring.groundedness import Grounded

from ...support.drawn_data import write_drawn
from ...support.scripted_model import ScriptedModel
from .conftest import think, write_pictures
from .test_commands import run


class Judge:
    """Scores a reason by its number; keeps what it was shown."""

    def __init__(self, fail_after=10**9):
        self.shown, self.fail_after = [], fail_after

    def describe(self):
        return {"model": "scripted"}

    def ground(self, images, texts, others):
        if len(self.shown) >= self.fail_after:
            raise KeyboardInterrupt
        self.shown += zip(images, texts, others, strict=True)
        return [Grounded(((0, 1, float(text)), (1, 2, float(text)))) for text in texts]


@pytest.fixture
def numbered(make_job, pictures):
    write_pictures(pictures, tuple(f"{number:02}.png" for number in range(20)))
    for name in ("a.png", "b.png", "sub/c.png"):
        (pictures / name).unlink()

    def make(judge, swaps=4):
        model = ScriptedModel(lambda prompt, number: think("[]", str(len(model.asked))))
        return make_job(model, judging=Judging("scripted", lambda: judge, swaps))

    return make


def grounded(job):
    text = (job.out / "annotations.jsonl").read_text()
    return [(line["groundedness"], line["worst_sentence"]) for line in map(json.loads, text.splitlines())]


def test_each_reason_is_judged_once_beside_other_pictures(numbered):
    killed, again = Judge(fail_after=16), Judge()
    with pytest.raises(KeyboardInterrupt):
        annotate(numbered(killed))
    summary = annotate(job := numbered(again))
    assert (len(killed.shown), len(again.shown), job.load().asked) == (16, 4, [])
    assert grounded(job) == [(float(number), float(number)) for number in range(1, 21)]
    assert summary["judge"] == {"model": "scripted", "measure": "sentence_pmi", "swaps": 4, "seed": 0}
    for image, _, others in killed.shown:
        assert len({other.getpixel((0, 0)) for other in others} - {image.getpixel((0, 0))}) == 4
    assert json.loads((job.out / "queue.jsonl").read_text().split("\n")[0])["scores"]["groundedness"] == 1.0


def test_reasons_are_compared_on_all_pictures_where_there_are_fewer(numbered):
    summary = annotate(numbered(judge := Judge(), swaps=100))
    assert summary["judge"]["swaps"] == len(judge.shown[0][2]) == 19
    with pytest.raises(DataError, match="has only 1. Pass --judge none"):
        Judging("scripted", Judge).among(1, "photos")


@pytest.mark.slow
def test_a_model_of_this_machine_annotates_and_judges(tmp_path):
    """The base model that ships, on drawn moods: from the picture to a grounded distribution."""
    dataset = write_drawn(tmp_path / "moods", "moods", train=4, test=1)
    (tmp_path / "photos").mkdir()
    for number, row in enumerate(dataset.rows("train")):
        (tmp_path / "photos" / f"{number}.png").write_bytes(row["image"]["bytes"])
    model = ("--model", "rise-bench-base", "--judge", "rise-bench-base", "--judge-swaps", 2)
    options = ("--benchmark", "moods", "--samples", 3, "--max-length", 160, "--out", tmp_path / "o", "--json")
    summary = json.loads(run("annotate", tmp_path / "photos", *model, *options))
    assert summary["answers"].get("annotated", 0) >= 3 and summary["tokens"]["completion"] > 3 * 4 * 10
    lines = [json.loads(line) for line in (tmp_path / "o" / "annotations.jsonl").read_text().splitlines()]
    annotated = [line for line in lines if line["annotation"]]
    assert all(abs(sum(line["annotation"]) - 1) < 1e-9 and line["groundedness"] for line in annotated)
    assert json.loads(run("annotate", tmp_path / "photos", *model, *options))["asked"] == 0
