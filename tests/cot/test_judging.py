"""Groundedness of the rows of a CoT dataset: filled, resumed, selected by, and never told the annotation."""

import json
from dataclasses import replace

import pytest

from rise_bench.cot import grounding as judging_module
from rise_bench.cot.dataset import open_cots
from rise_bench.cot.grounding import Judging, judge_rollouts
from rise_bench.cot.rollout_groups import best_first, best_of, groups
from rise_bench.cot.row_log import RowLog
from rise_bench.errors import ConfigError, DataError
from rise_bench.hub.find import find_cots
from rise_bench.scoring.groundedness import Grounded
from rise_bench.trainers.settings.recipe_loader import dump_config, load_config

from ..support.drawn_data import write_drawn
from ..support.in_process import invoke


class Scripted:
    """A judge whose score of a text is the number at its end; it keeps what it was shown."""

    def __init__(self, fail_after=10**9):
        self.shown, self.fail_after = [], fail_after

    def describe(self):
        return {"model": "scripted", "revision": "", "prompt": "Say."}

    def ground(self, images, texts, others):
        if len(self.shown) >= self.fail_after:
            raise KeyboardInterrupt
        self.shown += zip(texts, others, strict=True)
        return [Grounded(((0, 1, float(text.split()[-1])),)) for text in texts]


@pytest.fixture(scope="module")
def moods(tmp_path_factory):
    return write_drawn(tmp_path_factory.mktemp("moods") / "moods", "moods", train=40, test=1)


@pytest.fixture
def logged(moods, tmp_path):
    """`logged({id: [(reward, worst sentence), …]})` logs rollouts."""

    def log(rollouts):
        writer = RowLog(tmp_path / "rollouts", 0, attempt="0")
        for uid, pairs in rollouts.items():
            writer.append(
                {"id": uid, "step": 0, "group": 0, "reward": reward, "cot": f"rollout {reward} {worst}"}
                for reward, worst in pairs
            )
        return [tmp_path / "rollouts"]

    return log


def run(moods, candidates, judge, folder, **options):
    return judge_rollouts(moods, "full", candidates, Judging("j", lambda: judge, **options), folder)


def test_of_the_rollouts_above_tau_the_best_grounded_one_is_kept(moods, logged, tmp_path):
    first, second, third, fourth = (g.id for g in moods.golds("train")[:4])
    folders = logged(
        {
            first: [(0.8, 1.0), (0.9, -1.0), (0.95, 0.2), (0.99, -0.1)],
            second: [(0.8, -2.0), (0.9, -1.0), (0.5, 3.0)],  # grounded only below tau: the best by reward
            third: [(0.3, -1.0), (0.4, -2.0)],  # nothing above tau: the best by reward
            fourth: [(1.0, 0.0)],
        }
    )
    judge = Scripted()
    kept, said = run(moods, best_first(folders, 0.75), judge, tmp_path, min_groundedness=0.0)
    assert {uid: (one.group.reward, one.worst) for uid, one in kept.items()} == {
        first: (0.95, 0.2),
        second: (0.9, -1.0),
        third: (0.4, -2.0),
        fourth: (1.0, 0.0),
    }
    assert kept[first].group.read().reward == 0.95
    assert sorted(kept[first].group.rewards) == [0.8, 0.9, 0.95, 0.99]
    assert len(judge.shown) == 2 + 2 + 1 + 1  # those after the first grounded one are not judged
    settings = {"swaps": 16, "seed": 0, "measure": "sentence_pmi"}
    assert said == {"model": "scripted", "revision": "", "prompt": "Say."} | settings


def test_a_chain_of_thought_that_comes_again_counts_with_its_best_reward(tmp_path):
    log = RowLog(tmp_path, 0, attempt="0")
    for step, rewards in ((3, {"X": 0.76, "Y": 0.8}), (9, {"X": 0.99}), (20, {"X": 0.9, "Z": 0.5})):
        log.append(
            {"id": "a", "step": step, "group": 0, "reward": reward, "cot": cot}
            for cot, reward in rewards.items()
        )
    ranked = best_first([tmp_path], 0.75)["a"]
    assert [(g.read().cot, g.reward, g.step) for g in ranked] == [("X", 0.99, 9), ("Y", 0.8, 3)]


def test_a_killed_judge_is_asked_for_nothing_twice_and_the_result_is_the_same(moods, logged, tmp_path):
    ids = [g.id for g in moods.golds("train")]
    best = {uid: [group] for uid, group in best_of(groups(logged({u: [(0.9, 1.0)] for u in ids}))).items()}
    killed, again, whole = Scripted(fail_after=16), Scripted(), Scripted()
    with pytest.raises(KeyboardInterrupt):
        run(moods, best, killed, tmp_path / "a")
    kept, _ = run(moods, best, again, tmp_path / "a")
    assert (len(killed.shown), len(again.shown)) == (16, 24)
    assert kept == run(moods, best, whole, tmp_path / "b")[0]
    assert len(whole.shown) == 40
    run(moods, best, other := Scripted(), tmp_path / "a", seed=1)
    assert len(other.shown) == 40  # another seed is another judge


