"""Records are kept line by line, and the tables hold what they say."""

from pathlib import Path

import pytest

from scripts.bench.records import append, write
from scripts.bench.training_loop.methods import PLAIN, PRODUCT
from scripts.bench.training_loop.record import Cell, Record, read
from scripts.bench.training_loop.tables import against_product, over_sets, report
from shared.errors import InvalidInputError


def make_record(*, method: str = PLAIN, seed: int = 0, of: str = "one", labels: int = 200, f1: float = 0.5) -> Record:
    return Record(
        cell=Cell(set=of, seed=seed, labels=labels, method=method),
        rare_classes=("rare",),
        rare_labels=3,
        macro_f1=f1,
        rare_pr_auc=f1 / 2,
        calibration_error=0.01,
        seconds=1.5,
        machine="2 cores",
        date="2026-01-01",
    )


def by_cell(records: list[Record]) -> dict[Cell, Record]:
    return {record.cell: record for record in records}


def test_what_is_added_is_read_and_a_line_cut_short_is_not(tmp_path: Path) -> None:
    path = tmp_path / "out" / "results.jsonl"
    assert read(path) == {}
    records = [make_record(seed=seed) for seed in range(3)]
    write(path, records[:1])
    for record in records[1:]:
        append(path, record)
    assert read(path) == by_cell(records)
    path.write_bytes(path.read_bytes()[:-20])
    assert read(path) == by_cell(records[:2])
    write(path, read(path).values())
    append(path, records[2])
    assert read(path) == by_cell(records)


def test_a_file_of_something_else_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "results.jsonl"
    path.write_text('{"a": 1}\n')
    with pytest.raises(InvalidInputError, match="line 1: not a record"):
        read(path)


def test_differences_are_those_of_the_same_set_and_seed() -> None:
    records = [make_record(seed=seed, of=name, f1=0.4 + seed / 10) for seed in range(3) for name in ("one", "two")]
    records += [
        make_record(method=PRODUCT, seed=seed, of=name, f1=0.5 + seed / 10)
        for seed in range(3)
        for name in ("one", "two")
    ]
    lines = over_sets(by_cell(records), "macro_f1", [200]).splitlines()
    assert lines[2] == f"| {PRODUCT} | 0.600 (+0.100 [+0.100, +0.100]) |"
    assert lines[3] == f"| {PLAIN} | 0.500 |"
    lines = against_product(by_cell(records), "macro_f1", [200]).splitlines()
    assert lines[2:] == [f"| {PLAIN} | -0.100 [-0.100, -0.100] |"]


def test_a_set_that_has_fewer_labels_than_asked_for_is_left_out_of_that_column() -> None:
    records = [make_record(of="one", f1=0.4), make_record(of="two", f1=0.6), make_record(of="one", labels=900, f1=0.7)]
    lines = over_sets(by_cell(records), "macro_f1", [200, 900]).splitlines()
    assert lines[2] == f"| {PLAIN} | 0.500 | 0.700 |"
    text = report(by_cell(records))
    assert "### macro-F1, 900 labels\n\n| trained by | one |\n" in text
    assert "| trained by | one | two |" in text
    assert f"| {PLAIN} | 1.50 | 1.50 |" in text
