"""Folds that keep families of items together and classes and sources spread, and do not change once decided."""

from collections.abc import Iterator

import numpy as np

from shared.pool import Index, Mask, Pool

FOLDS = 5
_UNDECIDED = -1


def assign_folds(pool: Pool, *, count: int = FOLDS, seed: int) -> Index:
    """The fold in which each item is held out of training: what is recorded, and a choice for new labeled families.

    A family keeps the fold of its first recorded item. So where a new near duplicate joins families that were apart,
    the later ones move to the fold of the first; nothing else that is recorded ever changes. New families are dealt out
    as by `spread`, beside those that have their fold. Items of families without any label have no say.

    Args:
        pool: The pool, with the folds that are recorded.
        count: Number of folds.
        seed: Decides between folds that need a family alike.

    Returns:
        (n,) int64, 0 to `count - 1`; -1 where neither the item nor another of its family is labeled or recorded.
    """
    of_family = _recorded(pool)
    decided, labeled = of_family[pool.families], np.flatnonzero(pool.labeled)
    if (decided[labeled] == _UNDECIDED).any():
        of_family[pool.families[labeled]] = spread(
            pool.targets[labeled],
            pool.families[labeled],
            pool.sources[labeled],
            count=count,
            seed=seed,
            decided=decided[labeled],
        )
    return of_family[pool.families]


def held_out_quarter(targets: Mask, families: Index, sources: Index, *, seed: int) -> Mask:
    """A test set (n,) bool: a quarter of the rows, with classes and sources as in the rest, whole families only.

    Args:
        targets: (n, n_classes) bool.
        families: (n,) items with equal numbers stay together.
        sources: (n,) int64 codes.
        seed: Of the choice.
    """
    held_out: Mask = spread(targets, families, sources, count=4, seed=seed) == 0
    return held_out


def spread(
    targets: Mask, families: Index, sources: Index, *, count: int, seed: int, decided: Index | None = None
) -> Index:
    """Deal rows out to folds, whole families only, so that classes and then sources are spread evenly.

    Iterative stratification (Sechidis, Tsoumakas, Vlahavas, "On the Stratification of Multi-Label Data", ECML PKDD
    2011, algorithm 1), of families in place of items: the class with the fewest rows that are not dealt yet comes
    first, and each of its families, the largest first, goes to the fold that lacks most of this class; among equals to
    the one that lacks most of the family's source, and then to the one that lacks most rows. Where each row has one
    class and is a family of its own, a class differs by one between two folds at most, unless it differed by more in
    what was decided.

    Args:
        targets: (n, n_classes) bool; rows without a class are spread as one class more.
        families: (n,) int64, rows with equal numbers stay together.
        sources: (n,) int64 codes.
        count: Number of folds.
        seed: Decides between folds that need a family alike.
        decided: (n,) int64 folds that stand, -1 where there is none yet; alike for all rows of a family.

    Returns:
        (n,) int64, 0 to `count - 1`.
    """
    of = np.full(len(targets), _UNDECIDED, dtype=np.int64) if decided is None else decided.copy()
    strata = np.concatenate([targets, ~targets.any(axis=1, keepdims=True)], axis=1)
    by_stratum, by_source = _lacking(strata, of, count), _lacking(_one_hot(sources), of, count)
    by_rows = _lacking(np.ones((len(of), 1), dtype=bool), of, count)[0]
    open_rows = np.flatnonzero(of == _UNDECIDED)
    first, place = _by_first_row(families[open_rows])
    rows_of = _sums(strata[open_rows], place, len(first))
    sizes, source = np.bincount(place, minlength=len(first)), sources[open_rows[first]]
    rng, chosen = np.random.default_rng(seed), np.zeros(len(first), dtype=np.int64)
    for stratum, family in _in_turn(rows_of):
        ties, wanted = rng.random(count), by_source[source[family]]
        fold = int(np.lexsort((ties, by_rows, wanted, by_stratum[stratum]))[-1])
        chosen[family] = fold
        by_stratum[:, fold] -= count * rows_of[family]
        wanted[fold] -= count * sizes[family]
        by_rows[fold] -= count * sizes[family]
    of[open_rows] = chosen[place]
    return of


def _recorded(pool: Pool) -> Index:
    """For each family number the fold of its first recorded item, -1 where there is none."""
    of_family = np.full(int(pool.families.max(initial=-1)) + 1, _UNDECIDED, dtype=np.int64)
    rows = np.flatnonzero(pool.folds >= 0)
    family, first = np.unique(pool.families[rows], return_index=True)
    of_family[family] = pool.folds[rows[first]]
    return of_family


def _lacking(strata: Mask, of: Index, count: int) -> Index:
    """(n_strata, count) how many rows each fold lacks of its even share of each stratum, times `count`: whole numbers,
    so that equal needs are equal."""
    there = np.stack([strata[of == fold].sum(axis=0) for fold in range(count)], axis=1)
    lacking: Index = strata.sum(axis=0)[:, None] - count * there
    return lacking


def _by_first_row(families: Index) -> tuple[Index, Index]:
    """First row of each family, ascending, and each row's place among these: numbers of families may change."""
    _, first, place = np.unique(families, return_index=True, return_inverse=True)
    order = np.argsort(first)
    return first[order], np.argsort(order)[place]


def _in_turn(rows_of: Index) -> Iterator[tuple[int, int]]:
    """Each family with the stratum that it is dealt out for: the smallest of what is left first, the last one at the
    end, as it holds the rows without a class; in a stratum the largest families first.

    Args:
        rows_of: (n_families, n_strata) rows of each family in each stratum.
    """
    waiting, left = np.ones(len(rows_of), dtype=bool), rows_of.sum(axis=0)
    while waiting.any():
        some = np.flatnonzero(left[:-1])
        stratum = int(some[left[some].argmin()]) if len(some) else len(left) - 1
        members = np.flatnonzero(waiting & (rows_of[:, stratum] > 0))
        for family in members[np.argsort(-rows_of[members, stratum], kind="stable")].tolist():
            yield stratum, family
        waiting[members] = False
        left = left - rows_of[members].sum(axis=0)


def _one_hot(codes: Index) -> Mask:
    hot: Mask = codes[:, None] == np.arange(int(codes.max(initial=0)) + 1)
    return hot


def _sums(strata: Mask, place: Index, count: int) -> Index:
    """(count, n_strata) rows of each stratum at each place."""
    sums = np.zeros((count, strata.shape[1]), dtype=np.int64)
    row, stratum = np.nonzero(strata)
    np.add.at(sums, (place[row], stratum), 1)
    return sums
