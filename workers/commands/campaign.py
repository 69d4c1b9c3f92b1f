"""`quietcorner campaign`: labeling runs that drift, doubt or a person started."""

from typing import TYPE_CHECKING, Annotated, Any

import typer

from shared.errors import InvalidInputError
from workers.commands import edge

if TYPE_CHECKING:
    from sqlmodel import Session

    from shared.database import Database
    from shared.drift_tables import Campaign
    from shared.project import ProjectConfig
    from shared.settings import Settings
    from workers.drift.asking import Asked

_WHY_SHOWN = 100

commands = typer.Typer(
    no_args_is_help=True, add_completion=False, help="List, show, start and stop labeling campaigns."
)

Name = Annotated[str, typer.Argument(metavar="NAME", help="the project")]
Number = Annotated[int | None, typer.Argument(metavar="[ID]", help="which campaign", show_default=False)]
AsJson = Annotated[bool, typer.Option("--json", help="print JSON")]


@commands.command("list", epilog="Example: [bold]quietcorner campaign list tickets[/bold]")
def list_campaigns(name: Name, as_json: AsJson = False) -> None:
    """List a project's campaigns, the newest first."""
    from workers.reporting.campaigns import all_campaigns

    database = edge.database(edge.settings())
    project_id, _ = edge.open_project(database, name)
    with database.read() as session:
        found = all_campaigns(session, project_id)
    if as_json:
        edge.print_json({"project": name, "campaigns": found})
        return
    if not found:
        typer.echo(f"{name} has no campaign yet; `quietcorner campaign start {name} --source SOURCE` starts one")
        return
    _print_table(found)


@commands.command(epilog="Example: [bold]quietcorner campaign show tickets 3[/bold]")
def show(name: Name, number: Number = None, as_json: AsJson = False) -> None:
    """Show a campaign: why it came, how far it is, and at its end what was before and after.

    Without an ID the newest one.
    """
    from shared.repository.campaigns import find_campaigns
    from workers.reporting.campaigns import describe, lines

    database = edge.database(edge.settings())
    project_id, _ = edge.open_project(database, name)
    with database.read() as session:
        if number is None:
            newest = find_campaigns(session, project_id)[-1:]
            if not newest:
                raise InvalidInputError(f"{name} has no campaign yet")
            campaign = newest[0]
        else:
            campaign = _find(session, project_id, name, number)
        facts = describe(session, campaign)
    if as_json:
        edge.print_json({"project": name, **facts})
        return
    for line in lines(name, facts):
        typer.echo(line)


