"""Backups: one consistent copy of the database in a file, which either kind of database can be restored from.

The file is a ZIP archive with a Parquet file for each table and `manifest.json`, which names the schema's revision, the
rows of each table and the SHA-256 of each file. Redis is not in it, as it holds nothing that can't be rebuilt.
"""

import hashlib
import json
import zipfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from typing import IO, Any, cast

import pyarrow as pa
import pyarrow.parquet as pq
from sqlalchemy import (
    JSON,
    Boolean,
    Column,
    Connection,
    Float,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    func,
    null,
    select,
    text,
)
from sqlalchemy.types import TypeEngine

from shared.database import Database, schema_revision, upgrade
from shared.errors import InvalidInputError

Advance = Callable[[str, int, int], None]
"""Told of which table how many of how many rows are done."""

_FORMAT = 1
_MANIFEST = "manifest.json"
_REVISIONS = "alembic_version"
# Rows that are in memory at once; of a table with vectors or models a row may weigh megabytes.
_ROWS, _HEAVY_ROWS = 5_000, 16
_BLOCK = 2**20
_ELSEWHERE = "Restore into a new data folder (QUIETCORNER_DATA_DIR) or a new database (DATABASE_URL)."


@dataclass(frozen=True)
class Part:
    """A table in a backup."""

    table: str
    rows: int
    sha256: str


@dataclass(frozen=True)
class Manifest:
    """What a backup holds.

    Attributes:
        format: of the file.
        version: of Quiet Corner.
        revision: of the schema.
        made_at: when, in seconds since 1970 by the database's clock.
        parts: the tables, those first that others refer to.
    """

    format: int
    version: str
    revision: str
    made_at: float
    parts: tuple[Part, ...]

    @property
    def rows(self) -> int:
        """Of all tables."""
        return sum(part.rows for part in self.parts)


def write_backup(database: Database, file: Path, *, advance: Advance) -> Manifest:
    """Copy a database while others go on using it; the copy is of one moment. The file appears when it is whole.

    The schema may be older than this version's: it is left as it is.

    Raises:
        InvalidInputError: there is no database yet, or the file can't be written.
    """
    unfinished = file.with_name(file.name + ".part")
    try:
        unfinished.unlink(missing_ok=True)
        unfinished.touch(mode=0o600)  # it holds all texts: for its owner alone
        with zipfile.ZipFile(unfinished, "w", zipfile.ZIP_STORED) as archive, database.read() as session:
            manifest = _write_all(session.connection(), archive, advance)
            archive.writestr(_MANIFEST, json.dumps(asdict(manifest), indent=1))
        unfinished.replace(file)
    except OSError as error:
        raise InvalidInputError(f"{file}: can't be written: {error}") from error
    finally:
        with suppress(OSError):
            unfinished.unlink(missing_ok=True)
    return manifest


def read_manifest(file: Path) -> Manifest:
    """What a backup says of itself.

    Raises:
        InvalidInputError: it is no backup, or of a newer version.
    """
    with _opened(file) as archive:
        try:
            found = json.loads(archive.read(_MANIFEST))
            manifest = Manifest(**{**found, "parts": tuple(Part(**part) for part in found["parts"])})
        except (KeyError, TypeError, ValueError) as error:
            raise InvalidInputError(f"{file}: not a backup: it has no sound {_MANIFEST}") from error
    if manifest.format != _FORMAT:
        raise InvalidInputError(
            f"{file}: a backup of format {manifest.format}, made by Quiet Corner {manifest.version}; this version "
            f"reads format {_FORMAT}. Install that version."
        )
    return manifest


def restore_backup(database: Database, file: Path, *, advance: Advance) -> Manifest:
    """Fill a database that holds nothing yet with a backup, and bring its schema up to date.

    Every part is checked against its SHA-256 before a row is written; all rows are written in one transaction.

    Raises:
        InvalidInputError: the file is no sound backup, or the database is not empty.
        DatabaseUnavailableError: the backup was made by a newer version.
    """
    manifest = read_manifest(file)
    with _opened(file) as archive:
        for part in manifest.parts:
            _check(archive, part, file)
        _check_is_new(database, manifest)
        upgrade(database, manifest.revision)
        with database.engine.begin() as connection:
            found = _tables(connection)
            _check_is_empty(connection, found, manifest)
            for part in manifest.parts:
                _read_part(connection, archive, part, found[part.table], advance)
    upgrade(database)
    return manifest


def _write_all(connection: Connection, archive: zipfile.ZipFile, advance: Advance) -> Manifest:
    revision = schema_revision(connection)
    if revision is None:
        raise InvalidInputError(
            "there is no database yet: nothing to copy. DATABASE_URL and QUIETCORNER_DATA_DIR name it."
        )
    made_at = connection.execute(select(_now(connection))).scalar_one()
    found = _tables(connection)
    parts = [_write_part(connection, archive, table, advance) for table in found.values()]
    return Manifest(_FORMAT, version("quietcorner"), revision, float(made_at), tuple(parts))


def _tables(connection: Connection) -> dict[str, Table]:
    """The tables as they are in the database, by name, those first that others refer to."""
    found = MetaData()
    found.reflect(connection)
    return {table.name: table for table in found.sorted_tables if table.name != _REVISIONS}


def _now(connection: Connection) -> Any:
    if connection.dialect.name == "sqlite":
        return (func.julianday("now") - 2440587.5) * 86400.0
    return func.extract("epoch", func.clock_timestamp())


