"""The kind `value`: what is read, what is equal, what gives the answer away, and how values are scored."""

import math
from random import Random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rise_bench.annotations.base import Gold
from rise_bench.annotations.kinds import KINDS, fit_baselines
from rise_bench.annotations.value.parsing import read_value
from rise_bench.annotations.value.similarity import are_equal
from rise_bench.annotations.value.spelt_numbers import spell, spelt_numbers
from rise_bench.annotations.value.values import Value, number_value
from rise_bench.catalog.spec import BenchmarkSpec
from rise_bench.export.texts import visual_rft_solution, vlm_r1_answer, vlm_r1_question
from rise_bench.scoring.leaks import find_leaks, leak_verdicts
from rise_bench.scoring.rewards import RewardRule, cot_reward
from rise_bench.scoring.scores import aggregate, score_response

KIND = KINDS["value"]


def table(rows):
    """Pairs of a row's name and each of its texts, which are separated by " ~ " or a line break."""
    return [
        (name, text.strip())
        for name, texts in rows.items()
        for text in texts.strip().replace("\n", " ~ ").split(" ~ ")
    ]


READ = table(
    {
        "7": r"""
            7 ~ 7. ~ ７ ~ 007 ~ 7.0 ~ +7 ~ #7 ~ [7] ~ **7** ~ $7$ ~ 7 cubes ~ 7cm ~ 7 (seven) ~ {"answer": 7}
            Answer: 7 ~ The answer is 7. ~ I count 7. ~ There are 7 cubes. ~ seven ~ Seven cubes.
            7 × 1 = 7. ~ 14 * 0.5 = 7 ~ $14 \times 0.5 = 7$ cm. ~ Area = 1/2 * 2 * 7 = 7, so it is half of it.
            7 cm × 1 cm = 7 cm ~ 7 rows × 1 cube = 7 cubes ~ (3 + 4) × 1 = 7 ~ 7 × 2 = 14 - 7 = 7
            2 × 3 = 6, plus 1, so the answer is 7. ~ First I thought the answer is B, but it is 7.
            I considered whether the answer is A, but 7 cubes remain ~ A: my answer is 7
            3 × 2 + 1 = 7. The answer is 7. ~ √49 = 7, so the answer is 7.
            The answer is 7, as \sqrt{49} = 7.
            three red and four blue, so the answer is seven
            3 + 4 = 7 ~ 3 red and 4 blue, so 7 in all ~ x = 7 ~ \boxed{7} ~ so \(3 + 4\) is \boxed{7}
            about 7 ~ 2 red and 2 blue, and 3 green, so 7 in all ~ 7 are left ~ that leaves 7
            There are a total of 10 objects. After subtracting 3 spheres, 7 objects remain.
            There are 10 objects in total. Subtracting 3 leaves 7. ~ 7 large cubes: 7
            There are 10 objects in total. 7 objects remaining on the table
            seven. Yes, seven. ~ 10 - 3 = 7, so 7 remain ~ Seven. The other one is hidden, so seven.
            After subtracting 3 cubes, 5 objects remain. Adding 2 spheres, the answer is 7.
            7个 ~ 7 个 ~ 7個 ~ 7。 ~ 【7】 ~ 有7个 ~ 共7个。 ~ 图中有7个红色的球。 ~ 一共有7个物体
            答案是7 ~ 答案：7 ~ 答案是7个。 ~ 因此，答案为：7 ~ {"答案": 7}
            7，不是8 ~ 7，而不是8 ~ 7 (共3类) ~ 7（图1） ~ 7，见图1 ~ 图1: 7 ~ 7，共7个
            7，其中3个红色 ~ 第 7 个
        """,
        "0": r"""
            0 ~ zero ~ none ~ no cubes ~ There are no red cubes. ~ None are left ~ None remain. ~ none left
            There isn't a cube in the image
            Nothing remains. ~ There are none left. ~ there aren't any ~ There are not any cubes.
        """,
        "1": r"1 ~ one ~ one cube ~ there is only one",
        "21": r"twenty-one ~ twenty one cubes",
        "1234": r"1,234 ~ $1{,}234$ ~ 1 234 ~ 1'234 ~ 1234",
        "1234.5": r"1,234.5",
        "200000": r"two hundred thousand",
        "105": r"one hundred and five",
        "-3": r"""
            -3 ~ −3 ~ x = –3 ~ –3 ~ The answer is –3
            minus three ~ x = - 3 ~ minus three, that is minus three
        """,
        "-1": r"minus one ~ negative one",
        "-0.5": r"−½ ~ -1/2 ~ \frac{-1}{2} ~ -\frac12",
        "-1.5": r"-1 1/2 ~ -1½",
        "0.75": r"0.75 ~ .75 ~ 3/4 ~ ¾ ~ \frac{3}{4} ~ \dfrac{3}{4} ~ \frac34 ~ \frac{3}4",
        "1.5": r"1.5 ~ 1 1/2 ~ 1½ ~ 1\frac{1}{2} ~ 1 \frac12",
        "12.5%": r"12.5% ~ 12.5 % ~ 12.5\% ~ 12.5 percent",
        "50%": r"fifty per cent",
        "5": r"""
            A, the center, lies on the line, so the radius is 5. ~ A: The answer is 5.
            A, on the line, is 5 cm away
        """,
        "4": r"A (0,0) and B (4,0), so AB = 4. The answer is 4.",
        "45": r"45° ~ A 45° angle ~ $45^\circ$ ~ 45 degrees",
        "12": r"12 cm^2 ~ 12 cm²",
        "A": r"A ~ a ~ (A) ~ A. ~ A: 45 ~ A is correct ~ A (7 cm)",
        "B": r"""
            B ~ (b) ~ b) ~ [B] ~ B. 45° ~ **B** ~ \boxed{B} ~ \boxed{\text{B}} ~ Option B ~ The answer is B.
            The correct option is (B). ~ B
            B because it is the largest ~ B, because it is the largest ~ B, 45° ~ B, the blue line is longer
            B (45°). It is half of it. ~ B (45°) since it is ~ B 45° ~ B - 45 ~ B 4.5 cm. ~ B, as I see
            Based on the figure, the answer is B. ~ Of the lines A (left) and B, the answer is (b).
            A. 30° is too small. The answer is B. ~ It is half of 90°. The correct option: B, 45°
            B (90 degrees) is correct ~ B, 45 degrees, since it turns
            B, the red cup on the left of the table ~ B (the red cup) is the answer
            B (45°), it is half of it. ~ B, the red cup. It is left of it.
            B: the correct answer ~ B: my answer ~ B (red): it is left
            {"answer": "B"} ~ The answer is **B**. ~ The answer is $B$. ~ **B**.
            B。 ~ 答案：B ~ 答案是B ~ 答案为（B） ~ 因此，答案选B。 ~ {"答案": "B"} ~ 正确答案是B。
            【B】 ~ 故选：B ~ B、红色 ~ B、红色。 ~ B，红色 ~ B。红色 ~ 选项B ~ 选B ~ 我选B
            选择B。 ~ B选项 ~ 答案是选项B ~ 选项A：3，选项B：4。答案：B
            (**B**) ~ The correct answer is $\text{B}$. ~ The answer is **B**: 45 ~ The answer is "B".
        """,
        "left": r"""
            left ~ Left. ~ "left" ~ The answer is left. ~ The answer is **left**. ~ The answer is "left".
        """,
        "red cube": r"Red  cube",
        "红色": r"红色。 ~ 答案是红色",
        "选择题": r"选择题",
        "a cube": r"A cube",
        "the left one": r"the left one",
        "no": r"no ~ No.",
    }
)

