"""Drift tasks: look at every new window of items, and open a campaign where it calls for one."""

from dataclasses import dataclass

import numpy as np
import structlog

from shared import lanes
from shared.events import Event, emit
from shared.lanes import Claim
from shared.pool import Index, Pool
from shared.project import ProjectConfig
from shared.repository import campaigns, pools
from shared.repository import drift as rows
from shared.repository.drift_windows import Window, next_window, seen_after
from shared.repository.evaluation import audit_thresholds
from shared.repository.rounds import newest_model
from workers.app import app
from workers.context import Context, context
from workers.drift import reference as references
from workers.drift.asking import Asker, ask_about_window
from workers.drift.levels import Level, opens_campaign
from workers.drift.reference import Reference
from workers.drift.report import compare
from workers.training import model_storage

_log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class _Part:
    """Some items of the pool, one a duplicate group: positions, vectors, row numbers and sources."""

    positions: Index
    pool: Pool

    @property
    def vectors(self) -> np.ndarray[tuple[int, int], np.dtype[np.float32]]:
        return self.pool.vectors(self.positions)

    @property
    def ids(self) -> Index:
        return self.pool.ids[self.positions]

    @property
    def sources(self) -> list[str]:
        return [self.pool.source_names[code] for code in self.pool.sources[self.positions]]


@app.task(name="drift.watch")
def watch(*, project_id: int) -> None:
    """Fit the reference once the first items are embedded; then report on each full window of new items."""
    held = context()
    with held.lane(project_id, lanes.DRIFT) as claimed:
        if claimed is None:
            return
        _, config = held.project(project_id)
        if config.drift.mode != "off":
            while _next_step(held, claimed, config):
                pass
        with held.database.write() as session:
            lanes.complete(session, claimed)


def _next_step(held: Context, claimed: Claim, config: ProjectConfig) -> bool:
    """Do one thing, if there is one to do: fit the reference, or report on one window."""
    project_id = claimed.project_id
    with held.database.read() as session:
        stored = rows.find_reference(session, project_id)
        encoder = pools.encoder_in_use(session, project_id)
        if stored is not None and stored.encoder == encoder:
            last = rows.last_report(session, project_id)
            number, seen = last.window if last else 0, seen_after(last, stored)
            window = next_window(
                session, project_id, after=seen, items=config.drift.window_items, hours=config.drift.window_hours
            )
            if window is None:
                return False
        else:
            number, window = 0, None
            if not rows.all_embedded(session, project_id, encoder=encoder or ""):
                return False
        pool = pools.load_pool(session, project_id=project_id, config=config, vector_folder=held.vector_folder)
    if stored is None or window is None:
        return _fit(held, claimed, config, pool, encoder or "")
    if not np.isin(window.ids, pool.ids).all():
        return False  # not embedded yet: the event of their last segment wakes us again
    _report(held, claimed, config, pool, references.load(stored.arrays), window, number + 1)
    return True


def _fit(held: Context, claimed: Claim, config: ProjectConfig, pool: Pool, encoder: str) -> bool:
    """Fit the reference on a random part of all that is there: the first file of a pool is often sorted."""
    standing = pool.representatives
    if len(standing) < config.drift.reference_items:
        return False
    chosen = standing[np.argsort(pool.draws[standing], kind="stable")[: config.drift.reference_items]]
    part = _Part(np.sort(chosen), pool)
    fitted = references.fit_reference(
        part.vectors, ids=part.ids, sources=part.sources, rng=np.random.default_rng(config.seed)
    )
    with held.database.write() as session:
        lanes.confirm(session, claimed)
        rows.store_reference(
            session,
            claimed.project_id,
            encoder=encoder,
            arrays=references.dump(fitted),
            through=int(pool.ids.max()),
            why="the first items of the project",
        )
    return True


def _report(
    held: Context,
    claimed: Claim,
    config: ProjectConfig,
    pool: Pool,
    reference: Reference,
    window: Window,
    number: int,
) -> None:
    part = _Part(pool.representatives[np.isin(pool.ids[pool.representatives], window.ids)], pool)
    if not len(part.positions):
        part = _Part(np.flatnonzero(np.isin(pool.ids, window.ids)), pool)
    report = compare(reference, vectors=part.vectors, ids=part.ids, sources=part.sources)
    project_id = claimed.project_id
    with held.database.write() as session:
        lanes.confirm(session, claimed)
        stored = rows.store_report(
            session,
            project_id,
            number=number,
            reference=1,
            window=window,
            level=report.level,
            findings=report.findings(),
            state={},
        )
        levels = rows.latest_levels(session, project_id, count=3)
        since = campaigns.windows_since_campaign(session, project_id)
        if opens_campaign(levels, windows_since_campaign=since):
            model = newest_model(session, project_id, encoder=pools.encoder_in_use(session, project_id) or "")
            asker = Asker(
                pool=pool,
                config=config,
                model=model_storage.load(model) if model else None,
                thresholds=audit_thresholds(session, project_id),
                rng=np.random.default_rng([config.seed, number]),
            )
            asked = ask_about_window(asker, report, reference=reference, budget=config.drift.campaign_items)
            campaigns.propose(
                session,
                project_id,
                config,
                report=stored,
                candidates=asked.items,
                why=f"{report.share:.1%} of window {number} are unlike the reference",
                region=asked.region,
            )
        if report.level != Level.QUIET:
            emit(session, Event.DRIFT_FOUND, project_id=project_id, window=number, level=report.level)
    _log.info("drift.window", window=number, level=report.level, share=round(report.share, 4))
    held.relay()
