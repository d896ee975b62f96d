"""What counts as giving the annotation away, and what does not; one reason a row."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rise_bench.scoring.leaks import find_leaks, leak_verdicts

EMOTIONS = ("anger", "disgust", "fear", "joy", "sadness", "surprise", "neutral")


@pytest.mark.parametrize(
    ("text", "leak", "reason"),
    [
        ("joy is 0.8 here", "0.8", "decimal"),
        ("joy is 0,8 here", "0,8", "decimal"),
        ("about .8 of it", ".8", "decimal"),
        ("joy at 80%", "80%", "percentage"),
        ("joy at 80 per cent", "80 per cent", "percentage"),
        ("joy at eighty per cent", "eighty per cent", "number_word"),
        ("joy at eighty-five percent", "eighty-five percent", "number_word"),
        ("joy at eigh-ty percent", "eigh-ty percent", "number_word"),
        ("zero point eight", "zero point eight", "number_word"),
        ("a probability of one half", "probability of one half", "number_word"),
        ("half of the probability", "half of the probability", "number_word"),
        ("nine out of ten people", "nine out of ten", "number_word"),
        ("the width is two hundred", "width is two hundred", "number_word"),
        ("one hundred and twenty pixels from the left", "one hundred and twenty pixels", "number_word"),
        ("at [120, 300", "[120, 300", "coordinates"),
        ("box (120, 300, 40, 50)", "(120, 300, 40, 50)", "coordinates"),
        ("there are 2 dogs", "2", "digits"),
        ("٣ dogs", "٣", "digits"),  # Arabic-Indic digits are digits too
        ("about ½ of it", "½", "digits"),
    ],
)
def test_leak_is_found_with_its_reason(text, leak, reason):
    assert [(span.text, span.reason) for span in find_leaks(text)] == [(leak, reason)]


@pytest.mark.parametrize(
    "text",
    [
        "Eight viewers feel joy and two viewers feel fear.",
        "Joy in eight viewers, fear in two viewers.",
        "The dog begins one hundred steps from the left.",
        "It is five hundred dots across.",
    ],
)
def test_units_that_a_writer_makes_up_are_leaks(text):
    assert find_leaks(text)


@pytest.mark.parametrize(
    "text",
    [
        "two children show joy",
        "twenty people across the square",
        "two dogs and three cats play",
        "one of them smiles",
        "half of the sky is dark",
        "the second from the left",
        "joy is most probable, fear is unlikely",
        "at that point the man turns",
        "a third person stands behind",
    ],
)
def test_counts_and_order_are_cues_not_leaks(text):
    assert find_leaks(text) == ()


@pytest.mark.parametrize(
    "word",
    ["joy", "Joyful", "joyous", "sadness", "sad", "anger", "angry", "disgusting", "disgusted", "fearful",
     "surprising", "surprised", "neutral", "neutrally"],
)  # fmt: skip
def test_strict_names_inflections(word):
    text = f"It looks {word} to me"
    assert find_leaks(text) == ()
    assert [span.text for span in find_leaks(text, classes=EMOTIONS)] == [word]


@pytest.mark.parametrize("word", ["enjoy", "dangerous", "sandy", "killjoys"])
def test_strict_does_not_match_inside_words(word):
    assert find_leaks(f"It looks {word} to me", classes=EMOTIONS) == ()


def test_strict_matches_names_of_several_words():
    assert [s.text for s in find_leaks("a Beer-Bottle stands", classes=["beer bottle"])] == ["Beer-Bottle"]


@given(st.text(alphabet="ab 0.5%joy,eightypointpercent[(", max_size=120))
def test_spans_point_at_their_text_and_verdicts_agree(text):
    strict = find_leaks(text, classes=EMOTIONS)
    assert all(text[span.start : span.end] == span.text for span in strict)
    assert list(strict) == sorted(strict, key=lambda span: (span.start, span.end))
    assert leak_verdicts(text, EMOTIONS) == (bool(find_leaks(text)), bool(strict))


@pytest.mark.parametrize(
    "text", ["one " * 25_000, "point " * 17_000, "probability of " * 7_000, "1," * 50_000, "a " * 50_000]
)
def test_finding_is_linear(text):
    def seconds(sample):
        start = time.process_time()
        find_leaks(sample, classes=EMOTIONS)
        return time.process_time() - start

    short = min(seconds(text[: len(text) // 20]) for _ in range(3))
    assert min(seconds(text) for _ in range(2)) < 20 * 4 * max(short, 0.002)


pieces = st.sampled_from(
    ["the", "eighty", "eighty-five", "eigh-ty", "e-i-g-h-t-y", "n", "i", "e", "p.c.", "percent", "per",
     "cent", "0.8", "3rd", "joy", "joyful", "sad-ness", "half", "of", "a_b", "zero", "point", "-", ",",
     ".", ":", "=", "(", "%", "width"]
)  # fmt: skip


@given(st.lists(pieces, max_size=12))
def test_ascii_texts_leak_as_texts_with_other_letters_do(words):
    """ASCII texts have faster patterns."""
    text = " ".join(words)
    assert find_leaks(text, classes=EMOTIONS) == find_leaks(f"{text} . é", classes=EMOTIONS)
    assert leak_verdicts(text, EMOTIONS) == (
        any(leak.reason != "class_name" for leak in find_leaks(text)),
        bool(find_leaks(text, classes=EMOTIONS)),
    )
