"""Transactions, migrations, and a database that is locked or away."""

import json
import threading
import time
from contextlib import ExitStack
from pathlib import Path

import hypothesis.strategies as st
import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from hypothesis import example, given
from sqlalchemy import text
from sqlmodel import SQLModel, select

from shared import database as databases
from shared import migrations
from shared.database import Database, now, read_json, take_stock, was_deadlock
from shared.errors import DatabaseUnavailableError
from shared.migrations import revisions
from shared.repository.drift import find_reference, last_report, store_reference
from shared.repository.drift_windows import Seen, seen_after
from shared.tables import Project, RuleHit, SegmentMark
from tests.servers import fresh_postgres_database
from tests.shared.migrating import migrate


def names(database: Database) -> list[str]:
    with database.read() as session:
        return list(session.exec(select(Project.name)))


def test_the_migrations_make_the_tables_that_the_code_expects(database: Database) -> None:
    with database.engine.connect() as connection:
        assert compare_metadata(MigrationContext.configure(connection), SQLModel.metadata) == []


def test_the_migrations_by_their_files_names_are_the_chain_that_alembic_sees() -> None:
    chain = ScriptDirectory(str(Path(migrations.__file__).parent)).walk_revisions()
    assert list(reversed(revisions())) == [script.revision for script in chain]


def test_rule_hits_of_a_database_made_before_scores_score_one(database_url: str) -> None:
    old = Database(database_url)
    migrate(old, "0001")
    with old.engine.begin() as connection:
        for statement in (
            "INSERT INTO project (id, name, config, created_at) VALUES (1, 'p', '{}', 0)",
            "INSERT INTO item (id, project_id, item_id, text, source, text_key, normal_key, draw, added_at) "
            "VALUES (1, 1, 'a', 'fraud', 'mail', 1, 1, 0.5, 0)",
            "INSERT INTO rulehit (item, rule, project_id) VALUES (1, 'words', 1)",
        ):
            connection.execute(text(statement))
    databases.upgrade(old)
    with old.read() as session:
        assert session.exec(select(RuleHit.score)).all() == [1.0]
    migrate(old, "0001")
    databases.upgrade(old)
    old.close()


def test_references_and_windows_of_an_old_watch_go_on_after_an_update_and_back(database_url: str) -> None:
    old = Database(database_url)
    migrate(old, "0004")
    with old.engine.begin() as connection:
        for statement in (
            "INSERT INTO project (id, name, config, created_at) VALUES (1, 'p', '{}', 0)",
            "INSERT INTO driftreference (project_id, encoder, arrays, through, fitted_at) "
            "VALUES (1, 'e', :arrays, 5, 0)",
            'INSERT INTO driftreport (id, project_id, "window", first, through, items, level, findings, made_at) '
            "VALUES (1, 1, 1, 6, 9, 4, 'quiet', '{}', 0)",
        ):
            connection.execute(text(statement), {"arrays": b"x"} if ":arrays" in statement else {})
    databases.upgrade(old)
    with old.read() as session:
        reference, report = find_reference(session, 1), last_report(session, 1)
        assert reference is not None
        assert report is not None
        assert (reference.version, reference.arrays) == (1, b"x")
        assert seen_after(None, reference) == Seen(settled=5, through=5, until=None)
        assert seen_after(report, reference) == Seen(settled=9, through=9, until=None)
    with old.write() as session:
        store_reference(session, 1, encoder="e2", arrays=b"y", watched=Seen(9, 9), why="test")
    migrate(old, "0004")
    with old.engine.begin() as connection:
        assert connection.execute(text("SELECT encoder, through FROM driftreference")).all() == [("e2", 9)]
    old.close()


def test_vectors_of_a_database_made_before_marks_get_marks_of_their_own(database_url: str) -> None:
    old = Database(database_url)
    migrate(old, "0012")
    with old.engine.begin() as connection:
        connection.execute(
            text(
                "INSERT INTO vectorsegment (id, space, encoder, count, dimension, keys, vectors) "
                "VALUES (:id, 'p', 'e', 0, 1, :none, :none)"
            ),
            [{"id": number, "none": b""} for number in (1, 5)],
        )
    databases.upgrade(old)
    with old.read() as session:
        marks = dict(session.exec(select(SegmentMark.segment, SegmentMark.mark)).all())
    assert marks.keys() == {1, 5}
    assert len({*marks.values(), ""}) == 3
    old.close()


def test_a_table_that_has_grown_many_times_over_is_looked_at_by_the_sweep(database: Database) -> None:
    is_postgres = database.engine.dialect.name == "postgresql"

    def add(first: int, count: int) -> None:
        with database.write() as session:
            session.add_all(
                Project(name=f"{number}", config={}, created_at=0.0) for number in range(first, first + count)
            )
            session.flush()
            if is_postgres:
                session.connection().execute(text("SELECT pg_stat_force_next_flush()"))

    for first, count, grown in ((0, 400, []), (400, 200, ["project"]), (600, 500, []), (1_100, 200, ["project"])):
        add(first, count)
        assert take_stock(database) == (grown if is_postgres else [])
        assert take_stock(database) == []


