"""Made-up vectors: clusters on the unit sphere, of which each source sends some more than others."""

from dataclasses import dataclass

import numpy as np

from scripts.bench.drift_loop.streams import Items
from shared.pool import Floats, Index

_DIMENSION, _CLUSTERS, _SOURCES = 384, 20, 5
# Length of the noise beside a centre of length 1: the items of a cluster have a cosine of about a half with each other.
_NOISE = 1.0
# Cosine of a near new cluster's centre with that of a cluster which is there.
_NEAR = 0.6
# Share of a source's items that come from its own clusters, the rest from all.
_OWN = 0.5


@dataclass(frozen=True)
class World:
    """Where the clusters lie.

    Attributes:
        centres: (20, 384) float32, unit length.
        far: (384,) float32, a new cluster far from all.
        near: (384,) float32, a new cluster near the first.
    """

    centres: Floats
    far: Floats
    near: Floats


def make_world(rng: np.random.Generator) -> World:
    """Directions at random."""
    centres = _unit(rng.normal(size=(_CLUSTERS + 2, _DIMENSION)).astype(np.float32))
    aside = centres[-1] - (centres[-1] @ centres[0]) * centres[0]
    near = _NEAR * centres[0] + np.sqrt(1 - _NEAR**2) * aside / np.linalg.norm(aside)
    return World(centres[:_CLUSTERS], centres[_CLUSTERS], near.astype(np.float32))


def usual(world: World, count: int, rng: np.random.Generator, *, source: int | None = None) -> Items:
    """Items of all sources alike, or of one source."""
    sources = rng.integers(_SOURCES, size=count) if source is None else np.full(count, source)
    of_source = sources + _SOURCES * rng.integers(_CLUSTERS // _SOURCES, size=count)
    clusters = np.where(rng.random(count) < _OWN, of_source, rng.integers(_CLUSTERS, size=count))
    return _items(world.centres[clusters], sources, rng)


def new(centre: Floats, count: int, rng: np.random.Generator) -> Items:
    """Items of a new cluster, of all sources alike."""
    return _items(np.tile(centre, (count, 1)), rng.integers(_SOURCES, size=count), rng)


def _items(centres: Floats, sources: Index, rng: np.random.Generator) -> Items:
    noise = rng.normal(scale=_NOISE / np.sqrt(_DIMENSION), size=centres.shape).astype(np.float32)
    names = np.array([f"source {code}" for code in range(_SOURCES)])
    return Items(
        vectors=_unit(centres + noise).astype(np.float16),
        sources=names[sources],
        labels=np.full(len(sources), ""),
        texts=np.full(len(sources), "", dtype=object),
    )


def _unit(vectors: Floats) -> Floats:
    unit: Floats = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    return unit
