"""Answers of every kind that models write: each is read as a reader would read it, or not at all."""

import json

import pytest

from rise_bench.scoring.response import read_response

EIGHT_TO_TWO = (0.8, 0.2)


def read(answer, kind="distribution", classes=("joy", "fear")):
    """Return what is read, None if unreadable; the form is kept exactly where the answer is readable."""
    reading = read_response(f"<think>a calm scene</think><answer>{answer}</answer>", kind, classes)
    assert reading.format_ok is (reading.annotation is not None)
    if reading.annotation is None:
        return None
    return reading.annotation.probs if kind == "distribution" else reading.annotation.xywh


def boxes(answer):
    return read(answer, "boxes", ())


NOT_NUMBERS = (
    "0,8",
    "1/3",
    "8/10",
    "0.7-0.9",
    "0.7–0.9",
    "0.7 - 0.9",
    "0.7 to 0.9",
    "0.7 or 0.8",
    "0.7 oder 0.8",
    "0. 8",
    "0 .8",
    "0x1",
    "0b1",
    "1,000",
    "1.000,5",
    "1 000",
    "1\u2009000",
    "1'000",
    "1_000",
    "0.8.1",
    "0..8",
    "8 of 10",
    "8 out of ten",
    "1 in 5",
    "0.8±0.1",
    "0.8 ± 0.1",
    "8e",
    "0.8e-",
    "1e1e1",
    "0·8",
    "0’8",
    "0٫8",
    "80‰",
    "80 Prozent",
    "80 percentage points",
    "8 tenths",
    "4 fifths",
    "8 hundred",
    "1 million",
    "0.8f",
    "8th",
    "0.8^2",
    "2*0.4",
    "0.4+0.4",
    "1-0.2",
    "~0.8",
    "≈0.8",
    "about 0.8",
    "ca. 0.8",
    ">0.5",
    "≥0.8",
    "--0.8",
    "+-0.8",
    "0.8:0.2",
    "8 : 2",
    "#8",
    "1²",
    "½",
    "0.8(3)",
    "2(0.4)",
    "0.8(0.1)",
    "0.8(70%-90%)",
    "0.8(1/2)",
    "0.8(80%)5",
    "0.8(80%) - 0.9(90%)",
    "0.8(80%) to 0.9(90%)",
    "0.8(80%) or 0.9",
    "0.8(80%) – 0.9",
    "0.8(80%), 0.9(90%)",
    "0.8(80%), 0.9",
    "80%(0.8) + 10%",
    "80%(8)",
    "80%(0.7-0.9)",
)
NUMBERS = {
    "0.8": 0.8,
    ".8": 0.8,
    "8e-1": 0.8,
    "8E-1": 0.8,
    "+0.8": 0.8,
    "00.8": 0.8,
    "０.８": 0.8,
    "0．8": 0.8,
    "1.": 1,
    "80": 80,
    "80%": 0.8,
    "80 %": 0.8,
    "80％": 0.8,
    "80﹪": 0.8,
    "80٪": 0.8,
    "٨٠٪": 0.8,
    "80 percent": 0.8,
    "80 per cent": 0.8,
    "80 per-cent": 0.8,
    "80pct": 0.8,
    "80 p.c.": 0.8,
    "80\\%": 0.8,
    "80-percent": 0.8,
    "-0.8": -0.8,
    "−0.8": -0.8,
    "－0.8": -0.8,
    "0.8\u200b": 0.8,
    "0.8(80%)": 0.8,
    "0.8（80％）": 0.8,
    "80%(0.8)": 0.8,
}


@pytest.mark.parametrize("value", NOT_NUMBERS)
def test_the_head_of_something_longer_is_not_a_number(value):
    """A class whose number cannot be read makes the answer unreadable; it does not count as left out."""
    assert read(f'{{"joy": {value}, "fear": 0.2}}') is None
    assert read(f'{{"fear": 0.2, "joy": "{value}"}}') is None
    assert read(f"joy: {value}, fear: 0.2") is None
    assert read(f"fear (0.2), joy ({value})") is None


