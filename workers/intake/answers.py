"""Taking answers: facts from the database, a verdict for each, and what follows, in one transaction."""

from collections.abc import Callable, Sequence
from typing import TypeVar

import structlog
from sqlalchemy.exc import IntegrityError
from sqlmodel import Session

from shared import lanes
from shared.contracts import SubmissionMessage
from shared.crash_points import name_commit
from shared.database import was_deadlock
from shared.errors import DatabaseUnavailableError
from shared.events import Event, emit
from shared.project import ProjectConfig
from shared.repository import submissions as rows
from shared.repository.projects import hold_config
from workers.intake.submissions import Earlier, KnownAssignment, KnownItem, Verdict, judge

T = TypeVar("T")

GATHERING_S = 0.02
"""While answers come fast, a transaction with some begins so long after the last one at the earliest: most of what it
costs is the same for one answer and for twenty, and it keeps all others waiting that have some."""

_log = structlog.get_logger(__name__)


def until_alone(store: Callable[[], T]) -> T:
    """Run a transaction that takes answers; anew where another one was in its way, as all of it is looked up again.

    The other stored the same submission between our look and our write, or the database chose ours to end a deadlock.
    """
    while True:
        try:
            return store()
        except IntegrityError:
            _log.info("answers.raced")
        except DatabaseUnavailableError as error:
            if not was_deadlock(error):
                raise
            _log.info("answers.deadlocked")


def take_answers(
    session: Session, *, project_id: int, messages: Sequence[SubmissionMessage], origin: str
) -> list[Verdict]:
    """Judge and keep a run of submissions of one project; a bad one goes to the dead letters, the rest go on.

    Args:
        session: A writing transaction, committed by the caller before anybody is told of the verdicts.
        project_id: The project's row number.
        messages: The submissions, in order of arrival.
        origin: Where they came from, for the dead letters.

    Returns:
        One verdict a message, in the same order.
    """
    name_commit(session, "submissions.take", project_id)
    # One at a time per project, so that two listeners can't resolve one item's label from half of its answers.
    config = hold_config(session, project_id)
    items = rows.find_items(session, project_id, {message.item_id for message in messages})
    earlier = {
        key: Earlier(*value)
        for key, value in rows.find_earlier(session, project_id, {m.submission_id for m in messages}).items()
    }
    assignments = rows.find_assignments(session, {row for row, _ in items.values()})
    closed: set[int] = set()
    verdicts = []
    for message in messages:
        row, text = items.get(message.item_id, (None, ""))
        of_item = assignments.get(row, []) if row is not None else []
        verdict = judge(
            message,
            config=config,
            item=None if row is None else KnownItem(row, text, asked=bool(of_item)),
            assignment=_assignment(message, row, of_item, closed),
            earlier=earlier.get(message.submission_id),
        )
        if verdict.label is not None:
            earlier[message.submission_id] = Earlier(message.item_id, message.annotator, verdict.label)
        if verdict.closes is not None:
            closed.add(verdict.closes)
        verdicts.append(verdict)
    _keep(session, project_id, config, messages, verdicts, origin)
    return verdicts


def _assignment(
    message: SubmissionMessage, item: int | None, asked: Sequence[rows.Asked], closed: set[int]
) -> KnownAssignment | None:
    """The assignment that a message is about: the one it names, else the first open one of its item."""
    for one in asked:
        is_open = one.is_open and one.id not in closed
        if item is not None and (one.id == message.assignment or (message.assignment is None and is_open)):
            return KnownAssignment(one.id, item, one.lease, is_open)
    return None


def _keep(
    session: Session,
    project_id: int,
    config: ProjectConfig,
    messages: Sequence[SubmissionMessage],
    verdicts: Sequence[Verdict],
    origin: str,
) -> None:
    answers = []
    for message, verdict in zip(messages, verdicts, strict=True):
        if verdict.item is not None and verdict.label is not None:
            answers.append(
                rows.Answer(
                    submission_id=message.submission_id,
                    item=verdict.item,
                    annotator=message.annotator,
                    label=verdict.label,
                    assignment=verdict.closes or message.assignment,
                    late=verdict.receipt.late,
                    unasked=verdict.receipt.unasked,
                )
            )
        elif verdict.receipt.status == "refused":
            rows.store_dead_letter(
                session,
                origin=origin,
                project=message.project,
                payload=message.model_dump_json(),
                reason=verdict.receipt.reason or "",
            )
    if answers:
        # The lane before the assignments: a round holds it while it waits for the lane of the dispatch, and that is
        # held by whoever waits for assignments.
        lanes.request(session, project_id, lanes.ROUND)
        rows.store_answers(session, project_id, answers, config.former_classes)
        emit(session, Event.LABELS_SUBMITTED, project_id=project_id, labels=len(answers))
