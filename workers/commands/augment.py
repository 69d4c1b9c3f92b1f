"""`quietcorner augment`: make texts from labeled ones by the project's recipes, and review them."""

import json
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from shared.errors import InvalidInputError
from workers.commands import edge

if TYPE_CHECKING:
    from sqlmodel import Session

    from shared.augmentation_options import AnyRecipe
    from shared.database import Database
    from shared.project import ProjectConfig
    from shared.repository.augmentation import ReviewedText
    from workers.augmentation.storing import Advance, Outcome

_EXAMPLES = 3
_TEXT_SHOWN = 300
_NAME_SHOWN = 40
_ANSWERS = ("accepted", "rejected")
_KEYS = ("a", "r", "s", "q")

commands = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    help="Make texts from labeled ones by the project's recipes, for training only, and review them.",
)

Name = Annotated[str, typer.Argument(metavar="NAME", help="the project")]
AsJson = Annotated[bool, typer.Option("--json", help="print JSON")]
Reviewer = Annotated[str, typer.Option(metavar="WHO", help="whose reviews these are")]


@commands.command(epilog="Example: [bold]quietcorner augment make tickets --recipe synonyms --dry-run[/bold]")
def make(
    name: Name,
    recipe: Annotated[str | None, typer.Option(metavar="RECIPE", help="one recipe; all if left out")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="show what would be made, and store nothing")] = False,
    as_json: AsJson = False,
) -> None:
    """Make what the recipes can still make of the labeled items.

    Nothing is made twice, so it may be repeated as labels come in. A part of the
    texts waits for review and teaches nothing before. A recipe that can't be made
    leaves the others alone; it is named at the end.
    """
    from workers.augmentation.storing import make_texts

    in_force = edge.settings()
    database = edge.database(in_force)
    project_id, config = edge.open_project(database, name)
    outcomes = []
    try:
        for wanted in _recipes(name, config, recipe):
            with _progress(wanted.name) as advance:
                outcomes.append(make_texts(database, project_id, config, wanted, dry_run=dry_run, advance=advance))
    finally:
        if not dry_run:
            edge.kick(in_force, database)
    if as_json:
        edge.print_json({"project": name, "dry_run": dry_run, "recipes": [_as_json(one) for one in outcomes]})
    else:
        _print_made(name, outcomes, dry_run=dry_run)
    _raise_faults(outcomes)


@commands.command(epilog="Example: [bold]quietcorner augment show tickets[/bold]")
def show(name: Name, as_json: AsJson = False) -> None:
    """Show for each recipe what it made, what of it teaches, how its reviews went, and some examples.

    Recipes that are no longer in the project file are shown as gone, as long as
    there are texts of theirs: those teach nothing, until the recipe comes back.
    """
    database = edge.database(edge.settings())
    project_id, config = edge.open_project(database, name)
    facts = _facts(database, project_id, config)
    if as_json:
        edge.print_json({"project": name, "weight": config.augmentation.weight, "recipes": facts})
        return
    _print_facts(name, facts)


@commands.command(epilog="Example: [bold]quietcorner augment review tickets --file reviews.jsonl[/bold]")
def review(
    name: Name,
    file: Annotated[
        Path | None,
        typer.Option(metavar="FILE.jsonl", help='lines as {"id": 7, "review": "accepted"} or "rejected"'),
    ] = None,
    reviewer: Reviewer = "",
    as_json: AsJson = False,
) -> None:
    """Review texts that wait: one by one on the terminal, or from a file.

    On the terminal a accepts, r rejects, s skips and q ends; each answer is kept
    at once.
    """
    import getpass

    database = edge.database(edge.settings())
    project_id, config = edge.open_project(database, name)
    who = reviewer or getpass.getuser()
    if file is not None:
        changed = _review_file(database, project_id, file, who)
    elif sys.stdin.isatty():
        changed = _review_each(database, project_id, who)
    else:
        raise InvalidInputError(
            "standard input is no terminal. `quietcorner augment export` writes what waits for review; give the "
            "answers with --file."
        )
    stopped = [fact["recipe"] for fact in _facts(database, project_id, config) if fact["stopped"]]
    if as_json:
        edge.print_json({"project": name, "reviewed": changed, "stopped": stopped})
        return
    typer.echo(f"{name}: {changed:,} review(s) taken")
    if stopped:
        typer.echo(f"stopped, since too much was rejected: {', '.join(stopped)}; what they made teaches no more")


@commands.command(epilog="Example: [bold]quietcorner augment export tickets --out pending.jsonl[/bold]")
def export(
    name: Name,
    out: Annotated[
        Path | None, typer.Option(metavar="FILE.jsonl", help="where to; standard output if left out")
    ] = None,
) -> None:
    """Write what waits for review as lines of JSON, for any tool: id, recipe, text, parent, parent_text, label."""
    from shared.repository.augmentation import texts_in_review
    from shared.tables import ReviewState

    database = edge.database(edge.settings())
    project_id, _ = edge.open_project(database, name)
    with database.read() as session:
        waiting = texts_in_review(session, project_id, review=ReviewState.PENDING)
    with _destination(out) as stream:
        for text in waiting:
            stream.write(json.dumps(asdict(text), ensure_ascii=False) + "\n")
    typer.echo(f"{name}: {len(waiting):,} text(s) wait for review", err=True)


