"""The lane of the watch over labels comes into being in projects that were there before it."""

from sqlalchemy import text
from sqlmodel import col, select

from shared import lanes
from shared.database import Database, upgrade
from shared.tables import Lane
from tests.shared.migrating import migrate


def test_projects_from_before_get_the_lane_of_the_watch_over_labels(database_url: str) -> None:
    old = Database(database_url)
    migrate(old, "0005")
    with old.engine.begin() as connection:
        connection.execute(text("INSERT INTO project (id, name, config, created_at) VALUES (1, 'p', '{}', 0)"))
    upgrade(old)
    with old.write() as session:
        assert lanes.LABELS in session.exec(select(Lane.room).where(col(Lane.project_id) == 1)).all()
        lanes.request(session, 1, lanes.LABELS)
        assert lanes.claim(session, project_id=1, room=lanes.LABELS, owner="me", lease_s=60) is not None
    migrate(old, "0005")
    with old.engine.connect() as connection:
        rooms = connection.execute(text("SELECT room FROM lane WHERE project_id = 1")).scalars().all()
        assert lanes.LABELS not in rooms
    upgrade(old)
    old.close()
