"""Queries on rounds: models, batches, assignments, and what the trigger looks at."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, bindparam, func, insert, update
from sqlmodel import Session, SQLModel, col, select

from shared.among import among
from shared.contracts import Reason
from shared.database import now
from shared.repository import item_changes
from shared.repository.assignments import is_open
from shared.repository.projects import read_config
from shared.tables import Assignment, Batch, Item, Label, Model, Project, Submission


@dataclass(frozen=True)
class LastRound:
    """Where a project stands before its next round; all zero before the first."""

    number: int = 0
    model: int = 0
    """Highest model version."""
    submissions_seen: int = 0
    audit: dict[str, float] | None = None
    selected_at: float | None = None


def last_round(session: Session, project_id: int) -> LastRound:
    """The project's newest round."""
    newest = select(Batch).where(col(Batch.project_id) == project_id).order_by(col(Batch.round).desc()).limit(1)
    batch = session.exec(newest).first()
    versions = select(func.max(Model.version)).where(col(Model.project_id) == project_id)
    version = session.exec(versions).one() or 0
    if batch is None:
        return LastRound(model=version)
    return LastRound(batch.round, version, batch.submissions_seen, batch.audit, batch.selected_at)


def newest_model(session: Session, project_id: int, *, encoder: str) -> bytes | None:
    """Arrays of the newest model on this encoder's vectors; None before the first."""
    return next(iter(newest_models(session, project_id, encoder=encoder, count=1)), None)


def newest_models(session: Session, project_id: int, *, encoder: str, count: int) -> list[bytes]:
    """Arrays of the newest models on this encoder's vectors, the oldest of them first."""
    newest = (
        select(Model.arrays)
        .where(col(Model.project_id) == project_id, col(Model.encoder) == encoder)
        .order_by(col(Model.version).desc())
        .limit(count)
    )
    return list(session.exec(newest))[::-1]


def count_open(session: Session, project_id: int) -> int:
    """Assignments that wait for an answer, leased ones included."""
    return _count(session, Assignment, col(Assignment.project_id) == project_id, is_open())


def count_submissions(session: Session, project_id: int) -> int:
    """All submissions of a project."""
    return _count(session, Submission, col(Submission.project_id) == project_id)


# Found by their row numbers: by the project's index they would all have to be looked through.
_SINCE = select(func.count(), func.max(Submission.id)).where(
    col(Submission.project_id) + 0 == bindparam("project"), col(Submission.id) > bindparam("newest")
)


class SubmissionCounter:
    """Counts the submissions of projects from where it counted them last: there are many, and it is asked often.

    None is ever deleted, and who stores some of a project holds it alone (`projects.hold_config`), so that what is
    stored later has higher row numbers.
    """

    def __init__(self) -> None:
        """Nothing is counted yet."""
        self._counted: dict[int, tuple[int, int]] = {}

    def count(self, session: Session, project_id: int) -> int:
        """All submissions of a project, as `count_submissions` counts them."""
        newest, known = self._counted.get(project_id, (0, 0))
        row = {"project": project_id, "newest": newest}
        more, last = session.connection().execute(_SINCE, row).one()
        self._counted[project_id] = (newest if last is None else last, known + more)
        return known + int(more)

    def recount(self, session: Session, project_id: int) -> int:
        """The same from the beginning: a database that was set back to an earlier state holds fewer."""
        self._counted.pop(project_id, None)
        return self.count(session, project_id)


def count_chosen(session: Session, project_id: int) -> int:
    """Items that all rounds so far have chosen."""
    chosen = select(func.coalesce(func.sum(Batch.chosen), 0)).where(col(Batch.project_id) == project_id)
    return int(session.exec(chosen).one())


def projects_past_their_time(session: Session) -> list[int]:
    """Projects whose trigger has a time limit that has passed since the last batch, with labels newer than that."""
    due = []
    time = now(session)
    for project in session.exec(select(Project)):
        after_s = read_config(project.config).batch_trigger.after_s
        if after_s is not None:
            last = last_round(session, project.id)
            overdue = time - (last.selected_at or 0.0) >= after_s
            if overdue and count_submissions(session, project.id) > last.submissions_seen:
                due.append(project.id)
    return due


def store_model(session: Session, *, project_id: int, version: int, encoder: str, labels: int, arrays: bytes) -> Model:
    """Store a model version."""
    model = Model(
        project_id=project_id,
        version=version,
        encoder=encoder,
        labels=labels,
        arrays=arrays,
        trained_at=now(session),
    )
    session.add(model)
    session.flush()
    return model


def store_folds(session: Session, project_id: int, folds: Mapping[int, int]) -> None:
    """Record item row number -> fold. The caller holds the project's items: see `shared.repository.items.hold`."""
    if folds:
        statement = update(Item).where(col(Item.id) == bindparam("row")).values(fold=bindparam("decided"))
        rows = [{"row": row, "decided": fold} for row, fold in sorted(folds.items())]
        session.connection().execute(statement, rows)
        item_changes.note(session, project_id, folds)


def store_assignments(session: Session, batch: Batch, choices: Sequence[tuple[int, Reason]]) -> None:
    """Store a batch's assignments: `choices` are item row numbers with reasons, by rank; a slot for each annotator."""
    rows: list[dict[str, Any]] = [
        {
            "project_id": batch.project_id,
            "batch": batch.id,
            "item": item,
            "slot": slot,
            "rank": reason.rank,
            "reason": reason.model_dump(),
        }
        for item, reason in choices
        for slot in range(reason.overlap)
    ]
    if rows:
        session.connection().execute(insert(Assignment), rows)


def labeled_among(session: Session, items: Collection[int]) -> set[int]:
    """Those of some items, by row number, that have a label."""
    return set(session.exec(select(Label.item).where(among(Label.item, items))))


def _count(session: Session, table: type[SQLModel], *where: ColumnElement[bool]) -> int:
    return session.exec(select(func.count()).select_from(table).where(*where)).one()
