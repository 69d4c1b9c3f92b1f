"""Rows that go in by each database's own way come out as they went in, and faults are those of any other statement."""

from itertools import cycle

import pytest
from sqlalchemy.exc import IntegrityError
from sqlmodel import col, select

from shared.bulk import insert_rows
from shared.database import Database
from shared.tables import OutboxEvent, Project

_ODD = [
    "\\N",
    "\\.",
    "a\tb",
    "two\nlines\r",
    "it's",
    '"quoted"',
    "back\\slash",
    "",
    " ",
    "日本🦊",
    "Straße",
    "NULL",
    "%s :x ?",
]
_NAMED = ("name", "config", "encoder_key", "created_at")


def rows(database: Database) -> list[tuple[object, ...]]:
    with database.read() as session:
        found = session.exec(select(Project).order_by(col(Project.id))).all()
    return [(one.name, one.config, one.encoder_key, one.created_at) for one in found]


def test_values_come_out_as_they_went_in(database: Database) -> None:
    given = [
        (f"{place}{odd}", "{}", odd, time)
        for place, (odd, time) in enumerate(zip(_ODD, cycle([0.1, 1e-300, -1e300, 3.0, 1 / 3]), strict=False))
    ]
    with database.write() as session:
        insert_rows(session, Project, _NAMED, iter(given))
        insert_rows(session, Project, _NAMED, [("nothing", '{"a": [1, "b"]}', None, 1.0)])
        insert_rows(session, Project, _NAMED, [])
    assert rows(database) == [
        *((name, {}, key, time) for name, _, key, time in given),
        ("nothing", {"a": [1, "b"]}, None, 1.0),
    ]


def test_a_row_that_breaks_a_rule_is_an_error_of_integrity_and_none_of_them_stays(database: Database) -> None:
    with pytest.raises(IntegrityError), database.write() as session:
        insert_rows(session, Project, _NAMED, [("one", "{}", None, 1.0), ("one", "{}", None, 1.0)])
    with pytest.raises(IntegrityError), database.write() as session:
        insert_rows(session, OutboxEvent, ("project_id", "event", "payload", "created_at"), [(999, "x", "{}", 1.0)])
    assert rows(database) == []


@pytest.mark.parametrize("count", [999, 1_000, 2_345])
def test_more_rows_than_fit_a_statement_all_come_in_their_order(database: Database, count: int) -> None:
    given = [(f"project-{place}", "{}", str(place), float(place)) for place in range(count)]
    with database.write() as session:
        insert_rows(session, Project, _NAMED, given)
    assert [(name, "{}", key, time) for name, _, key, time in rows(database)] == given


def test_of_rows_that_take_several_statements_none_stays_when_the_last_breaks_a_rule(database: Database) -> None:
    given = [(f"project-{place}", "{}", None, 1.0) for place in range(1_500)]
    with pytest.raises(IntegrityError), database.write() as session:
        insert_rows(session, Project, _NAMED, [*given, given[0]])
    assert rows(database) == []
