"""Loading the pool: rows of the database and vectors, as aligned arrays."""

from dataclasses import replace
from pathlib import Path

import numpy as np
from sqlalchemy import select
from sqlmodel import Session, col

from shared.descriptions import described_hits
from shared.labels import classes_of
from shared.pool import Floats, Index, Mask, Pool, join_groups
from shared.project import ProjectConfig
from shared.repository.audit import load_bands
from shared.repository.augmentation import load_augmented
from shared.repository.lexical import lexical_beside, load_features
from shared.tables import Assignment, AssignmentState, Item, Label, Project, RuleHit
from shared.vectors import load_vectors


def space_of(project_id: int) -> str:
    """The name under which a project's vectors are stored."""
    return f"project:{project_id}"


def description_space_of(project_id: int) -> str:
    """The name under which the vectors of a project's descriptions are stored: apart, as they are no items."""
    return f"{space_of(project_id)}:descriptions"


def augmented_space_of(project_id: int) -> str:
    """The name under which the vectors of a project's augmented texts are stored: apart, as they are no items."""
    return f"{space_of(project_id)}:augmented"


def encoder_in_use(session: Session, project_id: int) -> str | None:
    """Key of the encoder whose vectors the project uses; None before the first vector."""
    project = session.get_one(Project, project_id)
    return project.encoder_key


def load_pool(session: Session, *, project_id: int, config: ProjectConfig, vector_folder: Path) -> Pool:
    """All embedded items of a project with their labels, in one consistent view."""
    encoder = encoder_in_use(session, project_id) or ""
    vectors = load_vectors(session, space=space_of(project_id), encoder=encoder, folder=vector_folder)
    descriptions = load_vectors(session, space=description_space_of(project_id), encoder=encoder, folder=vector_folder)
    features = load_features(session, project_id, vector_folder)
    statement = (
        select(
            col(Item.id),
            col(Item.item_id),
            col(Item.text_key),
            col(Item.source),
            col(Item.group),
            col(Item.duplicate_group),
            col(Item.draw),
            col(Item.fold),
        )
        .where(col(Item.project_id) == project_id)
        .order_by(col(Item.id))
    )
    found = session.connection().execute(statement).all()
    rows = vectors.locate(np.array([item[2] for item in found], dtype=np.int64))
    embedded = [item for item, row in zip(found, rows.tolist(), strict=True) if row >= 0]
    ids = np.array([item[0] for item in embedded], dtype=np.int64)
    groups = np.array([item[5] or item[0] for item in embedded], dtype=np.int64)
    source_names, sources = np.unique(np.array([item[3] for item in embedded], dtype=str), return_inverse=True)
    targets, labeled = _labels(session, project_id, ids, config)
    hits, scores = _settled_hits(session, project_id, ids, config)
    near, cosine = described_hits(
        config.rules, descriptions, matrix=vectors.matrix, rows=rows[rows >= 0], groups=groups
    )
    pool = Pool(
        item_ids=[item[1] for item in embedded],
        ids=ids,
        matrix=vectors.matrix,
        rows=rows[rows >= 0],
        source_names=tuple(source_names.tolist()),
        sources=sources.astype(np.int64),
        groups=groups,
        families=join_groups(groups, [item[4] for item in embedded]),
        draws=np.array([item[6] for item in embedded], dtype=np.float64),
        folds=np.array([-1 if item[7] is None else item[7] for item in embedded], dtype=np.int64),
        bands=load_bands(session, project_id, ids),
        rule_names=tuple(rule.name for rule in config.rules),
        rule_hits=hits | near,
        rule_scores=scores + cosine,
        rule_settled=np.array([rule.description is None for rule in config.rules], dtype=bool),
        classes=config.classes,
        targets=targets,
        labeled=labeled,
        queued=_queued(session, project_id, ids),
        lexical=lexical_beside(vectors, features),
    )
    if not config.augmentation.recipes:
        return pool
    made = load_vectors(session, space=augmented_space_of(project_id), encoder=encoder, folder=vector_folder)
    augmented = load_augmented(session, project_id, config=config, pool=pool, vectors=made, features=features)
    return replace(pool, augmented=augmented)


def _labels(session: Session, project_id: int, ids: Index, config: ProjectConfig) -> tuple[Mask, Mask]:
    """Targets (n, n_classes) and labeled (n,). Labels of classes that the project no longer has are left out."""
    column = {name: place for place, name in enumerate(config.classes)}
    targets, labeled = np.zeros((len(ids), len(column)), dtype=bool), np.zeros(len(ids), dtype=bool)
    statement = select(col(Label.item), col(Label.value)).where(col(Label.project_id) == project_id)
    rows = session.connection().execute(statement).all()
    for place, (_, value) in zip(_places(ids, [row[0] for row in rows]), rows, strict=True):
        if place >= 0:
            labeled[place] = True
            targets[place, [column[name] for name in classes_of(value) if name in column]] = True
    return targets, labeled


def _settled_hits(session: Session, project_id: int, ids: Index, config: ProjectConfig) -> tuple[Mask, Floats]:
    """Hits (n, n_rules) and scores (n, n_rules) of the rules that were looked at when the items arrived."""
    column = {rule.name: place for place, rule in enumerate(config.rules) if rule.description is None}
    shape = len(ids), len(config.rules)
    hits, scores = np.zeros(shape, dtype=bool), np.zeros(shape, dtype=np.float32)
    statement = select(col(RuleHit.item), col(RuleHit.rule), col(RuleHit.score)).where(
        col(RuleHit.project_id) == project_id
    )
    rows = [row for row in session.connection().execute(statement).all() if row[1] in column]
    places = _places(ids, [row[0] for row in rows])
    columns = np.array([column[row[1]] for row in rows], dtype=np.int64)
    kept = places >= 0
    hits[places[kept], columns[kept]] = True
    scores[places[kept], columns[kept]] = np.array([row[2] for row in rows], dtype=np.float32)[kept]
    return hits, scores


def _queued(session: Session, project_id: int, ids: Index) -> Mask:
    statement = select(col(Assignment.item)).where(
        col(Assignment.project_id) == project_id, col(Assignment.state) == AssignmentState.OPEN
    )
    places = _places(ids, list(session.connection().execute(statement).scalars()))
    queued = np.zeros(len(ids), dtype=bool)
    queued[places[places >= 0]] = True
    return queued


def _places(ids: Index, wanted: list[int]) -> Index:
    """Position of each wanted id in the ascending `ids`, -1 where it is not there."""
    keys = np.array(wanted, dtype=np.int64)
    if not len(ids):
        return np.full(len(keys), -1, dtype=np.int64)
    place = np.minimum(np.searchsorted(ids, keys), len(ids) - 1)
    return np.where(ids[place] == keys, place, -1)