@pytest.mark.parametrize("value", NUMBERS)
def test_a_number_is_read_in_whatever_way_it_is_written(value):
    expected = pytest.approx((NUMBERS[value], 0.2))
    assert read(f'{{"joy": {value}, "fear": 0.2}}') == expected
    assert read(f'{{"joy": "{value}", "fear": "0.2"}}') == expected
    assert read(f"joy: {value}, fear: 0.2") == expected
    assert read(f"joy ({value}), fear (0.2)") == expected


@pytest.mark.parametrize(
    ("first", "second", "expected"),
    [
        ("80%", "20", (80, 20)),
        ("80", "20 per cent", (80, 20)),
        ("1%", "99", (1, 99)),
        ("99.5%", "1", (99.5, 1)),
        ("80%", "0.2", (0.8, 0.2)),
        ("1%", "0.99", (0.01, 0.99)),
        ("80%", "20%", (0.8, 0.2)),
        ("80", "20", (80, 20)),
        ("80%", "2", (0.8, 2)),
    ],
)
def test_numbers_of_which_some_are_in_per_cent(first, second, expected):
    """All are, where all together sum to 100; elsewhere each is what it says."""
    for text in (f'{{"joy": "{first}", "fear": "{second}"}}', f"joy: {first}, fear: {second}"):
        assert read(text) == pytest.approx(expected)
    assert read(f"| joy | {first} |\n| fear | {second} |") == pytest.approx(expected)


@pytest.mark.parametrize(
    "value", ["", "high", "null", "true", "[]", "[null]", '{"p": "high"}', "eight", "a fifth"]
)
def test_a_value_without_a_number_is_no_zero(value):
    assert read(f'{{"joy": {value}, "fear": 0.2}}') is None


@pytest.mark.parametrize(
    "text",
    ["joy 0.8, fear: 0.2", "joy ≈ 0.8, fear: 0.2", "joy > 0.5, fear: 0.2", "joy (about 0.8), fear: 0.2"],
)
def test_a_class_with_a_number_that_is_not_stated_as_one_is_not_left_out(text):
    assert read(text) is None


