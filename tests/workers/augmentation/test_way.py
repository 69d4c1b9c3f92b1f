"""The whole way: labels, made texts, their vectors, a round that they teach, and nothing of them anywhere else."""

from pathlib import Path

import numpy as np
import pytest
from sqlmodel import col, select

from shared import lanes
from shared.contracts import SubmissionMessage
from shared.database import Database
from shared.pool import Pool
from shared.project import ProjectConfig
from shared.repository import augmentation, pools
from shared.settings import Settings
from shared.tables import AugmentedText, Item, Lane, Model, OutboxEvent, Project, ReviewState, VectorSegment
from tests.rounds import Rounds
from tests.workers.simulation.made_up import WordEncoder, make_dataset
from workers.augmentation.storing import Outcome, make_texts
from workers.embedding import tasks as embedding_tasks
from workers.intake.answers import take_answers
from workers.intake.rules import Rules
from workers.intake.storing import store_items
from workers.reporting.labeled import labeled_items
from workers.reporting.status import count_items

WORDS = "the", "a", "my", "card", "order", "screen", "please", "again", "today", "since", "new", "old", "late", "why"
CONFIG = ProjectConfig.model_validate(
    {
        "classes": ["common", "rare"],
        "selection": {"batch_size": 20},
        "augmentation": {
            "review_share": 0.0,
            "recipes": [
                {
                    "name": "words",
                    "kind": "replace",
                    "words": {word: [f"{word}ish", f"{word}like", f"un{word}"] for word in WORDS},
                },
                {
                    "name": "sentences",
                    "kind": "templates",
                    "classes": ["rare"],
                    "templates": ["fraud {what} fraud"],
                    "slots": {"what": ["with my card", "at night"]},
                },
            ],
        },
    }
)


class Way(Rounds):
    """A project whose first 80 items are labeled."""

    def __init__(self, database: Database, settings: Settings, monkeypatch: pytest.MonkeyPatch, vectors: Path) -> None:
        super().__init__(database, settings, monkeypatch, CONFIG)
        self.config, self._vectors = CONFIG, vectors
        self.label([f"i{number}" for number in range(80)])

    def make(self, recipe: int = 0, *, dry_run: bool = False) -> Outcome:
        return make_texts(
            self.held.database,
            self.project_id,
            self.config,
            self.config.augmentation.recipes[recipe],
            dry_run=dry_run,
            advance=lambda *_: None,
        )

    def embed(self) -> None:
        embedding_tasks.embed_pending(project_id=self.project_id)

    def pool(self) -> Pool:
        with self.held.database.read() as session:
            return pools.load_pool(session, project_id=self.project_id, config=self.config, vector_folder=self._vectors)

    def texts(self) -> list[AugmentedText]:
        with self.held.database.read() as session:
            return list(session.exec(select(AugmentedText).order_by(col(AugmentedText.id))))

    def answer(self, item_id: str, label: str, submission_id: str) -> None:
        message = SubmissionMessage(
            project="p", submission_id=submission_id, item_id=item_id, annotator="anna", label=label
        )
        with self.held.database.write() as session:
            take_answers(session, project_id=self.project_id, messages=[message], origin="test")

    def add(self, text: str) -> None:
        dataset = make_dataset([{"id": "late", "text": text, "label": "rare"}])
        items = [row.item for row in dataset.items]
        store_items(self.held.database, self.project_id, items, rules=Rules(()), seed=0)
        self.embed()

    def review(self, reviews: dict[int, str]) -> None:
        with self.held.database.write() as session:
            augmentation.set_reviews(session, self.project_id, reviews, reviewer="anna")

    def teaching(self) -> int:
        made = self.pool().augmented
        return 0 if made is None else len(made.parents)


