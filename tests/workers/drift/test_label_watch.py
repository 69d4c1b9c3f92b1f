"""A look at the audit sample: what it sees is seen once, nothing it says is known from the item itself."""

import json
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from shared.pool import Index, Mask, Pool
from shared.project import ProjectConfig
from tests.pools import make_pool
from workers.drift import label_watch
from workers.drift.doubtful_items import doubtful_candidates
from workers.drift.label_alarms import ended, notices
from workers.drift.label_watch import Asked, Look, Standing
from workers.training import audit
from workers.training.tuning import train

NOBODY = label_watch.given_answers(make_pool(items=2)[0], [])
NOTHING = np.zeros(0, dtype=np.int64)


class Watched:
    """A pool of 3,000 items whose audit sample grows, watched look by look."""

    def __init__(self, *, seed: int = 0) -> None:
        self.pool, self.truth = make_pool(items=3_000, dimension=32, shares=(0.7, 0.3), seed=seed)
        self.config = ProjectConfig(classes=self.pool.classes, seed=seed)
        self._targets = np.zeros_like(self.truth)
        self.thresholds: dict[str, float] = {}
        self.standing = label_watch.begin({}, at=0.0)
        self.seen, self.seen_in, self._number = NOTHING, NOTHING, 0

    def asked(self, draws: int, *, turned: bool = False, **parts: Any) -> Asked:
        """Let more items into the sample and answer them, maybe the other way round."""
        sample = audit.extend(self.pool, self.thresholds, draws=draws)
        new = np.flatnonzero(sample.members & ~self.pool.labeled)
        self._targets[new] = ~self.truth[new] if turned else self.truth[new]
        labeled = self.pool.labeled | sample.members
        self.pool, self.thresholds = (
            replace(self.pool, labeled=labeled, targets=self._targets.copy()),
            sample.thresholds,
        )
        model = train(self.pool, self.config)
        assert model is not None
        given = {
            "given": NOBODY,
            "drawn": self.pool.ids,
            "before": NOTHING,
            "window": NOTHING,
            "window_number": None,
            "through": 3_000,
            "since": NOTHING,
            **parts,
        }
        return Asked(
            pool=self.pool,
            config=self.config,
            thresholds=self.thresholds,
            model=model,
            seen=self.seen,
            seen_in=self.seen_in,
            **given,
        )

    def look(self, draws: int, *, turned: bool = False, **parts: Any) -> Look:
        asked = self.asked(draws, turned=turned, **parts)
        found = label_watch.look(
            asked, self.standing, number=self._number, at=86_400.0 * self._number, rng=np.random.default_rng(0)
        )
        assert found is not None
        order = np.argsort(np.concatenate([self.seen, found.new]))
        self.seen_in = np.concatenate([self.seen_in, np.full(len(found.new), self._number)])[order]
        self.seen = np.concatenate([self.seen, found.new])[order]
        self.standing, self._number = found.standing, self._number + 1
        return found


def test_each_answer_is_new_once_and_levels_come_first() -> None:
    watched = Watched()
    first, second = watched.look(150), watched.look(60)
    assert (first.answers, len(first.new), first.fresh) == (150, 150, 0)
    assert (second.answers, len(second.new), second.fresh) == (210, 60, 60)
    assert not set(first.new.tolist()) & set(second.new.tolist())
    assert first.performance[0].now is None
    assert second.performance[0].now is not None
    assert json.dumps(second.findings())


def test_too_few_answers_are_no_look() -> None:
    asked = Watched().asked(60)
    standing = label_watch.begin({}, at=0.0)
    assert label_watch.look(asked, standing, number=0, at=0.0, rng=np.random.default_rng(0)) is None


def test_answers_that_turned_round_raise_an_alarm_that_says_so_and_ends_with_a_better_model() -> None:
    watched = Watched()
    watched.look(200)
    bad = watched.look(150, turned=True)
    told = notices(bad)
    assert told[0].channel == "performance"
    assert told[0].level == "act"
    assert "fresh audit labels, and was" in told[0].why
    assert ended(bad, channel="performance", scope="error", share=0.2) is None


def test_a_look_that_finds_nothing_new_risks_nothing() -> None:
    watched = Watched()
    watched.look(150)
    before = watched.standing
    again = watched.look(0)
    assert len(again.new) == 0
    assert again.standing.course.fortunes == before.course.fortunes
    assert again.standing.bets >= before.bets