@pytest.mark.parametrize(
    "text",
    [
        "{joy: 0.8, fear: 0.2}",
        '{"joy":0.8,"fear":0.2}',
        "joy=0.8,fear=0.2",
        "joy: 0.8\nfear: 0.2",
        "joy := 0.8; fear := 0.2",
        "1. joy: 0.8\n2. fear: 0.2",
        "**joy:** 0.8\n**fear:** 0.2",
        "joy | 0.8\nfear | 0.2",
        "joy -> 0.8, fear -> 0.2",
        "joy → 0.8; fear → 0.2",
        "joy: 0.8 and fear: 0.2",
        "joy: 0.8 fear: 0.2",
        "joy: 0.8. fear: 0.2.",
        "joy: 0.8, because of 2 smiles; fear: 0.2",
        "joy: 0.8 (80 %), fear: 0.2 (weak)",
        "joy: 0.8 - strong\nfear: 0.2 - weak",
        "joy: 0.8 because people smile\nfear: 0.2 because it is dark",
        "joy (happiness): 0.8, fear (dread): 0.2",
        '{"joy": 0.8, // strong\n"fear": 0.2}',
        '{"joy": 0.8, # strong\n"fear": 0.2}',
        '[{"joy": 0.8}, {"fear": 0.2}]',
        '{"emotions": {"joy": 0.8, "fear": 0.2}}',
        '{"joy": 0.8 "fear": 0.2}',
        "{“joy”: “0.8”, “fear”: “0.2”}",
        '{\\"joy\\": \\"0.8\\", \\"fear\\": \\"0.2\\"}',
        '{"joy"： 0.8， "fear"： 0.2}',
        "<b>joy</b>: 0.8<br><b>fear</b>: 0.2",
        '["joy: 0.8", "fear: 0.2"]',
        '{"answer": "joy: 0.8, fear: 0.2"}',
        "P(joy) = 0.8, P(fear) = 0.2",
        "\ufeff{joy: 0.8, fear: 0.2}",
        '{"j\\u006fy": 0.8, "fear": 0.2}',
        "joy 👍: 0.8, fear: 0.2",
        '{"joy": 0.8, "fear": 0.2} (joy: 1 of 2 people)',
        'joy: high. {"joy": 0.8, "fear": 0.2}',
        'At first joy: 0.5. {"joy": 0.8, "fear": 0.2}',
        '{"not joy": 0.9, "joy": 0.8, "fear": 0.2}',
        '{"joy": 0.8, "fear": 0.2, "killer joy": 0.9}',
        '{"joy": 0.8, "fear": 0.2, "anger": null}',
        '{"Joy (happiness)": 0.8, "Fear (dread, not joy)": 0.2}',
        "{'Joy (happiness)': '80%', 'Fear' (dread): 0.2}",
        '{\\"joy (happiness)\\": 0.8, \\"fear\\": 0.2}',
        '[{"label": "Joy (happiness)", "score": 0.8}, {"label": "fear", "score": 0.2}]',
        '{"Joy (1)": 0.8, "Fear (2)": 0.2}',
        '{"joy_score": 0.8, "fear_score": 0.2}',
        '{"Joy Probability": 0.8, "fear-score": 0.2}',
        "joy score: 0.8, fear score: 0.2",
        "**Joy probability**: 80%\n**Fear probability**: 20%",
        '{"joy": 0.8, "joy_score": 8, "fear_score": 2, "fear": 0.2}',
        'joy: 0.5 at first. {"joy_score": 0.8, "fear_score": 0.2}',
        '{"joy": 0.8, "fear": 0.2} Wait: {"joy_score": 0.3, "fear_score": 0.7}',
        '{"joy": 0.8, "fear": 0.2, "joy (low)": 0.1}',
        '{"joy": 0.8, "fear": 0.2, "remark": {"joy (low)": 0.1}}',
        '{"joy": 0.8, "fear": 0.2, "joy (reason)": "0.5 smile"}',
        '{"joy": 0.8, "fear": 0.2, "joy (reason)": "he has 2 balloons"}',
        '{"joy": 0.8, "fear": 0.2, "anger (reason)": "none", "anger score": "none"}',
        '{"joy": 0.8, "fear": 0.2, "label": "joy", "anger_label": false}',
        '{"joy": 0.8, "fear": 0.2, "anger_class": 2}',
        '{"joy": 0.8, "fear": 0.2, "anger score": 10}',
        "joy: 0.8, fear: 0.2. Anger score: none",
        "joy: 0.8, fear: 0.2, anger label: 3 of 10",
        '{"joy_score": 0.3, "fear_score": 0.7} Wait: {"joy": 0.8, "joy_score": 8, "fear": 0.2}',
        '{"joy": 0.8, "fear": 0.2}\n{"joy_score": 8}',
        '{"joy_score": 0.8, "joy_rank": 1, "fear_score": 0.2, "fear_rank": 2}',
        '{"joy": 0.8, "fear": 0.2, "not joy score": 0.9, "no fear (calm)": 0.9, "killer joy (film)": 0.9}',
        '{"joy": 0.8 /* strong */, /* then */ "fear": 0.2 /* weak */}',
        '{"joy": [0.8], "fear": [0.2]}',
        '{"joy": (0.8), "fear": np.float64(0.2)}',
        '{"joy": Decimal("0.8"), "fear": Decimal("0.2")}',
        '{"joy": {"p": 0.8, "reason": "fear: 0.9"}, "fear": {"p": "20%", "seen": ["dark"]}}',
        '{"joy": {"reason": "2 smiles", "p": 0.8}, "fear": {"reason": "", "probability": 0.2}}',
        '[{"label": "joy", "score": 0.8}, {"label": "fear", "score": 0.2}]',
        "[{'score': '80%', 'emotion': 'Joy'}, {'score': '20%', 'emotion': 'Fear'}]",
        'OrderedDict([("joy", 0.8), ("fear", 0.2)])',
        '[["joy", "0.8"], ["fear", 0.2]]',
        "joy: 0.8\\nfear: 0.2",
        '{\\n\\t\\"joy\\": 0.8,\\n\\t\\"fear\\": 0.2\\n}',
        "$\\text{joy} = 0.8$, $\\text{fear} = 0.2$",
    ],
)
def test_forms_of_an_answer(text):
    assert read(text) == pytest.approx(EIGHT_TO_TWO)


