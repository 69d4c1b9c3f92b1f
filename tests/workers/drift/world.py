"""A made-up world of topics, for streams whose drift is known: unit vectors scattered around topic centres."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from shared.pool import Floats, Index
from workers.drift.reference import Reference, fit_reference
from workers.drift.report import WindowReport, compare

_DIMENSION = 64
_SCATTER = 0.7
TOPICS = 20
NEAR, FAR = 20, 21
"""Topics that no source of these worlds sends: one akin to topic 0, one akin to none."""


@dataclass(frozen=True)
class Texts:
    """n texts: what the drift watch sees of them, and `topics` (n,), which it does not see."""

    vectors: NDArray[np.float16]
    ids: Index
    sources: list[str]
    topics: Index

    def __len__(self) -> int:
        return len(self.ids)


Sends = Mapping[str, Sequence[float]]
"""What each source sends: weights of the topics; a source sends in proportion to their sum."""

EVERYTHING: Sends = {"mail": [1.0] * TOPICS, "chat": [1.0] * TOPICS}
DISTINCT: Sends = {"mail": [3.0] * 10 + [0.0] * 10, "chat": [0.0] * 5 + [1.0] * 15, "form": [0.0] * 15 + [4.0] * 5}


def draw(sends: Sends, count: int, *, seed: int, first_id: int = 0) -> Texts:
    """Draw texts at random; ids run from `first_id`."""
    rng = np.random.default_rng(seed)
    pairs = [(source, topic, weight) for source, weights in sends.items() for topic, weight in enumerate(weights)]
    weights = np.array([weight for _, _, weight in pairs])
    chosen = rng.choice(len(pairs), count, p=weights / weights.sum())
    topics = np.array([pairs[place][1] for place in chosen], dtype=np.int64)
    return Texts(
        vectors=_around(topics, rng),
        ids=np.arange(first_id, first_id + count),
        sources=[pairs[place][0] for place in chosen],
        topics=topics,
    )


def join(*parts: Texts) -> Texts:
    """Texts in one window; the parts must have ids of their own."""
    return Texts(
        vectors=np.concatenate([part.vectors for part in parts]),
        ids=np.concatenate([part.ids for part in parts]),
        sources=[source for part in parts for source in part.sources],
        topics=np.concatenate([part.topics for part in parts]),
    )


def sends_only(topic: int, *sources: str) -> Sends:
    """Each of the sources sends nothing but this topic, all equally much."""
    return {source: [0.0] * topic + [1.0] for source in sources}


def fit(texts: Texts, *, seed: int = 0) -> Reference:
    """A reference of these texts."""
    return fit_reference(texts.vectors, ids=texts.ids, sources=texts.sources, rng=np.random.default_rng(seed))


def look(reference: Reference, texts: Texts, *, budget: float = 1.0) -> WindowReport:
    """The report on a window of these texts."""
    return compare(reference, vectors=texts.vectors, ids=texts.ids, sources=texts.sources, budget=budget)


def _centres() -> Floats:
    rng = np.random.default_rng(7)
    centres: Floats = np.linalg.qr(rng.normal(size=(_DIMENSION, TOPICS + 2)))[0].T.astype(np.float32)
    centres[NEAR] = 0.6 * centres[0] + 0.8 * centres[NEAR]
    return centres


def _around(topics: Index, rng: np.random.Generator) -> NDArray[np.float16]:
    noise = rng.normal(size=(len(topics), _DIMENSION)) * _SCATTER / np.sqrt(_DIMENSION)
    vectors = _centres()[topics] + noise
    unit: NDArray[np.float16] = (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float16)
    return unit
