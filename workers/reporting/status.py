"""How a project stands now: one object of plain values, from aggregates that stay quick on large pools."""

import json
from collections import Counter
from dataclasses import asdict, dataclass
from typing import Any

from sqlalchemy import ColumnElement, Text, case, cast, func, or_, select
from sqlmodel import Session, SQLModel, col

from shared import lanes
from shared.campaigns import State
from shared.database import Database, now
from shared.drift_tables import Campaign, DriftReport
from shared.labels import LabelJson, classes_of
from shared.project import ProjectConfig
from shared.repository.pools import encoder_in_use, space_of
from shared.tables import (
    Assignment,
    AssignmentState,
    Batch,
    DeadLetter,
    Item,
    Label,
    Lane,
    Model,
    OutboxEvent,
    Submission,
)
from shared.vectors import count_vectors
from workers.reporting.agreement import read_agreement
from workers.reporting.measured import read_quality, without_details
from workers.reporting.rules import judge, rule_lines

_EVENTS_SHOWN = 10


def project_status(database: Database, project_id: int, name: str, config: ProjectConfig) -> dict[str, Any]:
    """How a project stands, JSON-ready.

    `items.embedded` counts distinct texts with a vector and compares with `items.distinct`. A label of several classes
    counts for each of them. `agreement` is as `workers.reporting.agreement` counts it. `queue.leased` holds what an
    annotator works on, `queue.waiting` the other open assignments. `model` is the newest version; `model.metrics` are
    those of the newest version that was measured, `model.measured`, and without what only plots need: rounds may be
    faster than measuring. `goals` tells of each class with a goal what is wanted and, by that version, what is
    reached: `met` is null while nobody can tell. `done` are the classes that got no places in the newest batch, since
    enough of them is found. `lanes` tells of each kind of work how often it was asked for and done, and which worker is
    at it now. `rules` are as `workers.reporting.rules.judge` gives them. Times are seconds since 1970.
    """
    with database.read() as session:
        return read_status(session, project_id, name, config)


def read_status(session: Session, project_id: int, name: str, config: ProjectConfig) -> dict[str, Any]:
    """`project_status` inside the caller's transaction."""
    items = _items(session, project_id)
    measured_version, measured = _measured(session, project_id)
    return {
        "project": name,
        "task": config.task.value,
        "classes": list(config.classes),
        "items": items,
        "labels": _labels(session, project_id, config, sources=list(items["by_source"])),
        "agreement": asdict(read_agreement(session, project_id, config.former_classes)),
        "queue": _queue(session, project_id),
        "rounds": _count(session, Batch, col(Batch.project_id) == project_id),
        "model": {
            **_model(session, project_id),
            "measured": measured_version,
            "metrics": measured and without_details(measured),
        },
        "goals": _goals(config, measured),
        "done": _done(session, project_id),
        "rules": judge(rule_lines(session, project_id, config), read_quality(measured) if measured else None),
        "drift": _drift(session, project_id),
        "lanes": _lanes(session, project_id),
        "events": _events(session, project_id),
        "dead_letters": _count(session, DeadLetter, concerns(name)),
    }


@dataclass(frozen=True)
class LabelCount:
    """How many items of one source have a label with these classes."""

    source: str
    classes: tuple[str, ...]
    items: int


def count_items(session: Session, project_id: int) -> int:
    """All items of a project."""
    return _count(session, Item, col(Item.project_id) == project_id)


def label_counts(session: Session, project_id: int) -> list[LabelCount]:
    """Labeled items by source and label; counted in the database, where many items share few labels."""
    value = cast(col(Label.value), Text)
    statement = (
        select(col(Item.source), value, func.count())
        .join(Item, col(Item.id) == col(Label.item))
        .where(col(Label.project_id) == project_id)
        .group_by(col(Item.source), value)
    )
    rows = session.connection().execute(statement)
    return [LabelCount(source, tuple(classes_of(_parsed(text))), items) for source, text, items in rows]


def concerns(project: str) -> ColumnElement[bool]:
    """Which dead letters a project should know of: its own, and those too broken to name a project."""
    return or_(col(DeadLetter.project) == project, col(DeadLetter.project).is_(None))


def _parsed(text: str) -> LabelJson:
    label: LabelJson = json.loads(text)
    return label


def _items(session: Session, project_id: int) -> dict[str, Any]:
    mine = col(Item.project_id) == project_id
    connection = session.connection()
    by_source = select(col(Item.source), func.count()).where(mine).group_by(col(Item.source)).order_by(col(Item.source))
    sources: dict[str, int] = dict(connection.execute(by_source).all())
    distinct = connection.execute(select(func.count(func.distinct(col(Item.text_key)))).where(mine)).scalar_one()
    encoder = encoder_in_use(session, project_id)
    embedded = count_vectors(session, space=space_of(project_id), encoder=encoder) if encoder else 0
    return {"total": sum(sources.values()), "distinct": distinct, "embedded": embedded, "by_source": sources}


