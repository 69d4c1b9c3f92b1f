"""Labeled items with all that is known of how they came to their label, one after the other."""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from typing import Any

from sqlalchemy import select
from sqlmodel import Session, col

from shared.tables import Assignment, Batch, Item, Label, Submission

_AT_ONCE = 500


def labeled_items(session: Session, project_id: int) -> Iterator[dict[str, Any]]:
    """Each item that has a label, in the order in which items arrived, in memory that does not grow with the pool.

    Yields:
        JSON-ready: `item_id`, `text`, `source`, the standing `label` with its `agreement`, all `submissions`, the
        oldest first, and the `reasons` for which it was queued, with their `batch`.
    """
    last = 0
    while labels := _labels_after(session, project_id, last):
        items = [label.item for label, _ in labels]
        submissions, reasons = _submissions(session, items), _reasons(session, items)
        for label, item in labels:
            yield {
                "item_id": item.item_id,
                "text": item.text,
                "source": item.source,
                "label": label.value,
                "agreement": label.agreement,
                "submissions": submissions[label.item],
                "reasons": reasons[label.item],
            }
        last = items[-1]
        session.expunge_all()  # or the session would remember every row


def _labels_after(session: Session, project_id: int, item: int) -> list[tuple[Label, Item]]:
    statement = (
        select(Label, Item)
        .join(Item, col(Item.id) == col(Label.item))
        .where(col(Label.project_id) == project_id, col(Label.item) > item)
        .order_by(col(Label.item))
        .limit(_AT_ONCE)
    )
    return [(label, item) for label, item in session.execute(statement)]


def _submissions(session: Session, items: Sequence[int]) -> dict[int, list[dict[str, Any]]]:
    found: dict[int, list[dict[str, Any]]] = defaultdict(list)
    statement = select(Submission).where(col(Submission.item).in_(items)).order_by(col(Submission.id))
    for submission in session.execute(statement).scalars():
        found[submission.item].append(
            {
                "submission_id": submission.submission_id,
                "annotator": submission.annotator,
                "label": submission.label,
                "received_at": submission.received_at,
                "late": submission.late,
                "unasked": submission.unasked,
            }
        )
    return found


def _reasons(session: Session, items: Sequence[int]) -> dict[int, list[dict[str, Any]]]:
    """The reason of each batch that an item was in; the slots of one batch share it."""
    found: dict[int, list[dict[str, Any]]] = defaultdict(list)
    statement = (
        select(col(Assignment.item), col(Batch.round), col(Assignment.reason))
        .join(Batch, col(Batch.id) == col(Assignment.batch))
        .where(col(Assignment.item).in_(items), col(Assignment.slot) == 0)
        .order_by(col(Assignment.id))
    )
    for item, number, reason in session.connection().execute(statement):
        found[item].append({"batch": number, **reason})
    return found
