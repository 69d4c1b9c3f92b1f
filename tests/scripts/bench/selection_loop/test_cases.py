from collections.abc import Iterator
from itertools import count
from pathlib import Path

import numpy as np
import pytest

from scripts.bench.selection_loop.cases import Case, make_case, run_cell
from scripts.bench.selection_loop.record import ALL_LABELS, Condition
from scripts.bench.selection_loop.sets import BenchSet
from scripts.bench.selection_peers.registry import LEFT_OUT, PEERS, join_strategies
from tests.workers.simulation.made_up import encode, make_rows, write_rows
from workers.selection.strategies import STRATEGIES
from workers.simulation.dataset import read_dataset
from workers.simulation.replay import RoundReport, replay

_CONDITION = Condition(init=20, batch=10, rounds=4)


@pytest.fixture(autouse=True)
def joined() -> Iterator[None]:
    before = dict(STRATEGIES)
    join_strategies()
    yield
    STRATEGIES.clear()
    STRATEGIES.update(before)


@pytest.fixture
def bench_set(tmp_path: Path) -> BenchSet:
    rows = make_rows(240)
    for number, row in enumerate(rows):
        row["source"] = f"source-{number % 4}"
    return BenchSet("mail", write_rows(tmp_path / "mail.jsonl", rows))


def _case(bench_set: BenchSet, condition: Condition = _CONDITION, seed: int = 0) -> Case:
    vectors = encode(read_dataset(bench_set.file))
    return make_case(bench_set, seed=seed, condition=condition, vectors=vectors, encoder="words@1")


def _replay(case: Case, strategy: str) -> list[RoundReport]:
    ticks = count()
    return list(
        replay(
            case.data,
            case.config,
            strategy=strategy,
            encoder="words@1",
            init=20,
            rounds=4,
            rare=("rare",),
            clock=lambda: float(next(ticks)),
        )
    )


def test_a_cell_tells_what_simulate_would_tell(bench_set: BenchSet) -> None:
    case = _case(bench_set)
    record, reports = run_cell(case, "quietcorner", machine="here"), _replay(case, "quietcorner")
    assert record.rare_classes == ("rare",)
    assert record.labels == (20, 30, 40, 50)
    assert record.macro_f1 == tuple(round(report.macro_f1, 5) for report in reports)
    assert record.rare_pr_auc == tuple(round(report.per_class["rare"].pr_auc or 0.0, 5) for report in reports)
    assert len(record.rare_found_at) == reports[-1].per_class["rare"].labeled
    assert record.missing == record.over_caps == 0


@pytest.mark.parametrize("strategy", ["quietcorner", *sorted(PEERS), *LEFT_OUT])
def test_the_same_cell_gives_the_same_curve_again(bench_set: BenchSet, strategy: str) -> None:
    first, second = (run_cell(_case(bench_set), strategy, machine="here") for _ in range(2))
    assert first.labels == (20, 30, 40, 50)
    assert (first.macro_f1, first.rare_found_at) == (second.macro_f1, second.rare_found_at)


@pytest.mark.parametrize("left_out", LEFT_OUT)
def test_once_there_is_a_model_no_item_is_chosen_by_a_channel_that_is_left_out(
    bench_set: BenchSet, left_out: str
) -> None:
    reports = _replay(_case(bench_set), left_out)
    assert left_out.removeprefix("quietcorner-without-") not in {
        chosen.reason.channel for report in reports[1:] for chosen in report.selected
    }


@pytest.mark.parametrize("strategy", ["margin", *sorted(PEERS)])
def test_a_strategy_that_needs_a_model_begins_with_the_same_random_items_as_random(
    bench_set: BenchSet, strategy: str
) -> None:
    case = _case(bench_set, _CONDITION.model_copy(update={"rounds": 1}))
    first, at_random = (run_cell(case, name, machine="here") for name in (strategy, "random"))
    same = (first.macro_f1, first.rare_found_at) == (at_random.macro_f1, at_random.rare_found_at)
    assert same == (strategy not in PEERS or PEERS[strategy].needs_model)


def test_all_labels_are_one_round_of_the_whole_pool_without_caps(bench_set: BenchSet) -> None:
    case = _case(bench_set, _CONDITION.model_copy(update={"caps": True}))
    record = run_cell(case, ALL_LABELS, machine="here")
    assert record.labels == (record.eligible,)
    assert record.missing == 0


def test_noise_changes_what_is_told_but_not_what_counts_as_rare(bench_set: BenchSet) -> None:
    clean, noisy = _case(bench_set), _case(bench_set, _CONDITION.model_copy(update={"noise": 0.5}))
    assert (clean.data.truth != noisy.data.truth).any()
    np.testing.assert_array_equal(clean.is_rare, noisy.is_rare)
    np.testing.assert_array_equal(clean.data.test.targets, noisy.data.test.targets)
    np.testing.assert_array_equal(clean.data.pool.ids, noisy.data.pool.ids)


@pytest.mark.parametrize("strategy", ["quietcorner", "random", *sorted(PEERS)])
def test_caps_are_kept_by_every_strategy(bench_set: BenchSet, strategy: str) -> None:
    case = _case(bench_set, _CONDITION.model_copy(update={"caps": True}))
    assert case.config.caps.classes
    assert case.config.caps.sources
    record = run_cell(case, strategy, machine="here")
    assert record.over_caps == 0
    assert record.missing == 50 - record.labels[-1]
