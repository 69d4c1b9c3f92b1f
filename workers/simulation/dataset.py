"""A labeled file as a simulation sees it: items, their labels, and which of them are for testing only."""

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from shared.errors import InvalidInputError
from shared.project import Task
from shared.repository.items import NewItem
from workers.intake.labels import label_of
from workers.intake.readers import RejectedRow, read_rows
from workers.intake.rows import LONGEST_NAME, Columns, Row, parse_row

_TAG = re.compile(r"[BI]-(.+)")
_SHAPES = {Task.SINGLE: "one class", Task.MULTI: "a list of classes", Task.NER: "a list of tags"}


@dataclass(frozen=True)
class LabeledItem:
    """One row: the item, the classes that it is labeled with, and whether the file keeps it for testing."""

    item: NewItem
    classes: frozenset[str]
    test: bool


@dataclass(frozen=True)
class Rejected:
    """A row that was left out; `line` counts from 1."""

    line: int
    reason: str


@dataclass(frozen=True)
class Dataset:
    """A labeled file.

    Attributes:
        task: What the labels look like. For `ner` an item's classes are those of the entities that occur in it, so
            that it is simulated as a multi-label task, as the workers do.
        items: Rows in the order of the file, distinct by item id.
        classes: All classes that occur, sorted.
        rejected: Rows that can't be used.
    """

    task: Task
    items: tuple[LabeledItem, ...]
    classes: tuple[str, ...]
    rejected: tuple[Rejected, ...]

    @property
    def has_test_split(self) -> bool:
        """Whether the file says which items are for testing."""
        return any(row.test for row in self.items)


@dataclass(frozen=True)
class LabeledColumns(Columns):
    """The columns of an item, with those that hold its label and split; a label in several columns has many classes."""

    FIELDS = (*Columns.FIELDS, "label", "split")
    SPREAD = frozenset({"label"})

    label: tuple[str, ...] = ("label",)
    split: str = "split"

    @property
    def wanted(self) -> frozenset[str]:
        """Every column that may be read."""
        return super().wanted | {*self.label, "tokens", "tags", self.split}


def read_dataset(path: Path, columns: LabeledColumns | None = None) -> Dataset:
    """Read a labeled file: JSONL, CSV (each or .gz) or Parquet.

    A row has a `text`, and either a `label` (a string or whole number: one class; a list of them: any number of
    classes) or `tokens` with BIO2 `tags`; it may have an id, a source, a group and a timestamp, as at intake. Rows with
    `split` = `test` are for testing. The first label says which task it is; rows of another shape are rejected.

    Args:
        path: The file.
        columns: Which columns hold what, where some have other names.

    Raises:
        InvalidInputError: the file can't be read, holds no labeled row, or names fewer than two classes.
    """
    rejected: list[Rejected] = []
    found: dict[str, tuple[Task, LabeledItem]] = {}
    for line, task, row in _labeled_rows(path, columns or LabeledColumns(), rejected):
        first = next(iter(found.values()))[0] if found else task
        if task is not first:
            rejected.append(Rejected(line, f"{_SHAPES[task]}, where the first labeled row has {_SHAPES[first]}"))
        elif row.item.item_id in found:
            rejected.append(Rejected(line, f"the id {row.item.item_id!r} belongs to an earlier row"))
        else:
            found[row.item.item_id] = task, row
    if not found:
        raise InvalidInputError(
            f"{path}: there is no labeled row: {_explain(rejected)}. Where the label stands in a column of another "
            "name, say which: --column label=category; where it stands in several of 0 and 1: --column label=a,b."
        )
    items = tuple(row for _, row in found.values())
    classes = tuple(sorted(frozenset().union(*(row.classes for row in items))))
    if len(classes) < 2:
        raise InvalidInputError(
            f"{path}: a simulation needs at least two classes; the labels hold {', '.join(classes) or 'none'}"
        )
    return Dataset(next(iter(found.values()))[0], items, classes, tuple(rejected))


def _labeled_rows(
    path: Path, columns: LabeledColumns, rejected: list[Rejected]
) -> Iterator[tuple[int, Task, LabeledItem]]:
    derived = Counter[str]()
    for raw in read_rows(path, columns=columns):
        if isinstance(raw.content, RejectedRow):
            rejected.append(Rejected(raw.line, raw.content.reason))
            continue
        try:
            task, classes = _parse_label(raw.content, columns.label)
            item = parse_row(_with_text(raw.content, columns.text), columns=columns, derived=derived)
        except InvalidInputError as error:
            rejected.append(Rejected(raw.line, str(error)))
            continue
        yield raw.line, task, LabeledItem(item, classes, raw.content.get(columns.split) == "test")


def _parse_label(row: Row, columns: Sequence[str]) -> tuple[Task, frozenset[str]]:
    label, tags, column = label_of(row, columns), row.get("tags"), columns[0]
    if label is None or label == "":
        if tags is None:
            raise InvalidInputError(
                f"{column} is missing: a class, a list of classes, or tokens with tags are expected"
            )
        return Task.NER, frozenset(_entity_classes(row.get("tokens"), tags))
    if isinstance(label, list):
        return Task.MULTI, frozenset(_class_name(name, column) for name in label)
    return Task.SINGLE, frozenset([_class_name(label, column)])


def _entity_classes(tokens: object, tags: object) -> Iterator[str]:
    if not isinstance(tags, list) or not isinstance(tokens, list) or len(tokens) != len(tags):
        raise InvalidInputError("tokens and tags: two lists of the same length are expected")
    for tag in tags:
        if tag != "O":
            match = _TAG.fullmatch(tag) if isinstance(tag, str) else None
            if match is None:
                raise InvalidInputError(f"tags holds {tag!r}: O, B-class or I-class is expected")
            yield _class_name(match[1], "tags")


def _class_name(name: object, column: str) -> str:
    """A class; many a file numbers its classes, and a number is as good a name as any."""
    if isinstance(name, int) and not isinstance(name, bool):
        name = str(name)
    if not isinstance(name, str) or not name.strip() or len(name) > LONGEST_NAME:
        raise InvalidInputError(
            f"{column} holds {name!r}: a class name of 1 to {LONGEST_NAME} characters or a whole number is expected"
        )
    return name


def _with_text(row: Row, column: str) -> Row:
    """The row; one that has tokens alone gets them joined by spaces as its text."""
    tokens = row.get("tokens")
    if row.get(column) is None and isinstance(tokens, list):
        return {**row, column: " ".join(str(token) for token in tokens)}
    return row


def _explain(rejected: list[Rejected]) -> str:
    return f"{len(rejected):,} row(s) rejected, the first at line {rejected[0].line}: {rejected[0].reason}"
