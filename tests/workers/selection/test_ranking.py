"""The order of a batch: rare items are never far, for one annotator and for many who pull from one queue."""

from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.pool import Mask
from workers.selection.ranking import mix


def ranked(rare: Mask, *, seed: int) -> Mask:
    """Whether each rank is rare."""
    return rare[mix(["boundary"] * len(rare), rare, np.random.default_rng(seed))]


@given(st.lists(st.booleans(), max_size=120), st.integers(0, 1_000))
def test_any_run_of_ranks_holds_its_part_of_the_rare_items_less_one(rare: list[bool], seed: int) -> None:
    found = ranked(np.array(rare, dtype=bool), seed=seed)
    share = found.mean() if len(found) else 0.0
    for length in range(1, len(found) + 1):
        runs = np.lib.stride_tricks.sliding_window_view(found, length).sum(axis=1)
        assert runs.min() >= np.floor(length * share + 1e-9) - 1


@given(st.lists(st.tuples(st.sampled_from("abc"), st.booleans()), max_size=60), st.integers(0, 1_000))
def test_every_item_gets_one_rank(items: list[tuple[str, bool]], seed: int) -> None:
    rare = np.array([is_rare for _, is_rare in items], dtype=bool)
    order = mix([channel for channel, _ in items], rare, np.random.default_rng(seed))
    assert sorted(order.tolist()) == list(range(len(items)))


def test_each_channel_is_spread_over_the_ranks_too() -> None:
    channels = ["audit"] * 20 + ["boundary"] * 60 + ["coverage"] * 20
    order = mix(channels, np.arange(100) % 10 == 0, np.random.default_rng(0))
    for part in np.array_split(order, 4):
        found = Counter(channels[item] for item in part.tolist())
        assert 3 <= found["audit"] <= 7
        assert 3 <= found["coverage"] <= 7


def shares_of_annotators(annotators: int, *, seed: int) -> list[float]:
    """The rare share of what each gets of 1,000 items of which 100 are rare, for those who got at least 30.

    Whoever is done takes the next one. The fastest of ten is about five times as fast as the slowest.
    """
    rng = np.random.default_rng(seed)
    speeds = np.exp(rng.normal(0, 0.5, annotators))
    until, got = np.zeros(annotators), [list[bool]() for _ in range(annotators)]
    for is_rare in ranked(np.arange(1_000) < 100, seed=seed).tolist():
        who = int(until.argmin())
        got[who].append(is_rare)
        until[who] += rng.lognormal(0, 0.5) / speeds[who]
    return [float(np.mean(items)) for items in got if len(items) >= 30]


@pytest.mark.parametrize(("annotators", "nearly_all_get"), [(2, 0.08), (5, 0.06), (10, 0.04), (20, 0.03)])
def test_annotators_of_unequal_speed_who_pull_from_one_queue_meet_rare_items(
    annotators: int, nearly_all_get: float
) -> None:
    shares = np.array([share for seed in range(40) for share in shares_of_annotators(annotators, seed=seed)])
    assert np.percentile(shares, 5) >= nearly_all_get
    assert np.median(shares) == pytest.approx(0.1, abs=0.01)
    assert (shares == 0).mean() <= 0.02


@pytest.mark.parametrize("annotators", [2, 5, 10, 20])
def test_annotators_who_take_strict_turns_all_meet_rare_items(annotators: int) -> None:
    """Ten of them would meet all or none if every tenth item were rare."""
    found = [
        ranked(np.arange(1_000) < 100, seed=seed)[turn::annotators] for seed in range(20) for turn in range(annotators)
    ]
    shares = np.array([turn.mean() for turn in found])
    assert shares.max() < 0.35
    assert (shares == 0).mean() <= 0.01
