"""One round: train, score, select. Workers and the simulation both call it, so they choose the same items."""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

import numpy as np

from shared.contracts import Reason
from shared.halves import widen
from shared.pool import Floats, Index, Mask, Matrix, Pool, rows_of
from shared.project import ProjectConfig
from workers.selection.audit_items import draw_audit_items
from workers.selection.channels import Proposal, proposal
from workers.selection.filling import Pick, Picks, fill, take
from workers.selection.ledger import Keep, Ledger
from workers.selection.nearness import Nearness
from workers.selection.overlap import overlap_items
from workers.selection.ranking import mix
from workers.selection.rare_floor import RareFloor, rare_floor
from workers.selection.stability import COMPARED, Doubles, stability, stop_set
from workers.selection.stopping import Evidence
from workers.selection.strategies import STRATEGIES, UNAUDITED
from workers.selection.view import View
from workers.training import audit, bands, classifier
from workers.training.audit import AuditSample
from workers.training.bands import Banded, Scorer
from workers.training.classifier import LinearModel
from workers.training.tuning import train_on

Score = Callable[[LinearModel, Matrix, Index], Floats]
"""Class probabilities of some rows of a matrix, see `classifier.probabilities`."""

RELABEL = "relabel"
"""The only channel that chooses items with a label."""

# Times the audit sample's share of a batch that it may take.
_MOST_DUE = 2


@dataclass(frozen=True)
class RoundPlan:
    """What a round is asked for.

    Attributes:
        number: 1 for the first round of a project.
        places: items wanted.
        encoder: key of the encoder whose vectors the pool holds.
        model: version number that a model trained in this round gets.
        audit: audit thresholds by stratum, as the last round left them.
        strategy: one of `STRATEGIES`.
        drift: `Pool.ids` that an open campaign wants labeled, the most wanted first.
        relabel: `Pool.ids` of labeled items that it wants labeled again.
        drawn: `Pool.ids` of items that it drew by chance: `audit` has the thresholds that let them into the sample.
        scorers: which divide the pool into bands of the audit sample, so far; None leaves the bands as they are.
        earlier: models of the last rounds, the oldest first, which tell whether decisions still change.
    """

    number: int
    places: int
    encoder: str
    model: int
    audit: dict[str, float] = field(default_factory=dict)
    strategy: str = "quietcorner"
    drift: Sequence[int] = ()
    relabel: Sequence[int] = ()
    drawn: Sequence[int] = ()
    scorers: Sequence[Scorer] | None = None
    earlier: Sequence[LinearModel] = ()


@dataclass(frozen=True)
class Choice:
    """One chosen item; `position` is its place in the pool that was given, `id` its stable row number."""

    position: int
    id: int
    item_id: str
    reason: Reason


@dataclass(frozen=True)
class Selected:
    """A batch.

    Attributes:
        choices: its items by rank.
        shortfalls: why it is short, if it is.
        audit: the audit thresholds after it.
        division: how many places each channel was given, in the order in which they chose.
        done: classes that got no places since enough of them is found.
        stopping: what speaks for that or against it, for each class that is sought or done.
        banded: the pool with the bands of its items, and what divides it; None where the plan leaves them.
    """

    choices: tuple[Choice, ...]
    shortfalls: tuple[str, ...]
    audit: dict[str, float]
    division: dict[str, int]
    done: tuple[str, ...]
    stopping: dict[str, Evidence]
    banded: Banded | None


def select(
    pool: Pool,
    model: LinearModel | None,
    config: ProjectConfig,
    plan: RoundPlan,
    *,
    nearness: Nearness | None = None,
    score: Score = classifier.probabilities,
) -> Selected:
    """Choose the next batch.

    What chooses learned nothing from the audit sample, see `audit.sealed`. That sample comes first, since chance must
    not be pushed aside; then an open campaign; then the strategy's channels. Caps hold for all of them, see
    `workers.selection.audit_items` for what that means to the sample.

    Args:
        pool: The pool.
        model: Trained on all labels; None before the first.
        config: The project.
        plan: What is asked for.
        nearness: What an earlier round of this pool found out, which saves time and changes nothing.
        score: What gives the pool its probabilities; others than `classifier.probabilities` give the same.
    """
    seed = round_seed(config.seed, plan.number)
    sealed = audit.sealed(pool, plan.audit)
    banded = _divide(pool, config, plan, sealed)
    pool = banded.pool if banded else pool
    with ThreadPoolExecutor(1, "kappas") as beside:  # neither fills the cores
        agreed = beside.submit(_kappas, pool, plan.earlier, model)
        model = model and _asking(pool, model, config, sealed)
        kappas = agreed.result()
    probability = None if model is None else score(model, pool.features, pool.rows)
    rng, nearness = np.random.default_rng(seed), nearness or Nearness()
    view = View(pool, config, model, probability, plan.audit, rng, sealed, kappas, nearness)
    campaign = len(plan.drift) + len(plan.relabel) + len(plan.drawn)
    floor = rare_floor(view, places=plan.places, strategy=plan.strategy)
    ledger = Ledger(view, floor, wanted=plan.places, beside=campaign)
    draws = _audit_draws(config, plan)
    picks: Picks = {}
    # Many items that arrive at once can make many due: they come by and by, and leave places to the others.
    most = _MOST_DUE * draws + len(plan.drawn)
    sample, held_back = draw_audit_items(pool, ledger, picks, plan.audit, draws=draws, first=plan.drawn, most=most)
    division = {"audit": len(picks)}
    for channel, wanted in (("drift", plan.drift), (RELABEL, plan.relabel)):
        proposed = _campaign_items(pool, wanted, labeled=channel == RELABEL)
        division[channel] = take(ledger, picks, channel, proposed, keep=Keep.NOTHING)
    shares = STRATEGIES[plan.strategy](view, ledger.left)
    for name, _, places in shares:
        division[name] = division.get(name, 0) + places
    fill(view, ledger, picks, shares)
    return Selected(
        choices=_in_order(view, plan, seed, sample, picks, floor),
        shortfalls=(*ledger.shortfalls(), *held_back),
        audit=sample.thresholds,
        division={name: places for name, places in division.items() if places},
        done=tuple(pool.classes[need.column] for need in view.needs if need.done),
        stopping={pool.classes[need.column]: need.evidence for need in view.needs if need.rare or need.done},
        banded=banded,
    )


