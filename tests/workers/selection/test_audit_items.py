from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest

from shared.pool import Pool
from shared.project import ProjectConfig
from tests.pools import make_pool
from workers.selection.round import RoundPlan, Selected, select
from workers.training import audit, bands, windows
from workers.training.bands import Scorer
from workers.training.tuning import train

CLASSES, SHARES = ("large", "middle", "small"), (0.5, 0.4, 0.1)


def config_with(quotas: dict[str, float] | None = None, **caps: object) -> ProjectConfig:
    return ProjectConfig.model_validate(
        {
            "classes": CLASSES,
            "caps": caps,
            "quotas": {"sources": quotas or {}},
            "selection": {"batch_size": 40, "audit_share": 0.5},
            "training": {"unlabeled": False},
        }
    )


def run(pool: Pool, truth: np.ndarray, config: ProjectConfig, *, rounds: int) -> tuple[Pool, list[Selected]]:
    """Rounds in which every item is labeled as it is."""
    thresholds: dict[str, float] = {}
    scorers: Sequence[Scorer] = ()
    batches = []
    for number in range(1, rounds + 1):
        plan = RoundPlan(number=number, places=40, encoder="e", model=number, audit=thresholds, scorers=scorers)
        batches.append(select(pool, train(pool, config), config, plan))
        thresholds = batches[-1].audit
        if batches[-1].banded:
            pool, scorers = batches[-1].banded.pool, batches[-1].banded.scorers
        labeled = pool.labeled.copy()
        labeled[[choice.position for choice in batches[-1].choices]] = True
        pool = replace(pool, labeled=labeled, targets=truth & labeled[:, None])
    return pool, batches


@pytest.mark.parametrize("caps", [{"large": 3}, {"large": {"total": 60}}])
def test_a_cap_that_binds_makes_the_sample_smaller_and_not_another_one(caps: dict[str, object]) -> None:
    """Half of the pool is of the capped class, and so is half of the sample, on the mean over some pools."""
    found = []
    for seed in range(8):
        pool, truth = make_pool(items=800, classes=CLASSES, shares=SHARES, sources=("mail",), seed=seed)
        told, batches = run(pool, truth, config_with(classes=caps), rounds=6)
        assert any("audit sample" in words and "large" in words for batch in batches for words in batch.shortfalls)
        rows = audit.answers(told, batches[-1].audit)
        weights = audit.weigh(told, batches[-1].audit, rows).weights
        assert 20 < len(rows) < 6 * 20
        found.append(np.average(truth[rows, 0], weights=weights) - truth[:, 0].mean())
    assert abs(np.mean(found)) < 0.05  # a stratum ends with the item before one that is refused


def test_without_a_cap_nothing_is_held_back() -> None:
    pool, truth = make_pool(items=800, classes=CLASSES, shares=SHARES, sources=("mail",))
    told, batches = run(pool, truth, config_with(), rounds=4)
    assert not any(batch.shortfalls for batch in batches)
    assert len(audit.answers(told, batches[-1].audit)) >= 80


@pytest.mark.parametrize(
    "config",
    [config_with(sources={"chat": {"total": 10}}), config_with({"mail": 0.5, "form": 0.5})],
    ids=["a source's cap", "quotas that leave a source out"],
)
def test_a_source_that_gets_no_places_holds_up_no_other(config: ProjectConfig) -> None:
    pool, truth = make_pool(items=1_500, classes=CLASSES, shares=SHARES, sources=("mail", "chat", "form"))
    told, batches = run(pool, truth, config, rounds=10)
    assert bands.phases(told.bands) > 0  # in which items of all sources are
    sizes = [sum(choice.reason.channel == "audit" for choice in batch.choices) for batch in batches]
    assert min(sizes[-3:]) >= 5


def test_a_campaigns_draws_have_a_turn_of_their_own() -> None:
    pool, _ = make_pool(items=800, classes=CLASSES, shares=SHARES, sources=("mail",), labeled=200)
    config = config_with(sources={"mail": 30})
    window = {windows.key(601, 800): 0.2}
    members = audit.measure(pool, window).members & ~pool.labeled
    drawn = pool.ids[members].tolist()
    plan = RoundPlan(number=1, places=40, encoder="e", model=1, audit=window, drawn=drawn, scorers=())
    batch = select(pool, train(pool, config), config, plan)
    audited = {choice.id for choice in batch.choices if choice.reason.channel == "audit"}
    assert set(drawn) <= audited
    assert audited - set(drawn)
