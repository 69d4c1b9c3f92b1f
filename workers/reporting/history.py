"""What the report tells beside the status: how models, batches and incoming text went over time."""

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from sqlalchemy import func, select
from sqlmodel import Session, col

from shared.database import now
from shared.drift_tables import Campaign, CampaignBatch, DriftReport
from shared.project import ProjectConfig
from shared.repository.alarms import all_alarms
from shared.tables import Assignment, AssignmentState, Batch, DeadLetter, Item, Model
from workers.reporting.growth import LabelsOfRound, read_growth
from workers.reporting.measured import without_details
from workers.reporting.status import LabelCount, concerns, label_counts, read_status

_LETTERS_SHOWN = 20
_PAYLOAD_SHOWN = 300
_WINDOWS_EXPLAINED = 10
_LOUD = ("warn", "act")


@dataclass(frozen=True)
class MeasuredModel:
    """A model version with the metrics that `workers.training.evaluation.evaluate_on_audit` found for it; only those of
    the newest are whole, the others lack what only plots need."""

    version: int
    labels: int
    trained_at: float
    metrics: dict[str, Any]


@dataclass(frozen=True)
class BatchLine:
    """One batch in short: items by channel, the answered among its assignments, times in seconds."""

    round: int
    model: int | None
    wanted: int
    chosen: int
    channels: dict[str, int]
    assignments: int
    done: int
    shortfalls: list[str]
    train_s: float
    select_s: float
    selected_at: float


@dataclass(frozen=True)
class WindowLine:
    """One window that the drift watch looked at; `findings` as `workers.drift.report` writes them."""

    window: int
    items: int
    level: str
    findings: dict[str, Any]
    made_at: float


@dataclass(frozen=True)
class AlarmLine:
    """An alarm of the watch over items that is live or was; `over_at` is None while it is live."""

    channel: str
    scope: str
    level: str
    why: str
    opened_at: float
    over_at: float | None
    acknowledged: bool


@dataclass(frozen=True)
class CampaignLine:
    """One campaign: the window that called for it, if one did, candidates by kind, and the rounds that served it."""

    number: int
    origin: str
    state: str
    why: str
    window: int | None
    budget: int
    candidates: dict[str, int]
    rounds: list[int]
    opened_at: float
    end_reason: str | None


@dataclass(frozen=True)
class Letter:
    """One dead letter; the payload is cut short."""

    origin: str
    project: str | None
    payload: str
    reason: str
    received_at: float


@dataclass(frozen=True)
class History:
    """All that the report shows.

    Attributes:
        status: as `workers.reporting.status.project_status` returns it.
        targets: labels wanted by class, where the project file says so.
        models: measured versions, the oldest first.
        labels: labeled items by source and classes.
        growth: labeled items by round, channel and classes.
        batches: the oldest first.
        windows: the oldest first.
        alarms: of windows of items, the oldest first.
        typical: item row number -> text, for the items that the explained windows name as typical.
        campaigns: the oldest first.
        letters: the newest first, some only.
        read_at: when all this was read, in seconds since 1970.
        fresh_labels: as `workers.reporting.fresh_labels.summary` returns it; None where it was not asked for.
    """

    status: dict[str, Any]
    targets: dict[str, int]
    models: list[MeasuredModel]
    labels: list[LabelCount]
    growth: list[LabelsOfRound]
    batches: list[BatchLine]
    windows: list[WindowLine]
    alarms: list[AlarmLine]
    typical: dict[int, str]
    campaigns: list[CampaignLine]
    letters: list[Letter]
    read_at: float
    fresh_labels: dict[str, Any] | None = None


def read_history(session: Session, project_id: int, name: str, config: ProjectConfig) -> History:
    """Read everything in the caller's transaction."""
    windows = read_windows(session, project_id)
    return History(
        status=read_status(session, project_id, name, config),
        targets=dict(config.targets),
        models=_models(session, project_id),
        labels=label_counts(session, project_id),
        growth=read_growth(session, project_id),
        batches=_batches(session, project_id),
        windows=windows,
        alarms=_alarms(session, project_id),
        typical=_texts(session, typical_items(explained_windows(windows))),
        campaigns=_campaigns(session, project_id),
        letters=_letters(session, name),
        read_at=now(session),
    )


def explained_windows(windows: Sequence[WindowLine]) -> list[WindowLine]:
    """The loud windows that the report explains one by one: the newest few, the newest first."""
    return [window for window in windows if window.level in _LOUD][: -_WINDOWS_EXPLAINED - 1 : -1]


def typical_items(windows: Sequence[WindowLine]) -> list[int]:
    """Row numbers of the items that windows name as typical, one for each cell."""
    cells = [cell for window in windows for cell in window.findings.get("cells", [])]
    return sorted({cell["typical"][0] for cell in cells if cell.get("typical")})


def _models(session: Session, project_id: int) -> list[MeasuredModel]:
    statement = (
        select(col(Model.version), col(Model.labels), col(Model.trained_at), col(Model.metrics))
        .where(col(Model.project_id) == project_id, col(Model.metrics).is_not(None))
        .order_by(col(Model.version))
    )
    found = [MeasuredModel(*row) for row in session.connection().execute(statement)]
    return [*(replace(model, metrics=without_details(model.metrics)) for model in found[:-1]), *found[-1:]]


