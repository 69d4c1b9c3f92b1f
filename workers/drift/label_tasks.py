"""The watch over labels: what the audit sample's answers say of a model, each time that one has been measured."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import structlog
from sqlmodel import Session

from shared import lanes
from shared.alarm_channels import LABELS, PERFORMANCE
from shared.arrays import load_arrays
from shared.campaigns import Origin
from shared.database import now
from shared.drift_tables import DriftAlarm, DriftReference, FreshLabels
from shared.events import Event, emit
from shared.labels import classes_of
from shared.lanes import Claim
from shared.pool import Index, Mask, Pool
from shared.project import ProjectConfig, Task
from shared.repository import alarms, campaigns, evaluation, fresh_labels, pools
from shared.repository import drift as windows
from shared.tables import Model
from workers import right_of_way
from workers.app import app
from workers.context import Context, context
from workers.drift import label_watch
from workers.drift.doubtful_items import doubtful_candidates
from workers.drift.label_alarms import Notice, ended, notices
from workers.drift.label_watch import Asked, Look, Standing
from workers.drift.levels import Level
from workers.training import audit, classifier, model_storage, prior_shift
from workers.training.classifier import LinearModel

# Items of the reference, of a window and of what came since that are asked about, drawn at random from more.
_MOST_ITEMS = 4_000

_log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class _Read:
    """What one look needs of the database, read in one transaction."""

    model: Model
    asked: Asked
    header: dict[str, Any]
    last: FreshLabels | None
    standing: Standing
    anew: bool
    at: float

    @property
    def number(self) -> int:
        """Of the report that is to be written."""
        return 1 if self.last is None else self.last.number + 1

    @property
    def began(self) -> int:
        """Number of the report that set the levels."""
        return self.number if self.anew or self.last is None else self.last.began


@app.task(name="drift.watch_labels")
def watch_labels(*, project_id: int) -> None:
    """Look at the audit sample's answers beside what the newest model says of them."""
    held = context()
    with held.lane(project_id, lanes.LABELS) as claimed, right_of_way.behind(held.settings.folder):
        if claimed is None:
            return
        _, config = held.project(project_id)
        read = _read(held, project_id, config) if config.drift.mode != "off" else None
        if read is None:
            with held.database.write() as session:
                lanes.complete(session, claimed)
            return
        found = label_watch.look(
            read.asked,
            read.standing,
            number=read.number - read.began,
            at=read.at,
            rng=np.random.default_rng([config.seed, read.number]),
        )
        _store(held, claimed, config, read, found)


def _read(held: Context, project_id: int, config: ProjectConfig) -> _Read | None:
    """None where there is no measured model of today's classes and vectors."""
    with held.database.read() as session:
        model = evaluation.measured_model(session, project_id)
        encoder = pools.encoder_in_use(session, project_id)
        if model is None or model.encoder != encoder:
            return None
        header, trained = load_arrays(model.arrays)[1], model_storage.load(model.arrays)
        if trained.classes != config.classes:
            return None
        pool = held.pool(session, project_id, config)
        reference = windows.find_reference(session, project_id)
        last = fresh_labels.last_look(session, project_id)
        at = now(session)
        standing, anew = label_watch.restarted(
            Standing.from_json(last.state) if last else None,
            label_watch.about(config, encoder=encoder, reference=reference.version if reference else 1),
            at=at,
        )
        asked = _asked(session, project_id, config, pool, prior_shift.without(trained, header), reference, last, anew)
    return _Read(model, asked, header, last, standing, anew, at)


def _asked(
    session: Session,
    project_id: int,
    config: ProjectConfig,
    pool: Pool,
    model: LinearModel,
    reference: DriftReference | None,
    last: FreshLabels | None,
    anew: bool,
) -> Asked:
    thresholds = evaluation.audit_thresholds(session, project_id)
    answered = pool.ids[audit.answers(pool, thresholds)].tolist()
    answers = fresh_labels.answers_to(session, answered, config.former_classes)
    nothing = np.zeros(0, dtype=np.int64)
    seen = (
        (nothing, nothing) if anew or last is None else fresh_labels.items_seen(session, project_id, began=last.began)
    )
    through = reference.through if reference else int(pool.ids.max(initial=0))
    report = windows.last_report(session, project_id)
    in_window = np.isin(pool.ids, windows.window_items(session, report) if report else nothing)
    rng = np.random.default_rng(config.seed)
    return Asked(
        pool=pool,
        config=config,
        thresholds=thresholds,
        model=model,
        seen=seen[0],
        seen_in=seen[1],
        given=label_watch.given_answers(
            pool, [(answer.item, answer.annotator, classes_of(answer.label)) for answer in answers]
        ),
        drawn=fresh_labels.queued_by_chance(session, project_id),
        before=_some(pool, pool.ids <= through, rng),
        window=_some(pool, in_window, rng),
        window_number=report.window if report else None,
        through=through,
        since=_some(pool, pool.ids > through, rng),
    )


