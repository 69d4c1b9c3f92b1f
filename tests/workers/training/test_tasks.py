"""The evaluation task measures the newest model, unless the project's classes are others by now."""

import pytest
from sqlmodel import select

from shared.database import Database
from shared.project import ProjectConfig
from shared.settings import Settings
from shared.tables import Model, Project
from tests.rounds import Rounds
from workers.training import tasks

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
