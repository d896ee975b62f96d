"""Response cache of lmms-eval (`--use_cache`), which also keeps failures."""

import logging
import sqlite3
from pathlib import Path

from rise_bench.evaluation.responses import FAILURE_PREFIXES

_log = logging.getLogger(__name__)


def forget_failures(cache: Path) -> int:
    """Remove failed requests from a response cache, so that a rerun repeats them; return their number.

    lmms-eval stores the text of a failure like a response.
    """
    root = cache.parent if cache.suffix == ".db" else cache
    removed = 0
    for path in (root / "cache.db", *sorted(root.glob("runs/*/*.db"))):
        if not path.is_file():
            continue
        with sqlite3.connect(path, timeout=30) as database:
            if database.execute("SELECT 1 FROM sqlite_master WHERE name = 'responses'").fetchone():
                for prefix in FAILURE_PREFIXES:
                    removed += database.execute(
                        "DELETE FROM responses WHERE instr(response, ?) > 0", (prefix,)
                    ).rowcount
        database.close()
    if removed:
        _log.info("%s: %d failed requests will be asked again", root, removed)
    return removed
