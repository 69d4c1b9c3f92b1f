"""Expected items of each class: from where their rates are known, and whether the intervals hold what they promise."""

from dataclasses import replace

import numpy as np
import pytest

from shared.pool import Floats, Pool
from shared.project import ProjectConfig
from tests.pools import make_pool
from workers.selection.expectation import ChosenItems, Expected, expect
from workers.selection.knowledge import know
from workers.training import audit

CLASSES = ("common", "rare")
ITEMS = 4_000


def make(*, hits: int = 400, right: int = 0, wrong: int = 0, seed: int = 0) -> tuple[Pool, ProjectConfig]:
    """A pool whose first items are hit by a rule for the rare class, some of them labeled."""
    pool, _ = make_pool(items=ITEMS, classes=CLASSES, rules=("words",), sources=("mail",), seed=seed)
    labeled = np.arange(ITEMS) < right + wrong
    is_rare = np.arange(ITEMS) < right
    pool = replace(
        pool,
        rule_hits=(np.arange(ITEMS) < hits)[:, None],
        labeled=labeled,
        targets=np.stack([~is_rare, is_rare], axis=1) & labeled[:, None],
    )
    rules = [{"name": "words", "class": "rare", "keywords": ["x"]}]
    return pool, ProjectConfig.model_validate({"classes": CLASSES, "rules": rules})


def rare(
    pool: Pool,
    config: ProjectConfig,
    *waves: tuple[slice, str],
    probability: Floats | None = None,
    thresholds: dict[str, float] | None = None,
    guess: float | None = None,
    seed: int = 0,
) -> list[Expected]:
    """Expectations of the rare class: a wave each, then all together. A wave is a part of the pool and one channel."""
    guesses = {} if guess is None else {"rare": guess}
    calibrated = np.full(int(pool.labeled.sum()), pool.targets[pool.labeled, 1].mean() if pool.labeled.any() else 0.0)
    held_out = None if probability is None else believed(calibrated)
    knowledge = know(
        pool, config, probability=probability, held_out=held_out, thresholds=thresholds or {}, guesses=guesses
    )
    items = [np.arange(ITEMS)[part] for part, _ in waves]
    chosen = [ChosenItems(part, [channel] * len(part)) for part, (_, channel) in zip(items, waves, strict=True)]
    of_waves, total = expect(pool, config, knowledge, chosen, probability=probability, seed=seed)
    return [*(wave[1] for wave in of_waves), total[1]]


def believed(shares: Floats) -> Floats:
    return np.stack([1 - shares, shares], axis=1).astype(np.float32)


def test_before_any_knowledge_the_interval_is_as_wide_as_the_wave() -> None:
    wave, together = rare(*make(), (slice(0, 300), "rule"), (slice(300, 500), "coverage"))[::2]

    assert (wave.value, wave.low, wave.high, wave.at_random) == (None, 0, 300, None)
    assert wave.known_from == {"unknown": 300}
    assert (together.value, together.low, together.high) == (None, 0, 500)


def test_a_guess_bounds_what_a_rule_without_labels_can_find() -> None:
    pool, config = make()
    wave, _ = rare(pool, config, (slice(0, 400), "rule"), guess=0.02)

    assert wave.known_from == {"rule": 400}
    assert wave.value is not None
    assert wave.low <= 2
    assert 80 < wave.high <= 0.04 * ITEMS + 20
    assert wave.at_random is not None
    assert wave.at_random.value == pytest.approx(8, rel=0.1)
    assert wave.at_random.low < 8 < wave.at_random.high


def test_a_measured_rule_is_expected_to_bring_its_precision() -> None:
    few, _ = rare(*make(right=6, wrong=14), (slice(50, 350), "rule"), guess=0.05)
    many, _ = rare(*make(hits=1_000, right=90, wrong=210), (slice(350, 650), "rule"), guess=0.05)

    assert few.value == pytest.approx(90, rel=0.1)
    assert many.value == pytest.approx(90, rel=0.05)
    assert many.low < 90 < many.high
    assert many.high - many.low < 0.6 * (few.high - few.low)


def test_what_rules_hit_is_missing_in_the_rest() -> None:
    pool, config = make(hits=1_000, right=30, wrong=270)
    ruled, rest = rare(pool, config, (slice(300, 600), "rule"), (slice(2_000, 3_000), "coverage"), guess=0.03)[:2]

    assert ruled.value == pytest.approx(30, rel=0.2)
    assert rest.value is not None
    assert rest.at_random is not None
    assert rest.value < rest.at_random.value - 5


