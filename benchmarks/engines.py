"""Requests per second and memory of `rise-bench collect`, by engine, against an endpoint that takes 30 ms.

    python benchmarks/engines.py
    python benchmarks/engines.py --delay-ms 300 --samples 3000
    python benchmarks/engines.py --engines builtin datatrove-2 --samples 1000 100000

The endpoint runs in a process of its own, answers each request after --delay-ms, and counts. Each engine
collects a dataset for small pictures. With `builtin-N` and `datatrove-N`, N ranks share the concurrency. At
last a bare client keeps --concurrency sockets busy with the two requests that collect has sent for a sample:
what the endpoint can give. All of them share the cores of the machine with the endpoint.

Prints JSON: requests per second in the middle eight tenths of a run, start and end of the processes left
out; their ratio to the bare client; CPU milliseconds per request in that time, of all processes of the engine
and of the endpoint; and the largest resident memory of a process in MiB, by samples. `at_most` is what
--concurrency sockets can get from an endpoint that needs no time but --delay-ms.
"""

import argparse
import asyncio
import io
import itertools
import json
import multiprocessing
import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil
from PIL import Image

from rise_bench.annotations.distribution.values import Distribution
from rise_bench.catalog.spec import BenchmarkSpec
from rise_bench.data.build_plan import SourcePlan, SourceRow
from rise_bench.data.writer import write_dataset

NAMES = ("red", "green", "blue")
SPEC = BenchmarkSpec("plain", "distribution", "jsd", "Which colours does it show?", NAMES, images="embed")
TEXTS = ("A calm picture.", json.dumps(dict.fromkeys(NAMES, 1 / 3)))


class Endpoint(asyncio.Protocol):
    """Connection to the endpoint, which keeps the first request of each kind that it reads."""

    def __init__(self, answered: Any, first: Sequence[Any], delay_s: float) -> None:
        """Answer after `delay_s` seconds and count in `answered`."""
        self.answered, self.first, self.delay_s = answered, first, delay_s
        self.read, self.needed = bytearray(), 0

    def connection_made(self, transport: Any) -> None:
        """Keep the transport."""
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        """Answer when the request is complete."""
        self.read += data
        if not self.needed and (end := self.read.find(b"\r\n\r\n")) >= 0:
            length = re.search(rb"(?i)content-length: *(\d+)", self.read[:end])
            self.needed = end + 4 + (int(length[1]) if length else 0)
        if self.needed and len(self.read) >= self.needed:
            request = bytes(self.read[: self.needed])
            del self.read[: self.needed]
            self.needed = 0
            kept = self.first[b"Reasoning:" in request]
            if not kept.value:
                kept.raw = request.ljust(len(kept), b"\0")
            asyncio.get_running_loop().call_later(self.delay_s, self.reply, request)

    def reply(self, request: bytes) -> None:
        """Send as many choices as the request asks for."""
        text = TEXTS[b"Reasoning:" in request]
        wanted = re.search(rb'"n": ?(\d+)', request)
        choices = [{"message": {"role": "assistant", "content": text}}] * int(wanted[1] if wanted else 1)
        usage = {"prompt_tokens": 90, "completion_tokens": 30}
        body = json.dumps({"choices": choices, "usage": usage}).encode()
        self.transport.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body))
        self.answered.value += 1


def serve(port: Any, answered: Any, first: Sequence[Any], delay_s: float) -> None:
    """Run the endpoint until the process is ended."""

    async def run() -> None:
        loop = asyncio.get_running_loop()
        listening = await loop.create_server(
            lambda: Endpoint(answered, first, delay_s), "127.0.0.1", 0, backlog=512
        )
        port.value = listening.sockets[0].getsockname()[1]
        await listening.serve_forever()

    asyncio.run(run())


async def bare(port: int, requests: Sequence[bytes], concurrency: int, seconds: float) -> None:
    """Keep sockets busy with the same requests in turn."""
    end = time.perf_counter() + seconds

    async def ask() -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        for request in itertools.cycle(requests):
            if time.perf_counter() >= end:
                break
            writer.write(request)
            head = await reader.readuntil(b"\r\n\r\n")
            await reader.readexactly(int(head.split(b": ")[1]))
        writer.close()

    await asyncio.gather(*(ask() for _ in range(concurrency)))


def keep_busy(port: int, requests: Sequence[bytes], concurrency: int, seconds: float) -> None:
    """Run the bare client."""
    asyncio.run(bare(port, requests, concurrency, seconds))


def cpu_seconds(process: psutil.Process) -> float:
    """Return the CPU time of a process so far."""
    used = process.cpu_times()
    return float(used.user + used.system)