UNREAD = table(
    {
        "no_value": r"""
            A (left), B (right)
            Based on the figure, the answer is B or C. ~ A, the center of it, lies on the line
            I first thought the answer is B, but it is C. ~ I cannot tell if the answer is B
            ??? ~ I am not sure what this picture shows ~ There isn't a clear answer
            A、红色 B、蓝色 ~ A、红色；B、蓝色 ~ A、红色。B、蓝色。 ~ 选项A，选项B ~ A、B选项
            A、B ~ 选A、C ~ 选项A：红色，选项B：蓝色，答案是B
            选项A：错误；选项B：正确 ~ 答案A: 错误; 答案B: 正确
            A，错误 ~ A、不对 ~ 如果答案是A，那么是B ~ 错误答案：B
            There isn't any way to tell
        """,
        "several_values": r"""
            The answer is A. Wait, the answer is B. ~ As said, the answer is A, C ~ The answer is B, C
            7 or 8 ~ 5-3 ~ 5–3 ~ 5 –3 ~ 5 – 3
            7 cubes and 3 balls ~ A or B ~ A, C ~ x = 3, y = 4 ~ seven or eight ~ 7 = 3 + 4
            the answer is 7 or 8 ~ 3 red and 4 blue in all ~ 3 cubes and 3 spheres ~ 4 + 4 ~ 7 - 7 ~ 3 plus 3
            two red and two blue ~ the total of 10 minus 3 is 7 ~ 3 left and 2 right
            2 on the left, 3 on the right ~ 7 and 7
            A或B ~ A和B ~ 3、4 ~ 1、234 ~ 7。5
        """,
        "unclear_number": r"""
            1,5 ~ 8th ~ 0x1 ~ 1_000 ~ 3 million ~ three quarters ~ two four ~ 2\sqrt{3} ~ 10^2 ~ A4
            7 * 7 ~ 7*7 ~ 7 × 8 ~ 3 × 7 in all ~ 3 \times 7 are left ~ x^2 = 49 ~ The answer is 6 × 4
            The answer is 4 + 2\sqrt{3}
            The answer is 5(1+\sqrt{3})
            = 6 × x ~ The answer is 5 times \sqrt{3} ~ The answer is 3π/4 ~ 7 + π = 10.14 ~ \frac{\sqrt{3}}{2}
            6 × 4 = 24 = 2 × 12
            Answer: 7 (since 3 × 2 = 6, plus 1) ~ There are 14 cubes: 3 × 4 = 12, and 2 on top
            2 × 3 = 6, 1 × 2 = 2, so 8 ~ x = 5 since 2 × 5 = 10 ~ 5×4=20, minus 3 is 17
            2 × 3 = 6, 2 × 2 = 4, total 10 ~ 3 × 4 = 12, plus 2 ~ 2 × 3 = 6, 1 + 2 = 3
            3 × 4 = 12, 2 are left, so 14
            The answer is 5 \pi ~ 2 × 3 = 6; 2 × 4 = 8 ~ The answer is 2 + \pi
            3 pi ~ sqrt(49) ~ the square root of 49
            seven and a half ~ 7 and a half ~ two and one third
            5万 ~ 5十 ~ 5分 ~ 5倍 ~ 5多 ~ 5个多 ~ 5个半 ~ 5以上 ~ 5的平方 ~ 5加三 ~ 5到六
            7つ ~ 二5 ~ 三分之1 ~ 第7个 ~ 负5 ~ 根号5 ~ 百分之50 ~ 不是7 ~ 超过7个 ~ 至少5个 ~ 答案是5吗
            答案是5或6 ~ 答案是5个或6个 ~ 答案是5个红球加上6个蓝球
            3个和3个 ~ 3个红球，3个蓝球 ~ 12个，其中3个 ~ 5米5 ~ 答案不是7，是5 ~ 负5或3
            3点5 ~ 如果答案是7，那么答案是5
            至少有5个 ~ 最多有5个 ~ 超过了5个 ~ 接近于5 ~ 没有7个 ~ 并没有3个苹果
            答案不应该是7 ~ 答案不可能是7
            不会是7 ~ 不只7个 ~ 将近7个 ~ 5个内 ~ 5个之内 ~ D，3个 ~ 答案是D，3个 ~ D 3个
        """,
        "not_finite": r"1e999 ~ 1/0",
    }
)


