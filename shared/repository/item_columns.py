"""The items of a project as columns, read from the database in runs, and brought up to date by what changed."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Executable, or_, select
from sqlmodel import Session, col

from shared.among import among
from shared.names import Names
from shared.pool import Index, Mask, places
from shared.tables import Item
from shared.vectors import text_key

# Rows that are Python objects at a time.
_AT_ONCE = 20_000


@dataclass(frozen=True)
class ItemColumns:
    """All items of a project, those without a vector too; row i of each array is the same item.

    Attributes:
        ids: (n,) int64 row numbers, ascending.
        item_ids: the users' names.
        text_keys: (n,) int64.
        source_names: by code, in the order in which they came.
        sources: (n,) int64 codes.
        groups: (n,) int64 duplicate groups, the own row number of one that stands alone.
        named: (n,) int64 hash of the user's group; 0 where there is none.
        draws: (n,) float64.
        folds: (n,) int64, -1 where none is recorded.
    """

    ids: Index
    item_ids: Names
    text_keys: Index
    source_names: tuple[str, ...]
    sources: Index
    groups: Index
    named: Index
    draws: NDArray[np.float64]
    folds: Index

    @property
    def last(self) -> int:
        """The highest row number; 0 without items."""
        return int(self.ids[-1]) if len(self.ids) else 0

    def places(self, ids: Index) -> Index:
        """(k,) position of each of `ids`, -1 where it is not there."""
        return places(self.ids, ids)


EMPTY = ItemColumns(
    ids=np.empty(0, np.int64),
    item_ids=Names.of(()),
    text_keys=np.empty(0, np.int64),
    source_names=(),
    sources=np.empty(0, np.int64),
    groups=np.empty(0, np.int64),
    named=np.empty(0, np.int64),
    draws=np.empty(0, np.float64),
    folds=np.empty(0, np.int64),
)


def with_new(session: Session, project_id: int, known: ItemColumns) -> ItemColumns:
    """The columns with the items that came since; the same object where none came."""
    statement = (
        select(
            col(Item.id),
            col(Item.text_key),
            col(Item.draw),
            col(Item.item_id),
            col(Item.source),
            col(Item.duplicate_group),
            col(Item.group),
            col(Item.fold),
        )
        # The sum keeps the database from looking through all of the project's items by an index of theirs.
        .where(col(Item.project_id) + 0 == project_id, col(Item.id) > known.last)
        .order_by(col(Item.id))
    )
    codes = {name: code for code, name in enumerate(known.source_names)}
    fresh = [_columns(rows, codes) for rows in _runs(session, statement)]
    if not fresh:
        return known
    more = [np.concatenate(some) for some in zip(*(part[1:] for part in fresh), strict=True)]
    before = known.ids, known.text_keys, known.draws, known.sources, known.groups, known.named, known.folds
    ids, keys, draws, sources, groups, named, folds = (
        np.concatenate([old, new]) for old, new in zip(before, more, strict=True)
    )
    names = known.item_ids.followed_by(name for part in fresh for name in part[0])
    return ItemColumns(ids, names, keys, tuple(codes), sources, groups, named, draws, folds)


def with_changed(session: Session, known: ItemColumns, changed: Index) -> ItemColumns:
    """The columns with the folds and duplicate groups that changed.

    Args:
        session: A transaction.
        known: The columns.
        changed: (k,) int64, as `shared.repository.item_changes` names items: with each come those of its group.
    """
    wanted = changed[changed <= known.last].tolist()
    statement = select(col(Item.id), col(Item.duplicate_group), col(Item.fold)).where(
        or_(among(Item.id, wanted), among(Item.duplicate_group, wanted))
    )
    found = session.connection().execute(statement).all()
    if not found:
        return known
    ids, groups, folds = _group_column(found)
    place = known.places(ids)
    ids, groups, folds, place = (column[place >= 0] for column in (ids, groups, folds, place))
    return replace(known, groups=_with(known.groups, place, groups), folds=_with(known.folds, place, folds))


def _with(column: Index, place: Index, values: Index) -> Index:
    """A column with other values at some places; the same object where they are there already."""
    if np.array_equal(column[place], values):
        return column
    changed = column.copy()
    changed[place] = values
    return changed


def _runs(session: Session, statement: Executable) -> Iterator[Sequence[Any]]:
    options = {"yield_per": _AT_ONCE}
    yield from session.connection().execute(statement, execution_options=options).partitions()


def _columns(rows: Sequence[Any], codes: dict[str, int]) -> tuple[Any, ...]:
    """The names and arrays of some rows; `codes` of sources grow by those that are new."""
    ids, keys, draws, names, sources, groups, named, folds = zip(*rows, strict=True)
    own = np.array(ids, dtype=np.int64)
    return (
        names,
        own,
        np.array(keys, dtype=np.int64),
        np.array(draws, dtype=np.float64),
        np.array([codes.setdefault(source, len(codes)) for source in sources], dtype=np.int64),
        _or(groups, own),
        np.array([0 if name is None else text_key(name) for name in named], dtype=np.int64),
        _or(folds, np.full(len(own), -1, dtype=np.int64)),
    )


def _group_column(rows: Sequence[Any]) -> tuple[Index, Index, Index]:
    ids, groups, folds = zip(*rows, strict=True)
    own = np.array(ids, dtype=np.int64)
    return own, _or(groups, own), _or(folds, np.full(len(own), -1, dtype=np.int64))


def _or(values: Sequence[int | None], otherwise: Index) -> Index:
    """The values, another one where there is none. Both columns that this is for hold no value for most items."""
    missing: Mask = np.fromiter((value is None for value in values), dtype=bool, count=len(values))
    filled = otherwise.copy()
    filled[~missing] = [value for value in values if value is not None]
    return filled
