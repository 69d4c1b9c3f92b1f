"""One round: train, score, select. Workers and the simulation both call it, so they choose the same items."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from shared.contracts import Reason
from shared.pool import Floats, Mask, Pool
from shared.project import ProjectConfig
from workers.selection import channels
from workers.selection.channels import Proposal, proposal
from workers.selection.ledger import Ledger
from workers.selection.overlap import overlap_items
from workers.selection.strategies import STRATEGIES, UNAUDITED, Division
from workers.selection.view import View
from workers.training import audit, bands, classifier
from workers.training.audit import AuditSample
from workers.training.bands import Banded, Scorer
from workers.training.classifier import LinearModel
from workers.training.tuning import train_on

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
        done: classes that got no places since nearly all of them is found.
        banded: the pool with the bands of its items, and what divides it; None where the plan leaves them.
    """

    choices: tuple[Choice, ...]
    shortfalls: tuple[str, ...]
    audit: dict[str, float]
    division: dict[str, int]
    done: tuple[str, ...]
    banded: Banded | None


def select(pool: Pool, model: LinearModel | None, config: ProjectConfig, plan: RoundPlan) -> Selected:
    """Choose the next batch.

    What chooses learned nothing from the audit sample, see `audit.sealed`. That sample comes first, since chance must
    not be pushed aside; then an open campaign; then the strategy's channels. Caps hold for all of them: an audit item
    that a cap refuses stays due and comes in a later batch.
    """
    seed = round_seed(config.seed, plan.number)
    sealed = audit.sealed(pool, plan.audit)
    banded = _divide(pool, config, plan, sealed)
    pool = banded.pool if banded else pool
    model = model and _asking(pool, model, config, sealed)
    probability = None if model is None else classifier.probabilities(model, pool.matrix, pool.rows)
    view = View(pool, config, model, probability, plan.audit, np.random.default_rng(seed), sealed)
    campaign = len(plan.drift) + len(plan.relabel) + len(plan.drawn)
    ledger = Ledger(view, wanted=plan.places, beside=campaign)
    draws = _audit_draws(config, plan)
    sample = audit.extend(pool, plan.audit, draws=draws)
    chosen: dict[int, _Pick] = {}
    division: dict[str, int] = {}
    # Many items that arrive at once can make many due: they come by and by, and leave places to the others.
    division["audit"] = _take(
        ledger,
        chosen,
        "audit",
        _due_for_audit(pool, sample, first=plan.drawn),
        keep_quotas=True,
        limit=_MOST_DUE * draws + len(plan.drawn),
    )
    for channel, wanted in (("drift", plan.drift), ("relabel", plan.relabel)):
        proposed = _campaign_items(pool, wanted, labeled=channel == "relabel")
        division[channel] = _take(ledger, chosen, channel, proposed, keep_quotas=False)
    shares = STRATEGIES[plan.strategy](view, ledger.left)
    for name, _, places in shares:
        division[name] = division.get(name, 0) + places
    _fill(view, ledger, chosen, shares)
    order = _mixed(ledger.chosen, chosen)
    overlap = _overlap(view, order, chosen)
    return Selected(
        choices=tuple(
            _explain(view, plan, seed, sample, rank, order, chosen, overlap=overlap[rank]) for rank in range(len(order))
        ),
        shortfalls=tuple(ledger.shortfalls()),
        audit=sample.thresholds,
        division={name: places for name, places in division.items() if places},
        done=tuple(pool.classes[need.column] for need in view.needs if need.done),
        banded=banded,
    )


def round_seed(project_seed: int, number: int) -> int:
    """The seed of one round, from the project's seed and the round's number: 31 bits, as a database's integer holds."""
    return int(np.random.SeedSequence([project_seed, number]).generate_state(1)[0]) >> 1


@dataclass(frozen=True)
class _Pick:
    channel: str
    score: float | None
    cluster: int | None
    wanted: int


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


def _due_for_audit(pool: Pool, sample: AuditSample, *, first: Sequence[int]) -> Proposal:
    """Members of the audit sample that nobody has labeled, by their draw; those with the ids `first` before others."""
    free = np.zeros(len(pool), dtype=bool)
    free[pool.eligible] = True
    due = np.flatnonzero(sample.members & free)
    return proposal(due[np.lexsort((pool.draws[due], ~np.isin(pool.ids[due], first)))])


