"""What a campaign asks for, from the pool."""

from dataclasses import replace

import numpy as np
import pytest

from shared.pool import Pool
from shared.project import ProjectConfig
from tests.pools import make_pool
from workers.drift.asking import Asker, ask_about_stretch
from workers.drift.worth import class_weights, weighted_entropy, worth
from workers.training import audit
from workers.training.tuning import train

CONFIG = ProjectConfig(classes=("common", "rare"))


def _asker(pool: Pool, *, thresholds: dict[str, float] | None = None) -> Asker:
    return Asker(pool, CONFIG, train(pool, CONFIG), thresholds or {}, np.random.default_rng(0))


def test_three_fifths_are_new_a_fifth_are_labeled_and_a_fifth_is_drawn_by_chance() -> None:
    pool, _ = make_pool(items=400, labeled=80, queued=20)
    asked = ask_about_stretch(_asker(pool), ids=np.arange(201, 401), source="chat", budget=50)
    assert {kind: len(items) for kind, items in asked.items.items()} == {"drift": 30, "relabel": 10, "audit": 10}
    new = [*asked.items["drift"], *asked.items["audit"]]
    place = np.searchsorted(pool.ids, new)
    assert len(set(new)) == 40
    assert set(place.tolist()) <= set(pool.eligible.tolist())
    assert np.all(pool.ids[place] > 200)
    assert {pool.source_names[code] for code in pool.sources[place]} == {"chat"}
    assert np.all(pool.labeled[np.searchsorted(pool.ids, asked.items["relabel"])])


def test_what_chance_draws_does_not_hang_on_labels_or_on_a_model() -> None:
    pool, truth = make_pool(items=400, labeled=80)
    other = replace(pool, targets=truth[::-1] & pool.labeled[:, None])
    one, two = (
        ask_about_stretch(Asker(p, CONFIG, model, {}, np.random.default_rng(0)), ids=pool.ids, source=None, budget=50)
        for p, model in ((pool, train(pool, CONFIG)), (other, None))
    )
    assert one.items["audit"] == two.items["audit"]
    assert one.region == two.region


def test_chance_draws_from_the_items_of_a_window_by_time_alone_however_they_lie_between_others() -> None:
    pool, _ = make_pool(items=400, labeled=80)
    of_window = np.random.default_rng(0).choice(pool.ids, 100, replace=False)
    asked = ask_about_stretch(_asker(pool), ids=of_window, source=None, budget=50)
    assert {*asked.items["drift"], *asked.items["audit"]} <= set(of_window.tolist())
    joined = audit.measure(pool, asked.region.audit).members & np.isin(pool.ids, pool.ids[pool.eligible])
    assert sorted(asked.items["audit"]) == pool.ids[joined].tolist()
    assert np.array_equal(audit.measure(pool, asked.region.audit).inclusion > 0, np.isin(pool.ids, of_window))


def test_what_is_due_for_the_audit_sample_anyway_is_left_to_it() -> None:
    pool, _ = make_pool(items=400, labeled=80)
    sample = audit.extend(pool, {}, draws=100)
    asked = ask_about_stretch(_asker(pool, thresholds=sample.thresholds), ids=pool.ids, source=None, budget=50)
    due = set(pool.ids[sample.members].tolist())
    assert due.isdisjoint([*asked.items["drift"], *asked.items["audit"]])
    [(name, threshold)] = asked.region.audit.items()
    joined = audit.measure(pool, {**sample.thresholds, name: threshold}).members
    assert set(asked.items["audit"]) <= set(pool.ids[joined].tolist())


def test_labels_of_the_audit_sample_steer_nothing() -> None:
    pool, truth = make_pool(items=600, shares=(0.7, 0.3))
    sample = audit.extend(pool, {}, draws=60)
    labeled = sample.members | (np.arange(600) < 200)
    pool = replace(pool, labeled=labeled, targets=truth & labeled[:, None])
    other = replace(pool, targets=pool.targets ^ (sample.members & labeled)[:, None])
    model, rows = train(pool, CONFIG), pool.eligible
    one, two = (worth(p, CONFIG, model, sample.thresholds, rows) for p in (pool, other))
    assert one is not None
    assert two is not None
    assert np.array_equal(one, two)


def test_unsure_items_are_worth_more_and_those_of_rare_classes_most() -> None:
    weights = class_weights(np.array([90, 10, 0]))
    assert weights == pytest.approx([1 / 2.7, 10 / 3, 10])
    sure, torn, perhaps_rare = [0.98, 0.01, 0.01], [0.55, 0.44, 0.01], [0.55, 0.01, 0.44]
    value = weighted_entropy(np.array([sure, torn, perhaps_rare], dtype=np.float32), weights, exclusive=True)
    assert np.all(np.diff(value) > 0)
    each = weighted_entropy(np.array([[0.0, 0.0], [0.5, 0.0]], dtype=np.float32), np.ones(2), exclusive=False)
    assert each[0] == 0
    assert each[1] == pytest.approx(np.log(2), abs=1e-4)


def test_without_a_model_nothing_is_said_of_worth() -> None:
    pool, _ = make_pool(items=50)
    assert worth(pool, CONFIG, None, {}, pool.eligible) is None