@pytest.mark.parametrize("after", ["The angle ABC is 45°.", "Explanation: x = 3", "It is isosceles."])
def test_a_letter_on_a_line_of_its_own_is_the_answer(after):
    assert read_value(f"B\n\n{after}") == read_value(f"**B**\n{after}") == (Value("B"), "ok")


@pytest.mark.parametrize(
    "listed",
    [
        "A. 红色\nB. 蓝色\n",
        "选项A. 红色\n选项B. 蓝色\n",
        "选项A: 3个\n选项B: 4个\n",
        "A、红色。\nB、蓝色。\n",
    ],
)
def test_the_last_line_of_listed_choices_may_say_the_answer_in_chinese(listed):
    for last in ("答案：B", "因此答案是B。", "正确答案为（B）", "答案应选B"):
        assert read_value(listed + last) == (Value("B"), "ok")
    for last in ("答案不是B", "答案：A\n答案：B", "如果答案是B"):
        assert read_value(listed + last)[0] != Value("B")


@pytest.mark.parametrize("text", ["B, the red cup.\nA, the blue one, is smaller", "B, 45°\nC: too large"])
def test_a_letter_before_remarks_on_other_choices_is_the_answer(text):
    assert read_value(text) == (Value("B"), "ok")


@pytest.mark.parametrize("text", ["**7**\n\n- 7 cubes", "The answer is 7.\n- 7 cubes"])
def test_a_list_below_an_answer_is_no_sum(text):
    assert read_value(text) == (Value("7"), "ok")


