"""Verify many submissions and build the site of them.

    python benchmarks/leaderboard.py [--submissions 1000] [--samples 800] [--benchmark coco_sub]

Makes a benchmark and complete submissions to it (not timed), then verifies all, builds the site, weighs its
first page and opens pages in headless Chromium from a server on loopback (left out where there is none).
Prints one JSON object. Aims: 20 submissions a second verified on 2 cores after the truth is loaded, the site
in under 2 minutes, a first page under 300 kB that is usable within 1 s.
"""

import argparse
import functools
import http.server
import json
import os
import random
import resource
import shutil
import statistics
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

from rise_bench.annotations.base import Frame, Gold
from rise_bench.annotations.boxes.values import Boxes
from rise_bench.annotations.distribution.values import Distribution
from rise_bench.catalog.benchmarks import BENCHMARKS
from rise_bench.data.build_plan import SourcePlan, SourceRow
from rise_bench.data.dataset import open_dataset
from rise_bench.data.writer import write_dataset
from rise_bench.leaderboards.moderation.batch import verify_all
from rise_bench.leaderboards.parallel import each
from rise_bench.leaderboards.submissions.samples import render_samples
from rise_bench.leaderboards.submissions.schema import Submission, describe_samples, write_submission
from rise_bench.leaderboards.verification.gold_board import (
    BoardSettings,
    GoldBoard,
    load_gold,
    write_settings,
)
from rise_bench.leaderboards.web.build import build_site
from rise_bench.prompts.templates import prompt_hash
from rise_bench.scoring.scores import aggregate, score_response

WORDS = """
the a large small dark bright left right upper lower corner window dog cat street sky water light shadow
behind above face hand table chair tree wall colour red green blue grey soft sharp edge shape group stands
looks holds seems calm tense open closed round old new broken wooden metal glass stone cloth paper
""".split()
TRAIN = 40


def plan(name: str, samples: int) -> SourcePlan:
    """Plan a benchmark of flat images."""
    rng, spec = random.Random(name), BENCHMARKS[name]
    categories = tuple(f"thing {i}" for i in range(80)) if name == "coco_sub" else ()
    rows = []
    for i in range(TRAIN + samples):
        width, height = rng.choice(((640, 480), (480, 640), (640, 427)))
        annotation = Boxes(tuple(box(rng, width, height) for _ in range(rng.choice((1, 1, 1, 2, 3, 6)))))
        if spec.kind == "distribution":
            annotation = Distribution(spec.classes, probs(rng, len(spec.classes)))
        category = categories[i % 80] if categories else ""
        rows.append(SourceRow(f"{name}/{i:05}", f"{i:05}", image(width, height, i), annotation, category))
    return SourcePlan(spec, rows[:TRAIN], rows[TRAIN:], categories)


