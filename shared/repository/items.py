"""Queries on items: storing new ones, and the duplicate groups that they form."""

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from operator import attrgetter

from sqlalchemy import bindparam, func, or_, select, text, update
from sqlmodel import Session, col

from shared import lanes
from shared.among import among
from shared.bulk import insert_rows
from shared.repository import item_changes
from shared.tables import Item, Lane, RuleHit


@dataclass(frozen=True, slots=True)
class NewItem:
    """A valid item on its way into the pool; the fields are those of `shared.tables.Item`, but for `hints`: the scores
    that came with it, by column."""

    item_id: str
    text: str
    source: str
    group: str | None
    timestamp: float | None
    text_key: int
    normal_key: int
    hints: tuple[tuple[str, float], ...] = ()


@dataclass(frozen=True)
class Stored:
    """What became of new items.

    Attributes:
        added: Items that are new in the pool.
        unchanged: Items that were there already, with this text; what is stored stands.
        conflicting: Items refused because their `item_id` belongs to another text; what is stored stands.
    """

    added: int
    unchanged: int
    conflicting: tuple[NewItem, ...]


def insert_items(
    session: Session,
    project_id: int,
    *,
    items: Sequence[NewItem],
    draws: Sequence[float],
    rule_scores: Sequence[Mapping[str, float]],
    time: float,
) -> Stored:
    """Store the items that the project lacks, with their rule hits and exact duplicate groups.

    A duplicate group is written as the `Item.id` of its representative, the smallest of the group, on every item of
    the group, the representative included; an item that stands alone has null. Exact duplicates are items of one
    project with the same `normal_key`. Two runs that store items of one project at the same time do so one after the
    other.

    Args:
        session: A writing transaction.
        project_id: The project's row number.
        items: What to store; the first of several with one `item_id` is taken.
        draws: A permanent random number for each item.
        rule_scores: The rules that hit each item, with their scores.
        time: When they came, in seconds since 1970.
    """
    hold(session, project_id)
    known = _text_keys(session, project_id, {item.item_id for item in items})
    fresh: list[_Fresh] = []
    conflicting = []
    for item, draw, rules in zip(items, draws, rule_scores, strict=True):
        if item.item_id not in known:
            known[item.item_id] = item.text_key
            fresh.append((item, draw, rules))
        elif known[item.item_id] != item.text_key:
            conflicting.append(item)
    _insert(session, project_id, fresh, time)
    return Stored(len(fresh), len(items) - len(fresh) - len(conflicting), tuple(conflicting))


def set_duplicate_groups(session: Session, project_id: int, groups: Mapping[int, int]) -> None:
    """Give items their representatives; whoever belonged to an item's own group goes with it.

    So a group moves as a whole when its representative moves, with those of its members that came meanwhile.

    Args:
        session: A writing transaction.
        project_id: The project's row number.
        groups: Row number -> row number of the representative, as `workers.intake.duplicates.merge_groups` gives them.
    """
    if not groups:
        return
    hold(session, project_id)
    statement = (
        update(Item)
        .where(or_(col(Item.id) == bindparam("row"), col(Item.duplicate_group) == bindparam("row")))
        .values(duplicate_group=bindparam("representative"))
    )
    session.connection().execute(
        statement, [{"row": row, "representative": representative} for row, representative in sorted(groups.items())]
    )
    item_changes.note(session, project_id, {*groups, *groups.values()})


_OF_ITEM = ("item_id", "text", "source", "group", "timestamp", "text_key", "normal_key")
_of_item = attrgetter(*_OF_ITEM)
_Fresh = tuple[NewItem, float, Mapping[str, float]]
"""A new item with its draw and the scores of the rules that hit it."""


def hold(session: Session, project_id: int) -> None:
    """Keep other writers of this project's items and duplicate groups out until the commit.

    All take the row of the embed lane first, which the embedding room holds when it comes here and which `store_items`
    changes at its end: whoever took another row first could wait for them while they wait for it. On SQLite a writing
    transaction is alone anyway.
    """
    statement = (
        select(col(Lane.project_id))
        .where(col(Lane.project_id) == project_id, col(Lane.room) == lanes.EMBED)
        .with_for_update()
    )
    session.connection().execute(statement).one()


def _text_keys(session: Session, project_id: int, item_ids: Collection[str]) -> dict[str, int]:
    statement = select(col(Item.item_id), col(Item.text_key)).where(
        col(Item.project_id) == project_id, among(Item.item_id, item_ids)
    )
    return {row[0]: row[1] for row in session.connection().execute(statement)}


def _insert(session: Session, project_id: int, fresh: Sequence[_Fresh], time: float) -> None:
    if not fresh:
        return
    ids = _next_ids(session, len(fresh))
    groups = _exact_groups(session, project_id, ids, [item.normal_key for item, _, _ in fresh])
    columns = ("id", "project_id", *_OF_ITEM, "duplicate_group", "draw", "added_at")
    rows = (
        (row, project_id, *_of_item(item), group, draw, time)
        for row, group, (item, draw, _) in zip(ids, groups, fresh, strict=True)
    )
    insert_rows(session, Item, columns, rows)
    hits = (
        (row, rule, project_id, score)
        for row, (_, _, rules) in zip(ids, fresh, strict=True)
        for rule, score in rules.items()
    )
    insert_rows(session, RuleHit, ("item", "rule", "project_id", "score"), hits)


def _next_ids(session: Session, count: int) -> list[int]:
    """Row numbers for new items, ascending, higher than those of the project's other items."""
    if session.get_bind().dialect.name == "postgresql":
        statement = text("SELECT nextval(pg_get_serial_sequence('item', 'id')) FROM generate_series(1, :count)")
        return sorted(session.connection().execute(statement, {"count": count}).scalars())
    highest = session.connection().execute(select(func.coalesce(func.max(col(Item.id)), 0))).scalar_one()
    return list(range(highest + 1, highest + 1 + count))


def _exact_groups(session: Session, project_id: int, ids: Sequence[int], keys: Sequence[int]) -> list[int | None]:
    """The representative of each new item, None for one that stands alone; joins earlier items that stood alone."""
    earlier, alone = _earlier_groups(session, project_id, set(keys))
    if alone:
        session.connection().execute(update(Item).where(among(Item.id, alone)).values(duplicate_group=Item.id))
    times = Counter(keys)
    first: dict[int, int] = {}
    groups: list[int | None] = []
    for row, key in zip(ids, keys, strict=True):
        repeated = first.setdefault(key, row) if times[key] > 1 else None
        groups.append(earlier.get(key, repeated))
    return groups


def _earlier_groups(session: Session, project_id: int, keys: Collection[int]) -> tuple[dict[int, int], list[int]]:
    """Normal key -> representative of the stored items that have it, and those representatives that stood alone."""
    groups: dict[int, int] = {}
    alone = []
    statement = (
        select(col(Item.normal_key), func.min(col(Item.id)), func.min(col(Item.duplicate_group)))
        .where(col(Item.project_id) == project_id, among(Item.normal_key, keys))
        .group_by(col(Item.normal_key))
    )
    for key, row, group in session.connection().execute(statement):
        groups[key] = row if group is None else group
        if group is None:
            alone.append(row)
    return groups, alone
