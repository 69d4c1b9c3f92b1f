"""The `quietcorner` command: assembles the commands and turns errors into messages and exit codes."""

import os
import sys
from collections.abc import Sequence
from io import TextIOWrapper
from typing import Any, NamedTuple

import typer
from typer.core import TyperGroup

from shared.errors import NO_ROOM, InvalidInputError, QuietCornerError
from workers.commands.later import LaterCommand


class _Entry(NamedTuple):
    place: str
    summary: str
    example: str


# What `quietcorner --help` lists, in this order. A summary is the first paragraph of the command's own help.
_COMMANDS = {
    "ingest": _Entry(
        "ingest:ingest",
        "Bring items from files into a project's pool.",
        "quietcorner ingest tickets items.jsonl more.csv.gz --column text=body",
    ),
    "submit": _Entry(
        "submit:submit",
        "Take labels from a file.",
        "quietcorner submit tickets labels.csv --column label=verdict --annotator anna",
    ),
    "status": _Entry(
        "status:status",
        "Show how a project stands: items, labels, queue, model, drift, and what its workers do.",
        "quietcorner status tickets --watch",
    ),
    "explain": _Entry(
        "explain:explain",
        "Say why an item was chosen, and show the labeled items nearest to it.",
        "quietcorner explain tickets t-4711",
    ),
    "imbalance": _Entry(
        "imbalance:imbalance",
        "Show how uneven classes and sources are, and which strategies that calls for.",
        "quietcorner imbalance tickets",
    ),
    "plan": _Entry(
        "plan:plan",
        "Plan a budget of labels: what each wave would hold, and what it should bring.",
        "quietcorner plan tickets --budget 2000 --waves 1000,1000 --prior fraud=0.02",
    ),
    "model": _Entry("model:commands", "List, show, compare and export model versions.", ""),
    "predict": _Entry(
        "predict:predict",
        "Decide on texts that are not in the pool, with a project's model.",
        "quietcorner predict tickets new.jsonl --out predicted.jsonl",
    ),
    "export": _Entry(
        "export:export",
        "Write each labeled item as a line of JSON: text, label, agreement, all submissions, and why it was queued.",
        "quietcorner export tickets --out labeled.jsonl",
    ),
    "report": _Entry(
        "report:report",
        "Write a page on a project: quality, classes, sources, batches, drift. It needs nothing beside itself.",
        "quietcorner report tickets --out report.html",
    ),
    "simulate": _Entry(
        "simulate:simulate",
        "Replay a labeled file: choose, look up the labels, train, measure, and so on.",
        "quietcorner simulate labeled.csv --column label=category --rare fraud --rounds 20",
    ),
    "doctor": _Entry(
        "doctor:doctor",
        "Check settings, data folder, database, Redis, encoder and disk. Exit code 1 when something fails.",
        "quietcorner doctor --repair",
    ),
    "backup": _Entry(
        "backup:backup",
        "Copy the whole database into one file, while everything runs.",
        "quietcorner backup monday.zip",
    ),
    "restore": _Entry(
        "backup:restore",
        "Fill a new database with a backup.",
        "quietcorner restore monday.zip",
    ),
    "token": _Entry("token:commands", "Make, list and revoke tokens of the HTTP API.", ""),
    "history": _Entry(
        "history:history",
        "Show who changed what in a project, the oldest first, with what concerned all projects.",
        "quietcorner history tickets",
    ),
    "up": _Entry(
        "up:up",
        "Run everything on this machine, until Ctrl-C.",
        "quietcorner up --data /srv/quietcorner",
    ),
    "worker": _Entry(
        "up:worker",
        "Run one worker, for example on another machine (set DATABASE_URL and REDIS_URL).",
        "quietcorner worker --queues embedding",
    ),
    "beat": _Entry(
        "up:beat",
        "Run the clock that sets off the sweep. One in all is enough; more do no harm.",
        "quietcorner beat",
    ),
    "listen": _Entry(
        "up:listen",
        "Run the listener, which takes the submissions from the Redis stream into the database.",
        "quietcorner listen",
    ),
    "serve": _Entry(
        "serve:serve",
        "Run the HTTP API, until Ctrl-C. The workers beside it are those of `quietcorner up`.",
        "quietcorner serve --port 8000",
    ),
    "project": _Entry("project:commands", "Make, list and change projects.", ""),
    "augment": _Entry(
        "augment:commands",
        "Make texts from labeled ones by the project's recipes, for training only, and review them.",
        "",
    ),
    "batch": _Entry("batch:commands", "Look at batches, or ask for the next one.", ""),
    "drift": _Entry(
        "drift:commands",
        "Show what the watch over incoming texts says, settle its alarms, renew its reference.",
        "",
    ),
    "campaign": _Entry("campaign:commands", "List, show, start and stop labeling campaigns.", ""),
    "relabel": _Entry(
        "relabel:relabel",
        "List labels that may be wrong or out of date, and queue them to be asked again.",
        "quietcorner relabel tickets --queue 50",
    ),
}


class Commands(TyperGroup):
    """All commands, none of them imported yet."""

    def __init__(self, **attributes: Any) -> None:
        """List the commands."""
        super().__init__(**attributes)
        for name, (place, summary, example) in _COMMANDS.items():
            place = f"workers.commands.{place}"
            self.add_command(LaterCommand(name, place=place, summary=summary, example=example))


app = typer.Typer(
    name="quietcorner",
    cls=Commands,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
    help="Event-driven active learning for imbalanced text: labels in, the next batch out.",
    epilog="A first look: [bold]quietcorner project init[/bold], edit project.toml, then "
    "[bold]quietcorner project create tickets --config project.toml[/bold].",
)


@app.callback()
def quietcorner() -> None:
    """Say to Typer that this is a group, though no command is registered with it."""


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line; a deliberate error ends as one message and its own exit code.

    Args:
        arguments: instead of those that this process was started with.
    """
    # As in the workers that a parent starts: products of a round are small, and sums come out in one order.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):  # texts have characters that a terminal's encoding may lack
            stream.reconfigure(encoding=None if stream.isatty() else "utf-8", errors="backslashreplace")
    try:
        app(arguments)
    except QuietCornerError as error:
        sys.stderr.write(f"error: {error}\n")
        sys.exit(error.exit_code)
    except OSError as error:
        if error.errno not in NO_ROOM:
            raise
        sys.stderr.write(f"error: {error.filename or 'the output'} can't be written: {error.strerror}. Make room.\n")
        sys.exit(InvalidInputError.exit_code)


if __name__ == "__main__":
    main()
