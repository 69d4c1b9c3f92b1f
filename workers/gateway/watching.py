"""Routes by which machines watch the server: health and metrics."""

from collections.abc import Callable
from contextlib import suppress
from http import HTTPStatus

import redis
from fastapi import APIRouter, Depends, Request, Response
from fastapi.responses import JSONResponse
from redis.exceptions import RedisError
from sqlalchemy import text
from starlette.concurrency import run_in_threadpool

from shared.database import Database
from shared.errors import DatabaseUnavailableError
from shared.tokens import Scope
from workers.gateway.bodies import Health
from workers.gateway.faults import TOLD
from workers.gateway.metrics import Metrics
from workers.gateway.reception import BEARER, Desk

_PROMETHEUS = "text/plain; version=0.0.4; charset=utf-8"


def routes(desk: Desk, database: Database, client: redis.Redis, metrics: Metrics) -> APIRouter:
    """The routes, on these connections."""
    router = APIRouter(tags=["watching"])

    @router.get("/health/live", summary="Whether the server answers")
    async def live() -> dict[str, bool]:
        """True, or no answer. Needs no token."""
        return {"live": True}

    @router.get(
        "/health",
        summary="Whether answers can be stored",
        response_model=Health,
        responses={HTTPStatus.SERVICE_UNAVAILABLE.value: {"model": Health, "description": "No database"}},
    )
    def health() -> JSONResponse:
        """503 without the database. Without Redis the server is ready all the same. Needs no token."""
        has_database = _answers(lambda: _ask(database), DatabaseUnavailableError)
        has_redis = _answers(client.ping, RedisError)
        found = Health(
            status="no database" if not has_database else "ready" if has_redis else "no Redis",
            ready=has_database,
            database=has_database,
            redis=has_redis,
        )
        return JSONResponse(found.model_dump(), HTTPStatus.OK if has_database else HTTPStatus.SERVICE_UNAVAILABLE)

    @router.get(
        "/metrics",
        summary="Metrics for Prometheus",
        response_class=Response,
        responses={**TOLD, HTTPStatus.OK.value: {"content": {"text/plain": {}}}},
        dependencies=[Depends(BEARER)],
    )
    async def tell(request: Request) -> Response:
        """Needs a token with the scope read, for all projects."""
        await desk.admit_to_all(request, Scope.READ)
        return Response(await run_in_threadpool(metrics.text), media_type=_PROMETHEUS)

    return router


def _ask(database: Database) -> None:
    with database.read() as session:
        session.connection().execute(text("SELECT 1"))


def _answers(ask: Callable[[], object], fault: type[Exception]) -> bool:
    with suppress(fault):
        ask()
        return True
    return False
