"""Phrases of chains of thought that give a value away, by kind, beside phrases that do not."""

import pytest

from rise_bench.scoring.leaks import find_leaks, leak_verdicts

EMOTIONS = ("anger", "disgust", "fear", "joy", "sadness", "surprise", "neutral")
OBJECTS = ("dog", "car", "knife", "toothbrush", "skateboard", "Band Aid", "candle")
LEAKS = {
    "value after a feeling": """
        joy takes half | Sadness climbs to sixty as the crowd weeps. | surprise might be worth fifteen
        Fear drops under five. | joy well over half | joy just shy of ninety | joy - eighty - since they dance
        joy—eighty—that is all | sadness of forty | joy gets a dozen | forty of dread and ten of delight
        surprise second with fifteen | fear is weak, around two
        surprise trails at five | joy: a strong eight | six towards sadness | sadness set to six
        Joy earns eight points, surprise earns two points. | Joy: eight points.
        joy should be just above ninety | an eight on joy | seventy-something joy | a full hundred on joy""",
    "number joined to a name": """
        eightjoy | It is joyeight and calm. | joyeighty, feartwenty | the twentydread of it""",
    "share of a whole": """
        A quarter of the mood is dim. | a tenth of surprise | Fear is a sixteenth of the total.
        half of it is surprise | every fifth viewer would cry | give a third to sadness
        joy at three fifteenths
        the remaining quarter is fear | every third person would shiver | its width is a third
        a sixth of the whole picture | a tenth of the area | an area of a tenth | half as wide as the picture
        It fills half of the frame. | half the image is covered by it | a quarter in from the left""",
    "odds and scales": """
        the odds are two to one that they cry | a three-to-one ratio of light | five to one odds
        joy is four times stronger than surprise
        joy wins by four to one | a ten-point scale | nine on a scale of ten | one chance in five
        three in every four | two viewers in five
        seven people in ten would cry | nine viewers out of ten | an intensity of six | I give it an eight
        nine, out of ten | eight and a half out of ten | three divided by four
        nine over ten | four of every five viewers | a ninety/ten split | ninety points | ninety certain""",
    "per cent without a number": """
        a few percent | a couple of per cent | a quarter of a percent | a dozen pct | eighty per mille""",
    "decimals said aloud": """
        zero comma eight | zero dot eight | nil point six | one point oh | null point eight""",
    "decades of a scale": "the percentage is in the eighties | in the low nineties | the high two hundreds",
    "zero": "the rest get zero | zero to all others | starts at zero on the left | others: zero | only zeros",
    "coordinates": """
        forty on the x axis | y max of ninety | sixty units down | at the two-hundred mark
        beyond two hundred
        between one hundred and three hundred on the page | two hundred below the top""",
}
CUES = """
    Aged eighty, he still dances. | He must be about eighty, and he smiles. | He is over ninety and smiling.
    Room one hundred and one is dim. | Psalm twenty-three is carved there. | Two-thirty in the morning, a bar.
    The two look surprised, one with open hands. | The angry one on the left waves. | It left at nine, so.
    The remaining two hug. | Fear in ten faces is clear. | Three-quarter sleeves. | One third shelf up.
    They lead two to one and the fans are wild. | It ended nil nil. | A decimal clock. | A dot, far away.
    Over the hill smoke rises. | Divided by a wall, two people wave. | One third-grader waves.
    Three fourth-graders wave. | Zero doubt is left. | A dozen roses lie there. | Half the crowd turns away.
    A shadow fills one half of the room. | It is cut into quarters. | The fifth viewer from the left claps.
    The reaction of the two viewers is mild. | The overall mood is one of calm. | Two on the left whisper.
    One child laughs, another is calm, and a third is surprised. | Two friends smile; a third is sad.
    Two smile, and a third with fear in her eyes steps back. | a third at the angry man
    The lamp is three times brighter than the joyful faces. | It is four times brighter than joyful faces.
    Joy in the picture comes from three points of light. | Four times larger than the dog, it looms.
    The flag flies at half mast. | Two in the back whisper. | The thirties were hard. | Twenty of them wave.
    Low clouds and two small boats. | Mark the two on the right. | On a large scale, one sees only ruins."""


def phrases(block):
    return [phrase.strip() for phrase in block.replace("\n", "|").split("|") if phrase.strip()]


@pytest.mark.parametrize("kind", LEAKS)
def test_a_value_is_found_in_phrases_of_each_kind(kind):
    assert [p for p in phrases(LEAKS[kind]) if not leak_verdicts(p, EMOTIONS)[0]] == []
    assert [p for p in phrases(LEAKS[kind]) if not find_leaks(p)] == []


def test_ages_times_labels_and_idioms_are_cues():
    assert [p for p in phrases(CUES) if leak_verdicts(p, EMOTIONS)[0] or find_leaks(p)] == []


@pytest.mark.parametrize("count", ["one", "two", "twelve", "twenty", "a hundred"])
def test_a_count_of_a_class_is_a_cue_under_the_rule_of_numbers(count):
    for text in (
        f"In the corner {count} dogs sleep.",
        f"Near the edge {count} knives lie.",
        f"About {count} cars wait.",
        f"From {count} dogs to two cars, all is still.",
    ):
        assert leak_verdicts(text, OBJECTS) == (False, True), text


@pytest.mark.parametrize(
    ("classes", "text"),
    [
        (("form", "letter", "invoice"), "The work was performed by a clerk."),
        (("kit", "cub"), "A kitten plays with its friend."),
        (("view", "check"), "From this viewpoint one sees a checkpoint."),
        (("cal", "ant"), "The tenant looks calm."),
    ],
)
def test_words_that_hold_a_class_and_a_short_number_are_cues(classes, text):
    assert leak_verdicts(text, classes) == (False, False) and find_leaks(text, classes=classes) == ()
    for joined in ("{}eighty", "six{}", "{}two", "{}third", "half{}", "{}percent"):
        assert leak_verdicts(joined.format(classes[0]), classes)[0], joined


def test_chinese_numerals_are_found_behind_a_share():
    for text in ("喜悦占八，惊讶占二", "喜悦占约八十。", "喜悦占了六"):
        assert leak_verdicts(text, ())[0] and find_leaks(text)
    assert find_leaks("草地占一半以上的画面") == () and find_leaks("它占一席之地") == ()


def test_a_name_of_one_word_is_found_in_two_parts():
    for text in ("a tooth-brush", "the skate board", "Tooth\u2011brushes"):
        assert leak_verdicts(text, OBJECTS) == (False, True), text
    for text in ("a tooth and a brush", "brush the teeth", "the board, a skate"):
        assert leak_verdicts(text, OBJECTS) == (False, False), text


@pytest.mark.parametrize(
    "piece", ["— ", "joy should be ", "two to one ", "the mood of ", "she must be ", "a—b "]
)
def test_judging_phrases_without_an_end_takes_little_time(piece):
    """A tenth of a second where nothing else runs; something quadratic takes minutes."""
    leak_verdicts(piece * (60_000 // len(piece)), EMOTIONS)
    find_leaks(piece * (20_000 // len(piece)), classes=EMOTIONS)
