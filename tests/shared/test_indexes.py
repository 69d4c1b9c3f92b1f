"""What each answer and each sweep asks for is found by an index: past work costs nothing, however much there is."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from sqlalchemy import Connection, event, text
from sqlmodel import Session

from shared.database import Database
from shared.events import forget_published
from shared.repository.submissions import find_assignments

Asked = tuple[str, Any]


@pytest.mark.parametrize(
    ("ask", "index"),
    [
        (lambda session: find_assignments(session, [1, 2]), "ix_assignment_item"),
        (forget_published, "ix_outboxevent_published_at"),
    ],
    ids=["assignments of an item", "published events"],
)
def test_it_is_found_by_its_index(database: Database, ask: Callable[[Session], object], index: str) -> None:
    with database.write() as session:
        connection = session.connection()
        explain = "EXPLAIN QUERY PLAN"
        if connection.dialect.name == "postgresql":
            connection.execute(text("SET LOCAL enable_seqscan = off"))  # few rows are read all, index or none
            explain = "EXPLAIN"
        with _noted(connection) as asked:
            ask(session)
        statement, parameters = asked[-1]
        plan = connection.exec_driver_sql(f"{explain} {statement}", parameters).all()
    assert f"{index} " in str(plan)


@contextmanager
def _noted(connection: Connection) -> Iterator[list[Asked]]:
    """The statements that go to the database meanwhile, with their parameters."""
    asked: list[Asked] = []

    def note(_connection: object, _cursor: object, statement: str, parameters: object, *_: object) -> None:
        asked.append((statement, parameters))

    event.listen(connection, "before_cursor_execute", note)
    yield asked
    event.remove(connection, "before_cursor_execute", note)
