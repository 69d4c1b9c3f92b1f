"""What a model's probabilities may be off by: surer with labels, moved by what it said of unseen ones and guesses."""

from dataclasses import replace

import numpy as np
import pytest

from shared.pool import Pool
from tests.pools import make_pool
from workers.selection.doubts import Doubts, doubt, draw_count, sort_kinds

ITEMS = 4_000


def make(*, hits: int = 1_000, described: int = 0, labeled: int = 0, right: int = 0) -> Pool:
    """Items that a keyword rule hits come first, then those that only a description hits. The last ones are labeled,
    of which the first are of the class."""
    pool, _ = make_pool(items=ITEMS, rules=("words", "text"), sources=("mail",))
    number = np.arange(ITEMS)
    rule_hits = np.stack([number < hits, (number >= hits) & (number < hits + described)], axis=1)
    has_label = number >= ITEMS - labeled
    is_rare = has_label & (number < ITEMS - labeled + right)
    return replace(
        pool,
        rule_hits=rule_hits,
        rule_settled=np.array([True, False]),
        labeled=has_label,
        targets=np.stack([has_label & ~is_rare, is_rare], axis=1),
    )


def doubted(pool: Pool, share: float = 0.1, *, held_out: float | None = None, guess: float | None = None) -> Doubts:
    """Doubts of a model that says `share` of all items, and said `held_out` of labeled ones that it had not seen."""
    probability = np.full(ITEMS, share, dtype=np.float32)
    said = None if held_out is None else np.full(int(pool.labeled.sum()), held_out, dtype=np.float32)
    return doubt(pool, sort_kinds(pool, seed=0), 1, probability, said, guess=guess)


def shifts(found: Doubts, kind: int = 0) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    drawn: np.ndarray[tuple[int], np.dtype[np.float64]] = found.draw(20_000, np.random.default_rng(0))[kind]
    return drawn


def test_there_is_a_shift_for_what_no_rule_hits_one_for_descriptions_and_one_for_other_rules() -> None:
    kinds = sort_kinds(make(hits=10, described=20), seed=0)

    assert np.bincount(kinds.of).tolist() == [ITEMS - 30, 20, 10]
    assert (kinds.of[:10] == 2).all()
    assert [len(sample) for sample in kinds.samples] == [2_000, 20, 10]
    assert (kinds.of[kinds.samples[0]] == 0).all()


def test_at_first_a_shift_may_go_either_way_and_labels_make_it_surer_down_to_a_quarter() -> None:
    first = shifts(doubted(make()))
    some = shifts(doubted(make(labeled=100, right=10), held_out=0.1))
    many = shifts(doubted(make(labeled=2_000, right=200), held_out=0.1))

    assert abs(first.mean()) < 0.03
    assert first.std() == pytest.approx(1.03, abs=0.03)
    assert abs(some.mean()) < 0.1
    assert some.std() == pytest.approx(0.41, abs=0.04)
    assert many.std() == pytest.approx(0.26, abs=0.02)


def test_a_model_that_told_too_much_of_what_it_had_not_seen_is_believed_less() -> None:
    found = doubted(make(hits=0, labeled=600, right=6), 0.03, held_out=0.03)
    share = found.share(found.draw(5_000, np.random.default_rng(0)))

    assert shifts(found).mean() == pytest.approx(-1.0, abs=0.15)
    assert share.mean() < 0.016


def test_labels_of_what_no_rule_hits_say_nothing_of_what_rules_hit() -> None:
    found = doubted(make(labeled=600, right=6), held_out=0.03)

    assert abs(shifts(found, kind=2).mean()) < 0.03
    assert shifts(found, kind=2).std() > 2 * shifts(found, kind=0).std()


def test_a_fold_whose_model_had_not_seen_the_class_says_nothing() -> None:
    assert shifts(doubted(make(labeled=4, right=1), held_out=1e-13)).std() > 1


def test_a_guess_moves_the_share_towards_it() -> None:
    found = doubted(make(hits=0), 0.05, guess=0.01)
    share = found.share(found.draw(5_000, np.random.default_rng(0)))

    assert np.percentile(share, 2.5) < 0.01 < np.percentile(share, 97.5)
    assert share.mean() < 0.02


def test_a_share_weighs_the_kinds_by_their_items() -> None:
    probability = np.where(np.arange(ITEMS) < 1_000, 0.5, 0.01).astype(np.float32)
    pool = make()
    found = doubt(pool, sort_kinds(pool, seed=0), 1, probability, None, guess=None)

    assert found.share(np.zeros((3, 1)))[0] == pytest.approx(0.25 * 0.5 + 0.75 * 0.01, rel=0.01)


def test_counts_have_the_mean_and_the_variance_of_the_items() -> None:
    probability = np.repeat([0.98, 0.3, 0.01], [40, 50, 400])
    counts = draw_count(probability, np.zeros(40_000), np.random.default_rng(0))

    assert counts.mean() == pytest.approx(probability.sum(), rel=0.01)
    assert counts.var() == pytest.approx((probability * (1 - probability)).sum(), rel=0.05)


def test_counts_follow_the_shift_of_all_log_odds() -> None:
    probability = np.array([0.5, 0.2, 0.0])
    counts = draw_count(probability, np.full(40_000, np.log(3)), np.random.default_rng(0))

    assert counts.mean() == pytest.approx(0.75 + 3 / 7, rel=0.03)
