"""Text that may be shown: without the secrets that this process knows, without control of the terminal.

`RiseError` passes its message through `safe_text`; so do logs and tracebacks of the command. What is stored
(provenance, manifests, results) passes through `redacted`, pages and cards through `redact`.
"""

import base64
import html
import json
import os
import re
import unicodedata
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote, quote_plus

#: What stands in place of a secret.
REDACTED = "***"

_SECRET_NAME = re.compile(r"(?:TOKEN|KEY|SECRET|PASSWORD|PASSWD|PASSPHRASE|CREDENTIALS?)\Z", re.IGNORECASE)
_NO_SECRETS = {"empty", "none", "null", "dummy", "true", "false", "test", "token", "default"}
_ANYWHERE, _SHORTEST = 8, 4
_VALUE = r"[^\s,;&\"'<>()\[\]{}\\]+"
_PATTERNS = (
    (re.compile(r"(?<=://)[^\s/?#@\"'<>]+(?:@[^\s/?#@\"'<>]+)*(?=@)"), REDACTED),
    (
        re.compile(
            rf"(\bauthorization\\?[\"']?\s*[:=]\s*\\?[\"']?(?:(?:basic|bearer|token)\s+)?){_VALUE}", re.I
        ),
        r"\1***",
    ),
    (re.compile(rf"(\bbearer\s+)(?!\*){_VALUE}", re.I), r"\1***"),
    (
        re.compile(
            r"(\b(?:x-)?(?:api[_-]?key|(?:hf|access|auth|api)[_-]token|client[_-]secret|secret[_-]key|passw(?:or)?d)"
            rf"\\?[\"']?\s*[:=]\s*\\?[\"']?){_VALUE}",
            re.I,
        ),
        r"\1***",
    ),
    (re.compile(r"\b(?:hf_[A-Za-z0-9]{16,}|sk-[A-Za-z0-9_-]{16,}|gh[pousr]_[A-Za-z0-9]{16,})"), REDACTED),
)
_remembered: set[str] = set()


def remember_secret(secret: str) -> None:
    """Redact this from now on; for secrets that come from elsewhere than the environment."""
    _remembered.add(secret)


def redact(text: str) -> str:
    """Replace every secret of the process by `***`.

    Secrets are values of environment variables whose name ends in TOKEN, KEY, SECRET, PASSWORD and the like,
    the Hub's token files, what `remember_secret` was told, the userinfo of URLs, and whatever is named like a
    key or looks like one. Values under 4 characters and placeholders such as EMPTY are not secrets; those
    under 8 are replaced as whole words only.

    >>> redact("GET https://me:pass@host/v1?api_key=abc")
    'GET https://***@host/v1?api_key=***'
    """
    for form in sorted(_forms(), key=len, reverse=True):
        if len(form) >= _ANYWHERE:
            text = text.replace(form, REDACTED)
        elif form in text:
            text = re.sub(rf"(?<!\w){re.escape(form)}(?!\w)", REDACTED, text)
    for pattern, replacement in _PATTERNS:
        text = pattern.sub(replacement, text)
    return text


def redacted(value: Any) -> Any:
    """A JSON value with `redact` applied to every text in it, keys included."""
    if isinstance(value, str):
        return redact(value)
    if isinstance(value, dict):
        return {redacted(key): redacted(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [redacted(item) for item in value]
    return value


def printable(text: str) -> str:
    r"""Write out what would act on a terminal or cannot be encoded; line breaks and tabs stay.

    These are control characters (escape sequences begin with one), marks that reorder text, and lone
    surrogates, which stand for bytes of a file name that are not UTF-8.

    >>> printable("\x1b[31mred\r\n\u202e")
    '\\x1b[31mred\n\\u202e'
    """
    return text if text.isprintable() else "".join(map(_shown, text.replace("\r\n", "\n")))


def safe_text(text: str) -> str:
    """Text for a terminal, a log or an error: redacted and printable."""
    return printable(redact(text))


def _shown(character: str) -> str:
    if character in "\n\t" or character in "\u200c\u200d":  # joiners are part of emoji and of Indic scripts
        return character
    if unicodedata.category(character) in ("Cc", "Cf", "Cs", "Zl", "Zp"):
        return character.encode("unicode_escape", "surrogatepass").decode("ascii")
    return character


def _forms() -> Iterator[str]:
    """Every form in which a secret of this process may come up in a text."""
    for secret in {*_remembered, *_of_environment(), *_of_the_hub()}:
        for line in {secret, *secret.split()}:
            short = line.isdigit() and len(line) < _ANYWHERE
            if len(line) < _SHORTEST or short or line.lower() in _NO_SECRETS:
                continue
            escaped = {json.dumps(line)[1:-1], json.dumps(line, ensure_ascii=False)[1:-1], repr(line)[1:-1]}
            escaped.add(
                html.escape(line).replace("&quot;", "&#34;").replace("&#x27;", "&#39;")
            )  # as on pages
            coded = {quote(line, "", errors="replace"), quote_plus(line, errors="replace")}
            encoded = base64.b64encode(line.encode("utf-8", "replace")).decode().rstrip("=")
            yield from {line, *escaped, *coded, encoded}


def _of_environment() -> Iterator[str]:
    for name, value in os.environ.items():
        if _SECRET_NAME.search(name):
            yield value
        elif userinfo := re.search(r"://([^\s/?#@]+)@", value):  # of a proxy, an index, a mirror
            user, _, password = userinfo[1].partition(":")
            yield password or (user if len(user) > 2 * _ANYWHERE else "")


def _of_the_hub() -> Iterator[str]:
    home = Path(os.environ.get("HF_HOME") or Path.home() / ".cache" / "huggingface")
    for path in (Path(os.environ.get("HF_TOKEN_PATH") or home / "token"), home / "stored_tokens"):
        try:
            for line in path.read_text(encoding="utf-8").splitlines():
                yield line.partition("=")[2].strip() or line.strip()
        except (OSError, ValueError):
            continue