def _write_part(connection: Connection, archive: zipfile.ZipFile, table: Table, advance: Advance) -> Part:
    total = connection.execute(select(func.count()).select_from(table)).scalar_one()
    schema = pa.schema([(column.name, _arrow_type(column.type)) for column in table.columns])
    as_json = [column.name for column in table.columns if _is_json(column)]
    done, streaming = 0, connection.execution_options(yield_per=_rows_at_once(table))
    statement = select(table).order_by(*table.primary_key.columns)
    with archive.open(_member(table.name), "w", force_zip64=True) as raw:
        stream = _Hashing(raw)
        with pq.ParquetWriter(cast(IO[bytes], stream), schema, compression="zstd") as writer:
            for rows in streaming.execute(statement).mappings().partitions():
                writer.write_table(pa.Table.from_pylist([_packed(row, as_json) for row in rows], schema=schema))
                advance(table.name, done := done + len(rows), total)
    return Part(table.name, done, stream.digest.hexdigest())


def _read_part(connection: Connection, archive: zipfile.ZipFile, part: Part, table: Table, advance: Advance) -> None:
    as_json = {column.name: null() if column.nullable else None for column in table.columns if _is_json(column)}
    done = 0
    with archive.open(_member(part.table)) as stream:
        for batch in pq.ParquetFile(stream).iter_batches(batch_size=_rows_at_once(table)):
            rows = batch.to_pylist()
            connection.execute(table.insert(), [_unpacked(row, as_json) for row in rows])
            advance(part.table, done := done + len(rows), part.rows)
    if connection.dialect.name == "postgresql":
        _count_on(connection, table)


def _count_on(connection: Connection, table: Table) -> None:
    """Let the row numbers that PostgreSQL gives go on after the restored ones."""
    for column in table.primary_key.columns:
        sequence = connection.execute(
            text("SELECT pg_get_serial_sequence(:table, :column)"), {"table": f'"{table.name}"', "column": column.name}
        ).scalar_one()
        if sequence is not None:
            highest = connection.execute(select(func.max(column))).scalar_one()
            connection.execute(select(func.setval(sequence, highest or 1, highest is not None)))


def _check(archive: zipfile.ZipFile, part: Part, file: Path) -> None:
    digest = hashlib.sha256()
    try:
        with archive.open(_member(part.table)) as stream:
            while block := stream.read(_BLOCK):
                digest.update(block)
    except (KeyError, zipfile.BadZipFile) as error:
        raise InvalidInputError(f"{file}: damaged: table {part.table}: {error}. Take another backup.") from error
    if digest.hexdigest() != part.sha256:
        raise InvalidInputError(f"{file}: damaged: table {part.table} is not as it was written. Take another backup.")


def _check_is_new(database: Database, manifest: Manifest) -> None:
    """A schema can be brought forward only: rows of an older one don't fit a newer one."""
    with database.read() as session:
        revision = schema_revision(session.connection())
    if revision not in (None, manifest.revision):
        raise InvalidInputError(
            f"the database has schema {revision} already, and the backup is of schema {manifest.revision}. {_ELSEWHERE}"
        )


def _check_is_empty(connection: Connection, found: Mapping[str, Table], manifest: Manifest) -> None:
    unknown = sorted({part.table for part in manifest.parts} - found.keys())
    if unknown:
        raise InvalidInputError(f"the backup has a table {unknown[0]!r}, which schema {manifest.revision} lacks")
    for name, table in found.items():
        if connection.execute(select(table).limit(1)).first() is not None:
            raise InvalidInputError(f"the database is not empty: table {name} has rows. {_ELSEWHERE}")


@contextmanager
def _opened(file: Path) -> Iterator[zipfile.ZipFile]:
    try:
        with zipfile.ZipFile(file) as archive:
            yield archive
    except (OSError, zipfile.BadZipFile) as error:
        raise InvalidInputError(f"{file}: can't be read as a backup: {error}") from error


def _member(table: str) -> str:
    return f"{table}.parquet"


def _rows_at_once(table: Table) -> int:
    heavy = any(isinstance(column.type, LargeBinary) for column in table.columns)
    return _HEAVY_ROWS if heavy else _ROWS


def _arrow_type(kind: TypeEngine[Any]) -> pa.DataType:
    for of, arrow in (
        (Boolean, pa.bool_()),
        (Integer, pa.int64()),
        (Float, pa.float64()),
        (LargeBinary, pa.large_binary()),
        ((String, JSON), pa.large_string()),
    ):
        if isinstance(kind, of):
            return arrow
    raise TypeError(f"no Parquet type is known for {kind!r}")


def _packed(row: Mapping[Any, Any], as_json: Sequence[str]) -> dict[str, Any]:
    return {**row, **{name: None if row[name] is None else json.dumps(row[name]) for name in as_json}}


def _unpacked(row: dict[str, Any], as_json: Mapping[str, Any]) -> dict[str, Any]:
    """`as_json` has what nothing is by column: None would be JSON's null, which is something to SQL."""
    return {**row, **{name: none if row[name] is None else json.loads(row[name]) for name, none in as_json.items()}}


def _is_json(column: Column[Any]) -> bool:
    return isinstance(column.type, JSON)


class _Hashing:
    """A stream that is written once from front to back, and what was written hashed."""

    def __init__(self, stream: IO[bytes]) -> None:
        self._stream, self._place = stream, 0
        self.digest = hashlib.sha256()
        self.closed = False

    def write(self, block: bytes) -> int:
        self.digest.update(block)
        self._place += len(block)
        return self._stream.write(block)

    def tell(self) -> int:
        return self._place

    def flush(self) -> None:
        self._stream.flush()