def test_few_new_answers_wait_for_others_as_they_may_all_be_of_one_stratum() -> None:
    watched = Watched()
    watched.look(150)
    before = watched.standing
    few = watched.look(9, turned=True)
    assert (len(few.new), few.fresh) == (0, 0)
    assert few.standing.course.fortunes == before.course.fortunes
    assert few.standing.bets >= before.bets, "what comes in meanwhile is saved"
    enough = watched.look(1)
    assert (len(enough.new), enough.fresh) == (10, 10)
    assert enough.standing.course.fortunes != before.course.fortunes


def test_the_same_state_and_seed_find_the_same() -> None:
    one, other = Watched(), Watched()
    for watched in (one, other):
        watched.look(150, before=np.arange(400), window=np.arange(2_500, 2_900), window_number=1)
    assert one.standing == other.standing
    found = [
        watched.look(50, before=np.arange(400), window=np.arange(2_500, 2_900), window_number=1).findings()
        for watched in (one, other)
    ]
    assert found[0] == found[1]
    assert found[0]["shift"]["shares"]["rare"]["after"]["value"] == pytest.approx(0.3, abs=0.1)


def test_other_classes_begin_anew_and_keep_what_the_year_has_cost() -> None:
    watched = Watched()
    watched.look(150)
    watched.look(50)
    kept = Standing.from_json(json.loads(json.dumps(watched.standing.as_json())))
    assert kept == watched.standing
    same, anew = label_watch.restarted(kept, {}, at=1.0)
    assert (same, anew) == (kept, False)
    other, anew = label_watch.restarted(kept, {"classes": ["new"]}, at=1.0)
    assert anew
    assert other.course.levels == {}
    assert other.bets == kept.bets < label_watch.begin({}, at=0.0).bets


def test_annotators_are_compared_on_what_chance_gave_them_alone() -> None:
    """Who worked before an item joined the sample had asked for what is rare."""

    def compared(drawn: Index) -> list[str]:
        watched = Watched()
        names = [("common", "rare")[int(rare)] for rare in watched.truth[:, 1]]
        given = label_watch.given_answers(
            watched.pool,
            [(item, f"who saw {name}", [name]) for item, name in zip(watched.pool.ids.tolist(), names, strict=True)],
        )
        watched.look(150)
        return [one.name for one in watched.look(300, given=given, drawn=drawn).differences if one.kind == "annotator"]

    assert set(compared(Watched().pool.ids)) == {"who saw common", "who saw rare"}
    assert compared(NOTHING) == []


def test_answers_of_classes_that_are_gone_are_left_out() -> None:
    pool, _ = make_pool(items=10)
    given = label_watch.given_answers(pool, [(3, "ben", ["rare"]), (5, "anna", ["gone"]), (7, "anna", ["common"])])
    assert given.annotators == ("anna", "ben")
    assert given.rows.tolist() == [2, 6]
    assert given.names.tolist() == [1, 0]
    assert given.targets.tolist() == [[False, True], [True, False]]


def test_what_measures_does_not_steer() -> None:
    """Candidates depend on no label of the audit sample, and hold none of its items."""

    def chosen(pool: Pool, sealed: Mask, scores: np.ndarray, since: Index) -> dict[str, list[int]]:
        return doubtful_candidates(pool, scores=scores, since=since, sealed=sealed, budget=20, exclusive=True)

    pool, truth = make_pool(items=400, labeled=150)
    rows = np.flatnonzero(pool.labeled)
    sealed = np.isin(np.arange(400), rows[::2])
    scores = np.random.default_rng(0).normal(size=(200, 2)).astype(np.float32)
    since = np.arange(200, 400)
    found = chosen(pool, sealed, scores, since)
    turned = replace(pool, targets=np.where(sealed[:, None] & pool.labeled[:, None], ~truth, pool.targets))
    assert chosen(turned, sealed, scores, since) == found
    assert (len(found["drift"]), len(found["relabel"])) == (16, 4)
    assert not set(found["relabel"]) & set(pool.ids[sealed].tolist())
    free = set(pool.ids[pool.eligible].tolist()) & set(pool.ids[since].tolist())
    assert set(found["drift"]) <= free
    gap = np.abs(scores[:, 0] - scores[:, 1])[np.isin(since, pool.eligible)]
    least = pool.ids[since[np.isin(since, pool.eligible)][np.argsort(gap, kind="stable")[:16]]]
    assert found["drift"] == least.tolist()
