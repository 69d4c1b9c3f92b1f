"""What peers are given: the pool's vectors, the product's own probabilities, and which items are labeled."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from shared.halves import widen
from shared.pool import Floats, Index, Pool


@dataclass(frozen=True)
class Handed:
    """A choice that is to be made.

    Attributes:
        vectors: (n, d) float32, unit length.
        probability: (n, n_classes) float32.
        eligible: (m,) int64, positions that may be chosen, ascending.
        labeled: (k,) int64, positions that are labeled.
        labels: (k,) int64, their class.
    """

    vectors: Floats
    probability: Floats
    eligible: Index
    labeled: Index
    labels: Index


def handed(pool: Pool, probability: Floats) -> Handed:
    """What is given for a choice from a pool."""
    labeled = np.flatnonzero(pool.labeled)
    vectors, labels = pool.vectors(np.arange(len(pool))), pool.targets[labeled].argmax(axis=1)
    return Handed(vectors, probability, pool.eligible, labeled, labels)


def store(folder: Path, pool: Pool, probability: Floats) -> None:
    """Write a choice for other processes; the vectors as they are in the pool, in half precision."""
    folder.mkdir(parents=True, exist_ok=True)
    labeled = np.flatnonzero(pool.labeled)
    np.save(folder / "vectors.npy", pool.matrix[pool.rows])
    np.save(folder / "probability.npy", probability)
    np.save(folder / "eligible.npy", pool.eligible)
    np.save(folder / "labeled.npy", labeled)
    np.save(folder / "labels.npy", pool.targets[labeled].argmax(axis=1))


def load(folder: Path) -> Handed:
    """Read what `store` wrote, into memory of this process's own."""
    names = ("vectors", "probability", "eligible", "labeled", "labels")
    vectors, *others = (np.load(folder / f"{name}.npy") for name in names)
    return Handed(widen(vectors), *others)
