"""What is long over is forgotten by the sweep's own means, and what is younger stays."""

from typing import Any

from sqlalchemy import insert
from sqlmodel import Session, col, select, update

from shared.database import Database, now
from shared.events import forget_published
from shared.repository.submissions import forget_dead_letters, store_dead_letter
from shared.tables import DeadLetter, OutboxEvent
from tests.workers.intake.test_ingest import make_project


def test_refused_messages_are_forgotten_after_their_days(database: Database) -> None:
    with database.write() as session:
        for reason in ("old", "young"):
            store_dead_letter(session, origin="http", project="tickets", payload="{}", reason=reason)
    with database.write() as session:
        before = now(session) - 2 * 86_400
        session.connection().execute(
            update(DeadLetter).where(col(DeadLetter.reason) == "old").values(received_at=before)
        )
    for days, left in ((3.0, ["old", "young"]), (1.0, ["young"])):
        with database.write() as session:
            forget_dead_letters(session, kept_days=days)
            assert list(session.exec(select(DeadLetter.reason).order_by(col(DeadLetter.id)))) == left


def add_events(session: Session, project_id: int, ages_s: list[float | None]) -> None:
    """Events that were published so long ago; None for one that was not."""
    event = {"project_id": project_id, "event": "items.added", "payload": {}, "created_at": 0.0}
    times = [None if age_s is None else now(session) - age_s for age_s in ages_s]
    session.connection().execute(insert(OutboxEvent), [{**event, "published_at": time} for time in times])


def test_published_events_are_forgotten_after_a_day_and_others_never(database: Database) -> None:
    project_id, day_s = make_project(database), 86_400.0
    for ages_s, left in (
        ([2 * day_s, 1.5 * day_s, 60.0, None], [3, 4]),
        ([1.5 * day_s], [3, 4, 5]),  # what stands behind one that is kept, until that is a day old
    ):
        with database.write() as session:
            add_events(session, project_id, list(ages_s))
            forget_published(session)
            assert list(session.exec(select(OutboxEvent.id).order_by(col(OutboxEvent.id)))) == left
    with database.write() as session:
        session.connection().execute(update(OutboxEvent).values(published_at=0.0))
        forget_published(session)
        assert session.exec(select(OutboxEvent.id)).all() == []


def test_to_forget_events_takes_no_look_at_all_that_are_kept(database: Database) -> None:
    if database.engine.dialect.name != "sqlite":
        return  # which alone counts what it does
    project_id, steps = make_project(database), list[None]()
    with database.write() as session:
        add_events(session, project_id, [60.0] * 10_000)
    with database.write() as session:
        driver: Any = session.connection().connection.driver_connection
        driver.set_progress_handler(lambda: steps.append(None), 100)
        forget_published(session)
        driver.set_progress_handler(None, 0)
    assert len(steps) < 10
