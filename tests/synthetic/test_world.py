import io
import random
from collections import Counter

import numpy as np
import pytest
from PIL import Image

from rise_bench.annotations.boxes.values import Boxes
from rise_bench.catalog.benchmarks import get_benchmark
from rise_bench.errors import DataError
from rise_bench.scoring.leaks import find_leaks
from rise_bench.scoring.rewards import cot_format_ok
from rise_bench.synthetic import kinds, moods, scenes
from rise_bench.synthetic.drawing import draw
from rise_bench.synthetic.rows import drawn_row, drawn_rows, truth_of
from rise_bench.synthetic.statements import (
    KIND_SENTENCES,
    MOOD_SENTENCES,
    describe,
    describe_thing,
    false_statements,
    statements,
)
from rise_bench.synthetic.vocabulary import COLOURS, HELD_OUT_PAIRS, SHAPES, TEXTURES, Picture, Thing

BENCHMARKS = ("moods", "scenes", "kinds")


def pairs_of(truth):
    things = [truth] if isinstance(truth, dict) else [{"shape": t.shape, "colour": t.colour} for t in truth]
    return {(t["shape"], t["colour"]) for t in things}


@pytest.mark.parametrize("benchmark", BENCHMARKS)
def test_a_row_is_drawn_again_from_its_source_id(benchmark):
    row = drawn_row(benchmark, 3, "train", 17)
    assert truth_of(row.source_id) == row.truth
    assert row.render() == drawn_row(benchmark, 3, "train", 17).render()


@pytest.mark.parametrize("benchmark", BENCHMARKS)
def test_seed_split_and_index_all_matter(benchmark):
    images = {
        drawn_row(benchmark, seed, split, index).render(56)[0]
        for seed in (0, 1)
        for split in ("train", "test")
        for index in (0, 1)
    }
    assert len(images) == 8


@pytest.mark.parametrize(
    "source",
    ["moods-v0-0-train-000001", "scenes-v1-0-train-000001", "emotion6-1", "moods-v1-0-dev-000001", ""],
)
def test_a_foreign_source_id_is_an_error(source):
    with pytest.raises(DataError, match="not a row of a drawn benchmark"):
        truth_of(source)


@pytest.mark.parametrize("benchmark", BENCHMARKS)
def test_training_never_shows_a_held_out_pair_and_every_test_row_is_about_one(benchmark):
    for row in drawn_rows(benchmark, "train", 400):
        assert not pairs_of(row.truth) & HELD_OUT_PAIRS
    for row in drawn_rows(benchmark, "test", 400):
        asked = [row.truth[i] for i in row.targets] if row.targets else row.truth
        assert pairs_of(asked) & HELD_OUT_PAIRS


def test_held_out_pairs_show_each_shape_and_each_colour_once():
    assert sorted(s for s, _ in HELD_OUT_PAIRS) == sorted(SHAPES)
    assert sorted(c for _, c in HELD_OUT_PAIRS) == sorted(COLOURS)


@pytest.mark.parametrize("benchmark", BENCHMARKS)
def test_annotations_fit_the_spec(benchmark):
    spec = get_benchmark(benchmark)
    for row in drawn_rows(benchmark, "train", 40):
        image, annotation = row.render()
        assert Image.open(io.BytesIO(image)).size == (224, 224)
        if isinstance(annotation, Boxes):
            assert row.question and row.category in SHAPES and annotation.xywh
        else:
            assert annotation.classes == spec.classes
            assert sum(annotation.probs) == pytest.approx(1, abs=1e-12)


def test_distractors_do_not_move_the_mood_and_every_relevant_cue_does():
    cues = moods.sample_cues(random.Random(0))
    base = moods.mood(cues)
    for name, values in moods.CUES.items():
        moved = [moods.mood({**cues, name: value}) != base for value in values]
        assert any(moved) == (name in moods.RELEVANT), name


def test_mood_of_a_hand_worked_example():
    # disc + blue + pale + plain + row: only neutral (5.8) and sadness (3.3) matter; exp(1.4 * -2.5) = 0.03
    cues = {"shape": "disc", "colour": "blue", "ground": "pale", "backdrop": "plain", "layout": "row"}
    assert moods.mood(cues).probs == (0.0, 0.0, 0.0, 0.0, 0.05, 0.0, 0.95)


