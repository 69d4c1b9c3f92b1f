"""Queries of the watch over labels: its reports, and who answered what in the audit sample."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from sqlmodel import Session, col, select

from shared.among import among
from shared.database import now
from shared.drift_tables import FreshLabels
from shared.labels import LabelJson, in_force
from shared.pool import Index
from shared.tables import Assignment, Submission

_ITEM = "<i8"


@dataclass(frozen=True)
class GivenAnswer:
    """The last answer of one annotator to one item, in the classes of today."""

    item: int
    annotator: str
    label: LabelJson


def last_look(session: Session, project_id: int) -> FreshLabels | None:
    """The newest report; None before the first."""
    statement = select(FreshLabels).where(col(FreshLabels.project_id) == project_id)
    return session.exec(statement.order_by(col(FreshLabels.number).desc()).limit(1)).first()


def latest_levels(session: Session, project_id: int, *, count: int) -> list[str]:
    """Levels of the last reports, the oldest first."""
    statement = select(FreshLabels.level).where(col(FreshLabels.project_id) == project_id)
    return list(session.exec(statement.order_by(col(FreshLabels.number).desc()).limit(count)))[::-1]


def items_seen(session: Session, project_id: int, *, began: int) -> tuple[Index, Index]:
    """`Item.id` (n,), ascending, of the audit items that reports since `began` saw, and how many after it that was."""
    statement = select(FreshLabels.number, FreshLabels.items).where(
        col(FreshLabels.project_id) == project_id, col(FreshLabels.number) >= began
    )
    rows = [(number - began, np.frombuffer(items, dtype=_ITEM)) for number, items in session.exec(statement)]
    ids = np.concatenate([items for _, items in rows] or [np.zeros(0)]).astype(np.int64)
    looks = np.concatenate([np.full(len(items), look) for look, items in rows] or [np.zeros(0)]).astype(np.int64)
    order = np.argsort(ids, kind="stable")
    return ids[order], looks[order]


def answers_to(session: Session, items: Sequence[int], former: Mapping[str, str]) -> list[GivenAnswer]:
    """The last answer of each annotator to each of some items, by item and annotator."""
    latest: dict[tuple[int, str], LabelJson] = {}
    statement = (
        select(Submission.item, Submission.annotator, Submission.label)
        .where(among(Submission.item, items))
        .order_by(col(Submission.id))
    )
    for item, annotator, label in session.exec(statement):
        latest[item, annotator] = in_force(label, former)
    return [GivenAnswer(item, annotator, latest[item, annotator]) for item, annotator in sorted(latest)]


def queued_by_chance(session: Session, project_id: int) -> Index:
    """`Item.id` (n,) of the items that were queued because they are in the audit sample."""
    channel = col(Assignment.reason)["channel"].as_string()
    statement = select(Assignment.item).where(col(Assignment.project_id) == project_id, channel == "audit").distinct()
    return np.array(session.exec(statement).all(), dtype=np.int64)


def store_look(
    session: Session,
    project_id: int,
    *,
    number: int,
    model: int,
    began: int,
    items: Index,
    level: str,
    findings: dict[str, Any],
    state: dict[str, Any],
) -> FreshLabels:
    """Write one report."""
    report = FreshLabels(
        project_id=project_id,
        number=number,
        model=model,
        began=began,
        items=items.astype(_ITEM).tobytes(),
        level=level,
        findings=findings,
        state=state,
        made_at=now(session),
    )
    session.add(report)
    session.flush()
    return report
