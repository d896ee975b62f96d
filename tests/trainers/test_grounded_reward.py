"""The reward variant `grounded`: what it does to eq. 1, what the judge is shown, what a run leaves behind."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rise_bench.annotations.base import Gold
from rise_bench.annotations.distribution.values import Distribution
from rise_bench.cot.row_log import read_rows
from rise_bench.errors import ConfigError
from rise_bench.models import likelihood
from rise_bench.models.groundedness_judge import FrozenJudge
from rise_bench.reports.run_report import read_metrics
from rise_bench.scoring.groundedness import Grounded
from rise_bench.scoring.rewards import RewardRule, cot_reward, grounded_factor
from rise_bench.trainers import rise_cot
from rise_bench.trainers.rollouts.group_judge import GroupJudge
from rise_bench.trainers.runs.run_folder import RunFolder
from rise_bench.trainers.settings.recipe_loader import dump_config, load_config, load_recorded

from ..support.drawn_data import write_drawn

GOLD = Gold("a", Distribution(("red", "blue"), (0.75, 0.25)), 56, 56)
STATED = '<answer>{"red": 0.75, "blue": 0.25}</answer>'
COT = "The ground is warm and bright."


@pytest.mark.parametrize(
    ("rule", "groundedness", "paid"),
    [
        (RewardRule(), None, 1.0),
        (RewardRule(), -9.0, 1.0),  # the paper's reward does not ask
        (RewardRule(grounded="gate"), 0.0, 1.0),
        (RewardRule(grounded="gate"), -0.01, 0.0),
        (RewardRule(grounded="gate", grounded_threshold=-1.0), -0.5, 1.0),
        (RewardRule(grounded="multiply"), 0.25, 0.25),
        (RewardRule(grounded="multiply"), 7.0, 1.0),
        (RewardRule(grounded="multiply"), -7.0, 0.0),
        (RewardRule(grounded="multiply", grounded_threshold=0.5, grounded_scale=2.0), 1.5, 0.5),
    ],
)
def test_gate_and_multiply_change_the_reward_as_stated(rule, groundedness, paid):
    verdict = cot_reward(GOLD, COT, STATED, rule=rule, groundedness=groundedness)
    assert verdict.reward == pytest.approx(1.0)  # eq. 1 is kept beside it
    assert verdict.paid == pytest.approx(paid)


@given(
    st.sampled_from(["none", "gate", "multiply"]), st.floats(-50, 50), st.floats(-5, 5), st.floats(0.01, 10)
)
def test_the_factor_is_in_0_1_and_never_falls_as_groundedness_rises(kind, score, threshold, scale):
    rule = RewardRule(grounded=kind, grounded_threshold=threshold, grounded_scale=scale)
    factor = grounded_factor(score, rule)
    assert 0 <= factor <= 1
    assert grounded_factor(score + 0.5, rule) >= factor


def test_a_grounded_rule_without_groundedness_is_an_error():
    with pytest.raises(ValueError, match="needs the groundedness"):
        cot_reward(GOLD, COT, STATED, rule=RewardRule(grounded="gate"))


@pytest.mark.parametrize(
    ("overrides", "stage", "message"),
    [
        (["reward.grounded=gate"], "rise_r1", "rise_cot only"),
        (["reward.grounded=gate", "compute.accelerate=zero3"], "rise_cot", "zero2"),
        (["reward.grounded_scale=0"], "rise_cot", "above 0"),
        (["reward.grounded_swaps=0"], "rise_cot", "at least 1"),
    ],
)
def test_settings_that_cannot_work_are_refused(make_config, overrides, stage, message):
    with pytest.raises(ConfigError, match=message):
        make_config(*overrides, stage=stage)


def test_runs_of_another_measure_are_read_and_not_trained_on(tmp_path, make_config):
    old = dump_config(
        make_config("reward.grounded=gate", "reward.grounded_swaps=2", "compute.accelerate=ddp")
    )
    lines = [line for line in old.splitlines() if "grounded_measure" not in line]
    (path := tmp_path / "config.yaml").write_text("\n".join(lines))
    config = load_recorded(path)
    assert (config.reward.grounded_measure, config.reward.grounded_swaps) == ("token_mean", 2)
    with pytest.raises(ConfigError, match="grounded_measure=sentence_pmi in a new run"):
        rise_cot.group_judge(config, None, "cpu")


def test_a_recorded_run_without_groundedness_goes_on_under_other_defaults(tmp_path, make_config):
    old = dump_config(make_config()).replace("grounded_swaps: 16", "grounded_swaps: 2")
    lines = [line for line in old.splitlines() if "grounded_measure" not in line]
    (path := tmp_path / "config.yaml").write_text("\n".join(lines))
    assert load_recorded(path).reward == make_config().reward


class Recorder:
    """Keeps what a judge is given."""

    def __init__(self):
        self.calls = []

    def ground(self, images, texts, others):
        self.calls.append((images, texts, others))
        return [Grounded()] * len(texts)


def test_a_group_is_held_against_the_same_other_pictures():
    recorder = Recorder()
    judge = GroupJudge(recorder, ["a", "b", "c", "d"], "ABCD", "ABCD".__getitem__, swaps=2, seed=0)
    judge(["b", "b", "d"], ["x", "y", "z"], step=3)
    judge(["d"], ["z"], step=3)
    (images, texts, others), (_, _, again) = recorder.calls
    assert (images, texts) == (["B", "B", "D"], ["x", "y", "z"])
    assert others[0] == others[1] and len(set(others[0])) == 2 and "B" not in others[0]
    assert "D" not in others[2] and again == [others[2]]  # drawn by step, not by batch
    assert len({picture for chosen in others for picture in chosen}) <= 3, "a step reads few pictures"
    for step in range(10):
        judge(["b"], ["x"], step=step)
    assert len({tuple(chosen) for *_, (chosen,) in recorder.calls[2:]}) > 1, "another step draws others"


def test_fewer_samples_than_pictures_to_compare_with():
    recorder = Recorder()
    GroupJudge(recorder, ["a", "b"], "AB", "AB".__getitem__, swaps=2, seed=0)(["a"], ["x"], step=0)
    assert recorder.calls[0][2] == [["B"]], "all there are"
    with pytest.raises(ConfigError, match="reward.grounded=none"):
        GroupJudge(recorder, ["a", "b"], "AA", "AA".__getitem__, swaps=2, seed=0)


def test_another_sample_with_the_same_picture_is_no_other_picture():
    recorder = Recorder()
    judge = GroupJudge(recorder, ["a", "b", "c", "d"], "AACD", "AACD".__getitem__, swaps=2, seed=0)
    for step in range(20):
        judge(["a"], ["x"], step=step)
    assert {"".join(sorted(others[0])) for _, _, others in recorder.calls} == {"CD"}


def test_a_run_is_paid_by_groundedness_and_logs_both(tmp_path, monkeypatch):
    shown = []
    score = likelihood.token_log_probs

    def spy(model, processor, images, texts, **options):
        shown.append((texts, options["prompt"]))
        return score(model, processor, images, texts, **options)

    monkeypatch.setattr(likelihood, "token_log_probs", spy)
    moods = write_drawn(tmp_path / "moods", "moods", train=8, test=1)
    config = load_config(
        "world/rise_cot",
        [
            *(f"data.benchmark={moods.root}", "data.shots=full", f"run.output_dir={tmp_path / 'run'}"),
            *("grpo.steps=2", "grpo.num_generations=4", "grpo.rollouts_per_device=8"),
            *("reward.grounded=multiply", "reward.grounded_threshold=-0.2", "reward.grounded_swaps=2"),
        ],
    )
    run = RunFolder.create(config)
    rise_cot.train(config, run)
    assert "  name: rise-bench-base\n" in (run.path / "config.yaml").read_text(), "no path of this machine"
    rows = [located.row for located in read_rows([run.rollouts_dir])]
    assert len(rows) == 2 * 8
    for row in rows:
        factor = grounded_factor(row["groundedness"], config.reward)
        assert row["groundedness_measure"] == "sentence_pmi"
        assert row["paid"] == pytest.approx(row["reward"] * factor)
    assert 0 < sum(row["paid"] for row in rows) < sum(row["reward"] for row in rows)
    for m in (m for m in read_metrics(run.path) if "reward" in m):
        of_step = [row for row in rows if row["step"] == m["step"] - 1]
        assert m["reward"] == pytest.approx(sum(row["paid"] for row in of_step) / 8, abs=1e-4)
        assert m["reward_eq1"] == pytest.approx(sum(row["reward"] for row in of_step) / 8, abs=1e-4)
    # the judge reads chains of thought under one fixed prompt: no annotation, which is in every other prompt
    assert {text for texts, _ in shown for text in texts} == {row["cot"] for row in rows}
    assert {prompt for _, prompt in shown} == {likelihood.DESCRIBE}
    assert not any(name in likelihood.DESCRIBE.lower() for name in moods.spec.classes)


def test_the_frozen_judge_of_each_family_is_the_plain_likelihood(tiny, family, toy):
    judge = FrozenJudge(str(tiny(family)), max_pixels=28 * 28 * 16, batch_rows=3)
    images, texts = toy.images[:2] * 2, ["One red square.", "Blue. Green.", "A dark ground.", "Two."]
    others = [[toy.images[2], toy.images[3]]] * 4
    found = judge.ground(images, texts, others)
    assert [len(one.sentences) for one in found] == [1, 2, 1, 1]
    plain = likelihood.ground(judge._model, judge._processor, images, texts, others)  # no shared encodings
    assert [one.score for one in found] == pytest.approx([one.score for one in plain], abs=1e-4)
    assert not any(parameter.requires_grad for parameter in judge._model.parameters())
