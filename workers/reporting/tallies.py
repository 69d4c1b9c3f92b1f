"""Counts of items and labels for `quietcorner imbalance`: of a project, or of a labeled file."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import ColumnElement, exists, func, or_, select
from sqlmodel import Session, col

from shared.labels import LabelJson, classes_of
from shared.pool import Index
from shared.project import ProjectConfig, Task
from shared.repository.audit import load_bands
from shared.repository.evaluation import audit_thresholds
from shared.tables import Item, Label, RuleHit
from workers.reporting.remedies import InForce
from workers.reporting.status import label_counts
from workers.simulation.dataset import Dataset
from workers.training import bands, windows
from workers.training.audit import post_stratify
from workers.training.imbalance import AuditTally, Tally
from workers.training.intervals import Design

_Counts = Mapping[tuple[str, str], int]
"""(row name, class) -> labeled items."""


def project_tally(session: Session, project_id: int, config: ProjectConfig) -> Tally:
    """All items and labels of a project, embedded or not; labels of classes that it no longer has are left out."""
    by_source = (
        select(col(Item.source), func.count())
        .where(col(Item.project_id) == project_id)
        .group_by(col(Item.source))
        .order_by(col(Item.source))
    )
    items: dict[str, int] = dict(session.connection().execute(by_source).all())
    labeled, held = Counter[str](), Counter[tuple[str, str]]()
    for count in label_counts(session, project_id):
        labeled[count.source] += count.items
        for name in count.classes:
            held[count.source, name] += count.items
    return _tally(config.classes, items, labeled, held, exclusive=config.task is Task.SINGLE)


def project_audit(session: Session, project_id: int, config: ProjectConfig) -> AuditTally:
    """The labeled audit items of a project by stratum.

    The answers are those that `workers.training.audit.answers` finds, read without vectors: one item a duplicate group,
    its draw below the largest of its thresholds, and its label or the first that another item of the group has.
    """
    standing = or_(col(Item.duplicate_group).is_(None), col(Item.duplicate_group) == col(Item.id))
    statement = (
        select(col(Item.id), col(Item.source), _hit(config), col(Item.draw), col(Label.value))
        .outerjoin(Label, col(Label.item) == col(Item.id))
        .where(col(Item.project_id) == project_id, standing)
        .order_by(col(Item.id))
    )
    rows = session.connection().execute(statement).all()
    ids = np.array([row[0] for row in rows], dtype=np.int64)
    codes, thresholds = load_bands(session, project_id, ids), audit_thresholds(session, project_id)
    strata = [_stratum(source, hit) for _, source, hit, _, _ in rows]
    by_stratum = np.array([thresholds.get(stratum, 0.0) for stratum in strata])
    in_windows = _by_windows(thresholds, ids, [row[1] for row in rows])
    inclusion = np.maximum(np.maximum(by_stratum, bands.by_item(thresholds, codes)), in_windows)
    others = _labels_of_duplicates(session, project_id)
    labels = [others.get(row[0]) if row[4] is None else row[4] for row in rows]
    given = {
        place: classes_of(label)
        for place, label in enumerate(labels)
        if label is not None and rows[place][3] < inclusion[place]
    }
    answered = list(given)
    counts, held = Counter(strata[place] for place in answered), Counter[tuple[str, str]]()
    for place in answered:
        held.update((strata[place], name) for name in given[place])
    names, sizes = sorted(set(strata)), Counter(strata)
    tally = AuditTally(_column(names, sizes), _column(names, counts), _grid(names, config.classes, held))
    newest = bands.phases(codes)
    if not answered or not (newest or windows.any_of(thresholds)):
        return tally
    cells = bands.band(codes, newest) + 1 if newest else np.searchsorted(names, strata)
    weighed = post_stratify(inclusion[answered], cells[answered], np.bincount(cells))
    targets = np.array([[name in given[place] for name in config.classes] for place in answered])
    return replace(tally, shares=Design(weighed.weights, weighed.strata, ids[answered]).shares(targets))


def _by_windows(thresholds: Mapping[str, float], ids: Index, sources: Sequence[str]) -> NDArray[np.float64]:
    codes = {name: code for code, name in enumerate(dict.fromkeys(sources))} if windows.any_of(thresholds) else {}
    return windows.by_item(thresholds, ids, np.array([codes.get(source, 0) for source in sources]), list(codes))


def _labels_of_duplicates(session: Session, project_id: int) -> dict[int, LabelJson]:
    """The first label of each duplicate group, by its number, among the items that don't stand for it."""
    statement = (
        select(col(Item.duplicate_group), col(Label.value))
        .join(Label, col(Label.item) == col(Item.id))
        .where(col(Item.project_id) == project_id, col(Item.duplicate_group) != col(Item.id))
        .order_by(col(Item.id).desc())
    )
    return dict(session.connection().execute(statement).all())  # of several the last one stays, which is the first