@pytest.mark.parametrize(
    "remark",
    [
        "joy: 0.1 would be low",
        "fear = 0.9, joy (0.1)",
        'they said \\"joy: 0.1\\"',
        "it's joy: 0.1",
        "joy: ~0.1 {joy: 0.1}",
    ],
)
def test_a_string_never_wins_over_the_number(remark):
    assert read(f'{{"joy": 0.8, "fear": 0.2, "reason": "{remark}"}}') == pytest.approx(EIGHT_TO_TWO)
    assert read(f'{{"reason": "{remark}", "joy": 0.8, "fear": 0.2}}') == pytest.approx(EIGHT_TO_TWO)
    assert read(f'{{"joy": 0.8, "fear": 0.2, "reason": "{remark}') == pytest.approx(EIGHT_TO_TWO)  # cut


@pytest.mark.parametrize(
    "text",
    [
        '[{"label": "joy", "score": 0.8}, {"label": "fear", "score": 1/5}]',
        '[("joy", 0.8), ("fear", ~0.2)]',
        '{"joy": [0.7, 0.9], "fear": 0.2}',
        '{"joy": {"low": 0.7, "high": 0.9}, "fear": 0.2}',
        '{"joy": {"p": 0,8}, "fear": 0.2}',
        '{"joy_score": 0,8, "fear_score": 0.2}',
        '{"joy (happiness)": ~0.8, "fear (dread)": 0.2}',
        '{"joy_label": 3}',
        '{"joy_score": 8, "fear_score": 2}',
        '{"Joy (5)": 0.8, "Fear (2)": 0.2}',
        "emotion: joy\nscore: 0.8",
        '{"label": "joy"}',
        '{"emotion": "joy", "confidence": 0.9}',
        '{"joy": {"confidence": 0.9, "p": 0.8}, "fear": {"confidence": 0.5, "p": 0.2}}',
        '{"label": "joy", "score": 0.8, "others": [{"label": "fear", "score": 0.2}]}',
        '["joy", 0.8, "fear", 0.2]',
        '("joy", 0.8, 0.2)',
    ],
)
def test_a_wrapped_number_is_a_number_as_a_whole_too(text):
    assert read(text) is None


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('{"joy": 0.8, ', (0.8, 0)),
        ('{"joy": 0.8, "fe', (0.8, 0)),
        ('{"joy": 0.8, "anger"', (0.8, 0)),
        ('{"joy": 0.8, "fear"', None),
        ("{'joy': 0.8, 'Fear' ", None),
        ('{"joy": 0.8, "fear":', None),
        ('{"joy_score": 0.8, "fear_score"', None),
        ('{"joy": {"p": 0.8}, "fear": {"p": 0.', None),
        ('[{"label": "joy", "score": 0.8}, {"label": "fear", "score": 0.', None),
    ],
)
def test_an_object_cut_after_the_key_of_a_class_is_unreadable(text, expected):
    annotation = read_response(f"<answer>{text}", "distribution", ("joy", "fear")).annotation
    assert (annotation and annotation.probs) == expected


