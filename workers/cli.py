"""The `quietcorner` command: assembles the commands and turns errors into messages and exit codes."""

import sys
from collections.abc import Callable

import typer

from shared.errors import QuietCornerError
from workers.commands import (
    batch,
    doctor,
    explain,
    export,
    imbalance,
    ingest,
    project,
    report,
    simulate,
    status,
    submit,
    up,
)

app = typer.Typer(
    name="quietcorner",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
    help="Event-driven active learning for imbalanced text: labels in, the next batch out.",
    epilog="A first look: [bold]quietcorner project init[/bold], edit project.toml, then "
    "[bold]quietcorner project create tickets --config project.toml[/bold].",
)

_projects = typer.Typer(no_args_is_help=True, help="Make and list projects.")
_projects.command()(project.init)
_projects.command()(project.create)
_projects.command(name="list")(project.list_projects)
_projects.command()(project.show)
app.add_typer(_projects, name="project")

_batches = typer.Typer(no_args_is_help=True, help="Look at batches, or ask for the next one.")
_batches.command(name="next")(batch.next_batch)
_batches.command(name="show")(batch.show)
app.add_typer(_batches, name="batch")

_COMMANDS: tuple[Callable[..., None], ...] = (
    ingest.ingest,
    submit.submit,
    status.status,
    explain.explain,
    imbalance.imbalance,
    export.export,
    report.report,
    simulate.simulate,
    doctor.doctor,
    up.up,
    up.worker,
    up.beat,
    up.listen,
)
for command in _COMMANDS:
    app.command()(command)


def main() -> None:
    """Run the command line; a deliberate error ends as one message and its own exit code."""
    try:
        app()
    except QuietCornerError as error:
        sys.stderr.write(f"error: {error}\n")
        sys.exit(error.exit_code)


if __name__ == "__main__":
    main()
