"""One round: train, score, select. Workers and the simulation both call it, so they choose the same items."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from shared.contracts import Reason
from shared.pool import Floats, Index, Pool
from shared.project import ProjectConfig
from workers.selection import channels
from workers.selection.channels import Proposal
from workers.selection.ledger import Ledger
from workers.selection.strategies import STRATEGIES, Strategy
from workers.selection.view import View
from workers.training import audit, classifier
from workers.training.audit import AuditSample
from workers.training.classifier import LinearModel


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
    """

    number: int
    places: int
    encoder: str
    model: int
    audit: dict[str, float] = field(default_factory=dict)
    strategy: str = "quietcorner"
    drift: Sequence[int] = ()
    relabel: Sequence[int] = ()


@dataclass(frozen=True)
class Choice:
    """One chosen item; `position` is its place in the pool that was given, `id` its stable row number."""

    position: int
    id: int
    item_id: str
    reason: Reason


@dataclass(frozen=True)
class Selected:
    """A batch: its items by rank, why it is short if it is, and the audit thresholds after it."""

    choices: tuple[Choice, ...]
    shortfalls: tuple[str, ...]
    audit: dict[str, float]


def select(pool: Pool, model: LinearModel | None, config: ProjectConfig, plan: RoundPlan) -> Selected:
    """Choose the next batch.

    The audit sample comes first, since chance must not be pushed aside; then an open campaign; then the strategy's
    channels. Caps hold for all of them: an audit item that a cap refuses stays due and comes in a later batch.
    """
    seed = round_seed(config.seed, plan.number)
    probability = None if model is None else classifier.probabilities(model, pool.matrix, pool.rows)
    view = View(pool, config, model, probability, np.random.default_rng(seed))
    ledger = Ledger(view, wanted=plan.places)
    sample = audit.extend(pool, plan.audit, draws=_audit_draws(config, plan))
    chosen: dict[int, _Pick] = {}
    _take(ledger, chosen, "audit", _due_for_audit(pool, sample), keep_quotas=True)
    for channel, wanted in (("drift", plan.drift), ("relabel", plan.relabel)):
        _take(ledger, chosen, channel, _campaign_items(pool, wanted, labeled=channel == "relabel"), keep_quotas=False)
    _fill(view, ledger, chosen, STRATEGIES[plan.strategy])
    return Selected(
        choices=tuple(_explain(view, plan, seed, sample, rank, ledger.chosen, chosen) for rank in range(len(chosen))),
        shortfalls=tuple(ledger.shortfalls()),
        audit=sample.thresholds,
    )


def round_seed(project_seed: int, number: int) -> int:
    """The seed of one round, from the project's seed and the round's number: 31 bits, as a database's integer holds."""
    return int(np.random.SeedSequence([project_seed, number]).generate_state(1)[0]) >> 1


@dataclass(frozen=True)
class _Pick:
    channel: str
    score: float | None = None
    cluster: int | None = None


def _audit_draws(config: ProjectConfig, plan: RoundPlan) -> int:
    """Audit items wanted; a baseline strategy is measured from outside and draws none."""
    return round(config.selection.audit_share * plan.places) if plan.strategy == "quietcorner" else 0


def _due_for_audit(pool: Pool, sample: AuditSample) -> Proposal:
    """Members of the audit sample that nobody has labeled, by their draw."""
    free = np.zeros(len(pool), dtype=bool)
    free[pool.eligible] = True
    due = np.flatnonzero(sample.members & free)
    return _unscored(due[np.argsort(pool.draws[due], kind="stable")])


def _campaign_items(pool: Pool, ids: Sequence[int], *, labeled: bool) -> Proposal:
    place = {int(id_): position for position, id_ in enumerate(pool.ids.tolist())} if ids else {}
    wanted = np.array([place[id_] for id_ in ids if id_ in place], dtype=np.int64)
    if labeled:
        return _unscored(wanted[pool.labeled[wanted] & ~pool.queued[wanted]])
    return _unscored(wanted[np.isin(wanted, pool.eligible)])


def _unscored(index: Index) -> Proposal:
    return Proposal(index, np.full(len(index), np.nan, np.float32), np.full(len(index), -1, np.int64))


def _fill(view: View, ledger: Ledger, chosen: dict[int, _Pick], strategy: Strategy) -> None:
    """Let the channels choose. Relaxed, in this order: the channels' shares, the sources' quotas; never a cap."""
    carried, last = 0, "coverage"
    for name, channel, slots in strategy(view, ledger.left):
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
    score = channels.uncertainty(view, eligible)
    order = np.argsort(-score, kind="stable")
    return Proposal(eligible[order], score[order], np.full(len(order), -1, np.int64))


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
    for position, score, cluster in zip(
        proposal.index.tolist(), proposal.score.tolist(), proposal.cluster.tolist(), strict=True
    ):
        if not ledger.left or taken == limit:
            break
        if ledger.add(position, keep_quotas=keep_quotas):
            chosen[position] = _Pick(
                channel, None if np.isnan(score) else round(score, 6), cluster if cluster >= 0 else None
            )
            taken += 1
    return taken


def _explain(
    view: View, plan: RoundPlan, seed: int, sample: AuditSample, rank: int, order: list[int], chosen: dict[int, _Pick]
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
            rules=[name for name, hit in zip(pool.rule_names, pool.rule_hits[position], strict=True) if hit],
            inclusion=inclusion,
            model=plan.model if known else None,
            encoder=plan.encoder,
            seed=seed,
        ),
    )


def _probability_of(probability: Floats | None, position: int, column: int) -> float | None:
    return None if probability is None else round(float(probability[position, column]), 6)
