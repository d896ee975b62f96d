"""Cache of the answers to unfinished samples, which a rank that is started again does not ask for twice."""

import json
import sqlite3
from pathlib import Path
from typing import Any

from datatrove.pipeline.inference.checkpointing import RequestCache

_TABLE = """CREATE TABLE IF NOT EXISTS answers (
    sample TEXT, request TEXT, answer TEXT, PRIMARY KEY (sample, request)
) WITHOUT ROWID"""


class AnswerCache(RequestCache):
    """Cache that is written at once, and forgets a sample when it is done.

    datatrove's own waits for the disk after each answer, in a queue that grows if a server is faster, and
    keeps the answers of all samples. Here an answer is with the operating system before it is used, so that
    a kill loses none; a power failure may lose the last ones.
    """

    _answers: sqlite3.Connection | None = None

    async def initialize(self, rank: int) -> None:
        """Open the cache of a rank, which no other process uses."""
        folder = Path(self.base_dir or "") / f"{rank:05d}"
        folder.mkdir(parents=True, exist_ok=True)
        self.db_path = str(folder / "answers.sqlite3")
        self._answers = sqlite3.connect(self.db_path, isolation_level=None)
        for name, value in (
            ("locking_mode", "EXCLUSIVE"),
            ("journal_mode", "WAL"),
            ("synchronous", "NORMAL"),
        ):
            self._answers.execute(f"PRAGMA {name}={value}")
        self._answers.execute(_TABLE)
        self._doc_ids_in_cache = {sample for (sample,) in self._answers.execute("SELECT sample FROM answers")}

    async def close(self, delete_file: bool = False) -> None:
        """Close the cache; a rank that has ended well deletes it."""
        if self._answers is None:
            return
        self._answers.close()
        self._answers = None
        if delete_file and self.db_path:
            Path(self.db_path).unlink(missing_ok=True)

    async def get_cached_response(
        self,
        doc_id: str,
        rollout_idx: int,  # noqa: ARG002
        *,
        payload_hash: str,
    ) -> tuple[dict[str, Any] | None, str | None]:
        """Return the answer to a request of an earlier start, if there is one."""
        if self._answers is None or doc_id not in self._doc_ids_in_cache:
            return None, None
        query = "SELECT answer FROM answers WHERE sample = ? AND request = ?"
        row = self._answers.execute(query, (doc_id, payload_hash)).fetchone()
        return (json.loads(row[0]) if row else None), None

    async def store_result(
        self,
        chunk_index: int,  # noqa: ARG002
        doc_id: str,
        rollout_idx: int,  # noqa: ARG002
        result: dict[str, Any],
        *,
        payload_hash: str,
    ) -> None:
        """Keep the answer to a request."""
        if self._answers is not None:
            row = (doc_id, payload_hash, json.dumps(result))
            self._answers.execute("INSERT OR REPLACE INTO answers VALUES (?, ?, ?)", row)

    async def mark_document_complete(self, doc_id: str) -> None:
        """Forget the answers of a sample whose rows are in the log."""
        await super().mark_document_complete(doc_id)
        if self._answers is not None:
            self._answers.execute("DELETE FROM answers WHERE sample = ?", (doc_id,))
