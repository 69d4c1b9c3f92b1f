"""`quietcorner token`: make, list and revoke tokens of the HTTP API."""

from typing import TYPE_CHECKING, Annotated, Any

import typer

from shared.errors import InvalidInputError
from shared.tokens import Scope
from workers.commands import edge

if TYPE_CHECKING:
    from shared.access_tables import Token

_DAY_S = 86_400.0
_LONGEST_NAME = 200

commands = typer.Typer(no_args_is_help=True, add_completion=False, help="Make, list and revoke tokens of the HTTP API.")

AsJson = Annotated[bool, typer.Option("--json", help="print JSON")]


@commands.command(
    epilog="Example: [bold]quietcorner token create 'Label Studio' --scope annotate --project tickets --days 90[/bold]"
)
def create(
    name: Annotated[str, typer.Argument(metavar="NAME", help="whom it is for, as you will want to read it later")],
    scope: Annotated[list[Scope], typer.Option(help="what it may be used for; repeatable")],
    project: Annotated[str | None, typer.Option(metavar="NAME", help="the only project that it opens")] = None,
    days: Annotated[float | None, typer.Option(metavar="DAYS", help="until it expires; never if left out")] = None,
    as_json: AsJson = False,
) -> None:
    """Make a token and show it, this once.

    annotate takes tasks and sends answers, submit sends items and answers, read
    reads status, batches, report and metrics, admin may do all of it. What is
    kept is a hash, from which the token can't be had again.
    """
    from shared.repository.history import operator
    from shared.repository.tokens import create_token

    if not name.strip() or len(name) > _LONGEST_NAME or not name.isprintable():
        raise InvalidInputError(f"NAME = {name[:_LONGEST_NAME]!r}: 1 to {_LONGEST_NAME} printable characters")
    if days is not None and not 0 < days <= 36_500:
        raise InvalidInputError(f"--days = {days:g}: more than 0 and at most 36,500 are expected")
    database = edge.database(edge.settings())
    project_id = None if project is None else edge.open_project(database, project)[0]
    with database.write() as session:
        made, token = create_token(
            session,
            name=name,
            scopes=scope,
            project_id=project_id,
            lasts_s=None if days is None else days * _DAY_S,
            who=operator(),
        )
        facts = _facts(made, project, time=made.created_at)
    if as_json:
        edge.print_json({**facts, "token": token})
        return
    typer.echo(token)
    typer.echo(f"token {facts['id']} for {name}: it is shown this once; send it as Authorization: Bearer ...", err=True)


@commands.command("list", epilog="Example: [bold]quietcorner token list[/bold]")
def list_tokens(as_json: AsJson = False) -> None:
    """List all tokens, without their secrets."""
    from shared.database import now
    from shared.repository.tokens import all_tokens

    with edge.database(edge.settings()).read() as session:
        time = now(session)
        found = [_facts(token, project, time=time) for token, project in all_tokens(session)]
    if as_json:
        edge.print_json(found)
        return
    for one in found:
        typer.echo(_line(one))
    if not found:
        typer.echo("no token yet; make one with: quietcorner token create NAME --scope annotate")


@commands.command(epilog="Example: [bold]quietcorner token revoke 3[/bold]")
def revoke(
    number: Annotated[
        int, typer.Argument(metavar="ID", min=1, max=10**18, help="its number in `quietcorner token list`")
    ],
) -> None:
    """Make a token useless. A running server refuses it within a second or two."""
    from shared.repository.history import operator
    from shared.repository.tokens import revoke_token

    with edge.database(edge.settings()).write() as session:
        token = revoke_token(session, number, who=operator())
        typer.echo(f"token {number} for {token.name} is revoked")


def _facts(token: "Token", project: str | None, *, time: float) -> dict[str, Any]:
    expired = token.expires_at is not None and token.expires_at <= time
    return {
        "id": token.id,
        "name": token.name,
        "scopes": list(token.scopes),
        "project": project,
        "state": "revoked" if token.revoked_at is not None else "expired" if expired else "live",
        "created_at": token.created_at,
        "expires_at": token.expires_at,
        "revoked_at": token.revoked_at,
    }


def _line(one: dict[str, Any]) -> str:
    from workers.reporting.plain import clock

    ends = "never expires" if one["expires_at"] is None else f"expires {clock(one['expires_at'])} UTC"
    where = "all projects" if one["project"] is None else f"project {one['project']}"
    return f"{one['id']}: {one['name']}, {', '.join(one['scopes'])}, {where}, {one['state']}, {ends}"
