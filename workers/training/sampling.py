"""Over- and undersampling: which rows a fit sees, and how often.

Classes are brought towards the middle one by size, not to the largest or smallest: with two classes that is the same,
with two hundred it keeps oversampling within twice the rows and undersampling from throwing nearly all away. What
remains uneven is left to class weights. A row counts to its rarest class; rows without a class are one class more.
"""

from typing import Literal

import numpy as np

from shared.pool import Index, Mask

Sampling = Literal["none", "oversample", "undersample"]


def draw(targets: Mask, families: Index, *, sampling: Sampling, members: int, seed: int) -> tuple[Index, ...]:
    """The rows of each fit whose coefficients are to be averaged: for a linear model the average score of several is
    that of one.

    `oversample` is one fit. Each class below the middle one (of two middle ones the larger) is repeated up to its size:
    every row as often as any other, give or take one. For a convex loss that is a weight on each row, and exactly the
    whole numbers near those that class weights would give.

    `undersample` is `members` fits, each on all rows of the classes up to the middle one (of two middle ones the
    smaller) and on a random part of that size of each larger class, whole families of a class at a time (Liu, Wu and
    Zhou, "Exploratory Undersampling for Class-Imbalance Learning", 2009: EasyEnsemble, with one linear model a part).

    Args:
        targets: (n, n_classes) bool, the labels of the rows that may be learned from, n >= 1.
        families: (n,) rows with equal numbers are drawn together.
        sampling: `none` is one fit on all rows.
        members: Fits of `undersample`.
        seed: Of the draws: the same rows, labels and seed give the same parts.

    Returns:
        For each fit (m,) int64 positions, ascending; repeated ones follow each other.
    """
    everything = np.arange(len(targets))
    if sampling == "none":
        return (everything,)
    of = _strata(targets)
    strata = [np.flatnonzero(of == stratum) for stratum in np.unique(of)]
    sizes = sorted(len(rows) for rows in strata)
    rng = np.random.default_rng(seed)
    if sampling == "oversample":
        return (np.sort(np.concatenate([_repeated(rows, sizes[len(sizes) // 2], rng) for rows in strata])),)
    middle = sizes[(len(sizes) - 1) // 2]
    parts = [np.concatenate([_part(rows, families[rows], middle, rng) for rows in strata]) for _ in range(members)]
    return tuple(np.sort(part) for part in parts)


def _strata(targets: Mask) -> Index:
    """One class a row: its rarest, or `n_classes` for a row without any."""
    rarity = np.where(targets, targets.sum(axis=0), np.iinfo(np.int64).max)
    rarest: Index = np.where(targets.any(axis=1), rarity.argmin(axis=1), targets.shape[1])
    return rarest


def _repeated(rows: Index, wanted: int, rng: np.random.Generator) -> Index:
    if len(rows) >= wanted:
        return rows
    times, left = divmod(wanted, len(rows))
    return np.concatenate([np.tile(rows, times), rng.permutation(rows)[:left]])


def _part(rows: Index, families: Index, wanted: int, rng: np.random.Generator) -> Index:
    """Rows of random families, of which each is taken that fits into what is still wanted, but one at least."""
    if len(rows) <= wanted:
        return rows
    _, family = np.unique(families, return_inverse=True)
    order, sizes = rng.permutation(int(family.max()) + 1).tolist(), np.bincount(family).tolist()
    taken, left = [], wanted
    for one in order:
        if sizes[one] <= left:
            taken.append(one)
            left -= sizes[one]
    return rows[np.isin(family, taken or order[:1])]
