"""`collect --reconstructions`: new reconstructions score what others selected."""

import json
from dataclasses import replace

import pytest

from rise_bench.annotations.kinds import render_gold, similarity
from rise_bench.cot.check import check_folder
from rise_bench.cot.closed_loop import LoopSettings
from rise_bench.cot.collect import collect
from rise_bench.cot.collect_job import CollectJob
from rise_bench.cot.dataset import SELECTED, VIEWS, open_cots
from rise_bench.cot.grounding import Judging
from rise_bench.cot.rollout_log import Rollout, read_rollouts
from rise_bench.cot.row_log import RowLog
from rise_bench.cot.share import Share
from rise_bench.cot.views import Views
from rise_bench.data.manifest import read_manifest
from rise_bench.errors import ConfigError, DataError
from rise_bench.files.atomic import sha256_file
from rise_bench.models.sampler import SampleError
from rise_bench.prompts.templates import answer_only_text
from rise_bench.scoring.rewards import RewardRule, read_stated

from ..data.test_check import edit_manifest
from ..support.drawn_data import write_drawn
from ..support.scripted_model import ScriptedModel
from .test_judging import Scripted as Judge

SAMPLES, AGAIN = 4, 8
EVEN = answer_only_text(json.dumps(dict.fromkeys(("joy", "fear"), 0.5)))
COTS = tuple(f"Warm light and {word} colours." for word in ("bright", "soft", "deep", "pale"))


@pytest.fixture(scope="module")
def benchmark(tmp_path_factory):
    return write_drawn(tmp_path_factory.mktemp("moods") / "moods", "moods", train=6, test=1)


@pytest.fixture(scope="module")
def golds(benchmark):
    return {gold.id: gold for gold in benchmark.golds("train")}


@pytest.fixture(scope="module")
def guess(golds):
    """Reward of the wrong answer by sample id."""
    return {uid: similarity(gold.annotation, read_stated(gold, EVEN)[0]) for uid, gold in golds.items()}


@pytest.fixture(scope="module")
def truth_of(benchmark, golds):
    """Right answer by encoded picture."""
    return {
        row["image"]["bytes"]: answer_only_text(render_gold(golds[row["id"]]))
        for row in benchmark.rows("train")
    }


@pytest.fixture
def lucky(truth_of):
    """A model that one chain of thought leads to the right answer every fourth time, the first included.

    A sweep asks once, so that this chain of thought looks right. Without the picture the model guesses.
    """

    def answer(prompt, number):
        if "correct annotation" in prompt.text:
            return COTS[number]
        right = number % 4 == 0 and COTS[2] in prompt.text and prompt.images
        return truth_of[prompt.images[0]] if right else EVEN

    return lambda **options: ScriptedModel(answer, **options)


@pytest.fixture
def job(benchmark, lucky, tmp_path):
    def make(model=None, *, view="picture", **changes):
        settings = LoopSettings(samples=SAMPLES, rule=RewardRule(view=view))
        base = CollectJob(
            benchmark, "full", tmp_path / "cots", tmp_path / "cots.rollouts", settings,
            sampler=lambda: model or lucky(), model={"model": "scripted"}, tau=0.9, rescoring=Views(AGAIN),
        )  # fmt: skip
        return replace(base, **changes)

    return make


def rows_of(job):
    return {row["id"]: row for row in open_cots(job.out).rows()}


def reconstructions(model):
    return [prompt for prompt in model.asked if "Reasoning:" in prompt.text]


def test_the_reward_is_a_mean_that_the_selection_has_not_raised(job, guess, lucky):
    model = lucky()
    collect(job(model), Share())
    rows = rows_of(job())
    for uid, row in rows.items():
        assert row["cot"] == COTS[2]
        assert row[SELECTED] == max(row["group_rewards"]) == pytest.approx(1.0, abs=1e-3)
        assert row["reward"] == pytest.approx((2 + 6 * guess[uid]) / AGAIN, abs=1e-3)
        assert row["similarity"] == row["reward"] and len(row["group_rewards"]) == SAMPLES
        provenance = json.loads(row["provenance"])
        assert provenance["reconstructed_again"]["reconstructions"] == str(AGAIN)
    assert {row["id"] for row in open_cots(job().out).rows("high")} == {
        uid for uid, row in rows.items() if row["reward"] >= 0.9
    }
    assert len(reconstructions(model)) == len(rows) * (SAMPLES + 1) and model.closed
    assert check_folder(job().out) == []
    assert read_manifest(job().out).options["reconstructions"] == str(AGAIN)
    card = (job().out / "README.md").read_text()
    mean = sum(row["reward"] for row in rows.values()) / len(rows)
    assert f"mean of {AGAIN} new reconstructions" in card and f"{mean:.3f} in the mean" in card
    assert "1.000 in the mean" in card


