"""Reasons for refusing or holding a submission, and untrusted text in their messages."""

import re
from dataclasses import dataclass
from typing import Literal

Severity = Literal["reject", "hold"]


@dataclass(frozen=True, slots=True)
class Reason:
    """Reason for refusing or holding a submission.

    Attributes:
        code: Stable code, e.g. "claim_differs".
        message: Problem, place, expectation and fix.
        severity: "reject", or "hold" if a maintainer has to decide.
    """

    code: str
    message: str
    severity: Severity = "reject"


def quoted(text: str) -> str:
    """Quote untrusted text for a message: one line, printable, truncated."""
    safe = re.sub(r"[^\x20-\x7e]", lambda m: f"\\u{ord(m.group()):04x}", text)
    return safe if len(safe) <= 120 else safe[:120] + "…"


def too_large(path: str, size_bytes: int, limit: int) -> Reason:
    """Return the reason against a file that is too large."""
    return Reason("too_large", f"{path} has {size_bytes} bytes, at most {limit} are accepted; shorten it")
