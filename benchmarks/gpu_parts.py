"""The parts of `benchmarks/gpu.sh`, each in a process of its own with a time limit; prints one JSON.

A part that fails or does not fit into the time says so in its place, and the others run; the exit code is 1
if one failed.
"""

import argparse
import contextlib
import importlib.metadata
import importlib.util
import itertools
import json
import re
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import torch
from train_step_model import SHAPES, make_model

HERE = Path(__file__).parent
PACKAGES = ("torch", "transformers", "trl", "accelerate", "rise-bench", "flash-attn", "vllm")

#: A part needs at least these seconds to be started.
LEAST_S = 20

#: Work of a part: pictures, prompts of a step, rollouts of a prompt; rows and tokens of the comparison of the
#: prefix tree; steps of RISE-CoT. On a CPU it is that of a test of the way.
ON_GPU = {"image_px": 448, "prompts": 2, "generations": 8, "rows": 8, "length": 64, "steps": 8}
ON_CPU = {"image_px": 112, "prompts": 1, "generations": 2, "rows": 4, "length": 16, "steps": 2}

#: A CPU has all the seconds that are left for a part, but for these for each part after it.
CPU_RESERVE_S = 90


@dataclass(frozen=True)
class Part:
    """A part.

    Attributes:
        name: Key in the JSON.
        command: Its command.
        seconds: Its time limit.
        run: Run folder, whose metrics are the result; else the JSON that the command prints.
        needs: Python module without which it is not run.
        on_cpu: Whether a CPU can run it.
    """

    name: str
    command: list[str]
    seconds: float
    run: Path | None = None
    needs: str = ""
    on_cpu: bool = True


def parts(folder, model, shape, gpu):
    """The parts in order of their importance."""
    work = ON_GPU if gpu else ON_CPU
    side = [str(work["image_px"])] * 2
    step = [sys.executable, str(HERE / "train_step.py"), "--shape", shape, "--model", str(model)]
    step += ["--rounds", "1", "--steps", "1", "--prompts", str(work["prompts"]), "--image-px", *side]
    step += ["--generations", str(work["generations"]), "--loops"]
    exact = [sys.executable, str(HERE / "tree_exactness.py"), "--model", str(model)]
    if not gpu:
        exact += ["--image-px", *side, "--rows", str(work["rows"]), "--length", str(work["length"])]
    rise = [sys.executable, "-m", "rise_bench", "train", "rise_cot", "--recipe", "world/rise_cot"]
    rise += [f"data.benchmark={folder / 'moods'}", "data.shots=full", "compute.bf16=true"]
    rise += [f"compute.use_cpu={str(not gpu).lower()}"]
    smoke, engine = folder / "smoke", folder / "vllm"
    return [
        Part("step_sdpa", [*step, "ours", "grpo", "authors", "--attention", "sdpa"], 170),
        Part("tree_exactness_bf16", exact, 90),
        Part("rise_cot_bf16", [*rise, f"grpo.steps={work['steps']}", f"run.output_dir={smoke}"], 90, smoke),
        Part(
            "step_flash_attention_2",
            [*step, "ours", "grpo", "authors", "--attention", "flash_attention_2"],
            110,
            needs="flash_attn",
            on_cpu=False,
        ),
        Part(
            "rise_cot_vllm",
            [*rise, "grpo.steps=3", "grpo.vllm=colocate", f"run.output_dir={engine}"],
            120,
            engine,
            needs="vllm",
            on_cpu=False,
        ),
        Part("step_flex_attention", [*step, "grpo", "--attention", "flex_attention"], 110, on_cpu=False),
    ]


