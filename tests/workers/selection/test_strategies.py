"""How a batch divides among channels: what rare classes get, and what they have to show for it."""

from collections import Counter
from dataclasses import replace

import numpy as np
import pytest

from shared.pool import Floats, Pool
from shared.project import ProjectConfig
from tests.pools import make_pool
from workers.selection.round import RoundPlan, Selected, select
from workers.selection.strategies import STRATEGIES, Division, quietcorner, without
from workers.selection.view import View
from workers.training.tuning import train

PLACES = 100
CONFIG = ProjectConfig(classes=("common", "rare"))


def make_view(pool: Pool, probability: Floats | None, config: ProjectConfig = CONFIG) -> View:
    """A view whose model is known by its probabilities alone, which is all that a division looks at."""
    return View(pool, config, None, probability, {}, np.random.default_rng(0), np.zeros(len(pool), dtype=bool))


def places(division: Division) -> dict[str, int]:
    return {name: share for name, _, share in division}


def pool_with(*, labels: int, rare_labels: int) -> tuple[Pool, np.ndarray]:
    """3,000 items, a tenth of them rare, of which some are labeled."""
    pool, truth = make_pool(items=3_000, shares=(0.9, 0.1), seed=2)
    labeled = np.zeros(3_000, dtype=bool)
    labeled[np.flatnonzero(truth[:, 1])[:rare_labels]] = True
    labeled[np.flatnonzero(truth[:, 0])[: labels - rare_labels]] = True
    return replace(pool, labeled=labeled, targets=truth & labeled[:, None]), truth


def chances(truth: np.ndarray, hits: float) -> Floats:
    """A model whose likeliest rare items are rare with probability `hits`."""
    rare = np.where(truth[:, 1], hits, 0.01).astype(np.float32)
    return np.stack([1 - rare, rare], axis=1)


def test_places_add_up_whatever_the_state() -> None:
    for rare_labels in (0, 3, 150):
        pool, truth = pool_with(labels=400, rare_labels=rare_labels)
        for hits in (0.05, 0.5, 0.99):
            for name, strategy in STRATEGIES.items():
                division = strategy(make_view(pool, chances(truth, hits)), PLACES)
                assert sum(places(division).values()) == PLACES, (rare_labels, hits, name)
                assert min(places(division).values()) >= 0


def test_a_starved_class_gets_its_share_even_where_little_is_hit() -> None:
    pool, truth = pool_with(labels=400, rare_labels=10)
    given = places(quietcorner(make_view(pool, chances(truth, 0.1)), PLACES))
    assert 25 <= given["likely"] + given["anchor"] <= 35


def for_rare(view: View) -> int:
    given = places(quietcorner(view, PLACES))
    return given["likely"] + given["anchor"]


def test_a_class_with_a_target_gets_what_asking_for_it_yields_and_less_where_little_is_right() -> None:
    pool, truth = pool_with(labels=600, rare_labels=200)
    config = ProjectConfig(classes=CONFIG.classes, targets={"rare": 201})
    by_hits = {hits: for_rare(make_view(pool, chances(truth, hits), config)) for hits in (0.3, 0.5, 0.8)}
    assert by_hits == {0.3: pytest.approx(16, abs=1), 0.5: pytest.approx(35, abs=1), 0.8: pytest.approx(70, abs=1)}


@pytest.mark.parametrize(("rare_labels", "given"), [(150, 35), (200, 23), (250, 12)])
def test_without_a_target_it_gets_less_the_less_it_lacks_of_an_even_share_of_the_labels(
    rare_labels: int, given: int
) -> None:
    pool, truth = pool_with(labels=600, rare_labels=rare_labels)
    probability = chances(truth, 0.8)
    assert for_rare(make_view(pool, probability)) == pytest.approx(given, abs=1)


