"""Queries on projects: making, listing and changing them."""

from collections.abc import Mapping
from typing import Any

from sqlalchemy import bindparam
from sqlalchemy.exc import IntegrityError
from sqlmodel import Session, col, select

from shared import lanes
from shared.database import Database, now
from shared.project import ProjectConfig
from shared.section import MOST_COSTLY
from shared.tables import Project

# Not from its key, which rows refer to that others write meanwhile.
_HELD = select(Project.config).where(col(Project.id) == bindparam("project")).with_for_update(key_share=True)


def create_project(session: Session, name: str, config: ProjectConfig) -> bool:
    """Make a project with its lanes, unless there is one of that name. Returns whether it was made."""
    document = config.model_dump(mode="json", by_alias=True)
    project = Project(name=name, config=document, created_at=now(session))
    try:
        with session.begin_nested():
            session.add(project)
    except IntegrityError:  # the name is taken, perhaps by a caller who asked at the same time
        return False
    lanes.open_lanes(session, project.id)
    return True


def stored_config(session: Session, project_id: int) -> ProjectConfig:
    """A project's configuration."""
    return read_config(session.get_one(Project, project_id).config)


def hold_config(session: Session, project_id: int) -> ProjectConfig:
    """A project's configuration, which nobody else changes and by which no answer is taken until the commit."""
    return read_config(session.connection().execute(_HELD, {"project": project_id}).scalar_one())


def read_config(document: Mapping[str, Any]) -> ProjectConfig:
    """A configuration as it was stored, maybe when costs had no bounds yet: those beyond are taken for the bound."""
    costs = {name: min(max(cost, 1 / MOST_COSTLY), MOST_COSTLY) for name, cost in document.get("costs", {}).items()}
    errors = {
        name: {other: min(cost, MOST_COSTLY) for other, cost in row.items()}
        for name, row in document.get("error_costs", {}).items()
    }
    return ProjectConfig.model_validate({**document, "costs": costs, "error_costs": errors})


def store_config(session: Session, project_id: int, config: ProjectConfig) -> None:
    """Replace a project's configuration."""
    session.get_one(Project, project_id).config = config.model_dump(mode="json", by_alias=True)
    session.flush()


def all_projects(session: Session) -> list[Project]:
    """All projects by name."""
    return list(session.exec(select(Project).order_by(col(Project.name))))


class ProjectNumbers:
    """Row numbers of projects by name, each read once: a project is never deleted, and keeps its number."""

    def __init__(self, database: Database) -> None:
        """Know none yet."""
        self._database = database
        self._known: dict[str, int] = {}

    def known(self, name: str) -> int | None:
        """The number of a project that was found before; never waits for the database."""
        return self._known.get(name)

    def find(self, name: str) -> int | None:
        """The number of a project; None while there is none of that name."""
        number = self._known.get(name)
        if number is None:
            with self._database.read() as session:
                number = session.exec(select(Project.id).where(col(Project.name) == name)).one_or_none()
            if number is not None:
                self._known[name] = number
        return number
