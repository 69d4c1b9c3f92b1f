"""The product sees the words of a set's texts, as a project of it would, and can be measured without."""

from pathlib import Path

from scripts.bench.selection_loop.prepared import prepare_set
from scripts.bench.selection_loop.sets import BenchSet
from scripts.bench.training_loop.cases import run_cells
from scripts.bench.training_loop.methods import PRODUCT, VECTORS
from scripts.bench.training_loop.record import Cell
from tests.workers.simulation.made_up import encode, make_dataset, make_rows, write_rows


def test_the_product_is_measured_with_the_words_of_texts_and_without(tmp_path: Path) -> None:
    rows = make_rows(800)
    bench_set = BenchSet("mail", write_rows(tmp_path / "mail.jsonl", rows))
    prepared = prepare_set(bench_set, seed=0, vectors=encode(make_dataset(rows)), folder=None)
    cells = [Cell(set="mail", seed=0, labels=100, method=method) for method in (PRODUCT, VECTORS)]
    records = list(run_cells(prepared, cells, machine="none"))
    assert [record.cell.method for record in records] == [PRODUCT, VECTORS]
    assert records[0].macro_f1 > 0.9
    assert records[0].calibration_error != records[1].calibration_error
