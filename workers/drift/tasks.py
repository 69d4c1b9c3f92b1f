"""Drift tasks: look at every new window of items, and open a campaign where it calls for one.

The reference is fitted on the first items of a project, and changes by two rules only: a person sets another one, or
the encoder changes, and then the same items are fitted anew on its vectors. It never grows by itself.
"""

from typing import Any

import numpy as np
import structlog
from sqlmodel import Session

from shared import lanes
from shared.campaigns import Origin
from shared.database import Database
from shared.drift_tables import DriftReference
from shared.events import Event, emit
from shared.lanes import Claim
from shared.pool import Index
from shared.project import ProjectConfig
from shared.repository import alarms, campaigns, pools
from shared.repository import drift as rows
from shared.repository.drift_items import drawn_items, newest_item
from shared.repository.drift_windows import Seen, Window, next_window, seen_after
from shared.repository.evaluation import audit_thresholds
from shared.repository.rounds import newest_model
from workers.app import app
from workers.context import Context, context
from workers.drift import reference as references
from workers.drift.asking import Asked, Asker, ask_about_window
from workers.drift.channels import CONTENT
from workers.drift.levels import Level, opens_campaign
from workers.drift.looking import Scene, find_opinion, fit_reference, keep, look_at, read_reference
from workers.drift.reference import Reference
from workers.drift.report import WindowReport
from workers.drift.watch import Change, Kind, WatchState, advance, lasts, level_after
from workers.drift.wording import why
from workers.training import model_storage

# What no window shows by itself may be there all the same.
_OVER = "three windows up to {} showed less than half of it, or nothing beyond chance"

_log = structlog.get_logger(__name__)


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
    with held.database.read() as session:
        encoder = pools.encoder_in_use(session, claimed.project_id) or ""
        scene = Scene(claimed.project_id, config, encoder, held.vector_folder, held.pools)
        stored = rows.find_reference(session, claimed.project_id)
    if stored is None:
        return _fit_first(held.database, claimed, scene)
    if stored.encoder != encoder or not references.is_readable(stored.arrays):
        return _fit_again(held.database, claimed, scene, stored)
    return _report(held, claimed, scene, stored)


def _fit_first(database: Database, claimed: Claim, scene: Scene) -> bool:
    """Fit the reference on a random part of all that is there: the first file of a pool is often sorted."""
    wanted = scene.config.drift.reference_items
    with database.read() as session:
        if not rows.all_embedded(session, scene.project_id, encoder=scene.encoder):
            return False
        through = newest_item(session, scene.project_id)
        ids = drawn_items(session, scene.project_id, count=wanted)
        if len(ids) < wanted:
            return False
    return _fit(database, claimed, scene, ids, watched=Seen(through, through), why="the first items of the project")


def _fit_again(database: Database, claimed: Claim, scene: Scene, stored: DriftReference) -> bool:
    reason = "as before, with the vectors of another encoder"
    if stored.encoder == scene.encoder:
        reason = "as before, as a newer version of Quiet Corner looks at more"
    watched = seen_after(None, stored)
    return _fit(database, claimed, scene, references.items_of(stored.arrays), watched=watched, why=reason)


def _fit(database: Database, claimed: Claim, scene: Scene, ids: Index, *, watched: Seen, why: str) -> bool:
    with database.read() as session:
        fitted = fit_reference(session, scene, ids, through=watched.settled)
    if fitted is None:
        return False  # not embedded yet: the event of their last segment wakes us again
    with database.write() as session:
        lanes.confirm(session, claimed)
        rows.store_reference(
            session,
            scene.project_id,
            encoder=scene.encoder,
            arrays=references.dump(fitted),
            watched=watched,
            why=why,
        )
    return True


