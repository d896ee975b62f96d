"""Problems of a source: raised at once by `build`, gathered by `detect`."""

from types import TracebackType

from rise_bench.errors import DataError

#: Problems that are kept; of a file with a systematic fault the first ones say enough.
MOST = 200


class Problems:
    """Problems of a source; `with problems:` surrounds a part that the other parts can do without.

    Attributes:
        texts: Messages with file, position and fix; at most `MOST`.
        count: Number of problems.
    """

    def __init__(self, *, gather: bool = False) -> None:
        """Raise each problem, or keep it and go on."""
        self.texts: list[str] = []
        self.count = 0
        self._gather = gather

    def __enter__(self) -> None:
        return None

    def __exit__(
        self, of: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> bool:
        if not (self._gather and isinstance(error, DataError)):
            return False
        self.count += 1
        if self.count <= MOST:
            self.texts.append(str(error))
        return True
