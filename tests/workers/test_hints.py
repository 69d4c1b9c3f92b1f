"""Who hears of what: no lane is without a task that the sweep can wake, no event without an entry, no task unknown."""

from shared import lanes
from shared.events import Event
from workers.app import QUEUES, app, serve
from workers.hints import LISTENERS, ROOM_TASKS


def test_every_lane_has_a_task_and_every_event_its_listeners() -> None:
    assert set(ROOM_TASKS) == set(lanes.ROOMS)
    assert set(LISTENERS) == set(Event)


def test_every_task_that_is_woken_is_known_to_a_queue() -> None:
    serve(QUEUES)
    app.loader.import_default_modules()
    assert {*ROOM_TASKS.values(), *(task for tasks in LISTENERS.values() for task in tasks)} <= set(app.tasks)
