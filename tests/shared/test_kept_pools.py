"""Pools that a process keeps: whatever changed, they are what a load from nothing gives."""

import itertools
from collections.abc import Callable
from dataclasses import fields, replace
from pathlib import Path

import numpy as np
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from sqlalchemy import update
from sqlmodel import Session, col, select

from shared.contracts import Reason, SubmissionMessage
from shared.database import Database
from shared.pool import Pool
from shared.project import ProjectConfig
from shared.repository import audit, items, pools, projects, rounds
from shared.repository.embedding import use_encoder
from shared.repository.items import NewItem, insert_items
from shared.repository.pool_facts import open_items
from shared.repository.pools import KeptPools
from shared.tables import Batch, Item, ItemChange, Label, Submission
from shared.vectors import append_segment, text_key
from workers.intake.answers import take_answers
from workers.intake.duplicates import merge_groups

CONFIG = ProjectConfig.model_validate(
    {
        "classes": ["common", "rare"],
        "rules": [
            {"name": "like it", "class": "rare", "description": "what it is like"},
            {"name": "words", "class": "rare", "keywords": ["x"]},
            {"name": "risk", "class": "rare", "hint": "risk"},
        ],
    }
)
_names = (f"kept-{number}" for number in itertools.count())


class Life:
    """A project to which things happen, each drawn from a seed."""

    def __init__(self, session: Session, seed: int) -> None:
        """Make it, empty."""
        self.session, self.rng, self.config = session, np.random.default_rng(seed), CONFIG
        self.name, self.encoder = next(_names), "e"
        self.count = self.banded = self.restored = 0
        assert projects.create_project(session, self.name, CONFIG)
        self.id = next(project.id for project in projects.all_projects(session) if project.name == self.name)

    def arrive(self) -> None:
        """Items come, some with the text of another, of a source that is new, and with hits."""
        texts = [f"text {self.rng.integers(30)}" for _ in range(int(self.rng.integers(1, 8)))]
        new = [
            NewItem(
                f"i{self.count + place}",
                text,
                str(self.rng.choice(["mail", "chat", "a call"])),
                str(self.rng.choice(["g1", "g2"])) if self.rng.random() < 0.3 else None,
                None,
                text_key(text),
                text_key(text),
            )
            for place, text in enumerate(texts)
        ]
        self.count += len(new)
        hits = [{"words": 1.0, "risk": 0.5} if self.rng.random() < 0.3 else {} for _ in new]
        draws = self.rng.random(len(new)).tolist()
        insert_items(self.session, self.id, items=new, draws=draws, rule_scores=hits, time=0.0)

    def embed(self) -> None:
        """Some texts get vectors, maybe one of them again."""
        keys = sorted({text_key(f"text {number}") for number in self.rng.integers(30, size=6).tolist()})
        self._store(pools.space_of(self.id), keys)
        use_encoder(self.session, self.id, self.encoder)

    def describe(self) -> None:
        """The description of a rule gets a vector."""
        self._store(pools.description_space_of(self.id), [text_key("what it is like")])

    def resemble(self) -> None:
        """Items turn out to be near duplicates."""
        found = self._some(4)
        if len(found) > 1:
            pairs = np.array([(one, min(found)) for one in found if one != min(found)], dtype=np.int64)
            statement = select(Item.id, Item.duplicate_group).where(col(Item.id).in_(found))
            groups = {item: group for item, group in self.session.exec(statement) if group is not None}
            items.set_duplicate_groups(self.session, self.id, merge_groups(pairs, groups))

    def fold(self) -> None:
        """Folds are decided."""
        items.hold(self.session, self.id)
        rounds.store_folds(self.session, self.id, {item: int(self.rng.integers(5)) for item in self._some(3)})

    def answer(self) -> None:
        """Items are answered, some once more and otherwise."""
        messages = [
            SubmissionMessage(
                project=self.name,
                submission_id=f"s{self.rng.integers(10**9)}",
                item_id=name,
                annotator=str(self.rng.choice(["anna", "bert"])),
                label=str(self.rng.choice(self.config.classes)),
            )
            for name in self._names_of(self._some(3))
        ]
        take_answers(self.session, project_id=self.id, messages=messages, origin="test")

    def queue(self) -> None:
        """A batch is chosen."""
        statement = select(Batch).where(col(Batch.project_id) == self.id)
        number = len(self.session.exec(statement).all()) + 1
        batch = Batch(
            project_id=self.id,
            round=number,
            seed=0,
            submissions_seen=0,
            wanted=0,
            chosen=0,
            shortfalls=[],
            audit={},
            train_s=0.0,
            select_s=0.0,
            selected_at=0.0,
        )
        self.session.add(batch)
        self.session.flush()
        reason = Reason(
            channel="audit",
            score=None,
            rank=1,
            cluster=None,
            predicted=None,
            probability=None,
            rules=[],
            inclusion=None,
            model=None,
            encoder="e",
            seed=0,
        )
        free = [item for item in self._some(2) if item not in self._open()]
        rounds.store_assignments(self.session, batch, [(item, reason) for item in free])

    def band(self) -> None:
        """Some items get bands, or all of them others."""
        self.banded += 1
        ids = np.sort(np.array(self._some(5), dtype=np.int64))
        codes = self.rng.integers(8, 13, size=len(ids))
        if self.banded % 2 == 0:
            audit.store_scorers(self.session, self.id, encoder="e", scorers=[(self.banded, b"")])
        audit.store_bands(self.session, self.id, ids=ids, codes=codes, instead=self.banded % 2 == 0)

    def reconfigure(self) -> None:
        """A rule goes, or comes back."""
        rules = CONFIG.rules if len(self.config.rules) < len(CONFIG.rules) else CONFIG.rules[:-1]
        self.config = self.config.model_copy(update={"rules": rules})
        projects.store_config(self.session, self.id, self.config)

    def change_encoder(self) -> None:
        """Other vectors are in use."""
        self.encoder = "f" if self.encoder == "e" else "e"
        self.embed()

    def restore(self) -> None:
        """The database becomes one whose past is another, as after a restored backup: other labels, other folds."""
        self.restored += 1
        newest = select(Submission).where(col(Submission.project_id) == self.id).order_by(col(Submission.id).desc())
        if self.restored % 2 and (last := self.session.exec(newest).first()):
            last.received_at += 1.0
            self.session.execute(update(Label).where(col(Label.project_id) == self.id).values(value="rare"))
        noted = self.session.exec(select(ItemChange).where(col(ItemChange.project_id) == self.id)).all()
        if not self.restored % 2 and noted:
            self.session.delete(noted[-1])
            self.session.execute(update(Item).where(col(Item.project_id) == self.id).values(fold=4))

    def _store(self, space: str, keys: list[int]) -> None:
        vectors = self.rng.normal(size=(len(keys), 4))
        vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
        append_segment(
            self.session,
            space=space,
            encoder=self.encoder,
            keys=np.array(keys, dtype=np.int64),
            vectors=vectors.astype(np.float16),
        )

    def _some(self, count: int) -> list[int]:
        ids = sorted(self.session.exec(select(Item.id).where(col(Item.project_id) == self.id)).all())
        return [ids[place] for place in self.rng.permutation(len(ids))[:count].tolist()]

    def _open(self) -> set[int]:
        return set(open_items(self.session, self.id).tolist())

    def _names_of(self, ids: list[int]) -> list[str]:
        return list(self.session.exec(select(Item.item_id).where(col(Item.id).in_(ids))).all())


