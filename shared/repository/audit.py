"""Queries on the audit sample's bands: which items lie in which, and the models that say so."""

from collections.abc import Sequence

import numpy as np
from sqlalchemy import delete, select
from sqlmodel import Session, col

from shared.database import now
from shared.pool import Index
from shared.tables import AuditBands, AuditScorer

_CODE = "<i4"
_ITEM = "<i8"


def load_scorers(session: Session, project_id: int, *, encoder: str) -> list[bytes]:
    """Arrays of a project's scorers, the first phase first; none where they are of another encoder's vectors."""
    statement = select(AuditScorer).where(col(AuditScorer.project_id) == project_id).order_by(col(AuditScorer.phase))
    scorers = session.execute(statement).scalars().all()
    return [scorer.arrays for scorer in scorers if scorer.encoder == encoder]


def stored_bands(session: Session, project_id: int) -> tuple[tuple[tuple[int, float], ...], tuple[int, ...]]:
    """The scorers on record, as (phase, time), and the numbers of the stored runs of bands."""
    scorers = select(col(AuditScorer.phase), col(AuditScorer.made_at)).where(col(AuditScorer.project_id) == project_id)
    runs = select(col(AuditBands.id)).where(col(AuditBands.project_id) == project_id).order_by(col(AuditBands.id))
    made = [(row[0], row[1]) for row in session.connection().execute(scorers.order_by(col(AuditScorer.phase)))]
    return tuple(made), tuple(session.connection().execute(runs).scalars())


def load_bands(session: Session, project_id: int, ids: Index, *, runs: Sequence[int] | None = None) -> Index:
    """Codes (n,) int64 of the items `ids`, which ascend; -1 for an item without one. Of some stored runs, or all."""
    codes = np.full(len(ids), -1, dtype=np.int64)
    statement = select(col(AuditBands.items), col(AuditBands.codes)).where(col(AuditBands.project_id) == project_id)
    if runs is not None:
        statement = statement.where(col(AuditBands.id).in_(runs))
    for items, found in session.connection().execute(statement.order_by(col(AuditBands.id))):
        known = np.frombuffer(items, dtype=_ITEM)
        place = np.searchsorted(ids, known)
        there = (place < len(ids)) & (ids[np.minimum(place, len(ids) - 1)] == known) if len(ids) else known < 0
        codes[place[there]] = np.frombuffer(found, dtype=_CODE)[there]
    return codes


def store_scorers(session: Session, project_id: int, *, encoder: str, scorers: Sequence[tuple[int, bytes]]) -> None:
    """Store new scorers, as (phase, arrays)."""
    time = now(session)
    session.add_all(
        AuditScorer(project_id=project_id, phase=phase, encoder=encoder, arrays=arrays, made_at=time)
        for phase, arrays in scorers
    )


def store_bands(session: Session, project_id: int, *, ids: Index, codes: Index, instead: bool) -> None:
    """Store the codes of items, `ids` ascending: beside what is there, or instead of it."""
    if instead:
        session.connection().execute(delete(AuditBands).where(col(AuditBands.project_id) == project_id))
    if len(ids):
        session.add(
            AuditBands(project_id=project_id, items=ids.astype(_ITEM).tobytes(), codes=codes.astype(_CODE).tobytes())
        )
