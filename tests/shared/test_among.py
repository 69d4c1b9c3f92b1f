"""`among`: as `IN`, with any number of values, of any characters, by the index."""

import pytest
from sqlmodel import col, select, text

from shared.among import among, several
from shared.database import Database, now
from shared.project import ProjectConfig
from shared.repository.projects import create_project
from shared.tables import Item, Project

# More than one statement can take as parameters of their own, on either database.
_MANY = 70_000
_ODD = ['"', "\\", "a'b", "tab\tline\n", "Straße", "日本", "🦊", "a,b", "", "NULL", "1"]


@pytest.fixture
def ids(database: Database) -> dict[str, int]:
    with database.write() as session:
        create_project(session, "p", ProjectConfig(classes=("a",)))
        project = session.exec(select(Project.id)).one()
        items = [
            Item(
                project_id=project,
                item_id=name,
                text=name or "x",
                source="s",
                text_key=place - 2**62,
                normal_key=place - 2**62,
                draw=0.5,
                added_at=now(session),
            )
            for place, name in enumerate([*_ODD, *(f"item-{number}" for number in range(2_000))])
        ]
        session.add_all(items)
        session.flush()
        return {item.item_id: item.id for item in items}


@pytest.mark.usefixtures("ids")
def test_odd_strings_are_found_as_they_are(database: Database) -> None:
    with database.read() as session:
        found = session.exec(select(Item.item_id).where(among(Item.item_id, {*_ODD, "absent"})))
        assert sorted(found) == sorted(_ODD)


def test_any_number_of_whole_numbers_can_be_asked_for(database: Database, ids: dict[str, int]) -> None:
    with database.read() as session:
        for keys in ([], [-(2**62)], [2**63 - 1, *reversed(range(-(2**62), -(2**62) + _MANY))]):
            found = session.exec(select(Item.text_key).where(among(Item.text_key, keys))).all()
            assert sorted(found) == sorted(key for key in keys if key < len(ids) - 2**62)


def test_a_statement_takes_other_values_each_time(database: Database, ids: dict[str, int]) -> None:
    statement = select(col(Item.id)).where(among(Item.item_id, several("these", str)))
    with database.read() as session:
        for names in (["item-3"], {"item-5", "item-1999", "🦊"}, ()):
            found = session.connection().execute(statement, {"these": names}).scalars()
            assert set(found) == {ids[name] for name in names}


@pytest.mark.usefixtures("ids")
def test_items_are_found_by_the_index(database: Database) -> None:
    statement = select(Item.id).where(Item.project_id == 1, among(Item.item_id, several("these", str)))
    with database.write() as session:
        connection = session.connection()
        is_sqlite = connection.dialect.name == "sqlite"
        if not is_sqlite:
            connection.execute(text("ANALYZE item"))
        compiled = statement.compile(dialect=connection.dialect)
        explain = "EXPLAIN QUERY PLAN" if is_sqlite else "EXPLAIN"
        given = '["item-1"]' if is_sqlite else ["item-1"]
        values = {**compiled.params, "these": given}
        parameters = tuple(values[name] for name in compiled.positiontup or ()) if is_sqlite else values
        plan = "\n".join(map(str, connection.exec_driver_sql(f"{explain} {compiled}", parameters)))
    assert "uq_item_project_id_item_id" in plan or "sqlite_autoindex_item_" in plan, plan
