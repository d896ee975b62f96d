"""One static HTML file about a training run: curves, sample rollouts, settings. No script, no outside file.

The run folder is read as it lies on disk (`config.yaml`, `run.json`, `metrics.jsonl`, `rollouts/`), so that a
report can be made anywhere the folder is copied to, also while the run goes on.
"""

from __future__ import annotations

import json
import logging
import math
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import yaml

from rise_bench.cot.rollout_log import latest_rollouts
from rise_bench.data.dataset import BenchmarkDataset
from rise_bench.errors import DataError, RiseError
from rise_bench.files.atomic import atomic_write_text
from rise_bench.hub.find import find_benchmark
from rise_bench.rendering.downloads import csv_address
from rise_bench.rendering.line_chart import figure
from rise_bench.rendering.render import render
from rise_bench.reports.rollout_cards import sample_cards

_log = logging.getLogger(__name__)
Row = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Panel:
    """Chart of a report.

    Attributes:
        title: Title of the chart.
        meaning: Explanation.
        metrics: Label in the legend by name in the log.
        share: Whether it is a share or a score, drawn on 0 to 1.
    """

    title: str
    meaning: str
    metrics: dict[str, str]
    share: bool = False


PANELS = (
    Panel("Reward", "mean over the rollouts of a step", {"reward": "reward"}, share=True),
    Panel(
        "Reward of eq. 1",
        "by what the annotation is reconstructed from",
        {"reward_eq1": "beside the picture", "reward_blind": "without the picture"},
        share=True,
    ),
    Panel("Similarity", "to the truth, whatever leak and format", {"similarity": "similarity"}, share=True),
    Panel("Format rate", "share of rollouts in the asked form", {"format_ok": "format ok"}, share=True),
    Panel(
        "Leak rate",
        "share of chains of thought",
        {"leak_numbers": "leaks", "leak_strict": "leaks or class names"},
        share=True,
    ),
    Panel(
        "Zero-variance groups",
        "equal rewards, no gradient",
        {"frac_reward_zero_std": "share of groups"},
        share=True,
    ),
    Panel("Reward spread", "within groups", {"reward_std": "standard deviation"}),
    Panel(
        "Lengths",
        "tokens, mean",
        {
            "cot_length": "chain of thought",
            "reconstruction_length": "reconstruction",
            "completions/mean_length": "completion",
        },
    ),
    Panel(
        "Cut off", "at the length limit", {"completions/clipped_ratio": "share of completions"}, share=True
    ),
    Panel("Loss", "as the trainer logs it", {"loss": "loss"}),
    Panel(
        "Token accuracy", "most probable token is the target", {"mean_token_accuracy": "share"}, share=True
    ),
    Panel("Entropy", "nats per token", {"entropy": "entropy"}),
    Panel("Gradient norm", "before clipping", {"grad_norm": "norm"}),
    Panel("Learning rate", "", {"learning_rate": "rate"}),
)


def write_report(run: Path, out: Path | None = None, *, samples: int = 12) -> Path:
    """Write the report of a run folder with `samples` rollouts, to `RUN/report.html` if `out` is None."""
    path = out or run / "report.html"
    atomic_write_text(path, render_report(run, samples=samples))
    return path


def render_report(run: Path, *, samples: int = 12) -> str:
    """Return the report of a run folder as HTML."""
    config = _read_config(run)
    metrics = read_metrics(run)
    dataset, trouble = _open_benchmark(config["data"]["benchmark"])
    name = dataset.spec.name if dataset else Path(config["data"]["benchmark"]).name
    phases = dict.fromkeys(row["phase"] for row in metrics)
    rollouts = latest_rollouts([run / "rollouts"])
    return render(
        "run_report.html.j2",
        title=f"{config['stage']} on {name} ({config['data']['shots']})",
        facts=_facts(run, config, metrics),
        phases={phase: _curves([row for row in metrics if row["phase"] == phase]) for phase in phases},
        cards=sample_cards(rollouts, dataset, config, samples) if rollouts else "",
        trouble=trouble,
        downloads={"metrics.csv": csv_address(metrics, ("phase", "step", "time"))} if metrics else {},
        settings=(run / "config.yaml").read_text(encoding="utf-8"),
    )


def read_metrics(run: Path) -> list[Row]:
    """Logged steps in order; a (phase, step) that a resumed run logged again counts once, later lines win."""
    path = run / "metrics.jsonl"
    rows: dict[tuple[str, int], Row] = {}
    for line in path.read_text(encoding="utf-8").splitlines() if path.exists() else ():
        try:
            row = json.loads(line)
        except ValueError:  # truncated by a kill
            continue
        rows.setdefault((row["phase"], row["step"]), {}).update(row)
    return list(rows.values())


def _read_config(run: Path) -> Row:
    path = run / "config.yaml"
    if not path.is_file():
        raise DataError(
            f"{run} is not a run folder: it has no config.yaml. Give the run.output_dir of a run."
        )
    config: Row = yaml.safe_load(path.read_text(encoding="utf-8"))
    return config


def _open_benchmark(name: str) -> tuple[BenchmarkDataset | None, str]:
    try:
        return find_benchmark(name, images=False), ""
    except RiseError as error:
        _log.warning("report without images: %s", error)
        return None, str(error)


def _facts(run: Path, config: Row, metrics: list[Row]) -> dict[str, str]:
    facts = {"Model": config["model"]["name"]}
    path = run / "run.json"
    if path.exists():
        record = json.loads(path.read_text(encoding="utf-8"))
        git = record.get("git") or {}
        facts["Started"] = f"{record['starts'][0]['time']}, {len(record['starts'])} start(s)"
        if metrics and (seconds := _duration_s(record["starts"][0]["time"], metrics)) is not None:
            facts["Duration"] = f"{seconds / 60:.1f} min from the first start to the last logged step"
        facts["Processes"] = str(record["world_size"])
        facts["Versions"] = ", ".join(f"{k} {v}" for k, v in record["versions"].items())
        if git:
            facts["Commit"] = git["commit"][:12] + (" with local changes" if git["dirty"] else "")
    if metrics:
        facts["Steps"] = ", ".join(
            f"{phase}: {max(r['step'] for r in metrics if r['phase'] == phase)}"
            for phase in dict.fromkeys(row["phase"] for row in metrics)
        )
    return facts


def _duration_s(start: str, metrics: list[Row]) -> float | None:
    """Seconds from a start, in UTC, to the last logged step; None in a log without times."""
    times = [row["time"] for row in metrics if "time" in row]
    began = datetime.strptime(start, "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=UTC)
    return max(times) - began.timestamp() if times else None


def _curves(rows: list[Row]) -> list[Row]:
    figures = []
    for panel in PANELS:
        series = {
            label: points
            for name, label in panel.metrics.items()
            if (points := [(row["step"], float(row[name])) for row in rows if name in row])
        }
        if series:
            finite = [y for points in series.values() for _, y in points if math.isfinite(y)]
            low = min([0.0, *finite]) if panel.share or panel.title == "Lengths" else None
            high = max([1.0, *finite]) if panel.share else None
            figures.append(figure(panel.title, panel.meaning, series, low=low, high=high))
    return figures
