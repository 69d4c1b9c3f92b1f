"""Cells of a vector space, so that a vector is compared with those near it and not with all.

An inverted file (Sivic and Zisserman, "Video Google", ICCV 2003; as in FAISS): k-means divides the space, each stored
vector lies in the cell of its nearest centre, and a query looks into the cells whose centres are nearly as near to it
as the nearest. Two unit vectors of a cosine of 0.95 are 0.32 apart, in a direction of which centres lie in none in
particular, so what one has to the centres moves by a few hundredths for the other.
"""

from dataclasses import dataclass, field

import faiss
import numpy as np
from numpy.typing import NDArray

from shared.halves import widen

Ids = NDArray[np.int64]
Vectors = NDArray[np.float16] | NDArray[np.float32]
Floats = NDArray[np.float32]

# The first vectors that are stored teach the centres, and these stay: so what is found hangs on what is stored, and not
# on when it was looked for.
_TEACHERS = 32_768
_CENTRES = 1_024
_STEPS = 8
_SEED = 1
# What a query's cosine with a centre may lack to the best, for each unit that a near duplicate may be away; and the
# most cells that it looks into. On 60,000 of the development sets' texts and on as many made-up vectors 0.999 of the
# pairs with a cosine of 0.95 to 0.97 were found so, at a hundredth of the comparisons.
_MARGIN = 0.16
_MOST_CELLS = 8
# Vectors compared with the centres at once.
_BLOCK = 4_096


@dataclass
class Cells:
    """The cells of what is stored, which only grows.

    Attributes:
        centres: (k, d) float32, unit length; empty before the first vectors.
        of: (m,) int32, cell of each stored vector that was looked at.
    """

    centres: Floats = field(default_factory=lambda: np.empty((0, 0), np.float32))
    of: NDArray[np.int32] = field(default_factory=lambda: np.empty(0, np.int32))

    def follow(self, stored: Vectors, more: Vectors) -> None:
        """Give stored vectors (m, d) that are new their cells; `more` (n, d) teach beside them while they are few."""
        if not len(self.centres):
            self.centres = _centres(np.concatenate([stored[:_TEACHERS], more[: max(0, _TEACHERS - len(stored))]]))
        fresh = [self._nearest(stored[at : at + _BLOCK]) for at in range(len(self.of), len(stored), _BLOCK)]
        self.of = np.concatenate([self.of, *fresh])

    def look(self, queries: Vectors, *, threshold: float) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
        """The cell of each query (n,), and those that it looks into (n, up to 8), -1 for none.

        Args:
            queries: (n, d) unit vectors.
            threshold: Cosine of near duplicates.
        """
        margin = _MARGIN * np.sqrt(2 - 2 * threshold)
        own, probes = [np.empty(0, np.int32)], [np.empty((0, min(_MOST_CELLS, len(self.centres))), np.int32)]
        for start in range(0, len(queries), _BLOCK):
            cosine = widen(queries[start : start + _BLOCK]) @ self.centres.T
            best = np.argpartition(-cosine, min(_MOST_CELLS, cosine.shape[1] - 1), axis=1)[:, :_MOST_CELLS]
            near = np.take_along_axis(cosine, best, axis=1)
            own.append(cosine.argmax(axis=1).astype(np.int32))
            probes.append(np.where(near >= near.max(axis=1, keepdims=True) - margin, best, -1).astype(np.int32))
        return np.concatenate(own), np.concatenate(probes)

    def _nearest(self, vectors: Vectors) -> NDArray[np.int32]:
        nearest: NDArray[np.int32] = (widen(vectors) @ self.centres.T).argmax(axis=1).astype(np.int32)
        return nearest


def by_cell(cells: NDArray[np.int32]) -> tuple[Ids, Ids]:
    """Positions (n,) in the order of their cells, and the distinct cells' bounds in it: (k + 1,) with -1 left out."""
    order = np.argsort(cells, kind="stable")
    bounds = np.searchsorted(cells[order], np.arange(int(cells.max(initial=-1)) + 2))
    return order, bounds


def _centres(vectors: Vectors) -> Floats:
    count = min(_CENTRES, len(vectors))
    kmeans = faiss.Kmeans(
        vectors.shape[1],
        count,
        niter=_STEPS,
        spherical=True,
        seed=_SEED,
        min_points_per_centroid=1,
        max_points_per_centroid=-(-_TEACHERS // _CENTRES),
    )
    kmeans.train(widen(vectors))
    return np.asarray(kmeans.centroids, dtype=np.float32)
