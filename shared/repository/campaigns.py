"""Queries on campaigns: opening, serving and ending them."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import ColumnElement
from sqlmodel import Session, col, func, select

from shared import lanes
from shared.among import among
from shared.campaigns import CHANNELS, LIVE, Origin, Region, Running, State, mixed
from shared.database import now
from shared.drift_tables import Campaign, CampaignBatch, DriftReport
from shared.events import Event, emit
from shared.project import ProjectConfig
from shared.tables import Assignment, Batch, Model, Submission

COOL_DOWN_WINDOWS = 3
"""So many windows after the one that opened a campaign open none: its labels are still on their way."""

_DAY_S = 86_400.0
# Opened by the watch itself, not by a person.
_AUTOMATIC = (Origin.DRIFT, Origin.PERFORMANCE)


@dataclass(frozen=True)
class Progress:
    """How far a campaign is.

    Attributes:
        queued: `Item.id` of what its batches held of it.
        open: those of them that wait for an answer.
        answered: `Item.id` of its candidates that were answered since it was opened; so much is spent.
        rounds: batches that held something of it.
    """

    queued: frozenset[int]
    open: frozenset[int]
    answered: frozenset[int]
    rounds: int


def propose(
    session: Session,
    project_id: int,
    config: ProjectConfig,
    *,
    report: int | None,
    candidates: Mapping[str, Sequence[int]],
    why: str,
    origin: Origin | None = None,
    region: Region | None = None,
) -> Campaign | None:
    """Open a campaign that the watch calls for, if the project wants one now.

    With `mode = "auto"` the next round serves it, with `"ask"` it waits for a person. None is opened while another of
    its origin is live, during the cool-down after the last one, beyond the day's ceiling, or without candidates.

    Args:
        session: A writing transaction.
        project_id: The project's row number.
        config: The project.
        report: Row number of the window that calls for it; None where it was not a window.
        candidates: `Item.id` by kind, see `shared.campaigns.CHANNELS`.
        why: The reason in words.
        origin: `DRIFT` of a window and `PERFORMANCE` without one, where nothing else is said.
        region: What it is about.

    Returns:
        The campaign, or None where none was opened.
    """
    source = origin or (Origin.PERFORMANCE if report is None else Origin.DRIFT)
    if config.drift.mode == "off" or not any(candidates.values()) or _too_soon(session, project_id, config, source):
        return None
    state = State.RUNNING if config.drift.mode == "auto" else State.WAITING
    return open_campaign(
        session,
        project_id,
        origin=source,
        why=why,
        budget=config.drift.campaign_items,
        candidates=candidates,
        report=report,
        region=region,
        state=state,
    )


def open_campaign(
    session: Session,
    project_id: int,
    *,
    origin: Origin,
    why: str,
    budget: int,
    candidates: Mapping[str, Sequence[int]],
    report: int | None = None,
    region: Region | None = None,
    state: State = State.RUNNING,
) -> Campaign:
    """Write a campaign, whatever others there are; `propose` asks first."""
    about, time, within = region or Region(), now(session), mixed(candidates)[:budget]
    campaign = Campaign(
        project_id=project_id,
        report=report,
        origin=origin,
        why=why,
        state=State.WAITING,
        budget=len(within),
        candidates={kind: [item for of_kind, item in within if of_kind == kind] for kind in candidates},
        affected=list(about.affected),
        near=about.near,
        audit=dict(about.audit),
        opened_at=time,
    )
    session.add(campaign)
    session.flush()
    if state == State.RUNNING:
        start(session, campaign)
    return campaign


def start(session: Session, campaign: Campaign) -> None:
    """Let rounds serve a campaign that waits."""
    newest = select(func.max(Model.id)).where(col(Model.project_id) == campaign.project_id)
    campaign.state, campaign.started_at, campaign.model = State.RUNNING, now(session), session.exec(newest).one()
    session.flush()
    lanes.request(session, campaign.project_id, lanes.ROUND)
    emit(session, Event.CAMPAIGN_STARTED, project_id=campaign.project_id, campaign=campaign.id, origin=campaign.origin)


def end(session: Session, campaign: Campaign, *, state: State, reason: str) -> None:
    """Let no further round serve a campaign. What is on the annotation queue stays there."""
    campaign.state, campaign.ended_at, campaign.end_reason = state, now(session), reason
    session.flush()
    emit(session, Event.CAMPAIGN_ENDED, project_id=campaign.project_id, campaign=campaign.id, reason=reason)


def find_campaigns(session: Session, project_id: int, *, states: Collection[State] = tuple(State)) -> list[Campaign]:
    """A project's campaigns in these states, the oldest first."""
    statement = select(Campaign).where(col(Campaign.project_id) == project_id, _is_in(states))
    return list(session.exec(statement.order_by(col(Campaign.id))))


def find_campaign(session: Session, project_id: int, number: int) -> Campaign | None:
    """One campaign of a project by its row number."""
    campaign = session.get(Campaign, number)
    return campaign if campaign is not None and campaign.project_id == project_id else None


