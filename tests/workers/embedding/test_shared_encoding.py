"""Texts that several workers encode get the vectors that one worker gives them, and lead to the same batch."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sqlmodel import col, select

from shared.arrays import dump_arrays
from shared.database import Database
from shared.errors import ConfigError
from shared.pool import Floats
from shared.project import ProjectConfig, Selection
from shared.settings import Settings
from shared.tables import Assignment, Item, VectorSegment
from tests.rounds import Rounds, copied_database
from tests.workers.simulation.made_up import WordEncoder
from workers import sharing
from workers.embedding import segments, tasks

CONFIG = ProjectConfig(classes=("common", "rare"), selection=Selection(batch_size=20))


class RunEncoder(WordEncoder):
    """Leaves a trace of the texts that each is encoded beside, as a real one does in the last bits."""

    def encode(self, texts: Sequence[str]) -> Floats:
        return super().encode(texts) + np.float32(len(texts[0]) + len(texts)) / 1_000


class Helpers:
    """Helpers that take their seats, three of them, whenever the holder encodes."""

    def __init__(self, encoder: str | None = None) -> None:
        self.encoder = encoder
        self.runs = 0
        self.mine = 0
        self._seats: list[Mapping[str, Any]] = []
        self._helping = False

    def call(self, task: str, seats: int, named: Mapping[str, Any]) -> None:
        assert task == "embedding.encode_part"
        self._seats += [named] * seats

    def encode(self, texts: Sequence[str]) -> Floats:
        if self._helping:
            self.runs += 1
        else:
            self.mine += 1
            self._helping = True
            for _ in range(min(len(self._seats), 3)):
                named = self._seats.pop(0)
                tasks.encode_part(**{**named, "encoder": self.encoder or named["encoder"]})
            self._helping = False
        return RunEncoder().encode(texts)

    key = WordEncoder.key


def embed_and_choose(
    database: Database, settings: Settings, monkeypatch: pytest.MonkeyPatch, encoder: Helpers
) -> tuple[list[bytes], list[list[str]]]:
    """Vectors as they are stored, and the items of two batches in their order."""
    monkeypatch.setattr("tests.rounds.WordEncoder", lambda: encoder)
    monkeypatch.setattr(tasks, "call_helpers", encoder.call)
    rounds = Rounds(database, settings, monkeypatch, CONFIG)
    batches = []
    for _ in range(2):
        rounds.run()
        with database.read() as session:
            chosen = select(Item.item_id).join(Assignment, col(Assignment.item) == col(Item.id))
            batches.append(list(session.exec(chosen.order_by(col(Assignment.id)))))
        rounds.label(batches[-1])
    with database.read() as session:
        stored = session.exec(select(VectorSegment.vectors).order_by(col(VectorSegment.id)))
        return list(stored), batches


@pytest.fixture(autouse=True)
def _short_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(segments, "RUN", 16)
    monkeypatch.setattr(sharing, "_HELPER_WAITS_S", 0.02)


@pytest.fixture
def alone(
    tmp_path: Path, migrated_file: Path, redis_settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> tuple[list[bytes], list[list[str]]]:
    """What one worker stores and chooses."""
    encoder = Helpers()
    monkeypatch.setattr(encoder, "call", lambda *_, **__: None)
    with copied_database(migrated_file, tmp_path / "alone", redis_settings) as database:
        found = embed_and_choose(database, redis_settings, monkeypatch, encoder)
    assert (encoder.mine, encoder.runs) == (13, 0)
    return found


def test_shared_encoding_gives_the_same_vectors_and_the_same_batches(
    alone: tuple[list[bytes], list[list[str]]],
    tmp_path: Path,
    migrated_file: Path,
    redis_settings: Settings,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    encoder = Helpers()
    with copied_database(migrated_file, tmp_path / "shared", redis_settings) as database:
        vectors, batches = embed_and_choose(database, redis_settings, monkeypatch, encoder)
    assert encoder.runs == 9
    assert encoder.mine == 4
    assert vectors == alone[0]
    assert batches == alone[1]
    assert [len(batch) for batch in batches] == [20, 40]


def test_a_helper_with_other_weights_encodes_nothing(
    alone: tuple[list[bytes], list[list[str]]],
    tmp_path: Path,
    migrated_file: Path,
    redis_settings: Settings,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    encoder = Helpers("words@2")
    with copied_database(migrated_file, tmp_path / "other", redis_settings) as database:
        vectors, _ = embed_and_choose(database, redis_settings, monkeypatch, encoder)
    assert (encoder.mine, encoder.runs) == (13, 0)
    assert vectors == alone[0]


def test_a_helper_on_another_database_answers_nothing(
    redis_settings: Settings, tmp_path: Path, migrated_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tasks, "call_helpers", lambda *_, **__: None)
    with copied_database(migrated_file, tmp_path / "other", redis_settings) as database:
        held = Rounds(database, redis_settings, monkeypatch, CONFIG).held
        asked = dump_arrays({"items": np.array([1, 2]), "keys": np.array([3, 4])}, {})
        with pytest.raises(ConfigError, match="DATABASE_URL"):
            tasks._answer(held, WordEncoder(), asked)
