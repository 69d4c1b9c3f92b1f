"""Readers: the raw rows of a JSONL, CSV or Parquet file, one after the other, with what can't be read set aside."""

import codecs
import csv
import gzip
import json
import zlib
from collections import Counter
from collections.abc import Callable, Iterator
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, NamedTuple

from shared.errors import InvalidInputError
from shared.repository.items import NewItem
from workers.intake.rows import Columns, Row, parse_row

if TYPE_CHECKING:
    import pyarrow as pa

# A line beyond this is dropped while it is read, so that a file without line ends fills no memory.
LONGEST_LINE = 16_000_000
_SHOWN = 1_000
_CHUNK = 1 << 18
_BATCH = 1_000
_BOM = codecs.BOM_UTF8
# The longer ones first: that of UTF-32 begins as that of UTF-16.
_FOREIGN_MARKS = {
    codecs.BOM_UTF32_LE: "UTF-32",
    codecs.BOM_UTF32_BE: "UTF-32",
    codecs.BOM_UTF16_LE: "UTF-16",
    codecs.BOM_UTF16_BE: "UTF-16",
}
# What stands between the fields of a line, the most usual first: spreadsheets of many countries write semicolons.
_DELIMITERS = ",;\t"


class RejectedRow(NamedTuple):
    """A row that can't be taken: the reason, and the beginning of what stood there."""

    reason: str
    row: str


class RawRow(NamedTuple):
    """One row of a file.

    Attributes:
        line: Number of its (first) line, from 1; for Parquet the row's number.
        content: Column name -> value, or why there is none.
        bytes_read: How far into the file, as it lies on the disk, reading has come.
    """

    line: int
    content: Row | RejectedRow
    bytes_read: int


class _Line(NamedTuple):
    number: int
    content: bytes | RejectedRow
    bytes_read: int


def read_rows(path: Path, *, columns: Columns) -> Iterator[RawRow]:
    """Read a file row by row, in memory that does not grow with the file. Blank lines are left out.

    Raises:
        InvalidInputError: the file is missing, of an unknown kind or encoding, holds no row, lacks a column that is
            needed or can't be read on; the rows before that point have been given.
    """
    if path.is_dir():
        raise InvalidInputError(f"{path}: this is a folder; give the files in it, as in {path / '*.jsonl'}")
    if not path.is_file():
        raise InvalidInputError(f"{path}: there is no such file")
    empty = True
    for row in _reader_of(path)(path, columns):
        empty = False
        yield row
    if empty:
        raise InvalidInputError(f"{path}: the file holds no rows")


def read_lines(stream: BinaryIO, *, text: str) -> Iterator[RawRow]:
    """Rows from a stream as its lines come: a line that begins with `{` is a JSON object, any other a text.

    Args:
        stream: Bytes, not compressed.
        text: The column under which a plain line is given.

    Raises:
        InvalidInputError: there is no line in it, or it is of another encoding than UTF-8.
    """
    empty, bytes_read = True, 0
    for number, line in enumerate(stream, 1):
        if number == 1:
            _check_encoding(line, "standard input")
        bytes_read += len(line)
        content = _parse_json(line) if line.lstrip().startswith(b"{") else _parse_text(line, text)
        if content is not None:
            empty = False
            yield RawRow(number, content, bytes_read)
    if empty:
        raise InvalidInputError("standard input holds no text; give a line of JSON or of plain text for each")


def reject(reason: str, content: Row) -> RejectedRow:
    """Set aside a row that could be read."""
    try:
        shown = json.dumps(content, ensure_ascii=False, default=str)[:_SHOWN]
    except RecursionError:
        shown = ""
    return RejectedRow(reason, shown)


def _reader_of(path: Path) -> Callable[[Path, Columns], Iterator[RawRow]]:
    name = path.name.lower()
    plain = name.removesuffix(".gz")
    if plain.endswith((".jsonl", ".ndjson")):
        return _read_jsonl
    if plain.endswith((".csv", ".tsv")):
        return _read_csv
    if name.endswith(".parquet"):
        return _read_parquet
    raise InvalidInputError(
        f"{path}: unknown kind of file; .jsonl, .ndjson, .csv and .tsv (each also with .gz) and .parquet can be read"
    )