@commands.command(epilog="Example: [bold]quietcorner campaign start tickets --source Social --budget 100[/bold]")
def start(
    name: Name,
    number: Number = None,
    source: Annotated[str | None, typer.Option(metavar="SOURCE", help="one of your own: about this source")] = None,
    window: Annotated[
        int | None, typer.Option(metavar="N", min=1, help="one of your own: about this window of the drift watch")
    ] = None,
    budget: Annotated[
        int | None,
        typer.Option(metavar="ITEMS", min=1, help="of your own: most items; the project's campaign_items if left out"),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Start a campaign that waits for your word, or one of your own.

    Without an ID the one that has waited longest. One of your own is about a source, a
    window of the drift watch, or both: three fifths new items, a fifth labeled ones
    again, a fifth drawn by chance.
    """
    from workers.reporting.campaigns import lines

    own = source is not None or window is not None
    if number is not None and (own or budget is not None):
        raise InvalidInputError(f"give an ID, {number}, or options for a campaign of your own, not both")
    if budget is not None and not own:
        raise InvalidInputError("--budget goes with --source or --window: a campaign that waits has a budget")
    in_force = edge.settings()
    database = edge.database(in_force)
    project_id, config = edge.open_project(database, name)
    if own:
        facts = _start_own(in_force, database, project_id, name, config, source, window, budget)
    else:
        facts = _start_waiting(database, project_id, name, number)
    edge.kick(in_force, database)
    if as_json:
        edge.print_json({"project": name, **facts})
        return
    for line in lines(name, facts):
        typer.echo(line)


@commands.command(epilog="Example: [bold]quietcorner campaign stop tickets 3[/bold]")
def stop(
    name: Name,
    number: Annotated[int, typer.Argument(metavar="ID", help="which campaign")],
    as_json: AsJson = False,
) -> None:
    """End a campaign that runs or waits. What is on the annotation queue stays there."""
    from shared import lanes
    from shared.campaigns import LIVE, State
    from shared.repository.campaigns import end
    from shared.repository.history import What, operator, record
    from workers.reporting.campaigns import describe, lines

    in_force = edge.settings()
    database = edge.database(in_force)
    project_id, _ = edge.open_project(database, name)
    with database.write() as session:
        campaign = _find(session, project_id, name, number)
        if campaign.state not in LIVE:
            raise InvalidInputError(f"campaign {number} is over already: {campaign.state}, {campaign.end_reason}")
        end(session, campaign, state=State.STOPPED, reason="a person stopped it")
        record(session, What.CAMPAIGN_STOPPED, project=name, who=operator(), campaign=number)
        lanes.request(session, project_id, lanes.CAMPAIGN)
        facts = describe(session, campaign)
    edge.kick(in_force, database)
    if as_json:
        edge.print_json({"project": name, **facts})
        return
    for line in lines(name, facts):
        typer.echo(line)


def _find(session: "Session", project_id: int, name: str, number: int) -> "Campaign":
    from shared.repository.campaigns import find_campaign, find_campaigns

    campaign = find_campaign(session, project_id, number)
    if campaign is None:
        known = ", ".join(str(one.id) for one in find_campaigns(session, project_id)) or "none yet"
        raise InvalidInputError(f"{name} has no campaign {number} (campaigns: {known})")
    return campaign


def _start_waiting(database: "Database", project_id: int, name: str, number: int | None) -> dict[str, Any]:
    from shared.campaigns import State
    from shared.repository import campaigns
    from shared.repository.history import What, operator, record
    from workers.reporting.campaigns import describe

    with database.write() as session:
        if number is None:
            waiting = campaigns.find_campaigns(session, project_id, states=[State.WAITING])
            if not waiting:
                raise InvalidInputError(
                    f"no campaign of {name} waits for a start; one of your own needs --source or --window"
                )
            campaign = waiting[0]
        else:
            campaign = _find(session, project_id, name, number)
        if campaign.state != State.WAITING:
            raise InvalidInputError(f"campaign {campaign.id} does not wait for a start: it is {campaign.state}")
        campaigns.start(session, campaign)
        record(session, What.CAMPAIGN_STARTED, project=name, who=operator(), campaign=campaign.id)
        return describe(session, campaign)


def _start_own(
    in_force: "Settings",
    database: "Database",
    project_id: int,
    name: str,
    config: "ProjectConfig",
    source: str | None,
    window: int | None,
    budget: int | None,
) -> dict[str, Any]:
    from shared.campaigns import Origin
    from shared.repository.campaigns import open_campaign
    from shared.repository.history import What, operator, record
    from workers.reporting.campaigns import describe

    most = config.drift.campaign_items if budget is None else budget
    asked = _ask(in_force, database, project_id, name, config, source, window, most)
    if not any(asked.items.values()):
        raise InvalidInputError(f"{_about(source, window)} of {name} has no item left that may be asked for")
    with database.write() as session:
        campaign = open_campaign(
            session,
            project_id,
            origin=Origin.PERSON,
            why=f"about {_about(source, window)}",
            budget=most,
            candidates=asked.items,
            region=asked.region,
        )
        details = {"campaign": campaign.id, "why": campaign.why, "budget": most}
        record(session, What.CAMPAIGN_STARTED, project=name, who=operator(), **details)
        return describe(session, campaign)


def _about(source: str | None, window: int | None) -> str:
    named = [f"source {source!r}"] * (source is not None) + [f"drift window {window}"] * (window is not None)
    return " in ".join(named)


def _ask(
    in_force: "Settings",
    database: "Database",
    project_id: int,
    name: str,
    config: "ProjectConfig",
    source: str | None,
    window: int | None,
    budget: int,
) -> "Asked":
    """The items of a campaign of a person's own."""
    import numpy as np

    from shared.repository import evaluation, pools, rounds
    from shared.repository.drift import find_report, last_report, window_items
    from workers.drift.asking import Asker, ask_about_stretch
    from workers.training import model_storage

    with database.read() as session:
        report = None if window is None else find_report(session, project_id, window)
        newest = last_report(session, project_id)
        pool = pools.load_pool(session, project_id=project_id, config=config, vector_folder=in_force.folder / "vectors")
        encoder = pools.encoder_in_use(session, project_id)
        model = rounds.newest_model(session, project_id, encoder=encoder or "")
        thresholds = evaluation.audit_thresholds(session, project_id)
        ids = pool.ids if report is None else window_items(session, report)
    if window is not None and report is None:
        seen = f"its windows are 1 to {newest.window}" if newest else "it has none yet"
        raise InvalidInputError(f"{name} has no drift window {window}; {seen}")
    if source is not None and source not in pool.source_names:
        raise InvalidInputError(f"{name} has no source {source!r} (sources: {', '.join(pool.source_names) or 'none'})")
    asker = Asker(
        pool=pool,
        config=config,
        model=model_storage.load(model) if model else None,
        thresholds=thresholds,
        rng=np.random.default_rng([config.seed, window or 0]),
    )
    return ask_about_stretch(asker, ids=ids, source=source, budget=budget)


def _print_table(found: list[dict[str, Any]]) -> None:
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    from workers.reporting.plain import clock, one_line

    table = Table(box=None, padding=(0, 2, 0, 0))
    for heading in ("id", "state", "origin", "spent", "rounds", "opened (UTC)"):
        table.add_column(heading, no_wrap=True)
    table.add_column("why", overflow="fold")
    for one in found:
        table.add_row(
            str(one["id"]),
            one["state"],
            one["origin"],
            f"{one['spent']:,} of {one['budget']:,}",
            ", ".join(map(str, one["rounds"])),
            clock(one["opened_at"]),
            escape(one_line(one["why"], longest=_WHY_SHOWN)),
        )
    Console(highlight=False).print(table)
