"""A project's campaigns: why each came, how far it is, and what it brought."""

from collections.abc import Iterator, Mapping
from typing import Any

from sqlmodel import Session, col, select

from shared.campaigns import CHANNELS, Origin, State
from shared.drift_tables import Campaign, CampaignBatch, DriftReport
from shared.repository.campaigns import find_campaigns, progress
from shared.tables import Batch
from workers.reporting.plain import clock

_ORIGINS = {
    Origin.DRIFT: "drift in the texts",
    Origin.PERFORMANCE: "the model became worse",
    Origin.DOUBT: "labels in doubt",
    Origin.PERSON: "a person",
}


def all_campaigns(session: Session, project_id: int) -> list[dict[str, Any]]:
    """All campaigns of a project, the newest first: see `describe`."""
    return [describe(session, campaign) for campaign in reversed(find_campaigns(session, project_id))]


def describe(session: Session, campaign: Campaign) -> dict[str, Any]:
    """One campaign, JSON-ready.

    Returns:
        `id`, `state`, `origin`, `why`, the drift `window` that called for it or None, `budget`, `spent` (items of it
        that were answered), `queued` and `open` items, `asks` (items by kind), `rounds` that served it, `opened_at`,
        `started_at`, `ended_at`, `end_reason` and `outcome`, see `workers.drift.campaign_tasks`.
    """
    so_far = progress(session, campaign)
    window = None if campaign.report is None else session.get_one(DriftReport, campaign.report).window
    rounds = (
        select(Batch.round)
        .join(CampaignBatch, col(CampaignBatch.batch) == col(Batch.id))
        .where(col(CampaignBatch.campaign) == campaign.id)
        .order_by(col(Batch.round))
    )
    return {
        "id": campaign.id,
        "state": campaign.state,
        "origin": campaign.origin,
        "why": campaign.why,
        "window": window,
        "budget": campaign.budget,
        "spent": len(so_far.answered),
        "queued": len(so_far.queued),
        "open": len(so_far.open),
        "asks": {kind: len(campaign.candidates.get(kind, [])) for kind in CHANNELS},
        "rounds": list(session.exec(rounds)),
        "opened_at": campaign.opened_at,
        "started_at": campaign.started_at,
        "ended_at": campaign.ended_at,
        "end_reason": campaign.end_reason,
        "outcome": campaign.outcome,
    }


def lines(name: str, facts: Mapping[str, Any]) -> Iterator[str]:
    """A campaign in plain sentences."""
    yield f"{name}, campaign {facts['id']}, {facts['state']}: {_because(facts)}"
    yield (
        f"{facts['spent']:,} of {facts['budget']:,} items came back, {facts['queued']:,} were queued, "
        f"{facts['open']:,} of them wait for an answer"
    )
    asks = facts["asks"]
    yield (
        f"asks for {asks['drift']:,} new items, {asks['relabel']:,} labeled ones again, and {asks['audit']:,} drawn by "
        "chance"
    )
    if facts["rounds"]:
        yield "served by the batches of rounds " + ", ".join(map(str, facts["rounds"]))
    yield "; ".join(f"{word} {clock(facts[key])} UTC" for word, key in _TIMES if facts[key] is not None)
    if facts["end_reason"]:
        yield f"ended because {facts['end_reason']}"
    if facts["state"] == State.WAITING:
        yield f"it waits for your word: `quietcorner campaign start {name} {facts['id']}`"
    if facts["outcome"]:
        yield from _outcome(facts["outcome"])


_TIMES = (("opened", "opened_at"), ("started", "started_at"), ("ended", "ended_at"))


def _because(facts: Mapping[str, Any]) -> str:
    return f"{_ORIGINS[Origin(facts['origin'])]}" + (f"; {facts['why']}" if facts["why"] else "")


def _outcome(outcome: Mapping[str, Any]) -> Iterator[str]:
    measured, again = outcome["measured"], outcome["again"]
    if measured["items"]:
        yield f"on {measured['items']:,} audit items of the regime that no earlier model saw:"
        yield from (f"  {side}: {_figures(measured[side])}" for side in ("before", "after"))
    else:
        yield "no audit item of the regime was answered, so nothing is measured"
    for class_, found in outcome["found"].items():
        yield (
            f"of {class_} in the regime {found['before']:,} items were labeled before and {found['now']:,} are now, of "
            f"about {found['estimated']:,.0f}"
        )
    if again["asked"]:
        doubt = f", so {again['in_doubt']:,} labels around are in doubt" if again["in_doubt"] else ""
        yield f"{again['changed']:,} of {again['asked']:,} labels that were asked again are other ones now{doubt}"


def _figures(figures: Mapping[str, Any] | None) -> str:
    if figures is None:
        return "no model"
    errors = figures["errors"]
    recalls = ", ".join(
        f"{name} {found['recall']:.0%} of {found['items']}" for name, found in figures["classes"].items()
    )
    wrong = "" if errors is None else f"{errors['value']:.1%} wrong ({errors['low']:.1%} to {errors['high']:.1%}), "
    return f"{wrong}recall: {recalls}"
