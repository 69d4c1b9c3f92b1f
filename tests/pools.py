"""Made-up pools for the tests of training and selection."""

from collections.abc import Sequence

import numpy as np

from shared.pool import Pool


def make_pool(
    *,
    items: int,
    classes: Sequence[str] = ("common", "rare"),
    shares: Sequence[float] = (0.9, 0.1),
    sources: Sequence[str] = ("email", "chat"),
    rules: Sequence[str] = (),
    labeled: int = 0,
    queued: int = 0,
    dimension: int = 16,
    seed: int = 0,
) -> tuple[Pool, np.ndarray[tuple[int, int], np.dtype[np.bool_]]]:
    """A pool of clustered unit vectors, one direction a class, and the true targets of all its items."""
    rng = np.random.default_rng(seed)
    true = rng.choice(len(classes), size=items, p=np.asarray(shares))
    centres = rng.normal(size=(len(classes), dimension))
    vectors = centres[true] + 0.8 * rng.normal(size=(items, dimension))
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    truth = np.arange(len(classes)) == true[:, None]
    order = rng.permutation(items)
    is_labeled = np.isin(np.arange(items), order[:labeled])
    is_queued = np.isin(np.arange(items), order[labeled : labeled + queued])
    ids = np.arange(1, items + 1)
    codes, draws = rng.integers(len(sources), size=items), rng.random(items)
    hits = (true[:, None] == len(classes) - 1) & (rng.random((items, len(rules))) < 0.5)
    pool = Pool(
        item_ids=[f"item-{number}" for number in ids],
        ids=ids,
        matrix=vectors.astype(np.float16),
        rows=np.arange(items),
        source_names=tuple(sources),
        sources=codes,
        groups=ids.copy(),
        families=np.arange(items),
        draws=draws,
        folds=np.full(items, -1),
        bands=np.full(items, -1),
        rule_names=tuple(rules),
        rule_hits=hits,
        rule_scores=hits.astype(np.float32),
        rule_settled=np.ones(len(rules), dtype=bool),
        classes=tuple(classes),
        targets=truth & is_labeled[:, None],
        labeled=is_labeled,
        queued=is_queued,
    )
    return pool, truth