def run(part, left_s, gpu):
    """The result of a part, which has these seconds at most."""
    if not (gpu or part.on_cpu):
        return {"not_run": "it needs a GPU, and there is none"}
    if part.needs and importlib.util.find_spec(part.needs) is None:
        return {"not_run": f"{part.needs} is not installed"}
    if left_s < LEAST_S:
        return {"not_run": "no time left"}
    begun = time.monotonic()
    limit = min(part.seconds, left_s) if gpu else left_s
    try:
        done = subprocess.run(part.command, capture_output=True, text=True, check=False, timeout=limit)
    except subprocess.TimeoutExpired:
        return {"failed": f"not done in {limit:.0f} s"}
    seconds = round(time.monotonic() - begun, 1)
    if done.returncode:
        return {"failed": done.stderr.strip()[-600:], "seconds": seconds}
    result = read_metrics(part.run) if part.run else last_json(done.stdout)
    return {"seconds": seconds, **result}


def last_json(text):
    """The JSON at the end of what a command printed; trainers print Python dictionaries before it."""
    for start in reversed([match.start() for match in re.finditer(r"^\{", text, re.MULTILINE)]):
        try:
            return json.loads(text[start:])
        except ValueError:
            continue
    return {"failed": "printed no JSON"}


def read_metrics(folder):
    """Steps, rewards and seconds per step of a run."""
    lines = (folder / "metrics.jsonl").read_text(encoding="utf-8").splitlines()
    logged = [row for row in map(json.loads, lines) if "reward" in row]
    times = [row["time"] for row in logged]
    gaps = sorted(after - before for before, after in itertools.pairwise(times))
    return {
        "steps": logged[-1]["step"] if logged else 0,
        "reward_first_last": [logged[0]["reward"], logged[-1]["reward"]] if logged else None,
        "loss_is_finite": all(abs(row.get("loss", 0.0)) < float("inf") for row in logged),
        "median_seconds_per_step": round(gaps[len(gaps) // 2], 2) if gaps else None,
    }


def version(name):
    """Installed version, or None."""
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return None


def run_all(options, gpu, begun):
    """Number of weights of the model, and the result of each part by name."""
    options.folder.mkdir(parents=True, exist_ok=True)
    dtype, device = (torch.bfloat16, "cuda") if gpu else (torch.float32, "cpu")
    model, weights = make_model(options.folder, SHAPES[options.shape], dtype, device)
    if gpu:
        torch.cuda.empty_cache()
    build = [sys.executable, "-m", "rise_bench", "build", "moods", "--train", "64", "--test", "2"]
    subprocess.run([*build, "--out", str(options.folder / "moods")], check=True, stdout=subprocess.DEVNULL)
    chosen, results = parts(options.folder, model, options.shape, gpu), {}
    for number, part in enumerate(chosen, 1):
        left = options.seconds - (time.monotonic() - begun)
        if not gpu:
            left -= CPU_RESERVE_S * sum(later.on_cpu for later in chosen[number:])
        result = results[part.name] = run(part, left, gpu)
        print(f"{part.name}: {result.get('seconds', result)}", file=sys.stderr)
    return weights, results


def main():
    """Run the parts and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--shape", choices=SHAPES, default="qwen2-vl-2b")
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--seconds", type=float, default=500)
    options = parser.parse_args()
    begun, gpu = time.monotonic(), torch.cuda.is_available()
    with contextlib.redirect_stdout(sys.stderr):  # libraries print, too
        weights, results = run_all(options, gpu, begun)
    memory = torch.cuda.get_device_properties(0).total_memory / 2**30 if gpu else None
    print(
        json.dumps(
            {
                "device": torch.cuda.get_device_name() if gpu else f"cpu, {torch.get_num_threads()} threads",
                "device_memory_gib": memory,
                "shape": options.shape,
                "weights_millions": round(weights / 1e6, 1),
                "versions": {name: version(name) for name in PACKAGES},
                "seconds": round(time.monotonic() - begun, 1),
                "parts": results,
            },
            indent=1,
        )
    )
    if any("failed" in result for result in results.values()):
        sys.exit(1)


if __name__ == "__main__":
    main()
