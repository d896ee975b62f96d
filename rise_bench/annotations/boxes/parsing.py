"""Read boxes out of an answer: lists of four numbers, dictionaries of sides, pairs of corners, or none.

Four numbers are x, y, w, h as asked, unless the nearest key before them (else the first in the answer) says
that they are corners: `bbox_2d`, `xyxy`, "x1, y1, x2, y2", Visual-RFT's `Position`, or a box token. Boxes in
a remark do not count beside others.
"""

import math
import re
from collections.abc import Iterable, Iterator
from itertools import islice

from rise_bench.annotations.boxes.json_answer import json_boxes
from rise_bench.annotations.boxes.values import Box, Boxes
from rise_bench.annotations.characters import HAN, plain, unescaped, with_ascii_marks
from rise_bench.annotations.plain_numbers import LARGEST, NUMBER

#: Far outside every picture; products of larger numbers overflow.

#: Boxes beyond this number are not read; COCO's AP looks at 100 an image.
MAX_BOXES = 1_000

_COMMA = r"(?:\s*+,\s*+|\s++)"
_QUOTED = rf"[\"']?+{NUMBER}[\"']?+"
_FOUR = _COMMA.join([_QUOTED] * 4)
_POINT = rf"[\(\[]\s*+{NUMBER}\s*+,\s*+{NUMBER}\s*+[\)\]]"
_ITEM = r"[^\[\](),\w]*+(?:[^\W\d_]++\s++)?+[^\[\](),\w]*+\d[^\[\](),]*+"
_W = r"\W{1,6}"
_TOP_LEFT = r"(?:top|upper)[\s_-]?left[\s_-]?"
_BOTTOM_RIGHT = r"(?:bottom|lower)[\s_-]?right[\s_-]?"
_CORNERS_IN_WORDS = rf"{_TOP_LEFT}x{_W}{_TOP_LEFT}y{_W}{_BOTTOM_RIGHT}x{_W}{_BOTTOM_RIGHT}y"
#: Visual-RFT's box, which its confidence follows.
_POSITION = r"[\"']position\\?+[\"']\s*+:\s*+(?=\[[^\[\]]*+\]\s*+,\s*+\\?+[\"']confidence\b)"
_BESIDE_COMMA = r"[\"']?+\s*+,\s*+[\"']?+"
_KEY = re.compile(
    rf"(?=[bxlctuy<\"'])(?:(?P<corners>b(?:ounding[\s_-]?)?box(?:es)?[\s_-]?+2d(?!\w)|xyxy|ltrb|x_?1(?:y1x2y2|{_W}y_?1{_W}x_?2{_W}y_?2)|x_?0{_W}y_?0{_W}x_?1{_W}y_?1"
    rf"|x_?min{_W}y_?min{_W}x_?max{_W}y_?max|left{_W}(?:top|upper){_W}right{_W}(?:bottom|lower)|{_CORNERS_IN_WORDS}"
    rf"|{_POSITION}|<box>|<\|box_start\|>|<\|det\|>)"
    rf"|(?P<asked>[\"'](?:bbox(?:es)?|box(?:es)?|bounding_?box(?:es)?)[\"']\s*+:|xywh|\bx{_W}y{_W}w(?:idth)?{_W}h"
    r"|</box>|<\|box_end\|>|<\|/det\|>)"
    rf"|(?P<other>\bc(?:enter)?_?x{_W}c(?:enter)?_?y{_W}w|cxcywh|xcycwh|(?<!b)box_?2d|y_?min{_W}x_?min|y_?1{_W}x_?1{_W}y_?2|yxyx"
    rf"|(?:top|upper){_BESIDE_COMMA}left{_BESIDE_COMMA}(?:bottom|lower){_BESIDE_COMMA}right))"
)
_NO_COMMA = re.compile(r"(?<=[\])])[^\S\n]*+(?=[\[(])")
_OPENING = re.compile(r"[\[(](?=[^\[(){}\]]++[\])])|\{(?=[^\[\]{}]++\})")
_SHAPE = re.compile(
    rf"(?P<points>{_POINT}(?:(?:\s*+,\s*+|[^\S\n]*+){_POINT})*+)"
    rf"|(?P<list>[\[\(]\s*+{_FOUR}\s*+,?+\s*+[\]\)])|(?P<unclear>\[(?:{_ITEM},){{3}}{_ITEM},?+\s*+\])"
    r"|(?P<sides>\{(?:[^{}\[\]:=]*+[:=]){4}[^{}\[\]]*+\})"
)
_NUMBERS = re.compile(NUMBER)
_STRING = r"{0}(?>[^{0}\\\[({{]*?[^\W\d_]{{2}})[^{0}\\\[({{]*+[\[({{][^{0}\\]*+(?:\\.[^{0}\\]*+)*+{0}"
_REMARK = re.compile(  # a string with a word before its first bracket
    r"(?<=[:=])\s*+(?:" + "|".join(map(_STRING.format, "\"'")) + ")", re.DOTALL
)
_FLAT = r"[\[(][^\[\](){}:]*+(?:[\])]|\Z)"
_NESTED = rf"[\[(](?:[^\[\](){{}}:]++|{_FLAT})*+(?:[\])]|\Z)"
_OTHER_LIST = (
    r"(?:[\"'](?:{0})[\"']|\b(?:scores?|confidences?))\s*+[:=]\s*+"
    + rf"(?:[\[(](?:[^\[\](){{}}:]++|{_NESTED})*+(?:[\])]|\Z)|[\"'][\d\s.,]++[\"'])"
)
_OTHER_KEYS = (
    r"(?:[a-z]++[_ -])*(?:scores?|conf(?:idences?)?|prob(?:s|abilit(?:y|ies))?|size|dimensions?|resolution"
    r"|colou?rs?|rgba?|attributes?|keypoints?|landmarks?)"
    r"|(?:class|category|label)[_ -](?:ids?|labels?|names?)"
)
#: Keys that may also be classes; "face mask" and "price tags" are.
_OTHER_NAMES = r"tags?|labels?|ids?|categor(?:y|ies)|class(?:es)?"
_BESIDE = {
    (outlines, names): re.compile(
        _OTHER_LIST.replace(
            "{0}",
            _OTHER_KEYS
            + (rf"|{_OTHER_NAMES}" if names else "")
            + ("" if outlines else r"|segmentations?" + ("|masks?" if names else "")),
        )
    )
    for outlines in (False, True)
    for names in (False, True)
}
_THOUSANDS = re.compile(r"\d,0\d")
_SIDE = re.compile(
    rf"(?<![a-z_])([a-z][a-z_]*+\d?)[\"'\\]*+\s*+[:=]\s*+[\"'\\]*+"
    rf"(?:({NUMBER})(?=[\"'\\]*+\s*+(?:[;}}\n]|,(?!\d)|[a-z]\w*+[\"'\\]*+\s*+[:=]))|)"
)
_XYWH_KEYS = (("x", "y", "w", "h"), ("x", "y", "width", "height"), ("left", "top", "width", "height"))
_CORNER_KEYS = (
    ("x1", "y1", "x2", "y2"),
    ("x0", "y0", "x1", "y1"),
    ("xmin", "ymin", "xmax", "ymax"),
    ("left", "top", "right", "bottom"),
    ("left", "upper", "right", "lower"),
    ("topleftx", "toplefty", "bottomrightx", "bottomrighty"),
)