def _batches(session: Session, project_id: int) -> list[BatchLine]:
    channels, states = _channels(session, project_id), _states(session, project_id)
    statement = (
        select(Batch, col(Model.version))
        .outerjoin(Model, col(Model.id) == col(Batch.model))
        .where(col(Batch.project_id) == project_id)
        .order_by(col(Batch.round))
    )
    return [
        BatchLine(
            round=batch.round,
            model=version,
            wanted=batch.wanted,
            chosen=batch.chosen,
            channels=channels[batch.id],
            assignments=states[batch.id].total(),
            done=states[batch.id][AssignmentState.DONE],
            shortfalls=batch.shortfalls,
            train_s=batch.train_s,
            select_s=batch.select_s,
            selected_at=batch.selected_at,
        )
        for batch, version in session.execute(statement)
    ]


def _channels(session: Session, project_id: int) -> dict[int, dict[str, int]]:
    """Items by channel of each batch, the most frequent channel first."""
    # The subquery, because PostgreSQL can't tell that two expressions with parameters are the same.
    chosen = (
        select(col(Assignment.batch), col(Assignment.reason)["channel"].as_string().label("channel"))
        .where(col(Assignment.project_id) == project_id, col(Assignment.slot) == 0)
        .subquery()
    )
    statement = (
        select(chosen.c.batch, chosen.c.channel, func.count())
        .group_by(chosen.c.batch, chosen.c.channel)
        .order_by(func.count().desc(), chosen.c.channel)
    )
    found: dict[int, dict[str, int]] = defaultdict(dict)
    for batch, channel, items in session.connection().execute(statement):
        found[batch][channel] = items
    return found


def _states(session: Session, project_id: int) -> dict[int, Counter[str]]:
    statement = (
        select(col(Assignment.batch), col(Assignment.state), func.count())
        .where(col(Assignment.project_id) == project_id)
        .group_by(col(Assignment.batch), col(Assignment.state))
    )
    found: dict[int, Counter[str]] = defaultdict(Counter)
    for batch, state, assignments in session.connection().execute(statement):
        found[batch][state] = assignments
    return found


def read_windows(session: Session, project_id: int) -> list[WindowLine]:
    """All windows that the drift watch looked at, the oldest first."""
    statement = (
        select(
            col(DriftReport.window),
            col(DriftReport.items),
            col(DriftReport.level),
            col(DriftReport.findings),
            col(DriftReport.made_at),
        )
        .where(col(DriftReport.project_id) == project_id)
        .order_by(col(DriftReport.window))
    )
    return [WindowLine(*row) for row in session.connection().execute(statement)]


def _alarms(session: Session, project_id: int) -> list[AlarmLine]:
    return [
        AlarmLine(
            channel=alarm.channel,
            scope=alarm.scope,
            level=alarm.level,
            why=alarm.why,
            opened_at=alarm.opened_at,
            over_at=alarm.closed_at,
            acknowledged=alarm.acknowledged_at is not None,
        )
        for alarm in all_alarms(session, project_id)
        if alarm.report is not None
    ]


def _texts(session: Session, items: Sequence[int]) -> dict[int, str]:
    statement = select(col(Item.id), col(Item.text)).where(col(Item.id).in_(items))
    return dict(session.connection().execute(statement).all())


def _campaigns(session: Session, project_id: int) -> list[CampaignLine]:
    statement = (
        select(Campaign, col(DriftReport.window))
        .outerjoin(DriftReport, col(DriftReport.id) == col(Campaign.report))
        .where(col(Campaign.project_id) == project_id)
        .order_by(col(Campaign.id))
    )
    rounds = _rounds_of_campaigns(session, project_id)
    return [
        CampaignLine(
            number=campaign.id,
            origin=campaign.origin,
            state=campaign.state,
            why=campaign.why,
            window=window,
            budget=campaign.budget,
            candidates={kind: len(items) for kind, items in campaign.candidates.items()},
            rounds=rounds[campaign.id],
            opened_at=campaign.opened_at,
            end_reason=campaign.end_reason,
        )
        for campaign, window in session.execute(statement)
    ]


def _rounds_of_campaigns(session: Session, project_id: int) -> dict[int, list[int]]:
    statement = (
        select(col(CampaignBatch.campaign), col(Batch.round))
        .join(Batch, col(Batch.id) == col(CampaignBatch.batch))
        .where(col(Batch.project_id) == project_id)
        .order_by(col(Batch.round))
    )
    found: dict[int, list[int]] = defaultdict(list)
    for campaign, number in session.connection().execute(statement):
        found[campaign].append(number)
    return found


def _letters(session: Session, name: str) -> list[Letter]:
    statement = (
        select(
            col(DeadLetter.origin),
            col(DeadLetter.project),
            func.substr(col(DeadLetter.payload), 1, _PAYLOAD_SHOWN),
            col(DeadLetter.reason),
            col(DeadLetter.received_at),
        )
        .where(concerns(name))
        .order_by(col(DeadLetter.id).desc())
        .limit(_LETTERS_SHOWN)
    )
    return [Letter(*row) for row in session.connection().execute(statement)]
