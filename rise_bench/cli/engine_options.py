"""Options of the commands that can run on an engine."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from rise_bench.errors import ConfigError

if TYPE_CHECKING:
    from rise_bench.cot.engines.settings import EngineSettings

EngineOption = Annotated[
    Literal["builtin", "datatrove"],
    typer.Option(help="What asks the model: this process, or ranks of datatrove (extra scale)."),
]
ExecutorOption = Annotated[
    Literal["local", "slurm", "ray"], typer.Option(help="Where the ranks of datatrove run.")
]
TasksOption = Annotated[
    int, typer.Option(min=1, help="Ranks of datatrove, each with --concurrency requests in flight.")
]
ServerOption = Annotated[
    Literal["endpoint", "vllm", "sglang"],
    typer.Option(help="Running servers, or one that each rank of datatrove starts."),
]
ServerArgOption = Annotated[
    list[str] | None,
    typer.Option(help="NAME=VALUE for vllm serve or SGLang, e.g. tensor-parallel-size=2; may be repeated."),
]
SbatchOption = Annotated[
    list[str] | None,
    typer.Option(help="NAME=VALUE for sbatch, e.g. partition=gpu or gres=gpu:1; may be repeated."),
]


def engine_of(
    engine: str,
    executor: Literal["local", "slurm", "ray"],
    tasks: int,
    server: Literal["endpoint", "vllm", "sglang"],
    server_args: Sequence[str] | None,
    sbatch: Sequence[str] | None,
    urls: Sequence[str],
) -> "EngineSettings | None":
    """Return the settings of the engine; None for this process.

    Raises:
        ConfigError: Options are missing, or do not go together.
        PrerequisiteError: The extra is not installed.
    """
    from rise_bench.catalog.extras import require_extra
    from rise_bench.cot.engines.settings import EngineSettings

    if engine == "builtin":
        for option, given in (
            ("--executor", executor != "local"),
            ("--tasks", tasks != 1),
            ("--server", server != "endpoint"),
            ("--server-arg", bool(server_args)),
            ("--sbatch", bool(sbatch)),
        ):
            if given:
                raise ConfigError(f"{option} is for --engine datatrove; give both, or leave it out")
        return None
    require_extra("scale")
    if executor == "ray" and server != "endpoint":
        raise ConfigError(
            f"--executor ray reserves no GPU for --server {server}; start servers and name them with "
            "--endpoint, or take --executor slurm or local"
        )
    if server == "endpoint":
        if not urls:
            raise ConfigError(
                "--engine datatrove asks servers; name one with --endpoint, or start one with --server vllm"
            )
        if server_args:
            raise ConfigError("--server-arg is for --server vllm or sglang; leave it out, or name one")
    elif urls:
        raise ConfigError(
            f"--server {server} starts servers, and --endpoint names one; leave one of them out"
        )
    return EngineSettings(
        executor, tasks, server, _pairs("--server-arg", server_args), _pairs("--sbatch", sbatch)
    )


def _pairs(option: str, texts: Sequence[str] | None) -> dict[str, str]:
    pairs = {}
    for text in texts or ():
        name, _, value = text.partition("=")
        name = name.strip().lstrip("-")
        if not name or any(sign.isspace() for sign in text):
            raise ConfigError(f"{option} {text!r} is not NAME=VALUE; write e.g. {option} time=12:00:00")
        pairs[name] = value
    return pairs
