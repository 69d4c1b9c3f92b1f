"""One batch in full: its items by rank, why each was chosen, and what became of it."""

from dataclasses import dataclass
from typing import Any

from sqlalchemy import select
from sqlmodel import Session, col

from shared.contracts import Reason
from shared.database import now
from shared.tables import Assignment, AssignmentState, Batch, Item, Model
from workers.selection.reasons import sentence


@dataclass(frozen=True)
class BatchItem:
    """One item of a batch.

    Attributes:
        why: why it was chosen, as a sentence.
        reason: the same as `shared.contracts.Reason` has it.
        assignments: one a slot: id, state (`open`, `leased`, `done`, `withdrawn`), lease, annotator, times.
    """

    rank: int
    item_id: str
    source: str
    text: str
    why: str
    reason: dict[str, Any]
    assignments: list[dict[str, Any]]


@dataclass(frozen=True)
class BatchFacts:
    """One batch.

    `model` is the version that scored its items, None before the first; `division` the places that each channel was
    given; `done` the classes that got none, since enough of them is found; `stopping` what speaks for that or against
    it, for each class that was sought, see `workers.selection.stopping.Evidence`.
    """

    round: int
    model: int | None
    seed: int
    submissions_seen: int
    wanted: int
    chosen: int
    shortfalls: list[str]
    division: dict[str, int]
    done: list[str]
    stopping: dict[str, dict[str, Any]]
    train_s: float
    select_s: float
    selected_at: float
    items: list[BatchItem]


def newest_round(session: Session, project_id: int) -> int:
    """Number of the project's newest round; 0 before the first."""
    newest = (
        select(col(Batch.round)).where(col(Batch.project_id) == project_id).order_by(col(Batch.round).desc()).limit(1)
    )
    return session.connection().execute(newest).scalar_one_or_none() or 0


def read_batch(session: Session, project_id: int, number: int) -> BatchFacts | None:
    """The batch of one round, None when there is no such round."""
    statement = (
        select(Batch, col(Model.version))
        .outerjoin(Model, col(Model.id) == col(Batch.model))
        .where(col(Batch.project_id) == project_id, col(Batch.round) == number)
    )
    found = session.execute(statement).one_or_none()
    if found is None:
        return None
    batch, version = found
    return BatchFacts(
        round=batch.round,
        model=version,
        seed=batch.seed,
        submissions_seen=batch.submissions_seen,
        wanted=batch.wanted,
        chosen=batch.chosen,
        shortfalls=batch.shortfalls,
        division=batch.division,
        done=batch.done,
        stopping=batch.stopping,
        train_s=batch.train_s,
        select_s=batch.select_s,
        selected_at=batch.selected_at,
        items=_items(session, batch.id),
    )


def _items(session: Session, batch: int) -> list[BatchItem]:
    time = now(session)
    statement = (
        select(Assignment, col(Item.item_id), col(Item.source), col(Item.text))
        .join(Item, col(Item.id) == col(Assignment.item))
        .where(col(Assignment.batch) == batch)
        .order_by(col(Assignment.rank), col(Assignment.slot))
    )
    by_rank: dict[int, BatchItem] = {}
    for assignment, item_id, source, text in session.execute(statement):
        if assignment.rank not in by_rank:
            why = sentence(Reason.model_validate(assignment.reason))
            by_rank[assignment.rank] = BatchItem(assignment.rank, item_id, source, text, why, assignment.reason, [])
        by_rank[assignment.rank].assignments.append(_assignment(assignment, time))
    return list(by_rank.values())


def _assignment(assignment: Assignment, time: float) -> dict[str, Any]:
    leased = assignment.state == AssignmentState.OPEN and (assignment.leased_until or 0.0) > time
    return {
        "id": assignment.id,
        "state": "leased" if leased else assignment.state,
        "lease": assignment.lease,
        "annotator": assignment.annotator,
        "leased_until": assignment.leased_until,
        "closed_at": assignment.closed_at,
    }
