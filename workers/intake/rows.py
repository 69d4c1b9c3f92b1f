"""Rows: one raw row of a file or request is checked and becomes a new item, or is refused with the reason."""

import hashlib
import math
import numbers
import re
import reprlib
import unicodedata
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any, ClassVar, Self

from shared.errors import InvalidInputError
from shared.repository.items import NewItem
from shared.vectors import text_key

LONGEST_TEXT = 100_000
LONGEST_NAME = 200
UNKNOWN_SOURCE = "unknown"

# 9999-12-31. What lies beyond is nearly always a time in milliseconds.
_LATEST_S = 253_402_300_799.0
# The pool holds scores as float32.
_LARGEST_SCORE = 3.4e38
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_NUMBER = re.compile(r"-?\d{5,}(\.\d+)?")  # fewer digits may be a year
_REPR = reprlib.Repr()  # shallow and short, however deep and long the value is
_REPR.maxstring = 80

Row = Mapping[str, object]


@dataclass(frozen=True)
class Columns:
    """Which columns of a file hold the fields of an item.

    Attributes:
        FIELDS: what a column may be named for.
        SPREAD: of these, what may be spread over several columns, as in label=toxic,obscene.
        text: Column of the text; every row must have it.
        item_id: Columns of the item id, of which the first that a row has is taken.
        source: Column of the source; a row may lack it, as it may lack the next two.
        group: Column of the group.
        timestamp: Column of the timestamp.
        named: Columns that the user named; a file with a header must have them.
        hints: Columns of scores that seeding rules read; a row or a whole file may lack them.
    """

    FIELDS: ClassVar[tuple[str, ...]] = ("text", "id", "source", "group", "timestamp")
    SPREAD: ClassVar[frozenset[str]] = frozenset()

    text: str = "text"
    item_id: tuple[str, ...] = ("item_id", "id")
    source: str = "source"
    group: str = "group"
    timestamp: str = "timestamp"
    named: frozenset[str] = frozenset()
    hints: tuple[str, ...] = ()

    @classmethod
    def parse(cls, pairs: Sequence[str]) -> Self:
        """Read pairs `FIELD=COLUMN`, as in `text=body`; a field that is not named is looked for under its own name.

        Raises:
            InvalidInputError: names the pair that is wrong and the fields that there are.
        """
        chosen: dict[str, Any] = {}
        for pair in pairs:
            name, _, column = pair.partition("=")
            field = "id" if name == "item_id" else name
            if not column or field not in cls.FIELDS:
                *others, last = cls.FIELDS
                fields = f"{', '.join(others)} or {last}"
                raise InvalidInputError(f"column {pair!r}: FIELD=COLUMN is expected, FIELD being {fields}")
            if field in chosen:
                raise InvalidInputError(f"column {pair!r}: {field} was given before as {chosen[field]!r}")
            chosen[field] = column
        for field in cls.SPREAD & chosen.keys():
            chosen[field] = _apart(chosen[field])
        named = frozenset(name for given in chosen.values() for name in ((given,) if isinstance(given, str) else given))
        ids = (chosen.pop("id"),) if "id" in chosen else ("item_id", "id")
        return cls(item_id=ids, named=named, **chosen)

    def field_of(self, column: str) -> str:
        """The field that is looked for in a column."""
        held = {field: getattr(self, "item_id" if field == "id" else field) for field in self.FIELDS}
        return next(field for field, there in held.items() if column in ([there] if isinstance(there, str) else there))

    @property
    def wanted(self) -> frozenset[str]:
        """Every column that may be read."""
        return frozenset((self.text, *self.item_id, self.source, self.group, self.timestamp, *self.hints))

    @property
    def required(self) -> frozenset[str]:
        """Columns that a file with a header must have."""
        return self.named | {self.text}


def _apart(columns: str) -> tuple[str, ...]:
    """The columns in `a,b`; a comma before a space is part of a name."""
    names = tuple(re.split(r",(?!\s)", columns))
    if not all(names) or len(set(names)) < len(names):
        raise InvalidInputError(f"column {columns!r}: names with commas between them are expected, each once")
    return names


def parse_row(row: Row, *, columns: Columns, derived: Counter[str]) -> NewItem:
    """Check one row; fields that an item does not have are ignored.

    A row without an id gets one derived from what it holds, so that the same file gives the same ids again.

    Args:
        row: Column name -> value.
        columns: Which columns hold what.
        derived: How often each id was derived so far from this file; rows that are equal in everything are numbered.

    Raises:
        InvalidInputError: names the column, what it holds and what is allowed.
    """
    text = _text(row.get(columns.text), columns.text)
    source = _name(row.get(columns.source), columns.source) or UNKNOWN_SOURCE
    group = _name(row.get(columns.group), columns.group)
    timestamp = _timestamp(row.get(columns.timestamp), columns.timestamp)
    hints = tuple(_hints(row, columns.hints))
    item_id = _item_id(row, columns)
    if item_id is None:
        item_id = derive_id(text=text, source=source, group=group, timestamp=timestamp)
        derived[item_id] += 1
        if derived[item_id] > 1:
            item_id = f"{item_id}-{derived[item_id]}"
    return NewItem(item_id, text, source, group, timestamp, text_key(text), text_key(normalise(text)), hints)


def derive_id(*, text: str, source: str, group: str | None, timestamp: float | None) -> str:
    """An id for an item that came without one: a hash of all that is known of it."""
    whole = "\0".join((text, source, group or "", "" if timestamp is None else repr(timestamp)))
    return "auto-" + hashlib.sha256(whole.encode()).hexdigest()[:24]


