"""Values with plain Chinese around them; Chinese in longer answers is read by what is not Chinese."""

import re

from rise_bench.annotations.characters import HAN
from rise_bench.annotations.value.values import DIGITS

#: A number, letter or word with plain Chinese around it: "7个", "答案是7", "答案：B", "选B", "B、红色".
_IS = r"(?:应[为选]|[应應][该該]?是|[是为為选選])?+"
_ANSWER = (
    r"(?:(?:因此|所以|故),?+\s*+)?+(?:(?:正确|最终)的?)?+(?:答案|结果|結果)[\"']?+\s*+"
    rf"{_IS}\s*+:?+\s*+[\"']?+"
)
_LETTER = r"[(\[【]?+(?P<letter>[A-Ha-h])[)\]】]?+"
_IN_CHINESE = re.compile(
    r"[\s\"'{\[(【]*+(?:"
    rf"(?:{_ANSWER}|(?:[图圖画畫][片面]?中)?+(?:一?共)?+有?+)\s*+(?P<number>[-+]?+{DIGITS}%?+)"
    r"(?:\s*+[个個只隻条條张張块塊名人位](?:[红紅橙黄黃绿綠青蓝藍紫灰棕黑白]色的?)?"
    r"(?:物体|物體|球体?|立方体|正方体|圆柱体?)?)?+"
    rf"|(?:{_ANSWER})?+(?:(?:我|故|[应應][该該]?)?[选選](?:[项項择擇])?:?+\s*+)?+{_LETTER}"
    rf"(?:[选選]?[项項])?+(?:[,、。]\s*+(?![错錯不非没沒否])[{HAN}]{{1,6}})?+"
    rf"|(?:{_ANSWER}(?<=[是为為:\s]))?+(?P<word>[{HAN}]{{1,8}}))[\s\"'}}\])】.。!]*+"
)
#: The answer in the last line or sentence, and each letter that is called one.
_LAST = re.compile(rf"(?<=[\n。]){_ANSWER}(?:[选選][项項])?+{_LETTER}[\s.。!]*+\Z")
_CALLED = re.compile(rf"{_ANSWER}(?:[选選][项項])?+{_LETTER}(?![A-Za-z\d_])")


def plain_chinese(text: str) -> str:
    """Return the number, letter or word that a text in plain Chinese states, or the text."""
    if (stated := _IN_CHINESE.fullmatch(text)) and stated.lastgroup:
        return stated[stated.lastgroup]
    if last := _LAST.search(text):
        called = {match["letter"].upper() for match in _CALLED.finditer(text)}
        if called == {last["letter"].upper()}:
            return last["letter"]
    return text
