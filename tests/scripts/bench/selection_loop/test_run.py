import sys
from pathlib import Path

import numpy as np
import pytest

from scripts.bench.selection_loop import __main__ as command
from scripts.bench.selection_loop import stored
from scripts.bench.selection_loop.record import Cell, Condition
from scripts.bench.selection_loop.results import Results
from scripts.bench.selection_loop.sets import BenchSet, read_thinned
from scripts.bench.selection_loop.work import plan_jobs
from tests.workers.simulation.made_up import WordEncoder, make_rows, write_rows


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(stored, "load_encoder", lambda _name, threads: WordEncoder() if threads else None)
    (tmp_path / "data").mkdir()
    write_rows(tmp_path / "data" / "mail.jsonl", make_rows(160))
    return tmp_path


def _run(monkeypatch: pytest.MonkeyPatch, folder: Path, *arguments: str) -> int:
    always = ["--data", str(folder / "data"), "--out", str(folder / "out")]
    monkeypatch.setattr(sys, "argv", ["selection", *always, *arguments])
    return command.main()


def test_a_run_goes_on_where_it_stopped_and_the_report_compares_what_is_there(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    usual = ["--init", "20", "--batch", "10", "--rounds", "3", "--jobs", "1"]
    assert _run(monkeypatch, folder, *usual, "--seeds", "1", "--strategies", "random") == 0
    first = (folder / "out" / "results.jsonl").read_text()
    assert _run(monkeypatch, folder, *usual, "--seeds", "2", "--strategies", "random", "badge", "all-labels") == 0
    assert "1 of 6 replays are there; 5 to run" in capsys.readouterr().err
    results = Results(folder / "out" / "results.jsonl")
    assert results.path.read_text().startswith(first)
    cells = {(cell.strategy, cell.seed) for cell in results.read()}
    assert cells == {(strategy, seed) for strategy in ("random", "badge", "all-labels") for seed in range(2)}

    assert _run(monkeypatch, folder, "--report") == 0
    assert "| badge |" in capsys.readouterr().out
    assert _run(monkeypatch, folder, "--report", "--strategies", "random") == 0
    assert "| badge |" not in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--sets", "post"), "unknown set 'post'; there are: mail"),
        (("--strategies", "best"), "unknown strategy 'best'; there are: quietcorner, random"),
    ],
)
def test_what_is_unknown_is_named_beside_what_there_is(
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    arguments: tuple[str, str],
    said: str,
) -> None:
    assert _run(monkeypatch, folder, *arguments) == 2
    assert said in capsys.readouterr().err


def test_a_missing_folder_ends_with_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert _run(monkeypatch, tmp_path / "nowhere") == 2
    assert "--data FOLDER" in capsys.readouterr().err


def test_jobs_take_a_case_each_and_go_seed_by_seed() -> None:
    condition = Condition(init=5, batch=5, rounds=2)
    sets = {name: BenchSet(name, Path(name)) for name in ("mail", "post")}
    cells = [
        Cell(set=name, strategy=strategy, seed=seed, condition=condition)
        for name in sets
        for strategy in ("random", "badge")
        for seed in (1, 0)
    ]
    jobs = plan_jobs(cells, sets)
    assert [(job.seed, job.bench_set.name) for job in jobs] == [(0, "mail"), (0, "post"), (1, "mail"), (1, "post")]
    assert {job.strategies for job in jobs} == {("random", "badge")}


def test_a_filled_cache_is_read_without_its_encoder(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    bench_set = BenchSet("mail", folder / "data" / "mail.jsonl")
    key = stored.fill_cache([bench_set], folder=folder / "cache", encoder="any", advance=lambda *_: None)
    monkeypatch.delattr(stored, "load_encoder")
    assert stored.fill_cache([bench_set], folder=folder / "cache", encoder="any", advance=lambda *_: None) == key
    table = stored.stored_vectors(folder / "cache", key)
    assert len(table.keys) == 160
    assert np.asarray(table.matrix).shape == (160, 64)


def test_a_file_that_changed_is_encoded_again(folder: Path) -> None:
    bench_set = BenchSet("mail", folder / "data" / "mail.jsonl")
    told: list[tuple[str, int, int]] = []
    for items in (160, 170):
        write_rows(bench_set.file, make_rows(items))
        read_thinned.cache_clear()
        stored.fill_cache(
            [bench_set], folder=folder / "cache", encoder="any", advance=lambda *progress: told.append(progress)
        )
    assert told[0] == ("mail.jsonl", 0, 160)
    assert told[-1] == ("mail.jsonl", 10, 10)
