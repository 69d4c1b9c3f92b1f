from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from scripts.bench.selection_loop import prepared as module
from scripts.bench.selection_loop.prepared import Prepared, prepare_set
from scripts.bench.selection_loop.sets import BenchSet, read_thinned
from shared.vectors import VectorTable
from tests.workers.simulation.made_up import encode, make_dataset, make_rows, write_rows
from workers.simulation.dataset import read_dataset


@pytest.fixture
def bench_set(tmp_path: Path) -> BenchSet:
    rows = make_rows(120)
    rows[3]["text"] = rows[4]["text"].upper()
    return BenchSet("mail", write_rows(tmp_path / "mail.jsonl", rows))


def _forbid(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: Any, **__: Any) -> None:
        raise AssertionError("prepared again")

    monkeypatch.setattr(module, "prepare", refuse)


def test_what_is_kept_is_what_was_prepared(
    bench_set: BenchSet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    vectors = encode(read_dataset(bench_set.file))
    fresh = prepare_set(bench_set, seed=1, vectors=vectors, folder=None)
    prepare_set(bench_set, seed=1, vectors=vectors, folder=tmp_path / "kept")
    _forbid(monkeypatch)
    kept = prepare_set(bench_set, seed=1, vectors=vectors, folder=tmp_path / "kept")

    assert (kept.task, kept.rare, kept.data.left_out) == (fresh.task, fresh.rare, fresh.data.left_out)
    _assert_equal(kept, fresh)


def test_lexical_features_are_kept_with_the_texts_that_have_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = make_rows(800)
    bench_set = BenchSet("mail", write_rows(tmp_path / "mail.jsonl", rows))
    vectors = encode(make_dataset([*make_rows(30, seed=9), *rows]))
    fresh = prepare_set(bench_set, seed=0, vectors=vectors, folder=None)
    prepare_set(bench_set, seed=0, vectors=vectors, folder=tmp_path / "kept")
    _forbid(monkeypatch)
    kept = prepare_set(bench_set, seed=0, vectors=vectors, folder=tmp_path / "kept")
    places = np.concatenate([fresh.data.pool.rows, fresh.data.test.rows])
    features = kept.data.pool.features[places]
    np.testing.assert_array_equal(features, fresh.data.pool.features[places])
    words = features[:, vectors.matrix.shape[1] :].astype(np.float32)
    assert np.linalg.norm(words, axis=1).min() > 0.1


def test_a_cache_that_numbers_its_rows_otherwise_gives_the_same_vectors(
    bench_set: BenchSet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    vectors = encode(read_dataset(bench_set.file))
    fresh = prepare_set(bench_set, seed=0, vectors=vectors, folder=tmp_path / "kept")
    _forbid(monkeypatch)
    turned = VectorTable(vectors.keys, len(vectors.keys) - 1 - vectors.rows, vectors.matrix[::-1])
    kept = prepare_set(bench_set, seed=0, vectors=turned, folder=tmp_path / "kept")

    everything = np.arange(len(fresh.data.pool))
    np.testing.assert_array_equal(kept.data.pool.vectors(everything), fresh.data.pool.vectors(everything))
    np.testing.assert_array_equal(turned.matrix[kept.data.test.rows], vectors.matrix[fresh.data.test.rows])


def test_another_seed_or_another_file_is_prepared_anew(bench_set: BenchSet, tmp_path: Path) -> None:
    vectors = encode(read_dataset(bench_set.file))
    for seed in (0, 1, 1):
        prepare_set(bench_set, seed=seed, vectors=vectors, folder=tmp_path / "kept")
    assert len(list((tmp_path / "kept").iterdir())) == 2
    write_rows(bench_set.file, make_rows(100))
    read_thinned.cache_clear()
    changed = prepare_set(bench_set, seed=0, vectors=encode(read_dataset(bench_set.file)), folder=tmp_path / "kept")
    assert len(changed.data.pool) + len(changed.data.test.item_ids) == 100


def test_a_cache_without_the_texts_is_an_error(bench_set: BenchSet, tmp_path: Path) -> None:
    vectors = encode(read_dataset(bench_set.file))
    prepare_set(bench_set, seed=0, vectors=vectors, folder=tmp_path / "kept")
    fewer = VectorTable(vectors.keys[1:], vectors.rows[1:], vectors.matrix)
    for folder in (tmp_path / "kept", None):
        with pytest.raises(RuntimeError, match=r"lacks 1 text\(s\)"):
            prepare_set(bench_set, seed=0, vectors=fewer, folder=folder)


def _assert_equal(kept: Prepared, fresh: Prepared) -> None:
    np.testing.assert_array_equal(kept.data.truth, fresh.data.truth)
    for ours, theirs in ((kept.data.pool, fresh.data.pool), (kept.data.test, fresh.data.test)):
        for field in fields(ours):
            one, other = getattr(ours, field.name), getattr(theirs, field.name)
            np.testing.assert_array_equal(one, other)
            assert getattr(one, "dtype", None) == getattr(other, "dtype", None)
