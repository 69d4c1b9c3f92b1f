"""`quietcorner project`: write an example project file, make, list, show and change projects."""

import re
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import tomli_w
import typer

from shared.errors import ConfigError
from shared.project import ProjectConfig, Task, read_project
from shared.repository.history import What, operator, record
from shared.repository.projects import all_projects, create_project, read_config
from shared.tables import Project
from workers.commands import edge
from workers.reporting.changes import Change, changes

if TYPE_CHECKING:
    from workers.intake.reconfiguring import Reconfigured

_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,63}")

commands = typer.Typer(no_args_is_help=True, add_completion=False, help="Make, list and change projects.")

AsJson = Annotated[bool, typer.Option("--json", help="print JSON")]


@commands.command(epilog="Example: [bold]quietcorner project init[/bold]")
def init(path: Annotated[Path, typer.Argument(help="where to write it")] = Path("project.toml")) -> None:
    """Write an example project file in which each option is explained."""
    example = files("workers.commands").joinpath("project_example.toml").read_text(encoding="utf-8")
    try:
        with path.open("x", encoding="utf-8") as file:
            file.write(example)
    except FileExistsError as error:
        raise ConfigError(f"{path}: the file exists and is left as it is; give another path") from error
    except OSError as error:
        raise ConfigError(f"{path}: can't be written: {error}") from error
    typer.echo(f"wrote {path}; edit it, then: quietcorner project create NAME --config {path}")


@commands.command(epilog="Example: [bold]quietcorner project create tickets --config project.toml[/bold]")
def create(
    name: Annotated[str, typer.Argument(metavar="NAME", help="small letters, digits, - and _")],
    config: Annotated[Path, typer.Option(help="the project file")],
) -> None:
    """Make a project from a project file. Making it again from the same file changes nothing."""
    if not _NAME.fullmatch(name):
        raise ConfigError(
            f"name = {name!r}: 1 to 64 small letters, digits, - and _ are allowed, the first a letter or digit"
        )
    wanted = read_project(config)
    _check_classes(wanted, config)
    database = edge.database(edge.settings())
    with database.write() as session:
        made = create_project(session, name, wanted)
        if made:
            record(session, What.PROJECT_CREATED, project=name, who=operator())
    if made:
        typer.echo(f"made the project {name}; bring in texts with: quietcorner ingest {name} FILE")
        return
    differing = changes(_document(edge.open_project(database, name)[1]), _document(wanted))
    if differing:
        told = "\n".join("  {} = {}; the project has {}".format(one.key, *reversed(one.shown)) for one in differing)
        raise ConfigError(
            f"the project {name!r} exists with another configuration; change it with `quietcorner project update`, or "
            f"give the new one another name.\n{told}"
        )
    typer.echo(f"the project {name} exists with this configuration; nothing to do")


def _check_classes(config: ProjectConfig, path: Path) -> None:
    """Find out whether classes can be told apart: by a model, and by those who see their names."""
    padded = [name for name in config.classes if name != name.strip()]
    if padded:
        raise ConfigError(f"{path}: classes: {padded[0]!r} begins or ends with a space")
    if config.task is Task.SINGLE and len(config.classes) < 2:
        raise ConfigError(
            f"{path}: classes = {list(config.classes)}: every item would be of this class. Name what else there is, as "
            f'in ["{config.classes[0]}", "other"], or let items have none with task = "multi".'
        )


@commands.command("list", epilog="Example: [bold]quietcorner project list[/bold]")
def list_projects(as_json: AsJson = False) -> None:
    """List all projects."""
    with edge.database(edge.settings()).read() as session:
        projects = [_overview(project) for project in all_projects(session)]
    if as_json:
        edge.print_json(projects)
        return
    for project in projects:
        typer.echo(f"{project['name']}: {project['task']}, {len(project['classes'])} classes, {project['created_at']}")
    if not projects:
        typer.echo("no project yet; begin with: quietcorner project init")


@commands.command(epilog="Example: [bold]quietcorner project show tickets[/bold]")
def show(name: Annotated[str, typer.Argument(metavar="NAME", help="the project")], as_json: AsJson = False) -> None:
    """Show a project's configuration, defaults included, as a project file."""
    database = edge.database(edge.settings())
    _, config = edge.open_project(database, name)
    if as_json:
        edge.print_json({"name": name, "config": _document(config)})
        return
    typer.echo(project_file(config), nl=False)


