from dataclasses import replace

import numpy as np
import pytest

from shared.pool import Floats, Index
from tests.workers.drift.world import EVERYTHING, FAR, NEAR, Texts, draw, fit, join, look, sends_only
from workers.drift.candidates import campaign_candidates
from workers.drift.report import WindowReport

_KNOWN = draw(EVERYTHING, 2_000, seed=0)
_WINDOW = join(
    draw(EVERYTHING, 400, seed=1, first_id=10_000),
    draw(sends_only(NEAR, "mail"), 80, seed=2, first_id=11_000),
    draw(sends_only(FAR, "chat"), 20, seed=3, first_id=12_000),
)
_LABELED = join(
    draw(EVERYTHING, 300, seed=4, first_id=20_000), draw(sends_only(NEAR, "mail"), 30, seed=5, first_id=21_000)
)


@pytest.fixture(scope="module")
def report() -> WindowReport:
    return look(fit(_KNOWN), _WINDOW)


def test_four_fifths_are_drifted_items_and_one_fifth_labeled_ones(report: WindowReport) -> None:
    candidates = _candidates(report, budget=50)

    assert len(candidates["drift"]) == 40
    assert len(candidates["relabel"]) == 10
    assert set(candidates["drift"]) <= set(report.ids[report.drifted].tolist())
    assert len(set(candidates["drift"] + candidates["relabel"])) == 50


def test_drifted_items_are_of_all_new_topics_from_the_start(report: WindowReport) -> None:
    candidates = _candidates(report, budget=10)

    topic = dict(zip(_WINDOW.ids.tolist(), _WINDOW.topics.tolist(), strict=True))
    assert {topic[item] for item in candidates["drift"]} >= {NEAR, FAR}


def test_labeled_items_asked_again_are_those_nearest_to_the_drift(report: WindowReport) -> None:
    candidates = _candidates(report, budget=100)

    assert all(item >= 21_000 for item in candidates["relabel"])


def test_only_items_that_may_be_labeled_are_candidates(report: WindowReport) -> None:
    open_ids = report.ids[report.drifted][::2]
    rows = np.flatnonzero(np.isin(_WINDOW.ids, open_ids))[::-1]

    candidates = _candidates(report, budget=1_000, window=_rows(_WINDOW, rows))

    assert sorted(candidates["drift"]) == sorted(open_ids.tolist())


def test_a_labeled_item_of_the_window_is_not_asked_as_if_it_were_new(report: WindowReport) -> None:
    labeled = _rows(_WINDOW, np.flatnonzero(report.drifted)[:5])

    candidates = _candidates(report, budget=1_000, labeled=labeled)

    assert len(candidates["drift"]) == report.drifted.sum() - 5
    assert sorted(candidates["relabel"]) == labeled.ids.tolist()


def test_without_labels_the_whole_budget_is_for_drifted_items(report: WindowReport) -> None:
    candidates = _candidates(report, budget=20, labeled=_rows(_LABELED, np.empty(0, np.int64)))

    assert len(candidates["drift"]) == 20
    assert candidates["relabel"] == []


@pytest.mark.parametrize("budget", [1, 2, 3, 7, 10_000])
def test_the_budget_is_never_exceeded(report: WindowReport, budget: int) -> None:
    candidates = _candidates(report, budget=budget)

    total = len(candidates["drift"]) + len(candidates["relabel"])
    assert total == min(budget, int(report.drifted.sum()) + len(_LABELED))


def test_a_single_candidate_is_the_item_that_drifted_most(report: WindowReport) -> None:
    assert _candidates(report, budget=1)["drift"] == [
        report.ids[report.drifted][report.scores[report.drifted].argmax()]
    ]


def test_a_quiet_window_has_no_candidates() -> None:
    quiet = look(fit(_KNOWN), draw(EVERYTHING, 500, seed=6, first_id=30_000))

    assert _candidates(quiet, budget=50) == {"drift": [], "relabel": [], "audit": []}


def test_the_same_seed_gives_the_same_candidates(report: WindowReport) -> None:
    assert _candidates(report, budget=30) == _candidates(report, budget=30)


def test_a_fifth_is_what_chance_drew_and_is_not_asked_twice(report: WindowReport) -> None:
    drawn = report.ids[report.drifted][:30]

    candidates = _candidates(report, budget=50, drawn=drawn)

    assert candidates["audit"] == drawn[:10].tolist()
    assert len(candidates["drift"]) == 30
    assert len(set(candidates["drift"]) | set(candidates["relabel"]) | set(candidates["audit"])) == 50


def test_among_items_that_drifted_alike_the_one_that_would_teach_most_comes_first(report: WindowReport) -> None:
    best = int(report.ids[report.drifted][3])
    scores = replace(report, scores=np.zeros_like(report.scores))
    worth = (_WINDOW.ids == best).astype(np.float32)

    assert _candidates(scores, budget=1, worth=worth)["drift"] == [best]


def _candidates(
    report: WindowReport,
    *,
    budget: int,
    window: Texts = _WINDOW,
    labeled: Texts = _LABELED,
    worth: Floats | None = None,
    drawn: Index | None = None,
) -> dict[str, list[int]]:
    return campaign_candidates(
        report,
        vectors=window.vectors,
        ids=window.ids,
        labeled_vectors=labeled.vectors,
        labeled_ids=labeled.ids,
        budget=budget,
        rng=np.random.default_rng(0),
        worth=worth,
        drawn=drawn,
    )


def _rows(texts: Texts, rows: np.ndarray) -> Texts:
    return Texts(texts.vectors[rows], texts.ids[rows], [texts.sources[row] for row in rows], texts.topics[rows])
