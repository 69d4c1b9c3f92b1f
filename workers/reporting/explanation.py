"""What is known of one item: why it was chosen, how it stands, and the labeled items nearest to it."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from sqlalchemy import func, select
from sqlmodel import Session, col

from shared.contracts import Reason
from shared.labels import LabelJson
from shared.pool import Features, Matrix
from shared.project import ProjectConfig
from shared.repository.lexical import lexical_beside, load_features
from shared.repository.pools import encoder_in_use, space_of
from shared.tables import Assignment, Batch, Item, Label, Model, RuleHit
from shared.vectors import VectorTable, load_vectors
from workers.selection.neighbours import nearest_rows
from workers.selection.reasons import sentence
from workers.training import classifier, model_storage

_CLASSES_SHOWN = 3
_DUPLICATES_SHOWN = 5


@dataclass(frozen=True)
class Choice:
    """One batch that the item was in; `states` are those of its assignments, one a slot."""

    round: int
    why: str
    states: list[str]
    reason: Reason


@dataclass(frozen=True)
class Standing:
    """The label that stands for an item."""

    value: LabelJson
    answers: int
    agreement: float


@dataclass(frozen=True)
class Duplicates:
    """The item's duplicate group.

    Attributes:
        representative: `item_id` of the one that is queued for all of them.
        items: how many they are.
        labeled: `item_id` -> label of those others that have one; some only.
    """

    representative: str
    items: int
    labeled: dict[str, LabelJson]


@dataclass(frozen=True)
class Prediction:
    """What the newest model says of the item now.

    Attributes:
        model: its version.
        classes: those that it decides for; may be none where an item may hold any number.
        probabilities: of the most probable classes, the highest first.
    """

    model: int
    classes: list[str]
    probabilities: dict[str, float]


@dataclass(frozen=True)
class Neighbour:
    """A labeled item and its cosine with the one explained."""

    item_id: str
    cosine: float
    label: LabelJson
    source: str
    text: str


@dataclass(frozen=True)
class Explanation:
    """All that is known of one item.

    Attributes:
        chosen: the batches that it was in, the oldest first; empty when it was never chosen.
        duplicates: None for an item that stands alone.
        rules: seeding rules that hit it for good; what a description hits moves with the pool.
        embedded: whether it has a vector; without one there is neither prediction nor neighbour.
        prediction: None before the first model.
        neighbours: the nearest first.
    """

    item_id: str
    source: str
    text: str
    chosen: list[Choice]
    label: Standing | None
    duplicates: Duplicates | None
    rules: list[str]
    embedded: bool
    prediction: Prediction | None
    neighbours: list[Neighbour]


def explain_item(
    session: Session, project_id: int, config: ProjectConfig, item_id: str, *, vector_folder: Path, neighbours: int
) -> Explanation | None:
    """Explain an item, with so many labeled neighbours; None when the project has no such item."""
    wanted = select(Item).where(col(Item.project_id) == project_id, col(Item.item_id) == item_id)
    item = session.execute(wanted).scalar_one_or_none()
    if item is None:
        return None
    encoder = encoder_in_use(session, project_id) or ""
    vectors = load_vectors(session, space=space_of(project_id), encoder=encoder, folder=vector_folder)
    row = int(vectors.locate(np.array([item.text_key], dtype=np.int64))[0])
    lexical = lexical_beside(vectors, load_features(session, project_id, vector_folder))
    matrix: Matrix = vectors.matrix if lexical is None else Features(vectors.matrix, lexical)
    embedded = row >= 0
    return Explanation(
        item_id=item.item_id,
        source=item.source,
        text=item.text,
        chosen=_chosen(session, item.id),
        label=_label(session, item.id),
        duplicates=_duplicates(session, item),
        rules=_rules(session, item.id, config),
        embedded=embedded,
        prediction=_prediction(session, project_id, encoder, matrix, row) if embedded else None,
        neighbours=_neighbours(session, project_id, item.id, vectors, row, count=neighbours) if embedded else [],
    )


def _chosen(session: Session, item: int) -> list[Choice]:
    statement = (
        select(col(Batch.id), col(Batch.round), col(Assignment.reason), col(Assignment.state))
        .join(Batch, col(Batch.id) == col(Assignment.batch))
        .where(col(Assignment.item) == item)
        .order_by(col(Assignment.batch), col(Assignment.slot))
    )
    by_batch: dict[int, Choice] = {}
    for batch, number, stored, state in session.connection().execute(statement):
        reason = Reason.model_validate(stored)
        by_batch.setdefault(batch, Choice(number, sentence(reason), [], reason)).states.append(state)
    return list(by_batch.values())


def _label(session: Session, item: int) -> Standing | None:
    label = session.get(Label, item)
    return Standing(label.value, label.submissions, label.agreement) if label else None


def _duplicates(session: Session, item: Item) -> Duplicates | None:
    if item.duplicate_group is None:
        return None
    connection, mine = session.connection(), col(Item.duplicate_group) == item.duplicate_group
    labeled = (
        select(col(Item.item_id), col(Label.value))
        .join(Label, col(Label.item) == col(Item.id))
        .where(mine, col(Item.id) != item.id)
        .order_by(col(Item.id))
        .limit(_DUPLICATES_SHOWN)
    )
    return Duplicates(
        representative=session.get_one(Item, item.duplicate_group).item_id,
        items=connection.execute(select(func.count()).select_from(Item).where(mine)).scalar_one(),
        labeled=dict(connection.execute(labeled).all()),
    )


def _rules(session: Session, item: int, config: ProjectConfig) -> list[str]:
    """Names of the project's rules that hit the item, in the order of the project file."""
    hits = set(session.connection().execute(select(col(RuleHit.rule)).where(col(RuleHit.item) == item)).scalars())
    return [rule.name for rule in config.rules if rule.name in hits]


