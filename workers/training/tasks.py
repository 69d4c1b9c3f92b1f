"""Training tasks: metrics of a model version, found beside the way from submission to batch."""

import numpy as np

from shared import lanes
from shared.arrays import load_arrays
from shared.events import Event, emit
from shared.repository import evaluation
from workers import right_of_way
from workers.app import app
from workers.context import context
from workers.training import model_storage, prior_shift
from workers.training.evaluation import evaluate_on_audit


@app.task(name="training.evaluate_model")
def evaluate_model(*, project_id: int) -> None:
    """Measure the newest model on the audit sample, if that was not done yet."""
    held = context()
    with held.lane(project_id, lanes.EVALUATE) as claimed, right_of_way.behind(held.settings.folder):
        if claimed is None:
            return
        _, config = held.project(project_id)
        with held.database.read() as session:
            model = evaluation.unmeasured_model(session, project_id)
            thresholds = evaluation.audit_thresholds(session, project_id)
            pool = model and held.pool(session, project_id, config)
        metrics = None
        trained = model and model_storage.load(model.arrays)
        # A version from before the project's classes changed is not what decides from now on.
        if pool and trained and trained.classes == config.classes:
            metrics = evaluate_on_audit(
                pool,
                config,
                thresholds,
                recipe=trained.tuning.recipe,
                rng=np.random.default_rng(config.seed),
                seed=config.seed,
                ratios=prior_shift.recorded(load_arrays(model.arrays)[1], trained.classes) if model else None,
            )
        with held.database.write() as session:
            lanes.complete(session, claimed)
            if model and metrics:
                evaluation.store_metrics(session, model.id, metrics)
                lanes.request(session, project_id, lanes.LABELS)
                emit(session, Event.MODEL_EVALUATED, project_id=project_id, version=model.version)
