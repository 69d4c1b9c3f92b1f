"""What is found of vectors, kept under a hash of them: finding it anew takes longer than to hash a few megabytes."""

import hashlib
from dataclasses import dataclass, field
from typing import Self

import numpy as np
from numpy.typing import NDArray

from shared.pool import Floats


@dataclass(frozen=True)
class Known:
    """Vectors as they are stored, equal to others of the same hash: what `functools.lru_cache` can tell apart.

    Attributes:
        digest: of their bytes.
        vectors: (n, d).
    """

    digest: bytes
    vectors: NDArray[np.float16] | Floats = field(compare=False)

    @classmethod
    def of(cls, vectors: NDArray[np.float16] | Floats) -> Self:
        """Vectors (n, d), n >= 1, whose rows stand one after the other."""
        return cls(hashlib.sha256(vectors.data).digest(), vectors)
