"""Number words that mean a probability or a coordinate.

Each word becomes a letter for its meaning: n a number, T a multiple of ten, B hundred or more, w an
irrelevant word, and so on; a leak is a pattern of these letters. A count before its noun ("two dogs sleep in
the corner") matches none of them.
"""

import re
from collections.abc import Container, Iterable, Iterator
from functools import lru_cache

from rise_bench.scoring.class_forms import class_forms

_LEXICON = {
    "n": "two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen "
    "seventeen eighteen nineteen",
    "T": "twenty thirty forty fourty fifty sixty seventy eighty ninety ninty threescore fourscore",
    "B": "hundred thousand million",
    "o": "one",
    "0": "zero nought naught null",
    "5": "nil oh",
    "7": "zeros zeroes",
    "9": "teens twenties thirties forties fifties sixties seventies eighties nineties hundreds",
    "Z": "dozen",
    "a": "a an",
    "h": "half halves",
    "f": "third fourth quarter fifth sixth seventh eighth ninth tenth eleventh twelfth thirteenth fourteenth "
    "fifteenth sixteenth seventeenth eighteenth nineteenth twentieth thirtieth fortieth fiftieth hundredth "
    "thousandth",
    "F": "thirds fourths quarters fifths sixths sevenths eighths ninths tenths elevenths twelfths "
    "thirteenths fourteenths fifteenths sixteenths seventeenths eighteenths nineteenths twentieths "
    "thirtieths fortieths fiftieths hundredths thousandths",
    "p": "percent percents pct %",
    "§": "prozent pourcent percento procent ciento процент процента процентов",
    "e": "per",
    "c": "cent cents mille mil",
    "t": "point",
    "·": "dot comma decimal",
    "u": "pixel pixels pix px votes units",
    "U": "points",
    "#": "line",
    "P": "part parts",
    "q": "probability probabilities likelihood chance chances odds confidence certainty score weight mass "
    "share rating ratio scale proportion fraction value intensity",
    "G": "mood emotion emotions emotional feeling feelings response reaction total viewers viewer annotators "
    "raters voters respondents observers area",
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
    "starts starting ends ending stops gets scores receives weighs has with lies",
    "v": "of",
    "2": "to",
    "r": "from spans between span stretches extends runs",
    "b": "by",
    "I": "in",
    "O": "out",
    "&": "and",
    "4": "for",
    "m": "times",
    "M": "twice",
    "j": "as more",
    "k": "likely likelier probable than sure certain confident",
    "X": "view profile length portrait pose angle turn",
    "D": "the these those this that they we you who all other both last first next its his her their our my",
    "J": "each",
    "E": "every",
    "": "whole entire",
    "S": "ish odd plus",
    "ŝ": "something",
    "d": "are be should would could might must may can will takes take carries makes make up claims holds "
    "sits hovers stands remains stays rises drops falls climbs goes go come comes belongs belong deserves "
    "earns rates measures totals worth up not exceed exceeds well slightly bit little somewhat mere merely "
    "barely hardly scarcely quite rather still then now also just only maybe perhaps probably say get "
    "looks seems turns turned took got",
    "@": "on",
    "ö": "over divided",
    "π": "below above beneath under past beyond off until toward towards",
    "ü": "upwards shy excess",
    "A": "max min maximum minimum axis",
    "+": "low lower upper",
    "V": "covers cover covering covered fills fill filling filled occupies occupy occupying occupied",
    "H": "he she person man woman boy girl",
    "ρ": "remaining",
    "λ": "level degree strength",
    "Γ": "rate give mark assign",
    "τ": "it",
    "x": "aged age psalm chapter verse catch route highway room platform gate flight apartment suite studio "
    "channel volume apollo formula section seat",
    "µ": "morning afternoon evening night",
    "ß": "split",
    ",": "because since while given though although but when where due owing elsewhere everywhere otherwise",
    "!": "fiftyfifty",
}
_CODES = {word: code for code, group in _LEXICON.items() for word in group.split()}
_JOINABLE = sorted(
    (w for w, c in _CODES.items() if c in "nTBo0fFphtec" and len(w) > 2), key=len, reverse=True
)
#: Numbers that are joined to the name of a class: not "per" and "ten", as in "perform" and "kitten".
_JOINED_TO_CLASSES = [
    word
    for word in _JOINABLE
    if _CODES[word] in "nTBo0hfFp" and (len(word) > 3 or word in ("one", "two", "six"))
]
_JOINED = re.compile("|".join(_JOINABLE))
_JOINED_WHOLE = re.compile(rf"(?:{'|'.join(_JOINABLE)})+")
_STARTS = tuple(_JOINABLE)
_ROMAN = re.compile(r"m{0,3}(?:cm|cd|d?c{0,3})(?:xc|xl|l?x{0,3})(?:ix|iv|v?i{0,3})")
_NO_ROMAN = frozenset(
    ["mix", "cd", "dc", "md", "mc", "cv", "xl", "xxl", "di", "mi", "li",
     "dm", "cc", "mm", "cm", "ci", "dl", "ml", "xi", "mmm", "vi"]
)  # fmt: skip
_FEELINGS = ("anger", "disgust", "fear", "joy", "sadness", "surprise", "neutral")
_FEELING_NOUNS = frozenset(
    ["happiness", "dread", "delight", "grief", "sorrow", "melancholy", "excitement", "contentment",
     "amusement", "awe", "shock", "rage"]
)  # fmt: skip
_NUMERIC = frozenset("nTBo0hfF§!RYMpc79Z")
_IN_NUMBERS = frozenset("nTBo0hfFpect")

