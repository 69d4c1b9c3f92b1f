"""Queries on models and their metrics."""

from typing import Any

from sqlmodel import Session, col, select

from shared.tables import Batch, Model


def unmeasured_model(session: Session, project_id: int) -> Model | None:
    """The project's newest model, if it has no metrics yet. Older ones are never measured: they are not used."""
    model = _newest(session, project_id)
    return model if model is not None and model.metrics is None else None


def measured_model(session: Session, project_id: int) -> Model | None:
    """The project's newest model, if it has been measured."""
    model = _newest(session, project_id)
    return model if model is not None and model.metrics is not None else None


def audit_thresholds(session: Session, project_id: int) -> dict[str, float]:
    """Audit thresholds by stratum after the newest round; empty before the first."""
    newest = select(Batch.audit).where(col(Batch.project_id) == project_id).order_by(col(Batch.round).desc()).limit(1)
    return dict(session.exec(newest).first() or {})


def store_metrics(session: Session, model_id: int, metrics: dict[str, Any]) -> None:
    """Write a model's metrics."""
    session.get_one(Model, model_id).metrics = metrics


def _newest(session: Session, project_id: int) -> Model | None:
    newest = select(Model).where(col(Model.project_id) == project_id).order_by(col(Model.version).desc()).limit(1)
    return session.exec(newest).first()