def test_without_reconstructions_the_card_says_that_the_reward_is_too_high(job):
    collect(job(rescoring=None), Share())
    assert all(row["reward"] == row[SELECTED] for row in rows_of(job()).values())
    assert "so too high an estimate" in (job().out / "README.md").read_text()


@pytest.mark.parametrize("rescoring", [None, Views(AGAIN)])
def test_a_reward_that_was_changed_is_found(job, rescoring):
    collect(job(rescoring=rescoring), Share())
    folder = job().out
    name = next(iter(read_manifest(folder).files))
    column = "reward" if rescoring is None else SELECTED
    change_column(folder, name, column, 0.95)
    assert any(f"{column} 0.95 is not among" in finding.problem for finding in check_folder(folder))


def change_column(folder, name, column, value):
    import pyarrow as pa
    import pyarrow.parquet as pq

    table = pq.read_table(folder / name)
    values = pa.array([value] * len(table), pa.float64())
    pq.write_table(table.set_column(table.schema.get_field_index(column), column, values), folder / name)
    entry = {"sha256": sha256_file(folder / name), "bytes": (folder / name).stat().st_size}
    edit_manifest(folder, lambda m: m["files"][name].update(entry))


def test_blind_reward_and_lift_of_rows_and_of_rollouts(job, guess):
    collect(job(rescoring=Views(AGAIN, blind=True, lift=True)), Share())
    for uid, row in rows_of(job()).items():
        assert row["reward_blind"] == pytest.approx(guess[uid])
        assert row["lift"] == pytest.approx(row["reward"] - guess[uid])
    assert read_manifest(job().out).options["views"] == "picture,blind,empty"
    for rollout, *_ in read_rollouts([job().sweep_log]):
        assert rollout.reward_blind == pytest.approx(guess[rollout.id])
        assert rollout.lift == pytest.approx(rollout.reward - guess[rollout.id])
        assert rollout.reconstruction_blind == EVEN and rollout.paid is None
    card = (job().out / "README.md").read_text()
    assert "`reward_blind`" in card and "`lift`" in card


def test_a_killed_rescoring_asks_for_nothing_twice(job, lucky, golds):
    def die(prompt, number):
        if "Reasoning:" in prompt.text and len(reconstructions(model)) > len(golds) * SAMPLES + 2:
            raise KeyboardInterrupt
        return answer(prompt, number)

    model = lucky()
    answer, model.answer = model.answer, die
    with pytest.raises(KeyboardInterrupt):
        collect(job(model), Share())
    again = lucky()
    collect(job(again), Share())
    assert len(again.asked) == len(golds) - 2
    (folder,) = job().sweep_log.glob("rescored-*")
    logged = [located.rollout for located in read_rollouts([folder])]
    assert len(logged) == len(golds) and all(r.reward_selected > r.reward for r in logged)
    assert collect(job(), Share()).asked == 0


def test_each_process_rescores_its_own_samples_and_the_last_writes(job, lucky, golds):
    models = [lucky(), lucky()]
    first = collect(job(models[0]), Share(0, 2))
    assert first.manifest is None and first.left == len(golds) / 2
    assert collect(job(models[1]), Share(1, 2)).manifest is not None
    assert [len(reconstructions(model)) for model in models] == [len(golds) / 2 * (SAMPLES + 1)] * 2


def test_rollouts_of_an_earlier_sweep_are_rescored(job, lucky, golds):
    collect(job(rescoring=None), Share())
    with pytest.raises(ConfigError, match="reconstructions was None, is 8"):
        collect(job(), Share())
    model = lucky()
    collect(job(model, overwrite=True, keep_rollouts=True), Share())
    assert len(model.asked) == len(golds) and all(r["reward"] < r[SELECTED] for r in rows_of(job()).values())
    collect(job(overwrite=True), Share())  # a new sweep: nothing of the old one is left
    (folder,) = job().sweep_log.glob("rescored-*")
    assert len(list(read_rollouts([folder]))) == len(golds)


def test_what_training_sampled_is_rescored_without_a_sweep(job, lucky, golds, tmp_path):
    trained = list(golds)[:2]
    log = RowLog(tmp_path / "train", 0, attempt="0")
    log.append(Rollout(uid, 3, 0, 0.99, cot=COTS[2]).to_json() for uid in trained)
    model = lucky()
    collect(job(model, train_log=tmp_path / "train", sweeps=False), Share())
    assert rows_of(job()).keys() == set(trained) and len(model.asked) == len(trained)
    assert all(row[SELECTED] == 0.99 > row["reward"] for row in rows_of(job()).values())