@pytest.fixture
def way(database: Database, redis_settings: Settings, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Way:
    return Way(database, redis_settings, monkeypatch, tmp_path / "vectors")


def test_texts_are_made_of_rare_items_once_and_asked_to_be_embedded(way: Way) -> None:
    tried = way.make(dry_run=True)
    assert way.texts() == []
    made = way.make()

    assert (made.recipe, made.classes, made.parents) == ("words", ["rare"], 8)
    assert 0 < made.made == tried.made == len(way.texts()) <= 24
    assert made.examples == tried.examples
    with way.held.database.read() as session:
        lane = session.get_one(Lane, (way.project_id, lanes.EMBED))
        assert lane.requested > lane.completed
        [event] = session.exec(select(OutboxEvent).where(OutboxEvent.event == "texts.augmented")).all()
        assert event.payload == {"recipe": "words", "texts": made.made}
        parents = {item.id: item for item in session.exec(select(Item))}
    assert {way.truth[parents[text.parent].item_id] for text in way.texts()} == {"rare"}
    assert not {text.text for text in way.texts()} & {item.text for item in parents.values()}
    assert way.make().made == 0
    assert (way.make(1).made, way.make(1).made) == (2, 0)  # there are no more sentences than that


def test_texts_teach_the_next_round_and_are_nowhere_else(way: Way) -> None:
    way.run()
    before = way.pool()
    way.make(0)
    way.make(1)
    assert way.teaching() == 0  # no vector yet
    way.embed()
    pool, made = way.pool(), len(way.texts())
    way.run()

    assert pool.augmented is not None
    assert len(pool.augmented.parents) == made
    assert pool.labeled[pool.augmented.parents].all()
    assert np.array_equal(pool.augmented.targets, pool.targets[pool.augmented.parents])
    assert (len(pool), pool.labeled.sum(), len(pool.eligible)) == (200, 80, len(before.eligible))
    assert np.array_equal(pool.matrix, before.matrix)
    with way.held.database.read() as session:
        plain, taught = session.exec(select(Model).order_by(col(Model.version))).all()
        space = pools.space_of(way.project_id)
        stored = dict(session.exec(select(VectorSegment.space, VectorSegment.count)).all())
        exported = {item["text"] for item in labeled_items(session, way.project_id)}
        assert count_items(session, way.project_id) == 200
    assert (plain.labels, taught.labels) == (80, 80)
    assert plain.arrays != taught.arrays
    assert [header.get("tuned_with_augmented") for header in way.headers()] == [0, made]
    assert stored == {space: 200, f"{space}:augmented": made}
    assert not exported & {text.text for text in way.texts()}


def test_texts_are_encoded_once(way: Way, monkeypatch: pytest.MonkeyPatch) -> None:
    encoder = WordEncoder()
    monkeypatch.setattr(embedding_tasks, "load_encoder", lambda *_, **__: encoder)
    way.make()
    way.embed()
    way.make(1)
    way.embed()
    way.embed()

    assert sorted(encoder.encoded) == sorted(text.text for text in way.texts())


def test_what_waits_or_was_rejected_does_not_teach(way: Way) -> None:
    way.make()
    way.embed()
    one, two, *others = [text.id for text in way.texts()]
    way.review({one: ReviewState.REJECTED, two: ReviewState.PENDING})
    assert way.teaching() == len(others)
    way.review({one: ReviewState.ACCEPTED, two: ReviewState.ACCEPTED})
    assert way.teaching() == len(others) + 2


def test_a_recipe_of_which_too_much_is_rejected_neither_teaches_nor_makes(way: Way) -> None:
    way.make(0)
    way.make(1)
    way.embed()
    ids = {name: [text.id for text in way.texts() if text.recipe == name] for name in ("words", "sentences")}
    way.review(dict.fromkeys(ids["words"][:6], ReviewState.ACCEPTED))
    way.review(dict.fromkeys(ids["words"][6:9], ReviewState.REJECTED))
    assert way.teaching() == len(ids["words"]) - 3 + len(ids["sentences"])
    way.review({ids["words"][9]: ReviewState.REJECTED})
    assert way.teaching() == len(ids["sentences"])

    way.label([f"i{number}" for number in range(80, 120)])
    assert (way.make(0).stopped, way.make(0).made) == (True, 0)
    way.review({ids["words"][9]: ReviewState.ACCEPTED})
    assert way.make(0).made > 0


def test_a_text_has_the_label_that_its_parent_has_now(way: Way) -> None:
    way.make(0)
    way.make(1)
    way.embed()
    first = next(text for text in way.texts() if text.recipe == "sentences")
    with way.held.database.read() as session:
        parent = session.get_one(Item, first.parent).item_id
    before = way.teaching()
    way.answer(parent, "common", "second thought")
    pool = way.pool()
    assert pool.augmented is not None

    own = pool.ids[pool.augmented.parents] == first.parent
    made = [text.recipe for text in way.texts() if text.parent == first.parent]
    assert own.sum() == made.count("words")  # a sentence of the class is none of the new one
    assert len(own) == before - made.count("sentences")
    assert pool.augmented.targets[own, 0].all()


def test_a_text_that_comes_as_an_item_later_does_not_teach_what_that_item_is(way: Way) -> None:
    way.make()
    way.embed()
    [text, *others] = way.texts()
    way.add(text.text.upper())
    assert way.teaching() == len(others) + 1
    way.answer("late", "rare", "late")
    assert way.teaching() == len(others)


def test_a_project_without_recipes_loads_none(way: Way) -> None:
    way.make()
    way.embed()
    with way.held.database.write() as session:
        session.get_one(Project, way.project_id).config = ProjectConfig(classes=CONFIG.classes).model_dump(mode="json")
    way.config = ProjectConfig(classes=CONFIG.classes)
    assert way.pool().augmented is None
