"""Abilities of this machine, concluded from packages, GPUs and memory."""

from collections.abc import Sequence

from rise_bench.doctor.line import Line
from rise_bench.doctor.machine import GIB
from rise_bench.doctor.packages import missing_packages
from rise_bench.models.devices import TorchInstall

#: Parameters of Qwen2-VL-2B, the paper's model.
_PARAMETERS_2B = 2.21e9

#: Bytes per parameter of a full fine-tuning in bf16 with AdamW: weights and gradients 2 each, a float32 copy
#: and two moments 12; they are shared by GPUs under ZeRO-3.
_TRAINED_BYTES, _LOADED_BYTES = 16, 2

#: Share of a GPU's memory that is planned for, as in the recipes that `init` writes.
_USED = 0.9

#: Memory for the activations of a training step, and for a key-value cache.
_BESIDE_BYTES = 4 * GIB


def ability_lines(torch: TorchInstall) -> list[Line]:
    """Return the lines of what can be run."""
    return [
        _needs("drawn benchmarks", "demo, study, smoke recipes on a CPU", ("train", "eval"), torch),
        _needs("API models", "annotate, collect, verify with --endpoint", ("endpoint",), None),
        _needs("labels", "audit and review", ("audit", "review"), None),
        _large("evaluate 2B", "eval", _PARAMETERS_2B * _LOADED_BYTES, torch),
        _large("train 2B", "train", _PARAMETERS_2B * _TRAINED_BYTES, torch),
    ]


def _needs(name: str, value: str, extras: Sequence[str], torch: TorchInstall | None) -> Line:
    without = [extra for extra in extras if missing_packages(extra)]
    if without:
        fix = f'pip install "rise-bench[{",".join(without)}]"'
        return Line("runs", name, "missing", f"{value}: not yet", fix)
    if torch is not None and not torch.version:
        return Line("runs", name, "missing", f"{value}: not yet", "see the line of torch")
    return Line("runs", name, "ok", value)


def _large(name: str, extra: str, states_bytes: float, torch: TorchInstall) -> Line:
    """Compare the memory of all GPUs with that of weights and optimiser, and what each needs beside."""
    ready = _needs(name, "Qwen2-VL-2B in bf16", (extra,), torch)
    if ready.state != "ok":
        return ready
    needed = f"about {(states_bytes + _BESIDE_BYTES) / _USED / GIB:.0f} GiB"
    usable = sum(max(0.0, _USED * gpu.memory_bytes - _BESIDE_BYTES) for gpu in torch.gpus)
    if usable < states_bytes:
        total = sum(gpu.memory_bytes for gpu in torch.gpus) / GIB
        value = f"{ready.value} needs {needed} of GPU memory; there are {total:.0f} GiB"
        fix = "a recipe `…-lora` needs about 16 GiB; `rise-bench train STAGE --check` says what yours needs"
        return Line("runs", name, "missing", value, fix)
    spread = f", over {len(torch.gpus)} GPUs" if len(torch.gpus) > 1 else ""
    return Line("runs", name, "ok", f"{ready.value}: {needed} of GPU memory{spread}")