def test_classes_of_kinds_are_balanced():
    counts = Counter(row.truth["texture"] + row.truth["shape"] for row in drawn_rows("kinds", "train", 100))
    assert set(counts.values()) == {5} and len(counts) == len(kinds.KINDS) == 20


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("angle", [0.0, 0.3])
def test_a_box_is_the_bounds_of_the_changed_pixels(shape, angle):
    """The box is compared with the picture itself: what differs from the same picture without the thing.

    The soft shadow falls to the lower right, so it is cut off by a threshold on a white ground's red thing.
    """
    thing = Thing(shape, "red", "plain", 0.45, 0.55, 0.2, angle)
    with_thing = draw(Picture("pale", "plain", (thing,), grain=5))
    red = with_thing.pixels[..., 0].astype(int) - with_thing.pixels[..., 1]
    ys, xs = np.nonzero(red > 30)
    drawn = np.array([xs.min(), ys.min(), xs.max() + 1 - xs.min(), ys.max() + 1 - ys.min()])
    assert np.abs(drawn - with_thing.boxes_xywh_px[0]).max() <= 2


@pytest.mark.parametrize("seed", range(40))
def test_one_target_questions_have_one_answer(seed):
    scene = scenes.sample_scene(random.Random(seed), one_target=True)
    things = scene.picture.things
    target, words = things[0], scene.question.rstrip(".").split()
    if "largest" in words or "smallest" in words:
        chosen = (max if "largest" in words else min)(things, key=lambda t: t.radius)
    elif "nearest" in words:
        distance = {
            "left": lambda t: t.x,
            "right": lambda t: -t.x,
            "top": lambda t: t.y,
            "bottom": lambda t: -t.y,
        }
        chosen = min(things, key=distance[words[-2]])
    else:
        fitting = [t for t in things if {*words[2:]} <= {t.shape, t.colour, t.texture, t.size}]
        assert len(fitting) == 1
        chosen = fitting[0]
    assert chosen is target


@pytest.mark.parametrize("seed", range(20))
def test_category_questions_ask_for_every_thing_of_the_shape(seed):
    scene = scenes.sample_scene(random.Random(seed), one_target=False)
    of_shape = tuple(i for i, t in enumerate(scene.picture.things) if t.shape == scene.category)
    assert scene.targets == of_shape


@pytest.mark.parametrize("seed", range(20))
def test_descriptions_are_true_and_pass_as_chains_of_thought(seed):
    rng = random.Random(seed)
    cues = moods.sample_cues(rng)
    kind_cues = kinds.sample_cues(rng, seed)
    things = scenes.sample_scene(rng, one_target=False).picture.things
    for text, truth, count in (
        (describe(cues, list(moods.CUES), MOOD_SENTENCES), cues, 8),
        (describe(kind_cues, list(kind_cues), KIND_SENTENCES), kind_cues, 7),
        (" ".join(describe_thing(t) for t in things), things, len(things)),
    ):
        assert len(statements(text, truth)) == count, text
        assert not false_statements(text, truth)
        assert not find_leaks(text) and cot_format_ok(text)


MOOD = {
    "shape": "star",
    "colour": "red",
    "ground": "dark",
    "backdrop": "striped",
    "layout": "row",
    "size": "small",
    "frame": "thick",
    "light": "even",
}


@pytest.mark.parametrize(
    ("text", "checked", "false"),
    [
        ("The shapes are stars. Their colour is blue.", 2, ["colour"]),
        ("THE GROUND IS PALE", 1, ["ground"]),
        ("the ground is dark and the backdrop is dotted", 2, ["backdrop"]),
        ("They form a row. They form a column.", 2, ["layout"]),
        ("The ground is mysterious.", 0, []),  # no cue value: nothing to check
        ("Its surface is dotted.", 0, []),  # not a cue of moods
        ("They do not form a square. The frame isn't thin. The light was never dim.", 0, []),
        ("It is not true that the ground is pale. If the ground is pale, it means fear.", 0, []),
        ("The light is even darker.", 0, []),
        ("The light is fading over the scene. The light is even after all.", 2, ["light"]),
        ("The frame is not thin, but the ground is pale.", 1, ["ground"]),
        ("red red red dark", 0, []),  # words without a statement
        ("", 0, []),
    ],
)
def test_statements_of_a_mood_text(text, checked, false):
    assert len(statements(text, MOOD)) == checked
    assert [s.cue for s in false_statements(text, MOOD)] == false


