"""Options that several commands share."""

from typing import Annotated

import typer

from rise_bench.annotations.answer_format import Style
from rise_bench.annotations.boxes.values import BoxUnit

BoxUnitChoice = Annotated[BoxUnit | None, typer.Option(help="Unit of boxes, if the file does not say.")]
AskedBoxUnitChoice = Annotated[
    BoxUnit | None,
    typer.Option(help="Unit of boxes in prompts and answers; default: the run's, else by model family."),
]
AskedStyleChoice = Annotated[
    Style | None, typer.Option(help="Format of the answers, if the file does not say.")
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]
Resamples = Annotated[int, typer.Option(min=0, help="Bootstrap resamples; 0 for no intervals.")]
Endpoint = Annotated[
    list[str] | None, typer.Option(help="OpenAI-compatible base URL with its /v1; may be repeated.")
]
TimeoutS = Annotated[float, typer.Option(min=0.1, help="Seconds for a reply of an endpoint.")]
ApiKeyEnv = Annotated[str, typer.Option(help="Environment variable with the key.")]
Revision = Annotated[str, typer.Option(help="Hub revision of the model.")]
MaxPixels = Annotated[int | None, typer.Option(min=1, help="Largest image of a local model.")]
