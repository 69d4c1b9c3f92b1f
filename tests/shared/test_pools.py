"""The pool as it comes from the database: what seeding rules say of its items."""

from pathlib import Path

import numpy as np
from sqlmodel import Session

from shared.database import Database
from shared.pool import Pool
from shared.project import ProjectConfig
from shared.repository import pools
from shared.repository.embedding import pending_descriptions, use_encoder
from shared.repository.items import NewItem, insert_items
from shared.repository.projects import all_projects, create_project
from shared.vectors import append_segment, text_key

CONFIG = ProjectConfig.model_validate(
    {
        "classes": ["common", "rare"],
        "rules": [
            {"name": "like it", "class": "rare", "description": "first"},
            {"name": "words", "class": "rare", "keywords": ["x"]},
            {"name": "risk", "class": "rare", "hint": "risk"},
        ],
    }
)
SCORES: list[dict[str, float]] = [{"words": 1.0, "risk": 0.75}, {"risk": 7.5}, {}, {"gone": 1.0}]


def make_project(session: Session, name: str) -> int:
    assert create_project(session, name, CONFIG)
    return next(project.id for project in all_projects(session) if project.name == name)


def add_items(session: Session, project_id: int) -> None:
    """Four items whose vectors are the axes, the first of which has the text of the description."""
    texts = ["first", "second", "third", "fourth"]
    items = [NewItem(text, text, "mail", None, None, text_key(text), text_key(text)) for text in texts]
    insert_items(session, project_id, items=items, draws=[0.5] * 4, rule_scores=SCORES, time=0.0)
    keys = np.array([text_key(text) for text in texts], dtype=np.int64)
    append_segment(
        session, space=pools.space_of(project_id), encoder="e", keys=keys, vectors=np.eye(4, dtype=np.float32)
    )
    use_encoder(session, project_id, "e")


def describe(session: Session, project_id: int, vector: list[float]) -> None:
    append_segment(
        session,
        space=pools.description_space_of(project_id),
        encoder="e",
        keys=np.array([text_key("first")], dtype=np.int64),
        vectors=np.array([vector], dtype=np.float32),
    )


def load(session: Session, project_id: int, folder: Path) -> Pool:
    return pools.load_pool(session, project_id=project_id, config=CONFIG, vector_folder=folder)


def test_rules_hit_with_their_scores_and_a_description_once_it_has_a_vector(database: Database, tmp_path: Path) -> None:
    with database.write() as session:
        other, mine = make_project(session, "a"), make_project(session, "b")
        add_items(session, other)
        add_items(session, mine)
        before = load(session, mine, tmp_path)
        describe(session, other, [1.0, 0.0, 0.0, 0.0])
        describe(session, mine, [0.0, 0.6, 0.8, 0.0])
    with database.read() as session:
        after = load(session, mine, tmp_path)

    stored: list[list[float]] = [[0, 1, 0.75], [0, 0, 7.5], [0, 0, 0], [0, 0, 0]]
    assert before.rule_scores.tolist() == stored
    stored[2][0] = 0.8
    assert np.allclose(after.rule_scores, stored, atol=1e-3)
    assert after.rule_scores.dtype == np.float32
    assert np.array_equal(after.rule_hits, np.array(stored) > 0)
    assert after.rule_settled.tolist() == [False, True, True]
    assert len(after) == 4


def test_a_project_before_its_first_vector_has_an_empty_pool(database: Database, tmp_path: Path) -> None:
    with database.write() as session:
        mine = make_project(session, "a")
        describe(session, mine, [1.0, 0.0, 0.0, 0.0])
        use_encoder(session, mine, "e")
        assert load(session, mine, tmp_path).rule_hits.shape == (0, 3)


def test_a_description_waits_for_a_vector_of_each_encoder(database: Database) -> None:
    with database.write() as session:
        mine, other = make_project(session, "a"), make_project(session, "b")
        describe(session, mine, [1.0, 0.0, 0.0, 0.0])
    with database.read() as session:
        waiting = [
            pending_descriptions(session, project_id, rules=CONFIG.rules, encoder=encoder)
            for project_id, encoder in ((mine, "e"), (mine, "other"), (other, "e"))
        ]
    assert waiting == [{}, {text_key("first"): "first"}, {text_key("first"): "first"}]
