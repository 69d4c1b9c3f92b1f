"""`quietcorner batch`: ask for the next batch, and look at one."""

import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any

import typer

from shared.errors import InvalidInputError, LeaseLostError, QuietCornerError
from workers.commands import edge

if TYPE_CHECKING:
    from rich.table import Table

    from shared.database import Database
    from workers.context import Context
    from workers.reporting.batches import BatchFacts, BatchItem

_LOOK_AGAIN_S = 0.5
_SHOWN = 200
_WHY_SHOWN = 1_000

commands = typer.Typer(no_args_is_help=True, add_completion=False, help="Look at batches, or ask for the next one.")

Name = Annotated[str, typer.Argument(metavar="NAME", help="the project")]
AsJson = Annotated[bool, typer.Option("--json", help="print JSON, with every reason in full")]


@commands.command("next", epilog="Example: [bold]quietcorner batch next tickets[/bold]")
def next_batch(
    name: Name,
    timeout: Annotated[
        float, typer.Option(metavar="SECONDS", min=0, help="how long to wait for a worker that is at a round already")
    ] = 60.0,
    as_json: AsJson = False,
) -> None:
    """Choose the next batch now, whatever the project's trigger says, and show it.

    The round runs in this process, so no worker is needed. Lanes of the project
    that were set aside may run again.
    """
    from shared.logs import configure_logs
    from shared.streams import connect
    from workers.context import Context
    from workers.hints import broker_is_up

    in_force = edge.settings()
    configure_logs(in_force.model_copy(update={"log_level": "ERROR"}))  # the batch itself says how the round went
    database = edge.database(in_force)
    project_id, _ = edge.open_project(database, name)
    number = _conduct(Context(in_force, database, connect(in_force)), project_id, name, timeout)
    if not broker_is_up(in_force):
        typer.echo("Redis does not answer: the batch goes on the queue once `quietcorner up` runs.", err=True)
    _print(database, project_id, name, number, as_json=as_json)


