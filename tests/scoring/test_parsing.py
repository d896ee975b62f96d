"""What models really write, one edge case a row; the id of each row is its reason."""

import math
import time

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from rise_bench.annotations.boxes.parsing import MAX_BOXES
from rise_bench.annotations.boxes.values import Boxes
from rise_bench.scoring.response import read_response

EMOTIONS = ("anger", "disgust", "fear", "joy", "sadness", "surprise", "neutral")
OBJECTS = ("Band Aid", "beer bottle", "beer glass", "can opener")


def probs(**numbers):
    return tuple(numbers.get(name, 0.0) for name in EMOTIONS)


def case(text, expected, name):
    return pytest.param(text, expected, id=name)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        case('<think>t</think><answer>{"joy": 0.7, "fear": 0.3}</answer>', probs(joy=0.7, fear=0.3), "plain"),
        case('<answer>{"joy": 1}</answer>', probs(joy=1), "missing classes are 0"),
        case('{"joy": 0.7, "fear": 0.3}', probs(joy=0.7, fear=0.3), "no tags at all"),
        case('```json\n{"joy": 0.7, "fear": 0.3}\n```', probs(joy=0.7, fear=0.3), "code fence"),
        case(
            "<answer>{'joy': 0.7, 'fear': .3,}</answer>",
            probs(joy=0.7, fear=0.3),
            "python dict, trailing comma",
        ),
        case("<answer>Joy: 70%, FEAR = 30 %</answer>", probs(joy=0.7, fear=0.3), "percent and case"),
        case("<answer>- **joy**: 0.7\n- **fear**: 0.3</answer>", probs(joy=0.7, fear=0.3), "markdown list"),
        case("<answer>| joy | 0.7 |\n| fear | 0.3 |</answer>", probs(joy=0.7, fear=0.3), "markdown table"),
        case("<answer>joy (0.7), fear (0.3)</answer>", probs(joy=0.7, fear=0.3), "parentheses"),
        case("<answer>joy (1): 0.8, fear (2): 0.2</answer>", probs(joy=0.8, fear=0.2), "ranks in brackets"),
        case("<answer>joy (0.8): it smiles, fear (20%)</answer>", probs(joy=0.8, fear=0.2), "remark behind"),
        case(
            "joy (0.8): 2 people smile, fear (0.2): 1 cries", probs(joy=0.8, fear=0.2), "remarks with numbers"
        ),
        case("joy (1): 0.8 fear (2): 0.2", probs(joy=0.8, fear=0.2), "ranks in brackets, on one line"),
        *(
            case(text, probs(joy=100, fear=0), "a bracket before a remark with numbers")
            for text in (
                "joy (100): 1. smiles\nfear (0): 1. none",
                "joy (100): 2, 3 or 4 people smile, fear (0)",
                "joy (100): 0.9 confidence, fear (0): 0.9 confidence",
            )
        ),
        case("joy (1): 0.9 confidence, fear (0): 0.9 confidence", probs(joy=1, fear=0), "no rank"),
        case("joy (1): 100, fear (2): 0", probs(joy=100, fear=0), "ranks before percentages"),
        case("| joy | 1 | 0.9 |\n| fear | 0 | 0.9 |", probs(joy=1, fear=0), "no rank in the first column"),
        case("| joy | 0.7 | fear | 0.3 |", probs(joy=0.7, fear=0.3), "a table of one row"),
        *(
            case(f"<answer>{heading}\n{rows}</answer>", probs(joy=0.8, fear=0.2), "columns with headings")
            for heading, rows in (
                (
                    "| Emotion | Rank | Probability |\n|---|---|---|",
                    "| joy | 1 | **0.8** |\n| fear | 2 | 0.2 |",
                ),
                ("Emotion | Prob. | Confidence\n---|---|---", "joy | 80% | 0.9\nfear | 20% | 0.1"),
                ("| Rank | Emotion | P |", "| 1 | joy | 0.8 |\n| 2 | fear | 0.2 |"),
                ("| emotion | value | percent |\n|---|---|---|", "| joy | 0.8 | 80% |\n| fear | 0.2 | 20% |"),
                ("Emotion | Probability | Probability (%)", "joy | 0.8 | 80\nfear | 0.2 | 20"),
                ("| Emotion | Score | Votes |", "| joy | 0.8 | 8 |\n| fear | 0.2 | 2 |"),
                ("| Class | Value | Sum |", "| joy | 0.8 | 0.8 |\n| fear | 0.2 | 1.0 |"),
                ("", "| joy | 0.8 | 0.8 |\n| fear | 0.2 | 0.2 |"),
                ("| Emotion | Problem | Probability |", "| joy | 3 | 0.8 |\n| fear | 2 | 0.2 |"),
                (
                    "See a | b.\n| Emotion | Rank | P |\n|---|---|---|",
                    "| joy | 1 | 0.8 |\n| fear | 2 | 0.2 |",
                ),
                ("See a | b.\n\nEmotion | Rank | P", "joy | 1 | 0.8\nfear | 2 | 0.2"),
            )
        ),
        case("<answer>joy: $0.8$, fear: $0.2$</answer>", probs(joy=0.8, fear=0.2), "LaTeX"),
        case(
            '{"joy": 1.0}\nWait, actually:\n{"fear": 1.0}', probs(fear=1), "an object that replaces another"
        ),
        case('{"joy": 1.0} or rather {"fear": 60%, "joy": 40%}', probs(joy=0.4, fear=0.6), "in percent"),
        case(
            '{"joy": 1} Sorry: {"fear": 0.33, "anger": 0.33, "disgust": 0.33}',
            probs(fear=0.33, anger=0.33, disgust=0.33),
            "a sum that is rounded",
        ),
        *(
            case(f'{{"joy": 0.8}} {words} {{"fear": 1}}', probs(joy=0.8, fear=1), "no correction")
            for words in ("Note:", "instead of", "rather than", "The rest:")
        ),
        case('[{"joy": 0.8}, {"fear": 0.2}]', probs(joy=0.8, fear=0.2), "objects in a list"),
        case('{"joy": 0.8}\n{"fear": 0.2}', probs(joy=0.8, fear=0.2), "objects without words between"),
        case('1st: {"joy": 0.8}, 2nd: {"fear": 0.2}', probs(joy=0.8, fear=0.2), "parts with words between"),
        case('<answer>{"joy": 70}</answer>', probs(joy=70), "numbers stay raw without a percent sign"),
        case('<answer>{"joy": -0.2, "fear": 1.2}</answer>', probs(joy=-0.2, fear=1.2), "negative stays raw"),
        case(
            '<answer>{"joy": "0.7", "fear": "30%"}</answer>', probs(joy=0.7, fear=0.3), "numbers as strings"
        ),
        case('<answer>{"joy": 7e-1}</answer>', probs(joy=0.7), "exponent"),
        case(
            '<answer>{"joy": 0.2, "joy": 0.7}</answer>',
            probs(joy=0.7),
            "a key twice: the last counts, as in JSON",
        ),
        case('<answer>{"enjoyment": 0.9, "joy": 0.1}</answer>', probs(joy=0.1), "no match inside a word"),
        case(
            '<answer>{"happiness": 0.5, "joy": 0.5}</answer>', probs(joy=0.5), "unknown classes are left out"
        ),
        case('<think>so <answer>{"joy": 1}</answer>', probs(joy=1), "think never closed"),
        case('thinking</think><answer>{"joy": 1}</answer>', probs(joy=1), "think opened by the prompt"),
        case('<think>t</think>{"joy": 1}', probs(joy=1), "no answer tags after think"),
        case('<think>t</think>{"joy": 1}</answer>', probs(joy=1), "answer never opened"),
        case('<think>t</think><answer>{"joy": 1}', probs(joy=1), "answer never closed, content complete"),
        case('<think>t</think><answer>{"joy": 0.7, ', probs(joy=0.7), "cut between numbers"),
        case(
            '<answer>{"joy": 1}</answer> or <answer>{"fear": 1}</answer>',
            probs(fear=1),
            "the last answer counts",
        ),
        case(
            '<think>maybe <answer>{"joy": 1}</answer></think><answer>{"fear": 1}</answer>',
            probs(fear=1),
            "an answer inside think is not one",
        ),
        case('<THINK>t</THINK><Answer>{"joy": 1}</Answer>', probs(joy=1), "tags in capitals"),
        case('<think>t</think><answer>\u202e{"joy": 1}\u202c</answer>', probs(joy=1), "right-to-left marks"),
    ],
)
def test_distribution_is_read(text, expected):
    reading = read_response(text, "distribution", EMOTIONS)
    assert reading.reason == "ok"
    assert reading.annotation.probs == pytest.approx(expected)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        case('{"band-aid": 1}', (1, 0, 0, 0), "hyphen for space"),
        case('{"BAND_AID": 1}', (1, 0, 0, 0), "underscore for space"),
        case('{"BandAid": 1}', (1, 0, 0, 0), "no space"),
        case("beer  glass: 1", (0, 0, 1, 0), "two spaces"),
        case("a glass: 1, beer bottle: 0.5", (0, 0.5, 0, 0), "part of a name is not the name"),
    ],
)
def test_class_names_match_folded(text, expected):
    assert read_response(text, "distribution", OBJECTS).annotation.probs == pytest.approx(expected)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        case("", "empty", "empty"),
        case("  \n ", "empty", "blank"),
        case("<answer>joy</answer>", "no_class_numbers", "a bare class name has no probability"),
        case("<answer>[0.1, 0.9]</answer>", "no_class_numbers", "numbers without names"),
        case("<answer></answer>", "no_class_numbers", "empty answer"),
        case("| joy | 1 | 0.8 |\n| fear | 2 | 0.2 |", "no_class_numbers", "two columns without headings"),
        case("joy (2): 0.8, fear (0): 0.2", "no_class_numbers", "brackets that are not all ranks"),
        case("joy (0.9): 0.8, fear: 0.2", "unclear_number", "two numbers that are no ranks"),
        case('{"joy": 1.0} Wait: {"fear": 0,8}', "unclear_number", "a revision that cannot be read"),
        case('<answer>{"joy": NaN}</answer>', "not_finite", "NaN"),
        case('<answer>{"joy": 0.5, "fear": -Infinity}</answer>', "not_finite", "infinity"),
        case('<answer>{"joy": 1e400}</answer>', "not_finite", "overflow"),
        case('<answer>{"joy": 1e307}</answer>', "not_finite", "too large to compute with"),
        case("<answer>joy: 1e307, fear: 1</answer>", "not_finite", "too large, without braces"),
        case('<answer>{"joy": 0.7, "fear": 0.', "truncated", "cut after the point"),
        case('<answer>{"joy": 0.7, "fear": 0.2', "truncated", "cut in or after a number: cannot know"),
        case('<think>t</think><answer>{"joy": 1e', "truncated", "cut in the exponent"),
        case("<think>only thoughts", "no_answer", "think without answer"),
        case('<think>t <answer>{"joy": 1}</answer></think>', "no_answer", "no fallback to the think"),
        case(
            '<answer>{"joy": 1}</answer><answer>hm</answer>',
            "no_class_numbers",
            "no fallback to an earlier answer",
        ),
    ],
)
def test_unreadable_distribution_has_a_reason(text, reason):
    reading = read_response(text, "distribution", EMOTIONS)
    assert (reading.annotation, reading.reason, reading.format_ok) == (None, reason, False)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        case("<answer>[[1, 2, 3, 4], [5, 6, 7, 8]]</answer>", [(1, 2, 3, 4), (5, 6, 7, 8)], "list of lists"),
        case("<answer>[1, 2, 3, 4]</answer>", [(1, 2, 3, 4)], "one list"),
        case("[1 2 3 4]", [(1, 2, 3, 4)], "spaces"),
        *(
            case(text, [(1, 2, 3, 4)], "Chinese marks")
            for text in ("【1，2，3，4】", "【1、2、3、4】", "［[1,2,3,4]］", "没有猫。狗：【1，2，3，4】")
        ),
        case('[{"bbox": [1, 2, 3, 4], "label": "dog"}]', [(1, 2, 3, 4)], "dicts with bbox"),
        case('{"x": 1, "y": 2, "w": 3, "h": 4}', [(1, 2, 3, 4)], "dict of sides"),
        case("{'x': 1, 'y': 2, 'width': 3, 'height': 4}", [(1, 2, 3, 4)], "python dict of sides"),
        case('{"x1": 1, "y1": 2, "x2": 5, "y2": 9}', [(1, 2, 4, 7)], "explicit corners are converted"),
        case('{"bbox_2d": [1, 2, 5, 9], "label": "x"}', [(1, 2, 4, 7)], "Qwen2.5-VL's bbox_2d holds corners"),
        case(r'{"bbox\_2d": [1, 2, 5, 9]}', [(1, 2, 4, 7)], "an underscore that Markdown escapes"),
        case("<|box_start|>(1,2),(5,9)<|box_end|>", [(1, 2, 4, 7)], "Qwen2-VL's box tokens hold corners"),
        case(
            "cats(1,2),(5,9)(6, 2), (9, 8) (0,0),(4,4)",
            [(1, 2, 4, 7), (6, 2, 3, 6), (0, 0, 4, 4)],
            "Qwen2-VL's boxes without its tokens",
        ),
        case("(1,2)(5,9)", [(1, 2, 4, 7)], "two points"),
        case("[[1,2,3,4],[5,6,7", [(1, 2, 3, 4)], "complete boxes of a cut list are kept"),
        case("[[1,2,3,4],[1,2,3,4]]", [(1, 2, 3, 4)] * 2, "never de-duplicated"),
        case("[[-5, 2, 3000, 4]]", [(-5, 2, 3000, 4)], "never clipped"),
        case("[[1,2,0,4],[5,6,7,8]]", [(5, 6, 7, 8)], "boxes without area are dropped"),
        case("[[1e400,2,3,4],[5,6,7,8]]", [(5, 6, 7, 8)], "boxes with an infinity are dropped"),
        case("[]", [], "empty list"),
        case("```json\n[]\n```", [], "empty list in a fence"),
        case("<answer>[[]]</answer>", [], "nested empty list"),
        case("<answer>There are no visible objects.</answer>", [], "said in words"),
        case("<answer>None</answer>", [], "none"),
        case("<answer>The image does not contain any cats.</answer>", [], "contains none"),
        case("<answer>I don't see any cat in the image.</answer>", [], "sees none"),
        case("<answer>I can't find a cat</answer>", [], "finds none"),
        case("<answer>Cats are not visible in the image.</answer>", [], "not visible"),
        case("<answer>cat not found</answer>", [], "not found"),
        case("<answer>I cannot see cats</answer>", [], "sees none, without an article"),
        case("<answer>No bounding boxes.</answer>", [], "none in the words of the task"),
        case("<answer>There is no tissue box in the image</answer>", [], "an object that is a box"),
        case(
            "<answer>The image does not contain airplanes.</answer>", [], "a noun that begins as an article"
        ),
        case("<answer>[] (0 cats)</answer>", [], "a number beside the empty list"),
        *(
            case(text, [(1, 2, 3, 4)], "a list that is of something else")
            for text in (
                '{"bboxes": [[1, 2, 3, 4]], "scores": [0.9, 0.8, 0.7, 0.6]}',
                '{"image_size": [0, 0, 640, 480], "boxes": [[1, 2, 3, 4]]}',
                "{'boxes': [[1, 2, 3, 4]], 'confidence': [0.9, 0.8, 0.7, 0.6], 'class ids': (1, 2, 3, 4)}",
                "[1, 2, 3, 4], scores: [9, 8, 7, 6]",
                '{"bbox": [1, 2, 3, 4], "color": [9, 8, 7, 6], "keypoints": [[5, 6], [7, 8]]}',
                '{"bbox": [1, 2, 3, 4], "segmentation": [[[5, 6], [7, 8]]]}',
                '{"bbox": [1, 2, 3, 4], "keypoints": [[5, 6], [7, 8], [9',
            )
        ),
        case(
            '{"labels": [{"name": "dog", "box": [1, 2, 3, 4]}]}', [(1, 2, 3, 4)], "boxes inside such a list"
        ),
        *(
            case(text, [(1, 2, 3, 4)], "a list under a key that may be a class")
            for text in (
                *('{"mask": [1, 2, 3, 4]}', '{"face mask": [1, 2, 3, 4]}', '{"label": [1, 2, 3, 4]}'),
                *('{"labels": [1, 2, 3, 4]}', '{"labels": [["dog", [1, 2, 3, 4]]]}'),
                *('{"cats": [], "mask": [1, 2, 3, 4]}', '{"mask": [1, 2, 3, 4], "scores": [9, 8, 7, 6]}'),
                *('{"scores": [0.9, "boxes": [[1, 2, 3, 4]]', '{"price tags": [[1, 2, 3, 4]]}'),
            )
        ),
        *(
            case(text, [(1, 2, 3, 4), (5, 6, 7, 8)], "a class whose name ends like a key of something else")
            for text in (
                '{"person": [1, 2, 3, 4], "face mask": [5, 6, 7, 8]}',
                '{"license tag": [1, 2, 3, 4], "car": [5, 6, 7, 8]}',
            )
        ),
        case('{"cats": [], "scores": [0.9, 0.8, 0.7, 0.6]}', [], "no cats beside a filled list"),
        case('{"boxes": [], "scores": [0.9, 0.8, 0.7, 0.6]}', [], "empty beside a filled list"),
        case('{"cats": []}', [], "empty under another key"),
        case("<answer>I cannot detect any objects</answer>", [], "detects none"),
        case(
            '{"boxes": [], "size": "0 0 640 480"}', [], "empty beside numbers of something else in a string"
        ),
        *(
            case(text, [], "there is none")
            for text in (
                *("I don't see anything", "I cannot see objects", "No buses available in the image"),
                *("There are no objects available", "No chairs provided", "No further dogs visible"),
                *("没有", "没有物体", "图中没有目标。", "没有任何物体", "这张图片里没有对象", "沒有物體"),
                *("无", "图中无目标", "没有找到", "没有检测到物体。", "未检测到目标", "没有识别到目标"),
                *("No file cabinets in the image", "No input devices visible", "No error signs"),
                *("I can't detect anything", "There are no data cables", "No context menu found"),
            )
        ),
        case("[x_1, y_1, x_2, y_2] = [1, 2, 5, 9]", [(1, 2, 4, 7)], "corners with indices"),
        case("[[1e308, 0, 1e308, 10], [1, 2, 3, 4]]", [(1, 2, 3, 4)], "numbers whose sum overflows"),
        case("0.1 dogs [[1.5, 2.25, 3, 4]]", [(1.5, 2.25, 3, 4)], "decimals, prose around"),
    ],
)
def test_boxes_are_read_in_the_declared_unit(text, expected):
    reading = read_response(text, "boxes")
    assert reading.reason == "ok"
    assert list(reading.annotation.xywh) == expected