@pytest.mark.parametrize(
    ("classes", "text", "expected"),
    [
        (("café", "bar"), '{"caf\\u00e9": 1}', (1, 0)),
        (("café", "bar"), '{"cafe\u0301": 1}', (1, 0)),
        (("cafe\u0301", "bar"), '{"CAFÉ": 1}', (1, 0)),
        (("yes/no", "bar"), '{"yes\\/no": 1}', (1, 0)),
        (('say "hi"', "bar"), '{"say \\"hi\\"": 1}', (1, 0)),
        (("don't know", "bar"), "{'don\\'t know': 1}", (1, 0)),
        (("Straße", "bar"), '{"STRASSE": 1}', (1, 0)),
        (("ﬁsh", "bar"), '{"ｆｉｓｈ": 1}', (1, 0)),
        (("Band Aid", "bar"), '{"Band\\u0020Aid": 1}', (1, 0)),
        (("Band Aid", "aid"), '{"Band\\nAid": 1}', (1, 0)),
        (('5" disc', "disc"), '{"5\\u0022 disc": 0.8, "disc": 0.2}', (0.8, 0.2)),
        (("bus", "car"), '[{"label": "school bus", "score": 0.9}, {"label": "car", "score": 0.1}]', (0, 0.1)),
        (("कल", "काल", "कील"), '{"कल": 0.2, "काल": 0.3, "कील": 0.5}', (0.2, 0.3, 0.5)),
        (("मधुमक्खी", "कुत्ता"), "कुत्ता: 0.8, मधुमक्खी: 0.2", (0.2, 0.8)),
        (("กา", "กี"), '{"กี": 1}', (0, 1)),
        (("猫", "犬"), "猫：0.8，犬：0.2", (0.8, 0.2)),
        (("猫", "犬"), '{"\\u732b": 0.8, "\\u72ac": 0.2}', (0.8, 0.2)),
        (("joy", "fear"), '{"\\ud83d\\ude00 joy": 1}', (1, 0)),
        (("bus", "car"), '{"bus": 0.1, "school bus": 0.9}', (0.1, 0)),
        (("bus", "car"), '{"school bus score": 0.9, "school bus (yellow)": 0.9, "car": 0.1}', (0, 0.1)),
        (("bus", "car"), "not bus score: 0.9, car: 0.1", (0, 0.1)),
        (("bus", "bus class"), '{"bus class": 0.9, "bus": 0.1}', (0.1, 0.9)),
        (("size", "size (cm)"), '{"size (cm)": 0.9, "size": 0.1}', (0.1, 0.9)),
        (("3", "7"), "{3:1,7:0}", (1, 0)),
        (("3", "7"), "3: 0.8, 7: 0.2", (0.8, 0.2)),
        (("18-25", "26-35"), "18-25: 0.8,26-35: 0.2", (0.8, 0.2)),
        (("18-25", "26-35"), "18-25：0.8，26-35：0.2", (0.8, 0.2)),
        (("18-25", "26-35"), "{18-25: 80%,26-35: 20%}", (0.8, 0.2)),
        (("65+", "18-64"), "18-64=0.2,65+=0.8", (0.8, 0.2)),
        (("0-17", "18-25", "36-60"), "36-60: 0.17(17%), 18-25: 0.83(83%)", (0, 0.83, 0.17)),
        (tuple("01234567"), "4: 0.3(30%), 0: 0.7(70%)", (0.7, 0, 0, 0, 0.3, 0, 0, 0)),
        (tuple("01234567"), "4: 7%(0.07), 2: 93%(0.93)", (0, 0, 0.93, 0, 0.07, 0, 0, 0)),
        (tuple("01234567"), "4: 7% (0.07), 2: 93% (0.93)", (0, 0, 0.93, 0, 0.07, 0, 0, 0)),
        (tuple("01234567"), '{"4": "0.17 (17%)", "0": "0.83 (83%)"}', (0.83, 0, 0, 0, 0.17, 0, 0, 0)),
        (tuple("12345"), "1: 0.5(50%), 2: 0.3(30%), 4: 0.2(20%)", (0.5, 0.3, 0, 0.2, 0)),
        (tuple("12"), "1: 0.2 (2: 0.8)", (0.2, 0.8)),
        (tuple("12"), "1 (poor): 0.2, 2 (good): 0.8", (0.2, 0.8)),
        (("1 star", "2 stars"), "1 star: 0.8,2 stars: 0.2", (0.8, 0.2)),
        (("a:b", "size (cm)"), '{"a:b": 0.8, "size (cm)": 0.2}', (0.8, 0.2)),
    ],
)
def test_class_names_in_any_script(classes, text, expected):
    assert read(text, classes=classes) == pytest.approx(expected)