def _read_jsonl(path: Path, _columns: Columns) -> Iterator[RawRow]:
    for number, line, bytes_read in _lines(path):
        content = line if isinstance(line, RejectedRow) else _parse_json(line)
        if content is not None:
            yield RawRow(number, content, bytes_read)


def _parse_json(line: bytes) -> Row | RejectedRow | None:
    if not line or line.isspace():
        return None
    try:
        content = json.loads(line.decode())
    except UnicodeDecodeError as error:
        return RejectedRow(f"not valid UTF-8 at byte {error.start + 1} of the line", _shown(line))
    except RecursionError:
        return RejectedRow("not valid JSON: nested too deeply", _shown(line))
    except ValueError as error:  # a number of too many digits is not a JSONDecodeError
        return RejectedRow(f"not valid JSON: {error}", _shown(line))
    if not isinstance(content, dict):
        return RejectedRow("a JSON object is expected on each line", _shown(line))
    return content


def _parse_text(line: bytes, column: str) -> Row | RejectedRow | None:
    if not line or line.isspace():
        return None
    try:
        return {column: line.decode().rstrip("\r\n")}
    except UnicodeDecodeError as error:
        return RejectedRow(f"not valid UTF-8 at byte {error.start + 1} of the line", _shown(line))


def _read_csv(path: Path, columns: Columns) -> Iterator[RawRow]:
    csv.field_size_limit(LONGEST_LINE)  # of the whole process; nothing else here reads CSV
    lines = _CsvLines(path)
    try:
        first_line = next(lines)
        delimiter = _delimiter(first_line, columns)
        records = csv.reader(chain([first_line], lines), delimiter=delimiter, strict=True)
        header = [name.strip() for name in next(records)]
    except StopIteration:
        return
    except csv.Error as error:
        raise InvalidInputError(f"{path}: the header can't be read: {error}") from error
    _check_header(path, header, columns)
    while True:
        first = lines.number + 1
        try:
            record = next(records)
        except StopIteration:
            return
        except csv.Error as error:
            last = "" if lines.number == first else f" (up to line {lines.number})"
            yield RawRow(first, RejectedRow(f"not valid CSV{last}: {error}", lines.current[:_SHOWN]), lines.bytes_read)
            continue
        if record:
            yield RawRow(first, _csv_row(header, record), lines.bytes_read)


def _delimiter(header: str, columns: Columns) -> str:
    """What parts the header into the columns that are needed; where nothing does, what parts it most."""
    fitting = [
        found for found in _DELIMITERS if columns.required <= {name.strip(' "\r\n') for name in header.split(found)}
    ]
    return fitting[0] if fitting else max(_DELIMITERS, key=header.count)


def _csv_row(header: list[str], record: list[str]) -> Row | RejectedRow:
    if len(record) != len(header):
        shown = json.dumps(record, ensure_ascii=False)[:_SHOWN]
        return RejectedRow(f"{len(record)} fields where the header has {len(header)}", shown)
    row = dict(zip(header, record, strict=True))
    for column, value in row.items():
        if not value.isascii() and any("\udc80" <= character <= "\udcff" for character in value):
            return reject(f"{column} is not valid UTF-8; `iconv -f WINDOWS-1252 -t UTF-8` may mend the file", row)
    return row


class _CsvLines(Iterator[str]):
    """The lines of a file as the CSV reader wants them, and where it is.

    Bytes that are not UTF-8 become lone surrogates, which valid UTF-8 can't hold, so that they are found again in the
    field to which they belong.
    """

    def __init__(self, path: Path) -> None:
        self._lines = _lines(path)
        self.number = 0
        self.bytes_read = 0
        self.current = ""

    def __next__(self) -> str:
        self.number, line, self.bytes_read = next(self._lines)
        if isinstance(line, RejectedRow):
            self.current = line.row
            raise csv.Error(line.reason)
        self.current = line.decode(errors="surrogateescape")
        return self.current + "\n"


