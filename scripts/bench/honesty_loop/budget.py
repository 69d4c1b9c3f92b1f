"""How many audit items a narrow interval takes: drawn by bands of likelihood, or alike from the whole pool."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from scripts.bench.honesty_loop.campaign import Campaign
from workers.training import audit
from workers.training.intervals import Design

_FIRST, _GROWTH = 50, 1.15
# Fewer items of the class leave an interval narrow by luck.
_FEWEST = 5


@dataclass(frozen=True)
class Budget:
    """Audit items that have to be labeled until the recall of a class is known.

    Attributes:
        set: The labeled file, perhaps with a class made rare.
        seed: Of the campaign.
        class_name: The class.
        share: Of the class in the pool.
        recall: Of the model.
        width: Half of the interval that is wanted.
        banded: Items asked for, drawn by bands; None where all of the pool does not do.
        alike: Likewise, drawn alike from the whole pool.
        eligible: Items that could be asked for.
    """

    set: str
    seed: int
    class_name: str
    share: float
    recall: float
    width: float
    banded: int | None
    alike: int | None
    eligible: int


def measure_budget(campaign: Campaign, class_name: str, *, name: str, width: float) -> Budget:
    """Draw more and more audit items, of which those that have no label yet cost one, until the interval is narrow.

    Both samples start from nothing, and items that the campaign labeled join both at no cost.
    """
    column, standing = campaign.pool.classes.index(class_name), campaign.pool.representatives
    true = campaign.truth[standing, column]
    plain = replace(campaign.pool, bands=np.full(len(campaign.pool), -1), rule_hits=campaign.pool.rule_hits[:, :0])
    plain = replace(plain, rule_settled=campaign.pool.rule_settled[:0])
    return Budget(
        set=name,
        seed=campaign.config.seed,
        class_name=class_name,
        share=float(true.mean()),
        recall=float(campaign.decided[standing, column][true].mean()),
        width=width,
        banded=_asked(campaign, column, width=width),
        alike=_asked(replace(campaign, pool=plain), column, width=width),
        eligible=int((~campaign.pool.labeled[standing]).sum()),
    )


def _asked(campaign: Campaign, column: int, *, width: float) -> int | None:
    thresholds: Mapping[str, float] = {}
    wanted, pool = _FIRST, campaign.pool
    while True:
        sample = audit.extend(pool, thresholds, draws=wanted)
        thresholds, rows = sample.thresholds, np.flatnonzero(sample.members)
        if _half(campaign, thresholds, rows, column) <= width:
            return int((~pool.labeled[rows]).sum())
        if pool.labeled[np.setdiff1d(pool.representatives, rows)].all():
            return None  # nobody is left to be asked for
        wanted = max(10, round(len(rows) * (_GROWTH - 1)))


def _half(campaign: Campaign, thresholds: Mapping[str, float], rows: np.ndarray, column: int) -> float:
    """Half of the width of the interval; infinite with too few items of the class."""
    true = campaign.truth[rows, column].astype(np.float64)
    if true.sum() < _FEWEST:
        return np.inf
    weighed = audit.weigh(campaign.pool, thresholds, rows)
    design = Design(weighed.weights, weighed.strata, campaign.pool.families[rows])
    said, chance = campaign.decided[rows, column].astype(np.float64), campaign.probability[rows, column]
    expected = chance * said, chance * (1 - said)
    found = design.ratio(true * said, true, expected=expected)
    return np.inf if found is None else (found.high - found.low) / 2