@commands.command(epilog="Example: [bold]quietcorner batch show tickets 3[/bold]")
def show(
    name: Name,
    number: Annotated[
        int | None, typer.Argument(metavar="[ROUND]", help="which round's; the newest if left out")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Show a batch: its items by rank, why each was chosen and what became of it."""
    from workers.reporting.batches import newest_round

    database = edge.database(edge.settings())
    project_id, _ = edge.open_project(database, name)
    with database.read() as session:
        newest = newest_round(session, project_id)
    if not newest:
        raise InvalidInputError(f"{name} has no batch yet; `quietcorner batch next {name}` chooses one")
    _print(database, project_id, name, newest if number is None else number, as_json=as_json)


def _conduct(held: "Context", project_id: int, name: str, timeout_s: float) -> int:
    """Run a round, or wait for the worker that is at one. Returns the number of the new batch's round."""
    from shared import lanes
    from shared.repository.history import What, operator, record
    from workers.reporting.batches import newest_round
    from workers.selection.tasks import conduct_round

    with held.database.write() as session:
        if released := lanes.release_quarantine(session, project_id):
            record(session, What.QUARANTINE_RELEASED, project=name, who=operator(), lanes=released)
    _require_vectors(held.database, project_id, name)
    with held.database.read() as session:
        before = newest_round(session, project_id)
    deadline = time.monotonic() + timeout_s
    while True:
        # Anew each time: a worker may have taken the last request for one that its trigger must grant.
        with held.database.write() as session:
            lanes.request(session, project_id, lanes.ROUND)
        with suppress(LeaseLostError):  # whoever took the lane over stores a batch
            conduct_round(held, project_id, asked=True)
        with held.database.read() as session:
            newest = newest_round(session, project_id)
        if newest > before:
            return newest
        if time.monotonic() >= deadline:
            raise QuietCornerError(
                f"{name}: another worker is at a round and stored no batch within {timeout_s:g} s. "
                f"`quietcorner status {name}` shows its lane; ask again, or give a longer --timeout."
            )
        time.sleep(_LOOK_AGAIN_S)


def _require_vectors(database: "Database", project_id: int, name: str) -> None:
    from shared.repository.pools import encoder_in_use, space_of
    from shared.vectors import count_vectors
    from workers.reporting.status import count_items

    with database.read() as session:
        items = count_items(session, project_id)
        encoder = encoder_in_use(session, project_id)
        if encoder is not None and count_vectors(session, space=space_of(project_id), encoder=encoder):
            return
    if not items:
        raise InvalidInputError(f"{name} has no items; bring some in with `quietcorner ingest {name} FILE`")
    raise InvalidInputError(
        f"none of the {items:,} items of {name} is embedded yet, so there is nothing to choose by. `quietcorner up` "
        f"embeds them; `quietcorner status {name}` shows how far it is."
    )


def _print(database: "Database", project_id: int, name: str, number: int, *, as_json: bool) -> None:
    from rich.console import Console

    from workers.reporting.batches import newest_round, read_batch

    with database.read() as session:
        batch = read_batch(session, project_id, number)
        newest = newest_round(session, project_id)
    if batch is None:
        raise InvalidInputError(f"{name} has no round {number}; its rounds are 1 to {newest}")
    if as_json:
        edge.print_json({"project": name, **asdict(batch)})
        return
    console = Console(highlight=False)
    console.print(_heading(name, batch), markup=False)
    console.print(_table(batch))


def _heading(name: str, batch: "BatchFacts") -> str:
    from workers.reporting.plain import clock

    model = "no model yet" if batch.model is None else f"model version {batch.model}"
    lines = [
        f"{name}, batch of round {batch.round}: {batch.chosen:,} of {batch.wanted:,} items wanted",
        f"{model}, seed {batch.seed}, {batch.submissions_seen:,} submissions seen; "
        f"trained in {batch.train_s:.2f} s, selected in {batch.select_s:.2f} s, {clock(batch.selected_at)} UTC",
        *_division(batch),
        *_rare(batch),
        *_overlap(batch),
        *(f"shortfall: {reason}" for reason in batch.shortfalls),
    ]
    return "\n".join(lines)


def _division(batch: "BatchFacts") -> Iterator[str]:
    if batch.division:
        yield "places: " + ", ".join(f"{channel} {places}" for channel, places in batch.division.items())
    for name in batch.done:
        yield f"class {name!r} is done, its places went elsewhere: {_evidence(batch.stopping.get(name))}"
    for name, found in batch.stopping.items():
        if name not in batch.done:
            yield f"class {name!r} is not done: {_evidence(found)}"


def _evidence(found: dict[str, Any] | None) -> str:
    from workers.selection.stopping import Evidence, sentence

    return "nearly all of it is found" if found is None else sentence(Evidence(**found))


def _rare(batch: "BatchFacts") -> Iterator[str]:
    if rare := sum(item.reason.get("rare", False) for item in batch.items):
        yield f"likely of a rare class: {rare:,} of {batch.chosen:,} items, spread over the ranks"


def _overlap(batch: "BatchFacts") -> Iterator[str]:
    several = [item for item in batch.items if item.reason.get("overlap", 1) > 1]
    if several:
        audited = sum(item.reason["channel"] == "audit" for item in several)
        annotators = max(item.reason["overlap"] for item in several)
        yield (
            f"overlap: {len(several):,} of {batch.chosen:,} items, {audited:,} of them of the audit sample, "
            f"are answered by {annotators} annotators each"
        )


def _table(batch: "BatchFacts") -> "Table":
    from rich.console import Group
    from rich.table import Table
    from rich.text import Text

    from workers.reporting.plain import one_line

    table = Table(box=None, padding=(0, 2, 0, 0), expand=True)  # or the text takes the other columns' place
    table.add_column("rank", justify="right", no_wrap=True)
    for heading in ("channel", "state"):
        table.add_column(heading, no_wrap=True)
    table.add_column("item, source, text, and why it was chosen", ratio=1, min_width=20)
    for item in batch.items:
        # Names are folded and never cut off: they are what other commands want to be told.
        item_id, source, shown = (one_line(part, longest=_SHOWN) for part in (item.item_id, item.source, item.text))
        named = Text.assemble((item_id, "bold"), "  ", source, overflow="fold")
        text = Text(shown, no_wrap=True, overflow="ellipsis")
        why = Text(one_line(item.why, longest=_WHY_SHOWN), style="dim")
        cells = (str(item.rank), item.reason["channel"], _state(item))
        table.add_row(*(Text(cell) for cell in cells), Group(named, text, why))
    return table


def _state(item: "BatchItem") -> str:
    """The state of the one assignment, or a summary of several."""
    states = [assignment["state"] for assignment in item.assignments]
    return states[0] if len(states) == 1 else f"{states.count('done')} of {len(states)} done"
