"""What is known of a project's items beside their columns: labels, hits of seeding rules, bands, open assignments.

Each is kept by item row number and brought up to date by what came since, so that a round reads what is new and not
all there is.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from sqlalchemy import select
from sqlmodel import Session, col

from shared.among import among
from shared.labels import classes_of
from shared.pool import Floats, Index, Mask, places
from shared.project import ProjectConfig
from shared.repository.audit import load_bands, stored_bands
from shared.repository.item_columns import ItemColumns
from shared.tables import Assignment, AssignmentState, Label, RuleHit, Submission


@dataclass(frozen=True)
class Labels:
    """Labels of a project.

    Attributes:
        submission: number and time of the newest submission that was looked at, by which it is known again.
        items: (k,) int64 row numbers, ascending.
        targets: (k, n_classes) bool; of classes that the project no longer has nothing.
    """

    submission: tuple[int, float]
    items: Index
    targets: Mask


@dataclass(frozen=True)
class Hits:
    """What seeding rules hit when the items arrived.

    Attributes:
        items: (k,) int64 row numbers.
        rules: (k,) int64 place of the rule in the project.
        scores: (k,) float32.
    """

    items: Index
    rules: Index
    scores: Floats


@dataclass(frozen=True)
class Bands:
    """The audit sample's bands.

    Attributes:
        scorers: when each that there is was made; the bands are replaced only when there is a new one.
        runs: numbers of the stored runs, in their order; SQLite gives those of replaced ones again.
        codes: (n,) int64 of all items of the columns, -1 for an item without one.
    """

    scorers: tuple[tuple[int, float], ...]
    runs: tuple[int, ...]
    codes: Index


def all_labels(session: Session, project_id: int, config: ProjectConfig) -> Labels:
    """Every label of a project."""
    newest = _newest_submission(session, project_id)  # first: what comes meanwhile is read again, and not left out
    statement = select(col(Label.item), col(Label.value)).where(col(Label.project_id) == project_id)
    rows = sorted(session.connection().execute(statement), key=lambda row: row[0])
    return Labels(newest, np.array([row[0] for row in rows], dtype=np.int64), _targets([r[1] for r in rows], config))


def with_new_labels(session: Session, project_id: int, config: ProjectConfig, known: Labels) -> Labels | None:
    """The labels with those of items that were answered since; None where the last submission is not on record.

    A label follows from the submissions of its item, and those of a project are numbered in the order of their
    commits, as whoever stores some holds the project's row.
    """
    statement = (
        select(col(Submission.id), col(Submission.received_at), col(Submission.item))
        .where(col(Submission.project_id) == project_id, col(Submission.id) >= known.submission[0])
        .order_by(col(Submission.id))
    )
    rows = session.connection().execute(statement).all()
    if known.submission[0] and (not rows or (rows[0][0], rows[0][1]) != known.submission):
        return None
    answered = sorted({row[2] for row in rows if row[0] > known.submission[0]})
    if not answered:
        return known
    standing = select(col(Label.item), col(Label.value)).where(among(Label.item, answered))
    found = {row[0]: row[1] for row in session.connection().execute(standing)}
    fresh = np.array(sorted(found), dtype=np.int64)
    kept = ~np.isin(known.items, answered)
    items = np.concatenate([known.items[kept], fresh])
    targets = np.concatenate([known.targets[kept], _targets([found[item] for item in sorted(found)], config)])
    order = np.argsort(items)
    return Labels((rows[-1][0], rows[-1][1]), items[order], targets[order])


def hits_between(session: Session, project_id: int, config: ProjectConfig, *, after: int, last: int) -> Hits:
    """Hits on the items with row numbers above `after`, up to `last`."""
    column = {rule.name: place for place, rule in enumerate(config.rules) if rule.description is None}
    if not column or last <= after:
        return Hits(np.empty(0, np.int64), np.empty(0, np.int64), np.empty(0, np.float32))
    statement = select(col(RuleHit.item), col(RuleHit.rule), col(RuleHit.score)).where(
        col(RuleHit.project_id) == project_id, col(RuleHit.item) > after
    )
    found = session.connection().execute(statement).all()
    rows = [row for row in found if row[1] in column and after < row[0] <= last]
    return Hits(
        np.array([row[0] for row in rows], dtype=np.int64),
        np.array([column[row[1]] for row in rows], dtype=np.int64),
        np.array([row[2] for row in rows], dtype=np.float32),
    )


def joined(known: Hits, more: Hits) -> Hits:
    """Hits and more; the same object where there are no more."""
    if not len(more.items):
        return known
    return Hits(
        np.concatenate([known.items, more.items]),
        np.concatenate([known.rules, more.rules]),
        np.concatenate([known.scores, more.scores]),
    )


def dense(hits: Hits, ids: Index, *, rules: int) -> tuple[Mask, Floats]:
    """Hits (n, n_rules) and scores (n, n_rules) of the items `ids` (n,), ascending."""
    hit, scores = np.zeros((len(ids), rules), dtype=bool), np.zeros((len(ids), rules), dtype=np.float32)
    place = places(ids, hits.items)
    kept = place >= 0
    hit[place[kept], hits.rules[kept]] = True
    scores[place[kept], hits.rules[kept]] = hits.scores[kept]
    return hit, scores


def current_bands(session: Session, project_id: int, columns: ItemColumns, known: Bands | None) -> Bands:
    """The bands of all items; only runs that came since are read, unless they were replaced."""
    scorers, runs = stored_bands(session, project_id)
    if known is None or known.scorers != scorers or runs[: len(known.runs)] != known.runs:
        return Bands(scorers, runs, load_bands(session, project_id, columns.ids))
    more = len(columns.ids) - len(known.codes)
    if not more and runs == known.runs:
        return known
    codes = np.concatenate([known.codes, np.full(more, -1, dtype=np.int64)])
    fresh = load_bands(session, project_id, columns.ids, runs=runs[len(known.runs) :])
    return Bands(scorers, runs, np.where(fresh >= 0, fresh, codes))


def open_items(session: Session, project_id: int) -> Index:
    """Row numbers of the items with an open assignment."""
    statement = select(col(Assignment.item)).where(
        col(Assignment.project_id) == project_id, col(Assignment.state) == AssignmentState.OPEN
    )
    return np.array(session.connection().execute(statement).scalars().all(), dtype=np.int64)


def _newest_submission(session: Session, project_id: int) -> tuple[int, float]:
    statement = (
        select(col(Submission.id), col(Submission.received_at))
        .where(col(Submission.project_id) == project_id)
        .order_by(col(Submission.id).desc())
        .limit(1)
    )
    found = session.connection().execute(statement).one_or_none()
    return (0, 0.0) if found is None else (found[0], found[1])


def _targets(values: Sequence[Any], config: ProjectConfig) -> Mask:
    column = {name: place for place, name in enumerate(config.classes)}
    targets = np.zeros((len(values), len(column)), dtype=bool)
    for row, value in enumerate(values):
        targets[row, [column[name] for name in classes_of(value) if name in column]] = True
    return targets
