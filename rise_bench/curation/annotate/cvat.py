"""Auto-annotation function that CVAT runs on the frames of a task.

cvat-cli task auto-annotate ID --function-module rise_bench.curation.annotate.cvat
    -p model=str:MODEL -p benchmark=str:NAME
"""

import io
import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rise_bench.catalog.extras import require_extra
from rise_bench.curation.annotate.consensus import consensus, read_sample
from rise_bench.curation.annotate.job import AnnotateJob
from rise_bench.curation.annotate.model_choice import answer_format_of, endpoint_of
from rise_bench.curation.annotate.question import annotation_run
from rise_bench.curation.annotate.records import Answer, Picture
from rise_bench.errors import ConfigError
from rise_bench.files.images import opaque_rgb
from rise_bench.models.loading import load_endpoints, load_local
from rise_bench.models.sampler import SampleError, Sampler, Sampling

#: Longest text of an attribute that CVAT takes, in characters.
_LONGEST_TEXT = 4096
_REASON_ID = 0

_log = logging.getLogger(__name__)


def create(
    model: str,
    benchmark: str,
    *,
    samples: int = 1,
    categories: str = "",
    question: str = "",
    endpoint: str = "",
    api_key_env: str = "OPENAI_API_KEY",
    revision: str = "",
    max_length: int = 1024,
    timeout_s: float = 600.0,
) -> "CvatFunction":
    """Make the function; the parameters are the options of `rise-bench annotate`.

    Raises:
        ConfigError: The annotations have neither parts nor shares of classes, or a parameter makes no sense.
    """
    require_extra("cvat")
    urls, name = endpoint_of(model, [endpoint] if endpoint else [], api_key_env)
    form, limits = answer_format_of(name, revision, bool(urls), None, None)
    run = annotation_run(Path.cwd(), benchmark, categories, question, samples, name)
    sampling = Sampling(temperature=float(samples > 1))
    if urls:
        load = load_endpoints(urls, name, sampling, api_key_env, samples, timeout_s)
    else:
        load = load_local(name, revision, sampling, limits, 1)
    return CvatFunction(AnnotateJob(run, Path.cwd(), load, max_length=max_length, answer_format=form))


class CvatFunction:
    """Detection function, as `cvat_sdk.auto_annotation` defines it."""

    def __init__(self, job: AnnotateJob) -> None:
        """Load the model of a run, of which only question and model are used."""
        if not job.run.labels:
            described = job.run.kind.describe(job.run.spec.classes)
            raise ConfigError(f"CVAT gets boxes or classes, and {job.run.spec.name} has {described}")
        self._job = job
        self._ids = {label: number for number, label in enumerate(job.run.labels)}
        self._sampler: Sampler = job.load()

    @property
    def spec(self) -> Any:
        """Labels, each with the reason as an attribute of text."""
        from cvat_sdk import auto_annotation as cvat

        run = self._job.run
        kind = "polygon" if run.has_outlines else "rectangle" if run.has_boxes else "tag"
        reason = cvat.text_attribute_spec("reason", _REASON_ID)
        labels = [cvat.label_spec(name, n, type=kind, attributes=[reason]) for name, n in self._ids.items()]
        return cvat.DetectionFunctionSpec(labels=labels)

    def detect(self, context: Any, image: Any) -> list[Any]:
        """Annotate a frame; what has less than the context's confidence is left out.

        Args:
            context: `DetectionFunctionContext` of CVAT.
            image: The frame, a `PIL.Image.Image`.
        """
        from cvat_sdk import auto_annotation as cvat

        least, run = context.conf_threshold or 0.0, self._job.run
        shapes: list[Any] = []
        for answer in self._answers(context.frame_name, image):
            for part in run.parts(answer):
                if part.confidence >= least:
                    attributes, label_id = _attributes(answer.reason), self._ids[part.label]
                    (x, y, w, h), points = part.box, [side for point in part.outline for side in point]
                    shapes.append(
                        cvat.polygon(label_id, points, attributes=attributes)
                        if run.has_outlines
                        else cvat.rectangle(label_id, [x, y, x + w, y + h], attributes=attributes)
                    )
            if (label := run.label(answer)) and (answer.confidence or 0.0) >= least:
                shapes.append(cvat.tag(self._ids[label], attributes=_attributes(answer.reason)))
        return shapes

    def _answers(self, name: str, image: Any) -> Sequence[Answer]:
        file = io.BytesIO()
        opaque_rgb(image).save(file, "PNG")
        picture = Picture(name, "", *image.size)
        answers = []
        for category in self._job.asked:
            prompt = self._job.prompt(picture, file.getvalue(), category)
            try:
                (texts,) = self._sampler.sample([prompt], self._job.run.samples, self._job.max_length)
            except SampleError as error:
                _log.warning("%s: the model refused the frame: %s", name, error)
                continue
            asked = self._job.gold(picture, category)
            form = self._job.answer_format
            samples = [read_sample(self._job.run.spec, asked, text, form) for text in texts]
            answers.append(consensus(self._job.run.kind, samples, category))
        return answers


def _attributes(reason: str) -> list[Any]:
    """Return attributes of one shape; CVAT changes them in place."""
    from cvat_sdk.models import AttributeValRequest

    return [AttributeValRequest(spec_id=_REASON_ID, value=reason[:_LONGEST_TEXT])]
