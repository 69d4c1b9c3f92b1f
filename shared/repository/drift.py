"""Queries of the drift watch: reference, windows of new items, reports and campaigns."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from sqlmodel import Session, col, func, select

from shared.database import now
from shared.drift_tables import Campaign, DriftReference, DriftReport
from shared.pool import Index
from shared.repository.pools import space_of
from shared.tables import Item
from shared.vectors import count_vectors


@dataclass(frozen=True)
class Window:
    """A run of items in the order in which they came.

    Attributes:
        ids: (n,) int64, row numbers, ascending.
    """

    ids: Index

    @property
    def first(self) -> int:
        """Row number of the first item."""
        return int(self.ids[0])

    @property
    def through(self) -> int:
        """Row number of the last item."""
        return int(self.ids[-1])


def find_reference(session: Session, project_id: int) -> DriftReference | None:
    """The project's reference; None before enough items came."""
    return session.get(DriftReference, project_id)


def all_embedded(session: Session, project_id: int, *, encoder: str) -> bool:
    """Whether every text of the project has a vector."""
    texts = select(func.count(func.distinct(Item.text_key))).where(col(Item.project_id) == project_id)
    return session.exec(texts).one() <= count_vectors(session, space=space_of(project_id), encoder=encoder)


def next_items(session: Session, project_id: int, *, after: int, count: int) -> Window | None:
    """The next `count` items after row number `after`; None while there are fewer."""
    statement = (
        select(Item.id)
        .where(col(Item.project_id) == project_id, col(Item.id) > after)
        .order_by(col(Item.id))
        .limit(count)
    )
    ids = session.exec(statement).all()
    return Window(np.array(ids, dtype=np.int64)) if len(ids) == count else None


def watched_through(session: Session, project_id: int, reference: DriftReference) -> tuple[int, int]:
    """Number of the last window that was reported on, and the row number of its last item."""
    statement = select(func.max(DriftReport.window), func.max(DriftReport.through)).where(
        col(DriftReport.project_id) == project_id
    )
    window, through = session.exec(statement).one()
    return window or 0, max(through or 0, reference.through)


def latest_levels(session: Session, project_id: int, *, count: int) -> list[str]:
    """Levels of the last windows, the oldest first."""
    statement = (
        select(DriftReport.level)
        .where(col(DriftReport.project_id) == project_id)
        .order_by(col(DriftReport.window).desc())
        .limit(count)
    )
    return list(session.exec(statement))[::-1]


def windows_since_campaign(session: Session, project_id: int) -> int | None:
    """Windows reported since the one that opened the last campaign; None when there was no campaign."""
    opened = session.exec(
        select(func.max(DriftReport.window))
        .join(Campaign, col(Campaign.report) == col(DriftReport.id))
        .where(col(Campaign.project_id) == project_id)
    ).one()
    if opened is None:
        return None
    newest = select(func.max(DriftReport.window)).where(col(DriftReport.project_id) == project_id)
    return (session.exec(newest).one() or 0) - opened


def store_reference(session: Session, project_id: int, *, encoder: str, arrays: bytes, through: int) -> None:
    """Write the project's reference."""
    session.merge(
        DriftReference(project_id=project_id, encoder=encoder, arrays=arrays, through=through, fitted_at=now(session))
    )


def store_report(
    session: Session, project_id: int, *, number: int, window: Window, level: str, findings: dict[str, Any]
) -> int:
    """Write one window's report; returns its row number."""
    report = DriftReport(
        project_id=project_id,
        window=number,
        first=window.first,
        through=window.through,
        items=len(window.ids),
        level=level,
        findings=findings,
        made_at=now(session),
    )
    session.add(report)
    session.flush()
    return report.id


def open_campaign(session: Session, project_id: int, *, report: int, candidates: Mapping[str, Sequence[int]]) -> None:
    """Write a campaign; the next round serves it."""
    session.add(
        Campaign(
            project_id=project_id,
            report=report,
            budget=sum(len(items) for items in candidates.values()),
            candidates={channel: list(items) for channel, items in candidates.items()},
            opened_at=now(session),
        )
    )