def test_rare_classes_get_no_more_than_twice_what_is_expected_to_be_left() -> None:
    pool, truth = pool_with(labels=600, rare_labels=200)
    probability = chances(truth & False, 0.0)
    probability[pool.eligible[:5]] = [0.05, 0.95]
    view = make_view(pool, probability)
    expected = float(probability[pool.eligible, 1].sum())
    given = places(quietcorner(view, PLACES))
    assert given["likely"] + given["anchor"] <= np.ceil(2 * expected)


def test_a_class_nobody_has_seen_is_sought_by_coverage() -> None:
    pool, truth = pool_with(labels=400, rare_labels=0)
    given = places(quietcorner(make_view(pool, chances(truth, 0.5)), PLACES))
    assert given["coverage"] == 20
    assert given["likely"] == given["anchor"] == 0


@pytest.mark.parametrize("channel", ["likely", "anchor", "coverage", "rule", "boundary"])
def test_without_a_channel_the_batch_is_as_large_and_lacks_it(channel: str) -> None:
    pool, truth = pool_with(labels=400, rare_labels=10)
    given = places(without(channel)(make_view(pool, chances(truth, 0.5)), PLACES))
    assert sum(given.values()) == PLACES
    assert channel not in given


def test_after_labels_of_one_class_only_chance_helps_coverage() -> None:
    pool, truth = make_pool(items=300)
    labeled = np.arange(300) == np.flatnonzero(truth[:, 0])[0]
    pool = replace(pool, labeled=labeled, targets=truth & labeled[:, None])
    shares = [share for _, _, share in quietcorner(make_view(pool, None), PLACES)]
    assert shares == [0, 50, 50]


def test_without_coverage_the_first_batch_is_drawn_at_random() -> None:
    pool, _ = make_pool(items=300)
    *_, (_, channel, share) = without("coverage")(make_view(pool, None), PLACES)
    assert share == PLACES
    assert sorted(channel(make_view(pool, None), PLACES).index) == pool.eligible.tolist()


def round_of(pool: Pool, config: ProjectConfig, size: int) -> Selected:
    return select(pool, train(pool, config), config, RoundPlan(number=4, places=size, encoder="e", model=1))


def test_a_batch_says_how_it_divided_and_what_each_item_was_chosen_for() -> None:
    pool, _ = make_pool(items=2_000, labeled=150, shares=(0.95, 0.05))
    batch = round_of(pool, CONFIG, 60)
    assert sum(batch.division.values()) == 60
    channels = Counter(choice.reason.channel for choice in batch.choices)
    assert set(channels) <= set(batch.division)
    for choice in batch.choices:
        assert (choice.reason.wanted == "rare") == (choice.reason.channel in {"likely", "anchor"})


def test_a_few_items_in_a_row_hold_their_part_of_the_rare_ones() -> None:
    pool, _ = make_pool(items=2_000, labeled=150, shares=(0.95, 0.05))
    batch = round_of(pool, CONFIG, 60)
    sought = np.array([choice.reason.channel in {"likely", "anchor"} for choice in batch.choices])
    thirds = [int(part.sum()) for part in np.array_split(sought, 3)]
    assert max(thirds) - min(thirds) <= 2
    assert min(thirds) >= 1


def test_a_rule_that_finds_less_than_chance_gets_no_more_places() -> None:
    pool, truth = make_pool(items=3_000, labeled=0, shares=(0.7, 0.3), rules=("bad",), seed=3)
    config = ProjectConfig.model_validate(
        {"classes": ("common", "rare"), "rules": [{"name": "bad", "class": "rare", "keywords": ["x"]}]}
    )
    hits = np.zeros((3_000, 1), dtype=bool)
    hits[np.flatnonzero(truth[:, 0])[:600]] = True
    labeled = np.zeros(3_000, dtype=bool)
    labeled[np.flatnonzero(hits[:, 0])[:400]] = True
    labeled[np.flatnonzero(truth[:, 1])[:10]] = True
    pool = replace(pool, rule_hits=hits, rule_scores=hits.astype(np.float32), labeled=labeled)
    pool = replace(pool, targets=truth & labeled[:, None])
    assert "rule" not in round_of(pool, config, 40).division
