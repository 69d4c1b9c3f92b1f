"""Answers on their way in: the rows of a request are read, judged and stored, each refused once or kept."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from shared.contracts import ReceiptMessage, SubmissionMessage, parse_submission
from shared.database import Database
from shared.errors import InvalidInputError
from shared.repository import submissions as rows
from shared.repository.assignments import stream_entries
from workers.intake.answers import take_answers, until_alone

_ORIGIN = "http"


@dataclass(frozen=True)
class Unreadable:
    """A row that is no submission."""

    submission_id: str | None
    payload: str
    reason: str


Answer = SubmissionMessage | Unreadable


@dataclass(frozen=True)
class Taken:
    """What became of answers: a receipt each, and the stream entries of the assignments that they closed."""

    receipts: list[ReceiptMessage]
    entries: list[str]


def read_answer(row: Any, *, project: str) -> Answer:
    """One row of a request, as `json.loads` gives it; the path says the project, which the row may repeat."""
    if not isinstance(row, dict):
        return Unreadable(None, _shown(row), "body: an object is expected for each submission")
    named = row.get("submission_id")
    submission_id = named if isinstance(named, str) and named.isprintable() and len(named) <= 200 else None
    if row.get("project") not in (None, project):
        reason = f"project: the path says {project!r}; leave it out"
        return Unreadable(submission_id, _shown(row), reason)
    try:
        return parse_submission(json.dumps({**row, "project": project}).encode())
    except InvalidInputError as error:
        return Unreadable(submission_id, _shown(row), str(error))
    except RecursionError:
        return Unreadable(submission_id, "", "label: nested too deeply")


def store_answers(database: Database, project_id: int, project: str, answers: Sequence[Answer]) -> Taken:
    """Judge and keep answers of one project in one transaction; they are durable when this returns."""
    return until_alone(lambda: _store(database, project_id, project, answers))


def _store(database: Database, project_id: int, project: str, answers: Sequence[Answer]) -> Taken:
    messages = [answer for answer in answers if isinstance(answer, SubmissionMessage)]
    with database.write() as session:
        verdicts = take_answers(session, project_id=project_id, messages=messages, origin=_ORIGIN)
        for answer in answers:
            if isinstance(answer, Unreadable):
                rows.store_dead_letter(
                    session, origin=_ORIGIN, project=project, payload=answer.payload, reason=answer.reason
                )
        entries = stream_entries(session, [verdict.closes for verdict in verdicts if verdict.closes is not None])
    judged = iter(verdicts)
    return Taken([_receipt(answer) or next(judged).receipt for answer in answers], entries)


def _receipt(answer: Answer) -> ReceiptMessage | None:
    if isinstance(answer, SubmissionMessage):
        return None
    return ReceiptMessage(submission_id=answer.submission_id, status="refused", reason=answer.reason)


def _shown(row: Any) -> str:
    try:
        return json.dumps(row)
    except RecursionError:
        return ""
