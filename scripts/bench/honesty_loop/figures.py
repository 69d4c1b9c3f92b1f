"""What is reported after a campaign, what cross-validation on its labels would say, and what is true."""

from dataclasses import dataclass

import numpy as np

from scripts.bench.honesty_loop.campaign import Campaign
from workers.training.evaluation import evaluate_on_audit
from workers.training.goals import FEW
from workers.training.intervals import Design, Doubles, bootstrap
from workers.training.metrics import Interval, Ranking, rates

FIGURES = ("recall", "precision", "PR-AUC", "prevalence")


@dataclass(frozen=True)
class Told:
    """One figure of one rare class after one campaign.

    Attributes:
        set: The labeled file, perhaps with a class made rare.
        seed: Of the campaign.
        class_name: The class.
        figure: One of `FIGURES`.
        support: Audit items of the class.
        shown: Whether there are enough of them for the report to show the figure.
        true: Over the whole pool.
        reported: From the audit sample, with its interval.
        naive: From cross-validation on all labels, as though they were drawn at random, with its interval.
    """

    set: str
    seed: int
    class_name: str
    figure: str
    support: int
    shown: bool
    true: float
    reported: tuple[float, float, float]
    naive: tuple[float, float, float]


def tell(campaign: Campaign, rare: tuple[str, ...], *, name: str) -> list[Told]:
    """All figures of the rare classes that the report, the cross-validation and the truth have a value for."""
    seed = campaign.config.seed
    report = evaluate_on_audit(
        campaign.pool,
        campaign.config,
        campaign.audit,
        recipe=campaign.model.tuning.recipe,
        rng=np.random.default_rng(seed),
        seed=seed,
    )
    found = []
    for class_name in rare:
        column, told = campaign.pool.classes.index(class_name), report["per_class"].get(class_name)
        true, naive = _true(campaign, column), _naive(campaign, column)
        for figure in FIGURES if told else ():
            key = figure.lower().replace("-", "_")
            reported, cross = (told.get(key), told.get(f"{key}_low"), told.get(f"{key}_high")), naive[figure]
            if None in reported or cross is None or true[figure] is None:
                continue
            shown = figure == "prevalence" or told["support"] >= FEW
            found.append(
                Told(
                    name,
                    seed,
                    class_name,
                    figure,
                    told["support"],
                    shown,
                    true[figure],
                    reported,
                    (cross.value, cross.low, cross.high),
                )
            )
    return found


def _true(campaign: Campaign, column: int) -> dict[str, float]:
    """Over one item a duplicate group, each predicted by a model that did not see it."""
    standing = campaign.pool.representatives
    targets, weights = campaign.truth[standing][:, [column]], np.ones(len(standing))
    precision, recall, _ = rates(targets, campaign.decided[standing][:, [column]], weights)
    area = Ranking.of(targets, campaign.probability[standing][:, [column]]).average_precisions(weights)
    return {
        "recall": float(recall[0]),
        "precision": float(precision[0]),
        "PR-AUC": float(area[0]),
        "prevalence": float(targets.mean()),
    }


def _naive(campaign: Campaign, column: int) -> dict[str, Interval | None]:
    targets, said = campaign.truth[campaign.labeled][:, [column]], campaign.held_out
    count = len(targets)
    design = Design(np.ones(count), np.zeros(count, dtype=np.int64), campaign.pool.families[campaign.labeled])
    true, decided = targets[:, 0].astype(np.float64), said.decided[:, column].astype(np.float64)
    ranking = Ranking.of(targets, said.probability[:, [column]])

    def area(weights: Doubles) -> Doubles:
        return ranking.average_precisions(weights) if weights @ true else np.array([np.nan])

    rng = np.random.default_rng(campaign.config.seed)
    return {
        "recall": design.ratio(true * decided, true),
        "precision": design.ratio(true * decided, decided),
        "PR-AUC": bootstrap(design, area, sizes=np.array([true.sum()]), rng=rng)[0],
        "prevalence": design.ratio(true, np.ones(count)),
    }
