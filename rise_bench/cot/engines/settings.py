"""Settings of an engine."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

Executor = Literal["local", "slurm", "ray"]
Server = Literal["endpoint", "vllm", "sglang"]


@dataclass(frozen=True, slots=True)
class EngineSettings:
    """Settings of datatrove.

    Attributes:
        executor: Place of the ranks: processes of this machine, an array job of Slurm, or tasks of Ray.
        tasks: Number of ranks; each has `concurrency` requests in flight.
        server: Running servers, or a server that each rank starts.
        server_options: Options of the server that a rank starts, by their names without dashes.
        sbatch: Options of `sbatch` by their names without dashes.
    """

    executor: Executor = "local"
    tasks: int = 1
    server: Server = "endpoint"
    server_options: Mapping[str, str] = field(default_factory=dict)
    sbatch: Mapping[str, str] = field(default_factory=dict)
