"""`quietcorner relabel`: labels that may be wrong or out of date, and their way back onto the annotation queue."""

from collections import Counter
from typing import TYPE_CHECKING, Annotated, Any

import typer

from workers.commands import edge

if TYPE_CHECKING:
    from shared.database import Database

_TEXT_SHOWN = 160
_LABEL_SHOWN = 60


def relabel(
    name: Annotated[str, typer.Argument(metavar="NAME", help="the project")],
    queue: Annotated[
        int | None,
        typer.Option(metavar="N", min=1, help="queue the first N of those that may be queued, as a campaign"),
    ] = None,
    show: Annotated[int, typer.Option(metavar="N", min=0, help="list so many at most")] = 20,
    as_json: Annotated[bool, typer.Option("--json", help="print JSON, all of them")] = False,
) -> None:
    """List labels that may be wrong or out of date, and queue them to be asked again.

    In this order: labels that a campaign put in doubt; labels that a model which never saw
    them contradicts with confidence; labels older than the project's labels_expire_days.
    A contradicted label of the audit sample is listed and never queued: corrected only
    where the model disagrees, the sample would flatter it.
    """
    from workers.reporting.suspects import describe, find_suspects

    in_force = edge.settings()
    database = edge.database(in_force)
    project_id, config = edge.open_project(database, name)
    with database.read() as session:
        suspects = find_suspects(session, project_id, config, vector_folder=in_force.folder / "vectors")
        shown = describe(session, suspects if as_json else suspects[:show])
    campaign = None
    if queue is not None:
        chosen = [one.item for one in suspects if one.queue][:queue]
        campaign = _open(database, project_id, name, chosen) if chosen else None
        edge.kick(in_force, database)
    counts = Counter(one.kind for one in suspects)
    if as_json:
        edge.print_json({"project": name, "counts": counts, "suspects": shown, "campaign": campaign})
        return
    _print(name, counts, shown, campaign, asked=queue)


def _open(database: "Database", project_id: int, name: str, items: list[int]) -> dict[str, Any]:
    from shared.campaigns import Origin
    from shared.repository.campaigns import open_campaign
    from shared.repository.history import What, operator, record
    from workers.reporting.campaigns import describe

    with database.write() as session:
        opened = open_campaign(
            session,
            project_id,
            origin=Origin.DOUBT,
            why=f"{len(items)} labels that may be wrong or out of date",
            budget=len(items),
            candidates={"relabel": items},
        )
        details = {"campaign": opened.id, "why": opened.why, "budget": opened.budget}
        record(session, What.CAMPAIGN_STARTED, project=name, who=operator(), **details)
        return describe(session, opened)


def _print(
    name: str, counts: Counter[str], shown: list[dict[str, Any]], campaign: dict[str, Any] | None, *, asked: int | None
) -> None:
    from workers.reporting.plain import one_line

    if not counts:
        typer.echo(f"{name}: no label is in doubt")
        return
    parts = ", ".join(f"{count:,} {kind}" for kind, count in counts.items())
    typer.echo(f"{name}: {counts.total():,} labels may be wrong or out of date: {parts}")
    for one in shown:
        label = one_line(str(one["label"]), longest=_LABEL_SHOWN)
        kept = "" if one["may_be_queued"] else " (not to be queued)"
        typer.echo(f"{one['item_id']}, {label}: {one['why']}{kept}")
        typer.echo(f"  {one_line(one['text'], longest=_TEXT_SHOWN)}")
    if campaign is not None:
        typer.echo(f"queued {campaign['budget']:,} of them as campaign {campaign['id']}; the next rounds ask for them")
    elif asked is not None:
        typer.echo("none of them may be queued")
