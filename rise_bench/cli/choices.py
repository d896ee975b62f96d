"""Options that several commands share and that take one of a few words."""

from typing import Annotated, get_args

import click
import typer

from rise_bench.parsing import Style
from rise_bench.values import BoxUnit

BoxUnitChoice = Annotated[
    BoxUnit | None,
    typer.Option(click_type=click.Choice(get_args(BoxUnit)), help="Unit of boxes, if the file does not say."),
]
StyleChoice = Annotated[
    Style, typer.Option(click_type=click.Choice(get_args(Style)), help="Form that was asked for.")
]
