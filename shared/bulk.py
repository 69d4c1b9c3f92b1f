"""Many rows at once, by the way of each database: COPY on PostgreSQL, prepared INSERTs on SQLite.

SQLAlchemy's own way makes a dictionary of each row and reads it again, which takes longer than to store it.
"""

from collections.abc import Iterable, Sequence
from itertools import chain, islice
from typing import Any

from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError
from sqlmodel import Session, SQLModel

# More make a statement no quicker.
_ROWS_A_STATEMENT = 1_000
# SQLite's own default for the values of a statement.
_MOST_VALUES = 32_766


def insert_rows(session: Session, table: type[SQLModel], columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    """Insert rows, which hold the values of these columns in this order, as the database's driver takes them.

    Raises:
        DBAPIError: as of any other statement.
    """
    connection = session.connection()
    quote = connection.dialect.identifier_preparer.quote
    into = f"{quote(str(table.__tablename__))} ({', '.join(map(quote, columns))})"
    if connection.dialect.name == "postgresql":
        _copy(connection, f"COPY {into} FROM STDIN", rows)
    else:
        _insert(connection, f"INSERT INTO {into} VALUES", rows, len(columns))


def _insert(connection: Connection, statement: str, rows: Iterable[Sequence[Any]], columns: int) -> None:
    """As many rows a statement as it takes. The driver lets other threads go first at each that it runs, so rows one
    by one would take as long as these threads like."""
    place, rest = f"({', '.join('?' * columns)})", iter(rows)
    most = min(_ROWS_A_STATEMENT, _MOST_VALUES // columns)
    while some := list(islice(rest, most)):
        connection.exec_driver_sql(f"{statement} {', '.join([place] * len(some))}", tuple(chain.from_iterable(some)))


def _copy(connection: Connection, statement: str, rows: Iterable[Sequence[Any]]) -> None:
    import psycopg

    try:
        with connection.connection.cursor() as cursor, cursor.copy(statement) as copy:  # type: ignore[attr-defined] # DB-API has none
            for row in rows:
                copy.write_row(row)
    except psycopg.Error as error:  # past SQLAlchemy, which would have said it so
        raise DBAPIError.instance(statement, None, error, psycopg.Error, dialect=connection.dialect) from error
