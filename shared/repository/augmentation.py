"""Queries on augmented texts: what they are made from, storing and reviewing them, and those that teach."""

from collections import Counter, defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from sqlalchemy import delete, func, insert, select, update
from sqlmodel import Session, col

from shared.among import among
from shared.augmentation_options import Augmentation, Templates
from shared.database import now
from shared.errors import InvalidInputError
from shared.labels import classes_of
from shared.pool import Augmented, Floats, Index, Mask, Pool
from shared.project import ProjectConfig
from shared.tables import AugmentedText, Item, Label, ReviewState
from shared.vectors import VectorTable, stored_keys, text_key

T = TypeVar("T")

_TEACHING = (ReviewState.UNASKED, ReviewState.ACCEPTED)


@dataclass(frozen=True)
class LabeledText:
    """A labeled item: its row number, name, text and classes."""

    item: int
    item_id: str
    text: str
    classes: frozenset[str]


@dataclass(frozen=True)
class NewText:
    """A text on its way into the table: the row number of its parent, and whether it waits for review."""

    parent: int
    text: str
    pending: bool


@dataclass(frozen=True)
class ReviewedText:
    """An augmented text beside its parent.

    Attributes:
        id: Its row number.
        recipe: What made it.
        text: The text.
        review: What was said of it; see `ReviewState`.
        parent: `item_id` of the item that it is made from.
        parent_text: That item's text.
        label: That item's label.
    """

    id: int
    recipe: str
    text: str
    review: str
    parent: str
    parent_text: str
    label: object


def labeled_texts(session: Session, project_id: int) -> list[LabeledText]:
    """All labeled items, in the order in which they arrived."""
    statement = (
        select(col(Item.id), col(Item.item_id), col(Item.text), col(Label.value))
        .join(Label, col(Label.item) == col(Item.id))
        .where(col(Label.project_id) == project_id)
        .order_by(col(Item.id))
    )
    rows = session.connection().execute(statement)
    return [LabeledText(row[0], row[1], row[2], frozenset(classes_of(row[3]))) for row in rows]


def made_texts(session: Session, project_id: int) -> list[tuple[str, int, str]]:
    """Recipe, row number of the parent and text of everything that was ever made and not dropped."""
    statement = select(col(AugmentedText.recipe), col(AugmentedText.parent), col(AugmentedText.text)).where(
        col(AugmentedText.project_id) == project_id
    )
    return [(row[0], row[1], row[2]) for row in session.connection().execute(statement)]


def keys_in_pool(session: Session, project_id: int, normal_keys: Collection[int]) -> set[int]:
    """Those of the normal keys that items of the project have."""
    statement = select(col(Item.normal_key)).where(
        col(Item.project_id) == project_id, among(Item.normal_key, normal_keys)
    )
    return set(session.connection().execute(statement).scalars())


def store_texts(session: Session, project_id: int, recipe: str, texts: Sequence[NewText]) -> int:
    """Store what a recipe made, but for what is there already; returns how many were stored.

    Two who make texts of one project at the same time should hold its embed lane's row, as `lanes.request` does.
    """
    there = {text_key(text) for _, _, text in made_texts(session, project_id)}
    time = now(session)
    rows = [
        {
            "project_id": project_id,
            "parent": text.parent,
            "recipe": recipe,
            "text": text.text,
            "text_key": text_key(text.text),
            "review": ReviewState.PENDING if text.pending else ReviewState.UNASKED,
            "made_at": time,
        }
        for text in texts
        if text_key(text.text) not in there
    ]
    if rows:
        session.connection().execute(insert(AugmentedText), rows)
    return len(rows)


def review_counts(session: Session, project_id: int) -> dict[str, Counter[str]]:
    """Recipe -> texts by review state; only recipes that have made any."""
    statement = (
        select(col(AugmentedText.recipe), col(AugmentedText.review), func.count())
        .where(col(AugmentedText.project_id) == project_id)
        .group_by(col(AugmentedText.recipe), col(AugmentedText.review))
    )
    counts: dict[str, Counter[str]] = defaultdict(Counter)
    for recipe, review, count in session.connection().execute(statement):
        counts[recipe][review] = count
    return dict(counts)


def stopped_recipes(session: Session, project_id: int, options: Augmentation) -> set[str]:
    """Names of the recipes of whose reviewed texts too many were rejected."""
    return {
        recipe
        for recipe, counts in review_counts(session, project_id).items()
        if options.stops(accepted=counts[ReviewState.ACCEPTED], rejected=counts[ReviewState.REJECTED])
    }


def texts_in_review(
    session: Session, project_id: int, *, review: str | None, recipe: str | None = None, most: int | None = None
) -> list[ReviewedText]:
    """Augmented texts beside their parents, in the order in which they were made; of one state or recipe, if given."""
    statement = (
        select(AugmentedText, Item, Label)
        .join(Item, col(Item.id) == col(AugmentedText.parent))
        .join(Label, col(Label.item) == col(Item.id), isouter=True)
        .where(col(AugmentedText.project_id) == project_id)
        .order_by(col(AugmentedText.id))
        .limit(most)
    )
    if review is not None:
        statement = statement.where(col(AugmentedText.review) == review)
    if recipe is not None:
        statement = statement.where(col(AugmentedText.recipe) == recipe)
    return [
        ReviewedText(made.id, made.recipe, made.text, made.review, item.item_id, item.text, label and label.value)
        for made, item, label in session.execute(statement)
    ]


