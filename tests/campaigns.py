"""A project with campaigns, without worker processes: asked, answered and tended at a test's word."""

from collections.abc import Callable, Iterable

import pytest
from sqlmodel import col, select

from shared.campaigns import Origin, Region, State
from shared.contracts import SubmissionMessage
from shared.database import Database
from shared.drift_tables import Campaign
from shared.project import ProjectConfig
from shared.repository.campaigns import open_campaign
from shared.settings import Settings
from shared.tables import Assignment, AssignmentState, Batch, Item
from tests.rounds import Rounds
from workers.drift import campaign_tasks
from workers.intake.answers import take_answers


class Campaigns(Rounds):
    """The project `p` of 200 items, whose row numbers go from `first` on."""

    def __init__(
        self, database: Database, settings: Settings, monkeypatch: pytest.MonkeyPatch, config: ProjectConfig
    ) -> None:
        """Make the project."""
        super().__init__(database, settings, monkeypatch, config)
        monkeypatch.setattr(campaign_tasks, "context", lambda: self.held)
        self.config = config
        with database.read() as session:
            rows = session.exec(select(Item.id, Item.item_id).order_by(col(Item.id))).all()
        self.row = {item_id: row for row, item_id in rows}
        self.name = dict(rows)
        self._answers = 0

    @property
    def items(self) -> list[int]:
        """Row numbers, in the order of arrival."""
        return sorted(self.name)

    def open(
        self,
        *,
        drift: Iterable[int] = (),
        relabel: Iterable[int] = (),
        origin: Origin = Origin.PERSON,
        state: State = State.RUNNING,
        region: Region | None = None,
        budget: int = 1_000,
    ) -> int:
        """Open a campaign; its row number."""
        with self.held.database.write() as session:
            return open_campaign(
                session,
                self.project_id,
                origin=origin,
                why="a test",
                budget=budget,
                candidates={"drift": list(drift), "relabel": list(relabel)},
                region=region,
                state=state,
            ).id

    def batch(self) -> dict[int, str]:
        """Run a round and tend the campaigns: row number -> channel of what it chose."""
        self.run()
        self.tend()
        with self.held.database.read() as session:
            newest = session.exec(select(Batch.id).order_by(col(Batch.round).desc()).limit(1)).one()
            chosen = session.exec(select(Assignment).where(col(Assignment.batch) == newest)).all()
            return {one.item: one.reason["channel"] for one in chosen}

    def tend(self) -> None:
        """Look at the campaigns as the worker does after each batch."""
        campaign_tasks.tend_campaigns(project_id=self.project_id)

    def answer(self, answers: Callable[[int], str] | None = None, *, annotator: str = "anna") -> list[int]:
        """Answer all that is on the queue, as it is if nothing else is said; the row numbers of what was answered."""
        with self.held.database.read() as session:
            waiting = select(Assignment).where(col(Assignment.state) == AssignmentState.OPEN)
            rows = [one.item for one in session.exec(waiting.order_by(col(Assignment.id)))]
        messages = []
        for row in rows:
            self._answers += 1
            label = answers(row) if answers else self.truth[self.name[row]]
            messages.append(
                SubmissionMessage(
                    project="p",
                    submission_id=f"answer-{self._answers}",
                    item_id=self.name[row],
                    annotator=annotator,
                    label=label,
                )
            )
        with self.held.database.write() as session:
            take_answers(session, project_id=self.project_id, messages=messages, origin="test")
        return rows

    def state(self, campaign: int) -> Campaign:
        """The campaign as it stands."""
        with self.held.database.read() as session:
            found = session.get_one(Campaign, campaign)
            session.expunge(found)
            return found
