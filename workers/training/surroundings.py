"""Vectors drawn halfway to what lies around them in the pool, as a model sees them that teaches another one.

A sentence vector says more of a text than a few hundred labels can sort out: what a text shares with its nearest texts
is what matters, the rest is mostly noise to a light model. Moving a vector towards its neighbours takes some of it
away, without a label (Wu et al., "Simplifying Graph Convolutional Networks", ICML 2019; Rodriguez et al., "Embedding
Propagation", ECCV 2020). Neighbours are looked for among some thousand random texts of the pool.

What was found of a vector is kept, and must not show: products are those of whole numbers, which come out the same
however many vectors are looked at together (`shared.whole_numbers`).
"""

import hashlib
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from shared.blocks import each_block
from shared.halves import widen
from shared.pool import Floats, Pool
from shared.whole_numbers import LENGTH, to_whole_numbers
from workers.training.known import Known

# Among how many texts neighbours are looked for: beyond, nothing improved on the development sets.
_AMONG = 10_000
# 5 and 20 were as good.
_NEIGHBOURS = 10
# A text that is nearer, as a cosine, is the same one: it would draw a vector to where it is.
_SAME = 0.999
# Vectors compared at once, with 10 MB of products.
_BLOCK = 256
# Numbers of vectors whose place is kept: 64 MB.
_MOST_KEPT = 2**24


class Surroundings:
    """Random texts of a pool, and where they draw vectors to. One thread at a time may ask."""

    def __init__(self, vectors: NDArray[np.float16] | Floats) -> None:
        """Keep the vectors (m, d) of the texts, unit length, m >= 1."""
        self._around = _whole(vectors)
        self._kept: dict[bytes, Floats] = {}

    def draw(self, vectors: NDArray[np.float16] | Floats) -> Floats:
        """(n, d) float32, unit length: vectors (n, d), unit length, halfway to the mean of their neighbours."""
        keys = [hashlib.blake2b(vector.tobytes(), digest_size=16).digest() for vector in vectors]
        unknown = [place for place, key in enumerate(keys) if key not in self._kept]
        if unknown:
            if (len(self._kept) + len(unknown)) * vectors.shape[1] > _MOST_KEPT:
                self._kept.clear()
                unknown = list(range(len(keys)))
            found = self._find(vectors[unknown])
            self._kept.update(zip([keys[place] for place in unknown], found, strict=True))
        return np.stack([self._kept[key] for key in keys]) if keys else np.empty(vectors.shape, dtype=np.float32)

    def _find(self, vectors: NDArray[Any]) -> Floats:
        drawn = np.empty(vectors.shape, dtype=np.float32)

        def compare(block: slice) -> None:
            own = _whole(vectors[block])
            products = own @ self._around.T
            products[products >= _SAME * LENGTH**2] = -np.inf
            count = min(_NEIGHBOURS, products.shape[1])
            nearest = np.sort(np.argpartition(products, -count, axis=1)[:, -count:], axis=1)
            is_other = np.isfinite(np.take_along_axis(products, nearest, axis=1))
            is_other &= own.any(axis=1, keepdims=True)  # a vector of nothing is near to nothing
            mean = (self._around[nearest] * is_other[..., None]).sum(axis=1)
            drawn[block] = _unit(_unit(own) + _unit(mean))

        each_block(len(vectors), _BLOCK, compare)
        return drawn


def surroundings_of(pool: Pool, *, seed: int) -> Surroundings:
    """The surroundings of a pool's items; the same until it has grown by up to a tenth."""
    among = np.random.default_rng(seed).permutation(_steady(len(pool)))[:_AMONG]
    return _surroundings(Known.of(pool.matrix[pool.rows[np.sort(among)]]))


@lru_cache(maxsize=4)
def _surroundings(known: Known) -> Surroundings:
    return Surroundings(known.vectors)


def _steady(count: int) -> int:
    """A number of items down to its two first digits, such as 12,000 for 12,345.

    The newest items draw no vector for a while: the older ones were all to be compared anew with each that comes in.
    """
    step = 10 ** max(0, len(str(count)) - 2)
    return int(count // step * step)


def _whole(vectors: NDArray[Any]) -> Floats:
    """(n, d) float32 vectors in whole numbers."""
    return to_whole_numbers(widen(vectors))


def _unit(vectors: Floats) -> Floats:
    """(n, d) vectors of length 1; of length 0 where they were."""
    length = np.sqrt(np.einsum("nd,nd->n", vectors, vectors))[:, None]
    unit: Floats = vectors / np.maximum(length, np.float32(1e-9))
    return unit