def in_force(session: Session, project_id: int, config: ProjectConfig) -> InForce:
    """What a project already does about its imbalance."""
    hitting = _hitting(session, project_id)
    seeded: dict[str, bool] = {}
    for rule in config.rules:
        # A description hits what is nearest to it, which is always something.
        seeded[rule.label] = seeded.get(rule.label, False) or rule.description is not None or rule.name in hitting
    return InForce(
        targets=config.targets,
        seeded=seeded,
        capped=frozenset(config.caps.classes),
        capped_sources=frozenset(config.caps.sources),
        quotas=config.quotas.sources,
        weighting=config.training.class_weights,
    )


def file_tally(dataset: Dataset) -> Tally:
    """All rows of a labeled file; every item is labeled."""
    items = Counter(row.item.source for row in dataset.items)
    held = Counter((row.item.source, name) for row in dataset.items for name in row.classes)
    return _tally(dataset.classes, items, items, held, exclusive=dataset.task is Task.SINGLE)


def file_audit(tally: Tally) -> AuditTally:
    """A file as its own audit sample: nothing is estimated, all is counted."""
    size = tally.labeled.sum(keepdims=True)
    return AuditTally(size, size, tally.counts.sum(axis=0, keepdims=True))


def _tally(
    classes: tuple[str, ...], items: Mapping[str, int], labeled: Mapping[str, int], held: _Counts, *, exclusive: bool
) -> Tally:
    names = sorted(items)
    return Tally(
        classes=classes,
        sources=tuple(names),
        items=_column(names, items),
        labeled=_column(names, labeled),
        counts=_grid(names, classes, held),
        exclusive=exclusive,
    )


def _hit(config: ProjectConfig) -> ColumnElement[bool]:
    """Whether a rule hit the item for good; what a description hits moves with the pool and makes no stratum."""
    rules = [rule.name for rule in config.rules if rule.description is None]
    return exists().where(col(RuleHit.item) == col(Item.id), col(RuleHit.rule).in_(rules))


def _stratum(source: str, hit: bool) -> str:
    """The name of a stratum, as `workers.training.audit.stratify` gives it."""
    return f"{source}|{'rule' if hit else 'other'}"


def _hitting(session: Session, project_id: int) -> set[str]:
    """Names of the rules that hit any item."""
    statement = select(col(RuleHit.rule)).where(col(RuleHit.project_id) == project_id).distinct()
    return set(session.connection().execute(statement).scalars())


def _column(names: Iterable[str], counts: Mapping[str, int]) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    return np.array([counts.get(name, 0) for name in names], dtype=np.int64)


def _grid(
    names: Sequence[str], classes: Sequence[str], held: _Counts
) -> np.ndarray[tuple[int, int], np.dtype[np.int64]]:
    grid = np.zeros((len(names), len(classes)), dtype=np.int64)
    for row, name in enumerate(names):
        for column, class_name in enumerate(classes):
            grid[row, column] = held.get((name, class_name), 0)
    return grid
