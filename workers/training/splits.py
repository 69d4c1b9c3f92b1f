"""Splits and folds that keep families of items together and classes spread."""

import warnings
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from sklearn.model_selection import StratifiedGroupKFold, StratifiedKFold

from shared.pool import Index, Mask


@dataclass(frozen=True)
class Folds:
    """`of[i]` is the fold of row i; a model meets row i only in evaluation, never in training, of that fold."""

    of: Index
    count: int


def strata(targets: Mask) -> Index:
    """One stratum a row: its rarest class, or `n_classes` for a row without any.

    Args:
        targets: (n, n_classes) bool.
    """
    rarity = np.where(targets, targets.sum(axis=0), np.iinfo(np.int64).max)
    rarest: Index = np.where(targets.any(axis=1), rarity.argmin(axis=1), targets.shape[1])
    return rarest


def make_folds(targets: Mask, families: Index, *, count: int, seed: int) -> Folds:
    """Stratified folds; items of one family share a fold.

    Args:
        targets: (n, n_classes) bool.
        families: (n,) items with equal numbers stay together.
        count: wanted number of folds; fewer when there are fewer families.
        seed: of the shuffle.
    """
    count = min(count, len(np.unique(families)))
    if count < 2:
        return Folds(np.zeros(len(targets), dtype=np.int64), 1)
    classes = strata(targets)
    of = np.zeros(len(targets), dtype=np.int64)
    # scikit-learn refuses when every class has fewer rows than folds: a stratum of "the rest" takes the small ones.
    sizes = np.bincount(classes, minlength=targets.shape[1] + 1)
    if sizes.max() < count:
        classes = np.zeros_like(classes)
    with warnings.catch_warnings():
        # It warns of a class with fewer rows than folds, which here is the usual case.
        warnings.filterwarnings("ignore", message="The least populated class", category=UserWarning)
        for number, (_, held_out) in enumerate(_split(classes, families, count=count, seed=seed)):
            of[held_out] = number
    return Folds(of, count)


def held_out_quarter(targets: Mask, families: Index, *, seed: int) -> Mask:
    """A test set: a stratified quarter of the rows, whole families only. (n,) bool."""
    held_out: Mask = make_folds(targets, families, count=4, seed=seed).of == 0
    return held_out


def _split(classes: Index, families: Index, *, count: int, seed: int) -> Iterator[tuple[Index, Index]]:
    """Rows in and out of training for each fold."""
    if len(np.unique(families)) == len(families):  # the simpler splitter does the same, ten times as fast
        yield from StratifiedKFold(count, shuffle=True, random_state=seed).split(classes, classes)
    else:
        yield from StratifiedGroupKFold(count, shuffle=True, random_state=seed).split(classes, classes, families)