@pytest.mark.parametrize(
    ("text", "true"),
    [
        ("There is a star.", [True]),
        ("There is a large striped red star at the top left.", [True]),
        ("At the top left there is a large striped red star.", [True]),
        ("At the top there is a red star.", [False]),
        ("there is a red star at the top", [False]),  # another ninth
        ("There is a small red star.", [False]),
        ("There is a blue star. There is a plain blue disc at the bottom right.", [False, True]),
        ("There is a red disc.", [False]),  # each word is true of some thing, not of one
        ("There is a purple star.", []),  # not a word of this world: nothing to check
        ("At the bottom, there is a red star.", [False]),
        ("There is a red star in the bottom right.", [False]),
        ("There is a red star, at the top left, and there is a blue disc", [True, True]),
        ("<think>There is a star</think>", [True]),
        ("At the top left there is a red star at the bottom right there is a blue disc", [True, True]),
        ("there is a star there is a red disc", [True, False]),
        ('- There is a red star\n* There is a disc\n("There is a blue disc")', [True, True, True]),
        # the rest of the clause may turn what its words say
        ("At the far bottom there is a red star.", []),
        ("There is a star that is blue.", []),
        ("It is wrong that there is a red star.", []),
        ("there is a red star at the top of the bottom", []),
    ],
)
def test_statements_about_things(text, true):
    things = (Thing("star", "red", "striped", 0.2, 0.2, 0.15), Thing("disc", "blue", "plain", 0.8, 0.8, 0.09))
    assert [s.true for s in statements(text, things)] == true


def test_a_text_cannot_make_the_check_slow():
    import time

    start = time.process_time()
    statements("there is a large plain red " * 4000, ())
    statements("at the top left there is a large plain red " * 4000, ())
    statements("\n" * 100_000 + "there is a red star" + " " * 100_000 + "that", ())
    statements("the ground is the ground is " * 4000, MOOD)
    assert time.process_time() - start < 3


@pytest.mark.parametrize("texture", TEXTURES[1:])
def test_textures_can_be_seen(texture):
    plain = draw(Picture("pale", "plain", (), grain=1)).pixels.astype(float)
    woven = draw(Picture("pale", texture, (), grain=1)).pixels.astype(float)
    assert np.abs(plain - woven).mean() > 5


def test_the_figures_of_the_document_are_what_the_command_prints(capsys, monkeypatch):
    from pathlib import Path

    from rise_bench.synthetic import __main__ as command

    monkeypatch.setattr("sys.argv", ["world"])
    command.main()
    printed = capsys.readouterr().out
    tables = printed[printed.index("moods:") :].rstrip()
    document = Path(__file__).parents[2] / "docs" / "world.md"
    assert tables in document.read_text(encoding="utf-8")


def test_a_built_dataset_reads_back_with_its_cues(tmp_path):
    from rise_bench.builders.synthetic import plan
    from rise_bench.data.dataset import open_dataset
    from rise_bench.data.writer import write_dataset

    for benchmark in BENCHMARKS:
        out = tmp_path / benchmark
        write_dataset(plan(benchmark, train=30, test=12, side_px=112), out)
        dataset = open_dataset(out)
        assert (len(dataset.golds("train")), len(dataset.golds("test"))) == (30, 12)
        assert dataset.spec == get_benchmark(benchmark)
        for row in dataset.rows("test"):
            assert pairs_of(truth_of(row["source_id"])) & HELD_OUT_PAIRS


@pytest.mark.parametrize("wrong", [{"train": 0}, {"test": -1}, {"side_px": 8}])
def test_a_plan_that_makes_no_dataset_is_an_error(wrong):
    from rise_bench.builders.synthetic import plan
    from rise_bench.errors import ConfigError

    with pytest.raises(ConfigError, match="moods"):
        plan("moods", **wrong)