_EMPTY_LIST = re.compile(r"\[\s*+(?:\[\s*+\]\s*+,?+\s*+)*+\]")
_FILLED = re.compile(
    r"[\"'](?:-?\d[\d.]*+[\s,]++){3}-?\d[\d.]*+[\"']|\[[^\[\]()]*?(?<!\w)\d|\([^\[\](),]*+(?<=\d),\s*+-?\d"
)
_EMPTY_KEY = re.compile(
    r"\A\W*+(?:boxes|bboxes|bbox_2d|bbox|objects|detections|polygons?|outlines|regions|segmentation)\W*+(?:null|none)\W*+\Z"
)
_NO_NOUN = (
    r"(?:on|at|but|except|besides|than|one|that|which|who|with|so|is|are|was|were|in|to|of|can|could"
    r"|visible|present|found|detected|seen|shown|here|there|not"
    r"|answers?|images?|pictures?|photos?|information|coordinates?|details?)\b"
)
#: A last noun that is no object: "no response", but not "no file cabinet".
_NO_LAST_NOUN = (
    r"(?:access|responses?|repl(?:y|ies)|files?|attachments?|predictions?|outputs?|inputs?|data|errors?|permission"
    r"|thanks?|need|ability|capabilit\w+|instructions?|explanation|context)\b"
    rf"(?!\s++(?!{_NO_NOUN}|(?:attached|provided|uploaded|supplied|given|available)\b)[^\W\d_])"
)
_NOUNS = (
    r"(?:(?!(?:idea|clue|answers?|doubt|problem|way|comment|information|images?|pictures?|photos?|matter|reason"
    r"|on|at|but|except|besides|other|than|one|that|which|who|with|so|is|are|was|were|in|to|of)\b)"
    rf"(?!{_NO_LAST_NOUN})[^\W\d_][\w'-]*+)(?:\s++(?!{_NO_NOUN}|{_NO_LAST_NOUN})[^\W\d_][\w'-]*+){{0,4}}+"
)
#: What begins a complaint, or an answer that was not found, and no object.
_NO_OBJECT = (
    r"(?!(?:coordinates?|boxe?s?|bounding|permission|access|details?|capabilit\w+|clearly|well|out|how|enough|your|very"
    r"|my|this|that|its?|you)\b)"
)
_TAIL = (
    r"(?:\s++(?:(?:is|are|was|were|can\s++be|could\s++be)\s++)?+(?:visible|present|found|detected|seen|shown|here|there"
    r"|(?:to\s++)?+(?:be\s++)?+(?:locate|detect|find|seen|found)d?|(?:in|within)\s++(?:the|this)\s++(?:image|picture|photo|scene)"
    r"|of\s++(?:that|this)\s++(?:kind|class|category|type)))*+"
)
#: "No such object" in Chinese; what else there is none of is an object only if it is one of the classes.
_HAN_NOTHING = re.compile(
    r"(?:在?(?:[这這](?:[张張幅])?|该|該)?[图圖画畫照](?:[片像面]|像)?[中里裡上内內])?"
    r"(?:(?:[没沒]有?|未)(?:[检檢][测測][到出]|[识識][别別][到出]|[发發][现現]|找到|看[到见見]|[见見]到?)"
    r"|[没沒]有|不存在|[无無])"
    rf"(?:任何)?(?P<object>[{HAN}]{{1,20}})?"
)
_HAN_OBJECTS = frozenset(("目标", "目標", "物体", "物體", "对象", "對象", "目标物", "目标物体"))
_NOTHING = re.compile(
    rf"(?:(?:json\s++)?+null|empty(?:\s++list)?+|(?:none|nothing)(?:\s++of\s++(?:them|these|those))?+{_TAIL}"
    rf"|(?:(?:there\s++(?:is|are|was|were)|i\s++(?:can\s++)?+(?:see|find|detect|spot)"
    rf"|the\s++(?:image|picture|photo)\s++(?:shows|contains|has))\s++)?+(?:no|zero|0)\s++{_NOUNS}{_TAIL}"
    rf"|there\s++(?:(?:is|are)\s++not|isn't|aren't)(?:\s++(?:any|an?)\b)?+\s++{_NO_OBJECT}{_NOUNS}{_TAIL}"
    rf"|the\s++(?:image|picture|photo)\s++does(?:\s++not|n't)\s++(?:contain|show|have)(?:\s++(?:any|an?)\b)?+\s++"
    rf"(?!the\b){_NO_OBJECT}{_NOUNS}{_TAIL}"
    r"|i\s++(?:(?:do|could)(?:\s++not|n't)|can(?:\s++not|not|'t))"
    r"\s++(?:see|find|spot|detect(?!\s++(?:objects?|things?)\s*+\Z))(?:\s++(?:any|an?)\b)?+\s++"
    rf"(?!the\b){_NO_OBJECT}{_NOUNS}{_TAIL}"
    rf"|{_NO_OBJECT}{_NOUNS}(?:\s++(?:is|are))?+\s++not\s++(?:visible|present|found|detected|seen|shown|there){_TAIL})"
)


