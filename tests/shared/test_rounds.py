"""Counting submissions: from where they were counted last, and the same as all of them."""

import pytest

from shared.database import Database
from shared.repository import rounds
from shared.repository.rounds import SubmissionCounter, count_submissions
from tests.workers.reporting.example import add_items, answer, make_project

NAMES = ("one", "two")


def test_what_is_counted_on_is_what_is_there(database: Database) -> None:
    projects = [make_project(database, name=name) for name in NAMES]
    for project in projects:
        add_items(database, project.id, [(f"text {number}", "mail") for number in range(4)])
    counter, item = SubmissionCounter(), 0
    for which in (None, 0, 1, 1, None, 0, 1):
        if which is not None:
            item += 1
            answer(database, projects[which], {item % 4 + 1: "delay"}, name=NAMES[which])
        with database.read() as session:
            found = [counter.count(session, project.id) for project in projects]
            assert found == [count_submissions(session, project.id) for project in projects]
            assert found == [counter.recount(session, project.id) for project in projects]
    assert found == [2, 3]


def test_no_more_than_what_is_new_is_read(database: Database) -> None:
    if not database.url.startswith("sqlite"):
        pytest.skip("PostgreSQL's planner goes by how many there are")
    with database.read() as session:
        connection = session.connection()
        words = str(rounds._SINCE.compile(dialect=connection.dialect))
        plan = connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {words}", (0,) * words.count("?")).all()
    assert "USING INTEGER PRIMARY KEY (rowid>?)" in str(plan)