_STATES = re.compile("[:=→|]")
_PAUSES = re.compile(r"[,;()\[\]{}]")

_TOKEN, _ASCII_TOKEN = (
    re.compile(
        rf"(?=\S)(?:[a-z]{{2,}}+(?!-|{w})"  # most words, for speed
        rf"|(?<!{w})[a-z]{{2,12}}+-[a-z]{{1,12}}+(?!{w})"  # eighty-five, eigh-ty
        rf"|(?<!{w})[a-z](?:[ \-—.*_]{{1,2}}[a-z](?!{w})){{2,}}+"  # e-i-g-h-t-y
        rf"|\bp\.\s?c\b\.?|{w}++|%|—|(?<=\s)-{{1,3}}(?=\s)|[,.;:!?()\[\]{{}}=→|]++)"
    )
    for w in (r"[^\W_]", "[A-Za-z0-9]")
)
_N = r"(?:a?[nTBo0](?:&?[nTBo0]){0,8}+)"
_BIG = r"(?:a?[no0]{0,2}+[TB](?:&?[nTBo0]){0,8}+)"
_END = rf"(?=[,.iIrby4szlLπ]|[2&](?!{_N}[wDjP])|\Z)"
_STOP = rf"(?={_END}|[j@](?![nTBo0]))"  # after a class: "joy at eighty on the whole"
_CLOSE = r"(?=[,.&4K2]|\Z)"
_HAS = r"[idjky2@+öπ,]{0,6}"  # between a class and its value: "joy should be just above"
_CUES = re.compile(
    rf"xi?{_N}(?![pKe])|H[idöπ]{{1,4}}{_BIG}(?=[,.I&]|\Z)"  # room one hundred, she must be about eighty
    rf"|{_N}[I@]D?µ"  # two thirty in the morning
)
_RULES = (
    r"[nTBo0]{10,}+",  # a row of words that is not a number
    rf"{_N}(?:[aS]?(?:p|ec|eB)|[Qu]|F(?!X)|f(?![wXDC])"  # eighty per cent, two hundred pixels, seven tenths
    rf"|m?(?:IE?[nTB]|(?:&ah)?,?Ov[DaE]?{_N})|qI{_N}|P(?:[wK][2,&]{{1,2}}{_N}P|K)"  # nine in ten
    rf"|[Sŝ]?[4v]D?K|[wCGH](?:I(?:{_N}(?=[d,.]|\Z))|Ov{_N})|GI{_N}|[Uq]v?K"  # eight for joy
    rf"|[,&b]{{1,2}}{_N}[,&b]{{1,2}}{_N}{_END})",  # forty, sixty, ninety
    r"(?<!Ø)(?:p|ec)|h[aS]?eB|[on]f(?=[dK])|[nT]v(?:E?[nTB]|D[nTB]G)",  # half a per cent
    rf"(?:p|ec)[iv,]{{0,4}}{_N}{_END}",  # per cent: eighty
    r"§|!|R|TT",
    r"[0nT]t[nTo0]{1,8}|ot[nTo0]{1,8}(?=[,.&KC]|\Z)|(?<!D)t[nT0o]{1,8}(?=[,.&vKC]|\Z)",  # zero point eight
    r"[0no]·[nTo0]{1,8}|5[t·][nTo0]{1,8}|[no]t5",  # zero comma eight, one point oh
    r"a?[no]?[hfF]v?[Da]?(?:gw)?[qQL]|[afh]v?DW",
    r"afvDg|af[ry]|[aon]?[hfF]J|hvK|hh|h&h|Yy[Da]?g|[hfF][Iyd]r|fjy|hjyjD?g",  # half the width
    r"V[dib]{0,2}hv?D?g|hv?Dg(?:iV|y)",  # it covers half the picture
    r"afK|af(?:[wK])[,&]{1,2}af|K[i,]{0,3}a?[hfF](?=[,.&]|\Z)|h4?K(?=[,.&]|\Z)",  # joy half
    r"a?[hfF](?:4|[wd]2)K|a[hfF]2D?K",  # a fifth goes to fear
    r"afv?[KG]|afvDG|hvDG|[hfF]v[Dwτ][id]{1,2}K",  # a tenth of the mood
    rf"K{_HAS}a?[hfF](?=[v,.&]|\Z)",  # joy takes up a third
    rf"Ef[GH]|ρ[hfF][id]|ρ{_N}{_END}|D[fF][id]{{1,2}}K|Gva?[no]?[fF]{_END}",  # every fifth viewer
    r"[LlqQ][iv]{1,4}a?[hfF](?=[,.]|\Z)|[KqQ][^.]{0,6}a[wd]?[fF](?=[,.4]|\Z)",  # its width is a third
    rf"λ[iv]{{1,3}}{_N}{_END}|Γτa?{_N}{_CLOSE}|[Γq](?:τ|D[wK])a{_N}{_CLOSE}|{_BIG}b{_BIG}",  # rate it nine
    r"[TB][2&i]T(?!w)|T[2&,]?[nT]ß",  # eighty to twenty
    rf"{_N}öb?{_N}{_END}|q[id]{{1,3}}{_N}2{_N}(?![wKC])|{_N}2{_N}(?:q|@\Z|[I@]w?vK)",  # two to one
    rf"[qK][id,bw+]{{0,5}}{_N}2{_N}{_END}",  # joy wins four to one
    rf"[nTB]m(?:j?k|wkK{_END})|Mj{{0,2}}k",  # three times as likely, four times stronger than fear
    rf"[qQ][ivDd@jπ+]{{0,6}}(?:[wKC][ivDd]{{1,5}})?(?:{_N}{_END}|{_N}[hfF]|{_BIG}(?![wC]))",
    rf"0[qQ]|{_N}tq|OvE{_N}|{_BIG}(?:k|v{_N})",  # a ten-point scale, out of every ten
    rf"[qQG][\w@]{{0,4}}I[Dw]9|[+y][nTB]?9|n9|{_N}qI{_N}",  # a percentage in the eighties
    rf"zA?[ivr,]{{0,4}}{_N}(?![wD])|[lL][ivr]{{0,4}}{_N}{_END}",  # x forty, y sixty
    rf"[sl][iv]{{0,4}}{_BIG}{_END}",  # the left edge is at two hundred
    rf"(?<![wτH])si{{1,3}}[nTB](?=[,.&]|\Z)|ir{_N}{_END}",  # top is ten
    rf"{_N}[@I]D?z(?!w)|D{_BIG}[#Γλ]",  # forty on the x axis
    rf"{_BIG}U(?!v)|{_N}U(?:v{_N}|d?[24]D?K)|K[dwi]?{_N}U{_END}",  # ninety points, joy earns eight points
    rf"(?<![vV]){_BIG}S?{_END}|(?:π|üv|Kv){_BIG}(?![wC])",  # at five hundred
    rf"(?<=[lzi(]){_N}[,&b]{{1,2}}{_N}{_END}|[on0][on0]{{1,8}}{_END}",  # corner at ten, twenty
    rf"r{_N}2{_N}{_END}|(?<=r){_BIG}(?![wKC])",  # from one hundred to two hundred
    rf"(?:(?<=[idI,])|^)0(?:{_END}|@|2D)|7",  # the rest get zero
    rf"K,?(?!(?<=DK)o){_N}{_CLOSE}|K,?(?![nTBo0,]){_HAS}(?:{_N}|aZ){_STOP}",  # joy eight, fear two
    rf"K[^.nTBo0]{{0,5}}(?<![Dvrp])[nTB0]{{1,4}}{_CLOSE}",  # fear follows, weak, with two
    rf"C(?:[i4d]{{0,4}}{_N}{_END}|,(?!o){_N}(?=[,.]|\Z))",  # candle is nine
    rf"{_N}G[wid]{{0,2}}K|K[idI]{{1,3}}{_N}G(?=[,.&]|\Z)",  # eight viewers feel joy, joy in eight viewers
    rf"{_BIG}w{{1,2}}(?:rD?s|y(?=[,.&]|\Z))",  # one hundred steps from the left, five hundred dots across
    rf"{_BIG}[Sŝ]?K(?=[,.&]|\Z)|{_N}[d@]{{1,2}}2?D?K(?!w)|{_N}[2π@]D?K(?!w)",  # eighty joy, two to fear
)
_LEAK = re.compile(rf"(?!w)(?:{'|'.join(_RULES)})")


