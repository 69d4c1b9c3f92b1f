import json
from collections import Counter
from itertools import count
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.project import ProjectConfig, Task
from tests.workers.simulation.made_up import encode, make_config, make_dataset, make_rows, prepare_rows
from workers.selection.strategies import STRATEGIES
from workers.simulation.preparation import ReplayData, prepare
from workers.simulation.replay import RoundReport, rare_classes, replay


def run(data: ReplayData, config: ProjectConfig, **changes: Any) -> list[RoundReport]:
    ticks = count()
    asked: dict[str, Any] = {
        "strategy": "quietcorner",
        "encoder": "words@1",
        "init": 10,
        "rounds": 4,
        "rare": ("rare",),
    } | changes
    return list(replay(data, config, clock=lambda: float(next(ticks)), **asked))


@settings(deadline=None, max_examples=40)
@given(
    items=st.integers(20, 90),
    copies=st.lists(st.tuples(st.integers(0, 19), st.integers(0, 19)), max_size=8),
    strategy=st.sampled_from(sorted(STRATEGIES)),
    init=st.integers(1, 30),
    batch=st.integers(1, 30),
    rounds=st.integers(1, 6),
    seed=st.integers(0, 100),
)
def test_no_item_is_chosen_twice_nor_beside_its_duplicate_and_no_test_item_ever(
    items: int, copies: list[tuple[int, int]], strategy: str, init: int, batch: int, rounds: int, seed: int
) -> None:
    rows = make_rows(items, seed=seed)
    for one, other in copies:
        rows[one]["text"] = rows[other]["text"].upper()
    data, config = prepare_rows(rows, batch=batch, seed=seed)
    reports = run(data, config, strategy=strategy, init=init, rounds=rounds)
    chosen = [item.item_id for report in reports for item in report.selected]
    assert len(set(chosen)) == len(chosen)
    assert not set(chosen) & set(data.test.item_ids)
    group = dict(zip(data.pool.item_ids, data.pool.groups.tolist(), strict=True))
    assert max(Counter(group[item] for item in chosen).values()) == 1
    eligible = len(data.pool.eligible)
    expected = [min(init + batch * number, eligible) for number in range(rounds)]
    assert [report.labels for report in reports] == expected[: len(reports)]
    assert [len(report.selected) for report in reports] == np.diff([0, *expected[: len(reports)]]).tolist()
    assert len(reports) == rounds or reports[-1].labels == eligible


@settings(deadline=None, max_examples=20)
@given(strategy=st.sampled_from(sorted(STRATEGIES)), seed=st.integers(0, 100))
def test_what_is_counted_follows_from_what_was_chosen(strategy: str, seed: int) -> None:
    rows = make_rows(80, seed=seed)
    label = {row["id"]: row["label"] for row in rows}
    data, config = prepare_rows(rows, seed=seed)
    in_pool = Counter(label[item] for item in data.pool.item_ids)
    so_far: Counter[str] = Counter()
    for report in run(data, config, strategy=strategy):
        so_far.update(label[chosen.item_id] for chosen in report.selected)
        assert {name: metrics.labeled for name, metrics in report.per_class.items()} == {
            name: so_far[name] for name in ("common", "rare")
        }
        assert report.rare_recall_found == so_far["rare"] / in_pool["rare"]
        assert sum(metrics.support for metrics in report.per_class.values()) == len(data.test.item_ids)


def test_the_first_round_has_no_model_and_later_ones_name_theirs() -> None:
    reports = run(*prepare_rows(make_rows(120), rules=[{"name": "r", "class": "rare", "keywords": ["fraud"]}]))
    models = [{chosen.reason.model for chosen in report.selected} for report in reports]
    assert models == [{None}, {1}, {2}, {3}]
    assert [chosen.reason.rank for chosen in reports[1].selected] == [1, 2, 3, 4, 5]


def test_a_round_is_reported_with_the_model_that_learned_from_its_own_batch() -> None:
    rows = make_rows(120)
    data, config = prepare_rows(rows, batch=len(rows))
    last = run(data, config, strategy="random", rounds=2)[-1]
    assert last.labels == len(data.pool.eligible)
    assert last.macro_f1 > 0.9
    assert last.rare_recall_found == 1.0


def test_one_known_class_gives_metrics_of_zero_and_no_error() -> None:
    rows = make_rows(60)
    for row in rows:
        row["split"] = "test" if row["label"] == "rare" or row["id"] == "i1" else "train"
    for report in run(*prepare_rows(rows), rounds=2):
        assert (report.macro_f1, report.macro_pr_auc) == (0.0, 0.0)
        assert [metrics.pr_auc for metrics in report.per_class.values()] == [0.0, 0.0]
        assert {chosen.reason.predicted for chosen in report.selected} == {None}
        assert report.rare_recall_found is None  # the pool holds none to be found


def test_a_replay_of_several_labels_an_item_learns_each_class_for_itself() -> None:
    rows: list[dict[str, Any]] = [{**row, "label": [row["label"]]} for row in make_rows(120)]
    for row in rows[:30]:
        row["label"] = sorted({*row["label"], "second"})
        row["text"] += " delivery delivery"
    rows[40]["label"] = []
    dataset = make_dataset(rows, task=Task.MULTI)
    config = make_config(dataset, batch=40)
    reports = run(prepare(dataset, encode(dataset), config), config, rounds=3)
    assert reports[-1].per_class["second"].f1 > 0.8


def test_equal_arguments_give_the_same_reports_and_another_seed_others() -> None:
    def texts(seed: int) -> list[str]:
        return [json.dumps(report.as_json()) for report in run(*prepare_rows(make_rows(100), seed=seed))]

    assert texts(3) == texts(3)
    assert texts(3) != texts(4)


def test_seconds_are_those_of_the_clock_around_choosing_and_training() -> None:
    assert {(report.train_s, report.select_s) for report in run(*prepare_rows(make_rows(60)))} == {(1.0, 1.0)}


def test_a_report_as_json_holds_exactly_what_is_promised() -> None:
    report = run(*prepare_rows(make_rows(60)), rounds=1)[0].as_json()
    assert list(report) == [
        "round",
        "labels",
        "macro_f1",
        "macro_pr_auc",
        "rare_recall_found",
        "per_class",
        "train_s",
        "select_s",
        "selected",
    ]
    assert set(report["per_class"]["rare"]) == {"precision", "recall", "f1", "pr_auc", "support", "labeled"}
    assert set(report["selected"][0]) == {"item_id", "reason"}
    assert report["selected"][0]["reason"]["channel"] in {"coverage", "audit"}


def test_rare_is_what_has_under_half_of_an_even_share_of_the_pools_labels() -> None:
    data, _ = prepare_rows(make_rows(100))
    assert rare_classes(data) == ("rare",)
    even = make_rows(100)
    for number, row in enumerate(even):
        row["label"] = ("common", "rare")[number % 2]
    assert rare_classes(prepare_rows(even)[0]) == ()


def test_the_f1_of_rare_classes_leaves_out_those_that_are_not_tested() -> None:
    report = run(*prepare_rows(make_rows(60)), rounds=1)[0]
    assert report.rare_f1(("rare",)) == report.per_class["rare"].f1
    assert report.rare_f1(()) is None


@pytest.mark.parametrize("strategy", sorted(STRATEGIES))
def test_an_exhausted_pool_ends_the_replay_early(strategy: str) -> None:
    data, config = prepare_rows(make_rows(30), batch=20)
    reports = run(data, config, strategy=strategy, rounds=9)
    assert len(reports) == 2
    assert reports[-1].labels == len(data.pool.eligible)
