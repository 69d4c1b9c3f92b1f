"""What is long over is forgotten by the sweep's own means, and what is younger stays."""

from sqlmodel import col, select, update

from shared.database import Database, now
from shared.repository.submissions import forget_dead_letters, store_dead_letter
from shared.tables import DeadLetter


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
