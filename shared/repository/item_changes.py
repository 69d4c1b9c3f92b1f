"""The feed of changed items: rows of the pool that became others after they came.

Whoever changes an item's fold or duplicate group says so here, in the same transaction and while it holds the
project's items (`shared.repository.items.hold`), so that the entries of a project are numbered in the order of their
commits. A process that keeps a pool reads what came after the last entry that it knows.
"""

from collections.abc import Collection
from dataclasses import dataclass

import numpy as np
from sqlalchemy import select
from sqlmodel import Session, col

from shared.database import now
from shared.pool import Index
from shared.tables import ItemChange

_ITEM = "<i8"
# Of a project without an entry.
NOTHING = 0


@dataclass(frozen=True)
class Changes:
    """What a feed tells.

    Attributes:
        newest: number and time of the newest entry, by which it is known again; `(0, 0)` without any.
        items: (k,) int64 row numbers that were named since; their duplicate groups are to be read anew too.
    """

    newest: tuple[int, float]
    items: Index


def note(session: Session, project_id: int, items: Collection[int]) -> None:
    """Say that items changed: `Item.id`, and of a duplicate group that moved its old and its new representative."""
    if items:
        named = np.array(sorted(items), dtype=_ITEM).tobytes()
        session.add(ItemChange(project_id=project_id, items=named, changed_at=now(session)))


def newest(session: Session, project_id: int) -> tuple[int, float]:
    """Number and time of the newest entry."""
    statement = (
        select(col(ItemChange.id), col(ItemChange.changed_at))
        .where(col(ItemChange.project_id) == project_id)
        .order_by(col(ItemChange.id).desc())
        .limit(1)
    )
    found = session.connection().execute(statement).one_or_none()
    return (NOTHING, 0.0) if found is None else (found[0], found[1])


def since(session: Session, project_id: int, known: tuple[int, float]) -> Changes | None:
    """What came after an entry; None where that is not on record any more, as the database is another one."""
    statement = (
        select(col(ItemChange.id), col(ItemChange.changed_at), col(ItemChange.items))
        .where(col(ItemChange.project_id) == project_id, col(ItemChange.id) >= known[0])
        .order_by(col(ItemChange.id))
    )
    rows = session.connection().execute(statement).all()
    if known[0] != NOTHING and (not rows or (rows[0][0], rows[0][1]) != known):
        return None
    fresh = [np.frombuffer(row[2], dtype=_ITEM) for row in rows if row[0] > known[0]]
    named = np.unique(np.concatenate([np.empty(0, np.int64), *fresh])).astype(np.int64)
    return Changes((rows[-1][0], rows[-1][1]) if rows else known, named)