@pytest.mark.parametrize(
    "text", ["没有{}", "没有任何{}", "在图中没有{}。", "图中无{}", "未见{}", "没有检测到{}", "没见到{}"]
)
def test_chinese_for_none_of_a_class_is_an_empty_list(text):
    classes = ("狗", "左侧的车", "地图", "数据线", "文件夹")
    for name in classes:
        reading = read_response(text.format(name), "boxes", classes)
        assert (reading.annotation, reading.reason) == (Boxes(()), "ok")
    for other in ("检测功能", "给定类别", "视觉", "狗吗", "数据", "文件"):
        assert read_response(text.format(other), "boxes", classes).reason == "no_boxes"


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        case("a dog on the left", "no_boxes", "prose"),
        case("[1, 2, 3]", "no_boxes", "three numbers"),
        case("【1】没有【2，3，4】", "no_boxes", "numbers of footnotes"),
        case("[1、000, 2, 3, 4]", "no_boxes", "no mark of thousands"),
        case("[] [12, 13]", "no_boxes", "an empty list and half a box"),
        case("I cannot find the answer", "no_boxes", "no answer is not none"),
        case("I do not see any way to do this", "no_boxes", "nor is this"),
        *(
            case(text, "no_boxes", "a complaint is not none")
            for text in (
                *("the image is not visible", "I cannot see your image", "I cannot see clearly"),
                *("I do not have enough information", "I do not have permission.", "The answer is not found"),
                *("I cannot find coordinates", "The image does not show enough detail", "Boxes not found"),
                *("没有答案", "没有图片", "没有看到图片", "没有足够的信息", "没有办法确定"),
                *("没有问题", "没有看清", "无法检测", "图中无法看清狗", "没有狗吗？"),
                *("没有狗，只有猫", "左边没有狗", "没有收到", "不是没有狗", "没有狗", "没有。图片看不清"),
                *("没有检测功能", "没有目标检测工具", "没有给定类别", "没有明确指定", "没有视觉", "没有生成"),
                *("没有识别", "没有定位", "没有描述", "没有标注框", "没有线索", "没有时间", "没有任何想法"),
                *("No access", "No response", "There is no file attached", "No prediction", "no output."),
                *("I can not detect objects", "No image data", "There is no picture provided", "no errors"),
                *("No input available", "No files provided", "No valid response", "No further information"),
            )
        ),
        case("[1, 2, 3, 4, 5]", "no_boxes", "five numbers"),
        case("(1,2),(3,4),(5,6)", "no_boxes", "three points"),
        case("(1,2),(3,4),(5,6),(7,8)", "no_boxes", "four points"),
        case("(1,2)(3,4)(5,6)(7,8)", "no_boxes", "four points without commas"),
        case('{"bbox": "10 20 30 40", "tags": []}', "no_boxes", "no empty list of boxes"),
        case('{"bbox": "10, 20, 30, 40", "others": []}', "no_boxes", "numbers in a string"),
        case("[[1, 2, -3, 4]]", "no_valid_boxes", "only a box without area"),
        case('{"x1": 5, "y1": 2, "x2": 1, "y2": 9}', "no_valid_boxes", "corners in the wrong order"),
        case("<answer>", "no_boxes", "nothing after the tag"),
    ],
)
def test_unreadable_boxes_have_a_reason(text, reason):
    reading = read_response(text, "boxes")
    assert (reading.annotation, reading.reason) == (None, reason)


