"""Pictures in the size that their prompt states."""

import io

import pytest
from PIL import Image

from rise_bench.annotations.answer_format import AnswerFormat
from rise_bench.annotations.base import Gold
from rise_bench.annotations.boxes.values import Boxes
from rise_bench.annotations.distribution.values import Distribution
from rise_bench.catalog.benchmarks import get_benchmark
from rise_bench.cot.closed_loop import ClosedLoop, LoopSettings
from rise_bench.prompts.pictures import sized

RESIZED = AnswerFormat(unit="resized_px", max_pixels=12544)
BOX = Gold("a", Boxes(((10, 10, 50, 50),)), 400, 200, "disc")


def picture(size_px=(400, 200), orientation=1):
    file, exif = io.BytesIO(), Image.Exif()
    exif[0x0112] = orientation
    Image.linear_gradient("L").resize(size_px).convert("RGB").save(file, "JPEG", exif=exif)
    return file.getvalue()


@pytest.mark.parametrize("image", [picture(), picture((200, 400), orientation=6)])
def test_pictures_of_boxes_in_resized_px_have_the_size_in_the_prompt(image):
    (sent,) = sized((image,), BOX, RESIZED)
    with Image.open(io.BytesIO(sent)) as opened:
        assert opened.size == (140, 56) and opened.mode == "RGB"


def test_other_pictures_are_sent_as_they_are():
    image = (picture(),)
    assert sized(image, BOX, AnswerFormat()) is image
    assert sized(image, Gold("a", Distribution(("x", "y"), (0.5, 0.5)), 400, 200), RESIZED) is image


class Model:
    def sample(self, prompts, n, max_tokens):
        self.asked = [*getattr(self, "asked", ()), *prompts]
        return [["A disc at the left side."] * n for _ in prompts]


def test_the_closed_loop_shows_the_size_that_it_states():
    model, settings = Model(), LoopSettings(samples=2, answer_format=RESIZED)
    ClosedLoop(get_benchmark("scenes"), settings).annotate(model, [(BOX, (picture(),))])
    assert len(model.asked) == 3 and all("140" in prompt.text for prompt in model.asked)
    for prompt in model.asked:
        with Image.open(io.BytesIO(prompt.images[0])) as opened:
            assert opened.size == (140, 56)
