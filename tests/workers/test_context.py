"""A process's context: what is published when a lane is given back."""

import pytest

from shared import events
from shared.database import Database
from shared.events import Event, emit
from shared.lanes import ROUND, complete, request
from shared.settings import Settings
from shared.streams import connect
from tests.workers.intake.test_ingest import make_project
from workers import context as contexts
from workers.context import Context

Hint = tuple[str, int]


@pytest.fixture
def hints(monkeypatch: pytest.MonkeyPatch) -> list[Hint]:
    """The hints that were sent."""
    sent: list[Hint] = []
    monkeypatch.setattr(contexts, "send_hint", lambda event, project_id: sent.append((event, project_id)))
    return sent


@pytest.mark.parametrize(
    ("writes", "published"), [([], []), ([Event.MODEL_TRAINED], [Event.LABELS_SUBMITTED, Event.MODEL_TRAINED])]
)
def test_a_lane_publishes_only_if_its_block_wrote_an_event(
    database: Database, settings: Settings, hints: list[Hint], writes: list[Event], published: list[Event]
) -> None:
    held = Context(settings, database, connect(settings))
    project_id = make_project(database)
    other = Database(database.url)  # as another process would write it
    with other.write() as session:
        request(session, project_id, ROUND)
        emit(session, Event.LABELS_SUBMITTED, project_id=project_id)
    with held.lane(project_id, ROUND) as claimed:
        assert claimed is not None
        with database.write() as session:
            complete(session, claimed)
            for event in writes:
                emit(session, event, project_id=project_id)
    other.close()
    assert hints == [(event, project_id) for event in published]


def test_events_that_come_while_others_are_published_are_left_to_who_wrote_them(database: Database) -> None:
    project_id = make_project(database)
    sent: list[str] = []

    def send(event: str, _project_id: int) -> None:
        sent.append(event)
        assert len(sent) < 5
        write(Event.LABELS_SUBMITTED)

    def write(event: Event) -> None:
        with database.write() as session:
            emit(session, event, project_id=project_id)

    write(Event.ITEMS_ADDED)
    assert events.relay(database, send) == 1
    assert sent == [Event.ITEMS_ADDED]
    with database.read() as session:
        assert events.oldest_unpublished(session) is not None