@commands.command(epilog="Example: [bold]quietcorner augment drop tickets --recipe synonyms[/bold]")
def drop(
    name: Name,
    recipe: Annotated[str, typer.Option(metavar="RECIPE", help="whose texts are forgotten, with their reviews")],
    as_json: AsJson = False,
) -> None:
    """Forget all that a recipe made. From the next round on nothing of it teaches."""
    from shared.repository.augmentation import drop_texts, review_counts

    database = edge.database(edge.settings())
    project_id, config = edge.open_project(database, name)
    with database.read() as session:
        known = review_counts(session, project_id)
    if recipe not in known:
        _recipes(name, config, recipe)  # says which there are when it is none
    with database.write() as session:
        dropped = drop_texts(session, project_id, recipe)
    if as_json:
        edge.print_json({"project": name, "recipe": recipe, "dropped": dropped})
        return
    typer.echo(f"{name}: {dropped:,} text(s) of {recipe} dropped")


def _recipes(name: str, config: "ProjectConfig", wanted: str | None) -> "Sequence[AnyRecipe]":
    recipes = config.augmentation.recipes
    if not recipes:
        raise InvalidInputError(
            f"{name} has no recipe, so augmentation is off. `quietcorner project init` writes an example file that "
            f"shows how [[augmentation.recipes]] look; `quietcorner project update {name} --config FILE` adds them."
        )
    if wanted is None:
        return recipes
    found = [recipe for recipe in recipes if recipe.name == wanted]
    if not found:
        known = ", ".join(recipe.name for recipe in recipes)
        raise InvalidInputError(f"{name} has no recipe {wanted!r}; it has: {known}")
    return found


@contextmanager
def _progress(recipe: str) -> "Iterator[Advance]":
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    console = Console(stderr=True)
    columns = TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn()
    with Progress(*columns, console=console, disable=not console.is_terminal, transient=True) as bar:
        task = bar.add_task(recipe, total=None)
        yield lambda done, of: bar.update(task, completed=done, total=of)


def _print_made(name: str, outcomes: "Sequence[Outcome]", *, dry_run: bool) -> None:
    from workers.reporting.plain import one_line

    for outcome in outcomes:
        if outcome.stopped:
            typer.echo(f"{outcome.recipe}: stopped, since too many of its texts were rejected; it makes nothing more")
            continue
        of = f"of {outcome.parents:,} labeled item(s) of {', '.join(outcome.classes) or 'no class that is rare'}"
        made = "would be made" if dry_run else "made"
        typer.echo(
            f"{outcome.recipe}: {outcome.made:,} {made} {of}; {outcome.pending:,} wait for review, "
            f"{outcome.made_before:,} made before"
            + (f", {outcome.there_already:,} left out as there already" if outcome.there_already else "")
            + (", then it failed" if outcome.error else "")
        )
        for example in outcome.examples[:_EXAMPLES]:
            typer.echo(f"  {one_line(example['parent'], longest=_TEXT_SHOWN)}")
            typer.echo(f"  -> {one_line(example['text'], longest=_TEXT_SHOWN)}")
    if any(outcome.pending for outcome in outcomes) and not dry_run:
        typer.echo(f"review them with: quietcorner augment review {name}")


def _as_json(outcome: "Outcome") -> dict[str, Any]:
    error = str(outcome.error) if outcome.error else None
    return {**asdict(replace(outcome, error=None)), "error": error}


def _raise_faults(outcomes: "Sequence[Outcome]") -> None:
    """Raise an error of the first fault's kind that tells which recipes could not be made, and why."""
    faults = {outcome.recipe: outcome.error for outcome in outcomes if outcome.error}
    if faults:
        kind = type(next(iter(faults.values())))
        raise kind("\n".join(f"recipe {recipe!r}: {error}" for recipe, error in faults.items()))


def _facts(database: "Database", project_id: int, config: "ProjectConfig") -> list[dict[str, Any]]:
    """One entry a recipe of the project file, and after them those whose texts are still there; their kind is None."""
    from shared.repository.augmentation import review_counts

    with database.read() as session:
        counts = review_counts(session, project_id)
        kinds: dict[str, str | None] = {recipe.name: recipe.kind for recipe in config.augmentation.recipes}
        gone = dict.fromkeys(sorted(counts.keys() - kinds.keys()))
        return [
            _fact(session, project_id, config, recipe, kind, counts.get(recipe, Counter()))
            for recipe, kind in {**kinds, **gone}.items()
        ]


