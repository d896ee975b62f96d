"""What a stranger may call something, and on which day it may have run."""

from datetime import date

import pytest

from rise_bench.files.display_text import check_day, check_line, check_name, check_paragraph, tidy_line

GOOD = [
    "Qwen2-VL 2B", "RISE, τ = 0.75", "β-VAE", "Ünïcode Müller", "通义千问 Qwen", "東京タワー2B",
    "한국어 모델", "Модель 2Б", "Ελληνικά 7B", "हिन्दी मॉडल", "แบบจำลองที่สี่", "Tiếng Việt ệ", "தமிழ்", "עברית",
    "العربية", "8×A100 80 GB, 2 nodes", "π0.5 🚀",
    "InternVL3.5-1B@v2", "C++/CUDA_12.4", "model's \"best\" <b>",
]  # fmt: skip

HIDDEN = [
    "\u200b", "\u200c", "\u200d", "\u2060", "\ufeff", "\u00ad", "\u180e", "\u034f", "\u061c", "\u115f",
    "\u1160",
    "\u17b4", "\u2800", "\u3164", "\uffa0", "\ufe0f", "\U000e0100", "\U000e0041", "\ufff9", "\ufffc",
    "\ufffd", "\u0000",
    "\u0007", "\u001b[31m", "\u007f", "\u0085", "\u009b31m", "\ue000", "\U0010ffff", "\ufdd0", "\U0001d159",
    "\U0001d173",
    *(chr(c) for c in (*range(0x202A, 0x202F), *range(0x2066, 0x206A), 0x200E, 0x200F)),
]  # fmt: skip
BREAKS = ["\n", "\r", "\t", "\v", "\f", "\x1c", "\x1d", "\x1e", "\x1f", "\u2028", "\u2029"]
BLANKS = ["\u00a0", "\u1680", *map(chr, range(0x2000, 0x200B)), "\u202f", "\u205f", "\u3000"]
MARKED = [
    "a\u0301\u0302\u0303", "Z\u0334", "R\u0336I\u0336S\u0336E\u0336", "o\u0338x", "x\u20dd", "x\u20e3",
    "\u0301abc", "a \u0301b",
    "1\u0301", "(\u0327)", "a" + "\u0316" * 40, "ab\u0489",
]  # fmt: skip
OTHER_FORMS = [
    "ＲＩＳＥ", "𝐑𝐈𝐒𝐄", "ⓇⒾⓈⒺ", "ﬁne", "RISE™", "cafe\u0301", "A\u030a", "x²", "①", "Ⅳ",
    "ﷺ", "ｱｲｳ", "…",
    "\u212b", "\u1e9b\u0323",
]  # fmt: skip
MIXED = [
    "Qwеn2-VL",
    "RISЕ 2B",
    "Ρlato",
    "аnna",
    "ԛwen",
    "Օpen",
    "ᎪᏞL-inOne",
    "ΟpenAI",
    "Wіnner",
    "Lа",
]
BLANK_NAMES = ["", " ", "-", "...", "—", "🚀🚀", "( )", '""']
SPACED = [" RISE", "RISE ", "RISE  2B", "  "]


@pytest.mark.parametrize("text", GOOD)
def test_names_of_all_scripts_are_names(text):
    assert check_name(text) == check_line(text) == check_paragraph(text) == tidy_line(text) == text


@pytest.mark.parametrize("text", [f"RI{c}SE" for c in HIDDEN] + HIDDEN + MARKED)
def test_what_hides_turns_or_overlays_text_is_refused_everywhere(text):
    for check in (check_line, check_name, check_paragraph):
        with pytest.raises(ValueError, match=r"U\+[0-9A-F]{4,6}"):
            check(text)


@pytest.mark.parametrize(
    "text", [f"RI{c}SE" for c in BREAKS + BLANKS] + BREAKS + BLANKS + OTHER_FORMS + MIXED + SPACED
)
def test_a_line_is_one_line_of_plain_blanks_in_one_form(text):
    for check in (check_line, check_name):
        with pytest.raises(ValueError, match="; "):
            check(text)


@pytest.mark.parametrize("text", BLANK_NAMES)
def test_a_name_can_be_read(text):
    with pytest.raises(ValueError):
        check_name(text)
    assert text == " " or check_line(text) == text


def test_a_paragraph_has_lines_and_a_line_has_none():
    text = "first\n\n  second  x²\n"
    assert check_paragraph(text) == text
    assert tidy_line(text) == "first second x2"
    for text in ("a\rb", "a\u2028b", "a\tb", "x\n\u0301"):
        with pytest.raises(ValueError):
            check_paragraph(text)


def test_a_word_in_one_other_alphabet_is_a_word():
    """Whole words of look-alikes are not told from words; the id and the account beside them are ASCII."""
    assert check_name("Вера") == "Вера"


TODAY = date(2026, 3, 1)


@pytest.mark.parametrize("text", ["2026-03-01", "2026-03-02", "2025-01-01", "2025-12-31", "2026-02-28"])
def test_days_that_were(text):
    assert check_day(text, today=TODAY) == text


@pytest.mark.parametrize(
    "text",
    ["2026-02-29", "2026-02-30", "2025-04-31", "2026-00-01", "2026-13-01", "2026-01-00", "2026-01-32",
    "2026-03-03",
     "2099-12-31", "9999-12-31", "2024-12-31", "1970-01-01", "0000-01-01", "0001-01-01", "2026-3-1",
     "20260301", "2026-W09-7",
     "2026-060", "01-03-2026", "2026-03-01T00:00", "2026-03-01\n", " 2026-03-01", "２０２６-03-01",
     "٢٠٢٦-٠٣-٠١", "2026−03−01",
     "", "today"],
)  # fmt: skip
def test_days_that_were_not(text):
    with pytest.raises(ValueError):
        check_day(text, today=TODAY)


def test_today_is_never_in_the_future():
    assert check_day(date.today().isoformat() if date.today() > TODAY else "2026-03-01")
