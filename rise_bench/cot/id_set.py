"""Set of ids in eight bytes each, for runs over more samples than memory should hold texts of."""

import os
from collections.abc import Container, Iterable
from hashlib import blake2b

_BYTES = 8


class IdSet(Container[str]):
    """Unchanging set of ids, of which a hash of 64 bits is kept.

    Two ids among a million have equal hashes with a probability of 3e-8. Each set hashes in a way of its own,
    so that an id which one set takes for another is not missed by the next set of the same ids.
    """

    def __init__(self, ids: Iterable[str]) -> None:
        """Take the ids, in any order."""
        import numpy as np

        self._salt = os.urandom(blake2b.SALT_SIZE)
        self._hashes = np.unique(np.fromiter(map(self._hash, ids), np.uint64))

    def __contains__(self, uid: object) -> bool:
        value = self._hash(str(uid))
        place = int(self._hashes.searchsorted(self._hashes.dtype.type(value)))
        return place < len(self._hashes) and int(self._hashes[place]) == value

    def __len__(self) -> int:
        return len(self._hashes)

    def _hash(self, uid: str) -> int:
        data = uid.encode("utf-8", "surrogatepass")
        return int.from_bytes(blake2b(data, digest_size=_BYTES, salt=self._salt).digest(), "little")
