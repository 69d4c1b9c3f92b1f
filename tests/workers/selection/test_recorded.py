"""What a round writes down beside its batch: the folds of the labeled families, and what its model was made of."""

import numpy as np
import pytest
from sqlmodel import select

from shared.database import Database
from shared.project import ProjectConfig
from shared.repository import items as item_rows
from shared.repository.pools import load_pool
from shared.settings import Settings
from shared.tables import Item
from tests.rounds import Rounds

CONFIG = ProjectConfig.model_validate(
    {"classes": ("common", "rare"), "selection": {"batch_size": 20}, "goals": {"rare": {"recall": 0.9}}}
)


@pytest.fixture
def rounds(database: Database, redis_settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Rounds:
    return Rounds(database, redis_settings, monkeypatch, CONFIG)


def test_folds_are_recorded_with_the_model_and_stay(rounds: Rounds) -> None:
    names = list(rounds.truth)
    rounds.label(names[:60])
    first = rounds.run()
    rounds.label(names[60:100])
    second = rounds.run()
    assert first.keys() >= set(names[:60])
    assert second.keys() >= set(names[:100])
    assert {name: second[name] for name in first} == first
    for answer in ("common", "rare"):
        held = np.bincount([second[name] for name in names[:100] if rounds.truth[name] == answer], minlength=5)
        assert held.max() - held.min() <= 3  # near duplicates among the texts go together


def test_items_that_become_duplicates_later_share_the_fold_of_the_first(rounds: Rounds) -> None:
    rounds.label(list(rounds.truth)[:60])
    first = rounds.run()
    with rounds.held.database.read() as session:
        numbers = dict(session.exec(select(Item.item_id, Item.id)).all())
        taken = {group for group in session.exec(select(Item.duplicate_group)) if group is not None}
    alone = sorted((numbers[name], name) for name in first if numbers[name] not in taken)
    (one, kept), (other, moved) = alone[0], next(pair for pair in alone if first[pair[1]] != first[alone[0][1]])
    with rounds.held.database.write() as session:
        item_rows.set_duplicate_groups(session, rounds.project_id, {one: one, other: one})
    second = rounds.run()
    assert second[kept] == first[kept]
    assert second[moved] == first[kept]
    with rounds.held.database.read() as session:
        pool = load_pool(session, project_id=rounds.project_id, config=CONFIG, vector_folder=rounds.held.vector_folder)
    for family in np.unique(pool.families[pool.folds >= 0]):
        assert len(np.unique(pool.folds[pool.families == family])) == 1


def test_a_model_says_what_it_was_made_of(rounds: Rounds) -> None:
    names = list(rounds.truth)
    rounds.label(names[:60])
    rounds.run()
    rounds.run()
    rounds.label(names[60:70])
    rounds.run()
    first, again, later = rounds.headers()
    assert first["data"] == again["data"]
    assert first["folds"] == again["folds"]
    assert later["data"] != first["data"]
    assert first["labels"] == 60
    assert first["label_counts"] == {
        answer: sum(rounds.truth[name] == answer for name in names[:60]) for answer in ("common", "rare")
    }
    assert sum(first["folds"]["labels"]) == 60
    assert first["options"]["goals"] == {"rare": {"recall": 0.9, "precision": None}}