@pytest.mark.parametrize(
    ("text", "style", "ok"),
    [
        pytest.param('<think>a</think><answer>{"joy": 1}</answer>', "think_answer", True, id="exact"),
        pytest.param(
            '\n<think>a\n< b</think>\n<answer>{"joy": 1}</answer>\n',
            "think_answer",
            True,
            id="white space, a <",
        ),
        pytest.param('<think></think><answer>{"joy": 1}</answer>', "think_answer", False, id="empty think"),
        pytest.param(
            '<think>a</think> so <answer>{"joy": 1}</answer>', "think_answer", False, id="text between"
        ),
        pytest.param('<think>a</think><answer>{"joy": 1}</answer>!', "think_answer", False, id="text after"),
        pytest.param('<think>a</think><answer>{"joy": 1}', "think_answer", False, id="not closed"),
        pytest.param("<think>a</think><answer>joy</answer>", "think_answer", False, id="unreadable answer"),
        pytest.param('<answer>{"joy": 1}</answer>', "think_answer", False, id="no think"),
        pytest.param('<answer>{"joy": 1}</answer>', "answer_only", True, id="answer only"),
        pytest.param('{"joy": 1}', "answer_only", False, id="answer only without tags"),
        pytest.param(
            '<think>a</think><answer>{"joy": 1}</answer>',
            "answer_only",
            False,
            id="an uninvited think",
        ),
    ],
)
def test_format_is_a_verdict_of_its_own(text, style, ok):
    assert read_response(text, "distribution", EMOTIONS, style=style).format_ok is ok