def _prediction(session: Session, project_id: int, encoder: str, matrix: Matrix, row: int) -> Prediction | None:
    newest = (
        select(Model)
        .where(col(Model.project_id) == project_id, col(Model.encoder) == encoder)
        .order_by(col(Model.version).desc())
        .limit(1)
    )
    stored = session.execute(newest).scalar_one_or_none()
    if stored is None:
        return None
    model = model_storage.load(stored.arrays)
    probability = classifier.probabilities(model, matrix, np.array([row]))
    decided = classifier.decide(model, probability)[0]
    ranked = np.argsort(-probability[0], kind="stable")[:_CLASSES_SHOWN]
    return Prediction(
        model=stored.version,
        classes=[name for name, yes in zip(model.classes, decided, strict=True) if yes],
        probabilities={model.classes[column]: round(float(probability[0, column]), 6) for column in ranked.tolist()},
    )


def _neighbours(
    session: Session, project_id: int, item: int, vectors: VectorTable, row: int, *, count: int
) -> list[Neighbour]:
    """The labeled items nearest to an item; texts are read of those only."""
    connection = session.connection()
    labeled = (
        select(col(Item.id), col(Item.text_key))
        .join(Label, col(Label.item) == col(Item.id))
        .where(col(Label.project_id) == project_id, col(Item.id) != item)
        .order_by(col(Item.id))
    )
    found = np.array([tuple(pair) for pair in connection.execute(labeled)], dtype=np.int64).reshape(-1, 2)
    rows = vectors.locate(found[:, 1])
    ids, rows = found[rows >= 0, 0], rows[rows >= 0]
    nearest, cosines = nearest_rows(vectors.matrix[row], vectors.matrix, rows, count=count)
    wanted = ids[nearest].tolist()
    details = (
        select(col(Item.id), col(Item.item_id), col(Label.value), col(Item.source), col(Item.text))
        .join(Label, col(Label.item) == col(Item.id))
        .where(col(Item.id).in_(wanted))
    )
    by_id = {found_id: rest for found_id, *rest in connection.execute(details)}
    return [
        Neighbour(item_id=name, cosine=round(cosine, 4), label=label, source=source, text=text)
        for cosine, (name, label, source, text) in zip(cosines.tolist(), (by_id[id_] for id_ in wanted), strict=True)
    ]
