"""What a worker process holds: settings, database, Redis. Built once a process, at its first task."""

import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import redis
import structlog
from kombu.exceptions import OperationalError
from redis.exceptions import RedisError

from shared import events, lanes
from shared.database import Database, open_database
from shared.lanes import Claim
from shared.logs import configure_logs
from shared.project import ProjectConfig
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

    @property
    def vector_folder(self) -> Path:
        """Where this machine keeps its copies of vectors."""
        return self.settings.folder / "vectors"

    def project(self, project_id: int) -> tuple[str, ProjectConfig]:
        """Name and configuration of a project."""
        with self.database.read() as session:
            project = session.get_one(Project, project_id)
            return project.name, ProjectConfig.model_validate(project.config)

    @contextmanager
    def lane(self, project_id: int, room: str) -> Iterator[Claim | None]:
        """Hold a lane for the block, then publish what the block wrote into the outbox. See `shared.lanes.held`."""
        owner = f"{socket.gethostname()}:{os.getpid()}"
        with (
            structlog.contextvars.bound_contextvars(project_id=project_id, room=room),
            lanes.held(
                self.database, project_id=project_id, room=room, owner=owner, lease_s=self.settings.lane_lease_s
            ) as claimed,
        ):
            yield claimed
        if claimed is not None:
            self.relay()

    def relay(self) -> None:
        """Publish the outbox now; with Redis away it stays for the sweep."""
        try:
            events.relay(self.database, send_hint)
        except (OperationalError, RedisError) as error:
            _log.warning("outbox.waits", error=str(error))


@cache
def context() -> Context:
    """This process's context."""
    settings = load_settings()
    configure_logs(settings)
    return Context(settings, open_database(settings), connect(settings))
