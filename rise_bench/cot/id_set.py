"""Set of ids in eight bytes each, for runs over more samples than memory should hold texts of."""

from collections.abc import Container, Iterable
from hashlib import blake2b


class IdSet(Container[str]):
    """Unchanging set of ids, of which a hash of 64 bits is kept.

    Two ids among a million have equal hashes with a probability of 3e-8.
    """

    def __init__(self, ids: Iterable[str]) -> None:
        """Take the ids, in any order."""
        import numpy as np

        self._hashes = np.unique(np.fromiter(map(_hash, ids), np.uint64))

    def __contains__(self, uid: object) -> bool:
        value = _hash(str(uid))
        place = int(self._hashes.searchsorted(self._hashes.dtype.type(value)))
        return place < len(self._hashes) and int(self._hashes[place]) == value

    def __len__(self) -> int:
        return len(self._hashes)


def _hash(uid: str) -> int:
    return int.from_bytes(blake2b(uid.encode("utf-8", "surrogatepass"), digest_size=8).digest(), "little")