def _fact(
    session: "Session", project_id: int, config: "ProjectConfig", recipe: str, kind: str | None, found: "Counter[str]"
) -> dict[str, Any]:
    from shared.repository.augmentation import texts_in_review
    from shared.tables import ReviewState

    by_state = {state.value: found[state] for state in ReviewState}
    stopped = config.augmentation.stops(
        accepted=by_state[ReviewState.ACCEPTED], rejected=by_state[ReviewState.REJECTED]
    )
    examples = texts_in_review(session, project_id, review=None, recipe=recipe, most=_EXAMPLES)
    good = by_state[ReviewState.UNASKED] + by_state[ReviewState.ACCEPTED]
    return {
        "recipe": recipe,
        "kind": kind,
        "made": sum(by_state.values()),
        "teaching": 0 if stopped or kind is None else good,
        **{state: by_state[state] for state in ("pending", "accepted", "rejected")},
        "stopped": stopped,
        "examples": [
            {"parent": one.parent, "parent_text": one.parent_text, "text": one.text, "review": one.review}
            for one in examples
        ],
    }


def _print_facts(name: str, facts: Sequence[dict[str, Any]]) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    from workers.reporting.plain import one_line

    if not facts:
        typer.echo(f"{name} has no recipe and no augmented text, so augmentation is off")
        return
    table = Table(box=None, padding=(0, 2, 0, 0))
    table.add_column("recipe", overflow="fold")
    table.add_column("kind")
    counted = ("made", "teaching", "pending", "accepted", "rejected")
    for heading in counted:
        table.add_column(heading, justify="right")
    table.add_column("")
    for fact in facts:
        cells = [f"{fact[heading]:,}" for heading in counted]
        shown = Text(one_line(fact["recipe"], longest=_NAME_SHOWN))
        table.add_row(shown, fact["kind"] or "gone", *cells, "stopped" if fact["stopped"] else "")
    console = Console(highlight=False)
    console.print(table)
    for fact in facts:
        for example in fact["examples"]:
            console.print()
            console.print(f"{one_line(fact['recipe'], longest=_NAME_SHOWN)}, {example['review']}", markup=False)
            console.print(f"  {one_line(example['parent_text'], longest=_TEXT_SHOWN)}", markup=False)
            console.print(f"  -> {one_line(example['text'], longest=_TEXT_SHOWN)}", markup=False)


def _review_file(database: "Database", project_id: int, file: Path, who: str) -> int:
    from shared.repository.augmentation import set_reviews

    reviews = dict(_read_reviews(file))
    with database.write() as session:
        return set_reviews(session, project_id, reviews, reviewer=who)


def _read_reviews(file: Path) -> Iterator[tuple[int, str]]:
    try:
        lines = file.read_text(encoding="utf-8").split("\n")
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidInputError(f"{file}: can't be read: {error}") from error
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except ValueError as error:
            raise InvalidInputError(f"{file}, line {number}: not JSON: {error}. No review was taken.") from error
        made, answer = (row.get("id"), row.get("review")) if isinstance(row, dict) else (None, None)
        if not isinstance(made, int) or isinstance(made, bool) or answer not in _ANSWERS:
            raise InvalidInputError(
                f'{file}, line {number}: {{"id": a whole number, "review": "accepted" or "rejected"}} is expected. '
                "No review was taken."
            )
        yield made, answer


def _review_each(database: "Database", project_id: int, who: str) -> int:
    from shared.repository.augmentation import set_reviews, texts_in_review
    from shared.tables import ReviewState

    answers = {"a": ReviewState.ACCEPTED, "r": ReviewState.REJECTED}
    changed = 0
    with database.read() as session:
        waiting = texts_in_review(session, project_id, review=ReviewState.PENDING)
    for number, text in enumerate(waiting, 1):
        _print_pair(text, number, len(waiting))
        key = _key()
        if key == "q":
            break
        if key in answers:
            with database.write() as session:
                changed += set_reviews(session, project_id, {text.id: answers[key]}, reviewer=who)
    return changed


def _print_pair(text: "ReviewedText", number: int, of: int) -> None:
    from rich.columns import Columns
    from rich.console import Console
    from rich.panel import Panel
    from rich.text import Text

    console = Console(highlight=False)
    width = max(20, console.width // 2 - 1)
    label = text.label if isinstance(text.label, str) else json.dumps(text.label, ensure_ascii=False)
    pair = [
        Panel(Text(text.parent_text), title=Text(f"labeled {label}"), width=width),
        Panel(Text(text.text), title=Text(text.recipe), width=width),
    ]
    console.print(f"\n{number} of {of}: is the right one a text of the same label?", markup=False)
    console.print(Columns(pair, padding=(0, 1)))


def _key() -> str:
    """One of the keys, as soon as it is pressed."""
    import click

    typer.echo("[a]ccept  [r]eject  [s]kip  [q]uit: ", nl=False)
    while (key := click.getchar().lower()) not in _KEYS:
        pass
    typer.echo(key)
    return key


def _destination(out: Path | None) -> Any:
    if out is None:
        return nullcontext(sys.stdout)
    try:
        return out.open("w", encoding="utf-8")
    except OSError as error:
        raise InvalidInputError(f"{out}: can't be written: {error}") from error
