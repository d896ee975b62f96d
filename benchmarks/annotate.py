"""Memory and restarts of `rise-bench annotate` on many pictures, against an endpoint on loopback.

    python benchmarks/annotate.py
    python benchmarks/annotate.py --pictures 2000

Pictures of 64 x 48 pixels, each of another content, are annotated with boxes, 2 samples each. The first start
is killed with SIGKILL at half, the second one ends. Prints JSON: questions that were asked once and more than
once (what was in flight at the kill, at most --concurrency), pictures per second over both starts, and the
resident memory of the command in MB, by the number of pictures asked about.
"""

import argparse
import base64
import hashlib
import json
import re
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from PIL import Image

ANSWER = "<think>A thing with a clear outline stands there.</think><answer>[[100, 100, 300, 400]]</answer>"


class Endpoint(ThreadingHTTPServer):
    """Answers every question with two boxes, and counts the questions by picture."""

    daemon_threads = True
    request_queue_size = 64

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.asked = Counter()
        threading.Thread(target=self.serve_forever, daemon=True).start()

    def handle_error(self, *_):
        """Stay silent about connections of the killed process."""

    @property
    def url(self):
        """Base URL."""
        return f"http://127.0.0.1:{self.server_address[1]}/v1"


class Handler(BaseHTTPRequestHandler):
    """One chat completion."""

    protocol_version = "HTTP/1.1"

    def do_POST(self):
        """Count the picture and answer."""
        body = self.rfile.read(int(self.headers["Content-Length"]))
        request = json.loads(body)
        picture = re.search(rb"base64,([^\"]+)", body)[1]
        self.server.asked[hashlib.sha256(base64.b64decode(picture)).hexdigest()] += 1
        choices = [{"message": {"role": "assistant", "content": ANSWER}}] * request["n"]
        usage = {"prompt_tokens": 90, "completion_tokens": 30 * request["n"]}
        data = json.dumps({"choices": choices, "usage": usage}).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *_):
        """Stay silent."""


def make_pictures(folder, count):
    """Write pictures of which no two are the same, in folders of a thousand."""
    for number in range(count):
        place = folder / f"{number // 1000:03}"
        place.mkdir(exist_ok=True)
        red, rest = divmod(number, 1 << 16)
        Image.new("RGB", (64, 48), (red, rest >> 8, rest & 255)).save(place / f"{number:06}.png")


def start(arguments, folder, endpoint):
    """Start the command."""
    command = [sys.executable, "-m", "rise_bench", "annotate", str(folder / "pictures"), "--model", "canned"]
    command += ["--endpoint", endpoint.url, "--benchmark", "coco_sub", "--categories", "thing"]
    command += ["--samples", "2", "--concurrency", str(arguments.concurrency), "--out", str(folder / "out")]
    return subprocess.Popen([*command, "--json"], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)


def memory_mb(process):
    """Resident memory of a process, in MB."""
    text = Path(f"/proc/{process.pid}/status").read_text()
    resident = re.search(r"VmRSS:\s+(\d+) kB", text)
    return int(resident[1]) / 1024 if resident else 0.0


def watch(process, endpoint, marks):
    """Wait for the process; return its memory at each mark of questions asked, and the largest."""
    at, largest = {}, 0.0
    while process.poll() is None:
        now = memory_mb(process)
        largest = max(largest, now)
        for mark in marks:
            if mark not in at and len(endpoint.asked) >= mark:
                at[mark] = round(now, 1)
        time.sleep(0.02)
    return at, round(largest, 1)


def main():
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--pictures", type=int, default=20_000)
    parser.add_argument("--concurrency", type=int, default=16)
    arguments = parser.parse_args()
    count = arguments.pictures
    with tempfile.TemporaryDirectory() as name:
        folder, endpoint = Path(name), Endpoint()
        (folder / "pictures").mkdir()
        make_pictures(folder / "pictures", count)
        first, begun = start(arguments, folder, endpoint), time.perf_counter()
        while len(endpoint.asked) < count // 2:
            time.sleep(0.005)
        killed_at_mb = round(memory_mb(first), 1)
        first.send_signal(signal.SIGKILL)
        first.wait()
        kept = sum(1 for _ in (folder / "out" / "log" / "rank00000.jsonl").open("rb"))
        second = start(arguments, folder, endpoint)
        at, largest = watch(second, endpoint, (int(0.6 * count), count))
        seconds = time.perf_counter() - begun
        summary = json.loads(second.stdout.read())
        lines = sum(1 for _ in (folder / "out" / "annotations.jsonl").open("rb"))
    asked = Counter(endpoint.asked.values())
    result = {
        "pictures": count,
        "annotated": summary["answers"]["annotated"],
        "lines": lines,
        "kept_at_the_kill": kept,
        "reused": summary["reused"],
        "asked_once": asked[1],
        "asked_more_than_once": sum(asked.values()) - asked[1],
        "concurrency": arguments.concurrency,
        "pictures_per_second": round(count / seconds, 1),
        "memory_mb": {"killed_at_half": killed_at_mb, **at, "largest_with_writing": largest},
    }
    print(json.dumps(result, indent=1))


if __name__ == "__main__":
    main()
