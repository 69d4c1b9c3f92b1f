"""The evaluation task measures the newest model, unless the project's classes are others by now."""

from typing import Any

import pytest
from sqlmodel import Session, select

from shared.arrays import dump_arrays, load_arrays
from shared.database import Database
from shared.project import ProjectConfig
from shared.settings import Settings
from shared.tables import Model, Project
from tests.rounds import Rounds
from workers.training import prior_shift, tasks
from workers.training.calibration import Doubles
from workers.training.evaluation import evaluate_on_audit

CONFIG = ProjectConfig.model_validate({"classes": ("common", "rare"), "selection": {"batch_size": 20}})


@pytest.mark.parametrize("classes", [("common", "rare"), ("common", "rare", "new")])
def test_a_model_of_other_classes_is_not_measured(
    classes: tuple[str, ...], database: Database, redis_settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    rounds = Rounds(database, redis_settings, monkeypatch, CONFIG)
    monkeypatch.setattr(tasks, "context", lambda: rounds.held)
    rounds.label(list(rounds.truth)[:80])
    rounds.run()
    with database.write() as session:
        project = session.get_one(Project, rounds.project_id)
        project.config = {**project.config, "classes": list(classes)}
    tasks.evaluate_model(project_id=rounds.project_id)
    with database.read() as session:
        (metrics,) = session.exec(select(Model.metrics)).all()
    assert (metrics is not None) == (classes == CONFIG.classes)


def test_a_model_is_measured_with_its_correction_for_new_class_shares(
    database: Database, redis_settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    rounds, asked = Rounds(database, redis_settings, monkeypatch, CONFIG), list[Doubles]()

    def measure(*what: Any, ratios: Doubles, **options: Any) -> dict[str, Any]:
        asked.append(ratios)
        return evaluate_on_audit(*what, ratios=ratios, **options)

    monkeypatch.setattr(tasks, "context", lambda: rounds.held)
    monkeypatch.setattr(tasks, "evaluate_on_audit", measure)
    rounds.label(list(rounds.truth)[:80])
    rounds.run()
    correct(database, {"common": -0.5, "rare": 0.5})
    tasks.evaluate_model(project_id=rounds.project_id)
    assert [ratios.tolist() for ratios in asked] == [[-0.5, 0.5]]


def correct(database: Database, log_ratios: dict[str, float]) -> None:
    """Let the newest model's header tell of a correction."""
    with database.write() as session:
        model = newest(session)
        arrays, header = load_arrays(model.arrays)
        model.arrays = dump_arrays(arrays, {**header, prior_shift.HEADER: {"log_ratios": log_ratios}})


def newest(session: Session) -> Model:
    return session.exec(select(Model)).one()
