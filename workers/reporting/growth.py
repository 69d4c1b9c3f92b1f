"""How the labels came: by round, channel and class."""

import json
from bisect import bisect_right
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from sqlalchemy import Row, Text, case, cast, func, select
from sqlmodel import Session, col

from shared.labels import classes_of
from shared.tables import Assignment, AssignmentState, Batch, Label

UNASKED = "unasked"
"""Stands for a channel where nobody asked for the label: it was brought along."""


@dataclass(frozen=True)
class LabelsOfRound:
    """How many labeled items with these classes one channel of one round brought.

    What a batch asked for counts for its round, whenever it was answered, and an item that was asked for again for the
    first. What nobody asked for counts for the round before it came, 0 before the first.
    """

    round: int
    channel: str
    classes: tuple[str, ...]
    items: int


def read_growth(session: Session, project_id: int) -> list[LabelsOfRound]:
    """All labeled items of a project, by round, channel and label."""
    counts: Counter[tuple[int, str, tuple[str, ...]]] = Counter()
    rounds = _rounds(session, project_id)
    for number, channel, time, label, items in _labels(session, project_id):
        asked = number if number is not None else _round_at(rounds, time or 0.0)
        counts[asked, channel or UNASKED, tuple(classes_of(json.loads(label)))] += items
    return [
        LabelsOfRound(number, channel, classes, items)
        for (number, channel, classes), items in sorted(counts.items(), key=lambda one: one[0])
    ]


def by_round(growth: Iterable[LabelsOfRound]) -> dict[int, Counter[str]]:
    """Round -> channel -> labeled items."""
    found: dict[int, Counter[str]] = {}
    for one in growth:
        found.setdefault(one.round, Counter())[one.channel] += one.items
    return found


def by_channel(growth: Iterable[LabelsOfRound]) -> dict[str, Counter[str]]:
    """Class -> channel -> labeled items."""
    found: dict[str, Counter[str]] = {}
    for one in growth:
        for name in one.classes:
            found.setdefault(name, Counter())[one.channel] += one.items
    return found


def cumulative(growth: Sequence[LabelsOfRound], classes: Iterable[str]) -> tuple[list[int], dict[str, list[int]]]:
    """The rounds that brought labels, and for each class how many it had after each of them."""
    rounds = sorted({one.round for one in growth})
    place = {number: position for position, number in enumerate(rounds)}
    counts = {name: [0] * len(rounds) for name in classes}
    for one in growth:
        for name in one.classes:
            if name in counts:
                counts[name][place[one.round]] += one.items
    for of_class in counts.values():
        for position in range(1, len(of_class)):
            of_class[position] += of_class[position - 1]
    return rounds, counts


def _labels(session: Session, project_id: int) -> Sequence[Row[int | None, str | None, float | None, str, int]]:
    """(round, channel, time, label as JSON, items): round and channel of what a batch asked for, time of the rest."""
    first = (
        select(func.min(col(Assignment.id)).label("id"), col(Assignment.item).label("item"))
        .where(col(Assignment.project_id) == project_id, col(Assignment.state) == AssignmentState.DONE)
        .group_by(col(Assignment.item))
        .subquery()
    )
    # The subquery, because PostgreSQL can't tell that two expressions with parameters are the same.
    labeled = (
        select(
            col(Batch.round).label("round"),
            col(Assignment.reason)["channel"].as_string().label("channel"),
            case((first.c.id.is_(None), col(Label.updated_at))).label("time"),
            cast(col(Label.value), Text).label("label"),
        )
        .select_from(Label)
        .outerjoin(first, first.c.item == col(Label.item))
        .outerjoin(Assignment, col(Assignment.id) == first.c.id)
        .outerjoin(Batch, col(Batch.id) == col(Assignment.batch))
        .where(col(Label.project_id) == project_id)
        .subquery()
    )
    columns = labeled.c.round, labeled.c.channel, labeled.c.time, labeled.c.label
    return session.connection().execute(select(*columns, func.count()).group_by(*columns)).all()


def _rounds(session: Session, project_id: int) -> list[tuple[float, int]]:
    """(time, number) of each round, the oldest first."""
    statement = select(col(Batch.selected_at), col(Batch.round)).where(col(Batch.project_id) == project_id)
    return sorted((time, number) for time, number in session.connection().execute(statement))


def _round_at(rounds: Sequence[tuple[float, int]], time: float) -> int:
    """The newest round by then; 0 before the first."""
    position = bisect_right(rounds, time, key=lambda one: one[0])
    return rounds[position - 1][1] if position else 0