def test_other_pictures_are_others_and_drawn_by_seed_alone(moods, logged, tmp_path, monkeypatch):
    monkeypatch.setattr(judging_module, "decode_rgb", lambda data, *_: data)
    own = {row["id"]: row["image"]["bytes"] for row in moods.rows("train")}
    folders = logged({uid: [(0.9, 1.0)] for uid in own})
    best = {uid: [group] for uid, group in best_of(groups(folders)).items()}
    shown = {}
    for part in ("all", "few"):
        chosen = best if part == "all" else dict(list(best.items())[:3])
        judge = Scripted()
        run(moods, chosen, judge, tmp_path / part)
        shown[part] = dict(zip(chosen, (others for _, others in judge.shown), strict=True))
    for uid, others in shown["all"].items():
        assert len(set(others)) == 16 and own[uid] not in others
    assert len({picture for others in shown["all"].values() for picture in others}) == 17
    assert all(shown["all"][uid] == others for uid, others in shown["few"].items())


def test_too_few_pictures_to_compare_with(moods, logged, tmp_path, monkeypatch):
    uid = moods.golds("train")[0].id
    best = {uid: [best_of(groups(logged({uid: [(0.9, 1.0)]})))[uid]]}
    judge = Scripted()
    _, described = run(moods, best, judge, tmp_path / "all", swaps=100)
    assert described["swaps"] == len(judge.shown[0][1]) == 39, "all there are, as the record says"
    monkeypatch.setattr(judging_module, "_pool", lambda *_: [{"source_sha256": "x", "pictures": ()}])
    with pytest.raises(DataError, match="--judge none"):
        run(moods, best, Scripted(), tmp_path / "none")


def sweep_options(moods, out, model):
    return [
        *("--model", model, "--benchmark", moods.root, "--samples", 2, "--max-cot-length", 60, "--out", out),
        *("--max-reconstruction-length", 60, "--max-pixels", 12544, "--batch-rows", 20, "--tau", 0.2),
    ]


def test_columns_are_filled_selected_by_and_named_by_the_card(moods, tmp_path):
    out = tmp_path / "cots"
    invoke("collect", *sweep_options(moods, out, "rise-bench-base"), "--select", "reward_and_groundedness")
    dataset = open_cots(out)
    rows = list(dataset.rows())
    assert len(rows) == 40
    for row in rows:
        assert row["groundedness"] >= row["groundedness_worst_sentence"] - 1e-9
        assert json.loads(row["provenance"])["judge"]["model"] == "rise-bench-base"
        assert row["reward"] in row["group_rewards"]
    options = dataset.manifest.options
    assert (options["judge"], options["judge_measure"]) == ("rise-bench-base", "sentence_pmi")
    assert "groundedness" in (out / "README.md").read_text()
    scores = sorted(row["groundedness"] for row in rows)
    middle = scores[20]
    kept = find_cots(str(out)).texts(min_reward=0.2, min_groundedness=middle)
    assert kept.keys() == {
        row["id"] for row in rows if row["reward"] >= 0.2 and row["groundedness"] >= middle
    }
    assert 0 < len(kept) < len(find_cots(str(out)).texts(min_reward=0.2))
    with pytest.raises(ConfigError, match=r"data\.min_groundedness"):
        find_cots(str(out)).texts(min_groundedness=scores[-1] + 1)
    old = replace(dataset, manifest=dataset.manifest.model_copy(update={"options": {"judge": "x"}}))
    lowest = sorted(row["groundedness_worst_sentence"] for row in rows)[20]
    assert old.texts(min_groundedness=lowest).keys() == {
        row["id"] for row in rows if row["groundedness_worst_sentence"] >= lowest
    }, "datasets of version 0.1.0 do not name their measure, and are held by the worst sentence"


def test_without_a_judge_the_columns_are_null_and_cannot_be_selected_by(moods, tmp_path):
    from datasets import load_dataset

    out = tmp_path / "cots"
    invoke("collect", *sweep_options(moods, out, "rise-bench-base"), "--judge", "none")
    rows = load_dataset(str(out), split="train", cache_dir=str(tmp_path / "cache"))
    assert set(rows["groundedness"]) == set(rows["groundedness_worst_sentence"]) == {None}
    assert rows.features["groundedness"].dtype == "float64"
    assert "judge" not in open_cots(out).manifest.options
    with pytest.raises(DataError, match="--judge MODEL"):
        find_cots(str(out)).texts(min_groundedness=0.0)
    with pytest.raises(ConfigError, match="needs a judge"):
        options = ("--judge", "none", "--select", "reward_and_groundedness")
        invoke("collect", *sweep_options(moods, tmp_path / "other", "rise-bench-base"), *options)


def test_the_setting_survives_being_written_and_read(tmp_path):
    for text, value in (("data.min_groundedness=0.5", 0.5), ("data.min_groundedness=null", None)):
        config = load_config("world/rise_r1", [text])
        assert config.data.min_groundedness == value
        (tmp_path / "config.yaml").write_text(dump_config(config))
        assert load_config(tmp_path / "config.yaml") == config
