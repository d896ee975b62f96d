"""Starts a training run on the GPUs that the recipe asks for.

`compute.accelerate` names a config of `accelerate launch`: a file of the folder accelerate/, or a path of the
user's. Started by hand, `rise-bench train` replaces itself by `accelerate launch` with that config; started
by a launcher (accelerate, torchrun, srun with RANK set), or with `compute.accelerate=none`, it trains.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any

import yaml

from rise_bench.cot.launcher import place_among_processes
from rise_bench.errors import ConfigError, PrerequisiteError
from rise_bench.trainers.settings.config import TrainConfig

ACCELERATE_DIR = Path(__file__).parents[1] / "accelerate"

#: ZeRO stage of Accelerate where a config does not say.
_USUAL_STAGE = 2
_NO_FSDP = (
    "FSDP is not supported: a run could not go on after a crash. Set compute.accelerate=zero3, or write "
    "distributed_type: DEEPSPEED into your accelerate config."
)


def launch_command(config: TrainConfig, arguments: list[str], *, gpus: int | None = None) -> list[str] | None:
    """Return the command that starts a process per GPU, or None if this process is to train.

    Args:
        config: Resolved config.
        arguments: Arguments after `rise-bench`, passed to every process.
        gpus: GPUs of this machine; counted if None.

    Raises:
        ConfigError: No such accelerate config, a multi-node launch without its environment, or several GPUs
            for one process.
        PrerequisiteError: The config needs GPUs and there is none.
    """
    if os.environ.get("ACCELERATE_USE_FSDP", "false").lower() in ("1", "true"):
        raise ConfigError(_NO_FSDP)
    if "ACCELERATE_MIXED_PRECISION" in os.environ:
        return None
    if "RANK" in os.environ:
        _refuse_own_config(config)
        return None
    if config.compute.accelerate == "none":
        _refuse_several(config, gpus)
        return None
    gpus = _gpus() if gpus is None else gpus
    path = accelerate_config(config.compute.accelerate)
    settings: dict[str, Any] = yaml.safe_load(path.read_text(encoding="utf-8"))
    if settings.get("distributed_type") == "FSDP":
        raise ConfigError(_NO_FSDP)
    if gpus == 0 and not settings.get("use_cpu"):
        raise PrerequisiteError(
            f"compute.accelerate = {config.compute.accelerate} needs a GPU and this machine shows none. "
            "Set compute.accelerate=none compute.use_cpu=true compute.bf16=false, or try a smoke recipe."
        )
    options = ["--config_file", str(path)]
    if "deepspeed_config_file" in settings.get("deepspeed_config", {}) and path.parent == ACCELERATE_DIR:
        file = Path(settings["deepspeed_config"]["deepspeed_config_file"]).name
        options += ["--deepspeed_config_file", str(ACCELERATE_DIR / file)]
    if settings.get("num_machines", 1) > 1:
        options += _machines(gpus)
    else:
        asked = int(settings.get("num_processes") or gpus or 1)
        options += ["--num_processes", str(min(gpus or asked, asked))]
    return [sys.executable, "-m", "accelerate.commands.launch", *options, "-m", "rise_bench", *arguments]


def _refuse_own_config(config: TrainConfig) -> None:
    """Refuse a config of the user's, which only `accelerate launch` reads, under another launcher."""
    if not is_shipped(config.compute.accelerate):
        raise ConfigError(
            f"compute.accelerate = {config.compute.accelerate} is read by `accelerate launch`, and RANK is "
            "set by another launcher. Start `rise-bench train` by itself, or set compute.accelerate to one "
            f"of none, {_shipped_names()}."
        )


def _refuse_several(config: TrainConfig, gpus: int | None) -> None:
    """Refuse one process that sees several GPUs, over which the model would be spread."""
    if config.compute.use_cpu:
        return
    if (gpus := _gpus() if gpus is None else gpus) > 1:
        raise ConfigError(
            f"compute.accelerate = none trains on one GPU, and {gpus} are visible. "
            "Set CUDA_VISIBLE_DEVICES=0, or compute.accelerate=ddp."
        )


def _gpus() -> int:
    import torch

    return torch.cuda.device_count()


def launched_with_deepspeed() -> bool:
    """Whether `accelerate launch` started this process with a config of DeepSpeed."""
    return os.environ.get("ACCELERATE_USE_DEEPSPEED", "false").lower() in ("1", "true")


