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
