"""What a worker process holds: settings, database, Redis. Built once a process, at its first task."""

import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path

import redis
import structlog
from kombu.exceptions import OperationalError
from redis.exceptions import RedisError
from sqlmodel import Session

from shared import events, lanes
from shared.database import Database, open_database
from shared.lanes import Claim
from shared.logs import configure_logs
from shared.pool import Pool
from shared.project import ProjectConfig
from shared.repository.pools import KeptPools
from shared.repository.projects import ProjectNumbers, read_config
from shared.repository.rounds import SubmissionCounter
from shared.settings import Settings, load_settings
from shared.streams import connect
from shared.tables import Project
from workers.hints import send_hint

_log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class Context:
    """The process's own connections."""

    settings: Settings
    database: Database
    redis: redis.Redis

    @cached_property
    def pools(self) -> KeptPools:
        """The pools that this process keeps between rounds."""
        return KeptPools(self.settings.kept_items)

    @cached_property
    def project_numbers(self) -> ProjectNumbers:
        """Row numbers of projects by name."""
        return ProjectNumbers(self.database)

    @cached_property
    def submissions(self) -> SubmissionCounter:
        """How many submissions projects have."""
        return SubmissionCounter()

    def pool(self, session: Session, project_id: int, config: ProjectConfig) -> Pool:
        """All embedded items of a project with their labels, in one consistent view."""
        return self.pools.load(session, project_id=project_id, config=config, vector_folder=self.vector_folder)

    @property
    def vector_folder(self) -> Path:
        """Where this machine keeps its copies of vectors."""
        return self.settings.folder / "vectors"

    def project(self, project_id: int) -> tuple[str, ProjectConfig]:
        """Name and configuration of a project."""
        with self.database.read() as session:
            project = session.get_one(Project, project_id)
            return project.name, read_config(project.config)

    @contextmanager
    def lane(self, project_id: int, room: str) -> Iterator[Claim | None]:
        """Hold a lane for the block, then publish what the block wrote into the outbox. See `shared.lanes.held`.

        Where it wrote nothing, nothing is published: a round that finds itself not due would else send itself the
        hint of the next answer, and so on as long as answers come.
        """
        emitted = self.database.emitted
        owner = f"{socket.gethostname()}:{os.getpid()}"
        with (
            structlog.contextvars.bound_contextvars(project_id=project_id, room=room),
            lanes.held(
                self.database,
                project_id=project_id,
                room=room,
                owner=owner,
                lease_s=self.settings.lane_lease_s,
                patience_s=self.settings.step_patience_s,
                give_up=_end_process,
            ) as claimed,
        ):
            yield claimed
        if self.database.emitted > emitted:
            self.relay()

    def relay(self) -> None:
        """Publish the outbox now; with Redis away it stays for the sweep."""
        try:
            events.relay(self.database, send_hint)
        except (OperationalError, RedisError) as error:
            _log.warning("outbox.waits", error=str(error))


def _end_process() -> None:
    """A thread that hangs can't be ended, but its process can: the lane's lease runs out, and the attempt counts."""
    os._exit(os.EX_SOFTWARE)


@cache
def context() -> Context:
    """This process's context."""
    settings = load_settings()
    configure_logs(settings)
    return Context(settings, open_database(settings), connect(settings))
