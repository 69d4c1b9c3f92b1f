"""Hints: which tasks an event wakes, and how a hint is sent."""

from collections.abc import Iterable, Mapping

from celery import group
from redis.exceptions import RedisError

from shared import lanes
from shared.events import Event
from shared.settings import Settings
from shared.streams import connect
from workers.app import HINTS_EXPIRE_S, app

# Rooms speak through events; this table is the only place that knows who listens to what.
LISTENERS: dict[str, tuple[str, ...]] = {
    Event.ITEMS_ADDED: ("embedding.embed_pending",),
    Event.ITEMS_EMBEDDED: ("selection.consider_round", "drift.watch"),
    Event.TEXTS_AUGMENTED: ("embedding.embed_pending",),
    Event.LABELS_SUBMITTED: ("selection.consider_round",),
    Event.MODEL_TRAINED: ("training.evaluate_model",),
    Event.MODEL_EVALUATED: ("drift.watch_labels",),
    Event.BATCH_SELECTED: ("dispatch.publish_assignments", "drift.tend_campaigns"),
    Event.DRIFT_FOUND: ("selection.consider_round",),
    Event.LABELS_LOOKED_AT: (),
    Event.CAMPAIGN_STARTED: ("selection.consider_round",),
    Event.CAMPAIGN_ENDED: ("drift.tend_campaigns",),
}

LAST = 9
"""The last of the priorities that Celery has on Redis, where 0 is the first and what hints have without one."""

TOGETHER_S = 0.1
"""Whoever takes answers tells workers of those that come within so many seconds of the last hint together."""

# For what is found waiting, and so may have killed who looked at it: each of these claims the lane first, which an
# event's hint of a round does not.
ROOM_TASKS: dict[str, str] = {
    lanes.EMBED: "embedding.embed_pending",
    lanes.ROUND: "selection.run_round",
    lanes.EVALUATE: "training.evaluate_model",
    lanes.DRIFT: "drift.watch",
    lanes.DISPATCH: "dispatch.publish_assignments",
    lanes.LABELS: "drift.watch_labels",
    lanes.CAMPAIGN: "drift.tend_campaigns",
}


def send_hint(event: str, project_id: int) -> None:
    """Wake the tasks that listen to an event. Raises kombu's `OperationalError` at once when the broker is away."""
    for task in LISTENERS[event]:
        send_task(task, project_id)


def send_task(task: str, project_id: int) -> None:
    """Send one hint. It expires, since the sweep repeats what is still true."""
    app.send_task(task, kwargs={"project_id": project_id}, expires=HINTS_EXPIRE_S, retry=False)


def call_helpers(task: str, seats: int, named: Mapping[str, object]) -> None:
    """Send so many hints of one kind at once. They wait behind all others of their queue, as a worker's own work goes
    before helping. Raises as `send_task`."""
    hints = group([app.signature(task, kwargs=dict(named)) for _ in range(seats)], app=app)
    hints.apply_async(expires=HINTS_EXPIRE_S, retry=False, priority=LAST)


def wake(lanes_with_work: Iterable[tuple[int, str]]) -> None:
    """Send the hint of each lane, `(project_id, room)`; raises as `send_task`."""
    for project_id, room in lanes_with_work:
        send_task(ROOM_TASKS[room], project_id)


def queue_of(room: str) -> str:
    """Where the hint of a room's lane waits for a worker."""
    return str(app.amqp.router.route({}, ROOM_TASKS[room])["queue"].name)


def broker_is_up(settings: Settings) -> bool:
    """Whether Redis answers now, without waiting for long."""
    client = connect(settings, again=False)  # a person waits, and no Redis is an answer like any other
    try:
        return bool(client.ping())
    except RedisError:
        return False
    finally:
        client.close()