def _report(held: Context, claimed: Claim, scene: Scene, stored: DriftReference) -> bool:
    drift = scene.config.drift
    with held.database.read() as session:
        last = rows.last_report(session, scene.project_id)
        window = next_window(
            session,
            scene.project_id,
            after=seen_after(last, stored),
            items=drift.window_items,
            hours=drift.window_hours,
        )
        if window is None:
            return False
        reference = read_reference(stored)
        opinion = find_opinion(session, scene, reference, version=stored.version)
        report = look_at(session, scene, reference, window, opinion)
    if report is None:
        return False  # not embedded yet: the event of their last segment wakes us again
    number = last.window + 1 if last else 1
    goes_on = last is not None and last.reference == stored.version
    before = WatchState.load(last.state if last is not None and goes_on else None)
    state, changes = advance(before, report, budget=drift.false_alarms_per_1000_windows)
    level = level_after(report, changes)
    asked = _ask(held.database, scene, reference, report, level=level, number=number, lasting=lasts(before, report))
    with held.database.write() as session:
        lanes.confirm(session, claimed)
        row = rows.store_report(
            session,
            scene.project_id,
            number=number,
            reference=stored.version,
            window=window,
            level=level,
            findings=_findings(window, report, changes),
            state=state.dump(),
        )
        keep(session, scene, opinion, version=stored.version)
        _note_alarms(session, scene.project_id, changes, report, row=row, number=number)
        if asked is not None:
            propose(session, scene, asked, report, row=row, window=f"window {number}")
        if level != Level.QUIET:
            emit(session, Event.DRIFT_FOUND, project_id=scene.project_id, window=number, level=level)
    _log.info("drift.window", window=number, level=level, share=round(report.share, 4))
    held.relay()
    return True


def _findings(window: Window, report: WindowReport, changes: tuple[Change, ...]) -> dict[str, Any]:
    """What the window shows, and what it shows together with those before it."""
    gathered = [
        {"channel": change.channel, "scope": change.scope, "in": list(change.gathered), "share": change.share}
        for change in changes
        if change.gathered
    ]
    return {**report.findings(), "gathered": gathered, "late": window.late, "undated": window.undated}


def _note_alarms(
    session: Session,
    project_id: int,
    changes: tuple[Change, ...],
    report: WindowReport,
    *,
    row: int,
    number: int,
) -> None:
    """Write down what happened to alarms."""
    live = {(alarm.channel, alarm.scope): alarm for alarm in alarms.live_alarms(session, project_id)}
    for change in changes:
        alarm = live.get((change.channel, change.scope))
        if change.kind is Kind.RAISED:
            alarms.raise_alarm(
                session,
                project_id,
                channel=change.channel,
                scope=change.scope,
                level=change.level,
                share=change.share,
                why=why(change, report, window=number),
                details={"window": number, "gathered": list(change.gathered)},
                report=row,
            )
        elif alarm is not None and change.kind is Kind.OVER:
            alarms.close_alarm(session, alarm, reason=_OVER.format(number))
        elif alarm is not None:
            alarm.level, alarm.share = change.level, change.share
            alarm.why = why(change, report, window=number)
            session.add(alarm)


def _ask(
    database: Database,
    scene: Scene,
    reference: Reference,
    report: WindowReport,
    *,
    level: Level,
    number: int,
    lasting: bool,
) -> Asked | None:
    """What a campaign would ask for, where the newest window calls for one that no person has acknowledged."""
    with database.read() as session:
        levels = [*rows.latest_levels(session, scene.project_id, count=2), level]
        since = campaigns.windows_since_campaign(session, scene.project_id)
        live = alarms.live_alarms(session, scene.project_id, channels=CONTENT)
    seen = {alarm.channel for alarm in live if alarm.acknowledged_at is not None}
    alarmed = {verdict.channel for verdict in report.verdicts if verdict.alarm and verdict.channel in CONTENT}
    windows = None if since is None else since + 1
    if not alarmed - seen or not opens_campaign(levels, windows_since_campaign=windows, lasts=lasting):
        return None
    return ask(database, scene, reference, report, number=number)


def ask(database: Database, scene: Scene, reference: Reference, report: WindowReport, *, number: int) -> Asked:
    """What a campaign on what drifted in window `number` asks for."""
    with database.read() as session:
        model = newest_model(session, scene.project_id, encoder=scene.encoder)
        asker = Asker(
            pool=scene.pool(session),
            config=scene.config,
            model=model_storage.load(model) if model else None,
            thresholds=audit_thresholds(session, scene.project_id),
            rng=np.random.default_rng([scene.config.seed, number]),
        )
    return ask_about_window(asker, report, reference=reference, budget=scene.config.drift.campaign_items)


def propose(
    session: Session, scene: Scene, asked: Asked, report: WindowReport, *, row: int | None, window: str
) -> bool:
    """Propose a campaign on a window, by what it is called, in the caller's transaction; whether it was opened."""
    opened = campaigns.propose(
        session,
        scene.project_id,
        scene.config,
        report=row,
        candidates=asked.items,
        origin=Origin.DRIFT,
        why=f"{report.share:.1%} of {window} are unlike the reference",
        region=asked.region,
    )
    return opened is not None
