"""Queries on submissions, labels and dead letters.

Those that each answer needs are put together once: answers come by the thousand a second, and to put a statement
together takes SQLAlchemy several times as long as to run it.
"""

import json
from collections import Counter, defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from operator import attrgetter
from typing import NamedTuple

from sqlalchemy import BindParameter, String, bindparam, cast, delete, func, update
from sqlalchemy import text as sql
from sqlmodel import Session, col, select

from shared.among import among, several
from shared.bulk import insert_rows
from shared.database import now, read_json
from shared.labels import LabelJson, classes_of, in_force, resolve
from shared.tables import Assignment, AssignmentState, DeadLetter, Item, Label, Submission

# Rows that are in memory at once.
_AT_ONCE = 1_000

_PROJECT: BindParameter[int] = bindparam("project")
_TIME: BindParameter[float] = bindparam("time")

_FIND_ITEMS = select(Item.item_id, Item.id, Item.text).where(
    col(Item.project_id) == _PROJECT, among(Item.item_id, several("these", str))
)
_FIND_EARLIER = (
    select(Submission.submission_id, Item.item_id, Submission.annotator, Submission.label)
    .join(Item, col(Item.id) == col(Submission.item))
    .where(col(Submission.project_id) == _PROJECT, among(Submission.submission_id, several("these", str)))
)
_FIND_ASSIGNMENTS = (
    select(Assignment.item, Assignment.id, Assignment.lease, Assignment.state)
    .where(among(Assignment.item, several("these", int)))
    .order_by(col(Assignment.id))
)
_CLOSE = (
    update(Assignment)
    .where(among(Assignment.id, several("these", int)), col(Assignment.state) == AssignmentState.OPEN)
    .values(state=AssignmentState.DONE, closed_at=_TIME)
)
_FIND_ANSWERS = (
    select(Submission.item, Submission.annotator, Submission.label)
    .where(among(Submission.item, several("these", int)))
    .order_by(col(Submission.id))
)
# By row number: by the project's index all would have to be looked through.
_NEWEST = (
    select(Submission.item, func.max(Submission.id))
    .where(col(Submission.project_id) + 0 == _PROJECT, col(Submission.id) > bindparam("through"))
    .group_by(col(Submission.item))
)
_FIND_LABELS = select(Label.item, Label.value, Label.agreement).where(among(Label.item, several("these", int)))
# All labels of a transaction travel as one JSON text, each label in it as a JSON text of its own, since SQLite before
# 3.38 takes the quotes off a string that it is asked for.
_RESOLVED = {
    "sqlite": """
        SELECT json_extract(value, '$[0]'), :project, json_extract(value, '$[1]'), json_extract(value, '$[2]'),
               json_extract(value, '$[3]'), :time
        FROM json_each(:resolved) WHERE true""",  # without WHERE, its ON is taken for that of a join
    "postgresql": """
        SELECT CAST(value ->> 0 AS bigint), CAST(:project AS bigint), CAST(value ->> 1 AS json),
               CAST(value ->> 2 AS double precision), CAST(value ->> 3 AS integer), CAST(:time AS double precision)
        FROM json_array_elements(CAST(:resolved AS json))""",
}
_STORE_LABELS = {
    dialect: sql(
        f"""
        INSERT INTO label (item, project_id, value, agreement, submissions, updated_at) {rows}
        ON CONFLICT (item) DO UPDATE SET value = excluded.value, agreement = excluded.agreement,
            submissions = excluded.submissions, updated_at = excluded.updated_at"""  # nosec B608 - all words are ours
    )
    for dialect, rows in _RESOLVED.items()
}


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


# All of an answer that is stored as it is.
_PLAIN = ("submission_id", "item", "annotator", "assignment", "late", "unasked")
_plain = attrgetter(*_PLAIN)


class Asked(NamedTuple):
    """An assignment, as far as an answer to it is concerned."""

    id: int
    lease: int
    is_open: bool


def find_items(session: Session, project_id: int, item_ids: Collection[str]) -> dict[str, tuple[int, str]]:
    """`item_id` -> (row number, text) of those that exist."""
    these = session.connection().execute(_FIND_ITEMS, {"project": project_id, "these": item_ids}).all()
    return {item_id: (row, text) for item_id, row, text in these}


def find_earlier(
    session: Session, project_id: int, submission_ids: Collection[str]
) -> dict[str, tuple[str, str, LabelJson]]:
    """`submission_id` -> (item_id, annotator, label) of those that were stored before."""
    these = session.connection().execute(_FIND_EARLIER, {"project": project_id, "these": submission_ids}).all()
    return {key: (item_id, annotator, label) for key, item_id, annotator, label in these}