_SCALARS = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(st.characters())
_VALUES = st.recursive(_SCALARS, lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner), max_leaves=20)


@given(_VALUES)
@example("\ud800")
def test_json_is_read_as_it_was_written(value: object) -> None:
    written = json.dumps(value)
    for given_as in (written, written.encode()):
        found = read_json(given_as)
        assert repr(found) == repr(value)  # which tells 1 from 1.0 and True


def test_an_error_in_a_transaction_leaves_nothing_behind(database: Database) -> None:
    with pytest.raises(ZeroDivisionError), database.write() as session:
        session.add(Project(name="half", config={}, created_at=0.0))
        session.flush()
        raise ZeroDivisionError
    assert names(database) == []


def test_what_is_committed_while_a_transaction_reads_is_not_seen_by_it(database: Database) -> None:
    with database.read() as session:
        assert session.exec(select(Project.name)).all() == []
        with database.write() as other:
            other.add(Project(name="meanwhile", config={}, created_at=0.0))
        assert session.exec(select(Project.name)).all() == []
    assert names(database) == ["meanwhile"]


def test_the_databases_clock_is_the_wall_clock(database: Database) -> None:
    with database.read() as session:
        assert abs(now(session) - time.time()) < 5.0


def test_a_writer_waits_while_another_holds_the_database(tmp_path: Path) -> None:
    database = Database(f"sqlite:///{tmp_path / 'one.db'}")
    databases.upgrade(database)
    holding, release = threading.Event(), threading.Event()

    def hold() -> None:
        with database.write() as session:
            session.add(Project(name="first", config={}, created_at=0.0))
            holding.set()
            release.wait(10)

    holder = threading.Thread(target=hold)
    holder.start()
    assert holding.wait(10)
    threading.Timer(0.5, release.set).start()
    with database.write() as session:
        session.add(Project(name="second", config={}, created_at=0.0))
    holder.join()
    assert names(database) == ["first", "second"]


def test_a_writer_among_others_that_hardly_ever_pause_gets_its_turn_soon(tmp_path: Path) -> None:
    database = Database(f"sqlite:///{tmp_path / 'one.db'}")
    databases.upgrade(database)
    turns, end = 0, threading.Event()

    def write_on_and_on() -> None:
        nonlocal turns
        while not end.wait(0.006):
            with database.write() as session:
                session.connection()
                turns += 1
                time.sleep(0.03)

    other = threading.Thread(target=write_on_and_on)
    other.start()
    waited = []
    for _ in range(20):
        time.sleep(0.05)
        before = turns
        with database.write() as session:
            session.connection()
            waited.append(turns - before)
    end.set()
    other.join()
    # Whoever looks ever more seldom misses most pauses: as SQLite does it by itself, 130 to 310 turns were waited for.
    assert sum(waited) <= 2.5 * len(waited), waited


def test_a_database_that_stays_locked_is_a_clear_error_and_nothing_is_half_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(databases, "_BUSY_TIMEOUT_MS", 100)
    one, two = (Database(f"sqlite:///{tmp_path / 'one.db'}") for _ in range(2))
    databases.upgrade(one)
    with one.write() as session:
        session.add(Project(name="first", config={}, created_at=0.0))
        session.flush()
        with pytest.raises(DatabaseUnavailableError, match="locked"), two.write() as other:
            other.add(Project(name="second", config={}, created_at=0.0))
    assert names(two) == ["first"]


def test_no_connection_that_becomes_free_is_an_error_that_says_so(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(database.engine.pool, "_timeout", 0.05)
    with pytest.raises(DatabaseUnavailableError, match="connections of this process") as raised, ExitStack() as held:
        while True:
            held.enter_context(database.read()).connection()
    assert not was_deadlock(raised.value)
    assert names(database) == []


def test_a_writer_that_stands_still_on_a_server_loses_its_transaction_and_its_locks(
    postgres_url: str, migrated_template: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(databases, "_IDLE_MS", 500)
    with fresh_postgres_database(postgres_url, template=migrated_template) as url:
        database = Database(url)
        with pytest.raises(DatabaseUnavailableError, match="idle-in-transaction"), database.write() as session:
            session.add(Project(name="stopped", config={}, created_at=0.0))
            session.flush()
            time.sleep(1.0)
            now(session)
        with database.write() as session:
            session.add(Project(name="stopped", config={}, created_at=0.0))
        database.close()


def test_a_server_that_is_away_is_an_error_that_names_it_without_the_password() -> None:
    away = Database("postgresql+psycopg://someone:secret@127.0.0.1:1/nothing")
    with pytest.raises(DatabaseUnavailableError) as raised, away.read() as session:
        session.exec(select(Project.name)).all()
    assert "127.0.0.1:1/nothing" in str(raised.value)
    assert "secret" not in str(raised.value)
