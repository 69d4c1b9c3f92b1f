"""DIRECT: for each class the threshold that divides its labels best, and items around it.

Nuggehalli, Zhang, Jain and Nowak, "DIRECT: Deep Active Learning under Imbalance and Label Noise" (2023), the successor
of GALAXY. Both of these ask within a batch for labels that they use in the same batch; here, as for every other
strategy, a batch is asked for as a whole: as DIRECT with as many parallel annotators as the batch has places.
"""

import numpy as np

from scripts.bench.selection_peers.peer import Seen, probabilities
from scripts.bench.selection_peers.scores import first_of_each
from shared.pool import Floats, Index
from shared.project import Task

# Half of the batch narrows the thresholds down; no class is given fewer than so many of it.
_LEAST_A_CLASS = 5


def direct(view: Seen, count: int) -> Index:
    """Half of the places by chance from where the thresholds may lie, the others around where they seem to lie."""
    pool = view.pool
    margin = class_margins(probabilities(view), exclusive=view.config.task is Task.SINGLE)
    order = np.argsort(-margin, axis=0, kind="stable")  # (n, n_classes) positions, the most certain yes first
    free = np.zeros(len(pool), dtype=bool)
    free[pool.eligible] = True
    known = [column for column in np.argsort(pool.label_counts, kind="stable") if pool.label_counts[column]]
    narrow = known[: max(1, min(len(known), count // 2 // _LEAST_A_CLASS))]
    chosen = [np.empty(0, np.int64)]
    for column, places in zip(narrow, _shares(count // 2, len(narrow)), strict=True):
        inside = order[slice(*_unsure(_signs(view, order, column))), column]
        inside = inside[free[inside]]
        drawn = view.rng.choice(inside, size=min(places, len(inside)), replace=False)
        free[drawn] = False
        chosen.append(drawn)
    left = count - sum(map(len, chosen))
    columns = view.rng.permutation(known)
    for column, places in zip(columns, _shares(left, len(columns)), strict=True):
        threshold = best_threshold(_signs(view, order, column))
        around = _around(order[:, column], threshold)
        taken = around[free[around]][:places]
        free[taken] = False
        chosen.append(taken)
    rest = pool.eligible[free[pool.eligible]]
    rest = rest[np.argsort(-margin[rest].max(axis=1), kind="stable")[::-1]]
    return first_of_each(np.concatenate([*chosen, rest]))[:count]


def class_margins(probability: Floats, *, exclusive: bool) -> Floats:
    """(n, n_classes) how clearly each class is the answer: less than 0 where another one is.

    The probability less that of the best other class; of classes that don't exclude each other, less one half.
    """
    if not exclusive or probability.shape[1] < 2:
        halves: Floats = probability - 0.5
        return halves
    two = -np.partition(-probability, 1, axis=1)[:, :2]
    best_other = np.where(probability == two[:, :1], two[:, 1:], two[:, :1])
    margins: Floats = probability - best_other
    return margins


def best_threshold(signs: np.ndarray[tuple[int], np.dtype[np.int8]]) -> int:
    """How many items should count as yes, so that most labels are right; `signs` (n,) as `_signs` gives them."""
    gained = np.concatenate([[0], np.cumsum(signs, dtype=np.int64)])
    return int(gained.argmax())


def _signs(view: Seen, order: Index, column: int) -> np.ndarray[tuple[int], np.dtype[np.int8]]:
    """(n,) along the order of a class: 1 where a label says yes, -1 where one says no, 0 without a label."""
    along = order[:, column]
    yes, labeled = view.pool.targets[along, column], view.pool.labeled[along]
    return np.where(labeled, np.where(yes, 1, -1), 0).astype(np.int8)


def _unsure(signs: np.ndarray[tuple[int], np.dtype[np.int8]]) -> tuple[int, int]:
    """From the last yes before any no to the first no after every yes: no threshold elsewhere is better."""
    yes, no = np.flatnonzero(signs > 0), np.flatnonzero(signs < 0)
    first_no = no[0] if len(no) else len(signs)
    last_yes = yes[-1] if len(yes) else -1
    before = yes[yes < first_no]
    after = no[no > last_yes]
    return (int(before[-1]) if len(before) else 0), (int(after[0]) + 1 if len(after) else len(signs))


def _around(along: Index, threshold: int) -> Index:
    """The positions `along` an order, from the threshold outwards, left and right in turn."""
    distance = np.abs(2 * (np.arange(len(along)) - threshold) + 1)
    return along[np.argsort(distance, kind="stable")]


def _shares(places: int, parts: int) -> list[int]:
    """Places divided evenly, the first parts one more where it does not come out even."""
    return [places // parts + (part < places % parts) for part in range(parts)]