def number_word_spans(seen: str, classes: tuple[str, ...] = ()) -> list[tuple[int, int]]:
    """Return the spans of a text that reveal a value in words.

    Args:
        seen: The text as `characters.look` returns it.
        classes: Class names, beside which a number is a value.
    """
    codes = _codes(seen, classes)
    leaks = list(_LEAK.finditer(_without_cues(codes)))
    if not leaks:
        return []
    owners = [i for i, code in enumerate(codes) for _ in code]
    places = [match.span() for match in _token_pattern(seen).finditer(seen)]
    return [(places[owners[m.start()]][0], places[owners[m.end() - 1]][1]) for m in leaks]


def has_number_words(seen: str, classes: tuple[str, ...] = ()) -> bool:
    """Whether `number_word_spans` finds any."""
    return _LEAK.search(_without_cues(_codes(seen, classes))) is not None


def _without_cues(codes: list[str]) -> str:
    """Return the letters of a text, without the meaning of ages, room numbers and times of day."""
    return _CUES.sub(lambda cue: "w" * len(cue[0]), "".join(codes))


def _token_pattern(seen: str) -> re.Pattern[str]:
    return _ASCII_TOKEN if seen.isascii() else _TOKEN


class _LetterTable(dict[str, str]):
    """Letters of a token by the token, filled as tokens come."""

    def __init__(self, classes: tuple[str, ...]) -> None:
        self._names = class_forms(classes)

    def __missing__(self, token: str) -> str:
        letters = _code(token, class_forms(_FEELINGS), self._names)
        if len(self) < 2_000 and len(token) <= 40:
            self[token] = letters
        return letters


