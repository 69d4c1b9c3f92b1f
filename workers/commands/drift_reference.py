"""`quietcorner drift reference`: show or renew what incoming texts are compared with."""

import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Annotated

import typer

from shared.errors import InvalidInputError, LeaseLostError, QuietCornerError
from workers.commands import edge

if TYPE_CHECKING:
    from shared.drift_tables import DriftReference, DriftReport
    from shared.lanes import Claim
    from shared.repository.drift_windows import Seen, Span
    from workers.context import Context
    from workers.drift.looking import Scene

_LANE_WAIT_S, _LOOK_AGAIN_S = 60.0, 0.5

commands = typer.Typer(
    no_args_is_help=True, add_completion=False, help="Show or renew what incoming texts are compared with."
)

Name = Annotated[str, typer.Argument(metavar="NAME", help="the project")]
AsJson = Annotated[bool, typer.Option("--json", help="print JSON")]


@commands.command("show", epilog="Example: [bold]quietcorner drift reference show tickets[/bold]")
def show(
    name: Name,
    version: Annotated[int | None, typer.Argument(metavar="[VERSION]", help="the one in force if left out")] = None,
    as_json: AsJson = False,
) -> None:
    """Show what incoming texts are compared with."""
    from workers.drift.looking import read_reference
    from workers.drift.reference import is_readable, items_of
    from workers.reporting.drift_watch import reference_facts
    from workers.reporting.plain import clock

    held, scene = scene_of(name)
    stored = find(held, scene, name, version)
    facts = {**reference_facts(stored), "items": len(items_of(stored.arrays))}
    if is_readable(stored.arrays):
        fitted = read_reference(stored)
        facts |= {"cells": len(fitted.centres), "sources": list(fitted.source_names), "cuts": list(fitted.cuts)}
    if as_json:
        edge.print_json({"project": name, **facts})
        return
    facts["fitted_at"] = f"{clock(stored.fitted_at)} UTC"
    for key, value in facts.items():
        typer.echo(f"{key}: {', '.join(map(str, value)) if isinstance(value, list) else value}")


@commands.command(
    "set", epilog="Example: [bold]quietcorner drift reference set tickets --from-window 5 --why 'new price list'[/bold]"
)
def set_reference(
    name: Name,
    why: Annotated[str, typer.Option(metavar="TEXT", help="what made the old one wrong; it is kept with the new one")],
    from_window: Annotated[
        int | None, typer.Option(metavar="N", min=1, help="from this window on; from the first item if left out")
    ] = None,
    through: Annotated[
        int | None, typer.Option(metavar="M", min=1, help="up to this window; up to the newest if left out")
    ] = None,
) -> None:
    """Put a new reference in force, drawn at random from items that have come in. Live alarms on items end.

    Windows that were looked at are not looked at again beside it.
    `quietcorner drift replay NAME --reference VERSION` looks again, beside an
    earlier reference, at what came after that one.
    """
    from shared.repository.drift import last_report
    from shared.repository.drift_windows import seen_after

    held, scene = scene_of(name)
    with _lane(held, scene, name) as claimed:
        old = find(held, scene, name, None)
        with held.database.read() as session:
            watched = seen_after(last_report(session, scene.project_id), old)
        span = _span(held, scene, name, from_window, through, watched)
        version = _renew(held, scene, claimed, why, span=span, watched=watched)
    typer.echo(f"{name}: reference {version} is in force")


def scene_of(name: str) -> "tuple[Context, Scene]":
    """What work in this process needs of a project."""
    from shared.logs import configure_logs
    from shared.repository.pools import encoder_in_use
    from shared.streams import connect
    from workers.context import Context
    from workers.drift.looking import Scene

    in_force = edge.settings()
    configure_logs(in_force.model_copy(update={"log_level": "ERROR"}))
    database = edge.database(in_force)
    project_id, config = edge.open_project(database, name)
    held = Context(in_force, database, connect(in_force))
    with database.read() as session:
        encoder = encoder_in_use(session, project_id) or ""
    return held, Scene(project_id, config, encoder, held.vector_folder, held.pools)


def find(held: "Context", scene: "Scene", name: str, version: int | None) -> "DriftReference":
    """A version of the reference, or the one in force."""
    from shared.repository.drift import find_reference

    with held.database.read() as session:
        found = find_reference(session, scene.project_id, version)
    if found is None:
        asked = "yet" if version is None else f"of version {version}"
        raise InvalidInputError(
            f"{name} has no drift reference {asked}; the watch fits the first one once "
            f"{scene.config.drift.reference_items:,} distinct texts are embedded"
        )
    return found


@contextmanager
def _lane(held: "Context", scene: "Scene", name: str) -> "Iterator[Claim]":
    """The drift lane, once a worker that holds it has given it back."""
    from shared import lanes

    deadline = time.monotonic() + _LANE_WAIT_S
    while time.monotonic() < deadline:
        with held.database.write() as session:
            lanes.request(session, scene.project_id, lanes.DRIFT)
        with suppress(LeaseLostError), held.lane(scene.project_id, lanes.DRIFT) as claimed:
            if claimed is not None:
                yield claimed
                with held.database.write() as session:
                    lanes.complete(session, claimed)
                    lanes.request(session, scene.project_id, lanes.DRIFT)  # what came meanwhile is looked at
                return
        time.sleep(_LOOK_AGAIN_S)
    raise QuietCornerError(
        f"{name}: a worker is at the drift watch for over {_LANE_WAIT_S:g} s; try again later, or see "
        f"`quietcorner status {name}`"
    )


def _span(
    held: "Context", scene: "Scene", name: str, from_window: int | None, through: int | None, watched: "Seen"
) -> "Span":
    """What the reference may be drawn from: the items of these windows, or all up to them, or all after them."""
    from shared.repository.drift import find_report, span_from
    from shared.repository.drift_windows import seen_by

    def report(number: int) -> "DriftReport":
        found = find_report(session, scene.project_id, number)
        if found is None:
            raise InvalidInputError(f"{name} has no drift window {number}; `quietcorner drift {name}` lists the last")
        return found

    with held.database.read() as session:
        first = None if from_window is None else report(from_window).window
        end = watched if through is None else seen_by(report(through))
        return span_from(session, scene.project_id, first, end=end)


def _renew(
    held: "Context",
    scene: "Scene",
    claimed: "Claim",
    why: str,
    *,
    span: "Span",
    watched: "Seen",
) -> int:
    from shared import lanes
    from shared.repository.drift import store_reference
    from shared.repository.drift_items import drawn_items
    from shared.repository.history import What, operator, record
    from workers.drift.looking import fit_reference
    from workers.drift.reference import FEWEST_ITEMS, dump

    with held.database.read() as session:
        ids = drawn_items(session, scene.project_id, count=scene.config.drift.reference_items, span=span)
        if len(ids) < FEWEST_ITEMS:
            raise InvalidInputError(
                f"these windows hold {len(ids)} distinct text(s); a reference needs {FEWEST_ITEMS} or more"
            )
        fitted = fit_reference(session, scene, ids, through=watched.settled)
    if fitted is None:
        raise QuietCornerError("some of these texts are not embedded yet; try again once they are")
    name, _ = held.project(scene.project_id)
    with held.database.write() as session:
        lanes.confirm(session, claimed)
        made = store_reference(
            session, scene.project_id, encoder=scene.encoder, arrays=dump(fitted), watched=watched, why=why
        )
        details = {"version": made.version, "why": why}
        record(session, What.REFERENCE_SET, project=name, who=operator(), **details)
        return made.version