#: Each way in which models write a distribution, of names and numbers.
FORMS = {
    "object": lambda stated: json.dumps(dict(stated)),
    "dict": lambda stated: repr(dict(stated)),
    "pairs": lambda stated: json.dumps(stated),
    "tuples": lambda stated: repr(stated),
    "records": lambda stated: json.dumps([{"label": name, "score": p} for name, p in stated]),
    "lines": lambda stated: "\n".join(f"{name}: {p}" for name, p in stated),
    "bullets": lambda stated: "\n".join(f"- **{name}**: {p:.0%}" for name, p in stated),
    "table": lambda stated: "\n".join(f"| {name} | {p} |" for name, p in [("class", "p"), *stated]),
    "brackets": lambda stated: ", ".join(f"{name} ({p})" for name, p in stated),
}


@pytest.mark.parametrize("form", FORMS.values(), ids=FORMS)
@pytest.mark.parametrize(
    "classes",
    [
        ("left, front", "left, rear", "right"),
        ("crane (bird)", "crane (machine)", "driver's seat"),
        ("T-shirt, top/blouse", "dress", "coat"),
        ("left [near]", "left [far]", "x: y"),
        ("18-25", "26-35", "36+"),
    ],
    ids="; ".join,
)
def test_names_with_signs_are_read_in_every_form(classes, form):
    numbers = (0.5, 0.3, 0.2)
    stated = list(zip(classes, numbers, strict=True))
    assert read(form(stated), classes=classes) == pytest.approx(numbers)


@pytest.mark.parametrize(
    ("classes", "text"),
    [
        (("18-25", "26-35"), "18-25: 0,8, 26-35: 0.2"),
        (("18-25", "26-35"), "18-25: 1,000,26-35: 0.2"),
        (("18-25", "26-35"), "18-25: 0,8 26-35: 0.2"),
        (("18-25", "26-35"), "18-25: 0.8,26-36: 0.2"),
        (("1 star", "2 stars"), "1 star: 0,8 2 stars: 0.2"),
        (("joy", "fear"), "joy: 0,8 fear: 0.2"),
    ],
)
def test_digits_after_a_comma_that_begin_no_class_are_a_part_of_the_number(classes, text):
    assert read(text, classes=classes) is None


