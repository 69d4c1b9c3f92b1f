"""The pool as aligned arrays: what training and selection compute on."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Self, overload

import numpy as np
from numpy.typing import NDArray

from shared.halves import widen

Index = NDArray[np.int64]
Mask = NDArray[np.bool_]
Floats = NDArray[np.float32]


@dataclass(frozen=True)
class Lexical:
    """Lexical features of the texts behind a pool's vectors.

    Attributes:
        matrix: (w, k) float16, several rows of the pool's matrix may share one.
        rows: (m,) int64, row of `matrix` for each row of the pool's matrix.
    """

    matrix: NDArray[np.float16]
    rows: Index

    @classmethod
    def of(cls, features: NDArray[np.float16], rows: Index, *, height: int) -> Self:
        """The features (n, k) of the texts whose vectors are the rows (n,) of a matrix of so many rows."""
        of_row = np.zeros(height, dtype=np.int64)
        of_row[rows] = np.arange(len(rows))
        return cls(features, of_row)


@dataclass(frozen=True)
class Features:
    """Vectors and the lexical features beside them, as one matrix (m, d + k) of which only rows that are asked for are
    ever built.

    Attributes:
        vectors: (m, d) float16.
        lexical: Of the same rows.
    """

    vectors: NDArray[np.float16]
    lexical: Lexical

    def __getitem__(self, rows: Index) -> NDArray[np.float16]:
        """(len(rows), d + k) float16, a copy."""
        return np.concatenate([self.vectors[rows], self.lexical.matrix[self.lexical.rows[rows]]], axis=1)


Matrix = NDArray[np.float16] | Floats | Features
"""What rows are taken of for a model."""


@dataclass(frozen=True)
class Augmented:
    """Texts made from labeled items, for training only: they are no items, and nothing is chosen or measured on them.

    A text belongs to the family of its parent: where that is held out, so is the text.

    Attributes:
        parents: (k,) int64, the position in the pool of the labeled item that each is made from.
        vectors: (k, d) float32 unit vectors, or as wide as the pool's features where it has lexical ones.
        targets: (k, n_classes) bool, from the label that the parent has now.
    """

    parents: Index
    vectors: Floats
    targets: Mask


@dataclass(frozen=True)
class Pool:
    """Every embedded item of a project at one moment, row by row; row i of each array is the same item.

    Attributes:
        item_ids: (n,) the users' names of the items, distinct.
        ids: (n,) int64, stable row numbers in the database, ascending.
        matrix: (m, d) float16, unit vectors, several items may share one.
        rows: (n,) int64, row of `matrix` for each item.
        source_names: names behind the codes in `sources`.
        sources: (n,) int64, code of each item's source.
        groups: (n,) int64, equal for items of one duplicate group.
        families: (n,) int64, equal for items that must share a split: duplicate groups joined with users' groups.
        draws: (n,) float64, permanent random numbers in [0, 1).
        folds: (n,) int64, the recorded part in which an item is held out of training; -1 where none is recorded yet.
        bands: (n,) int64, the audit sample's strata by likelihood of a rare class, the likeliest highest; -1 before
            there is any.
        rule_names: names behind the columns of `rule_hits`.
        rule_hits: (n, n_rules) bool.
        rule_scores: (n, n_rules) float32, how strongly each rule hits: 1 for keywords and patterns, the cosine for
            descriptions, the item's value for hints; 0 where it does not hit.
        rule_settled: (n_rules,) bool, rules that hit an item for good when it arrives: all but descriptions, whose hits
            move with the pool.
        classes: the project's classes, in the order of the columns of `targets`.
        targets: (n, n_classes) bool, the labels; all false where unlabeled.
        labeled: (n,) bool.
        queued: (n,) bool, with an open assignment.
        augmented: texts made from labeled items; None where there are none that teach.
        lexical: features beside the vectors; None where not all texts have them.
    """

    item_ids: Sequence[str]
    ids: Index
    matrix: NDArray[np.float16]
    rows: Index
    source_names: tuple[str, ...]
    sources: Index
    groups: Index
    families: Index
    draws: NDArray[np.float64]
    folds: Index
    bands: Index
    rule_names: tuple[str, ...]
    rule_hits: Mask
    rule_scores: Floats
    rule_settled: Mask
    classes: tuple[str, ...]
    targets: Mask
    labeled: Mask
    queued: Mask
    augmented: Augmented | None = None
    lexical: Lexical | None = None

    def __len__(self) -> int:
        """Number of items."""
        return len(self.ids)

    def vectors(self, index: Index) -> Floats:
        """Unit vectors (len(index), d) float32 of the items at the positions `index`."""
        return widen(rows_of(self.matrix, self.rows[index]))

    @property
    def features(self) -> Matrix:
        """What models score, row by row of `matrix`: the vectors, and after them the lexical features if there are any.

        So a model of vectors alone reads the beginning of a row.
        """
        return self.matrix if self.lexical is None else Features(self.matrix, self.lexical)

    @cached_property
    def representatives(self) -> Index:
        """Positions of one item for each duplicate group: the first. In the order of the groups' numbers."""
        own = np.flatnonzero(self.groups == self.ids)
        others = np.flatnonzero(self.groups != self.ids)
        groups, first = np.unique(self.groups[others], return_index=True)
        alone = others[first[places(self.ids[own], groups) < 0]]  # of groups whose own first item is not in the pool
        if not len(alone):
            return own
        standing = np.concatenate([own, alone])
        ordered: Index = standing[np.argsort(self.groups[standing])]
        return ordered

    def representative_of(self, index: Index) -> Index:
        """(len(index),) position of the item that stands for the duplicate group of each."""
        standing = self.representatives
        found: Index = standing[np.searchsorted(self.groups[standing], self.groups[index])]
        return found

    @cached_property
    def told(self) -> Index:
        """Positions of one labeled item for each duplicate group that has any, in ascending order: the item that stands
        for the group, or the first where that has no label."""
        labeled = np.flatnonzero(self.labeled)
        standing = self.representative_of(labeled)
        order = np.lexsort((labeled, labeled != standing))
        _, first = np.unique(standing[order], return_index=True)
        return np.sort(labeled[order[first]])

    @cached_property
    def eligible(self) -> Index:
        """Positions that may be queued: one a duplicate group, none of whose items is labeled or queued."""
        taken = np.unique(self.groups[self.labeled | self.queued])
        standing = self.representatives
        place = np.minimum(np.searchsorted(self.groups[standing], taken), len(standing) - 1)
        free = np.ones(len(standing), dtype=bool)
        free[place] = False
        return np.sort(standing[free])

    @cached_property
    def label_counts(self) -> Index:
        """(n_classes,) labeled items of each class."""
        counts: Index = self.targets[self.labeled].sum(axis=0)
        return counts


