"""What an alarm says to a person."""

from workers.drift.channels import Channel
from workers.drift.report import WindowReport
from workers.drift.watch import Change

_WHAT = {
    Channel.NOVELTY: "unlike all items of the reference",
    Channel.CLUMPS: "closer to each other than to the reference",
    Channel.CELLS: "of known kinds that grew",
    Channel.EMBEDDING: "distributed otherwise, taken as a whole",
    Channel.MIX: "from other sources than before",
    Channel.DUPLICATES: "repeating earlier ones, beyond what is usual",
    Channel.PREDICTED: "decided otherwise by the current model",
    Channel.CONFIDENCE: "decided with another confidence",
}

_TRAIT = {"beyond ASCII": "characters beyond ASCII"}


def why(change: Change, report: WindowReport, *, window: int) -> str:
    """One sentence on an alarm that was raised in a window."""
    if change.channel == Channel.RARE:
        moved = (report.predicted or {}).get("rare_moved", {}).get(change.scope)
        which = "another" if moved is None else "a larger" if moved > 0 else "a smaller"
        return (
            f"{change.scope} takes {which} share of window {window}, by about {change.share:.1%} of its items or more"
        )
    trait = f"unlike earlier ones in their {_TRAIT.get(change.scope, change.scope)}"
    what = trait if change.scope else _WHAT[Channel(change.channel)]
    when = f"windows up to {window}" if change.gathered else f"window {window}"
    at_least = "at least " if change.channel == Channel.EMBEDDING else ""
    return f"{at_least}{change.share:.1%} of {when}: {what}{_where(change, report)}"


def _where(change: Change, report: WindowReport) -> str:
    if change.channel == Channel.MIX:
        moved = max(report.sources, key=lambda source: abs(source.z))
        return f", most of all {moved.source} ({moved.reference:.1%} before, {moved.window:.1%} now)"
    if change.channel in (Channel.NOVELTY, Channel.CLUMPS, Channel.CELLS) and report.drifted_sources:
        return f", most of them from {next(iter(report.drifted_sources))}"
    return ""