def _campaign_items(pool: Pool, ids: Sequence[int], *, labeled: bool) -> Proposal:
    place = {int(id_): position for position, id_ in enumerate(pool.ids.tolist())} if ids else {}
    wanted = np.array([place[id_] for id_ in ids if id_ in place], dtype=np.int64)
    if labeled:
        return proposal(wanted[pool.labeled[wanted] & ~pool.queued[wanted]])
    return proposal(wanted[np.isin(wanted, pool.eligible)])


def _fill(view: View, ledger: Ledger, chosen: dict[int, _Pick], division: Division) -> None:
    """Let the channels choose. Relaxed, in this order: the channels' shares, the sources' quotas; never a cap."""
    carried, last = 0, "coverage"
    for name, channel, slots in division:
        places = slots + carried
        taken = 0
        if places:
            taken = _take(ledger, chosen, name, channel(view, places), keep_quotas=True, limit=places)
        carried, last = places - taken, name
    for keep_quotas in (True, False):
        if ledger.left:
            _take(ledger, chosen, last, _remainder(view), keep_quotas=keep_quotas)


def _remainder(view: View) -> Proposal:
    """All eligible items: the most uncertain first, or in random order before the first model."""
    if view.probability is None:
        return channels.chance(view, 0)
    eligible = view.pool.eligible
    score = channels.indecision(view, eligible)
    order = np.argsort(-score, kind="stable")
    return proposal(eligible[order], score[order])


def _take(
    ledger: Ledger,
    chosen: dict[int, _Pick],
    channel: str,
    proposal: Proposal,
    *,
    keep_quotas: bool,
    limit: int | None = None,
) -> int:
    """Put proposed items into the batch, at most `limit`; returns how many fitted."""
    taken = 0
    for position, score, cluster, wanted in zip(
        proposal.index.tolist(),
        proposal.score.tolist(),
        proposal.cluster.tolist(),
        proposal.wanted.tolist(),
        strict=True,
    ):
        if not ledger.left or taken == limit:
            break
        if ledger.add(position, keep_quotas=keep_quotas):
            chosen[position] = _Pick(
                channel, None if np.isnan(score) else round(score, 6), cluster if cluster >= 0 else None, wanted
            )
            taken += 1
    return taken


def _mixed(order: list[int], chosen: dict[int, _Pick]) -> list[int]:
    """The order in which items are handed out: each channel's spread evenly over the batch.

    So whoever takes a few of them in a row sees rare items among them: annotators who meet none for long stop
    looking for them (Wolfe, Horowitz and Kenner, "Rare items often missed in visual searches", 2005).
    """
    size = Counter(pick.channel for pick in chosen.values())
    seen: Counter[str] = Counter()
    place = {}
    for position in order:
        channel = chosen[position].channel
        place[position] = (seen[channel] + 0.5) / size[channel]
        seen[channel] += 1
    return sorted(order, key=place.__getitem__)


def _overlap(view: View, order: list[int], chosen: dict[int, _Pick]) -> list[int]:
    """By rank, how many annotators are asked about each item."""
    options = view.config.selection
    audited = np.array([chosen[position].channel == "audit" for position in order], dtype=bool)
    several = overlap_items(view.pool.draws[order], audited, share=options.overlap_share)
    return [options.overlap if one else 1 for one in several.tolist()]


def _explain(
    view: View,
    plan: RoundPlan,
    seed: int,
    sample: AuditSample,
    rank: int,
    order: list[int],
    chosen: dict[int, _Pick],
    *,
    overlap: int,
) -> Choice:
    position = order[rank]
    pool, pick, predicted = view.pool, chosen[position], int(view.predicted[position])
    known = view.probability is not None
    inclusion = None
    if pick.channel == "audit":
        in_sample = bool(sample.members[position])
        inclusion = float(sample.inclusion[position]) if in_sample else min(1.0, plan.places / len(pool.eligible))
    return Choice(
        position=position,
        id=int(pool.ids[position]),
        item_id=pool.item_ids[position],
        reason=Reason(
            channel=pick.channel,
            score=pick.score,
            rank=rank + 1,
            cluster=pick.cluster,
            predicted=pool.classes[predicted] if known else None,
            probability=_probability_of(view.probability, position, predicted),
            wanted=pool.classes[pick.wanted] if pick.wanted >= 0 else None,
            rules=[name for name, hit in zip(pool.rule_names, pool.rule_hits[position], strict=True) if hit],
            inclusion=inclusion,
            overlap=overlap,
            model=plan.model if known else None,
            encoder=plan.encoder,
            seed=seed,
        ),
    )


def _probability_of(probability: Floats | None, position: int, column: int) -> float | None:
    return None if probability is None else round(float(probability[position, column]), 6)