@pytest.mark.parametrize(
    "text",
    [
        '[{"bbox_2d": [100, 100, 500, 500]}]',
        '[{\\"bbox_2d\\": [100, 100, 500, 500]}]',
        '[{"bbox_2d": "[100, 100, 500, 500]"}]',
        '[("bbox_2d", [100, 100, 500, 500])]',
        '[{"bbox_2d": [[100, 100, 500, 500]]}]',
        '{"bbox_2d": (100, 100, 500, 500)}',
        '{"BBOX_2D": ["100", "100", "500", "500"]}',
        "The bbox_2d of the dog is [100, 100, 500, 500].",
        '{"xyxy": [100, 100, 500, 500]}',
        "[x1, y1, x2, y2] = [100, 100, 500, 500]",
        "[100, 100, 500, 500] (x1, y1, x2, y2)",
        '{\\"x1\\": 100, \\"y1\\": 100, \\"x2\\": 500, \\"y2\\": 500}',
        '{"x_min": "100", "y_min": "100", "x_max": "500", "y_max": "500"}',
        '{"left": 100, "top": 100, "right": 500, "bottom": 500}',
        "<ref>dog</ref><box>[[100, 100, 500, 500]]</box>",
        "<|box_start|>(100,100),(500,500)<|box_end|>",
        "[[100, 100], [500, 500]]",
        '{"bbox_2d": {"x1": 100, "y1": 100, "x2": 500, "y2": 500}}',
        '{"bbox-2d": [100, 100, 500, 500]}',
        '{"bbox 2d": [100, 100, 500, 500]}',
        '{"bbox_2d": [100, 100, 500, 500], "reason": "bbox [1, 2, 3, 4] is too small"}',
        "{'why': 'near (1, 2, 3, 4)', 'bbox_2d': [100, 100, 500, 500]}",
        '{"answer": "bbox_2d: [100, 100, 500, 500]"}',
        '[{"bounding_box_2d": [100, 100, 500, 500]}]',
        '{"bounding box 2d": [[100, 100, 500, 500]]}',
        "[{'Position': [100, 100, 500, 500], 'Confidence': 0.9}]",
        '[{\\"Position\\": [100, 100, 500, 500], \\"Confidence\\": 0.9}]',
        "<|ref|>dog<|/ref|><|det|>[[100, 100, 500, 500]]<|/det|>",
        "(top-left x, top-left y, bottom-right x, bottom-right y): [100, 100, 500, 500]",
        "[top_left_x, top_left_y, bottom_right_x, bottom_right_y] = [100, 100, 500, 500]",
        "(upper left x, upper left y, lower right x, lower right y): (100, 100, 500, 500)",
        "[left, upper, right, lower]: [100, 100, 500, 500]",
        '{"left": 100, "upper": 100, "right": 500, "lower": 500}',
        '{"top_left_x": 100, "top_left_y": 100, "bottom_right_x": 500, "bottom_right_y": 500}',
    ],
)
def test_corners_are_corners_wherever_their_key_stands(text):
    assert boxes(text) == ((100, 100, 400, 400),)


@pytest.mark.parametrize(
    "text",
    [
        '[{"bbox_2d": [[100, 100, 500, 500], [20, 20, 60, 80]]}]',
        '{"bbox_2d": ["[100, 100, 500, 500]", "[20, 20, 60, 80]"]}',
        "<box>[[100, 100, 500, 500]]</box><box>[[20, 20, 60, 80]]</box>",
        "[[[100,100],[500,500]],[[20,20],[60,80]]]",
        "(100,100),(500,500)\n(20,20),(60,80)",
        '[{"bbox_2d": [100, 100, 500, 500]}, {"bbox": [20, 20, 40, 60]}]',
        "<|det|>[[100, 100, 500, 500]]<|/det|> and [20, 20, 40, 60]",
        "{'Position': [100, 100, 500, 500], 'Confidence':1}, {'Position': [20, 20, 60, 80], 'Confidence': 1}",
        "[{'Position': [100, 100, 500, 500], 'Confidence': 1}, {'Position': [20, 20, 60, 80]}",
    ],
)
def test_each_box_is_read_by_the_nearest_key_before_it(text):
    assert boxes(text) == ((100, 100, 400, 400), (20, 20, 40, 60))


@pytest.mark.parametrize(
    "text",
    [
        '[{"bbox": [100, 100, 500, 500]}]',
        '{"boxes": [[100, 100, 500, 500]], "count": 1}',
        '{"position": [100, 100, 500, 500]}',
        '{"position": "left", "bbox": [100, 100, 500, 500], "confidence": 0.9}',
        "[top-left x, top-left y, width, height]: [100, 100, 500, 500]",
        '{"bounding_box": [100, 100, 500, 500]}',
        "[x, y, w, h] = [100, 100, 500, 500]",
        "［100，100，500，500］",
        "[[+100, 0100, 5e2, 500.]]",
        '{"image_size": [640, 480], "bbox": [100, 100, 500, 500]}',
        '{"bbox": [100, 100, 500, 500], "segmentation": [[1, 2], [3, 4], [5, 6]]}',
        "<answer>[[100, 100, 500, 500]]",
    ],
)
def test_four_numbers_without_such_a_key_are_what_was_asked_for(text):
    reading = read_response(text, "boxes")
    assert reading.annotation.xywh == ((100, 100, 500, 500),)


