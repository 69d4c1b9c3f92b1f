"""Overlap items: audit items first, then chance, and never a model's choice."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from tests.pools import make_pool
from tests.workers.selection.test_round import choose, make_config
from workers.selection.overlap import overlap_items


def test_audit_items_come_first_and_then_the_smallest_draws() -> None:
    draws, audited = np.array([0.1, 0.9, 0.3, 0.7]), np.array([False, True, False, False])

    assert overlap_items(draws, audited, share=0.5).tolist() == [True, True, False, False]
    assert overlap_items(draws, audited, share=0.25).tolist() == [False, True, False, False]


@given(st.lists(st.tuples(st.floats(0, 1), st.booleans()), max_size=30), st.floats(0, 1))
def test_a_share_of_the_batch_overlaps_rounded_up(items: list[tuple[float, bool]], share: float) -> None:
    draws, audited = np.array([draw for draw, _ in items]), np.array([audit for _, audit in items], dtype=bool)
    found = overlap_items(draws, audited, share=share)

    assert share * len(items) - 1e-6 <= found.sum() < share * len(items) + 1
    assert found[audited].all() or not found[~audited].any()


def test_another_model_does_not_make_other_items_overlap() -> None:
    """Of items that two batches share, the same ones come first, whatever the models said."""
    pool, _ = make_pool(items=300, labeled=60)
    config = make_config(selection={"overlap": 2, "overlap_share": 0.3, "audit_share": 0.2})
    batch = choose(pool, config, places=40).choices
    chance = [choice for choice in batch if choice.reason.channel != "audit"]
    several = [pool.draws[choice.position] for choice in chance if choice.reason.overlap == 2]
    once = [pool.draws[choice.position] for choice in chance if choice.reason.overlap == 1]

    assert all(choice.reason.overlap == 2 for choice in batch if choice.reason.channel == "audit")
    assert len(several) == 12 - 8
    assert max(several) < min(once)
