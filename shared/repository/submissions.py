"""Queries on submissions, labels and dead letters."""

from collections import Counter, defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import bindparam, delete, insert, update
from sqlmodel import Session, col, select

from shared.database import now
from shared.labels import LabelJson, classes_of, in_force, resolve
from shared.repository.parts import in_parts
from shared.tables import Assignment, AssignmentState, DeadLetter, Item, Label, Project, Submission

# Rows that are in memory at once.
_AT_ONCE = 1_000


@dataclass(frozen=True)
class Answer:
    """An accepted submission, ready to be stored."""

    submission_id: str
    item: int
    annotator: str
    label: LabelJson
    assignment: int | None
    late: bool
    unasked: bool


def find_items(session: Session, project_id: int, item_ids: Collection[str]) -> dict[str, tuple[int, str]]:
    """`item_id` -> (row number, text) of those that exist."""
    found: dict[str, tuple[int, str]] = {}
    for part in in_parts(sorted(item_ids)):
        statement = select(Item.item_id, Item.id, Item.text).where(
            col(Item.project_id) == project_id, col(Item.item_id).in_(part)
        )
        found |= {item_id: (row, text) for item_id, row, text in session.exec(statement)}
    return found


def find_earlier(
    session: Session, project_id: int, submission_ids: Collection[str]
) -> dict[str, tuple[str, str, LabelJson]]:
    """`submission_id` -> (item_id, annotator, label) of those that were stored before."""
    found: dict[str, tuple[str, str, LabelJson]] = {}
    for part in in_parts(sorted(submission_ids)):
        statement = (
            select(Submission.submission_id, Item.item_id, Submission.annotator, Submission.label)
            .join(Item, col(Item.id) == col(Submission.item))
            .where(col(Submission.project_id) == project_id, col(Submission.submission_id).in_(part))
        )
        found |= {key: (item_id, annotator, label) for key, item_id, annotator, label in session.exec(statement)}
    return found


def find_assignments(session: Session, items: Collection[int]) -> dict[int, list[Assignment]]:
    """Item row number -> all its assignments, the oldest first."""
    found: dict[int, list[Assignment]] = defaultdict(list)
    for part in in_parts(sorted(items)):
        statement = select(Assignment).where(col(Assignment.item).in_(part)).order_by(col(Assignment.id))
        for assignment in session.exec(statement):
            found[assignment.item].append(assignment)
    return found


def store_answers(session: Session, project_id: int, answers: Sequence[Answer]) -> None:
    """Keep answers, close their assignments, and bring the labels of their items up to date."""
    if not answers:
        return
    time = now(session)
    session.connection().execute(
        insert(Submission),
        [{"project_id": project_id, "received_at": time, **vars(answer)} for answer in answers],
    )
    for part in in_parts([answer.assignment for answer in answers if answer.assignment is not None]):
        session.connection().execute(
            update(Assignment)
            .where(col(Assignment.id).in_(part), col(Assignment.state) == AssignmentState.OPEN)
            .values(state=AssignmentState.DONE, closed_at=time)
        )
    for part in in_parts(sorted({answer.item for answer in answers})):
        _resolve(session, project_id, part, time)


def store_dead_letter(session: Session, *, origin: str, project: str | None, payload: str, reason: str) -> None:
    """Keep a refused message with its reason."""
    # PostgreSQL can't hold NUL in text; the replacement character keeps its place visible.
    clean = payload.replace("\x00", "\ufffd")[:20_000]
    name = None if project is None else project.replace("\x00", "\ufffd")[:200]
    session.add(DeadLetter(origin=origin, project=name, payload=clean, reason=reason[:2_000], received_at=now(session)))


def forget_dead_letters(session: Session, *, kept_days: float) -> None:
    """Drop messages that were refused longer ago than this."""
    session.connection().execute(
        delete(DeadLetter).where(col(DeadLetter.received_at) < now(session) - kept_days * 86_400.0)
    )


def resolve_again(session: Session, project_id: int, former: Mapping[str, str]) -> int:
    """Resolve every label of a project anew from its submissions, which stay as they came.

    Args:
        session: A writing transaction.
        project_id: The project's row number.
        former: Name that a class had before -> its name today.

    Returns:
        How many labels are other ones now.
    """
    changed, time = 0, now(session)
    standing = session.exec(select(Label.item).where(col(Label.project_id) == project_id).order_by(col(Label.item)))
    for part in in_parts(standing.all()):
        labels = {label.item: label for label in session.exec(select(Label).where(col(Label.item).in_(part)))}
        for item, answers in _latest_answers(session, part).items():
            label, (value, agreement) = labels[item], resolve([in_force(answer, former) for answer in answers])
            if (label.value, label.agreement) != (value, agreement):
                changed += label.value != value
                label.value, label.agreement, label.updated_at = value, agreement, time
        session.flush()
        session.expunge_all()  # a million labels need no place in memory
    return changed


def answered_classes(session: Session, project_id: int, former: Mapping[str, str]) -> Counter[str]:
    """How many submissions name each class, by its name today."""
    statement = select(Submission.label).where(col(Submission.project_id) == project_id)
    counts: Counter[str] = Counter()
    for label in session.exec(statement.execution_options(yield_per=_AT_ONCE)):
        counts.update(classes_of(in_force(label, former)))
    return counts


def _resolve(session: Session, project_id: int, items: Sequence[int], time: float) -> None:
    former = session.get_one(Project, project_id).config.get("former_classes", {})
    standing = set(session.exec(select(Label.item).where(col(Label.item).in_(items))))
    resolved = []
    for item, answers in _latest_answers(session, items).items():
        value, agreement = resolve([in_force(answer, former) for answer in answers])
        resolved.append({"key": item, "value": value, "agreement": agreement, "submissions": len(answers)})
    written: dict[str, Any] = {name: bindparam(name) for name in ("value", "agreement", "submissions")}
    # Plain statements, since answers come by the thousand a second, and objects cost more than all the rest.
    if new := [row for row in resolved if row["key"] not in standing]:
        session.connection().execute(
            insert(Label).values(item=bindparam("key"), project_id=project_id, updated_at=time, **written), new
        )
    if old := [row for row in resolved if row["key"] in standing]:
        changed = update(Label).where(col(Label.item) == bindparam("key")).values(updated_at=time, **written)
        session.connection().execute(changed, old)


def _latest_answers(session: Session, items: Sequence[int]) -> dict[int, list[LabelJson]]:
    """Item row number -> the last answer of each annotator, the oldest first."""
    statement = (
        select(Submission.item, Submission.annotator, Submission.label)
        .where(col(Submission.item).in_(items))
        .order_by(col(Submission.id))
    )
    latest: dict[int, dict[str, LabelJson]] = defaultdict(dict)
    for item, annotator, label in session.exec(statement):
        latest[item].pop(
            annotator, None
        )  # a later answer of the same annotator replaces the earlier, and counts as new
        latest[item][annotator] = label
    return {item: list(answers.values()) for item, answers in latest.items()}
