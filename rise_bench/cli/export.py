"""`rise-bench export`: a CoT dataset in the format of another trainer."""

from pathlib import Path
from typing import Annotated

import typer

from rise_bench.annotations.boxes.values import MAX_PIXELS, BoxUnit
from rise_bench.cli import app
from rise_bench.cli.bars import progress_bar
from rise_bench.errors import ConfigError

_Out = Path | None


@app.command()
def export(
    name: Annotated[str, typer.Argument(help="CoT dataset: its folder, its name here, or ORG/NAME.")],
    trl: Annotated[_Out, typer.Option(help="Folder to make for TRL: prompt, completion, images.")] = None,
    messages: Annotated[_Out, typer.Option(help="Folder to make for LLaMA-Factory and ms-swift.")] = None,
    visual_rft: Annotated[
        _Out, typer.Option(help="Folder to make for Visual-RFT: image, problem, solution.")
    ] = None,
    vlm_r1: Annotated[_Out, typer.Option(help="Folder to make for VLM-R1: jsonl and images.")] = None,
    config: Annotated[str, typer.Option(help="high (reward at least tau) or default (all rows).")] = "high",
    box_unit: Annotated[BoxUnit, typer.Option(help="Unit of boxes in prompts and answers.")] = "norm1000",
    max_pixels: Annotated[
        int, typer.Option(min=1, help="Largest picture of the trainer, for --box-unit resized_px.")
    ] = MAX_PIXELS,
    revision: Annotated[str | None, typer.Option(help="Commit, tag or branch on the Hub.")] = None,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace the content of the folder.")
    ] = False,
) -> None:
    """Write a CoT dataset for other trainers: one flag per format, with its output folder."""
    from rise_bench.cot.dataset import COT_CONFIGS
    from rise_bench.export.writers import ExportFormat
    from rise_bench.export.writers import export as write

    asked: dict[ExportFormat, _Out] = {
        "trl": trl,
        "messages": messages,
        "visual_rft": visual_rft,
        "vlm_r1": vlm_r1,
    }
    if not any(asked.values()):
        raise ConfigError("nothing to write; name a folder with --trl, --messages, --visual-rft or --vlm-r1")
    for subset in COT_CONFIGS:
        if subset == config:
            break
    else:
        raise ConfigError(f"no configuration {config!r}; choose one of {', '.join(COT_CONFIGS)}")
    for form, out in asked.items():
        if out is None:
            continue
        with progress_bar(f"Writing {form}") as progress:
            rows = write(
                name,
                out,
                form,
                config=subset,
                unit=box_unit,
                max_pixels=max_pixels,
                revision=revision,
                overwrite=overwrite,
                progress=progress,
            )
        typer.echo(f"{rows} rows for {form}: {out}")
