"""`quietcorner project`: write an example project file, make projects, list and show them."""

import json
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from importlib.resources import files
from pathlib import Path
from typing import Annotated, Any

import typer

from shared.errors import ConfigError
from shared.project import ProjectConfig, read_project
from shared.repository.projects import all_projects, create_project
from shared.tables import Project
from workers.commands import edge

_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,63}")

commands = typer.Typer(no_args_is_help=True, add_completion=False, help="Make and list projects.")

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
    database = edge.database(edge.settings())
    with database.write() as session:
        made = create_project(session, name, wanted)
    if made:
        typer.echo(f"made the project {name}; bring in texts with: quietcorner ingest {name} FILE")
        return
    differing = _differences(edge.open_project(database, name)[1], wanted)
    if differing:
        raise ConfigError(
            f"the project {name!r} exists with another configuration; give the new one another name.\n{differing}"
        )
    typer.echo(f"the project {name} exists with this configuration; nothing to do")


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
    """Show a project's configuration, defaults included."""
    database = edge.database(edge.settings())
    _, config = edge.open_project(database, name)
    document = config.model_dump(mode="json", by_alias=True)
    if as_json:
        edge.print_json({"name": name, "config": document})
        return
    for key, value in _flat(document):
        typer.echo(f"{key} = {json.dumps(value, ensure_ascii=False)}")


def _overview(project: Project) -> dict[str, Any]:
    config = ProjectConfig.model_validate(project.config)
    created = datetime.fromtimestamp(project.created_at, UTC).isoformat(timespec="seconds")
    return {"name": project.name, "task": config.task, "classes": list(config.classes), "created_at": created}


def _differences(stored: ProjectConfig, wanted: ProjectConfig) -> str:
    """One line for each key whose value differs."""
    there = dict(_flat(stored.model_dump(mode="json", by_alias=True)))
    asked = dict(_flat(wanted.model_dump(mode="json", by_alias=True)))
    return "\n".join(
        f"  {key} = {_shown(asked, key)}; the project has {_shown(there, key)}"
        for key in sorted(there.keys() | asked.keys())
        if there.get(key) != asked.get(key)
    )


def _shown(values: dict[str, Any], key: str) -> str:
    return json.dumps(values[key], ensure_ascii=False) if key in values else "nothing"


def _flat(section: dict[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Dotted keys with their values; an empty section stands for itself."""
    for key, value in section.items():
        if isinstance(value, dict) and value:
            yield from _flat(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value