def test_a_model_is_believed_as_far_as_it_has_seen_the_class() -> None:
    pool, config = make(hits=0, right=200, wrong=200)
    probability = believed(np.full(ITEMS, 0.1))
    sure, _ = rare(pool, config, (slice(1_000, 2_000), "boundary"), probability=probability)
    pool, config = make(hits=0, right=4, wrong=200)
    unsure, _ = rare(pool, config, (slice(1_000, 2_000), "boundary"), probability=probability)

    assert sure.known_from == unsure.known_from == {"model": 1_000}
    assert sure.value == pytest.approx(100, rel=0.1)
    assert sure.low < 100 < sure.high
    assert unsure.low < sure.low
    assert unsure.high > sure.high


def test_a_later_wave_is_less_sure_than_the_first_and_all_waves_share_their_doubts() -> None:
    pool, config = make(hits=0, right=50, wrong=200)
    parts = [(slice(start, start + 500), "boundary") for start in (1_000, 1_500, 2_000)]
    *waves, together = rare(pool, config, *parts, probability=believed(np.full(ITEMS, 0.1)))

    assert waves[0].high < waves[1].high < waves[2].high
    assert together.value == pytest.approx(sum(wave.value or 0 for wave in waves), abs=0.3)
    assert together.low >= sum(wave.low for wave in waves)
    assert together.high <= sum(wave.high for wave in waves)


def test_a_rule_keeps_its_places_apart_from_the_model() -> None:
    pool, config = make(right=20, wrong=20)
    probability = believed(np.full(ITEMS, 0.01))
    ruled, modelled = rare(
        pool, config, (slice(50, 150), "rule"), (slice(150, 250), "boundary"), probability=probability
    )[:2]

    assert ruled.known_from == {"rule": 100}
    assert modelled.known_from == {"model": 100}
    assert ruled.value == pytest.approx(50, rel=0.1)


def test_without_a_model_later_waves_may_bring_anything_up_to_what_is_left() -> None:
    pool, config = make(hits=0)
    later = rare(pool, config, (slice(0, 500), "coverage"), (slice(500, 1_000), "boundary"), guess=0.05)[1]

    assert later.known_from == {"later": 500}
    assert later.low <= 2
    assert 0.05 * ITEMS < later.high <= 0.1 * ITEMS
    assert later.at_random is not None
    assert later.high > 3 * later.at_random.high


def test_random_items_are_told_by_the_audit_sample_stratum_by_stratum() -> None:
    pool, config = make(hits=500)
    sample = audit.extend(pool, {}, draws=600)
    is_rare = pool.rule_hits[:, 0] & (np.arange(ITEMS) % 2 == 0)
    targets = np.stack([~is_rare, is_rare], axis=1) & sample.members[:, None]
    audited = replace(pool, labeled=sample.members, targets=targets)
    hit = rare(audited, config, (slice(0, 400), "audit"), thresholds=sample.thresholds)[0]
    other = rare(audited, config, (slice(600, 1_000), "audit"), thresholds=sample.thresholds)[0]

    assert hit.known_from == other.known_from == {"audit": 400}
    assert hit.value == pytest.approx(200, rel=0.1)
    assert hit.low < 200 < hit.high
    assert other.value is not None
    assert other.value < 4
    assert hit.at_random is not None
    assert hit.at_random.value == pytest.approx(400 * is_rare.mean(), rel=0.25)


def test_the_same_seed_gives_the_same_figures() -> None:
    one, other, third = (rare(*make(), (slice(0, 400), "rule"), guess=0.02, seed=seed)[0] for seed in (1, 1, 2))

    assert one == other
    assert one != third


def test_of_what_a_measured_rule_brings_the_interval_holds_what_it_promises() -> None:
    """Over 200 rules of all precisions, each measured on 40 labels."""
    rng = np.random.default_rng(5)
    inside = 0
    for _ in range(200):
        precision = rng.random()
        right = int(rng.binomial(40, precision))
        wave, _ = rare(*make(right=right, wrong=40 - right), (slice(40, 340), "rule"), guess=0.05)
        inside += wave.low <= rng.binomial(300, precision) <= wave.high

    assert 180 <= inside <= 199


def test_of_what_audit_items_bring_the_interval_holds_what_it_promises() -> None:
    """Over 100 pools of different shares, with 100 labeled audit items each."""
    rng = np.random.default_rng(6)
    inside = 0
    for _ in range(100):
        share = rng.uniform(0.005, 0.2)
        pool, config = make(hits=0)
        sample = audit.extend(pool, {}, draws=100)
        is_rare = rng.random(ITEMS) < share
        targets = np.stack([~is_rare, is_rare], axis=1) & sample.members[:, None]
        audited = replace(pool, labeled=sample.members, targets=targets)
        wave, _ = rare(audited, config, (slice(0, 500), "audit"), thresholds=sample.thresholds)
        inside += wave.low <= is_rare[:500].sum() <= wave.high

    assert inside >= 90
