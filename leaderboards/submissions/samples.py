"""Reading and writing of `samples.jsonl`: the raw responses of a submission, untrusted when read."""

import json
from collections.abc import Mapping

from rise_bench.files.strict_json import StrictJsonError, loads
from rise_bench.leaderboards.submissions.reasons import Reason, quoted, too_large

SAMPLES_NAME = "samples.jsonl"

#: Largest `samples.jsonl`, in bytes.
MAX_SAMPLES_BYTES = 32 * 1024 * 1024
#: Longest response, in bytes of UTF-8.
MAX_RESPONSE_BYTES = 32 * 1024
#: Most samples of a benchmark.
MAX_SAMPLES = 20_000


def read_samples(data: bytes) -> tuple[dict[str, str], list[Reason]]:
    """Return the raw response by sample id (the first of repeated ids), and every reason against the file."""
    if len(data) > MAX_SAMPLES_BYTES:
        return {}, [too_large(SAMPLES_NAME, len(data), MAX_SAMPLES_BYTES)]
    lines = data.split(b"\n")
    if lines[-1] == b"":
        lines.pop()
    if len(lines) > MAX_SAMPLES:
        return {}, [
            Reason("too_many_samples", f"{SAMPLES_NAME} has {len(lines)} lines, at most {MAX_SAMPLES}")
        ]
    responses: dict[str, str] = {}
    problems: dict[str, list[str]] = {}
    for number, line in enumerate(lines, start=1):
        code, message = _read_line(line, responses)
        if code:
            problems.setdefault(code, []).append(f"line {number}: {message}")
    return responses, [
        Reason(code, f"{SAMPLES_NAME}: {len(messages)} of {len(lines)} lines, first {messages[0]}")
        for code, messages in problems.items()
    ]


def _read_line(line: bytes, responses: dict[str, str]) -> tuple[str, str]:
    try:
        row = loads(line)
    except StrictJsonError as error:
        return "bad_line", f"{error}"
    if not isinstance(row, dict) or set(row) != {"id", "response"}:
        return "bad_line", 'expected exactly {"id": …, "response": …}'
    sample_id, response = row["id"], row["response"]
    if not isinstance(sample_id, str) or not isinstance(response, str) or not 0 < len(sample_id) <= 200:
        return "bad_line", "id and response must be strings, the id 1 to 200 characters long"
    if len(response) > MAX_RESPONSE_BYTES or len(response.encode()) > MAX_RESPONSE_BYTES:
        return "long_response", f"the response is longer than {MAX_RESPONSE_BYTES} bytes"
    if sample_id in responses:
        return "duplicate_id", f"a second response to sample {quoted(sample_id)}; keep one"
    responses[sample_id] = response
    return "", ""


def render_samples(responses: Mapping[str, str]) -> bytes:
    """Write `samples.jsonl`, in order of ids."""
    rows = ({"id": sample_id, "response": responses[sample_id]} for sample_id in sorted(responses))
    return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows).encode()
