"""The embedding room's task: what it gives vectors, and in which order."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest
from sqlmodel import col, select

from shared import lanes
from shared.database import Database
from shared.errors import LeaseLostError
from shared.pool import Pool
from shared.project import ProjectConfig
from shared.repository import pools
from shared.repository.lexical import load_lexicon
from shared.repository.projects import all_projects, create_project, store_config
from shared.settings import Settings
from shared.streams import connect
from shared.tables import Lane, VectorSegment
from shared.training_options import Training
from tests.workers.simulation.made_up import WordEncoder, make_dataset, make_rows
from workers.context import Context
from workers.embedding import lexicon, tasks
from workers.embedding.lexicon import Lexicon
from workers.intake.rules import Rules
from workers.intake.storing import store_items

CONFIG = ProjectConfig.model_validate(
    {
        "classes": ["common", "rare"],
        "rules": [
            {"name": "like it", "class": "rare", "description": "fraud by fraud"},
            {"name": "the same", "class": "rare", "description": "fraud by fraud"},
            {"name": "an item", "class": "common", "description": "the invoice"},
        ],
    }
)
LEXICAL = CONFIG.model_copy(update={"training": Training(lexical=True)})


class Embedding:
    """A project and its embedding room, without Celery, Redis or a sentence encoder."""

    def __init__(self, database: Database, settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
        self.encoder = WordEncoder()
        self.held = Context(settings, database, connect(settings))
        monkeypatch.setattr(Context, "relay", lambda _: None)
        monkeypatch.setattr(tasks, "context", lambda: self.held)
        monkeypatch.setattr(tasks, "load_encoder", lambda *_, **__: self.encoder)
        with database.write() as session:
            assert create_project(session, "p", CONFIG)
            [self.project_id] = [project.id for project in all_projects(session)]

    def add(self, *texts: str) -> None:
        self.add_named({text: text for text in texts})

    def add_named(self, texts: Mapping[str, str]) -> None:
        rows = [{"id": name, "text": text, "label": "common"} for name, text in texts.items()]
        items = [row.item for row in make_dataset(rows).items]
        store_items(self.held.database, self.project_id, items, rules=Rules(CONFIG.rules), seed=0)

    def want_lexical(self, monkeypatch: pytest.MonkeyPatch, *, fewest: int) -> None:
        """Switch lexical features on, for so many texts and more."""
        monkeypatch.setattr(lexicon, "FEWEST_TEXTS", fewest)
        with self.held.database.write() as session:
            store_config(session, self.project_id, LEXICAL)
            lanes.request(session, self.project_id, lanes.EMBED)

    def pool(self, folder: Path) -> Pool:
        with self.held.database.read() as session:
            return pools.load_pool(session, project_id=self.project_id, config=LEXICAL, vector_folder=folder)

    def run(self) -> list[str]:
        """What was encoded meanwhile."""
        self.encoder.encoded.clear()
        tasks.embed_pending(project_id=self.project_id)
        return self.encoder.encoded


@pytest.fixture
def embedding(database: Database, redis_settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Embedding:
    return Embedding(database, redis_settings, monkeypatch)


def test_descriptions_are_encoded_once_and_before_the_first_text(embedding: Embedding) -> None:
    embedding.add("the invoice", "my card")
    first = embedding.run()
    embedding.add("my order")

    assert first[:2] == ["fraud by fraud", "the invoice"]
    assert sorted(first[2:]) == ["my card", "the invoice"]
    assert embedding.run() == ["my order"]


def test_descriptions_are_no_items_and_hit_those_that_are_near(embedding: Embedding, tmp_path: Path) -> None:
    texts = [str(row["text"]) for row in make_rows(40)]
    embedding.add(*texts, "the invoice")
    embedding.run()
    with embedding.held.database.read() as session:
        segments = session.exec(select(VectorSegment.space, VectorSegment.count).order_by(col(VectorSegment.id))).all()
        lane = session.get_one(Lane, (embedding.project_id, lanes.EMBED))
        pool = pools.load_pool(session, project_id=embedding.project_id, config=CONFIG, vector_folder=tmp_path)

    space = pools.space_of(embedding.project_id)
    assert [tuple(segment) for segment in segments] == [(f"{space}:descriptions", 2), (space, 41)]
    assert lane.completed == lane.requested
    assert len(pool) == 41
    assert pool.rule_hits.sum(axis=0).tolist() == [4, 4, 4]
    assert {pool.item_ids[place].count("fraud") for place in np.flatnonzero(pool.rule_hits[:, 0]).tolist()} == {2}
    assert pool.item_ids[int(pool.rule_scores[:, 2].argmax())] == "the invoice"


def test_a_worker_that_lost_its_lane_stores_no_vector_of_a_description(
    embedding: Embedding, monkeypatch: pytest.MonkeyPatch
) -> None:
    embedding.add("my card")
    encode = embedding.encoder.encode

    def late(texts: list[str]) -> object:
        with embedding.held.database.write() as session:
            lane = session.get_one(Lane, (embedding.project_id, lanes.EMBED))
            lane.token += 1
        return encode(texts)

    monkeypatch.setattr(embedding.encoder, "encode", late)
    with pytest.raises(LeaseLostError):
        embedding.run()
    with embedding.held.database.read() as session:
        assert session.exec(select(VectorSegment.id)).all() == []


TEXTS = [str(row["text"]) for row in make_rows(60)]


def test_no_text_has_lexical_features_unless_they_are_wanted(embedding: Embedding, tmp_path: Path) -> None:
    embedding.add(*TEXTS)
    embedding.run()
    assert embedding.pool(tmp_path).lexical is None


def test_lexical_features_are_given_to_all_texts_and_to_those_that_come(
    embedding: Embedding, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    embedding.add(*TEXTS)
    embedding.run()
    embedding.want_lexical(monkeypatch, fewest=50)
    assert embedding.run() == []  # no vector is made anew
    first = embedding.pool(tmp_path)
    embedding.add("a fraud fraud card", "my invoice")
    embedding.run()
    later = embedding.pool(tmp_path)
    assert first.lexical is not None
    assert later.lexical is not None
    by_id = {name: later.features[later.rows[[place]]][0] for place, name in enumerate(later.item_ids)}
    for place, name in enumerate(first.item_ids):
        assert np.array_equal(first.features[first.rows[[place]]][0], by_id[name])
    with embedding.held.database.read() as session:
        table = load_lexicon(session, embedding.project_id, tmp_path)
    assert table is not None
    words = Lexicon.of_table(table).features(["my invoice"])[0]
    assert by_id["my invoice"][64:] == pytest.approx(words, abs=1e-3)
    assert words.any()


def test_few_texts_wait_for_more_before_there_is_a_lexicon(
    embedding: Embedding, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    embedding.want_lexical(monkeypatch, fewest=50)
    embedding.add(*TEXTS[:49])
    embedding.run()
    assert embedding.pool(tmp_path).lexical is None
    embedding.add(TEXTS[49])
    embedding.run()
    assert embedding.pool(tmp_path).lexical is not None


def test_a_worker_that_died_between_texts_leaves_the_rest_to_the_next(
    embedding: Embedding, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    embedding.add(*TEXTS)
    embedding.want_lexical(monkeypatch, fewest=50)
    store = tasks._store_features

    def died(*_: object) -> None:
        raise RuntimeError("killed")

    monkeypatch.setattr(tasks, "_store_features", died)
    with pytest.raises(RuntimeError):
        embedding.run()
    assert embedding.pool(tmp_path).lexical is None
    monkeypatch.setattr(tasks, "_store_features", store)
    embedding.run()
    assert embedding.pool(tmp_path).lexical is not None


def test_items_whose_texts_are_known_are_a_matter_for_the_drift_watch_too(embedding: Embedding) -> None:
    embedding.add("my card")
    embedding.run()
    with embedding.held.database.write() as session:
        requested = lanes.asked_for(session, embedding.project_id, lanes.DRIFT)
        assert requested is not None
        lanes.answer(session, embedding.project_id, lanes.DRIFT, requested=requested)
    embedding.add_named({"again": "my card"})
    assert embedding.run() == []
    with embedding.held.database.read() as session:
        assert lanes.has_work(session, embedding.project_id, lanes.DRIFT)
