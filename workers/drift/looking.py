"""From the database to what the drift watch compares: the reference, windows, and what the current model says."""

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from sqlmodel import Session

from shared.arrays import load_arrays
from shared.drift_tables import DriftReference
from shared.pool import Floats, Index, Mask, Pool
from shared.project import ProjectConfig
from shared.repository.drift import find_held_out, keep_held_out
from shared.repository.drift_items import count_duplicates, read_items
from shared.repository.drift_windows import Window
from shared.repository.pools import KeptPools
from shared.repository.rounds import last_round, newest_model
from workers.drift import held_out as held_outs
from workers.drift import reference as references
from workers.drift.held_out import HeldOut
from workers.drift.predictions import Decided, Predicted, decided
from workers.drift.reference import Reference
from workers.drift.report import WindowReport, compare
from workers.training import model_storage, prior_shift
from workers.training.classifier import LinearModel, decide, probabilities


@dataclass(frozen=True)
class Scene:
    """Where the watch looks.

    Attributes:
        project_id: whose items.
        config: the project.
        encoder: key of the encoder in use.
        folder: where this machine keeps its copies of vectors.
        pools: what this process keeps of pools.
    """

    project_id: int
    config: ProjectConfig
    encoder: str
    folder: Path
    pools: KeptPools

    def pool(self, session: Session) -> Pool:
        """All embedded items of the project with their labels."""
        return self.pools.load(session, project_id=self.project_id, config=self.config, vector_folder=self.folder)


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


@dataclass(frozen=True)
class Opinion:
    """The newest model, and what is said of the reference.

    Attributes:
        version: of the model.
        served: as it decides.
        plain: without the correction for new shares of classes, which models trained without a label do not have.
        a: of half A, by `plain` or by models that did not see the item's label.
        b: of half B.
        comparable: whether there were such models.
        found: what was found for it and is not kept yet.
    """

    version: int
    served: LinearModel
    plain: LinearModel
    a: Decided
    b: Decided
    comparable: bool
    found: HeldOut | None

    def on(self, vectors: Floats) -> Predicted:
        """Of a window, (n, d); the decisions are counted as they are served."""
        window = replace(decided(*_said(self.plain, vectors)), counts=_said(self.served, vectors)[1].sum(axis=0))
        return Predicted(self.version, self.served.classes, window, self.a, self.b, self.comparable)


def look_at(
    session: Session, scene: Scene, reference: Reference, window: Window, opinion: Opinion | None = None
) -> WindowReport | None:
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
        predicted=None if opinion is None else opinion.on(seen.vectors.astype(np.float32)),
        budget=scene.config.drift.false_alarms_per_1000_windows,
    )


def find_opinion(session: Session, scene: Scene, reference: Reference, *, version: int) -> Opinion | None:
    """Of the newest model; None before the first. Of one that looks at words too, of its like that doesn't.

    What models without its label say of an item takes the whole pool and some seconds to find; what was found is to be
    kept by `keep` for the windows to come.

    Args:
        session: Any.
        scene: Where.
        reference: What windows are compared with.
        version: Of the reference.
    """
    stored = newest_model(session, scene.project_id, encoder=scene.encoder)
    if stored is None:
        return None
    served = model_storage.load(stored)
    of_model = last_round(session, scene.project_id).model
    kept = find_held_out(session, scene.project_id, model=of_model, reference=version)
    held_out = _hold_out(session, scene, reference, served) if kept is None else held_outs.load(kept)
    if held_out is None:
        return None
    plain = prior_shift.without(served, load_arrays(stored)[1])
    if held_out.alone is not None:
        served = plain = held_out.alone
    return Opinion(
        version=of_model,
        served=served,
        plain=plain,
        a=_without_labels(plain, held_out, reference.a_ids, reference.a_exact),
        b=_without_labels(plain, held_out, reference.b_ids, reference.b_exact),
        comparable=held_out.complete,
        found=held_out if kept is None else None,
    )


def keep(session: Session, scene: Scene, opinion: Opinion | None, *, version: int) -> None:
    """Keep what was found for an opinion, beside this version of the reference."""
    if opinion is not None and opinion.found is not None:
        arrays = held_outs.dump(opinion.found)
        keep_held_out(session, scene.project_id, model=opinion.version, reference=version, arrays=arrays)


def _hold_out(session: Session, scene: Scene, reference: Reference, model: LinearModel) -> HeldOut | None:
    ids = np.concatenate([reference.a_ids, reference.b_ids])
    return held_outs.hold_out(scene.pool(session), ids, scene.config, model)


def _without_labels(model: LinearModel, held_out: HeldOut, ids: Index, vectors: Floats) -> Decided:
    probability, chosen = _said(model, vectors)
    held_out.put_into(ids, probability, chosen)
    return decided(probability, chosen)


def _said(model: LinearModel, vectors: Floats) -> tuple[Floats, Mask]:
    """Probabilities and decisions, (n, k) each."""
    probability = probabilities(model, vectors, np.arange(len(vectors)))
    return probability, decide(model, probability)
