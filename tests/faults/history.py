"""The history of lanes and assignments: a row for each change, by the database itself, and what must hold in it."""

from dataclasses import dataclass
from typing import Any

from sqlalchemy import text
from sqlmodel import Session

from shared.database import Database

_COLUMNS = {
    "lane": ("project_id", "room", "owner", "until", "token", "requested", "completed", "attempts"),
    "assignment": ("project_id", "id", "item", "state", "lease", "stream_id", "leased_until"),
}
_TYPES = {
    "room": "TEXT",
    "owner": "TEXT",
    "state": "TEXT",
    "stream_id": "TEXT",
    "until": "DOUBLE PRECISION",
    "leased_until": "DOUBLE PRECISION",
}
# A clock read within one statement and one read just before it may differ by as much as a statement waits for a lock.
_SAME_MOMENT_S = 0.05


def keep_history(database: Database) -> None:
    """Let the database write each change of a lane or an assignment into `lane_history` and `assignment_history`."""
    for table, columns in _COLUMNS.items():
        with database.write() as session:
            _keep(session, table, columns)


def _keep(session: Session, table: str, columns: tuple[str, ...]) -> None:
    on_sqlite = session.get_bind().dialect.name == "sqlite"
    number = "INTEGER PRIMARY KEY AUTOINCREMENT" if on_sqlite else "BIGSERIAL PRIMARY KEY"
    fields = [f"{side}_{name} {_TYPES.get(name, 'BIGINT')}" for side in ("old", "new") for name in columns]
    names = ", ".join(f"{side}_{name}" for side in ("old", "new") for name in columns)
    values = ", ".join(f"{side}.{name}" for side in ("OLD", "NEW") for name in columns)
    time = "(julianday('now') - 2440587.5) * 86400.0" if on_sqlite else "extract(epoch FROM clock_timestamp())::float8"
    insert = f"INSERT INTO {table}_history (at, {names}) VALUES ({time}, {values});"
    statements = [f"CREATE TABLE {table}_history (seq {number}, at DOUBLE PRECISION, {', '.join(fields)})"]
    if on_sqlite:
        statements.append(f"CREATE TRIGGER {table}_changes AFTER UPDATE ON {table} BEGIN {insert} END")
    else:
        body = f"BEGIN {insert} RETURN NULL; END"
        statements.append(f"CREATE FUNCTION {table}_changed() RETURNS trigger LANGUAGE plpgsql AS $$ {body} $$")
        statements.append(
            f"CREATE TRIGGER {table}_changes AFTER UPDATE ON {table} FOR EACH ROW EXECUTE FUNCTION {table}_changed()"
        )
    for statement in statements:
        session.connection().execute(text(statement))


@dataclass(frozen=True)
class Change:
    """One row of a history: when, and the columns before and after."""

    at: float
    old: dict[str, Any]
    new: dict[str, Any]


def read_history(database: Database, table: str, project_id: int) -> list[Change]:
    """All changes of one project's rows, in the order in which they were committed."""
    columns = _COLUMNS[table]
    statement = text(f"SELECT * FROM {table}_history WHERE new_project_id = :project ORDER BY seq")
    with database.read() as session:
        rows = session.connection().execute(statement, {"project": project_id}).mappings().all()
    return [
        Change(
            row["at"], {name: row[f"old_{name}"] for name in columns}, {name: row[f"new_{name}"] for name in columns}
        )
        for row in rows
    ]


def faults_of_lanes(changes: list[Change]) -> list[str]:
    """What is wrong in the history of a project's lanes; empty when tokens rise and no two leases overlap."""
    faults = []
    for change in changes:
        old, new, room = change.old, change.new, change.new["room"]
        claimed = new["owner"] is not None and (old["owner"] is None or new["token"] != old["token"])
        if new["token"] < old["token"] or (claimed and new["token"] <= old["token"]):
            faults.append(f"{room}: token {old['token']} was followed by {new['token']}")
        if claimed and old["until"] is not None and old["until"] > change.at + _SAME_MOMENT_S:
            faults.append(f"{room}: token {new['token']} was given out {old['until'] - change.at:.2f} s too early")
        if new["completed"] < old["completed"] or new["completed"] > new["requested"]:
            faults.append(f"{room}: completed {old['completed']} -> {new['completed']} of {new['requested']}")
        if new["requested"] < old["requested"]:
            faults.append(f"{room}: requested {old['requested']} -> {new['requested']}")
    return faults


def faults_of_assignments(changes: list[Change]) -> list[str]:
    """What is wrong in the history of a project's assignments; empty when leases rise and what is closed stays so."""
    faults = []
    for change in changes:
        old, new = change.old, change.new
        if old["state"] != "open" and (new["state"], new["lease"]) != (old["state"], old["lease"]):
            faults.append(f"assignment {new['id']}: {old['state']} became {new['state']}")
        if new["lease"] < old["lease"]:
            faults.append(f"assignment {new['id']}: lease {old['lease']} was followed by {new['lease']}")
        if old["stream_id"] is not None and new["stream_id"] not in (None, old["stream_id"]):
            faults.append(f"assignment {new['id']}: queued again while {old['stream_id']} was on the queue")
        held = old["leased_until"] is not None and old["leased_until"] > change.at + _SAME_MOMENT_S
        if held and new["state"] == "open" and new["stream_id"] is None and old["stream_id"] is not None:
            faults.append(f"assignment {new['id']}: taken back {old['leased_until'] - change.at:.2f} s too early")
    return faults
