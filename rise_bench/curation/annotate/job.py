"""Job of an annotation run."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rise_bench.annotations.answer_format import DEFAULT_FORMAT, AnswerFormat
from rise_bench.annotations.base import Gold
from rise_bench.cot.engines.settings import EngineSettings
from rise_bench.cot.grounding import Judging
from rise_bench.curation.annotate.formats import FORMATS
from rise_bench.curation.annotate.records import AnnotationRun, Picture
from rise_bench.errors import ConfigError
from rise_bench.errors.redaction import redacted
from rise_bench.models.sampler import Prompt, Sampler
from rise_bench.prompts.pictures import sized
from rise_bench.prompts.templates import RESPONSE_PROMPTS, prompt_hash

LOG_NAME = "log"


@dataclass(frozen=True, slots=True)
class AnnotateJob:
    """An annotation run.

    Attributes:
        run: Pictures, question and model.
        out: Folder of the results; its log of responses lets a rerun continue.
        load: Function that loads the model.
        sampling: Name of the model and sampling settings; a rerun must have the same.
        max_length: Largest length of a response in tokens.
        answer_format: Style and unit of the answers.
        formats: Names of the formats that are written beside `annotations.jsonl`.
        judging: Settings of the groundedness judge; None for no judge.
        engine: Settings of the engine that asks; None asks from this process. With an engine, `load` is an
            `EndpointSettings`.
    """

    run: AnnotationRun
    out: Path
    load: Callable[[], Sampler]
    sampling: dict[str, Any] = field(default_factory=dict)
    max_length: int = 1024
    answer_format: AnswerFormat = DEFAULT_FORMAT
    formats: tuple[str, ...] = ()
    judging: Judging | None = None
    engine: EngineSettings | None = None

    @property
    def log(self) -> Path:
        """Folder of the responses."""
        return self.out / LOG_NAME

    @property
    def asked(self) -> tuple[str, ...]:
        """Classes that each picture is asked for; one empty text where there is one question."""
        return self.run.categories or ("",)

    def settings(self) -> dict[str, Any]:
        """Return the settings that responses depend on."""
        settings = {
            "benchmark": self.run.spec.to_json(),
            "question": self.run.question,
            "prompts": prompt_hash(self.run.spec, self.answer_format),
            "model": self.sampling,
            "samples": self.run.samples,
            "max_length": self.max_length,
            **self.answer_format.to_json(),
        }
        safe: dict[str, Any] = redacted(settings)
        return safe

    def gold(self, picture: Picture, category: str) -> Gold:
        """Return a picture as prompts are made of it; the annotation is an example and is not used."""
        example = self.run.kind.examples(self.run.spec.classes)[0]
        sizes = picture.width_px, picture.height_px
        return Gold(picture.path, example, *sizes, category, self.run.question)

    def prompt(self, picture: Picture, data: bytes, category: str) -> Prompt:
        """Return what is asked of a picture."""
        asked, gold = RESPONSE_PROMPTS[self.answer_format.style], self.gold(picture, category)
        pictures = sized((data,), gold, self.answer_format)
        return Prompt(pictures, asked(self.run.spec, gold, self.answer_format))


def key_of(picture: Picture, category: str) -> str:
    """Return the id of a question in the log: two files of the same content are asked once."""
    return f"{picture.sha256}:{category}"


def formats_of(run: AnnotationRun, asked: str) -> tuple[str, ...]:
    """Return the formats of a list of names; all that can hold the annotations if it is empty.

    Raises:
        ConfigError: If there is no such format, or it cannot hold the annotations.
    """
    fitting = tuple(name for name, format_ in FORMATS.items() if run.has_boxes or not format_.only_boxes)
    names = tuple(dict.fromkeys(filter(None, (name.strip() for name in asked.split(",")))))
    for name in names:
        if name not in FORMATS:
            raise ConfigError(f"no format {name!r}; choose of {', '.join(FORMATS)}")
        if name not in fitting:
            raise ConfigError(
                f"{name} holds boxes, and {run.spec.name} has {run.kind.describe(run.spec.classes)}; choose "
                f"of {', '.join(fitting)}"
            )
    return names or fitting
