"""What rules turned out to be worth, and which of them stop."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest

from shared.pool import Floats, Index, Mask, Pool
from shared.project import ProjectConfig
from tests.pools import make_pool
from workers.selection.proportions import is_below
from workers.selection.rule_precision import RulePrecision, class_priors, measure_rules
from workers.training import audit, windows
from workers.training.metrics import Interval

RULES = ("good", "bad")


def make_config(classes: Sequence[str] = ("common", "rare"), **options: object) -> ProjectConfig:
    rules = [{"name": name, "class": "rare", "keywords": [name]} for name in RULES]
    return ProjectConfig.model_validate({"classes": classes, "rules": rules, **options})


def make(*, items: int = 2_000, good: float = 0.5, bad: float = 0.0, seed: int = 0) -> tuple[Pool, Mask]:
    """A pool in which each rule hits 300 items, of which such shares are rare, as a tenth of all is."""
    pool, truth = make_pool(items=items, rules=RULES, seed=seed)
    rng = np.random.default_rng(seed)
    hits = np.zeros((items, 2), dtype=bool)
    for column, share in enumerate((good, bad)):
        right = round(300 * share)
        for rare, count in ((True, right), (False, 300 - right)):
            hits[rng.choice(np.flatnonzero(truth[:, 1] == rare), count, replace=False), column] = True
    return replace(pool, rule_hits=hits, rule_scores=hits.astype(np.float32)), truth


def label(pool: Pool, truth: Mask, positions: Index) -> Pool:
    labeled = pool.labeled.copy()
    labeled[positions] = True
    return replace(pool, labeled=labeled, targets=truth & labeled[:, None])


def label_hits(pool: Pool, truth: Mask, column: int, count: int) -> Pool:
    """Labels for random hits of one rule that the other does not hit."""
    alone = np.flatnonzero(pool.rule_hits[:, column] & ~pool.rule_hits[:, 1 - column])
    return label(pool, truth, np.random.default_rng(1).permutation(alone)[:count])


def believed(pool: Pool, rare: float) -> Floats:
    """A model that decides so large a share to be rare, and is sure of it."""
    column = np.arange(len(pool)) < rare * len(pool)
    return np.stack([~column, column], axis=1).astype(np.float32)


def measured(pool: Pool, rare: float | None = None, thresholds: dict[str, float] | None = None) -> list[RulePrecision]:
    probability = None if rare is None else believed(pool, rare)
    return list(measure_rules(pool, make_config(), probability=probability, thresholds=thresholds or {}))


def test_a_rule_is_measured_on_the_labels_among_its_hits() -> None:
    pool, truth = make()
    pool = label_hits(label_hits(pool, truth, 0, 60), truth, 1, 40)
    good, bad = measured(pool, 0.1)
    labeled_good = pool.rule_hits[:, 0] & pool.labeled
    assert (good.name, good.label, good.hits, good.labels) == ("good", "rare", 300, int(labeled_good.sum()))
    assert good.right == int((truth[:, 1] & labeled_good).sum())
    assert good.precision is not None
    assert good.precision.value == good.right / good.labels
    assert good.precision.low < 0.5 < good.precision.high
    assert good.left == 300 - good.labels
    assert not good.stopped
    assert (bad.labels, bad.right, bad.stopped) == (40, 0, True)


def test_a_rule_without_labels_is_neither_measured_nor_stopped() -> None:
    pool, _ = make()
    for rule in measured(pool, 0.9):
        assert (rule.labels, rule.precision, rule.stopped, rule.exhausted) == (0, None, False, False)


def test_a_rule_whose_hits_are_all_labeled_or_queued_is_exhausted() -> None:
    pool, truth = make()
    pool = label_hits(pool, truth, 0, 150)
    pool = replace(pool, queued=pool.rule_hits[:, 0] & ~pool.labeled)
    good, bad = measured(pool, 0.1)
    assert (good.left, good.exhausted) == (0, True)
    assert not bad.exhausted


def test_few_unlucky_labels_do_not_stop_a_rule_and_more_do() -> None:
    pool, truth = make()
    pool = label_hits(pool, truth, 0, 20)
    stopped = [measured(label_hits(pool, truth, 1, count), 0.1)[1].stopped for count in (5, 20, 34, 35, 100)]
    assert stopped == [False, False, False, True, True]


@pytest.mark.parametrize("seed", range(5))
def test_a_rule_that_hits_as_chance_does_goes_on_while_nobody_can_tell(seed: int) -> None:
    pool, truth = make(bad=0.1, seed=seed)
    assert not measured(label_hits(pool, truth, 1, 60), 0.1)[1].stopped


def test_duplicates_of_a_labeled_item_count_once() -> None:
    pool, truth = make()
    bad = np.flatnonzero(pool.rule_hits[:, 1] & ~pool.rule_hits[:, 0])[:100]
    groups = pool.groups.copy()
    groups[bad] = groups[bad[0]]
    pool = label(replace(pool, groups=groups), truth, bad)
    assert (measured(pool, 0.1)[1].labels, measured(pool, 0.1)[1].stopped) == (1, False)


def test_without_rules_there_is_nothing_to_measure() -> None:
    pool, _ = make_pool(items=10)
    assert measure_rules(pool, make_config(), probability=None, thresholds={}) == ()


def priors(pool: Pool, probability: Floats | None, thresholds: dict[str, float], **options: object) -> list[float]:
    found = class_priors(pool, make_config(pool.classes, **options), probability, thresholds)
    return [prior.value for prior in found]


def test_before_any_model_a_class_is_taken_for_rare() -> None:
    pool, truth = make()
    assert priors(label_hits(pool, truth, 0, 20), None, {}) == [0.02, 0.02]
    many, _ = make_pool(items=10, classes=[f"c{n}" for n in range(99)] + ["rare"], shares=[0.01] * 100)
    assert priors(many, None, {}) == [0.01] * 100


def test_the_models_opinion_counts_where_it_is_lower_and_only_of_classes_that_it_saw() -> None:
    pool, truth = make()
    assert priors(pool, believed(pool, 0.3), {}) == [0.02, 0.02]
    pool = label_hits(pool, truth, 0, 20)
    assert priors(pool, believed(pool, 0.3), {}) == pytest.approx([0.7, 0.3])
    smeared = np.full((len(pool), 2), 0.4, dtype=np.float32)
    assert priors(pool, smeared, {}, task="multi") == [0.0, 0.0]
    assert priors(pool, smeared + 0.3, {}, task="multi") == pytest.approx([0.7, 0.7])


def drawn(pool: Pool, truth: Mask, draws: int) -> tuple[Pool, dict[str, float]]:
    """The pool with a labeled audit sample."""
    sample = audit.extend(pool, {}, draws=draws)
    return label(pool, truth, np.flatnonzero(sample.members)), sample.thresholds


def test_the_audit_sample_is_asked_once_it_is_large_enough_and_tells_how_sure_it_is() -> None:
    pool, truth = make()
    few, thresholds = drawn(pool, truth, 40)
    assert priors(few, None, thresholds) == [0.02, 0.02]
    enough, thresholds = drawn(pool, truth, 400)
    prior = class_priors(enough, make_config(), None, thresholds)[1]
    assert prior.low < truth[:, 1].mean() < prior.high
    assert prior.high - prior.low < 0.1


def test_the_share_is_not_that_of_a_stretch_of_which_the_sample_holds_more() -> None:
    pool, _ = make_pool(items=2_000, sources=("email",))
    late = pool.ids > 1_800
    truth = np.stack([~late, late], axis=1)
    found = []
    for seed in range(50):
        redrawn = replace(pool, draws=np.random.default_rng(seed).random(len(pool)))
        thresholds = {"email|other": 0.1, windows.key(1_801, 2_000): 0.5}
        members = audit.measure(redrawn, thresholds).members
        found.append(priors(label(redrawn, truth, np.flatnonzero(members)), None, thresholds)[1])
    assert abs(np.mean(found) - 0.1) < 4 * np.std(found) / 50**0.5


def test_an_audit_sample_that_leaves_out_a_large_part_of_the_pool_is_not_asked() -> None:
    pool, truth = make()
    enough, thresholds = drawn(pool, truth, 400)
    email = enough.sources == 0
    partly = replace(enough, labeled=enough.labeled & email, targets=enough.targets & email[:, None])
    assert priors(partly, None, thresholds) == [0.02, 0.02]


def test_the_share_that_the_audit_sample_tells_does_not_follow_what_rules_chose() -> None:
    """Mean over many draws, while every hit of the good rule is labeled."""
    pool, truth = make(good=0.6)
    pool = label_hits(pool, truth, 0, 300)
    found = []
    for seed in range(100):
        redrawn = replace(pool, draws=np.random.default_rng(seed).random(len(pool)))
        audited, thresholds = drawn(redrawn, truth, 300)
        found.append(priors(audited, None, thresholds)[1])
    assert abs(np.mean(found) - truth[:, 1].mean()) < 4 * np.std(found) / 10


@pytest.mark.parametrize(
    ("prior", "below"),
    [
        (Interval(0.06, 0.06, 0.06), True),
        (Interval(0.05, 0.05, 0.05), False),
        (Interval(0.06, 0.04, 0.09), True),
        (Interval(0.06, 0.02, 0.12), False),
    ],
)
def test_a_share_that_is_itself_uncertain_takes_more_to_lie_below(prior: Interval, below: bool) -> None:
    assert is_below(Interval(0.0, 0.0, 0.05), prior) == below


def test_a_rule_for_a_class_that_nobody_finds_stops_in_the_end() -> None:
    pool, _ = make_pool(items=2_000, rules=RULES, shares=(1.0, 0.0))
    pool = replace(pool, rule_hits=np.ones((2_000, 2), dtype=bool))
    nothing = np.zeros((2_000, 2), dtype=bool)
    for count, stopped in ((180, False), (200, True)):
        labeled = label(pool, nothing, np.arange(count))
        assert measured(labeled, 0.0)[1].stopped == stopped
    audited, thresholds = drawn(pool, nothing, 300)
    assert not measured(audited, 0.0, thresholds)[1].stopped
    audited, thresholds = drawn(pool, nothing, 400)
    assert measured(audited, 0.0, thresholds)[1].stopped


@pytest.mark.parametrize(
    ("prior", "times", "least", "most"),
    [(0.1, 0.5, 95, 100), (0.3, 0.5, 95, 100), (0.02, 2, 0, 1), (0.1, 2, 0, 1), (0.3, 2, 0, 1)],
)
def test_a_rule_stops_that_finds_half_of_what_chance_finds_and_hardly_ever_one_that_finds_twice_as_much(
    prior: float, times: float, least: int, most: int
) -> None:
    """Asked again and again up to 500 labels, in 100 runs."""
    rng = np.random.default_rng(3)
    pool, _ = make_pool(items=500, rules=RULES)
    pool = replace(pool, rule_hits=np.ones((500, 2), dtype=bool))
    stopped = 0
    for _ in range(100):
        rare = rng.random(500) < times * prior
        truth = np.stack([~rare, rare], axis=1)
        stopped += any(measured(label(pool, truth, np.arange(count)), prior)[0].stopped for count in range(10, 501, 49))
    assert least <= stopped <= most
