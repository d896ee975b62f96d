"""Cross-fitting: no model answers an image that it was trained on."""

import json
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rise_bench.curation.audit import folds as module
from rise_bench.curation.audit.folds import Folds, _joined, cross_fit, fold_of_rows
from rise_bench.curation.audit.model import AskedModel, asked_model
from rise_bench.data.dataset import BenchmarkDataset, open_dataset
from rise_bench.errors import ConfigError
from rise_bench.models.families import PictureLimits
from rise_bench.models.tiny import make_tiny_model

SPLITS = ("train", "test")


def test_folds_are_of_equal_size_and_do_not_part_the_rows_of_an_image(kinds_24):
    ids = [gold.id for split in SPLITS for gold in kinds_24.golds(split)]
    fold_of = fold_of_rows(kinds_24, ids, 3, 0)
    assert Counter(fold_of.values()) == {0: 8, 1: 8, 2: 8}
    assert fold_of != fold_of_rows(kinds_24, ids, 3, 1)
    shared = dict.fromkeys(ids[:5], kinds_24.manifest.images_sha256[ids[0]])
    manifest = kinds_24.manifest.model_copy(
        update={"images_sha256": kinds_24.manifest.images_sha256 | shared}
    )
    together = fold_of_rows(BenchmarkDataset(kinds_24.root, kinds_24.spec, manifest), ids, 3, 0)
    assert len({together[uid] for uid in ids[:5]}) == 1


def test_each_row_is_answered_by_the_model_that_never_saw_its_image(kinds_24, oracle, tmp_path, monkeypatch):
    ids = [gold.id for split in SPLITS for gold in kinds_24.golds(split)]
    trained_on: dict[str, set[str]] = {}
    starts = []

    def train(jobs, folder, progress):
        """In the place of `rise-bench train`: notes what it would train on."""
        (job,) = jobs
        starts.append(job.name)
        given = dict(text.partition("=")[::2] for text in job.arguments if "=" in text)
        dataset = open_dataset(given["data.benchmark"])
        assert dataset.manifest.counts.keys() == {"train"} and "sft.steps=7" in job.arguments
        trained_on[given["run.output_dir"]] = {gold.id for gold in dataset.golds("train")}
        folder.write(job, 1.0, done=True)

    def asked(name, **options):
        model = AskedModel(name)
        seen = trained_on[name]
        monkeypatch.setattr(AskedModel, "open", lambda model, sampling: oracle)
        assert not seen & {uid for uid in ids if fold_of[uid] == len(models)}
        assert len(seen) == 16
        models.append(name)
        return model

    fold_of, models = fold_of_rows(kinds_24, ids, 3, 5), []
    monkeypatch.setattr(module, "run_jobs", train)
    monkeypatch.setattr(module, "asked_model", asked)
    folds = Folds(3, recipe="world/sft", overrides=("sft.steps=7",), samples=2, seed=5)
    done = []
    options = (SPLITS, ids, folds, tmp_path / "work", lambda at, of: done.append((at, of)), lambda job: None)
    answers = cross_fit(kinds_24, *options)
    assert starts == ["train-0", "train-1", "train-2"] and done[-1] == (24, 24)
    golds = [gold for split in SPLITS for gold in kinds_24.golds(split)]
    assert all(answers.agreement(gold) == 1.0 for gold in golds)
    assert not list((tmp_path / "work").glob("fold-*/kinds")), "the copies of the images are gone"
    prompts, models = len(oracle.asked), []
    assert cross_fit(kinds_24, *options).texts == answers.texts
    assert len(starts) == 3 and len(oracle.asked) == prompts == 24


@pytest.mark.parametrize(
    ("options", "advice"), [({"count": 1}, "--model"), ({"stage": "rise_cot"}, "rise_r1")]
)
def test_folds_that_make_no_sense_are_refused(options, advice):
    with pytest.raises(ConfigError, match=advice):
        Folds(**options)


def test_a_run_is_asked_as_it_was_taught(tmp_path):
    run = tmp_path / "run"
    (run / "sft" / "final").mkdir(parents=True)
    (run / "sft" / "final" / "config.json").write_text(json.dumps({"model_type": "qwen2_vl"}))
    (run / "sft" / "final" / "model.safetensors").write_bytes(bytes(16))  # only its name counts
    model = {"box_unit": "px", "max_pixels": 12544, "min_pixels": 784}
    (run / "config.yaml").write_text(json.dumps({"stage": "sft", "model": model}))
    asked = asked_model(str(run))
    assert asked.name == str(run / "sft" / "final") and asked.limits == PictureLimits(784, 12544)
    assert asked.answer_format.to_json() == {"style": "answer_only", "box_unit": "px", "max_pixels": 12544}
    assert asked_model(str(run), style="think_answer").answer_format.style == "think_answer"
    caption = {"stage": "visual_rft", "model": model, "reward": {"response_form": "caption"}}
    (run / "config.yaml").write_text(json.dumps(caption))
    (run / "sft").rename(run / "grpo")
    assert asked_model(str(run)).answer_format.style == "caption"


def test_a_checkpoint_is_asked_as_its_family_was_taught_whatever_its_folder_is_called(tmp_path):
    folder = make_tiny_model(tmp_path / "mine", "qwen2_5_vl")
    assert asked_model(str(folder)).answer_format.unit == "resized_px"


@pytest.mark.slow  # two trainings of two steps: a minute
def test_folds_are_trained_for_real(kinds_24, tmp_path):
    ids = [gold.id for gold in kinds_24.golds("train")]
    folds = Folds(2, recipe="world/sft", overrides=("sft.steps=2",), batch_rows=16)
    answers = cross_fit(
        kinds_24, ("train",), ids, folds, tmp_path / "work", lambda at, of: None, lambda job: None
    )
    assert answers.texts.keys() == set(ids) and answers.answer_format.max_pixels == 12544
    assert all(len(texts) == 1 and texts[0] for texts in answers.texts.values())


@given(st.lists(st.lists(st.sampled_from("abcdefgh"), min_size=1, max_size=3), max_size=12))
def test_rows_that_share_a_picture_are_together(rows):
    pictures = {str(number): of for number, of in enumerate(rows)}
    together = _joined(pictures)
    for one, of_one in pictures.items():
        for other, of_other in pictures.items():
            if set(of_one) & set(of_other):
                assert together[one] == together[other]
    groups = {
        name: set().union(*(set(pictures[u]) for u in pictures if together[u] == name))
        for name in together.values()
    }
    assert sum(map(len, groups.values())) == len(set().union(*groups.values(), set())), "no more than needed"


def test_folds_are_whole_however_many_rows_share_a_picture(kinds_24):
    ids = [gold.id for gold in kinds_24.golds("train")][:9]

    def folded(hashes, folds=3):
        of = dict(zip(ids, hashes, strict=True))
        manifest = kinds_24.manifest.model_copy(update={"images_sha256": of})
        return fold_of_rows(BenchmarkDataset(kinds_24.root, kinds_24.spec, manifest), ids, folds, 0)

    pairs = folded([f"shared p{n}" if n < 3 else f"p{n}" for n in range(9)])
    assert Counter(pairs.values()) == {0: 3, 1: 3, 2: 3}
    with pytest.raises(ConfigError, match="9 rows make 1 groups that share no picture, .*--model"):
        folded([f"reference p{n}" for n in range(9)])
