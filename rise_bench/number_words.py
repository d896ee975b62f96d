"""Numbers in words where they have the sense of a probability or a coordinate, found in the words of a text.

Each word becomes a letter that says what it can be: n a number, T a multiple of ten, B hundred or more, w a
word that does not matter, and so on; a leak is a pattern of these letters. A count before its noun ("two dogs
sleep in the corner") fits none of them: what gives a value away stands where no noun follows.
"""

import re
from collections.abc import Container

from rise_bench.class_forms import class_forms

_LEXICON = {
    "n": "two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen "
    "seventeen eighteen nineteen",
    "T": "twenty thirty forty fourty fifty sixty seventy eighty ninety ninty",
    "B": "hundred thousand million",
    "o": "one",
    "0": "zero nought naught",
    "a": "a an",
    "h": "half halves",
    "f": "third fourth quarter fifth sixth seventh eighth ninth tenth twentieth hundredth thousandth",
    "F": "thirds fourths quarters fifths sixths sevenths eighths ninths tenths twentieths hundredths "
    "thousandths",
    "p": "percent percents pct %",
    "§": "prozent pourcent percento procent ciento процент процента процентов",
    "e": "per",
    "c": "cent cents",
    "t": "point",
    "u": "pixel pixels px votes thousandth thousandths",
    "P": "part parts",
    "q": "probability probabilities likelihood chance odds confidence score weight mass share rating ratio",
    "Q": "percentage",
    "z": "x y w h ex",
    "l": "coordinate coordinates row column position offset centre center corner box edge border margin",
    "L": "width height breadth",
    "s": "left right top bottom",
    "g": "image picture photo photograph frame canvas screen page scene",
    "W": "way",
    "y": "down across along wide high tall horizontally vertically",
    "Y": "halfway",
    "i": "is equals at about around near nearly roughly approximately almost exactly circa ca reaches begins "
    "starts ends gets scores receives weighs has with lies",
    "v": "of",
    "2": "to",
    "r": "from spans between span",
    "b": "by",
    "I": "in",
    "O": "out",
    "&": "and",
    "4": "for",
    "m": "times",
    "M": "twice",
    "j": "as more",
    "k": "likely likelier probable than",
    "X": "view profile length portrait pose angle turn",
    "D": "the these those this that they we you who all other both last first next every its his "
    "her their our my",
    "J": "each",
    "S": "ish odd",
    "!": "fiftyfifty",
}
_CODES = {word: code for code, group in _LEXICON.items() for word in group.split()}
_CODES["thousandths"] = "F"
_JOINABLE = sorted(
    (w for w, c in _CODES.items() if c in "nTBo0fFphtec" and len(w) > 2), key=len, reverse=True
)
_JOINED = re.compile("|".join(_JOINABLE))
_JOINED_WHOLE = re.compile(rf"(?:{'|'.join(_JOINABLE)})+")
_STARTS = tuple(_JOINABLE)
_ROMAN = re.compile(r"m{0,3}(?:cm|cd|d?c{0,3})(?:xc|xl|l?x{0,3})(?:ix|iv|v?i{0,3})")
_NO_ROMAN = frozenset(
    [
        "mix",
        "cd",
        "dc",
        "md",
        "mc",
        "cv",
        "xl",
        "xxl",
        "di",
        "mi",
        "li",
        "dm",
        "cc",
        "mm",
        "cm",
        "ci",
        "dl",
        "ml",
        "xi",
        "mmm",
        "vi",
    ]
)
_FEELINGS = ("anger", "disgust", "fear", "joy", "sadness", "surprise", "neutral")
_NUMERIC = frozenset("nTBo0hfF§!RYM")

_STATES = re.compile("[:=→|]")
_PAUSES = re.compile(r"[,;()\[\]{}]")

