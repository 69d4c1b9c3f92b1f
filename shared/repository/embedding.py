"""Queries on items that still lack a vector."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from sqlalchemy import exists, func, update
from sqlmodel import Session, col, select

from shared.among import among
from shared.descriptions import description_texts
from shared.pool import Index
from shared.project import Rule
from shared.repository.lexical import featured_keys
from shared.repository.pools import description_space_of, encoder_in_use, space_of
from shared.tables import Item, Project, RuleHit
from shared.vectors import count_vectors, stored_keys

# A rule hit is embedded as if its draw were this much smaller: likely rare items are there for the first batch.
_HEAD_START = 0.1
# Rows that are Python objects at a time.
_AT_ONCE = 20_000


@dataclass(frozen=True)
class PendingTexts:
    """Distinct texts without a vector, in the order in which they are embedded.

    Attributes:
        keys: (n,) int64, text keys.
        items: (n,) int64, row number of one item with each text.
    """

    keys: Index
    items: Index


def pending_texts(session: Session, project_id: int, *, encoder: str) -> PendingTexts:
    """What has to be embedded. The order follows the items' draws, so that every beginning of it is a random sample
    of the pool, with the items that a seeding rule hits ahead."""
    return _without(session, project_id, stored_keys(session, space=space_of(project_id), encoder=encoder))


def unfeatured_texts(session: Session, project_id: int) -> PendingTexts:
    """The texts that have no lexical features, in the order in which texts are embedded."""
    return _without(session, project_id, featured_keys(session, project_id))


def _without(session: Session, project_id: int, known: Index) -> PendingTexts:
    """The texts of a project whose keys are not known."""
    hit = exists().where(col(RuleHit.item) == col(Item.id))
    rows = session.exec(select(Item.id, Item.text_key, Item.draw, hit).where(col(Item.project_id) == project_id)).all()
    keys = np.array([row[1] for row in rows], dtype=np.int64)
    items = np.array([row[0] for row in rows], dtype=np.int64)
    order = np.array([row[2] * (_HEAD_START if row[3] else 1.0) for row in rows])
    lacking = np.flatnonzero(~np.isin(keys, known))
    lacking = lacking[np.argsort(order[lacking], kind="stable")]
    _, first = np.unique(keys[lacking], return_index=True)
    lacking = lacking[np.sort(first)]
    return PendingTexts(keys[lacking], items[lacking])


def embedded_share(session: Session, project_id: int) -> tuple[int, int]:
    """Distinct texts that have a vector, and all items; both are counted fast, and repeated texts not looked for."""
    items = session.exec(select(func.count()).select_from(Item).where(col(Item.project_id) == project_id)).one()
    encoder = encoder_in_use(session, project_id)
    return (count_vectors(session, space=space_of(project_id), encoder=encoder) if encoder else 0), items


def pending_descriptions(session: Session, project_id: int, *, rules: Sequence[Rule], encoder: str) -> dict[int, str]:
    """Text key -> description, for the descriptions of seeding rules that have no vector yet."""
    known = stored_keys(session, space=description_space_of(project_id), encoder=encoder).tolist()
    return {key: text for key, text in description_texts(rules).items() if key not in known}


def texts_of(session: Session, items: Sequence[int]) -> list[str]:
    """Texts of items, in the order given."""
    found = dict(session.exec(select(Item.id, Item.text).where(col(Item.id).in_(items))).all())
    return [found[item] for item in items]


def use_encoder(session: Session, project_id: int, key: str) -> None:
    """Make the vectors of one encoder those that the project uses."""
    session.connection().execute(update(Project).where(col(Project.id) == project_id).values(encoder_key=key))


def first_items(session: Session, project_id: int) -> tuple[Index, Index]:
    """Text keys (n,) of a project, ascending, and row number (n,) of the first item with each text."""
    statement = select(Item.text_key, Item.id).where(col(Item.project_id) == project_id)
    parts = session.connection().execute(statement, execution_options={"yield_per": _AT_ONCE}).partitions()
    rows = np.concatenate([np.empty((0, 2), np.int64), *(np.array(part, dtype=np.int64) for part in parts)])
    rows = rows[np.argsort(rows[:, 1])]
    keys, first = np.unique(rows[:, 0], return_index=True)
    return keys, rows[first, 1]


def duplicate_groups(session: Session, items: Sequence[int]) -> dict[int, int]:
    """Row number -> representative, of those items that belong to a duplicate group."""
    statement = select(Item.id, Item.duplicate_group).where(among(Item.id, items))
    return {item: group for item, group in session.exec(statement) if group is not None}