@pytest.mark.parametrize(
    "text", ["A\nB\nC", "A、红色\nB、蓝色", "A, red\nB, blue", "A、red\nB、blue", "A、红色。\nB、蓝色。"]
)
def test_letters_one_below_the_other_are_no_answer(text):
    assert read_value(text)[0] is None


@pytest.mark.parametrize(
    "text", ["3 cubes and\n3 spheres", "3 cubes\n+ 3 spheres", "three cubes\nand three balls"]
)
def test_a_sum_over_two_lines_is_not_read(text):
    assert read_value(text) == (None, "several_values")


LEAKS = table(
    {
        "7": r"""
            There are 7 in all. ~ the answer is 7 ~ Answer: 7 ~ so the total is seven.
            In total there are 7 cubes. ~ I count seven cubes. ~ 3 + 4 = 7 ~ 3 plus 4 makes 7.
            which gives 7. ~ a total of 7 cubes ~ 7 cubes in total ~ There are seven small cubes altogether.
            the final count is 8 ~ The number of cubes is 7 ~ Total: 7 ~ **7**
            Counting them: 1, 2, 3. So 7. ~ \boxed{7} ~ The answer is: **7** ~ there are VII in all
            the result equals 7 ~ 7 is the answer ~ 7.0 in all ~ After removing them, 7 remain.
            That leaves 7 objects. ~ adding up to 7 ~ 7 ~ There are therefore 7 objects left.
            The total number of cubes in the picture is 7 ~ there are ７ in all
        """,
        "0": r"There are no cubes left. ~ zero in all ~ the answer is 0 ~ there are 0.",
        "12.5%": r"The answer is 12.5% ~ that makes 12.5 %. ~ 12.5 percent in all",
        "0.5": r"the answer is 0.5 ~ which gives 0.5.",
        "B": r"""
            The answer is B. ~ the answer is (b) ~ Option B is correct. ~ So I choose B. ~ Therefore B.
            Answer: B ~ the correct choice is B ~ This matches option B. ~ (B) is the correct answer
            The answer is option C.
        """,
        "red": r"""
            The answer is red. ~ so the answer: red ~ red is the answer ~ Red is correct.
            It is small. Red.
        """,
    }
)