def running(session: Session, project_id: int) -> list[Running]:
    """What rounds are to serve, the oldest campaign first."""
    found = []
    for campaign in find_campaigns(session, project_id, states=[State.RUNNING]):
        so_far = progress(session, campaign)
        seen = so_far.queued | so_far.answered
        left = {
            channel: [item for item in campaign.candidates.get(channel, []) if item not in seen] for channel in CHANNELS
        }
        places = max(0, campaign.budget - len(seen))
        found.append(Running(campaign.id, left, places, campaign.audit, new=not so_far.rounds))
    return found


def progress(session: Session, campaign: Campaign) -> Progress:
    """How far a campaign is, from its batches and from the answers to its items."""
    statement = (
        select(Assignment.item, Assignment.closed_at, CampaignBatch.batch)
        .join(CampaignBatch, col(CampaignBatch.batch) == col(Assignment.batch))
        .where(col(CampaignBatch.campaign) == campaign.id)
    )
    wanted = candidates_of(campaign)
    held = session.exec(statement).all()
    own = [(item, closed_at) for item, closed_at, _ in held if item in wanted]
    since = select(Submission.item).where(
        among(Submission.item, wanted), col(Submission.received_at) >= campaign.opened_at
    )
    return Progress(
        queued=frozenset(item for item, _ in own),
        open=frozenset(item for item, closed_at in own if closed_at is None),
        answered=frozenset(session.exec(since)),
        rounds=len({batch for _, _, batch in held}),
    )


def unsettled(session: Session, project_id: int) -> list[Campaign]:
    """Campaigns that run, or are over and have no figures of before and after yet; the oldest first."""
    over = col(Campaign.ended_at).is_not(None) & col(Campaign.started_at).is_not(None) & col(Campaign.outcome).is_(None)
    statement = select(Campaign).where(
        col(Campaign.project_id) == project_id, (col(Campaign.state) == State.RUNNING) | over
    )
    return list(session.exec(statement.order_by(col(Campaign.id))))


def passed_over(session: Session, campaign: Campaign, *, batches: int) -> bool:
    """Whether the newest so many batches since a campaign was started hold nothing of it."""
    newest = (
        select(Batch.id)
        .where(col(Batch.project_id) == campaign.project_id, col(Batch.selected_at) > (campaign.started_at or 0.0))
        .order_by(col(Batch.round).desc())
        .limit(batches)
    )
    ids = session.exec(newest).all()
    held = select(CampaignBatch.batch).where(
        col(CampaignBatch.campaign) == campaign.id, col(CampaignBatch.batch).in_(ids)
    )
    return len(ids) == batches and session.exec(held).first() is None


def candidates_of(campaign: Campaign) -> frozenset[int]:
    """`Item.id` of all candidates of a campaign."""
    return frozenset(item for items in campaign.candidates.values() for item in items)


def link_batch(session: Session, campaigns: Sequence[int], batch: int) -> None:
    """Write down which batch holds items of these campaigns."""
    session.add_all(CampaignBatch(campaign=campaign, batch=batch) for campaign in campaigns)


def windows_since_campaign(session: Session, project_id: int) -> int | None:
    """Windows reported since the one that opened the last campaign; None when there was no campaign."""
    opened = session.exec(
        select(func.max(DriftReport.window))
        .join(Campaign, col(Campaign.report) == col(DriftReport.id))
        .where(col(Campaign.project_id) == project_id)
    ).one()
    if opened is None:
        return None
    newest = select(func.max(DriftReport.window)).where(col(DriftReport.project_id) == project_id)
    return (session.exec(newest).one() or 0) - opened


def _too_soon(session: Session, project_id: int, config: ProjectConfig, origin: Origin) -> bool:
    of_project = col(Campaign.project_id) == project_id
    today = of_project, col(Campaign.origin).in_(_AUTOMATIC), col(Campaign.opened_at) > now(session) - _DAY_S
    if _count(session, *today) >= config.drift.campaigns_per_day:
        return True
    if _count(session, of_project, col(Campaign.origin) == origin, _is_in(LIVE)):
        return True
    if origin == Origin.DRIFT:
        since = windows_since_campaign(session, project_id)
        return since is not None and since <= COOL_DOWN_WINDOWS
    return _labels_are_on_their_way(session, project_id, config, origin)


def _labels_are_on_their_way(session: Session, project_id: int, config: ProjectConfig, origin: Origin) -> bool:
    """Whether fewer labels than a campaign brings came since the last one of this origin ended."""
    last = select(func.max(Campaign.ended_at)).where(
        col(Campaign.project_id) == project_id, col(Campaign.origin) == origin
    )
    ended_at = session.exec(last).one()
    if ended_at is None:
        return False
    newer = select(func.count()).where(col(Submission.project_id) == project_id, col(Submission.received_at) > ended_at)
    return session.exec(newer).one() < config.drift.campaign_items


def _is_in(states: Collection[State]) -> ColumnElement[bool]:
    return col(Campaign.state).in_(states)


def _count(session: Session, *where: ColumnElement[bool]) -> int:
    return session.exec(select(func.count()).select_from(Campaign).where(*where)).one()
