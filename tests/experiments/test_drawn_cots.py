"""Chains of thought of the drawn world: how true and complete they are, and that they are datasets."""

import json

import pytest
from typer.testing import CliRunner

from rise_bench.cli import app
from rise_bench.cot.dataset import open_cots
from rise_bench.errors import ConfigError, DataError
from rise_bench.experiments.drawn_cots import Writing, write_text
from rise_bench.synthetic.fact_check import count_statements
from rise_bench.synthetic.rows import drawn_row
from rise_bench.synthetic.statements import NOTHING, statements

from ..support.drawn_data import write_drawn

ROWS = {
    name: [drawn_row(name, 0, "train", index).described for index in range(40)]
    for name in ("moods", "kinds", "scenes", "drawn_counting", "drawn_changes")
}


def said(name: str, writing: Writing) -> list[tuple[int, int, int]]:
    """(Statements that could be made, made, false) of each text."""
    texts = [(truth, write_text(truth, writing, str(i))) for i, truth in enumerate(ROWS[name])]
    made = [(len(truth), statements(text, truth)) for truth, text in texts]
    return [(could, len(facts), sum(not fact.true for fact in facts)) for could, facts in made]


@pytest.mark.parametrize("name", ROWS)
def test_the_oracle_says_all_of_it_and_nothing_false(name: str) -> None:
    assert all(made == could and not false for could, made, false in said(name, Writing()))


@pytest.mark.parametrize("name", ["moods", "kinds"])
def test_a_bad_reasoner_says_little_and_some_of_it_is_false(name: str) -> None:
    counts = said(name, Writing(false_share=0.3, statements=3))
    assert all(made == 3 for _, made, _ in counts)
    assert 0.2 < sum(false for *_, false in counts) / (3 * len(counts)) < 0.4
    assert said(name, Writing(1.0, 2))[0][1:] == (2, 2)


def test_the_oracle_describes_what_the_question_is_about() -> None:
    for index in range(14):
        row = drawn_row("drawn_counting", 0, "train", index)
        text = write_text(row.described, Writing(), "")
        assert text.count(".") == max(1, int(row.answer.text)), "a sentence for each object that is counted"
        assert (text == NOTHING) == (row.answer.text == "0")
    row = drawn_row("drawn_changes", 0, "train", 0)
    after = row.after.things
    assert [(thing.shape, thing.colour) for thing in row.described] == [(t.shape, t.colour) for t in after]


def test_a_text_depends_on_seed_and_row_alone() -> None:
    truth, writing = ROWS["moods"][0], Writing(0.5, 4)
    assert write_text(truth, writing, "a") == write_text(truth, writing, "a")
    others = {write_text(truth, Writing(0.5, 4, seed), uid) for seed in range(3) for uid in "abc"}
    assert len(others) > 6


@pytest.mark.parametrize("options", [{"false_share": 1.5}, {"false_share": -0.1}, {"statements": -1}])
def test_settings_out_of_range(options: dict) -> None:
    with pytest.raises(ConfigError, match="Give"):
        Writing(**options)


def test_the_command_writes_a_dataset_that_trainers_read(tmp_path) -> None:
    kinds = write_drawn(tmp_path / "kinds", "kinds", train=24, test=1)
    arguments = ["drawn-cots", "--benchmark", str(kinds.root), "--out", str(tmp_path / "cots")]
    result = CliRunner().invoke(app, arguments, catch_exceptions=False)
    assert result.exit_code == 0 and "24 chains of thought" in result.output
    cots = open_cots(tmp_path / "cots")
    texts = cots.texts()
    assert texts.keys() == {gold.id for gold in kinds.golds("train")}
    counted = count_statements(texts.items(), kinds, "train")
    assert (counted.false, counted.statements) == (0, 24 * 7)
    provenance = json.loads(next(iter(cots.rows()))["provenance"])
    assert (provenance["model"], provenance["false_share"]) == ("drawn world", 0.0)
    with pytest.raises(DataError, match="verify"):
        cots.texts(min_reward=0.5)
