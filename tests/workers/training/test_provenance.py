"""What a model version was made of: equal hashes mean equal training data, in whatever order the items came."""

import hashlib
import json
from dataclasses import replace

import numpy as np

from shared.pool import Mask, Pool
from shared.project import ProjectConfig
from tests.pools import make_pool
from workers.training.provenance import provenance


def folded_pool() -> tuple[Pool, Mask]:
    pool, truth = make_pool(items=30, labeled=12)
    return replace(pool, folds=np.arange(30) % 5), truth


def hashes(pool: Pool) -> tuple[str, str]:
    told = provenance(pool, ProjectConfig(classes=pool.classes), encoder="e")
    return told["data"], told["folds"]["data"]


def test_it_is_a_line_of_json_for_each_labeled_item_in_the_order_of_their_ids() -> None:
    pool, _ = folded_pool()
    pool = replace(pool, item_ids=[f'"ä{number}\n' for number in np.random.default_rng(0).permutation(30)])
    rows = sorted(np.flatnonzero(pool.labeled).tolist(), key=lambda row: pool.item_ids[row])
    answers = [[pool.item_ids[row], [pool.classes[pool.targets[row].argmax()]]] for row in rows]
    folds = [[pool.item_ids[row], int(pool.folds[row])] for row in rows]
    assert hashes(pool) == tuple(
        hashlib.sha256("".join(json.dumps(line) + "\n" for line in lines).encode()).hexdigest()
        for lines in (answers, folds)
    )


def test_only_what_is_labeled_counts() -> None:
    pool, truth = folded_pool()
    more = pool.labeled.copy()
    more[np.flatnonzero(~pool.labeled)[0]] = True
    assert hashes(replace(pool, labeled=more, targets=truth & more[:, None])) != hashes(pool)
    names = [item if labeled else f"other-{item}" for item, labeled in zip(pool.item_ids, pool.labeled, strict=True)]
    assert hashes(replace(pool, item_ids=names)) == hashes(pool)