CALLS = ("change_size(small|large)",)


@pytest.mark.parametrize(
    ("kind", "classes", "answer"),
    [
        ("value", (), "B"),
        ("value", (), "7"),
        ("distribution", EMOTIONS, '{"joy": 0.7, "fear": 0.3}'),
        ("boxes", (), "[[1, 2, 3, 4]]"),
        ("boxes", (), "No dogs."),
        ("polygons", (), "[[[1, 1], [9, 1], [9, 9]]]"),
        ("steps", CALLS, "change_size(1, small)"),
    ],
)
def test_marks_of_glm_around_an_answer_are_left_out(kind, classes, answer):
    plain = read_response(f"<think>a</think><answer>{answer}</answer>", kind, classes)
    assert plain.reason == "ok"
    for marked in (f"<|begin_of_box|>{answer}<|end_of_box|>", f"\n<|begin_of_box|>{answer}"):
        reading = read_response(f"<think>a</think><answer>{marked}</answer>", kind, classes)
        assert (reading.annotation, reading.format_ok) == (plain.annotation, True)
        reading = read_response(f"<think>a</think>{marked}", kind, classes)
        assert (reading.annotation, reading.format_ok) == (plain.annotation, False)


@pytest.mark.parametrize("answer", ["{0}7{1}{0}8{1}", "1{0}234{1}", "{0}A{1} or {0}B{1}", "{0}{1}"])
def test_marks_of_glm_make_no_answer(answer):
    text = answer.format("<|begin_of_box|>", "<|end_of_box|>")
    assert read_response(text, "value").annotation is None


