"""Labels that may no longer hold or never did: in doubt, expired, or contradicted by the model."""

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from sqlmodel import Session, col, select

from shared.pool import Index, Pool
from shared.project import ProjectConfig, Task
from shared.repository import doubts, evaluation, pools, rounds
from shared.tables import Item
from workers.drift.suspects import contradicted
from workers.training import audit, model_storage
from workers.training.crossfit import cross_fit

DOUBT, CONTRADICTED, EXPIRED = "doubt", "contradicted", "expired"
_KINDS = (DOUBT, CONTRADICTED, EXPIRED)


@dataclass(frozen=True)
class Suspect:
    """One label that should be asked again.

    Attributes:
        item: row number.
        kind: `doubt`, `contradicted` or `expired`.
        why: in words.
        weight: sorts suspects of a kind, the largest first.
        queue: whether it may be queued: not what is on the queue already, and no item of the audit sample that a model
            picked, since a sample that is corrected only where the model disagrees would flatter it.
    """

    item: int
    kind: str
    why: str
    weight: float
    queue: bool


def find_suspects(session: Session, project_id: int, config: ProjectConfig, *, vector_folder: Path) -> list[Suspect]:
    """All suspects of a project, each item once: labels in doubt, then contradicted ones, then expired ones."""
    pool = pools.load_pool(session, project_id=project_id, config=config, vector_folder=vector_folder)
    place = {item: position for position, item in enumerate(pool.ids.tolist()) if pool.labeled[position]}
    found = _doubted(session, project_id) + _contradicted(session, project_id, config, pool)
    if config.drift.labels_expire_days is not None:
        found += _expired(session, project_id, config.drift.labels_expire_days)
    found.sort(key=lambda one: (_KINDS.index(one.kind), -one.weight, one.item))
    once: dict[int, Suspect] = {}
    for one in found:
        once.setdefault(one.item, one)
    return [
        one if not pool.queued[place[one.item]] else Suspect(**{**asdict(one), "queue": False})
        for one in once.values()
        if one.item in place
    ]


def describe(session: Session, suspects: list[Suspect]) -> list[dict[str, Any]]:
    """Suspects JSON-ready, with `item_id`, `text`, `source` and the standing `label`."""
    ids = [one.item for one in suspects]
    labels = doubts.standing_labels(session, ids)
    items: dict[int, Item] = {}
    for start in range(0, len(ids), 1_000):
        statement = select(Item).where(col(Item.id).in_(ids[start : start + 1_000]))
        items |= {item.id: item for item in session.exec(statement)}
    return [
        {
            "item_id": items[one.item].item_id,
            "source": items[one.item].source,
            "text": items[one.item].text,
            "label": labels.get(one.item),
            "kind": one.kind,
            "why": one.why,
            "may_be_queued": one.queue,
        }
        for one in suspects
    ]


def _doubted(session: Session, project_id: int) -> list[Suspect]:
    return [Suspect(item, DOUBT, why, 0.0, True) for item, why in doubts.doubted(session, project_id).items()]


def _expired(session: Session, project_id: int, days: float) -> list[Suspect]:
    return [
        Suspect(item, EXPIRED, f"answered {age:.0f} days ago", age, True)
        for item, age in doubts.expired(session, project_id, days=days).items()
    ]


def _contradicted(session: Session, project_id: int, config: ProjectConfig, pool: Pool) -> list[Suspect]:
    blob = rounds.newest_model(session, project_id, encoder=pools.encoder_in_use(session, project_id) or "")
    model = model_storage.load(blob) if blob else None
    rows: Index = np.flatnonzero(pool.labeled)
    if model is None or model.classes != pool.classes:
        return []
    said = cross_fit(pool, rows, config, recipe=model.tuning.recipe, seed=config.seed)
    if said is None:
        return []
    exclusive = config.task is Task.SINGLE
    found = contradicted(said.probability, pool.targets[rows], exclusive=exclusive)
    measuring = np.isin(rows, audit.answers(pool, evaluation.audit_thresholds(session, project_id)))
    return [
        Suspect(
            item=int(pool.ids[rows[row]]),
            kind=CONTRADICTED,
            why=_sentence(pool, rows[row], row, column, said.probability, exclusive=exclusive),
            weight=float(margin),
            queue=not measuring[row],
        )
        for row, column, margin in zip(found.rows.tolist(), found.columns.tolist(), found.margin.tolist(), strict=True)
    ]


def _sentence(
    pool: Pool, position: int, row: int, column: int, probability: np.ndarray[Any, Any], *, exclusive: bool
) -> str:
    name, said = pool.classes[column], float(probability[row, column])
    if exclusive:
        own = int(pool.targets[position].argmax())
        return (
            f"the model says {name} ({said:.0%}) and gives {pool.classes[own]} {float(probability[row, own]):.0%}, "
            "without having seen the label"
        )
    verb = "lacks" if not pool.targets[position, column] else "has"
    return f"the label {verb} {name}, which the model gives {said:.0%} without having seen the label"