def read_boxes(answer: str, classes: tuple[str, ...] = ()) -> tuple[Boxes | None, str]:
    """Return the boxes that an answer states, in its unit, or None and the reason."""
    if boxes := json_boxes(answer):
        return _positive(boxes[:MAX_BOXES])
    stated: list[Box | None] = []
    beside, with_classes, text = texts_to_read(unescaped(plain(with_ascii_marks(answer)).lower()))
    for place, part in enumerate((beside, with_classes, text)):
        outside = without_remarks(part)
        stated = list(islice(_stated_boxes(outside), MAX_BOXES))
        if not stated and outside != part:
            stated = list(islice(_stated_boxes(part), MAX_BOXES))
        if stated:
            break
        if place == 1 and says_none(beside, classes):
            return Boxes(()), "ok"
    if None in stated:
        return None, "unclear_number"
    if stated:
        return _positive(box for box in stated if box)
    return None, "no_boxes"


def _positive(stated: Iterable[Box]) -> tuple[Boxes | None, str]:
    """Return the boxes with an area above 0 whose numbers may be places in a picture."""
    boxes = [box for box in stated if box[2] > 0 and box[3] > 0 and all(map(is_place, box))]
    return (Boxes(tuple(boxes)), "ok") if boxes else (None, "no_valid_boxes")


