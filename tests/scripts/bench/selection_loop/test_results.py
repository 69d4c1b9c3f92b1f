from pathlib import Path

import pytest

from scripts.bench.selection_loop.results import Results
from shared.errors import InvalidInputError
from tests.scripts.bench.selection_loop.records import make_record


@pytest.fixture
def results(tmp_path: Path) -> Results:
    return Results(tmp_path / "out" / "results.jsonl")


def test_what_is_appended_is_read(results: Results) -> None:
    records = [make_record(seed=seed) for seed in range(3)]
    for record in records:
        results.append(record)
    assert list(results.read().values()) == records


def test_nothing_is_there_at_first(results: Results) -> None:
    assert results.read() == {}


def test_of_two_records_of_a_cell_the_later_counts(results: Results) -> None:
    results.append(make_record(over_caps=1))
    results.append(make_record(over_caps=2))
    assert [record.over_caps for record in results.read().values()] == [2]


def test_a_line_cut_short_by_a_kill_is_run_again(results: Results) -> None:
    results.append(make_record(seed=0))
    results.append(make_record(seed=1))
    whole = results.path.read_bytes()
    results.path.write_bytes(whole[:-40])
    assert [cell.seed for cell in results.read()] == [0]
    results.append(make_record(seed=2))
    assert [cell.seed for cell in results.read()] == [0, 2]


def test_another_file_is_refused(results: Results) -> None:
    results.path.parent.mkdir()
    results.path.write_text('{"text": "not a record"}\n')
    with pytest.raises(InvalidInputError, match="line 1"):
        results.read()


def test_forgotten_cells_are_gone_and_the_others_stay(results: Results) -> None:
    for strategy in ("quietcorner", "random"):
        for seed in range(2):
            results.append(make_record(strategy=strategy, seed=seed))
    assert results.forget(cell for cell in results.read() if cell.strategy == "quietcorner") == 2
    assert [(cell.strategy, cell.seed) for cell in results.read()] == [("random", 0), ("random", 1)]