STEPS_ON_THE_WAY = table(
    {
        "7": r"""
            There are 3 red cubes and 4 blue ones. ~ First I count 3 on the left, then 4 on the right.
            one, two, three ~ There are 7 on the left and 2 on the right. ~ Cube 7 is behind cube 3.
            The seven shades of grey are hard to see. ~ The answer lies in the shadows.
            The answer depends on 3 things. ~ The number of sides is large. ~ I add 3 and 4.
            7 cubes touch the edge, the others do not. ~ there are 17 in all ~ 1.7 in all
            the total of the three rows ~ 7. the small cube ~ The answer is 3 + 4
            There are three groups of cubes.
        """,
        "0": r"There are no shadows here, and no cube is missing on the left ~ nothing is in front of it",
        "12.5%": r"an eighth of it",
        "0.5": r"half of it is red ~ 0.5 cm of the side is hidden",
        "A": r"""
            The answer is a matter of counting. ~ A cube is left of the ball. ~ a is the length of the side
            Option A shows a cube, option B a ball. ~ The answer is as follows.
        """,
        "B": r"""
            Option B shows a ball, but the ball is blue. ~ Angle B is right above C.
            Side B and side C are equal.
        """,
        "red": r"The cube is red. ~ A red cube stands left. ~ The answer depends on the red cube.",
    }
)


#: Written without a look at the rules; see docs/decisions/values_and_steps.md.
FRESH_LEAKS = table(
    {
        "12.5": r"""So 12.50. ~ The answer is 12.500""",
        "-3.5": r"""so -3.50.""",
        "7": r"""
            three on the left and four on the right, so 7. ~ Counting them gives us seven cubes.
            Altogether I see seven cubes. ~ So we have seven cubes in the picture. ~ Adding them gives 7
            4 and 3 is 7 ~ Thus, 7 cubes. ~ My count comes to seven ~ That's 7 in total ~ The tally: 7
            Final: 7 ~ we arrive at 7 ~ There exist exactly 7 of them. ~ In sum, 7.
            this brings the total to 7 ~ the cubes number seven ~ all seven cubes are counted
            there are a total of 7 cubes ~ Hence the number is 7. ~ it follows that there are 7 cubes.
            the answer must be 7 ~ The count of cubes is seven. ~ We end with 7 objects. ~ Result = 7
            the final answer is therefore 7 ~ making 7 altogether ~ So seven it is. ~ 7, therefore.
            Answer 7. ~ we therefore conclude 7 ~ The picture contains 7 cubes.
            the picture shows seven cubes in all ~ ends up being 7 ~ I get a final value of 7.
            total cubes: 7 ~ Cubes = 7 ~ => 7
        """,
        "B": r"""
            B it is. ~ Thus the option is B. ~ I would answer B. ~ so the answer should be option (B)
            correct answer: B) ~ the right one is B ~ B fits best. ~ the choice must be B ~ Only B fits.
            pick (B) ~ it must be B. ~ The piece at B fits. ~ The picture at B is correct. ~ B is right.
            The figure at B is the answer. ~ So the one at B remains.
        """,
        "red": r"""
            So the answer is clearly red. ~ Answer -> red ~ The final answer: Red ~ it must be red.
        """,
        "5": r"""
            Counting every star, I find five. ~ That is five stars overall.
            In the whole picture there are five red stars. ~ Hence five.
            After counting carefully the number comes out as 5. ~ This gives us a total of five.
            One on the left, four on the right: five together. ~ The stars add up to 5.
            It has five stars in total. ~ Summing up, we get 5 stars. ~ So my answer: 5
            I therefore answer 5. ~ The required number is 5. ~ We count 5 in all.
            Five stars can be seen in total. ~ The number of red stars equals 5. ~ 2 + 3 equals 5
            answer = five ~ There are, in total, five of them. ~ The total amounts to five stars.
            Adding 2 and 3 we have 5. ~ The value asked for is 5. ~ thus the count is five
            making it five.
        """,
        "C": r"""
            Therefore the answer is C. ~ So option C is the right one. ~ The correct letter is C.
            I go with C. ~ C must be the answer. ~ That leaves C. ~ My choice is (C).
            We select option C. ~ Hence, C. ~ which is choice C.
        """,
        "left": r"""
            The answer is left. ~ Therefore: left. ~ So left is the answer.
            The final answer would be left
        """,
    }
)

