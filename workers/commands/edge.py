"""What every command needs at its edge: settings, database, the project by name, output for machines."""

import json
import sys
from typing import Any

from sqlmodel import col, select

from shared import events
from shared.database import Database, open_database
from shared.errors import UnknownProjectError
from shared.project import ProjectConfig
from shared.repository.projects import read_config
from shared.settings import Settings, load_settings
from shared.tables import Project


def settings() -> Settings:
    """The settings in force."""
    return load_settings()


def database(in_force: Settings) -> Database:
    """The database in force, migrated."""
    return open_database(in_force)


def open_project(opened: Database, name: str) -> tuple[int, ProjectConfig]:
    """A project's row number and its validated project file.

    Raises:
        UnknownProjectError: names the projects that exist.
    """
    with opened.read() as session:
        project = session.exec(select(Project).where(col(Project.name) == name)).one_or_none()
        if project is None:
            known = ", ".join(session.exec(select(Project.name).order_by(Project.name))) or "none yet"
            raise UnknownProjectError(
                f"there is no project {name!r} (projects: {known}). "
                f"Make it with `quietcorner project create {name} --config project.toml`."
            )
        return project.id, read_config(project.config)


def kick(in_force: Settings, opened: Database) -> bool:
    """Publish what lies in the outbox, if Redis is there; the sweep does it later otherwise. Returns whether it was."""
    from kombu.exceptions import OperationalError

    from workers.hints import broker_is_up, send_hint

    if not broker_is_up(in_force):
        return False
    try:
        events.relay(opened, send_hint)
    except OperationalError:  # gone since it answered
        return False
    return True


def print_json(value: Any) -> None:
    """One JSON document on standard output."""
    json.dump(value, sys.stdout, ensure_ascii=False, indent=2)
    sys.stdout.write("\n")