def image(width: int, height: int, number: int) -> bytes:
    """Return a PNG of one colour, another for each number."""
    import io

    from PIL import Image

    out = io.BytesIO()
    colour = (number % 256, number // 256 % 256, 90)
    Image.new("RGB", (width, height), colour).save(out, "PNG")
    return out.getvalue()


def box(rng: random.Random, width: int, height: int) -> tuple[float, float, float, float]:
    """Return a box inside the image."""
    w, h = rng.uniform(20, width / 2), rng.uniform(20, height / 2)
    return rng.uniform(0, width - w), rng.uniform(0, height - h), w, h


def probs(rng: random.Random, count: int) -> tuple[float, ...]:
    """Return random probabilities."""
    weights = [rng.expovariate(1) for _ in range(count)]
    return tuple(w / sum(weights) for w in weights)


def response(gold: Gold, rng: random.Random, noise: float) -> str:
    """Return a CoT of random words and an answer that is off by some noise."""
    think = " ".join(rng.choices(WORDS, k=80))
    if isinstance(gold.annotation, Distribution):
        mixed = zip(gold.annotation.probs, probs(rng, len(gold.annotation.probs)), strict=True)
        answer = [round((1 - noise) * p + noise * q, 3) for p, q in mixed]
        stated: object = dict(zip(gold.annotation.classes, answer, strict=True))
    else:
        boxes = gold.annotation.rescale(gold.frame_px, Frame(1000, 1000)).xywh
        stated = [[max(1, round(side + rng.gauss(0, 150 * noise))) for side in b] for b in boxes]
    return f"<think>{think}</think><answer>{json.dumps(stated)}</answer>"


class Make:
    """Writes submission number n; the claims are scored by the library."""

    def __init__(self, board: GoldBoard, results: Path) -> None:
        self.board, self.results = board, results

    def __call__(self, number: str) -> None:
        """Write it."""
        n, board = int(number), self.board
        rng = random.Random(n)
        noise = rng.uniform(0.1, 0.9)
        responses = {gold.id: response(gold, rng, noise) for gold in board.golds}
        scores = [score_response(gold, responses[gold.id]) for gold in board.golds]
        report = aggregate(board.spec, board.golds, scores, reference=board.reference, resamples=0)
        samples = render_samples(responses)
        submission = Submission.model_validate(
            {
                "schema_version": 1,
                "benchmark": board.spec.name,
                "shots": ("4-shot", "16-shot", "full")[n % 3] if n % 2 else "full",
                "model": {"id": f"org{n % 50}/model-{n}", "revision": f"{n:040x}", "name": f"Model {n}"},
                "dataset": {"content_sha256": board.pin.content_sha256},
                "prompt": {"prompt_hash": prompt_hash(board.spec)},
                "decoding": {"temperature": 0, "max_new_tokens": 512, "seed": n},
                "run": {"by": "bench", "date": "2026-01-01", "hardware": "none", "versions": {}},
                "metrics": {name: interval.value for name, interval in report.metrics.items()},
                "samples": describe_samples(samples).model_dump(),
            }
        )
        write_submission(self.results / "submissions" / f"org{n % 50}" / f"model-{n}", submission, samples)


class Server(http.server.SimpleHTTPRequestHandler):
    """A plain file server that says nothing."""

    def log_message(self, *args: object) -> None:
        """Keep quiet."""


#: True once a visitor can use a page: headings sort, filters are there; or the samples are drawn.
READY = "document.querySelector('th button, .sample')"
#: Runs before the page: notes when it became usable, by the page's own clock, which starts at the navigation.
WATCH = f"""
new MutationObserver((_, observer) => {{
  if (!{READY}) return;
  window.readyAt = performance.now();
  observer.disconnect();
}}).observe(document, {{childList: true, subtree: true}});
"""


def open_pages(site: Path, pages: dict[str, str], times: int) -> dict[str, Any]:
    """Open pages with an empty cache and say when each could be used, and what it cost the browser.

    Returns:
        Name -> milliseconds from the start of the navigation until it can be used (median, worst), and of
        script and of the page's whole main thread (medians, time on the CPU).
    """
    sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests" / "support"))
    from chromium import find_chromium, launch

    chromium = find_chromium()
    if chromium is None:
        return {"skipped": "no Chromium: install the package chromium"}
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Server, directory=str(site)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    timings: dict[str, Any] = {}
    with launch(chromium) as browser:
        browser.screen(1280, 900)
        browser.send("Performance.enable", timeDomain="threadTicks")
        browser.send("Page.addScriptToEvaluateOnNewDocument", source=WATCH)
        for name, page in pages.items():
            runs = []
            for _ in range(times + 1):
                browser.open("about:blank#")
                browser.send("Network.clearBrowserCache")
                browser.open(f"http://127.0.0.1:{server.server_port}/{page}")
                browser.wait("window.readyAt")
                costs = browser.send("Performance.getMetrics")["metrics"]
                cost = {metric["name"]: 1000 * metric["value"] for metric in costs}
                runs.append((browser.run("window.readyAt"), cost["ScriptDuration"], cost["TaskDuration"]))
            ready, script, task = zip(*runs[1:], strict=True)  # the first also starts the tab's process
            timings[name] = {
                "usable_ms": round(statistics.median(ready)),
                "usable_worst_ms": round(max(ready)),
                "script_cpu_ms": round(statistics.median(script)),
                "main_thread_cpu_ms": round(statistics.median(task)),
            }
    server.shutdown()
    return timings


def cpu_seconds() -> float:
    """CPU time of this process and of its workers that have ended; tells a busy machine from slow code."""
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(u.ru_utime + u.ru_stime for u in used)


def main() -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--submissions", type=int, default=1_000)
    parser.add_argument("--samples", type=int, default=800)
    parser.add_argument("--benchmark", choices=("coco_sub", "emotion6"), default="coco_sub")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--openings", type=int, default=9, help="how often each page is opened")
    parser.add_argument("--work", type=Path, help="keep everything in this folder")
    asked = parser.parse_args()
    work = asked.work or Path(tempfile.mkdtemp(prefix="rise-bench-board-"))
    results, data = work / "results", work / "data"
    if not data.exists():
        write_dataset(plan(asked.benchmark, asked.samples), data)
    began = time.perf_counter()
    board = load_gold(open_dataset(data))
    print_seconds = {"load_truth_s": time.perf_counter() - began}
    if not results.exists():
        list(each(Make(board, results), [str(n) for n in range(asked.submissions)], asked.workers))
    settings = BoardSettings(schema_version=1, benchmarks={asked.benchmark: board.pin})
    write_settings(results, settings)
    boards = {asked.benchmark: board}

    began, cpu_began = time.perf_counter(), cpu_seconds()
    outcomes = verify_all(results, boards, workers=asked.workers)
    verify_s, verify_cpu_s = time.perf_counter() - began, cpu_seconds() - cpu_began
    decisions = [outcome.decision for outcome in outcomes]
    began, cpu_began = time.perf_counter(), cpu_seconds()
    shutil.rmtree(work / "site", ignore_errors=True)
    build_site(results, settings, boards, work / "site", workers=asked.workers)
    build_s, build_cpu_s = time.perf_counter() - began, cpu_seconds() - cpu_began
    first = ("index.html", "site.css", "site.js", "icon.svg")
    largest = max((work / "site").glob("*.html"), key=lambda path: path.stat().st_size)
    run = next((work / "site" / "runs").glob("org*.json"))
    pages = {
        "first page": "index.html",
        "largest board": largest.name,
        "samples": f"samples.html?run={run.stem}",
    }
    print(
        json.dumps(
            {
                "benchmark": asked.benchmark,
                "submissions": len(outcomes),
                "samples": len(board.golds),
                "workers": asked.workers,
                "cores": os.cpu_count(),
                **{name: round(value, 2) for name, value in print_seconds.items()},
                "accepted": decisions.count("accept"),
                "verify_s": round(verify_s, 1),
                "verified_per_s": round(len(outcomes) / verify_s, 1),
                "verify_cpu_s": round(verify_cpu_s, 1),
                "build_s": round(build_s, 1),
                "build_cpu_s": round(build_cpu_s, 1),
                "first_page_kb": round(
                    sum((work / "site" / name).stat().st_size for name in first) / 1000, 1
                ),
                "largest_board_kb": round(largest.stat().st_size / 1000, 1),
                "largest_board_rows": largest.read_text("utf-8").count('class="name" title='),
                "in_chromium": open_pages(work / "site", pages, asked.openings),
            },
            indent=1,
        )
    )
    if asked.work is None:
        shutil.rmtree(work)


if __name__ == "__main__":
    main()
