"""Dispatch tasks: bring the annotation queue in line with the open assignments."""

from collections.abc import Sequence
from contextlib import closing

from sqlmodel import Session

from shared import lanes
from shared.contracts import Reason, TaskMessage
from shared.crash_points import reached
from shared.database import now
from shared.lanes import Claim
from shared.project import ProjectConfig
from shared.repository import assignments as rows
from shared.repository.assignments import Waiting
from shared.streams import connect
from shared.tables import Assignment
from workers.app import app
from workers.context import Context, context
from workers.dispatch import queue
from workers.dispatch.leases import LeasePlan, OpenAssignment, plan_leases


@app.task(name="dispatch.publish_assignments")
def publish_assignments(*, project_id: int) -> None:
    """Write down leases, take back expired ones, and put on the queue what is not there."""
    held_context = context()
    with held_context.lane(project_id, lanes.DISPATCH) as claimed:
        if claimed is not None:
            _tend(held_context, claimed, *held_context.project(project_id))


def _tend(held: Context, claimed: Claim, name: str, config: ProjectConfig) -> None:
    with held.database.read() as session:
        open_now = rows.open_assignments(session, claimed.project_id)
        time = now(session)
    state = queue.queue_state(held.redis, name, expected=_expected(open_now))
    plan = plan_leases([_known(row) for row in open_now], state, lease_s=config.queue.lease_s, time=time)
    with held.database.write() as session:
        lanes.check(session, claimed)
        waiting = _apply(session, claimed, plan)
        if not waiting and not plan.remove:  # as most often
            lanes.complete(session, claimed)
            return
        # Otherwise nothing is done yet: what kills its worker below must count.
    queue.remove_tasks(held.redis, name, plan.remove)
    reached("before-xadd.dispatch", claimed.project_id)
    with closing(connect(held.settings, again=False)) as client:
        entries = queue.add_tasks(client, name, [_message(row, name, config) for row in waiting])
    reached("after-xadd.dispatch", claimed.project_id)
    with held.database.write() as session:
        lanes.complete(session, claimed)
        rows.mark_queued(session, dict(zip((row.id for row in waiting), entries, strict=True)))


def _expected(open_now: Sequence[Assignment]) -> int | None:
    """How many entries the queue should hold; None where a worker died that may have queued more than it wrote down."""
    unqueued = [row for row in open_now if row.stream_id is None]
    return None if any(row.lease for row in unqueued) else len(open_now) - len(unqueued)


def _apply(session: Session, claimed: Claim, plan: LeasePlan) -> list[Waiting]:
    rows.mark_queued(session, plan.adopt)
    rows.write_leases(session, plan.hold)
    rows.take_off_queue(session, plan.requeue)
    return rows.prepare_queueing(session, claimed.project_id)


def _known(row: Assignment) -> OpenAssignment:
    return OpenAssignment(row.id, row.lease, row.stream_id, row.annotator, row.leased_until)


def _message(row: Waiting, project: str, config: ProjectConfig) -> TaskMessage:
    return TaskMessage(
        project=project,
        assignment=row.id,
        lease=row.lease,
        lease_s=config.queue.lease_s,
        item_id=row.item_id,
        text=row.text,
        source=row.source,
        task=config.task.value,
        classes=list(config.classes),
        batch=row.round,
        reason=Reason.model_validate(row.reason),
    )