@pytest.mark.parametrize(
    "text",
    [
        "[[100, 100], [500, 120], [480, 500], [90, 480]]",
        "(100,100),(500,120),(480,500),(90,480)",
        "[[1, 1], [5, 1], [4, 5]]",
        "[[100, 100, 500, 120, 480, 500, 90, 480]]",
        "[100, 100, 500, 500, 1]",
        "[[1/3, 100, 500, 500]]",
        "[[~100, 100, 500, 500]]",
        "[[0x10, 100, 500, 500]]",
        "[[1,000, 100, 500, 500]]",
        "[[1,000, 100, 500]]",
        "[[100-200, 100, 500, 500]]",
        "[[10%, 10%, 50%, 50%]]",
        "[[0. 5, 100, 500, 500]]",
        '{"x": 10%, "y": 10%, "w": 50%, "h": 50%}',
        '{"x": 1,000, "y": 100, "w": 500, "h": 500}',
        '{"x1": ~100, "y1": 100, "x2": 500, "y2": 500}',
        "[[~1, 2, 3, 4], [5, 6, 7, 8]]",
        "(cx, cy, w, h) = [100, 100, 50, 50]",
        '{"box_2d": [100, 100, 500, 500]}',
        '{"dog box_2d": [100, 100, 500, 500]}',
        "[top, left, bottom, right]: [100, 100, 500, 500]",
        '("upper", "left", "lower", "right") = [100, 100, 500, 500]',
        "No, it is on the left",
        "No idea",
        "There is no doubt: it is the dog",
        "None of the two dogs is hidden, the left one is bigger",
        "no dogs on the left but one on the right",
        "There are no dogs except the one at the door",
        "There is no image",
        "[[100, 100, 500",
    ],
)
def test_what_is_no_box_is_not_read_as_one(text):
    assert boxes(text) is None


@pytest.mark.parametrize(
    "text",
    [
        "[]",
        "[[]]",
        "[ [ ] ]",
        "[[], []]",
        "'[]'",
        "```json\n[]\n```",
        '{"boxes": []}',
        '{"objects": [], "count": 0}',
        '[{"bbox_2d": []}]',
        "The answer is [].",
        "There are no dogs: []",
        "Boxes: []",
        "None.",
        "null",
        '{"boxes": null}',
        "No objects.",
        "no boxes",
        "There are no dogs",
        "There is no dog in this image.",
        "No dogs are visible.",
        "No matching objects.",
        "none found",
        "There aren't any dogs.",
        "There are no cats or dogs here.",
        "There are no dogs. The picture shows a street.",
        "Empty list",
    ],
)
def test_an_empty_list_in_its_forms(text):
    assert boxes(text) == ()


@pytest.mark.parametrize(
    "text",
    [
        '<think>a</think ><answer>{"joy": 1}</answer>',
        '<think>a <ANSWER>b</ANSWER></think><answer>{"joy": 1}</answer>',
        '<think>a</think><answer>{"joy": 1}</answer><Answer >{"joy": 1}</answer>',
        '<think>\u200b</think><answer>{"joy": 1}</answer>',
        '<think>a<think >b</think><answer>{"joy": 1}</answer>',
        '<think>...</think><answer>{"joy": 1}</answer>',
    ],
)
def test_a_form_that_reading_takes_for_tags_is_not_kept(text):
    assert not read_response(text, "distribution", ("joy", "fear")).format_ok
