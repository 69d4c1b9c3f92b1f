"""Campaign tasks: end what has reached its end, and write down what it brought."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import structlog
from sqlmodel import Session

from shared import lanes
from shared.alarm_channels import PERFORMANCE
from shared.campaigns import Origin, Running, State
from shared.drift_tables import Campaign
from shared.pool import Index, Pool
from shared.project import ProjectConfig
from shared.repository import alarms, campaigns, doubts, evaluation, pools, rounds
from shared.repository.campaigns import Progress
from shared.repository.doubts import Again
from shared.tables import Model
from workers import right_of_way
from workers.app import app
from workers.context import Context, context
from workers.drift.course import Course, ended, unexplained
from workers.drift.outcome import around, found_by_class, fresh_rows, measure, puts_in_doubt
from workers.selection.campaigns import serve
from workers.training import model_storage
from workers.training.classifier import Recipe

# A round that began before a campaign was started knows nothing of it: two in a row that hold none of it do.
_PASSED_OVER = 2

_log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class _Facts:
    """What is known of a campaign that runs, or is over and has no figures yet."""

    campaign: Campaign
    so_far: Progress
    again: list[Again]
    known: Index
    before: bytes | None
    waiting: Running | None
    refused: bool
    alarmed: bool | None

    @property
    def running(self) -> bool:
        """Whether it may go on."""
        return self.campaign.state == State.RUNNING


@dataclass(frozen=True)
class _Read:
    """What one look needs of the database, read in one transaction."""

    campaigns: list[_Facts]
    pool: Pool
    thresholds: dict[str, float]
    newest: bytes | None


@dataclass(frozen=True)
class _Ended:
    """A campaign that is over, and what is to be written down of it."""

    id: int
    reason: str | None
    outcome: dict[str, Any]
    doubtful: Index
    why: str


@app.task(name="drift.tend_campaigns")
def tend_campaigns(*, project_id: int) -> None:
    """Look at each campaign that runs, and at those that a person stopped, after each batch."""
    held = context()
    with held.lane(project_id, lanes.CAMPAIGN) as claimed, right_of_way.behind(held.settings.folder):
        if claimed is None:
            return
        _, config = held.project(project_id)
        read = _read(held, project_id, config)
        over = [] if read is None else _look(read, config)
        with held.database.write() as session:
            lanes.complete(session, claimed)
            for one in over:
                _store(session, project_id, one)
        for one in over:
            _log.info("campaign.over", campaign=one.id, why=one.reason)


def _read(held: Context, project_id: int, config: ProjectConfig) -> _Read | None:
    with held.database.read() as session:
        concerned = campaigns.unsettled(session, project_id)
        if not concerned:
            return None
        waiting = {one.id: one for one in campaigns.running(session, project_id)}
        encoder = pools.encoder_in_use(session, project_id) or ""
        return _Read(
            campaigns=[_facts(session, campaign, waiting, encoder) for campaign in concerned],
            pool=held.pool(session, project_id, config),
            thresholds=evaluation.audit_thresholds(session, project_id),
            newest=rounds.newest_model(session, project_id, encoder=encoder),
        )


def _facts(session: Session, campaign: Campaign, waiting: Mapping[int, Running], encoder: str) -> _Facts:
    project_id, since = campaign.project_id, campaign.started_at or campaign.opened_at
    model = None if campaign.model is None else session.get_one(Model, campaign.model)
    live = None
    if campaign.origin == Origin.PERFORMANCE:
        live = bool(alarms.live_alarms(session, project_id, channels=(PERFORMANCE,)))
    facts = _Facts(
        campaign=campaign,
        so_far=campaigns.progress(session, campaign),
        again=doubts.answers_again(session, project_id, campaign.candidates.get("relabel", []), since=since),
        known=np.array(doubts.answered_before(session, project_id, since), dtype=np.int64),
        before=model.arrays if model is not None and model.encoder == encoder else None,
        waiting=waiting.get(campaign.id),
        refused=campaign.id == min(waiting, default=None)
        and campaigns.passed_over(session, campaign, batches=_PASSED_OVER),
        alarmed=live,
    )
    session.expunge(campaign)
    return facts


def _look(read: _Read, config: ProjectConfig) -> list[_Ended]:
    over = []
    for facts in read.campaigns:
        reason = ended(_course(read.pool, facts)) if facts.running else None
        if reason is not None or not facts.running:
            over.append(_settle(read, config, facts, reason))
    return over


def _course(pool: Pool, facts: _Facts) -> Course:
    campaign = facts.campaign
    return Course(
        origin=campaign.origin,
        budget=campaign.budget,
        spent=len(facts.so_far.answered),
        open=int(np.isin(pool.ids[pool.queued], list(campaigns.candidates_of(campaign))).sum()),
        left=serve([facts.waiting], pool, most=campaign.budget).places if facts.waiting else 0,
        refused=facts.refused,
        unexplained=_unexplained(pool, campaign),
        alarmed=facts.alarmed,
    )


def _unexplained(pool: Pool, campaign: Campaign) -> float | None:
    if campaign.near is None:
        return None
    affected, labeled = np.flatnonzero(np.isin(pool.ids, campaign.affected)), np.flatnonzero(pool.labeled)
    return unexplained(pool.vectors(affected), pool.vectors(labeled), pool.labeled[affected], near=campaign.near)


def _settle(read: _Read, config: ProjectConfig, facts: _Facts, reason: str | None) -> _Ended:
    """The figures of a campaign that is over, and the labels that it leaves in doubt."""
    pool, campaign, again = read.pool, facts.campaign, facts.again
    newest = model_storage.load(read.newest) if read.newest else None
    doubtful = _doubtful(pool, facts)
    changed = sum(one.changed for one in again)
    outcome = {
        "queued": len(facts.so_far.queued),
        "answered": len(facts.so_far.answered),
        "measured": measure(
            pool,
            config,
            read.thresholds,
            fresh_rows(pool, read.thresholds, regime=campaign.audit, known=facts.known),
            before=model_storage.load(facts.before) if facts.before else None,
            recipe=newest.tuning.recipe if newest else Recipe(1.0),
        ),
        "found": found_by_class(pool, read.thresholds, regime=campaign.audit, known=facts.known),
        "again": {"asked": len(again), "changed": changed, "in_doubt": len(doubtful)},
    }
    why = f"campaign {campaign.id}: {changed} of {len(again)} labels around that were asked again are other ones now"
    return _Ended(campaign.id, reason, outcome, doubtful, why)


def _doubtful(pool: Pool, facts: _Facts) -> Index:
    """Row numbers of the labels around that too many changed answers put in doubt: those that are older."""
    changed, near = [one.item for one in facts.again if one.changed], facts.campaign.near
    if near is None or not puts_in_doubt(len(facts.again), len(changed)):
        return np.empty(0, dtype=np.int64)
    asked = [one.item for one in facts.again]
    older = np.flatnonzero(pool.labeled & np.isin(pool.ids, facts.known) & ~np.isin(pool.ids, asked))
    centres = np.flatnonzero(np.isin(pool.ids, [*changed, *facts.campaign.affected]))
    doubtful: Index = pool.ids[older[around(pool.vectors(centres), pool.vectors(older), near=near)]]
    return doubtful


def _store(session: Session, project_id: int, one: _Ended) -> None:
    campaign = session.get_one(Campaign, one.id)
    campaign.outcome = one.outcome
    if campaign.state == State.RUNNING and one.reason is not None:
        campaigns.end(session, campaign, state=State.DONE, reason=one.reason)
    doubts.store_doubts(session, project_id, one.doubtful.tolist(), why=one.why)