def _labels(session: Session, project_id: int, config: ProjectConfig, *, sources: list[str]) -> dict[str, Any]:
    by_class, by_source = Counter(dict.fromkeys(config.classes, 0)), Counter(dict.fromkeys(sources, 0))
    total = 0
    for count in label_counts(session, project_id):
        total += count.items
        by_source[count.source] += count.items
        by_class.update(dict.fromkeys(count.classes, count.items))
    submissions = select(
        func.count(),
        func.count().filter(col(Submission.late)),
        func.count().filter(col(Submission.unasked)),
    ).where(col(Submission.project_id) == project_id)
    came, late, unasked = session.connection().execute(submissions).one()
    return {
        "total": total,
        "by_class": dict(by_class),
        "by_source": dict(by_source),
        "submissions": came,
        "late": late,
        "unasked": unasked,
    }


def _queue(session: Session, project_id: int) -> dict[str, int]:
    is_open = col(Assignment.state) == AssignmentState.OPEN
    statement = select(
        func.count().filter(is_open),
        func.count().filter(is_open, col(Assignment.leased_until) > now(session)),
        func.count().filter(col(Assignment.state) == AssignmentState.DONE),
    ).where(col(Assignment.project_id) == project_id)
    still_open, leased, done = session.connection().execute(statement).one()
    return {"waiting": still_open - leased, "leased": leased, "done": done}


def _model(session: Session, project_id: int) -> dict[str, Any]:
    newest = (
        select(col(Model.version), col(Model.labels))
        .where(col(Model.project_id) == project_id)
        .order_by(col(Model.version).desc())
        .limit(1)
    )
    version, labels = session.connection().execute(newest).one_or_none() or (None, None)
    return {"version": version, "labels": labels}


def _measured(session: Session, project_id: int) -> tuple[int | None, dict[str, Any] | None]:
    """The newest version that has metrics, and these."""
    newest = (
        select(col(Model.version), col(Model.metrics))
        .where(col(Model.project_id) == project_id, col(Model.metrics).is_not(None))
        .order_by(col(Model.version).desc())
        .limit(1)
    )
    version, metrics = session.connection().execute(newest).one_or_none() or (None, None)
    return version, metrics


def _goals(config: ProjectConfig, measured: dict[str, Any] | None) -> dict[str, Any]:
    reached = (measured or {}).get("goals") or {}
    return {
        name: {
            "wanted": goal.model_dump(),
            **{key: reached.get(name, {}).get(key) for key in ("recall", "precision", "met", "sentence")},
        }
        for name, goal in config.goals.items()
    }


def _done(session: Session, project_id: int) -> list[str]:
    newest = (
        select(col(Batch.done)).where(col(Batch.project_id) == project_id).order_by(col(Batch.round).desc()).limit(1)
    )
    found: list[str] = session.connection().execute(newest).scalar_one_or_none() or []
    return found


def _drift(session: Session, project_id: int) -> dict[str, Any]:
    newest = (
        select(col(DriftReport.window), col(DriftReport.level), col(DriftReport.findings))
        .where(col(DriftReport.project_id) == project_id)
        .order_by(col(DriftReport.window).desc())
        .limit(1)
    )
    row = session.connection().execute(newest).one_or_none()
    return {
        "windows": _count(session, DriftReport, col(DriftReport.project_id) == project_id),
        "last": None if row is None else {"window": row.window, "level": row.level, "findings": row.findings},
        "campaigns": _count(session, Campaign, col(Campaign.project_id) == project_id),
        "campaigns_waiting": _count(
            session, Campaign, col(Campaign.project_id) == project_id, col(Campaign.state) == State.WAITING
        ),
    }


def _lanes(session: Session, project_id: int) -> dict[str, Any]:
    statement = (
        select(
            col(Lane.room),
            col(Lane.requested),
            col(Lane.completed),
            col(Lane.attempts),
            col(Lane.error),
            case((lanes.is_free(now(session)), None), else_=col(Lane.owner)),
        )
        .where(col(Lane.project_id) == project_id)
        .order_by(col(Lane.room))
    )
    names = ("requested", "completed", "attempts", "error", "held_by")
    return {room: dict(zip(names, values, strict=True)) for room, *values in session.connection().execute(statement)}


def _events(session: Session, project_id: int) -> list[dict[str, Any]]:
    statement = (
        select(col(OutboxEvent.event), col(OutboxEvent.created_at), col(OutboxEvent.payload))
        .where(col(OutboxEvent.project_id) == project_id)
        .order_by(col(OutboxEvent.id).desc())
        .limit(_EVENTS_SHOWN)
    )
    return [
        {"event": event, "at": at, "payload": payload} for event, at, payload in session.connection().execute(statement)
    ]


def _count(session: Session, table: type[SQLModel], *where: ColumnElement[bool]) -> int:
    found: int = session.connection().execute(select(func.count()).select_from(table).where(*where)).scalar_one()
    return found