FRESH_STEPS_ON_THE_WAY = table(
    {
        "7": r"""
            Row one has 3, row two has 2, row three has 2. ~ the third cube is next to the 7 on the clock
            It is 7 cm wide on the page. ~ number 7 on the shirt ~ There are 2 small and 5 large cubes.
            counting from the left: one, two, three, four, five ~ a red ball, then seven blue cubes.
            7 of the objects are hidden behind others, as it seems ~ there are 7 balls next to the cubes
            I count 2 in the first row and 3 in the second. ~ the total is the sum of both rows
            the answer follows from adding the rows ~ We see 7 shades of blue and 2 cubes
            Out of 9 objects 2 are spheres. ~ the count of spheres must be left out
        """,
        "B": r"""
            Point B lies on AC. ~ the line through B is perpendicular ~ choice B has a wrong angle
            compare options A and B ~ AB equals BC ~ B and C are not equal
            The angle at B is right, so AC is the longest side. ~ it must be BC or AB ~ The label matches B.
            The right angle is at A and this must be B. ~ The lower left vertex, which must be B.
        """,
        "red": r"""
            the red one is left ~ a red disc ~ it looks red from here, and the other blue
        """,
        "5": r"""
            There are 2 red stars at the top and 3 at the bottom. ~ First star, second star, third star.
            The five-pointed shape is a star.
            There are 5 blue discs on the right side, which are not asked for.
            I see 2 stars in the left half. ~ Star number 5 is hidden by the frame.
            The fifth object is a disc. ~ 4 of the stars are white, the others red.
            We have to count the red ones only. ~ There are three rows with two objects each.
            The total has to include the small ones. ~ Next to the 5 small discs there is a star.
            Two stars overlap, and 1 more lies below. ~ It has 5 points.
            The answer needs a careful count. ~ the number of points of a star is fixed
            adding the two on the right gives the rest
        """,
        "C": r"""
            Segment C D is parallel to A B. ~ Option C shows a ring. ~ The angle at C is sharp.
            C lies between A and B. ~ I compare option C with option D.
        """,
        "left": r"""
            The ball is left of the cube. ~ the left edge is dark ~ It moved from the left to the right.
        """,
    }
)


def gold(text, uid="a"):
    return Gold(uid, Value(text), 64, 64)


@pytest.mark.parametrize(("text", "answer"), READ)
def test_a_value_is_read(text, answer):
    assert read_value(answer) == (Value(text), "ok")


@pytest.mark.parametrize(("reason", "answer"), UNREAD)
def test_what_is_not_one_value_is_not_read(reason, answer):
    assert read_value(answer) == (None, reason)


def test_blanks_and_long_numbers():
    assert read_value(" 7\n") == read_value("```json\n7\n```") == (Value("7"), "ok")
    assert read_value("") == (None, "no_value") and read_value("9" * 400) == (None, "not_finite")


def test_a_number_that_is_cut_off_is_not_read():
    assert KIND.parse("1,", (), closed=False) == (None, "truncated")
    assert KIND.parse("1,", (), closed=True)[0] == Value("1")
    assert KIND.parse("12", (), closed=False)[0] == Value("12")  # an answer without tags