@lru_cache(maxsize=128)
def _letter_table(classes: tuple[str, ...]) -> _LetterTable:
    return _LetterTable(classes)


def _codes(seen: str, classes: tuple[str, ...]) -> list[str]:
    """Return the letters of each token; empty if no token is a number."""
    codes = list(map(_letter_table(classes).__getitem__, _token_pattern(seen).findall(seen)))
    if _NUMERIC.isdisjoint("".join(codes)):
        return []
    for i, (code, after) in enumerate(zip(codes, [*codes[1:], ""], strict=True) if "~" in codes else ()):
        if code == "~":  # "eighty - per cent", but "joy - eighty"
            inside = i and codes[i - 1][-1:] in _IN_NUMBERS and after[:1] in _IN_NUMBERS
            codes[i] = "" if inside else ","
    return codes


def _code(token: str, feelings: Container[str], names: Container[str]) -> str:
    """Return the letters of a token, several if words are joined ("eightypercent")."""
    if token[0] in "-—":
        return "~"
    if not token[0].isalnum() and token != "%":
        return "i" if _STATES.search(token) else "," if _PAUSES.search(token) else "."
    if token.startswith("p.") and token[2:].strip(" .") == "c":
        return "p"
    if token.isdigit():
        return "Ø"
    word = token if token.isalnum() else "".join(filter(str.isalnum, token)) or token
    if word in _CODES:
        return _CODES[word]
    if token.count("-") == 1 and min(map(len, token.split("-"))) > 0 and "." not in token:
        parts = token.split("-")
        if max(map(len, parts)) > 1:
            codes = "".join(_code(part, feelings, names) for part in parts)
            return "w" if codes == "fw" else codes  # a third-grader is not a third
    if name := _name(word, feelings, names):
        return name
    if len(word) > 40:
        return "w"
    if word.startswith(_STARTS) and _JOINED_WHOLE.fullmatch(word):
        return "".join(_CODES[part] for part in _JOINED.findall(word))
    if _joins_number(word, feelings, names):
        return "§"
    return "R" if len(word) > 1 and word not in _NO_ROMAN and _ROMAN.fullmatch(word) else "w"


def _joins_number(word: str, feelings: Container[str], names: Container[str]) -> bool:
    """Whether a word is a number and a feeling or class (eightjoy, joyeight)."""
    if any(rest != word and _name(rest, feelings, ()) for rest in _without(_JOINABLE, word)):
        return True
    return any(rest != word and rest in names for rest in _without(_JOINED_TO_CLASSES, word))


def _without(numbers: Iterable[str], word: str) -> Iterator[str]:
    """Yield a word without each number that it may begin or end with, else unchanged."""
    for number in numbers:
        yield word.removeprefix(number)
        yield word.removesuffix(number)


def _name(word: str, feelings: Container[str], names: Container[str]) -> str:
    """Return the letter of a feeling or class; empty for other words."""
    if word in feelings or word in _FEELING_NOUNS:
        return "K"
    return "C" if word in names else ""
