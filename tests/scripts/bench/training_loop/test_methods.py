"""Every method trains on labels of one and of several classes an item, and says something of every item."""

from dataclasses import replace

import numpy as np
import pytest

from scripts.bench.selection_loop.prepared import Prepared
from scripts.bench.training_loop.cases import calibration_error, run_cells
from scripts.bench.training_loop.methods import METHODS, PLAIN, PRODUCT, Task
from scripts.bench.training_loop.record import Cell
from shared.project import ProjectConfig
from shared.project import Task as Kind
from tests.pools import make_pool
from workers.simulation.preparation import ReplayData, TestSet
from workers.training import fitting

pytest.importorskip("imblearn", reason="imbalanced-learn is not installed: pip install -e .[bench]")


def made_up(kind: Kind) -> Prepared:
    """300 items for the pool and 200 for the test, of a class of half, one of a third and a rare one."""
    pool, truth = make_pool(items=500, classes=("a", "b", "c"), shares=(0.55, 0.35, 0.1), seed=2)
    if kind is Kind.MULTI:
        truth = truth & (np.arange(500) % 7 > 0)[:, None]  # some hold none
    inside = np.arange(500) < 300
    fields = {name: getattr(pool, name)[inside] for name in ("ids", "rows", "sources", "groups", "families", "draws")}
    fields |= {name: getattr(pool, name)[inside] for name in ("folds", "bands", "rule_hits", "rule_scores")}
    fields |= {name: getattr(pool, name)[inside] for name in ("targets", "labeled", "queued")}
    smaller = replace(pool, item_ids=pool.item_ids[:300], **fields)
    names = tuple(pool.item_ids[300:])
    data = ReplayData(smaller, truth[inside], TestSet(names, np.arange(300, 500), truth[~inside]), left_out=0)
    return Prepared(kind, ("c",), data)


@pytest.mark.parametrize("kind", [Kind.SINGLE, Kind.MULTI])
def test_every_method_learns(kind: Kind) -> None:
    cells = [Cell(set="made-up", seed=1, labels=120, method=method) for method in METHODS]
    records = list(run_cells(made_up(kind), cells, machine="none"))
    assert [record.cell for record in records] == cells
    for record in records:
        assert record.macro_f1 > 0.5, record
        assert record.rare_pr_auc is not None
        assert record.rare_pr_auc > 0.4, record


def test_a_case_of_more_labels_than_there_are_is_left_out() -> None:
    cells = [Cell(set="made-up", seed=1, labels=labels, method=PLAIN) for labels in (100, 301)]
    (record,) = run_cells(made_up(Kind.SINGLE), cells, machine="none")
    assert record.cell.labels == 100


def test_fewer_labels_are_part_of_more() -> None:
    seen = []

    def watched(task: Task) -> tuple[np.ndarray, np.ndarray]:
        seen.append(set(task.rows.tolist()))
        return METHODS[PLAIN](task)

    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(METHODS, "watched", watched)
        cells = [Cell(set="made-up", seed=1, labels=labels, method="watched") for labels in (50, 100)]
        assert len(list(run_cells(made_up(Kind.SINGLE), cells, machine="none"))) == 2
    assert seen[0] < seen[1]
    assert [len(rows) for rows in seen] == [50, 100]


def test_a_class_of_a_single_label_and_a_class_of_none_stop_no_method() -> None:
    prepared = made_up(Kind.SINGLE)
    pool = prepared.data.pool
    rows = (
        np.flatnonzero(prepared.data.truth[:, 0])[:30].tolist() + np.flatnonzero(prepared.data.truth[:, 2])[:1].tolist()
    )
    is_labeled = np.isin(np.arange(300), rows)
    labeled = replace(pool, labeled=is_labeled, targets=prepared.data.truth & is_labeled[:, None])
    task = Task(labeled, np.flatnonzero(is_labeled), ProjectConfig(classes=pool.classes), prepared.data.test.rows)
    for name, method in METHODS.items():
        probability, decided = method(task)
        assert probability.shape == decided.shape == (200, 3), name
        assert np.isfinite(probability).all(), name
        assert decided.sum(axis=1).tolist() == [1] * 200, name


def test_the_product_without_calibration_decides_as_its_weighted_scores_do() -> None:
    prepared = made_up(Kind.SINGLE)
    is_labeled = np.arange(300) < 150
    pool = replace(prepared.data.pool, labeled=is_labeled, targets=prepared.data.truth & is_labeled[:, None])
    task = Task(pool, np.arange(150), ProjectConfig(classes=pool.classes), prepared.data.test.rows)
    probable, bent = (METHODS[name](task)[0] for name in (PRODUCT, "without calibration"))
    assert bent[:, 2].mean() > probable[:, 2].mean()
    calibrated, decided = METHODS["without offsets"](task)
    assert np.array_equal(calibrated, probable)
    assert np.array_equal(decided.argmax(axis=1), probable.argmax(axis=1))
    assert fitting.learnable(pool.targets[:150]).all()


def test_probabilities_that_come_true_have_no_error_and_others_have_theirs() -> None:
    rng = np.random.default_rng(0)
    probability = rng.random((50_000, 2)).astype(np.float32)
    targets = rng.random((50_000, 2)) < probability
    assert calibration_error(targets, probability) < 0.01
    assert calibration_error(targets, np.clip(probability + 0.2, 0, 1.2)) == pytest.approx(0.2, abs=0.01)