@given(st.integers(0, 999))
def test_numbers_in_words_are_read_back(number):
    written = spell(number)
    assert list(spelt_numbers(written)) == [(0, len(written), number)]


@given(st.one_of(st.floats(allow_nan=False, allow_infinity=False), st.integers(-(10**12), 10**12)))
def test_a_written_number_is_read_back(number):
    value = number_value(float(number))
    assert read_value(value.text) == (value, "ok")
    assert KIND.problem(gold(value.text), ()) == ""


@pytest.mark.parametrize("text", ["7 cubes", "seven", "b", "1,234", "07", "", "3 or 4", "what is this thing"])
def test_a_ground_truth_is_written_as_it_is_read(text):
    assert "expected one number, letter or short word" in KIND.problem(gold(text), ())


def test_values_have_no_classes():
    assert "no classes" in KIND.class_problem(("A", "B")) and KIND.class_problem(()) == ""


@pytest.mark.parametrize(
    ("a", "b", "equal"),
    [
        ("7", "7", True),
        ("7", "8", False),
        ("1000000", "1000001", False),  # counts have to be the same
        ("45.5", "45.52", True),  # others within a thousandth
        ("45.5", "45.6", False),
        ("45", "45.04", True),
        ("0.001", "0.002", False),
        ("50%", "0.5", True),
        ("50", "50%", True),
        ("50%", "5", False),
        ("B", "B", True),
        ("B", "C", False),
        ("B", "7", False),
        ("red", "blue", False),
    ],
)
def test_equality(a, b, equal):
    assert are_equal(Value(a), Value(b)) is equal
    assert KIND.similarity(Value(a), Value(b)) == float(equal)


def test_the_graded_variant_falls_with_the_distance():
    assert KIND.similarity(Value("8"), Value("6"), "graded") == pytest.approx(math.exp(-2 / 8))
    assert KIND.similarity(Value("0"), Value("2"), "graded") == pytest.approx(math.exp(-2))
    assert KIND.similarity(Value("8"), Value("8"), "graded") == 1
    assert 0 < KIND.similarity(Value("1"), number_value(1e300), "graded") < 1e-300
    assert KIND.similarity(Value("B"), Value("7"), "graded") == 0


def leaks(text, cot):
    return find_leaks(cot, **KIND.secrets(Value(text), "")._replace(classes=())._asdict())


@pytest.mark.parametrize(("text", "cot"), LEAKS + FRESH_LEAKS)
def test_a_sentence_that_states_the_answer_leaks(text, cot):
    assert {leak.reason for leak in leaks(text, cot)} == {"final_answer"}
    assert leak_verdicts(cot, *KIND.secrets(Value(text), ""))[0]


@pytest.mark.parametrize(("text", "cot"), STEPS_ON_THE_WAY + FRESH_STEPS_ON_THE_WAY)
def test_a_number_on_the_way_does_not_leak(text, cot):
    assert leaks(text, cot) == ()
    assert not leak_verdicts(cot, *KIND.secrets(Value(text), ""))[0]


def test_the_strict_rule_finds_the_value_wherever_it_is():
    for text, cot in (
        ("7", "cube 7"),
        ("7", "seven of them"),
        ("red", "a red cube"),
        ("21", "cube twenty-one there"),
    ):
        assert leak_verdicts(cot, *KIND.secrets(Value(text), "")) == (False, True)
    assert leak_verdicts("option B is small", *KIND.secrets(Value("B"), "")) == (False, False)


