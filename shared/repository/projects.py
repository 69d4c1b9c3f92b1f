"""Queries on projects: making and listing them."""

from sqlalchemy.exc import IntegrityError
from sqlmodel import Session, col, select

from shared import lanes
from shared.database import now
from shared.project import ProjectConfig
from shared.tables import Project


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


def all_projects(session: Session) -> list[Project]:
    """All projects by name."""
    return list(session.exec(select(Project).order_by(col(Project.name))))
