"""Campaign tasks: end what has reached its end, and write down what it brought."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import structlog
from sqlmodel import Session

from shared import lanes
from shared.alarm_channels import PERFORMANCE
from shared.campaigns import Origin, Running, State
from shared.drift_tables import Campaign
from shared.lanes import Claim
from shared.pool import Index, Pool
from shared.project import ProjectConfig
from shared.repository import alarms, campaigns, doubts, evaluation, pools, rounds
from shared.repository.campaigns import Progress
from shared.repository.doubts import Again
from shared.tables import Model
from workers.app import app
from workers.context import Context, context
from workers.drift.course import Course, ended, unexplained
from workers.drift.outcome import around, found_by_class, fresh_rows, measure, puts_in_doubt
from workers.selection.campaigns import serve
from workers.training import model_storage
from workers.training.classifier import LinearModel

# A round that began before a campaign was started knows nothing of it: two in a row that hold none of it do.
_PASSED_OVER = 2

_log = structlog.get_logger(__name__)


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
    with held.lane(project_id, lanes.CAMPAIGN) as claimed:
        if claimed is None:
            return
        _, config = held.project(project_id)
        over = _look(held, project_id, config)
        _store(held, claimed, over)


def _look(held: Context, project_id: int, config: ProjectConfig) -> list[_Ended]:
    with held.database.read() as session:
        concerned = campaigns.unsettled(session, project_id)
        if not concerned:
            return []
        pool = pools.load_pool(session, project_id=project_id, config=config, vector_folder=held.vector_folder)
        waiting = {one.id: one for one in campaigns.running(session, project_id)}
        oldest = min(waiting, default=None)
        over = []
        for campaign in concerned:
            so_far = campaigns.progress(session, campaign)
            reason = None
            if campaign.state == State.RUNNING:
                first = campaign.id == oldest
                reason = ended(_course(session, pool, campaign, so_far, waiting[campaign.id], first=first))
            if reason is not None or campaign.state != State.RUNNING:
                over.append(_settle(session, pool, config, campaign, so_far, reason))
        return over


def _course(
    session: Session, pool: Pool, campaign: Campaign, so_far: Progress, waiting: Running, *, first: bool
) -> Course:
    live = None
    if campaign.origin == Origin.PERFORMANCE:
        live = bool(alarms.live_alarms(session, campaign.project_id, channels=(PERFORMANCE,)))
    return Course(
        origin=campaign.origin,
        budget=campaign.budget,
        spent=len(so_far.answered),
        open=len(so_far.open),
        left=serve([waiting], pool, most=campaign.budget).places,
        refused=first and campaigns.passed_over(session, campaign, batches=_PASSED_OVER),
        unexplained=_unexplained(pool, campaign),
        alarmed=live,
    )


def _unexplained(pool: Pool, campaign: Campaign) -> float | None:
    if campaign.near is None:
        return None
    affected, labeled = np.flatnonzero(np.isin(pool.ids, campaign.affected)), np.flatnonzero(pool.labeled)
    return unexplained(pool.vectors(affected), pool.vectors(labeled), pool.labeled[affected], near=float(campaign.near))


def _settle(
    session: Session, pool: Pool, config: ProjectConfig, campaign: Campaign, so_far: Progress, reason: str | None
) -> _Ended:
    """The figures of a campaign that is over, and the labels that it leaves in doubt."""
    project_id, since = campaign.project_id, campaign.started_at or campaign.opened_at
    known = np.array(doubts.answered_before(session, project_id, since), dtype=np.int64)
    thresholds = evaluation.audit_thresholds(session, project_id)
    rows = fresh_rows(pool, thresholds, regime=campaign.audit, known=known)
    newest = _newest(session, pool, project_id)
    again = doubts.answers_again(session, project_id, campaign.candidates.get("relabel", []), since=since)
    doubtful = _doubtful(pool, campaign, again, known)
    changed = sum(one.changed for one in again)
    outcome = {
        "queued": len(so_far.queued),
        "answered": len(so_far.answered),
        "measured": measure(
            pool,
            config,
            thresholds,
            rows,
            before=_before(session, campaign),
            strength=newest.tuning.strength if newest else 1.0,
        ),
        "found": found_by_class(pool, thresholds, regime=campaign.audit, known=known),
        "again": {"asked": len(again), "changed": changed, "in_doubt": len(doubtful)},
    }
    why = f"campaign {campaign.id}: {changed} of {len(again)} labels around that were asked again are other ones now"
    return _Ended(campaign.id, reason, outcome, doubtful, why)


def _before(session: Session, campaign: Campaign) -> LinearModel | None:
    model = session.get(Model, campaign.model) if campaign.model is not None else None
    in_use = pools.encoder_in_use(session, campaign.project_id)
    return model_storage.load(model.arrays) if model is not None and model.encoder == in_use else None


def _newest(session: Session, pool: Pool, project_id: int) -> LinearModel | None:
    blob = rounds.newest_model(session, project_id, encoder=pools.encoder_in_use(session, project_id) or "")
    model = model_storage.load(blob) if blob else None
    return model if model is not None and model.classes == pool.classes else None


def _doubtful(pool: Pool, campaign: Campaign, again: list[Again], known: Index) -> Index:
    """Row numbers of the labels around that too many changed answers put in doubt: those that are older."""
    changed = [one.item for one in again if one.changed]
    if campaign.near is None or not puts_in_doubt(len(again), len(changed)):
        return np.empty(0, dtype=np.int64)
    asked = [one.item for one in again]
    older = np.flatnonzero(pool.labeled & np.isin(pool.ids, known) & ~np.isin(pool.ids, asked))
    centres = np.flatnonzero(np.isin(pool.ids, [*changed, *campaign.affected]))
    near = around(pool.vectors(centres), pool.vectors(older), near=float(campaign.near))
    doubtful: Index = pool.ids[older[near]]
    return doubtful


def _store(held: Context, claimed: Claim, over: list[_Ended]) -> None:
    with held.database.write() as session:
        lanes.complete(session, claimed)
        for one in over:
            campaign = session.get_one(Campaign, one.id)
            campaign.outcome = one.outcome
            if campaign.state == State.RUNNING and one.reason is not None:
                campaigns.end(session, campaign, state=State.DONE, reason=one.reason)
            doubts.store_doubts(session, claimed.project_id, one.doubtful.tolist(), why=one.why)
    for one in over:
        _log.info("campaign.over", campaign=one.id, why=one.reason)
