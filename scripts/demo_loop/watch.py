"""What the demo sees of the running system: the status that the command shows, and which tickets are labeled."""

from dataclasses import dataclass
from typing import Any

from sqlmodel import Session, col, func, select

from shared.database import Database
from shared.drift_tables import Campaign, CampaignBatch
from shared.repository.drift import find_reference
from shared.repository.projects import read_config
from shared.tables import Assignment, AssignmentState, Item, Label, Lane, Project
from workers.reporting.status import read_status


@dataclass(frozen=True)
class View:
    """One look at the project.

    Attributes:
        status: As `quietcorner status --json` prints it.
        labeled: Ids of the labeled items.
        knows_normal: Whether the drift watch has its reference, so that what comes from now on is compared with it.
        campaigns_done: Drift campaigns whose items are all answered.
        leases: Until when each lane is held; moves while its worker lives.
    """

    status: dict[str, Any]
    labeled: frozenset[str]
    knows_normal: bool
    campaigns_done: int
    leases: tuple[float | None, ...]

    @property
    def campaigns(self) -> int:
        """Drift campaigns that were opened."""
        return int(self.status["drift"]["campaigns"])

    @property
    def progress(self) -> tuple[object, ...]:
        """Differs between two looks when anything has moved."""
        status = self.status
        parts = [status[name] for name in ("items", "rounds", "model", "drift", "lanes")]
        return len(self.labeled), self.leases, *parts


def look(database: Database, name: str) -> View:
    """Look once at a project, in one consistent view."""
    with database.read() as session:
        project = session.exec(select(Project).where(col(Project.name) == name)).one()
        project_id, config = project.id, read_config(project.config)
        return View(
            status=read_status(session, project_id, name, config),
            labeled=_labeled_ids(session, project_id),
            knows_normal=find_reference(session, project_id) is not None,
            campaigns_done=_campaigns_done(session, project_id),
            leases=_leases(session, project_id),
        )


def _labeled_ids(session: Session, project_id: int) -> frozenset[str]:
    statement = (
        select(Item.item_id).join(Label, col(Label.item) == col(Item.id)).where(col(Label.project_id) == project_id)
    )
    return frozenset(session.exec(statement))


def _campaigns_done(session: Session, project_id: int) -> int:
    batches = select(CampaignBatch.batch).where(col(CampaignBatch.campaign) == col(Campaign.id))
    unanswered = (
        select(Assignment.id)
        .where(col(Assignment.batch).in_(batches), col(Assignment.state) == AssignmentState.OPEN)
        .exists()
    )
    statement = select(func.count()).where(col(Campaign.project_id) == project_id, batches.exists(), ~unanswered)
    return session.exec(statement).one()


def _leases(session: Session, project_id: int) -> tuple[float | None, ...]:
    statement = select(col(Lane.until)).where(col(Lane.project_id) == project_id).order_by(col(Lane.room))
    return tuple(row.until for row in session.connection().execute(statement))