def normalise(text: str) -> str:
    """A text as duplicates and keywords are compared: NFKC, case folded, each run of white space one space.

    Folding may leave the normal form, so that is restored (Unicode Standard, section 3.13, NFKC_Casefold).
    """
    if text.isascii():  # is in normal form, and stays there
        return " ".join(text.casefold().split())
    folded = unicodedata.normalize("NFKC", text).casefold()
    return " ".join(unicodedata.normalize("NFKC", folded).split())


def permanent_draw(seed: int, item_id: str) -> float:
    """A random number in [0, 1) that belongs to an item for good: 53 bits of a SHA-256.

    Samples drawn by thresholds on permanent random numbers overlap as far as they can: E. Ohlsson, "Coordination of
    samples using permanent random numbers", in Business Survey Methods (1995), chapter 9.
    """
    digest = hashlib.sha256(f"{seed}\0{item_id}".encode()).digest()
    return (int.from_bytes(digest[:8], "big") >> 11) / 2**53


def _text(value: object, column: str) -> str:
    if value is None:
        raise InvalidInputError(f"{column} is missing: the text of the item is expected")
    if not isinstance(value, str):
        raise InvalidInputError(f"{column} = {shown(value)}: a string is expected")
    if len(value) > LONGEST_TEXT:
        raise InvalidInputError(f"{column} is {len(value):,} characters long; {LONGEST_TEXT:,} at most")
    if not value or value.isspace():
        raise InvalidInputError(f"{column} is blank: the text of the item is expected")
    if "\0" in value:
        raise InvalidInputError(
            f"{column} holds a NUL character at position {value.index(chr(0)) + 1}, which can't be stored"
        )
    _check_encodable(value, column)
    return value


def _name(value: object, column: str) -> str | None:
    """A short name, None when it is missing or blank. Whole numbers are taken, as sources often number things."""
    if value is None:
        return None
    if isinstance(value, int) and not isinstance(value, bool):
        value = str(value)
    if not isinstance(value, str):
        raise InvalidInputError(f"{column} = {shown(value)}: a string or a whole number is expected")
    if not value or value.isspace():
        return None
    if len(value) > LONGEST_NAME:
        raise InvalidInputError(f"{column} is {len(value):,} characters long; {LONGEST_NAME} at most")
    if _CONTROL.search(value):
        raise InvalidInputError(f"{column} = {shown(value)}: it holds a control character")
    _check_encodable(value, column)
    return value


def _item_id(row: Row, columns: Columns) -> str | None:
    for column in columns.item_id:
        item_id = _name(row.get(column), column)
        if item_id is not None:
            return item_id
        if column in columns.named:
            raise InvalidInputError(f"{column} is missing: it was named as the column of the item id")
    return None


def _timestamp(value: object, column: str) -> float | None:
    """Seconds since 1970; a time without a zone is taken as UTC."""
    if value is None or (isinstance(value, str) and not value.strip()):
        return None
    seconds = _seconds(value)
    if seconds is None or not math.isfinite(seconds):
        raise InvalidInputError(
            f"{column} = {shown(value)}: an ISO 8601 time, as 2026-01-31T08:00:00Z, or seconds since 1970 are expected"
        )
    if abs(seconds) > _LATEST_S:
        raise InvalidInputError(f"{column} = {shown(value)}: after the year 9999; seconds since 1970 are expected")
    return seconds


def _seconds(value: object) -> float | None:
    if isinstance(value, str):
        return _seconds_of_text(value.strip())
    if isinstance(value, datetime):
        return _of_utc(value)
    if isinstance(value, date):
        return _of_utc(datetime(value.year, value.month, value.day))
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        try:
            return float(value)
        except OverflowError:
            return math.inf
    return None


def _seconds_of_text(value: str) -> float | None:
    try:
        return _of_utc(datetime.fromisoformat(value))
    except ValueError:
        return float(value) if _NUMBER.fullmatch(value) else None


def _of_utc(time: datetime) -> float:
    return (time if time.tzinfo else time.replace(tzinfo=UTC)).timestamp()


def _hints(row: Row, columns: Iterable[str]) -> Iterator[tuple[str, float]]:
    """The scores that a row has; one that is missing or blank is left out."""
    for column in columns:
        value = row.get(column)
        if value is None or (isinstance(value, str) and not value.strip()):
            continue
        score = _score(value)
        if score is None or not abs(score) <= _LARGEST_SCORE:
            raise InvalidInputError(
                f"{column} = {shown(value)}: a finite number is expected, as a seeding rule reads it"
            )
        yield column, score


def _score(value: object) -> float | None:
    if isinstance(value, bool) or not isinstance(value, (str, numbers.Real, Decimal)):
        return None
    if isinstance(value, str) and "_" in value:  # Python would read 1_0 as 10
        return None
    try:
        return float(value)
    except OverflowError:
        return math.inf
    except ValueError:
        return None


def _check_encodable(value: str, column: str) -> None:
    if value.isascii():
        return
    try:
        value.encode()
    except UnicodeEncodeError as error:
        raise InvalidInputError(
            f"{column} holds half of a surrogate pair at position {error.start + 1}, which is no character"
        ) from error


def shown(value: object) -> str:
    """A value as a reason shows it, short however long it is."""
    return _REPR.repr(value)
