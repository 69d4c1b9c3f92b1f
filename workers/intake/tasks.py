"""Intake tasks: the sweep, which makes good whatever was missed."""

import structlog
from redis.exceptions import RedisError

from shared import lanes
from shared.crash_points import name_commit
from shared.database import take_stock
from shared.events import forget_published
from shared.repository import rounds
from shared.repository.assignments import on_queues
from shared.repository.submissions import forget_dead_letters
from shared.streams import CELERY_PREFIX
from workers.app import SWEEP, app
from workers.context import Context, context
from workers.dispatch import queue
from workers.hints import queue_of, wake

# Hints of one queue that wait together: a sweep adds none to them, and a later one does when they are fewer.
_ENOUGH_HINTS = 1_000

_log = structlog.get_logger(__name__)


@app.task(name=SWEEP)
def sweep() -> None:
    """Publish what lies in the outbox, look at every queue that was touched, wake every lane that lags, forget what is
    long over, and see to it that the database knows which tables have grown.

    Runs every few seconds. It decides nothing by itself: all it does is to ask again, so two sweeps at once, or none
    for a while, do no harm.
    """
    held = context()
    with held.database.read() as session:
        queues = on_queues(session)
    untouched = _untouched(held, {one.name: one.queued for one in queues if one.is_plain})
    with held.database.write() as session:
        name_commit(session, "sweep")
        for one in queues:
            if one.name not in untouched:
                lanes.request(session, one.project_id, lanes.DISPATCH)
    # By itself: a round that ends holds its own lane and then asks for the dispatch's, so who held both would meet it.
    with held.database.write() as session:
        for project_id in rounds.projects_past_their_time(session):
            lanes.request(session, project_id, lanes.ROUND)
        forget_published(session)
        forget_dead_letters(session, kept_days=held.settings.dead_letters_kept_days)
        lagging = lanes.lagging(session)
    held.relay()
    crowded = _crowded(held, {queue_of(room) for _, room in lagging})
    wake((project_id, room) for project_id, room in lagging if queue_of(room) not in crowded)
    take_stock(held.database)


def _untouched(held: Context, expected: dict[str, int]) -> set[str]:
    """Projects whose queue needs no look at each of its leases; none while Redis is away."""
    try:
        return queue.untouched(held.redis, expected)
    except RedisError as error:
        _log.warning("sweep.queues_unseen", error=str(error))
        return set()


def _crowded(held: Context, queues: set[str]) -> set[str]:
    """Queues on which so many hints wait that more would only fill Redis: no worker takes them, or not fast enough."""
    names = sorted(queues)
    pipe = held.redis.pipeline(transaction=False)
    for name in names:
        pipe.llen(CELERY_PREFIX + name)
    try:
        lengths = pipe.execute()
    except RedisError as error:
        _log.warning("sweep.hints_unseen", error=str(error))
        return set()
    return {name for name, length in zip(names, lengths, strict=True) if length >= _ENOUGH_HINTS}