@dataclass
class Watch:
    """Course of a run: (seconds, requests answered, CPU seconds, those of the endpoint); memory in MiB."""

    seen: list[tuple[float, int, float, float]] = field(default_factory=list)
    memory_mib: float = 0.0

    def look(self, processes: Sequence[psutil.Process], endpoint: psutil.Process, answered: int) -> None:
        """Add the present state of processes and their children, and of the endpoint."""
        children = [child for process in processes for child in process.children(recursive=True)]
        cpu_s = 0.0
        for process in (*processes, *children):
            with suppress(psutil.Error):
                cpu_s += cpu_seconds(process)
                self.memory_mib = max(self.memory_mib, process.memory_info().rss / 2**20)
        self.seen.append((time.perf_counter(), answered, cpu_s, cpu_seconds(endpoint)))

    def middle(self) -> dict[str, float]:
        """Return requests per second and CPU milliseconds per request of the middle eight tenths."""
        last = self.seen[-1][1]
        kept = [seen for seen in self.seen if 0.1 * last <= seen[1] <= 0.9 * last]
        (start_s, before, *used_before), (end_s, after, *used_after) = kept[0], kept[-1]
        asked = after - before
        own, endpoint = (1000 * (e - b) / asked for b, e in zip(used_before, used_after, strict=True))
        return {
            "requests_per_second": round(asked / (end_s - start_s), 1),
            "cpu_ms_per_request": round(own, 3),
            "endpoint_cpu_ms_per_request": round(endpoint, 3),
        }


def watch(processes: Sequence[Any], endpoint: Any, answered: Any) -> Watch:
    """Watch processes until all have ended."""
    watched, before = Watch(), answered.value
    known = [psutil.Process(process.pid) for process in processes]
    server = psutil.Process(endpoint.pid)
    while any(process.status() != psutil.STATUS_ZOMBIE for process in known):
        watched.look(known, server, answered.value - before)
        time.sleep(0.05)
    return watched


def write_pictures(folder: Path, count: int) -> None:
    """Write a benchmark of plain pictures, each of another colour."""

    def row(number: int) -> SourceRow:
        buffer = io.BytesIO()
        colour = (number & 255, number >> 8 & 255, number >> 16)
        Image.new("RGB", (28, 28), colour).save(buffer, "PNG")
        truth = Distribution(NAMES, tuple((part + 1) / (sum(colour) + 3) for part in colour))
        return SourceRow(f"plain-{number:06d}", f"plain-{number:06d}", buffer.getvalue(), truth, "", "")

    write_dataset(SourcePlan(SPEC, train=[row(n) for n in range(count)], test=[]), folder, workers=1)


def collect(
    engine: str, benchmark: Path, out: Path, port: int, options: argparse.Namespace
) -> list[subprocess.Popen[bytes]]:
    """Start a collection."""
    name, _, ranks = engine.partition("-")
    concurrency = options.concurrency // int(ranks or 1)
    command = [
        sys.executable,
        "-m",
        "rise_bench",
        "collect",
        "--benchmark",
        str(benchmark),
        "--out",
        str(out),
    ]
    command += ["--endpoint", f"http://127.0.0.1:{port}/v1", "--model", "m", "--json"]
    command += ["--samples", str(options.rollouts), "--concurrency", str(concurrency)]
    if name != "builtin":
        command += ["--engine", name, "--tasks", ranks or "1"]
        return [subprocess.Popen(command, stdout=subprocess.DEVNULL)]
    places = [{"RANK": str(rank), "WORLD_SIZE": ranks} for rank in range(int(ranks))] if ranks else [{}]
    return [subprocess.Popen(command, stdout=subprocess.DEVNULL, env=os.environ | place) for place in places]


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--engines", nargs="+", default=["builtin", "datatrove-1", "datatrove-2"])
    parser.add_argument("--samples", type=int, nargs="+", default=[4000])
    parser.add_argument("--rollouts", type=int, default=1)
    parser.add_argument("--concurrency", type=int, default=64)
    parser.add_argument("--delay-ms", type=float, default=30.0)
    options = parser.parse_args()
    spawned = multiprocessing.get_context("spawn")
    port, answered = spawned.Value("i", 0), spawned.Value("q", 0, lock=False)
    first = [spawned.Array("c", 1 << 16, lock=False) for _ in range(2)]
    endpoint = spawned.Process(
        target=serve, args=(port, answered, first, options.delay_ms / 1000), daemon=True
    )
    endpoint.start()
    result: dict[str, Any] = {"delay_ms": options.delay_ms, "concurrency": options.concurrency}
    result["at_most"] = round(1000 * options.concurrency / options.delay_ms, 1)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for count in options.samples:
            write_pictures(folder / f"plain-{count}", count)
        for engine in options.engines:
            measured = result.setdefault(engine, {"memory_mib": {}})
            for count in options.samples:
                processes = collect(
                    engine, folder / f"plain-{count}", folder / f"{engine}-{count}", port.value, options
                )
                watched = watch(processes, endpoint, answered)
                if {process.wait() for process in processes} != {0}:
                    raise SystemExit(f"{engine} failed")
                measured |= watched.middle()
                measured["memory_mib"][count] = round(watched.memory_mib)
    requests = [bytes(kept.value) for kept in first]
    client = spawned.Process(target=keep_busy, args=(port.value, requests, options.concurrency, 8.0))
    client.start()
    result["bare"] = watch([client], endpoint, answered).middle()
    for engine in options.engines:
        most = result["bare"]["requests_per_second"]
        result[engine]["ratio"] = round(result[engine]["requests_per_second"] / most, 3)
    print(json.dumps(result, indent=1))


if __name__ == "__main__":
    main()
