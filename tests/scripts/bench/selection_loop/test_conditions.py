import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from scripts.bench.selection_loop.conditions import binding_caps, over_caps, with_noise
from shared.contracts import Reason
from shared.pool import Mask
from shared.project import Caps
from tests.pools import make_pool
from workers.simulation.replay import Chosen


def _truth(items: int, seed: int = 0) -> Mask:
    classes = np.random.default_rng(seed).choice(3, size=items, p=[0.9, 0.09, 0.01])
    truth: Mask = np.arange(3) == classes[:, None]
    return truth


@given(share=st.floats(0, 1), seed=st.integers(0, 50))
def test_noise_leaves_every_class_as_frequent_as_it_was(share: float, seed: int) -> None:
    truth = _truth(500)
    noisy = with_noise(truth, share, np.random.default_rng(seed))
    assert noisy.sum(axis=0).tolist() == truth.sum(axis=0).tolist()
    assert noisy.any(axis=1).all()


def test_a_rare_class_loses_the_share_of_its_items() -> None:
    truth = _truth(100_000)
    noisy = with_noise(truth, 0.1, np.random.default_rng(1))
    kept = (truth & noisy)[:, 2].sum() / truth[:, 2].sum()
    assert 0.87 < kept < 0.93


def test_without_noise_nothing_changes() -> None:
    truth = _truth(100)
    assert (with_noise(truth, 0.0, np.random.default_rng(0)) == truth).all()


@given(classes=st.integers(2, 60), sources=st.integers(1, 30), batch=st.integers(1, 100))
def test_caps_let_a_batch_be_full_and_still_bind(classes: int, sources: int, batch: int) -> None:
    names = tuple(f"class-{number}" for number in range(classes))
    pool, _ = make_pool(
        items=10,
        classes=names,
        shares=np.full(classes, 1 / classes),  # type: ignore[arg-type]
        sources=[f"source-{number}" for number in range(sources)],
    )
    caps = binding_caps(pool, batch)
    for limits in (caps.classes, caps.sources):
        of_batch = [cap.batch for cap in limits.values() if cap.batch is not None]
        assert sum(of_batch) >= batch or not limits
        assert all(cap <= max(1, 0.6 * batch + 1) for cap in of_batch)
    assert bool(caps.sources) == (sources > 1)


def test_items_beyond_a_cap_of_their_batch_are_counted() -> None:
    pool, _ = make_pool(items=40)
    caps = Caps.model_validate({"classes": {"rare": 2}, "sources": {"email": 3}})
    email = [name for name, code in zip(pool.item_ids, pool.sources.tolist(), strict=True) if code == 0]
    five_of_one_source = [_chosen(name, "common") for name in email[:5]]
    three_of_one_class = [_chosen(name, "rare") for name in email[5:8]]
    before_a_model = [_chosen(name, None) for name in email[8:11]]
    assert over_caps([five_of_one_source], pool=pool, caps=caps) == 2
    assert over_caps([three_of_one_class], pool=pool, caps=caps) == 1
    assert over_caps([five_of_one_source, three_of_one_class], pool=pool, caps=caps) == 3
    assert over_caps([before_a_model], pool=pool, caps=caps) == 0
    assert over_caps([five_of_one_source], pool=pool, caps=Caps()) == 0


def _chosen(item_id: str, predicted: str | None) -> Chosen:
    reason = Reason(
        channel="boundary",
        score=None,
        rank=1,
        cluster=None,
        predicted=predicted,
        probability=None,
        rules=[],
        inclusion=None,
        model=None,
        encoder="made-up",
        seed=0,
    )
    return Chosen(item_id, reason)
