"""The function that CVAT calls, in the types of its SDK."""

import logging
from types import SimpleNamespace

import pytest
from PIL import Image

from rise_bench.annotations.kinds import KINDS
from rise_bench.catalog.spec import BenchmarkSpec
from rise_bench.curation.annotate import cvat
from rise_bench.curation.annotate.cvat import CvatFunction
from rise_bench.errors import ConfigError
from rise_bench.files.images import decode_rgb
from rise_bench.models.sampler import SampleError

from ...support.openai_server import OpenAIServer, serve
from ...support.scripted_model import ScriptedModel
from ...support.toy_kind import WordKind
from .conftest import think

FRAME = Image.new("L", (100, 50))


def context(threshold=None):
    return SimpleNamespace(frame_name="frame.png", conf_threshold=threshold, conv_mask_to_poly=False)


def boxes_answer(prompt, number):
    """One cat in every sample, a second one in the first and the third."""
    if "dog" in prompt.text:
        return think("[]")
    more = ", [800, 0, 100, 1000]" if number % 2 == 0 else ""
    return think(f"[[100, 100, 500, 500]{more}]", "Ears. " + "x" * 9000)


def test_boxes_are_rectangles_with_the_reason_as_attribute(make_job):
    from cvat_sdk import auto_annotation, models

    job = make_job(ScriptedModel(boxes_answer), categories=("cat", "dog"), samples=3)
    function = CvatFunction(job)
    assert isinstance(function.spec, auto_annotation.DetectionFunctionSpec)
    assert [(label.name, label.id, label.type) for label in function.spec.labels] == [
        ("cat", 0, "rectangle"),
        ("dog", 1, "rectangle"),
    ]
    shapes = function.detect(context(), FRAME)
    assert [(type(s), s.type.value, s.label_id, s.points) for s in shapes] == [
        (models.LabeledShapeRequest, "rectangle", 0, [10.0, 5.0, 60.0, 30.0]),
        (models.LabeledShapeRequest, "rectangle", 0, [80.0, 0.0, 90.0, 50.0]),
    ]
    (attribute,) = shapes[0].attributes
    assert attribute.spec_id == 0 and attribute.value.startswith("Ears. x") and len(attribute.value) == 4096
    assert len(function.detect(context(0.7), FRAME)) == 1  # the second one has 2 of 3


def test_what_cvat_makes_of_it(make_job):
    """CVAT's own check and renumbering of what a function returns."""
    from cvat_sdk import models
    from cvat_sdk.auto_annotation import driver

    function = CvatFunction(make_job(ScriptedModel(boxes_answer)))
    attribute = models.Attribute(
        name="reason", mutable=False, input_type="text", values=[], default_value="", id=70
    )
    label = models.Label(name="cat", id=7, type="any", attributes=[attribute], sublabels=[])
    mapper = driver._AnnotationMapper(
        logging.getLogger("cvat"),
        function.spec.labels,
        [label],
        allow_unmatched_labels=False,
        conv_mask_to_poly=False,
        spec_nm=driver._SpecNameMapping(),
    )
    shapes = function.detect(context(), FRAME)
    mapper.validate_and_remap(shapes, 3)
    assert {(s.label_id, s.frame, s.attributes[0].spec_id) for s in shapes} == {(7, 3, 70)}


def test_shares_are_a_tag_and_refused_frames_stay_empty(make_job, caplog):
    spec = BenchmarkSpec("moods_here", "distribution", "jsd", "How?", ("calm", "tense"))
    model = ScriptedModel(lambda prompt, number: think('{"calm": 0.25, "tense": 0.75}'))
    function = CvatFunction(make_job(model, spec=spec, categories=()))
    assert [(label.name, label.type) for label in function.spec.labels] == [("calm", "tag"), ("tense", "tag")]
    (tag,) = function.detect(context(), FRAME)
    assert (tag.label_id, tag.attributes[0].value) == (1, "It stands left.")

    def refuse(prompt, number):
        raise SampleError("against a policy")

    model.answer = refuse
    assert function.detect(context(), FRAME) == [] and "frame.png: the model refused" in caplog.text


def test_transparent_parts_of_a_frame_are_white(make_job):
    model = ScriptedModel(boxes_answer)
    CvatFunction(make_job(model)).detect(context(), Image.new("RGBA", FRAME.size, (255, 0, 0, 0)))
    (picture,) = model.asked[0].images
    assert decode_rgb(picture).getpixel((0, 0)) == (255, 255, 255)


def test_a_kind_without_boxes_and_classes_is_refused(make_job, monkeypatch):
    monkeypatch.setitem(KINDS, "word", WordKind())
    spec = BenchmarkSpec("birds", "word", "exact", "Which bird?")
    with pytest.raises(ConfigError, match="CVAT gets boxes or classes, and birds has word"):
        CvatFunction(make_job(None, spec=spec, categories=()))


def test_parameters_are_the_options_of_the_command():
    with serve(OpenAIServer(lambda key, prompt: think("[[0, 0, 500, 500]]"))) as server:
        address = f"http://127.0.0.1:{server.port}/v1"
        function = cvat.create(model=address, benchmark="coco_sub", categories="cat,dog", samples=2)
        shapes = function.detect(context(), FRAME)
    assert [shape.label_id for shape in shapes] == [0, 1] and server.answered == 2
