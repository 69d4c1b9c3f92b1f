"""The HTTP API: its routes on one process's connections."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib.metadata import version

import redis
from fastapi import Depends, FastAPI
from redis.backoff import NoBackoff
from redis.retry import Retry
from starlette.types import ASGIApp

from shared.settings import Settings
from workers.context import Context
from workers.gateway import faults, incoming, leases, reading, reception, watching
from workers.gateway.aftermath import Aftermath
from workers.gateway.group_commit import GroupCommit
from workers.gateway.keyring import Keyring
from workers.gateway.limits import Limits
from workers.gateway.metrics import Counted, Metrics
from workers.gateway.reception import Desk
from workers.gateway.short_way import ShortWay

_ABOUT = """Items and answers in, tasks out. docs/http.md tells the story.

Every request but those for health needs `Authorization: Bearer TOKEN`, with a token that `quietcorner token create`
made. Every answer that is no success has one shape: `{"error": {"what", "where", "mend"}}`.
"""


def create_api(held: Context) -> ASGIApp:
    """The application. Its threads end with it: serve it with its lifespan."""
    aftermath = Aftermath(held)
    commits = GroupCommit(held.database, aftermath.note)
    metrics = Metrics(held.database)
    desk = Desk(held.project_numbers, Keyring(held.database, held.settings.http_rate))
    client = _impatient(held.settings)

    @asynccontextmanager
    async def lifespan(_api: FastAPI) -> AsyncIterator[None]:
        yield
        commits.close()
        aftermath.close()
        client.close()

    api = FastAPI(
        title="Quiet Corner",
        description=_ABOUT,
        version=version("quietcorner"),
        lifespan=lifespan,
        docs_url=None,  # its page loads scripts from elsewhere; /openapi.json has all of it
        redoc_url=None,
        telemetry={"tracing": False, "metrics": False, "logs": False},  # /metrics has what there is to tell
    )
    api.add_middleware(Limits)
    faults.install(api)
    api.include_router(watching.routes(desk, held.database, client, metrics))
    for router in (
        incoming.routes(desk, held.database, commits, aftermath),
        leases.routes(desk, held.database, client),
        reading.routes(desk, held.database),
    ):
        api.include_router(router, responses=faults.TOLD, dependencies=[Depends(reception.BEARER)])
    return Counted(ShortWay(api, desk, commits), metrics)


def _impatient(settings: Settings) -> redis.Redis:
    """A client for requests that somebody waits for: it says soon that Redis is away."""
    return redis.Redis.from_url(
        settings.redis_in_force, socket_timeout=5, socket_connect_timeout=2, retry=Retry(NoBackoff(), 1)
    )
