"""Queries of the drift watch: references and reports."""

from typing import Any

import numpy as np
from sqlmodel import Session, col, func, select

from shared.database import now
from shared.drift_tables import DriftHeldOut, DriftReference, DriftReport
from shared.pool import Index
from shared.repository.alarms import close_of_items
from shared.repository.drift_windows import Seen, Span, Window, is_within, seen_by
from shared.repository.pools import space_of
from shared.tables import Item
from shared.vectors import count_vectors


def find_reference(session: Session, project_id: int, version: int | None = None) -> DriftReference | None:
    """The project's reference of this version, or the one in force; None before enough items came."""
    statement = select(DriftReference).where(col(DriftReference.project_id) == project_id)
    if version is not None:
        statement = statement.where(col(DriftReference.version) == version)
    return session.exec(statement.order_by(col(DriftReference.version).desc()).limit(1)).first()


def store_reference(
    session: Session, project_id: int, *, encoder: str, arrays: bytes, watched: Seen, why: str
) -> DriftReference:
    """Put a new version of the reference in force, and end the alarms that were raised beside the one before it.

    The windows beside it begin after what has been `watched`.
    """
    newest = select(func.max(DriftReference.version)).where(col(DriftReference.project_id) == project_id)
    version = (session.exec(newest).one() or 0) + 1
    made = DriftReference(
        project_id=project_id,
        version=version,
        encoder=encoder,
        arrays=arrays,
        through=watched.settled,
        partly_through=watched.through,
        until=watched.until,
        why=why,
        fitted_at=now(session),
    )
    session.add(made)
    if version > 1:
        close_of_items(session, project_id, reason=f"reference {version} is in force: {why}")
    session.flush()
    return made


def find_held_out(session: Session, project_id: int, *, model: int, reference: int) -> bytes | None:
    """What was kept for this version of the model and of the reference."""
    kept = session.get(DriftHeldOut, project_id)
    return kept.arrays if kept is not None and (kept.model, kept.reference) == (model, reference) else None


def keep_held_out(session: Session, project_id: int, *, model: int, reference: int, arrays: bytes) -> None:
    """Keep this, in place of what was kept before."""
    session.merge(DriftHeldOut(project_id=project_id, model=model, reference=reference, arrays=arrays))


def all_embedded(session: Session, project_id: int, *, encoder: str) -> bool:
    """Whether every text of the project has a vector."""
    texts = select(func.count(func.distinct(Item.text_key))).where(col(Item.project_id) == project_id)
    return session.exec(texts).one() <= count_vectors(session, space=space_of(project_id), encoder=encoder)


def latest_reports(session: Session, project_id: int, *, count: int) -> list[DriftReport]:
    """On the last windows, the oldest first."""
    statement = (
        select(DriftReport)
        .where(col(DriftReport.project_id) == project_id)
        .order_by(col(DriftReport.window).desc())
        .limit(count)
    )
    return list(session.exec(statement))[::-1]


def last_report(session: Session, project_id: int) -> DriftReport | None:
    """On the newest window; None before the first."""
    return next(iter(latest_reports(session, project_id, count=1)), None)


def find_report(session: Session, project_id: int, number: int) -> DriftReport | None:
    """On window `number`."""
    return session.exec(
        select(DriftReport).where(col(DriftReport.project_id) == project_id, col(DriftReport.window) == number)
    ).first()


def span_from(session: Session, project_id: int, window: int | None, *, end: Seen) -> Span:
    """What was watched from window `window` on, or from the first item, up to a moment."""
    if window is None:
        return Span(end)
    since = (col(DriftReport.project_id) == project_id, col(DriftReport.window) >= window)
    first = session.exec(select(func.min(DriftReport.first)).where(*since)).one() or 0
    before = find_report(session, project_id, window - 1)
    return Span(end, first=first) if before is None else Span(end, seen_by(before), first)


def window_items(session: Session, report: DriftReport) -> Index:
    """(n,) int64 ascending: row numbers of a window's items."""
    span = span_from(session, report.project_id, report.window, end=seen_by(report))
    ids = session.exec(select(Item.id).where(is_within(report.project_id, span)).order_by(col(Item.id))).all()
    return np.array(ids, dtype=np.int64)


def latest_levels(session: Session, project_id: int, *, count: int) -> list[str]:
    """Levels of the last windows, the oldest first."""
    statement = (
        select(DriftReport.level)
        .where(col(DriftReport.project_id) == project_id)
        .order_by(col(DriftReport.window).desc())
        .limit(count)
    )
    return list(session.exec(statement))[::-1]


def store_report(
    session: Session,
    project_id: int,
    *,
    number: int,
    reference: int,
    window: Window,
    level: str,
    findings: dict[str, Any],
    state: dict[str, Any],
) -> int:
    """Write one window's report; returns its row number."""
    report = DriftReport(
        project_id=project_id,
        window=number,
        reference=reference,
        first=int(window.ids.min()),
        through=window.seen.through,
        settled=window.seen.settled,
        since=window.since,
        until=window.seen.until,
        items=len(window.ids),
        level=level,
        findings=findings,
        state=state,
        made_at=now(session),
    )
    session.add(report)
    session.flush()
    return report.id
