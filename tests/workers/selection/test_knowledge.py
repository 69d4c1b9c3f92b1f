"""What is known of classes: from the audit sample, the model, a guess, or nothing."""

from dataclasses import replace

import numpy as np
import pytest

from shared.pool import Floats, Pool
from shared.project import ProjectConfig
from tests.pools import make_pool
from workers.selection.knowledge import Basis, Knowledge, best_rules, know, rare_classes
from workers.training import audit

CLASSES = ("common", "other", "rare")


def make(*, labeled: int = 0, **options: object) -> tuple[Pool, ProjectConfig]:
    pool, _ = make_pool(items=1_000, classes=CLASSES, shares=(0.5, 0.45, 0.05), labeled=labeled, rules=("a", "b"))
    rules = [{"name": name, "class": "rare", "keywords": [name]} for name in pool.rule_names]
    return pool, ProjectConfig.model_validate({"classes": CLASSES, "rules": rules, **options})


def believed(pool: Pool) -> Floats:
    return np.tile(np.array([0.6, 0.36, 0.04], dtype=np.float32), (len(pool), 1))


def known(
    pool: Pool, config: ProjectConfig, probability: Floats | None = None, thresholds: dict[str, float] | None = None
) -> Knowledge:
    return know(
        pool,
        config,
        probability=probability,
        held_out=None if probability is None else probability[pool.labeled],
        thresholds=thresholds or {},
        guesses={"rare": 0.02},
    )


def test_at_first_only_a_guess_is_known_and_that_within_a_factor_of_two() -> None:
    found = known(*make())

    assert found.bases == (Basis.NOTHING, Basis.NOTHING, Basis.GUESS)
    assert found.shares[:2] == (None, None)
    guess = found.shares[2]
    assert guess is not None
    assert (guess.value, guess.low, guess.high) == (0.02, 0.01, 0.04)
    assert found.tally is None
    assert found.doubts == (None, None, None)


def test_a_model_tells_the_shares_of_what_it_has_seen_and_the_more_it_saw_the_surer() -> None:
    pool, config = make(labeled=60)
    unseen = replace(pool, targets=pool.targets & (np.arange(3) < 2))
    found = known(unseen, config, believed(pool))

    assert found.bases == (Basis.MODEL, Basis.MODEL, Basis.GUESS)
    assert [one is None for one in found.doubts] == [False, False, True]
    many, few = (known(*make(labeled=labeled), believed(pool)).shares[0] for labeled in (600, 20))
    assert many is not None
    assert few is not None
    assert few.high - few.low > 1.4 * (many.high - many.low)


def test_the_audit_sample_comes_before_all_else_once_it_is_large_enough() -> None:
    pool, config = make()
    sample = audit.extend(pool, {}, draws=200)
    answered = replace(pool, labeled=sample.members, targets=np.tile([True, False, False], (len(pool), 1)))
    found = known(answered, config, believed(pool), sample.thresholds)

    assert set(found.bases) == {Basis.AUDIT}
    assert found.audit_items == 200
    assert found.shares[2] is not None
    assert found.shares[2].value == 0
    assert found.tally is not None


def test_rare_is_what_is_short_of_its_target_or_known_to_be_under_half_of_an_even_share() -> None:
    pool, config = make(targets={"other": 10})

    assert rare_classes(pool, config, known(pool, config)).tolist() == [1, 2]
    assert rare_classes(*make(), known(*make())).tolist() == [2]


def test_an_item_is_judged_by_the_rule_with_the_most_labels() -> None:
    pool, config = make()
    hits = np.zeros((len(pool), 2), dtype=bool)
    hits[:4] = [[True, True], [True, False], [False, True], [True, False]]
    labeled = np.arange(len(pool)) == 3
    pool = replace(pool, rule_hits=hits, labeled=labeled)

    assert best_rules(pool, config, known(pool, config), 2)[:5].tolist() == [0, 0, 1, 0, -1]
    assert (best_rules(pool, config, known(pool, config), 0) == -1).all()


@pytest.mark.parametrize("labeled", [0, 60])
def test_what_every_rule_is_worth_is_known_too(labeled: int) -> None:
    pool, config = make(labeled=labeled)

    assert [rule.name for rule in known(pool, config).rules] == ["a", "b"]