def project_file(config: ProjectConfig) -> str:
    """The project file, in TOML, that reads as this configuration; options without a value are left out."""
    return tomli_w.dumps(config.model_dump(mode="json", by_alias=True, exclude_none=True))


@commands.command(
    epilog="Example: [bold]quietcorner project update tickets --config project.toml --rename parcels=delivery[/bold]"
)
def update(
    name: Annotated[str, typer.Argument(metavar="NAME", help="the project")],
    config: Annotated[Path, typer.Option(help="the new project file, whole")],
    rename: Annotated[
        list[str] | None, typer.Option(metavar="OLD=NEW", help="a class has another name now; repeatable")
    ] = None,
    merge: Annotated[
        list[str] | None, typer.Option(metavar="A,B=C", help="classes are one class now; repeatable")
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="say what would change, and change nothing")] = False,
    as_json: AsJson = False,
) -> None:
    """Change a project's configuration to that of a project file.

    Submissions stay as they came. Labels of renamed and merged classes are
    resolved anew, and answers under the old names are understood from then on.
    Changed rules are looked up in the texts that there are. The next round
    trains with the new configuration; a running `quietcorner up` goes on.
    """
    from workers.intake.class_changes import parse_moves
    from workers.intake.reconfiguring import reconfigure

    wanted, moves = read_project(config), parse_moves(rename or [], merge or [])
    renamed = [one.partition("=")[0] for one in rename or []]
    in_force = edge.settings()
    database = edge.database(in_force)
    project_id, stored = edge.open_project(database, name)
    if wanted.classes != stored.classes:
        _check_classes(wanted, config)
    done = reconfigure(database, project_id, wanted, moves, renamed=renamed, dry_run=dry_run, who=operator())
    if not dry_run:
        edge.kick(in_force, database)
    changed = changes(_by_rule(done.before), _by_rule(done.after))
    if as_json:
        edge.print_json(
            {
                "project": name,
                "dry_run": dry_run,
                "changes": [change._asdict() for change in changed],
                "labels_changed": done.labels,
                "rule_hits": {rule: {"before": before, "after": after} for rule, (before, after) in done.hits.items()},
                "notes": list(done.notes),
            }
        )
        return
    for line in _told(done, changed):
        typer.echo(f"  {line}")
    if dry_run:
        typer.echo(f"{name}: nothing was changed; this is what would be" if changed else f"{name}: nothing to change")
    else:
        typer.echo(f"{name}: changed; the next round goes by it" if changed else f"{name}: nothing to change")


def _told(done: "Reconfigured", changed: list[Change]) -> Iterator[str]:
    """What changed, a line each."""
    from workers.reporting.sentences import counted

    for change in changed:
        if change.key == "classes":
            yield f"classes: {_classes(change.before, change.after)}"
        else:
            yield "{}: {} -> {}".format(change.key, *change.shown)
    if done.labels:
        yield f"{counted(done.labels, 'label')} with another class; the submissions stay as they came"
    for rule, (before, after) in done.hits.items():
        yield f"rule {rule!r} hits {counted(after, 'item')} (before {before:,})"
    yield from done.notes


def _classes(before: Sequence[str], after: Sequence[str]) -> str:
    """Which came and which went; the order matters to nobody but decides ties."""
    came, went = ([name for name in one if name not in other] for one, other in ((after, before), (before, after)))
    told = [f"{word} {', '.join(names)}" for word, names in (("new", came), ("gone", went)) if names]
    return "; ".join(told) or "in another order"


def _by_rule(config: ProjectConfig) -> dict[str, Any]:
    """The document with its rules by name, so that a change of one rule is no change of all."""
    document = _document(config)
    rules = {rule.pop("name"): {key: value for key, value in rule.items() if value} for rule in document["rules"]}
    return {**document, "rules": rules}


def _document(config: ProjectConfig) -> dict[str, Any]:
    return config.model_dump(mode="json", by_alias=True)


def _overview(project: Project) -> dict[str, Any]:
    config = read_config(project.config)
    created = datetime.fromtimestamp(project.created_at, UTC).isoformat(timespec="seconds")
    return {"name": project.name, "task": config.task, "classes": list(config.classes), "created_at": created}
