"""GPUs that the installed torch can use."""

import warnings
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Gpu:
    """GPU of this machine.

    Attributes:
        name: Name of the model.
        memory_bytes: Memory.
        capability: CUDA compute capability, e.g. (9, 0).
    """

    name: str
    memory_bytes: int
    capability: tuple[int, int]

    @property
    def has_bf16(self) -> bool:
        """Whether it computes in bfloat16, and runs FlashAttention-2: compute capability 8.0 or higher."""
        return self.capability >= (8, 0)


@dataclass(frozen=True, slots=True)
class TorchInstall:
    """Installed torch.

    Attributes:
        version: Its version; empty if it cannot be imported.
        cuda: CUDA version that it was built for; empty for a build without CUDA.
        gpus: GPUs that it can use.
        error: Reason that it cannot be imported, or cannot use the GPU.
    """

    version: str = ""
    cuda: str = ""
    gpus: tuple[Gpu, ...] = ()
    error: str = ""


def torch_install() -> TorchInstall:
    """Import torch and look for GPUs."""
    try:
        import torch
    except (ImportError, OSError, RuntimeError) as error:  # a broken shared library is an OSError
        return TorchInstall(error=_first_line(error))
    cuda = str(torch.version.cuda or "")
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            count = torch.cuda.device_count() if torch.cuda.is_available() else 0
            gpus = tuple(_gpu(torch.cuda.get_device_properties(number)) for number in range(count))
        except RuntimeError as error:
            return TorchInstall(torch.__version__, cuda, error=_first_line(error))
    reason = _first_line(caught[0].message) if caught and not gpus else ""
    return TorchInstall(torch.__version__, cuda, gpus, reason)


def _gpu(properties: object) -> Gpu:
    return Gpu(
        str(getattr(properties, "name", "")),
        int(getattr(properties, "total_memory", 0)),
        (int(getattr(properties, "major", 0)), int(getattr(properties, "minor", 0))),
    )


def _first_line(error: object) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0]