HAPPENINGS: list[Callable[[Life], None]] = [
    Life.arrive,
    Life.embed,
    Life.describe,
    Life.resemble,
    Life.fold,
    Life.answer,
    Life.queue,
    Life.band,
    Life.reconfigure,
    Life.change_encoder,
    Life.restore,
]


def differences(one: Pool, other: Pool) -> list[str]:
    """Names of the fields in which two pools differ."""
    return [
        field.name
        for field in fields(Pool)
        if field.name not in ("item_ids", "lexical", "augmented")
        and not np.array_equal(getattr(one, field.name), getattr(other, field.name))
    ] + ["item_ids"] * (list(one.item_ids) != list(other.item_ids))


@settings(max_examples=6, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    happenings=st.lists(st.sampled_from(HAPPENINGS), min_size=4, max_size=14),
    seed=st.integers(0, 2**20),
)
@example(happenings=HAPPENINGS * 3, seed=1)
def test_a_kept_pool_is_what_a_load_from_nothing_gives_whatever_changed(
    database: Database, tmp_path: Path, happenings: list[Callable[[Life], None]], seed: int
) -> None:
    kept = KeptPools(1_000)
    with database.write() as session:
        life = Life(session, seed)
    for happens in [Life.arrive, Life.embed, *happenings]:
        with database.write() as session:
            life.session = session
            happens(life)
        with database.read() as session:
            wanted = pools.load_pool(session, project_id=life.id, config=life.config, vector_folder=tmp_path)
            found = kept.load(session, project_id=life.id, config=life.config, vector_folder=tmp_path)
        assert differences(found, wanted) == []


def test_what_is_kept_stays_as_it_was_when_the_pool_that_was_given_out_is_changed(
    database: Database, tmp_path: Path
) -> None:
    kept = KeptPools(1_000)
    with database.write() as session:
        life = Life(session, 3)
        for _ in range(3):
            life.arrive()
            life.embed()
    with database.read() as session:
        first = kept.load(session, project_id=life.id, config=CONFIG, vector_folder=tmp_path)
        assert len(first)
        first = replace(first, folds=np.zeros(len(first), dtype=np.int64))
        again = kept.load(session, project_id=life.id, config=CONFIG, vector_folder=tmp_path)
    assert (again.folds == -1).all()


def test_pools_are_kept_up_to_a_number_of_items_and_the_oldest_goes_first(database: Database, tmp_path: Path) -> None:
    with database.write() as session:
        lives = [Life(session, seed) for seed in range(3)]
        for life in lives:
            life.arrive()
            life.embed()
        most = max(life.count for life in lives) * 2
    kept = KeptPools(most)
    with database.read() as session:
        for life in lives:
            kept.load(session, project_id=life.id, config=CONFIG, vector_folder=tmp_path)
            assert sum(len(one.made.parts.columns.ids) for one in kept._kept.values()) <= most
    assert lives[-1].id in kept._kept
    assert lives[0].id not in kept._kept