def _some(pool: Pool, wanted: Mask, rng: np.random.Generator) -> Index:
    """Positions of items that stand for their duplicate groups, at random where there are many."""
    standing = pool.representatives[wanted[pool.representatives]]
    if len(standing) <= _MOST_ITEMS:
        return standing
    return np.sort(rng.choice(standing, _MOST_ITEMS, replace=False))


def _store(held: Context, claimed: Claim, config: ProjectConfig, read: _Read, found: Look | None) -> None:
    project_id = claimed.project_id
    candidates = _candidates(config, read) if found and any(one.alarm for one in found.performance) else {}
    with held.database.write() as session:
        lanes.complete(session, claimed)
        if found is None:
            return
        raised = notices(found)
        level = max((notice.level for notice in raised), key=list(Level).index, default=Level.QUIET)
        fresh_labels.store_look(
            session,
            project_id,
            number=read.number,
            model=read.model.version,
            began=read.began,
            items=found.new,
            level=level,
            findings=found.findings(),
            state=found.standing.as_json(),
        )
        _raise(session, project_id, found, raised)
        _correct(session, read, found)
        if candidates and _unanswered(session, project_id):
            why = "; ".join(notice.why for notice in raised if notice.channel == PERFORMANCE)
            campaigns.propose(
                session,
                project_id,
                config,
                report=None,
                candidates=candidates,
                why=why,
                origin=Origin.PERFORMANCE,
            )
        emit(session, Event.LABELS_LOOKED_AT, project_id=project_id, report=read.number, level=level)
    _log.info("labels.looked_at", report=read.number, level=level, fresh=found.fresh)


def _candidates(config: ProjectConfig, read: _Read) -> dict[str, list[int]]:
    asked = read.asked
    pool, last = asked.pool, asked.since if len(asked.since) else asked.before
    probability = classifier.probabilities(asked.model, pool.features, pool.rows[last])
    return doubtful_candidates(
        pool,
        scores=classifier.decision_scores(asked.model, probability),
        since=last,
        sealed=audit.sealed(pool, asked.thresholds),
        budget=config.drift.campaign_items,
        exclusive=config.task is Task.SINGLE,
    )


def _raise(session: Session, project_id: int, found: Look, raised: list[Notice]) -> None:
    """Open alarms that are new, and close those that are over."""
    live = alarms.live_alarms(session, project_id, channels=(PERFORMANCE, LABELS))
    for notice in raised:
        alarms.raise_alarm(
            session,
            project_id,
            channel=notice.channel,
            scope=notice.scope,
            level=notice.level,
            share=notice.share,
            why=notice.why,
            details=notice.details,
        )
    for alarm in live:
        _close(session, alarm, found)


def _unanswered(session: Session, project_id: int) -> bool:
    """Whether an alarm on performance is live that no person has acknowledged."""
    live = alarms.live_alarms(session, project_id, channels=(PERFORMANCE,))
    return any(alarm.acknowledged_at is None for alarm in live)


def _close(session: Session, alarm: DriftAlarm, found: Look) -> None:
    reason = ended(found, channel=alarm.channel, scope=alarm.scope, share=alarm.share)
    if reason is not None:
        alarms.close_alarm(session, alarm, reason=reason)


def _correct(session: Session, read: _Read, found: Look) -> None:
    """Write the model anew with the correction that pays, or without one that does not pay any more."""
    pays = found.ratios is not None and found.worth is not None and found.worth.pays
    if not pays and not read.header.get(prior_shift.HEADER):
        return
    model, said = read.asked.model, None
    if found.ratios is not None and found.worth is not None and pays:
        said = prior_shift.record(found.ratios, found.worth, classes=model.classes)
        model = prior_shift.applied(model, found.ratios)
    header = {**read.header, prior_shift.HEADER: said}
    session.get_one(Model, read.model.id).arrays = model_storage.dump(model, header=header)