def find_assignments(session: Session, items: Collection[int]) -> dict[int, list[Asked]]:
    """Item row number -> all its assignments, the oldest first."""
    found: dict[int, list[Asked]] = defaultdict(list)
    for item, number, lease, state in session.connection().execute(_FIND_ASSIGNMENTS, {"these": items}).all():
        found[item].append(Asked(number, lease, state == AssignmentState.OPEN))
    return found


def store_answers(session: Session, project_id: int, answers: Sequence[Answer], former: Mapping[str, str]) -> None:
    """Keep answers, close their assignments, and bring the labels of their items up to date.

    Args:
        session: A writing transaction that holds the project's configuration.
        project_id: The project's row number.
        answers: The answers, in order of arrival.
        former: Name that a class had before -> its name today.
    """
    if not answers:
        return
    time = now(session)
    insert_rows(
        session,
        Submission,
        ("project_id", "received_at", "label", *_PLAIN),
        ((project_id, time, json.dumps(answer.label), *_plain(answer)) for answer in answers),
    )
    if closed := [answer.assignment for answer in answers if answer.assignment is not None]:
        session.connection().execute(_CLOSE, {"these": closed, "time": time})
    resolved = _resolved(session, {answer.item for answer in answers}, former)
    _store_labels(session, resolved, project_id, time)


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


class _Resolved(NamedTuple):
    item: int
    value: LabelJson
    agreement: float
    submissions: int


class Renewal:
    """Resolves every label of a project anew from its submissions, which stay as they came.

    Most of it is done before the write lock is taken; it goes on under it with the items that were answered meanwhile.
    """

    def __init__(self, former: Mapping[str, str]) -> None:
        """Nothing is resolved yet; `former` is the name that a class had before -> its name today."""
        self._former, self._through = former, 0
        self._others: dict[int, tuple[_Resolved, bool]] = {}

    def go_on(self, session: Session, project_id: int) -> None:
        """Resolve the items that have submissions after the last one that was looked at."""
        row = {"project": project_id, "through": self._through}
        newest = dict(session.connection().execute(_NEWEST, row).all())
        items = list(newest)
        for start in range(0, len(items), _AT_ONCE):
            self._look_at(session, items[start : start + _AT_ONCE])
        self._through = max(newest.values(), default=self._through)

    def store(self, session: Session, project_id: int) -> int:
        """Store the labels that are other ones now; how many have another value."""
        others, time = list(self._others.values()), now(session)
        for start in range(0, len(others), _AT_ONCE):
            _store_labels(session, [label for label, _ in others[start : start + _AT_ONCE]], project_id, time)
        return sum(has_another_value for _, has_another_value in others)

    def _look_at(self, session: Session, items: Collection[int]) -> None:
        standing = session.connection().execute(_FIND_LABELS, {"these": items})
        before = {item: (value, agreement) for item, value, agreement in standing}
        for label in _resolved(session, items, self._former):
            self._others.pop(label.item, None)
            value, agreement = before[label.item]
            if (label.value, label.agreement) != (value, agreement):
                self._others[label.item] = label, label.value != value


def answered_classes(session: Session, project_id: int, former: Mapping[str, str]) -> Counter[str]:
    """How many submissions name each class, by its name today."""
    written = cast(Submission.label, String)
    statement = select(written, func.count()).where(col(Submission.project_id) == project_id).group_by(written)
    counts: Counter[str] = Counter()
    for label, times in session.connection().execute(statement):
        for name in classes_of(in_force(read_json(label), former)):
            counts[name] += times
    return counts


def _resolved(session: Session, items: Collection[int], former: Mapping[str, str]) -> list[_Resolved]:
    """The labels to which the answers of items lead."""
    return [
        _Resolved(item, *resolve([in_force(answer, former) for answer in answers]), len(answers))
        for item, answers in _latest_answers(session, items).items()
    ]


def _store_labels(session: Session, labels: Sequence[_Resolved], project_id: int, time: float) -> None:
    rows = [(item, json.dumps(value), agreement, submissions) for item, value, agreement, submissions in labels]
    connection = session.connection()
    connection.execute(
        _STORE_LABELS[connection.dialect.name], {"project": project_id, "time": time, "resolved": json.dumps(rows)}
    )


def _latest_answers(session: Session, items: Collection[int]) -> dict[int, list[LabelJson]]:
    """Item row number -> the last answer of each annotator, the oldest first."""
    latest: dict[int, dict[str, LabelJson]] = defaultdict(dict)
    for item, annotator, label in session.connection().execute(_FIND_ANSWERS, {"these": items}).all():
        latest[item].pop(
            annotator, None
        )  # a later answer of the same annotator replaces the earlier, and counts as new
        latest[item][annotator] = label
    return {item: list(answers.values()) for item, answers in latest.items()}
