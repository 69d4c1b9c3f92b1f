"""What the drift watch sees of items: vectors, sources and texts of a few, whatever the size of the pool."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from sqlalchemy import ColumnElement, func, or_
from sqlalchemy import select as sql_select
from sqlmodel import Session, col, select

from shared.among import among
from shared.pool import Index
from shared.repository.drift_windows import Span, is_within
from shared.repository.pools import space_of
from shared.tables import Item
from shared.vectors import Vectors, latest_vectors


@dataclass(frozen=True)
class Seeable:
    """Items as the watch looks at them: one a duplicate group.

    Attributes:
        ids: (n,) int64, ascending.
        vectors: (n, d) float16, unit length.
        sources: n names.
        texts: n texts.
        duplicates: More items that repeat an earlier one.
    """

    ids: Index
    vectors: Vectors
    sources: list[str]
    texts: list[str]
    duplicates: int


def read_items(session: Session, ids: Index, *, project_id: int, encoder: str, folder: Path) -> Seeable | None:
    """Some items of a project; None while one of them has no vector.

    Where all of them repeat earlier ones, they are seen all the same.
    """
    rows = _read(session, ids.tolist())
    standing = [row for row in rows if row[4] in (None, row[0])] or rows
    keys = np.array([row[3] for row in standing], dtype=np.int64)
    vectors = latest_vectors(session, space=space_of(project_id), encoder=encoder, folder=folder, keys=keys)
    if vectors is None:
        return None
    return Seeable(
        ids=np.array([row[0] for row in standing], dtype=np.int64),
        vectors=vectors,
        sources=[row[1] for row in standing],
        texts=[row[2] for row in standing],
        duplicates=len(rows) - len(standing),
    )


def drawn_items(session: Session, project_id: int, *, count: int, span: Span | None = None) -> Index:
    """(n,) int64 ascending: up to `count` items drawn by their permanent random numbers, one a duplicate group.

    Args:
        session: Any.
        project_id: Whose items.
        count: Most items.
        span: When those that may be drawn were watched; None: all there are may be.
    """
    statement = select(Item.id).where(
        col(Item.project_id) == project_id,
        _stands(),
        *([] if span is None else [is_within(project_id, span)]),
    )
    drawn = session.exec(statement.order_by(col(Item.draw), col(Item.id)).limit(count)).all()
    return np.sort(np.array(drawn, dtype=np.int64))


def newest_item(session: Session, project_id: int) -> int:
    """Row number of the newest item; 0 where there is none."""
    return session.exec(select(func.max(Item.id)).where(col(Item.project_id) == project_id)).one() or 0


def count_after(session: Session, project_id: int, row: int) -> int:
    """Items that came after row number `row`."""
    later = select(func.count()).select_from(Item).where(col(Item.project_id) == project_id, col(Item.id) > row)
    return session.exec(later).one()


def count_duplicates(session: Session, project_id: int, *, through: int, count: int) -> tuple[int, int]:
    """Items that repeat an earlier one, and all items, among the last `count` up to row number `through`."""
    last = (
        select(Item.id, Item.duplicate_group)
        .where(col(Item.project_id) == project_id, col(Item.id) <= through)
        .order_by(col(Item.id).desc())
        .limit(count)
    )
    rows = session.exec(last).all()
    return sum(group not in (None, item) for item, group in rows), len(rows)


def texts_of(session: Session, ids: Iterable[int]) -> dict[int, str]:
    """Texts by row number."""
    return dict(session.exec(select(Item.id, Item.text).where(among(Item.id, set(ids)))).all())


def _read(session: Session, ids: Sequence[int]) -> list[tuple[int, str, str, int, int | None]]:
    statement = (
        sql_select(col(Item.id), col(Item.source), col(Item.text), col(Item.text_key), col(Item.duplicate_group))
        .where(among(Item.id, ids))
        .order_by(col(Item.id))
    )
    found = session.connection().execute(statement)
    return [(item, source, text, key, group) for item, source, text, key, group in found]


def _stands() -> ColumnElement[bool]:
    return or_(col(Item.duplicate_group).is_(None), col(Item.duplicate_group) == col(Item.id))