def test_refused_texts_are_an_error_or_left_out(job, golds, lucky):
    refused = next(iter(golds))

    def refuse(prompt, number):
        if "Reasoning:" in prompt.text and prompt.images == pictures[refused] and len(seen(prompt)) > SAMPLES:
            raise SampleError("no")
        return answer(prompt, number)

    def seen(prompt):
        return [asked for asked in reconstructions(model) if asked.images == prompt.images]

    pictures = {row["id"]: (row["image"]["bytes"],) for row in job().benchmark.rows("train")}
    model = lucky()
    answer, model.answer = model.answer, refuse
    with pytest.raises(DataError, match=f"refused 1 of {len(golds)} samples, first {refused}: no"):
        collect(job(model), Share())
    collect(job(model, allow_missing=True), Share())
    assert rows_of(job()).keys() == golds.keys() - {refused}
    assert read_manifest(job().out).drops == {"never sampled": (refused,)}


def test_a_judge_chooses_before_the_new_reconstructions(job, lucky, golds):
    def answer(prompt, number):
        if "correct annotation" in prompt.text:
            return f"{COTS[2]} It is grounded by {'-' if number == 0 else ''}1.0"
        return given(prompt, number)

    judging = Judging("j", Judge, swaps=1, min_groundedness=0.0)
    model = lucky()
    given, model.answer = model.answer, answer
    collect(
        job(model, judging=judging, settings=LoopSettings(SAMPLES, rule=RewardRule(leak_term=False))), Share()
    )
    rows = rows_of(job())
    assert rows.keys() == golds.keys()
    assert all(not row["cot"].endswith("-1.0") and row["reward"] < row[SELECTED] for row in rows.values())
    assert len(reconstructions(model)) == len(golds) * (SAMPLES + 1)


@pytest.mark.parametrize(("view", "chosen"), [("picture", 2), ("blind", 1), ("both", 3)])
def test_rollouts_are_selected_by_the_reward_of_the_view(job, golds, tmp_path, view, chosen):
    """Rewards (picture, blind) of the four rollouts: 0.2 0.1, 0.3 0.9, 0.9 0.3, 0.5 0.6."""
    log = RowLog(job().sweep_log, 0, attempt="0")
    for uid in golds:
        rewards = zip(COTS, ((0.2, 0.1), (0.3, 0.9), (0.9, 0.3), (0.5, 0.6)), strict=True)
        log.append(Rollout(uid, 0, 0, a, cot=cot, reward_blind=b).to_json() for cot, (a, b) in rewards)
    collect(job(view=view, rescoring=None), Share())
    for row in rows_of(job()).values():
        assert row["cot"] == COTS[chosen] and row["reward"] == row[SELECTED] == (0.2, 0.3, 0.9, 0.5)[chosen]
        assert row["reward_blind"] == (0.1, 0.9, 0.3, 0.6)[chosen]
        assert row["group_rewards"] == [0.2, 0.3, 0.9, 0.5]
    assert check_folder(job().out) == []
    assert read_manifest(job().out).options.get("select", "picture") == view


def test_a_view_that_rollouts_lack_is_an_error(job, golds):
    RowLog(job().sweep_log, 0, attempt="0").append(
        Rollout(uid, 0, 0, 0.5, cot=COTS[0]).to_json() for uid in golds for _ in range(SAMPLES)
    )
    with pytest.raises(DataError, match=r"without reward_blind.*--sweep-all"):
        collect(job(view="both"), Share())


def test_a_sweep_for_a_view_reconstructs_blindly(job, guess):
    collect(job(view="both", rescoring=None), Share())
    for uid, row in rows_of(job()).items():
        assert row["reward_blind"] == pytest.approx(guess[uid])
        assert row["cot"] == COTS[0]  # all are equally good: none leads to the answer without the picture


@pytest.mark.parametrize("text", ["half \ud83d pair", "", "\x00\x1b[31m", "<image>\ufffe", "\u2028"])
def test_no_text_of_a_model_stops_a_rescoring(job, text):
    collect(job(ScriptedModel(lambda prompt, number: text)), Share())
    assert len(rows_of(job())) == 6


def test_thresholds_of_blind_reward_and_lift(job, golds, guess):
    collect(job(rescoring=Views(AGAIN, blind=True, lift=True)), Share())
    cots = open_cots(job().out)
    some = sorted(guess.values())[3]
    assert cots.texts(min_reward_blind=some - 1e-6).keys() == {u for u in golds if guess[u] >= some - 1e-6}
    lifts = {row["id"]: row["lift"] for row in cots.rows()}
    least = sorted(lifts.values())[2]
    assert cots.texts(min_lift=least).keys() == {uid for uid, lift in lifts.items() if lift >= least}
    with pytest.raises(ConfigError, match=r"Lower tau or data\.min_lift\."):
        cots.texts(min_reward=0.0, min_lift=2.0)
    collect(job(rescoring=Views(AGAIN), overwrite=True, keep_rollouts=True), Share())
    assert all(row[name] is None for row in rows_of(job()).values() for name in VIEWS)
    with pytest.raises(DataError, match=r"no lift\. Collect again with --lift, or remove data\.min_lift"):
        open_cots(job().out).texts(min_lift=0.0)
