"""The vector store: what goes in comes out, and the local copy mends itself."""

import json
from pathlib import Path

import numpy as np
import pytest

from shared import vectors as store
from shared.backup import restore_backup, write_backup
from shared.database import Database
from shared.settings import Settings
from shared.vectors import (
    VectorTable,
    append_segment,
    count_vectors,
    first_vectors,
    latest_vectors,
    load_vectors,
    name_of_first,
    stored_keys,
    text_key,
)
from tests.rounds import copied_database


def fill(database: Database, keys: range, *, encoder: str = "e", seed: int = 0) -> np.ndarray:
    vectors = np.random.default_rng(seed).normal(size=(len(keys), 8)).astype(np.float16)
    with database.write() as session:
        append_segment(session, space="p", encoder=encoder, keys=np.array(keys, dtype=np.int64), vectors=vectors)
    return vectors


def load(database: Database, folder: Path, *, encoder: str = "e") -> VectorTable:
    with database.read() as session:
        return load_vectors(session, space="p", encoder=encoder, folder=folder)


def test_vectors_are_found_by_key_whatever_the_order_of_segments(database: Database, tmp_path: Path) -> None:
    late, early = fill(database, range(100, 120)), fill(database, range(-10, 10), seed=1)
    table = load(database, tmp_path)
    rows = table.locate(np.array([105, -3, 999]))
    assert np.array_equal(table.matrix[rows[0]], late[5])
    assert np.array_equal(table.matrix[rows[1]], early[7])
    assert rows[2] == -1
    with database.read() as session:
        assert count_vectors(session, space="p", encoder="e") == 40
        assert set(stored_keys(session, space="p", encoder="e").tolist()) == {*range(100, 120), *range(-10, 10)}


def test_vectors_of_different_encoders_never_meet(database: Database, tmp_path: Path) -> None:
    fill(database, range(5))
    assert len(load(database, tmp_path, encoder="other").keys) == 0


@pytest.mark.parametrize("at_a_time", [7, 1_000])
def test_a_few_vectors_are_found_from_the_newest_on(
    database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, at_a_time: int
) -> None:
    monkeypatch.setattr(store, "_LOOKED_THROUGH", at_a_time)
    early, late = fill(database, range(20)), fill(database, range(100, 120), seed=1)

    def find(*keys: int) -> np.ndarray | None:
        with database.read() as session:
            return latest_vectors(session, space="p", encoder="e", folder=tmp_path, keys=np.array(keys, np.int64))

    found = find(119, 3, 100, 3)
    assert found is not None
    assert np.array_equal(found, np.stack([late[19], early[3], late[0], early[3]]))
    assert find(119, 50) is None


def test_of_nothing_no_vector_is_found(database: Database, tmp_path: Path) -> None:
    with database.read() as session:
        assert latest_vectors(session, space="p", encoder="e", folder=tmp_path, keys=np.array([1])) is None


def test_the_copy_grows_by_what_is_new(database: Database, tmp_path: Path) -> None:
    fill(database, range(5))
    before = load(database, tmp_path)
    more = fill(database, range(5, 9), seed=2)
    after = load(database, tmp_path)
    assert len(before.keys) == 5
    assert np.array_equal(after.matrix[after.locate(np.array([8]))[0]], more[3])
    assert np.array_equal(before.matrix, after.matrix[:5])


@pytest.mark.parametrize(
    "damage", ["cut vectors", "cut keys", "half-written tail", "broken index", "old index", "foreign copy"]
)
def test_a_damaged_copy_is_made_anew(database: Database, tmp_path: Path, damage: str) -> None:
    vectors = fill(database, range(50))
    copies = tmp_path / "copies"
    load(database, copies)
    (copy,) = copies.iterdir()
    match damage:
        case "cut vectors":
            (copy / "vectors.f16").write_bytes(b"x" * 30)
        case "cut keys":
            (copy / "keys.i64").write_bytes(b"")
        case "half-written tail":
            with (copy / "vectors.f16").open("ab") as file:
                file.write(b"left by a killed process")
            fill(database, range(50, 60), seed=3)
        case "broken index":
            (copy / "segments.json").write_text("{")
        case "old index":
            marked = json.loads((copy / "segments.json").read_text())
            (copy / "segments.json").write_text(json.dumps([segment[:3] for segment in marked]))
            (copy / "vectors.f16").write_bytes(b"x" * vectors.nbytes)
        case "foreign copy":
            (copy / "segments.json").write_text('[[99, 50, 8, "other"]]')
    table = load(database, copies)
    assert np.array_equal(table.matrix[table.locate(np.arange(50))], vectors)


def test_the_copy_of_another_database_with_as_many_vectors_is_made_anew(
    migrated_file: Path, settings: Settings, tmp_path: Path
) -> None:
    with (
        copied_database(migrated_file, tmp_path / "one", settings) as one,
        copied_database(migrated_file, tmp_path / "two", settings) as two,
    ):
        fill(one, range(50))
        vectors = fill(two, range(50), seed=1)
        other = load(one, tmp_path / "copies")
        table = load(two, tmp_path / "copies")
        assert [segment[:3] for segment in other.segments] == [segment[:3] for segment in table.segments]
        assert np.array_equal(table.matrix[table.locate(np.arange(50))], vectors)


def test_the_copy_of_a_database_that_was_restored_and_took_another_course_is_made_anew(
    database: Database, tmp_path: Path
) -> None:
    before = fill(database, range(50))
    write_backup(database, tmp_path / "copy.zip", advance=lambda *_: None)
    restored = Database(f"sqlite:///{tmp_path / 'restored.db'}")
    restore_backup(restored, tmp_path / "copy.zip", advance=lambda *_: None)
    fill(database, range(50, 90), seed=1)
    vectors = fill(restored, range(50, 90), seed=2)
    known = load(database, tmp_path / "copies")
    with restored.read() as session:
        table = load_vectors(session, space="p", encoder="e", folder=tmp_path / "copies", known=known)
    assert [segment[:3] for segment in known.segments] == [segment[:3] for segment in table.segments]
    assert known.segments[0] == table.segments[0]
    assert np.array_equal(table.matrix[table.locate(np.arange(90))], np.vstack([before, vectors]))
    restored.close()


def test_the_key_of_a_text_is_the_same_everywhere_and_fits_the_database() -> None:
    assert text_key("") == text_key("")
    assert text_key("a") != text_key("b")
    assert -(2**63) <= text_key("\ud800 and more") < 2**63


def test_the_first_segments_come_in_the_order_in_which_they_were_stored_and_have_one_name(
    database: Database, tmp_path: Path
) -> None:
    fill(database, range(100, 120)), fill(database, range(10), seed=1)
    pool = load(database, tmp_path / "here").matrix
    with database.read() as session:
        name = name_of_first(session, space="p", encoder="e", count=30)
    fill(database, range(50, 55), seed=2)
    with database.read() as session:
        found = first_vectors(session, space="p", encoder="e", folder=tmp_path / "there", count=30)
        assert found is not None
        assert np.array_equal(found[0], pool)
        assert found[1] == name
        assert name_of_first(session, space="p", encoder="e", count=20) not in {name, None}
        assert first_vectors(session, space="p", encoder="e", folder=tmp_path / "there", count=29) is None
        assert first_vectors(session, space="p", encoder="other", folder=tmp_path / "there", count=30) is None
    assert len(load(database, tmp_path / "there").keys) == 35