def test_think_is_returned_for_readers():
    reading = read_response("<think> red sky </think><answer>[]</answer>", "boxes")
    assert (reading.think, reading.answer) == ("red sky", "[]")


def test_at_most_max_boxes_are_read():
    assert len(read_response("[1,1,1,1]" * (MAX_BOXES + 5), "boxes").annotation.xywh) == MAX_BOXES


HOSTILE = [
    "[" * 100_000, "(" * 100_000, "{" * 100_000, "<answer>" * 12_000, "<think>" * 14_000, "</think>" * 12_000,
    "9" * 100_000, "1," * 50_000, "[1," * 33_000, ": " * 50_000, "joy: " * 20_000, " " * 100_000,
    "- " * 50_000,
    "[" + " " * 100_000, "bbox_2d" * 14_000, "\u202e" * 100_000, "joy: 1" + "0" * 100_000, "'\"" * 50_000,
    "{x1:" * 25_000, "e" * 100_000, "joy:" + "+" * 100_000, "<" * 100_000, "no " * 33_000, "```" * 33_000,
    '"position":[' * 8_000, "top-left x, " * 8_000, '"joy (a)' * 12_000, "joy score " * 10_000,
    "joy: 1,2" * 12_000, "joy: 1(" * 12_000, "没有" * 50_000, "图" * 90_000,
]  # fmt: skip


