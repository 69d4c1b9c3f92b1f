"""From the database to what the drift watch compares: the reference, windows, and what the current model says."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from sqlmodel import Session

from shared.drift_tables import DriftReference
from shared.pool import Floats, Index
from shared.project import ProjectConfig
from shared.repository.drift_items import Seeable, count_duplicates, labeled_groups, read_items
from shared.repository.drift_windows import Window
from shared.repository.rounds import last_round, newest_model
from workers.drift import reference as references
from workers.drift.predictions import Decided, Predicted, decided
from workers.drift.reference import Reference
from workers.drift.report import WindowReport, compare
from workers.training import model_storage
from workers.training.classifier import LinearModel, decide, probabilities


@dataclass(frozen=True)
class Scene:
    """Where the watch looks.

    Attributes:
        project_id: whose items.
        config: the project.
        encoder: key of the encoder in use.
        folder: where this machine keeps its copies of vectors.
    """

    project_id: int
    config: ProjectConfig
    encoder: str
    folder: Path


def read_reference(stored: DriftReference) -> Reference:
    """A stored reference."""
    return references.load(stored.arrays)


def fit_reference(session: Session, scene: Scene, ids: Index, *, through: int) -> Reference | None:
    """A reference on items (n,); None while one of them has no vector.

    Args:
        session: Any.
        scene: Where.
        ids: Row numbers.
        through: Row number of the last item that came before the windows: the duplicates among as many as there are
            in the reference are counted up to here.
    """
    seen = read_items(session, ids, project_id=scene.project_id, encoder=scene.encoder, folder=scene.folder)
    if seen is None:
        return None
    return references.fit_reference(
        seen.vectors,
        ids=seen.ids,
        sources=seen.sources,
        texts=seen.texts,
        duplicates=count_duplicates(
            session, scene.project_id, through=through, count=scene.config.drift.reference_items
        ),
        rng=np.random.default_rng(scene.config.seed),
    )


def look_at(session: Session, scene: Scene, reference: Reference, window: Window) -> WindowReport | None:
    """The report on a window; None while one of its items has no vector."""
    seen = read_items(session, window.ids, project_id=scene.project_id, encoder=scene.encoder, folder=scene.folder)
    if seen is None:
        return None
    return compare(
        reference,
        vectors=seen.vectors,
        ids=seen.ids,
        sources=seen.sources,
        texts=seen.texts,
        duplicates=seen.duplicates,
        predicted=_predict(session, scene, reference, seen),
        budget=scene.config.drift.false_alarms_per_1000_windows,
    )


def _predict(session: Session, scene: Scene, reference: Reference, seen: Seeable) -> Predicted | None:
    """What the newest model says; None before the first, and of one that looks at more than vectors."""
    stored = newest_model(session, scene.project_id, encoder=scene.encoder)
    if stored is None:
        return None
    model = model_storage.load(stored)
    if model.weights.shape[1] != seen.vectors.shape[1]:
        return None
    return Predicted(
        model=last_round(session, scene.project_id).model,
        names=model.classes,
        window=_decide(model, seen.vectors.astype(np.float32)),
        a=_decide(model, reference.a_exact),
        b=_decide(model, reference.b_exact),
        b_labeled=np.isin(reference.b_ids, labeled_groups(session, scene.project_id)),
    )


def _decide(model: LinearModel, vectors: Floats) -> Decided:
    probability = probabilities(model, vectors, np.arange(len(vectors)))
    return decided(probability, decide(model, probability))