@pytest.mark.parametrize("text", ["7", "B", "red", "12.5%"])
@pytest.mark.parametrize(
    "piece",
    ["7 ", "the answer is ", "number of a b c ", "\n", "one hundred and ", "(((", "= ", "7个", "答案是"],
)
def test_time_is_linear(text, piece):
    leaks(text, piece * (20_000 // len(piece)))
    read_value(piece * (60_000 // len(piece)))


def test_a_chain_of_thought_may_count_and_may_not_conclude():
    count = "There are 3 red cubes on the left. Behind them are 4 blue ones."
    paid = cot_reward(gold("7"), count, "<answer>7</answer>")
    leaked = cot_reward(gold("7"), f"{count} So there are 7 in all.", "<answer>7</answer>")
    assert (paid.reward, leaked.reward, leaked.similarity, leaked.leak_numbers) == (1.0, 0.0, 1.0, True)
    graded = cot_reward(gold("7"), count, "<answer>6</answer>", rule=RewardRule(variant="graded"))
    assert graded.reward == pytest.approx(math.exp(-1 / 7))


def test_metrics_have_intervals():
    spec = BenchmarkSpec("counts", "value", "accuracy", "How many cubes are there?")
    golds = [gold(str(n), f"{n:02}") for n in range(10)]
    answers = [f"<answer>{n + (n % 2)}</answer>" for n in range(9)] + ["no idea what this is"]
    scores = [score_response(g, text) for g, text in zip(golds, answers, strict=True)]
    metrics = aggregate(spec, golds, scores, resamples=200).metrics
    assert metrics["accuracy"].value == 0.5 and metrics["accuracy"].low < 0.5 < metrics["accuracy"].high
    assert metrics["mae"].value == pytest.approx((4 + 10) / 10)
    far = score_response(golds[0], "<answer>1e300</answer>")
    assert far.values["mae"] == 10.0


def test_baselines_are_the_most_frequent_and_the_median():
    baselines = fit_baselines([gold(text) for text in ("3", "9", "3", "8", "7", "B")])
    assert {name: predict(gold("1")).text for name, predict in baselines.items()} == {
        "most_frequent": "3",
        "median": "7",
    }
    assert set(fit_baselines([gold("B")])) == {"most_frequent"}


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("0", {"shifted"}),
        ("7", {"shifted", "swapped"}),
        ("2.5", {"shifted", "swapped"}),
        ("B", {"swapped"}),
        ("red", {"swapped"}),
    ],
)
@given(seed=st.integers(0, 10**6))
def test_planted_errors_are_wrong_values(text, names, seed):
    errors = KIND.planted_errors(gold(text), gold("0"), Random(seed))
    assert errors.keys() == names
    for wrong in errors.values():
        assert not are_equal(Value(text), wrong) and KIND.problem(gold(wrong.text), ()) == ""
        assert wrong.number is None or wrong.number >= 0


def test_cleanlab_prefers_the_label_that_the_answers_state():
    pytest.importorskip("cleanlab")
    seven, eight = Value("7"), Value("8")
    right, wrong, unknown = KIND.label_quality(
        [seven, eight, seven], [[seven, seven], [seven, seven, eight], []]
    )
    assert 1 >= right > unknown > wrong > 0
    assert KIND.label_quality([seven], [[seven]]) == [1.0]


def test_a_person_may_write_a_number():
    assert KIND.from_json([7], ()) == Value("7") and KIND.from_json(["B"], ()) == Value("B")


def test_coordinates_tell_values_apart():
    rows = [KIND.coordinates(gold("8"), Value(text)) for text in ("8", "4", "B", "C")]
    assert rows[:2] == [(1.0,), (0.5,)] and rows[2] != rows[3]
    assert np.array(rows).shape == (4, 1)
    marks = [KIND.landmarks(gold("8"), Value(text)) for text in ("8", "8.0", "4", "B")]
    assert marks[0] == marks[1] and len(set(marks)) == 3
    assert KIND.compare(Value("8"), Value("6"))[1] == [("8", "6", "-2")]


def test_other_trainers_compare_the_value_alone():
    spec = BenchmarkSpec("counts", "value", "accuracy", "How many cubes are there?")
    assert visual_rft_solution(spec, gold("7")) == "<answer>7</answer>"
    assert vlm_r1_answer(spec, gold("7")) == "7"
    assert "Answer with one number in digits" in vlm_r1_question(spec, gold("7"))