@pytest.mark.parametrize("text", HOSTILE, ids=lambda t: repr(t[:8]))
def test_reading_is_linear(text):
    """Twenty times the text may take at most about twenty times as long: no quadratic corner."""

    def seconds(sample):
        best = math.inf
        for _ in range(3):
            start = time.process_time()
            read_response(sample, "distribution", EMOTIONS)
            read_response(sample, "boxes")
            best = min(best, time.process_time() - start)
        return best

    short = seconds(text[: len(text) // 20])
    assert seconds(text) < 20 * 4 * max(short, 0.002)


@given(st.text(max_size=300) | st.text(alphabet='<>/thinkanswer[]{}(),.:%"0123456789eE-+ joy', max_size=200))
def test_reading_never_raises(text):
    for kind in ("distribution", "boxes"):
        for style in ("think_answer", "answer_only"):
            reading = read_response(text, kind, EMOTIONS if kind == "distribution" else (), style=style)
            assert (reading.annotation is None) == (reading.reason != "ok")
            if reading.annotation is None:
                assert not reading.format_ok
            elif isinstance(reading.annotation, Boxes):
                assert all(math.isfinite(side) for box in reading.annotation.xywh for side in box)
            else:
                assert all(map(math.isfinite, reading.annotation.probs))


integers = st.integers(-20, 900).map(str)
numbers = st.one_of(
    integers,
    st.floats(-20, 900).map("{:.2f}".format),
    st.sampled_from(["-0", "0", "1" * 400, "1" * 400 + ".5", "05", ".5", "5.", "+3"]),
)
lists = st.lists(st.lists(numbers, min_size=3, max_size=5) | st.tuples(*[numbers] * 4), max_size=5)


def read_twice(text, kind, classes=()):
    """Read an answer that is JSON, which takes a fast way, and the same in a sentence, which does not."""
    return [
        repr((reading.annotation, reading.reason))
        for answer in (text, f"Here: {text}")
        for reading in [read_response(f"<answer>{answer}</answer>", kind, classes)]
    ]


@example([["-0", "1", "2", "3"]], ", ", ", ")
@given(lists, st.sampled_from([", ", ",", " ,\n", " "]), st.sampled_from([", ", ",\n", " "]))
def test_a_json_list_of_boxes_reads_as_the_same_list_in_a_sentence(boxes, comma, between):
    alone, inside = read_twice(f"[{between.join('[' + comma.join(box) + ']' for box in boxes)}]", "boxes")
    assert alone == inside


keys = st.sampled_from([*OBJECTS, *OBJECTS, "band-aid", "no beer glass", "label"])


@example([(OBJECTS[0], "1" * 400 + ".5")], ": ", True)
@given(
    st.lists(st.tuples(keys, numbers), max_size=6), st.sampled_from([": ", ":", " : ", " "]), st.booleans()
)
def test_a_json_object_reads_as_the_same_object_in_a_sentence(pairs, colon, comma):
    text = (", " if comma else ",\n").join(f'"{key}"{colon}{number}' for key, number in pairs)
    alone, inside = read_twice(f"{{{text}}}", "distribution", OBJECTS)
    assert alone == inside
