"""A set gets lexical features for its own texts, whatever else the cache of vectors holds."""

from pathlib import Path

import numpy as np

from scripts.bench.selection_loop.prepared import prepare_set
from scripts.bench.selection_loop.sets import BenchSet
from scripts.bench.training_loop.cases import run_cells, with_lexical
from scripts.bench.training_loop.methods import LEXICAL, PRODUCT
from scripts.bench.training_loop.record import Cell
from tests.workers.simulation.made_up import encode, make_dataset, make_rows, write_rows


def test_a_set_has_the_features_of_its_own_texts(tmp_path: Path) -> None:
    rows = make_rows(800)
    vectors = encode(make_dataset([*make_rows(30, seed=9), *rows]))
    bench_set = BenchSet("mail", write_rows(tmp_path / "mail.jsonl", rows))
    plain = prepare_set(bench_set, seed=0, vectors=vectors, folder=None)
    found = with_lexical(plain, bench_set, vectors, seed=0)
    pool, test = found.data.pool, found.data.test
    assert plain.data.pool.lexical is None
    words = pool.features[np.concatenate([pool.rows, test.rows])][:, pool.matrix.shape[1] :].astype(np.float32)
    assert np.linalg.norm(words, axis=1).min() > 0.1
    cells = [Cell(set="mail", seed=0, labels=100, method=method) for method in (PRODUCT, LEXICAL)]
    records = list(run_cells(found, cells, machine="none"))
    assert [record.cell.method for record in records] == [PRODUCT, LEXICAL]
    assert records[1].macro_f1 > 0.9
