"""`rise-bench eval`: run tasks through lmms-eval, with its flags."""

from functools import partial
from typing import Annotated, Any

import typer

from rise_bench.annotations.answer_format import Style
from rise_bench.annotations.boxes.values import BoxUnit
from rise_bench.cli import app
from rise_bench.cli.choices import AsJson, Resamples

_WHAT, _MODEL, _HOW, _FILES = "What is run", "Model", "How it is run", "Files"


def _flag(name: str, panel: str, text: str, *short: str) -> Any:
    """Return an option for a flag of lmms-eval, spelt with underscores or hyphens."""
    spellings = dict.fromkeys((f"--{name}", f"--{name.replace('_', '-')}", *short))
    return typer.Option(*spellings, help=text, rich_help_panel=panel, show_default=False)


@app.command(
    "eval",
    context_settings={"allow_extra_args": True, "ignore_unknown_options": True},
    epilog="Example: rise-bench eval --tasks rise_emotion6 --model qwen2_vl "
    "--model_args pretrained=Qwen/Qwen2-VL-2B-Instruct",
)
def evaluate(
    context: typer.Context,
    tasks: Annotated[
        str, _flag("tasks", _WHAT, "Tasks or groups by commas: rise_emotion6, rise (all four), rise_custom.")
    ] = "",
    limit: Annotated[
        str, _flag("limit", _WHAT, "First N samples of a task, or a share below 1: a trial, no score.")
    ] = "",
    offset: Annotated[str, _flag("offset", _WHAT, "Sample to begin with; a trial, no score.")] = "",
    config: Annotated[str, _flag("config", _WHAT, "YAML file with these flags; the command line wins.")] = "",
    box_unit: Annotated[
        BoxUnit | None,
        typer.Option(help="Unit of boxes; by default that of the checkpoint's training run, or family."),
    ] = None,
    style: Annotated[
        Style | None,
        typer.Option(help="Form of the answers; by default that of the checkpoint's run, or think_answer."),
    ] = None,
    model: Annotated[
        str,
        _flag("model", _MODEL, "How it runs: qwen2_vl, qwen2_5_vl, rise_hf (others), vllm, openai, …"),
    ] = "",
    model_args: Annotated[
        str,
        _flag(
            "model_args",
            _MODEL,
            "name=value by commas. pretrained: a folder, a training run, a Hub id or rise-bench-base. "
            "min_pixels, max_pixels: image limits, if not the checkpoint's own. device=cpu,device_map=cpu: "
            "no GPU. model, base_url, api_key: a server (openai).",
        ),
    ] = "",
    batch_size: Annotated[str, _flag("batch_size", _HOW, "Samples per batch; 1 by default.", "-b")] = "",
    gen_kwargs: Annotated[
        str, _flag("gen_kwargs", _HOW, "Sampling, e.g. max_new_tokens=512,temperature=0.")
    ] = "",
    seed: Annotated[str, _flag("seed", _HOW, "Seed of all random generators.")] = "",
    use_cache: Annotated[
        str,
        _flag("use_cache", _HOW, "Folder of responses: the same command repeats only failed requests.", "-c"),
    ] = "",
    num_processes: Annotated[
        int, typer.Option(min=1, help="Data-parallel processes, one per GPU.", rich_help_panel=_HOW)
    ] = 1,
    output_path: Annotated[
        str,
        _flag(
            "output_path", _FILES, "Folder of the output, one subfolder per evaluation; `results` by default."
        ),
    ] = "",
    verbosity: Annotated[str, _flag("verbosity", _FILES, "DEBUG also shows lmms-eval's log.")] = "",
    resamples: Resamples = 1000,
    as_json: AsJson = False,
) -> None:
    """Evaluate a model with lmms-eval: scores with intervals, beside the baselines.

    Unlike lmms-eval, it fails without results, on an exception, and on failed or missing responses. Other
    flags are passed on to lmms-eval; `lmms-eval eval --help` lists them.
    """
    from rise_bench.cli.tables import print_json, print_run
    from rise_bench.evaluation.lmms_eval import evaluate as run_evaluation

    flags = {
        "tasks": tasks, "limit": limit, "offset": offset, "config": config, "model": model,
        "model_args": model_args, "batch_size": batch_size, "gen_kwargs": gen_kwargs, "seed": seed,
        "use_cache": use_cache, "output_path": output_path, "verbosity": verbosity,
    }  # fmt: skip
    given = [part for name, value in flags.items() if value for part in (f"--{name}", value)]
    evaluated = run_evaluation(
        [*given, *context.args],
        box_unit=box_unit,
        style=style,
        processes=num_processes,
        resamples=resamples,
        tell=partial(typer.echo, err=True),
    )
    if as_json:
        print_json({task.task: task.to_json() for task in evaluated})
        return
    for task in evaluated:
        print_run(task.run)
        if task.partial:
            typer.echo(f"{task.task}: only part of the samples, by --limit or --offset; this is not a score.")
        typer.echo(f"samples: {task.samples}\n")
