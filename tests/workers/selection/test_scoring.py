"""A pool that several workers score gets the probabilities that one worker gives it, and the same batch."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from sqlmodel import col, select

from shared.database import Database
from shared.pool import Features, Floats, Index, Matrix
from shared.project import ProjectConfig, Selection
from shared.settings import Settings
from shared.tables import Assignment, Item
from tests.rounds import Rounds, copied_database
from workers import sharing
from workers.embedding import lexicon
from workers.selection import scoring, tasks
from workers.training import classifier
from workers.training.classifier import LinearModel

CONFIG = ProjectConfig(classes=("common", "rare"), selection=Selection(batch_size=20))


class Helpers:
    """Two helpers that take seats whenever the holder scores a part, in the same process."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, **instead: object) -> None:
        self.mine = self.theirs = 0
        self._seats: list[Mapping[str, Any]] = []
        self._instead = instead
        self._helping = False
        self._scored = scoring._scored
        monkeypatch.setattr(scoring, "PART", 16)
        monkeypatch.setattr(classifier, "_BLOCK", 16)
        monkeypatch.setattr(sharing, "_HELPER_WAITS_S", 0.02)
        monkeypatch.setattr(tasks, "call_helpers", self._call)
        monkeypatch.setattr(scoring, "_scored", self._score)

    def _call(self, task: str, seats: int, named: Mapping[str, Any]) -> None:
        assert task == "selection.score_part"
        self._seats += [named] * seats

    def _score(self, model: LinearModel, matrix: Matrix, rows: Index) -> Mapping[str, Floats]:
        if self._helping:
            self.theirs += 1
            return self._scored(model, matrix, rows)
        self.mine += 1
        self._helping = True
        for _ in range(min(2, len(self._seats))):
            tasks.score_part(**{**self._seats.pop(0), **self._instead})
        self._helping = False
        return self._scored(model, matrix, rows)


def next_batch(
    database: Database, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> list[tuple[str, Mapping[str, Any]]]:
    """Items and reasons of a project's first batch after labels, in their order."""
    monkeypatch.setattr("workers.embedding.tasks.call_helpers", lambda *_: None)
    project = Rounds(database, settings, monkeypatch, CONFIG)
    monkeypatch.setattr(tasks, "context", lambda: project.held)
    project.label([name for place, name in enumerate(project.truth) if place % 10 in (0, 1, 2)])
    project.run()
    with database.read() as session:
        chosen = select(Item.item_id, Assignment.reason).join(Assignment, col(Assignment.item) == col(Item.id))
        return [(row[0], row[1]) for row in session.exec(chosen.order_by(col(Assignment.id)))]


@pytest.fixture
def willing(redis_settings: Settings) -> Settings:
    """Settings with which scores are shared however small the pool is."""
    return redis_settings.model_copy(update={"shared_items": 1})


def test_below_the_size_that_pays_a_worker_scores_alone(
    database: Database, redis_settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    helpers = Helpers(monkeypatch)
    assert len(next_batch(database, redis_settings, monkeypatch)) == 20
    assert (helpers.mine, helpers.theirs) == (0, 0)


@pytest.mark.parametrize("words", [False, True])
def test_a_round_whose_scores_are_shared_chooses_the_same_batch(
    willing: Settings,
    redis_settings: Settings,
    tmp_path: Path,
    migrated_file: Path,
    monkeypatch: pytest.MonkeyPatch,
    words: bool,
) -> None:
    monkeypatch.setattr(lexicon, "FEWEST_TEXTS", 100 if words else 1_000)
    helpers, scored = Helpers(monkeypatch), []
    shared, alone = scoring.shared, classifier.probabilities

    def both(*arguments: Any) -> Floats:
        assert isinstance(arguments[4], Features) == words
        scored.append((shared(*arguments), alone(*arguments[3:])))
        return scored[-1][0]

    monkeypatch.setattr(scoring, "shared", both)
    with copied_database(migrated_file, tmp_path / "shared", willing) as database:
        batch = next_batch(database, willing, monkeypatch)
    assert (helpers.mine, helpers.theirs) == (5, 8)
    [(found, expected)] = scored
    assert found.tobytes() == expected.tobytes()
    with copied_database(migrated_file, tmp_path / "alone", redis_settings) as database:
        assert batch == next_batch(database, redis_settings, monkeypatch)
    assert len(batch) == 20
    assert len(scored) == 1


@pytest.mark.parametrize(
    "instead",
    [{"vectors": "others"}, {"encoder": "words@2"}, {"count": 199}, {"token": 99}, {"words": (200, "others")}],
)
def test_a_helper_without_what_the_holder_has_scores_nothing(
    database: Database, willing: Settings, monkeypatch: pytest.MonkeyPatch, instead: Mapping[str, object]
) -> None:
    monkeypatch.setattr(lexicon, "FEWEST_TEXTS", 100)
    helpers = Helpers(monkeypatch, **instead)
    assert len(next_batch(database, willing, monkeypatch)) == 20
    assert (helpers.mine, helpers.theirs) == (13, 0)