def check_environment() -> int:
    """Return the number of processes of this run by the launcher's variables; 1 without a launcher."""
    _, processes = place_among_processes()
    place_among_processes(("LOCAL_RANK", "LOCAL_WORLD_SIZE"))
    missing = [name for name in ("MASTER_ADDR", "MASTER_PORT") if name not in os.environ]
    if processes > 1 and missing:
        raise ConfigError(
            f"WORLD_SIZE={processes} is set and {' and '.join(missing)} not, so that the processes cannot "
            "find one another. Start by torchrun or accelerate, or unset RANK and WORLD_SIZE to train in one "
            "process."
        )
    if processes > 1 and "LOCAL_RANK" not in os.environ:
        raise ConfigError(
            f"WORLD_SIZE={processes} is set and LOCAL_RANK not, by which each process takes its GPU. Start "
            "by torchrun or accelerate, or under srun `export LOCAL_RANK=$SLURM_LOCALID` in each task."
        )
    return processes


def accelerate_config(name: str) -> Path:
    """File of an accelerate config, by shipped name (`zero3`) or by path."""
    shipped = ACCELERATE_DIR / f"{name}.yaml"
    for path in (shipped, Path(name).expanduser()):
        if path.is_file():
            return path
    raise ConfigError(
        f"compute.accelerate = {name!r} is not a file. Choose none, {_shipped_names()}, or a path."
    )


def is_shipped(name: str) -> bool:
    """Whether a value of `compute.accelerate` is none or names a config of this package."""
    return name == "none" or (ACCELERATE_DIR / f"{name}.yaml").is_file()


def is_launch_known(config: TrainConfig) -> bool:
    """Whether no config of the user's, which may keep states off the GPU, starts the processes."""
    by_hand = config.compute.accelerate == "none" and "ACCELERATE_MIXED_PRECISION" in os.environ
    return is_shipped(config.compute.accelerate) and not by_hand


def zero_stage(name: str) -> int:
    """Return the ZeRO stage of a launch: 0 without DeepSpeed.

    Args:
        name: `compute.accelerate`; what `accelerate launch` says of its own config comes before it.
    """
    if launched_with_deepspeed():
        file = os.environ.get("ACCELERATE_DEEPSPEED_CONFIG_FILE", "")
        stage = os.environ.get("ACCELERATE_DEEPSPEED_ZERO_STAGE", "")
        return _stage_of_file(Path(file)) if file else int(stage) if stage.isdecimal() else _USUAL_STAGE
    if name == "none":
        return 0
    path = accelerate_config(name)
    settings = yaml.safe_load(path.read_text(encoding="utf-8"))
    deepspeed = settings.get("deepspeed_config") or {}
    if named := deepspeed.get("deepspeed_config_file"):
        return _stage_of_file(ACCELERATE_DIR / Path(named).name if is_shipped(name) else Path(named))
    sharded = settings.get("distributed_type") == "DEEPSPEED"
    return int(deepspeed.get("zero_stage", _USUAL_STAGE)) if sharded else 0


def _stage_of_file(path: Path) -> int:
    try:
        settings = json.loads(path.read_text(encoding="utf-8"))
        return int(settings.get("zero_optimization", {}).get("stage", 0))
    except (OSError, ValueError, TypeError, AttributeError) as error:
        raise ConfigError(
            f"{path} is not a DeepSpeed config ({error}). Name another in the config."
        ) from error


def _shipped_names() -> str:
    return ", ".join(sorted(path.stem for path in ACCELERATE_DIR.glob("*.yaml")))


def _machines(gpus: int) -> list[str]:
    needed = ("MASTER_ADDR", "MASTER_PORT", "NNODES", "NODE_RANK")
    if missing := [name for name in needed if name not in os.environ]:
        raise ConfigError(
            f"a multi-node launch needs {', '.join(missing)} in the environment. "
            "Set on each machine: MASTER_ADDR, MASTER_PORT, NNODES, NODE_RANK (from 0)."
        )
    address, port, nodes, rank = (os.environ[name] for name in needed)
    return [
        *("--main_process_ip", address),
        *("--main_process_port", port),
        *("--num_machines", nodes),
        *("--machine_rank", rank),
        *("--num_processes", str(int(nodes) * gpus)),
    ]