@overload
def rows_of(matrix: NDArray[np.float16] | Features, rows: Index) -> NDArray[np.float16]: ...


@overload
def rows_of(matrix: Matrix, rows: Index) -> NDArray[np.float16] | Floats: ...


def rows_of(matrix: Matrix, rows: Index) -> NDArray[np.float16] | Floats:
    """(len(rows), d) rows of a matrix; where they follow each other they are looked at in place, and not copied."""
    follow = len(rows) > 0 and int(rows[-1]) - int(rows[0]) == len(rows) - 1 and bool((rows[1:] > rows[:-1]).all())
    if follow and isinstance(matrix, np.ndarray):
        return matrix[int(rows[0]) : int(rows[-1]) + 1]
    return matrix[rows]


def parts_of(matrix: Matrix, rows: Index) -> tuple[NDArray[np.float16] | Floats, ...]:
    """The same in parts that stand side by side: vectors, and behind them the lexical features if there are any."""
    if not isinstance(matrix, Features):
        return (rows_of(matrix, rows),)
    lexical = matrix.lexical
    return rows_of(matrix.vectors, rows), rows_of(lexical.matrix, lexical.rows[rows])


def places(ids: Index, wanted: Index) -> Index:
    """(k,) position of each wanted id in the ascending `ids` (n,), -1 where it is not there."""
    if not len(ids):
        return np.full(len(wanted), -1, dtype=np.int64)
    place = np.minimum(np.searchsorted(ids, wanted), len(ids) - 1)
    found: Index = np.where(ids[place] == wanted, place, -1)
    return found


def join_groups(groups: Index, names: Sequence[str | None]) -> Index:
    """Families: items are together when they share a duplicate group or a user's group, directly or through others.

    Args:
        groups: (n,) int64 duplicate groups.
        names: (n,) users' groups, None for items without one.

    Returns:
        (n,) int64, one number a family, numbered in the order of first appearance.
    """
    codes: dict[str, int] = {}
    numbers = [0 if name is None else codes.setdefault(name, len(codes) + 1) for name in names]
    return join_numbered_groups(groups, np.array(numbers, dtype=np.int64))


def join_numbered_groups(groups: Index, named: Index) -> Index:
    """As `join_groups`, of users' groups by number: (n,) int64, 0 for items without one."""
    place, count = _numbered(groups)
    if not named.any():
        return place
    from scipy.sparse import coo_array  # a quarter of a second, which processes that join nothing need not wait for
    from scipy.sparse.csgraph import connected_components

    inside = np.flatnonzero(named)
    other, others = _numbered(named[inside])
    ends = place[inside], count + other
    graph = coo_array((np.ones(len(inside), dtype=np.int8), ends), shape=(count + others, count + others))
    component = connected_components(graph, directed=False)[1].astype(np.int64)
    return _numbered(component[place])[0]


def _numbered(values: Index) -> tuple[Index, int]:
    """(n,) equal values by one number, in the order of first appearance, and how many numbers there are."""
    if (values[1:] > values[:-1]).all():
        return np.arange(len(values)), len(values)
    _, first, place = np.unique(values, return_index=True, return_inverse=True)
    order = np.empty(len(first), dtype=np.int64)
    order[np.argsort(first)] = np.arange(len(first))
    return order[place], len(first)