def is_place(side: float) -> bool:
    """Whether a number may be one of a picture's, in any unit; computing with larger ones overflows."""
    return math.isfinite(side) and abs(side) <= LARGEST


def _stated_boxes(text: str) -> Iterator[Box | None]:
    """Yield the boxes of a text in order, None for one whose numbers cannot be read."""
    keys = [(key.start(), str(key.lastgroup)) for key in _KEY.finditer(text)]
    order, next_key, position = keys[0][1] if keys else "asked", 0, 0
    while opening := _OPENING.search(text, position):
        position = opening.end()
        match = _SHAPE.match(text, opening.start())
        if match is None:
            continue
        while next_key < len(keys) and keys[next_key][0] < position:
            order = keys[next_key][1]
            next_key += 1
        boxes = list(_boxes_of_shape(match, order))
        if boxes or match["points"]:
            position = match.end()
        yield from boxes


def _boxes_of_shape(match: re.Match[str], order: str) -> Iterator[Box | None]:
    if match["sides"]:
        yield from _boxes_of_sides(match[0])
    elif match["points"]:
        parts = _NO_COMMA.split(match[0])  # pairs with commas inside and none between are Qwen2-VL's boxes
        for part in parts if all(part.count(",") == 3 for part in parts) else [match[0]]:
            numbers = [number[0] for number in islice(_NUMBERS.finditer(part), 5)]
            if len(numbers) == 4:  # more points are a polygon
                yield _from_corners(*map(float, numbers))
    elif match["list"] and order != "other" and not _THOUSANDS.search(match[0]):
        a, b, c, d = (float(number) for number in _NUMBERS.findall(match[0]))
        yield _from_corners(a, b, c, d) if order == "corners" else (a, b, c, d)
    else:
        yield None


def _boxes_of_sides(text: str) -> Iterator[Box | None]:
    """Yield the box of a dictionary, None if a side cannot be read; nothing if a side is not there."""
    sides = {name.replace("_", ""): number for name, number in _SIDE.findall(text)}
    for keys in (*_CORNER_KEYS, *_XYWH_KEYS):
        stated = [sides[key] for key in keys if key in sides]
        if len(stated) == 4:
            a, b, c, d = (float(number or "nan") for number in stated)
            if "" in stated:
                yield None
            else:
                yield _from_corners(a, b, c, d) if keys in _CORNER_KEYS else (a, b, c, d)
            return


def _from_corners(x1: float, y1: float, x2: float, y2: float) -> Box:
    return x1, y1, x2 - x1, y2 - y1


def without_remarks(text: str) -> str:
    """Leave out strings that say something before their first bracket."""
    return _REMARK.sub("", text)


def texts_to_read(text: str, *, outlines: bool = False) -> tuple[str, str, str]:
    """Return a text without lists under keys of something else, with those that may be classes, and whole.

    Each is to be read if the one before states no part; the first says whether there is none.
    """
    return _BESIDE[outlines, True].sub("", text), _BESIDE[outlines, False].sub("", text), text


def says_none(text: str, classes: tuple[str, ...] = ()) -> bool:
    """Whether an answer that states no part says that there is none: an empty list, or in words.

    In Chinese it names no object, or one of the classes.
    """
    if _EMPTY_LIST.search(text):
        return not _FILLED.search(text)
    first, _, rest = text[:2_000].strip(" \n\t`'\"").partition(".")
    if _EMPTY_KEY.match(text):
        return True
    first = first.strip(" \n\t`'\"!")
    if nothing := _HAN_NOTHING.fullmatch(first):
        noun = nothing["object"]
        return not rest.strip() and (not noun or noun in _HAN_OBJECTS or noun in classes)
    return _NOTHING.fullmatch(first) is not None and not any(c.isdigit() or c in "[({" for c in rest)
