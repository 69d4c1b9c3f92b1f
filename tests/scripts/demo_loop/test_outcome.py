import pytest

from scripts.demo_loop.outcome import Found, compare, tally
from scripts.tickets import Ticket


def test_found_fraud_is_counted_by_what_the_tickets_are() -> None:
    found = tally(_pool(fraud=4, new=3, other=5), labeled={"fraud-0", "new-0", "new-1", "other-0", "elsewhere"})

    assert found.fraud == Found(3, 7)
    assert found.new_kind == Found(2, 3)


def test_random_labeling_finds_its_share_of_the_pool_on_average() -> None:
    pool = _pool(fraud=20, new=10, other=170)
    outcomes = [
        compare(pool, {f"fraud-{number}" for number in range(20)}, campaigns=0, seed=seed) for seed in range(300)
    ]

    assert {outcome.expected_share for outcome in outcomes} == {0.1}
    assert {outcome.chosen.fraud for outcome in outcomes} == {Found(20, 30)}
    drawn = [outcome.drawn.fraud.labeled for outcome in outcomes]
    assert sum(drawn) / len(drawn) == pytest.approx(3.0, abs=0.4)


def test_the_random_draw_is_as_large_as_what_was_labeled_and_repeatable() -> None:
    pool = _pool(fraud=30, new=0, other=0)
    labeled = {f"fraud-{number}" for number in range(7)}

    assert compare(pool, labeled, campaigns=1, seed=5) == compare(pool, labeled, campaigns=1, seed=5)
    assert compare(pool, labeled, campaigns=1, seed=5).drawn.fraud == Found(7, 30)


def test_nothing_to_find_is_no_share() -> None:
    assert str(Found(0, 0)) == "0 of 0 (0%)"


def _pool(*, fraud: int, new: int, other: int) -> list[Ticket]:
    sorts = [("fraud", "fraud", "phishing", fraud), ("new", "fraud", "impostor", new), ("other", "praise", "p", other)]
    return [
        Ticket(f"{name}-{number}", "text", label, kind, "Social", 0.0)
        for name, label, kind, count in sorts
        for number in range(count)
    ]