def _read_parquet(path: Path, columns: Columns) -> Iterator[RawRow]:
    import pyarrow as pa
    from pyarrow import parquet

    size = path.stat().st_size
    if not size:
        return
    number = 0
    try:
        with parquet.ParquetFile(path) as file:
            total = file.metadata.num_rows
            _check_header(path, file.schema_arrow.names, columns)
            wanted = [name for name in file.schema_arrow.names if name in columns.wanted]
            for batch in file.iter_batches(batch_size=_BATCH, columns=wanted):
                for content in _plain_rows(batch):
                    number += 1
                    yield RawRow(number, content, size * number // total)
    except (pa.ArrowException, OSError, ValueError) as error:
        raise InvalidInputError(
            f"{path}: not a Parquet file that can be read, after row {number:,}: {error}"
        ) from error


def _plain_rows(batch: "pa.RecordBatch") -> Iterator[Row | RejectedRow]:
    try:
        yield from _microseconds(batch).to_pylist()
    except (ValueError, OverflowError):  # one value spoils a batch: find it
        for place in range(batch.num_rows):
            try:
                yield from _microseconds(batch.slice(place, 1)).to_pylist()
            except (ValueError, OverflowError) as error:
                yield RejectedRow(f"a value can't be read: {error}", "")


def _microseconds(batch: "pa.RecordBatch") -> "pa.RecordBatch":
    """Times to the microsecond, which is what Python's `datetime` holds."""
    import pyarrow as pa

    fields = [
        field.with_type(pa.timestamp("us", field.type.tz)) if pa.types.is_timestamp(field.type) else field
        for field in batch.schema
    ]
    return batch.cast(pa.schema(fields), safe=False)


def _check_header(path: Path, header: list[str], columns: Columns) -> None:
    there = ", ".join(header[:20]) + (", ..." if len(header) > 20 else "")
    for column in sorted(columns.required):
        if column not in header:
            raise InvalidInputError(
                f"{path}: there is no column {column!r}; there are: {there}. "
                f"Rename the right one, or say which it is: --column {columns.field_of(column)}=COLUMN."
            )
    for column in sorted(columns.wanted):
        if header.count(column) > 1:
            raise InvalidInputError(f"{path}: the column {column!r} occurs more than once in the header: {there}")


def _lines(path: Path) -> Iterator[_Line]:
    """Lines without their ends, split at line feeds only: a text may hold other characters that end a line."""
    number, rest, head = 0, b"", None  # `head`: the beginning of a line that is being dropped
    try:
        for chunk, bytes_read in _chunks(path):
            *whole, rest = (rest + chunk).split(b"\n")
            for line in whole:
                number += 1
                yield _Line(number, _bounded(line, head), bytes_read)
                head = None
            if len(rest) > LONGEST_LINE:
                rest, head = b"", head or rest[:_SHOWN]
    except (OSError, EOFError, zlib.error) as error:
        raise InvalidInputError(
            f"{path}: reading broke off after line {number:,}: {error}. The rows before it were taken; "
            "mend the file and give it again: what is there already is left alone."
        ) from error
    if rest or head:
        yield _Line(number + 1, _bounded(rest, head), path.stat().st_size)


def _bounded(line: bytes, head: bytes | None) -> bytes | RejectedRow:
    if head is None and len(line) <= LONGEST_LINE:
        return line
    return RejectedRow(f"the line is longer than {LONGEST_LINE:,} bytes", _shown(head or line))


def _chunks(path: Path) -> Iterator[tuple[bytes, int]]:
    """Pieces of the content, unpacked, with how much of the file was read; a byte order mark is left out."""
    with path.open("rb") as file:
        unpacked = gzip.GzipFile(fileobj=file) if path.name.lower().endswith(".gz") else file
        mark = _BOM
        # `read1` gives what could be read before it tells of an error.
        while chunk := unpacked.read1(_CHUNK):
            if mark:
                _check_encoding(chunk, str(path))
            yield chunk.removeprefix(mark), file.tell()
            mark = b""


def _check_encoding(beginning: bytes, origin: str) -> None:
    for mark, encoding in _FOREIGN_MARKS.items():
        if beginning.startswith(mark):
            raise InvalidInputError(
                f"{origin}: it seems to be {encoding}, by its byte order mark, and has to be UTF-8. "
                f"`iconv -f {encoding} -t UTF-8` may mend it."
            )


def _shown(line: bytes) -> str:
    return line[:_SHOWN].decode(errors="replace")


def item_of(raw: RawRow, columns: Columns, derived: Counter[str]) -> NewItem | RejectedRow:
    """The item that a row holds, or why it can't be taken; `derived` as in `workers.intake.rows.parse_row`."""
    if isinstance(raw.content, RejectedRow):
        return raw.content
    try:
        return parse_row(raw.content, columns=columns, derived=derived)
    except InvalidInputError as error:
        return reject(str(error), raw.content)