TOKEN = re.compile(
    r"(?<![^\W_])[a-z]{2,12}-[a-z]{1,12}(?![^\W_])"  # eighty-five, eigh-ty
    r"|(?<![^\W_])[a-z](?:[ \-.*_]{1,2}[a-z](?![^\W_])){2,}+"  # e-i-g-h-t-y
    r"|\bp\.\s?c\b\.?|[^\W_]+|%|[,.;:!?()\[\]{}=→|]+"
)
_N = r"(?:a?[nTBo0](?:&?[nTBo0]){0,8}+)"
_BIG = r"(?:a?[no0]{0,2}+[TB](?:&?[nTBo0]){0,8}+)"
_END = rf"(?=[,.iIrby4szlLKC]|[2&](?!{_N}[wDjP])|\Z)"
_RULES = (
    r"[nTBo0]{10,}+",  # a row of words that is no number
    rf"{_N}(?:[aS]?(?:p|ec|eB)|[Qu]|F(?!X)|f(?![wXDC])"  # eighty per cent, two hundred pixels, seven tenths
    rf"|m?(?:I[nTB]|Ov[Da]?{_N})|P(?:[wK][2,&]{{1,2}}{_N}P|K)|[4v]K"  # nine in ten, eight for joy
    rf"|[,&b]{{1,2}}{_N}[,&b]{{1,2}}{_N}{_END})",  # forty, sixty, ninety
    r"h[aS]?(?:p|ec|eB)|[on]f(?=[wKC])|[nT]vD?[nTB]",  # half a per cent
    rf"(?:p|ec)[iv,]{{0,4}}{_N}{_END}",  # per cent: eighty
    r"§|!|R|TT",
    r"[0nT]t[nTo0]{1,8}|ot[nTo0]{1,8}(?=[,.&KC]|\Z)|(?<!D)t[nT0o]{1,8}(?=[,.&vKC]|\Z)",  # zero point eight
    r"a?[no]?[hfF]v?[Da]?[qQL]|[afh]v?DW",
    r"afvDg|af[ry]|[aon]?[hfF]J|hvK|hh|h&h|Yy[Da]?g",  # half the width, a third of the way
    r"afK|af(?:[wK])[,&]{1,2}af|K[i,]{0,3}a?[hfF](?=[,.&]|\Z)|h4?K(?=[,.&]|\Z)|a?[hfF](?:4|w2)K",  # joy half
    r"[TB][2&i]T(?!w)",  # eighty to twenty
    r"[nTB]mj?k|Mj{0,2}k",  # three times as likely
    rf"[qQ][ivD]{{0,5}}(?:[wKC][ivD]{{1,5}})?(?:{_N}{_END}|{_N}[hfF])|0[qQ]",  # a probability of eighty
    rf"z[ivr,]{{0,4}}{_N}(?![wD])|[lL][ivr]{{0,4}}{_N}{_END}|[sl][iv]{{0,4}}{_BIG}{_END}",  # x forty, y sixty
    rf"(?<![vV]){_BIG}{_END}",  # at five hundred
    rf"(?<=[lzi(]){_N}[,&b]{{1,2}}{_N}{_END}|[on0][on0]{{1,8}}{_END}",  # corner at ten, twenty
    rf"r{_N}[2&]{_N}{_END}",  # from one hundred to two hundred
    rf"K[i4,]{{0,4}}{_N}{_END}|C[i4]{{0,4}}{_N}{_END}|{_BIG}K(?=[,.&]|\Z)",  # joy eight, fear two
)
_LEAK = re.compile("|".join(f"(?:{rule})" for rule in _RULES))


def number_word_spans(seen: str, classes: tuple[str, ...] = ()) -> list[tuple[int, int]]:
    """Return where a text gives a value away in words.

    Args:
        seen: The text as `characters.look` returns it.
        classes: Class names, beside which a number is a value.
    """
    codes = _codes(seen, classes)
    found = list(_LEAK.finditer("".join(codes)))
    if not found:
        return []
    owners = [i for i, code in enumerate(codes) for _ in code]
    places = [match.span() for match in TOKEN.finditer(seen)]
    return [(places[owners[m.start()]][0], places[owners[m.end() - 1]][1]) for m in found]


def has_number_words(seen: str, classes: tuple[str, ...] = ()) -> bool:
    """Whether `number_word_spans` would find any."""
    return _LEAK.search("".join(_codes(seen, classes))) is not None


def _codes(seen: str, classes: tuple[str, ...]) -> list[str]:
    """Return the letters of each token; none if no token is a number."""
    tokens = TOKEN.findall(seen)
    feelings, names = class_forms(_FEELINGS), class_forms(classes)
    code_of_token = {token: _code(token, feelings, names) for token in set(tokens)}
    if _NUMERIC.isdisjoint("".join(code_of_token.values())):
        return []
    return [code_of_token[token] for token in tokens]


def _code(token: str, feelings: Container[str], names: Container[str]) -> str:
    """Return the letters of a token: one, or several where words were joined ("eightypercent")."""
    if not token[0].isalnum() and token != "%":
        return "i" if _STATES.search(token) else "," if _PAUSES.search(token) else "."
    if token.startswith("p.") and token[2:].strip(" .") == "c":
        return "p"
    word = token if token.isalnum() else "".join(filter(str.isalnum, token)) or token
    if word in _CODES:
        return _CODES[word]
    if token.count("-") == 1 and min(map(len, token.split("-"))) > 0 and "." not in token:
        parts = token.split("-")
        if max(map(len, parts)) > 1:
            return "".join(_code(part, feelings, names) for part in parts)
    if word in feelings:
        return "K"
    if word in names:
        return "C"
    if len(word) > 40:
        return "w"
    if word.startswith(_STARTS) and _JOINED_WHOLE.fullmatch(word):
        return "".join(_CODES[part] for part in _JOINED.findall(word))
    return "R" if len(word) > 1 and word not in _NO_ROMAN and _ROMAN.fullmatch(word) else "w"