def set_reviews(session: Session, project_id: int, reviews: Mapping[int, str], *, reviewer: str) -> int:
    """Write down what a person said of texts; a later review replaces an earlier one. Returns how many changed.

    Raises:
        InvalidInputError: a text is not there; then nothing is written.
    """
    statement = select(col(AugmentedText.id), col(AugmentedText.review)).where(
        col(AugmentedText.project_id) == project_id, among(AugmentedText.id, reviews)
    )
    known = {row[0]: row[1] for row in session.connection().execute(statement)}
    strange = sorted(set(reviews) - set(known))
    if strange:
        raise InvalidInputError(
            f"id {strange[0]}: the project has no augmented text with this id; take the ids from an export of this "
            "project, and nothing that was dropped since. No review of the file was taken."
        )
    time, changed = now(session), [made for made, review in reviews.items() if known[made] != review]
    for state in sorted({reviews[made] for made in changed}):
        session.connection().execute(
            update(AugmentedText)
            .where(among(AugmentedText.id, [made for made in changed if reviews[made] == state]))
            .values(review=state, reviewer=reviewer, reviewed_at=time)
        )
    return len(changed)


def drop_texts(session: Session, project_id: int, recipe: str) -> int:
    """Forget all that a recipe made, its reviews included; returns how many texts. Their vectors stay unused."""
    found = session.connection().execute(
        delete(AugmentedText).where(col(AugmentedText.project_id) == project_id, col(AugmentedText.recipe) == recipe)
    )
    return found.rowcount


def lacking_vectors(session: Session, project_id: int, *, space: str, encoder: str) -> dict[int, str]:
    """Text key -> text of the augmented texts that have no vector yet; rejected ones need none."""
    statement = (
        select(col(AugmentedText.text_key), col(AugmentedText.text))
        .where(col(AugmentedText.project_id) == project_id, col(AugmentedText.review) != ReviewState.REJECTED)
        .order_by(col(AugmentedText.id))
    )
    texts = {row[0]: row[1] for row in session.connection().execute(statement)}
    known = set(stored_keys(session, space=space, encoder=encoder).tolist()) if texts else set()
    return {key: text for key, text in texts.items() if key not in known}


def load_augmented(
    session: Session,
    project_id: int,
    *,
    config: ProjectConfig,
    pool: Pool,
    vectors: VectorTable,
    features: VectorTable,
) -> Augmented | None:
    """The augmented texts that teach now, beside the pool; None without any.

    These are the ones that nobody was asked about or somebody accepted, of recipes that are not stopped, whose parent
    is labeled, and which have a vector, and lexical features where the pool has them. A template teaches its class, as
    long as its parent has that. A text that is a near duplicate of a labeled item outside of its parent's family
    teaches nothing: with that item held out, it would still show it.
    """
    stopped = stopped_recipes(session, project_id, config.augmentation)
    statement = (
        select(col(AugmentedText.parent), col(AugmentedText.recipe), col(AugmentedText.text_key))
        .where(
            col(AugmentedText.project_id) == project_id,
            col(AugmentedText.review).in_(_TEACHING),
            col(AugmentedText.recipe).in_(
                [recipe.name for recipe in config.augmentation.recipes if recipe.name not in stopped]
            ),
        )
        .order_by(col(AugmentedText.id))
    )
    rows = session.connection().execute(statement).all()
    keys = np.array([row[2] for row in rows], dtype=np.int64)
    found, beside = vectors.locate(keys), features.locate(keys)
    places = _places(pool.ids, [row[0] for row in rows])
    usable = np.flatnonzero((found >= 0) & (places >= 0) & ((beside >= 0) | (pool.lexical is None)))
    usable = usable[pool.labeled[places[usable]]]
    if not len(usable):
        return None
    parents, made = places[usable], vectors.matrix[found[usable]].astype(np.float32)
    targets = _targets([rows[row][1] for row in usable.tolist()], parents, config, pool)
    kept = targets.any(axis=1) & apart_from_others(made, parents, pool, threshold=config.near_duplicate_cosine)
    if not kept.any():
        return None
    wide = made if pool.lexical is None else np.column_stack([made, features.matrix[beside[usable]]])
    return Augmented(parents[kept], wide[kept].astype(np.float32), targets[kept])


def apart_from_others(vectors: Floats, parents: Index, pool: Pool, *, threshold: float) -> Mask:
    """(k,) which texts are near duplicates of no labeled item outside of their parent's family.

    Args:
        vectors: (k, d) float32 unit vectors.
        parents: (k,) positions of their parents.
        pool: The pool.
        threshold: The least cosine of near duplicates.
    """
    labeled = np.flatnonzero(pool.labeled)
    cosine = vectors @ pool.vectors(labeled).T
    other = pool.families[parents][:, None] != pool.families[labeled]
    apart: Mask = ~((cosine >= threshold) & other).any(axis=1)
    return apart


def _targets(recipes: Sequence[str], parents: Index, config: ProjectConfig, pool: Pool) -> Mask:
    """(k, n_classes) the parents' targets; of templates only their own class."""
    targets = pool.targets[parents]
    column = {
        recipe.name: config.classes.index(recipe.classes[0])
        for recipe in config.augmentation.recipes
        if isinstance(recipe, Templates)
    }
    of_template = np.array([column.get(recipe, -1) for recipe in recipes], dtype=np.int64)
    own = np.arange(targets.shape[1]) == of_template[:, None]
    return np.where(of_template[:, None] >= 0, targets & own, targets)


def _places(ids: Index, wanted: Sequence[int]) -> Index:
    """Position of each wanted id in the ascending `ids`, -1 where it is not there."""
    keys = np.array(wanted, dtype=np.int64)
    if not len(ids):
        return np.full(len(keys), -1, dtype=np.int64)
    place = np.minimum(np.searchsorted(ids, keys), len(ids) - 1)
    return np.where(ids[place] == keys, place, -1)
