"""What each way to choose is worth: the same made-up labeling with each, on a pool that is hard to tell apart.

The pools whose time is measured are told apart by any model, so nothing shows there. Here classes overlap, some are
rare, and each way chooses batch after batch from the product's own probabilities; then the product's model is measured
on items apart. Started by `scripts/bench/scale`.
"""

import argparse
import json
import warnings
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from sklearn.metrics import f1_score

from scripts.bench.scale_loop.handed import handed
from scripts.bench.scale_loop.peers import PEERS, PRODUCT
from shared.pool import Floats, Index, Pool
from shared.project import ProjectConfig, Selection
from workers.selection.nearness import Nearness
from workers.selection.round import RoundPlan, select
from workers.training import classifier
from workers.training.classifier import LinearModel
from workers.training.tuning import train

CHANCE = "chance"
_ITEMS, _HELD_OUT, _DIMENSION, _NOISE = 20_000, 10_000, 64, 2.5
_SHARES = 0.40, 0.20, 0.12, 0.09, 0.07, 0.05, 0.03, 0.015, 0.01, 0.007, 0.005, 0.003
_FIRST, _BATCH, _ROUNDS = 200, 100, 4


@dataclass(frozen=True)
class Made:
    """Items whose classes are known.

    Attributes:
        pool: Of which the first were drawn by chance and labeled.
        truth: (n,) int64, the class of each item of the pool.
        vectors: (h, d) float32 of items apart.
        apart: (h,) int64, their class.
    """

    pool: Pool
    truth: Index
    vectors: Floats
    apart: Index


Choose = Callable[[Pool, LinearModel, int], Index]
"""Positions that are chosen in the round of that number."""


def play(way: str, seed: int, *, items: int = _ITEMS) -> float:
    """Macro-F1 on the items apart after the last batch was labeled."""
    made = make(seed, items=items)
    config = ProjectConfig(classes=made.pool.classes, selection=Selection(batch_size=_BATCH), seed=seed)
    choose, pool = _chooser(way, config, seed), made.pool
    model = train(pool, config)
    for number in range(_ROUNDS):
        if model is None:
            raise RuntimeError("the first labels are of one class")
        pool = label(pool, made.truth, choose(pool, model, number))
        model = train(pool, config, previous=model)
    return 0.0 if model is None else _macro_f1(model, made)


def make(seed: int, *, items: int = _ITEMS) -> Made:
    """Overlapping classes of uneven size, in a pool of so many items."""
    rng = np.random.default_rng(seed)
    centres = rng.normal(size=(len(_SHARES), _DIMENSION))
    true = rng.choice(len(_SHARES), size=items + _HELD_OUT, p=_SHARES)
    vectors = centres[true] + _NOISE * rng.normal(size=(len(true), _DIMENSION))
    vectors = (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float16)
    pool = _pool(vectors[:items], rng.random(items))
    pool = label(pool, true[:items], np.arange(_FIRST))
    return Made(pool, true[:items], vectors[items:].astype(np.float32), true[items:])


def label(pool: Pool, truth: Index, chosen: Index) -> Pool:
    """The pool after some items were labeled rightly."""
    labeled = pool.labeled.copy()
    labeled[chosen] = True
    targets = (truth[:, None] == np.arange(len(pool.classes))) & labeled[:, None]
    return replace(pool, labeled=labeled, targets=targets)


def _pool(
    vectors: np.ndarray[tuple[int, ...], np.dtype[np.float16]], draws: np.ndarray[tuple[int], np.dtype[np.float64]]
) -> Pool:
    n = len(vectors)
    rows, nothing = np.arange(n), np.full(n, -1)
    return Pool(
        item_ids=[str(row) for row in range(n)],
        ids=rows,
        matrix=vectors,
        rows=rows,
        source_names=("one",),
        sources=np.zeros(n, dtype=np.int64),
        groups=rows,
        families=rows,
        draws=draws,
        folds=nothing,
        bands=nothing,
        rule_names=(),
        rule_hits=np.zeros((n, 0), dtype=bool),
        rule_scores=np.zeros((n, 0), dtype=np.float32),
        rule_settled=np.zeros(0, dtype=bool),
        classes=tuple(f"class-{number:02}" for number in range(len(_SHARES))),
        targets=np.zeros((n, len(_SHARES)), dtype=bool),
        labeled=np.zeros(n, dtype=bool),
        queued=np.zeros(n, dtype=bool),
    )


def _chooser(way: str, config: ProjectConfig, seed: int) -> Choose:
    if way == PRODUCT:
        return _product(config)
    if way == CHANCE:
        rng = np.random.default_rng(seed)
        return lambda pool, _model, _number: rng.permutation(pool.eligible)[:_BATCH]

    def ask(pool: Pool, model: LinearModel, number: int) -> Index:
        probability = classifier.probabilities(model, pool.features, pool.rows)
        return PEERS[way].choose(handed(pool, probability), _BATCH, _ROUNDS * seed + number)

    return ask


def _product(config: ProjectConfig) -> Choose:
    """The product as it runs, its audit sample included."""
    audit: dict[str, float] = {}
    nearness = Nearness()

    def ask(pool: Pool, model: LinearModel, number: int) -> Index:
        plan = RoundPlan(number + 1, _BATCH, "made-up", number + 1, audit=dict(audit))
        selected = select(pool, model, config, plan, nearness=nearness)
        audit.update(selected.audit)
        return np.array([choice.position for choice in selected.choices])

    return ask


def _macro_f1(model: LinearModel, made: Made) -> float:
    probability = classifier.probabilities(model, made.vectors, np.arange(len(made.vectors)))
    said = classifier.decide(model, probability).argmax(axis=1)
    return float(f1_score(made.apart, said, average="macro", zero_division=0))


def main() -> None:
    """Play with every way that is installed, by every seed, and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, required=True)
    given = parser.parse_args()
    warnings.simplefilter("ignore")
    ways = [PRODUCT, CHANCE, *(name for name, peer in PEERS.items() if peer.installed)]
    print(json.dumps({way: [round(play(way, seed), 4) for seed in range(given.seeds)] for way in ways}))


if __name__ == "__main__":
    main()