def round_seed(project_seed: int, number: int) -> int:
    """The seed of one round, from the project's seed and the round's number: 31 bits, as a database's integer holds."""
    return int(np.random.SeedSequence([project_seed, number]).generate_state(1)[0]) >> 1


@dataclass(frozen=True)
class _Place:
    """What an item's reason says of its place in the batch."""

    rank: int
    rare: bool
    overlap: int
    seed: int


def _kappas(pool: Pool, earlier: Sequence[LinearModel], newest: LinearModel | None) -> Doubles | None:
    """(n_classes,) how far the last models agree on the stop set; those of other classes or features don't compare."""
    if newest is None:
        return None
    alike = [
        one for one in (*earlier, newest) if one.classes == newest.classes and one.weights.shape == newest.weights.shape
    ]
    if len(alike) <= COMPARED:
        return None
    features = widen(rows_of(pool.features, pool.rows[stop_set(pool)]))  # once for all models
    asked, rows = alike[-COMPARED - 1 :], np.arange(len(features))
    return stability([classifier.decide(one, classifier.probabilities(one, features, rows)) for one in asked])


def _asking(pool: Pool, model: LinearModel, config: ProjectConfig, sealed: Mask) -> LinearModel | None:
    """The model as the labels outside the audit sample alone would have taught it, tuned alike."""
    if not (pool.labeled & sealed).any():
        return model
    return train_on(pool, np.flatnonzero(pool.labeled & ~sealed), config, tuning=model.tuning)


def _divide(pool: Pool, config: ProjectConfig, plan: RoundPlan, sealed: Mask) -> Banded | None:
    """The pool with its bands, where there is an audit sample to draw from them."""
    if plan.scorers is None or not _audit_draws(config, plan):
        return None
    return bands.divide(pool, config, sealed, plan.scorers)


def _audit_draws(config: ProjectConfig, plan: RoundPlan) -> int:
    """Audit items wanted."""
    return 0 if plan.strategy in UNAUDITED else round(config.selection.audit_share * plan.places)


def _campaign_items(pool: Pool, ids: Sequence[int], *, labeled: bool) -> Proposal:
    place = {int(id_): position for position, id_ in enumerate(pool.ids.tolist())} if ids else {}
    wanted = np.array([place[id_] for id_ in ids if id_ in place], dtype=np.int64)
    if labeled:
        return proposal(wanted[pool.labeled[wanted] & ~pool.queued[wanted]])
    return proposal(wanted[np.isin(wanted, pool.eligible)])


def _in_order(
    view: View, plan: RoundPlan, seed: int, sample: AuditSample, picks: Picks, floor: RareFloor
) -> tuple[Choice, ...]:
    """The batch by rank."""
    channel = [pick.channel for pick in picks.values()]
    rare = [floor.counts(position, pick.wanted) for position, pick in picks.items()]
    order = mix(channel, np.array(rare, dtype=bool), view.rng).tolist()
    positions = np.array(list(picks), dtype=np.int64)
    audited = np.array([name == "audit" for name in channel], dtype=bool)
    several = overlap_items(view.pool.draws[positions], audited, share=view.config.selection.overlap_share)
    overlap = np.where(several, view.config.selection.overlap, 1).tolist()
    return tuple(
        Choice(
            position=int(positions[place]),
            id=int(view.pool.ids[positions[place]]),
            item_id=view.pool.item_ids[positions[place]],
            reason=_explain(
                view,
                plan,
                sample,
                int(positions[place]),
                picks[int(positions[place])],
                _Place(rank, rare[place], overlap[place], seed),
            ),
        )
        for rank, place in enumerate(order, 1)
    )


def _explain(view: View, plan: RoundPlan, sample: AuditSample, position: int, pick: Pick, place: _Place) -> Reason:
    pool, predicted = view.pool, int(view.predicted[position])
    known = view.probability is not None
    inclusion = None
    if pick.channel == "audit":
        in_sample = bool(sample.members[position])
        inclusion = float(sample.inclusion[position]) if in_sample else min(1.0, plan.places / len(pool.eligible))
    return Reason(
        channel=pick.channel,
        score=pick.score,
        rank=place.rank,
        cluster=pick.cluster,
        predicted=pool.classes[predicted] if known else None,
        probability=_probability_of(view.probability, position, predicted),
        wanted=pool.classes[pick.wanted] if pick.wanted >= 0 else None,
        rules=[name for name, hit in zip(pool.rule_names, pool.rule_hits[position], strict=True) if hit],
        inclusion=inclusion,
        rare=place.rare,
        overlap=place.overlap,
        model=plan.model if known else None,
        encoder=plan.encoder,
        seed=place.seed,
    )


def _probability_of(probability: Floats | None, position: int, column: int) -> float | None:
    return None if probability is None else round(float(probability[position, column]), 6)
