"""What an audit item is worth: drawn by bands of likelihood, or alike from the whole pool."""

from dataclasses import dataclass, replace

import numpy as np

from scripts.bench.honesty_loop.campaign import Campaign
from shared.pool import Pool
from workers.training import audit

_DRAWS_AGAIN = 100
# Of the normal distribution, for 95 %.
_Z = 1.959964


@dataclass(frozen=True)
class Budget:
    """How far off the recall of a class is, with so many audit items.

    Attributes:
        set: The labeled file, perhaps with a class made rare.
        seed: Of the campaign.
        class_name: The class.
        share: Of the class in the pool.
        recall: Of the model.
        asked: Audit items that somebody had to label.
        banded: Root of the mean squared error of the recall, over samples drawn anew by bands.
        alike: Likewise, over samples drawn alike from the whole pool.
    """

    set: str
    seed: int
    class_name: str
    share: float
    recall: float
    asked: int
    banded: float
    alike: float

    @property
    def times_as_many(self) -> float:
        """How many times as many items drawn alike know the recall as well: errors fall with the root of a number."""
        return (self.alike / self.banded) ** 2

    def items_for(self, half_width: float) -> tuple[float, float]:
        """Items for a 95 % interval of so much to each side, by bands and alike, by the same rule."""
        return (
            self.asked * (_Z * self.banded / half_width) ** 2,
            self.asked * (_Z * self.alike / half_width) ** 2,
        )


def measure_budget(campaign: Campaign, class_name: str, *, name: str, asked: int) -> Budget:
    """Draw samples anew, of which only items without a label cost anything; the others join both kinds for nothing."""
    column, standing = campaign.pool.classes.index(class_name), campaign.pool.representatives
    true = campaign.truth[standing, column]
    plain = replace(
        campaign.pool,
        bands=np.full(len(campaign.pool), -1),
        rule_hits=campaign.pool.rule_hits[:, :0],
        rule_settled=campaign.pool.rule_settled[:0],
    )
    new = float((~campaign.pool.labeled[standing]).mean())
    return Budget(
        set=name,
        seed=campaign.config.seed,
        class_name=class_name,
        share=float(true.mean()),
        recall=float(campaign.decided[standing, column][true].mean()),
        asked=asked,
        banded=_error(campaign, campaign.pool, column, draws=asked),
        alike=_error(campaign, plain, column, draws=round(asked / new)),
    )


def _error(campaign: Campaign, pool: Pool, column: int, *, draws: int) -> float:
    """A sample without any item of the class says a recall of one half."""
    rng = np.random.default_rng(campaign.config.seed)
    true, hit = campaign.truth[:, column], campaign.truth[:, column] & campaign.decided[:, column]
    standing = pool.representatives
    recall = hit[standing].sum() / true[standing].sum()
    errors = []
    for _ in range(_DRAWS_AGAIN):
        drawn = replace(pool, draws=rng.random(len(pool)))
        sample = audit.extend(drawn, {}, draws=draws)
        rows = np.flatnonzero(sample.members)
        weights = audit.weigh(drawn, sample.thresholds, rows).weights
        whole = weights @ true[rows]
        errors.append((weights @ hit[rows] / whole if whole else 0.5) - recall)
    return float(np.sqrt(np.mean(np.square(errors))))
