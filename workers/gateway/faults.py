"""Faults: the one shape in which the HTTP API says what is wrong, where, and how to mend it."""

from collections.abc import Callable, Coroutine, Mapping
from http import HTTPStatus
from typing import Any

import structlog
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel, ConfigDict, Field
from redis.exceptions import RedisError
from starlette.exceptions import HTTPException

from shared.errors import DatabaseUnavailableError, QuietCornerError

# What is away is mostly back within some seconds.
_AWAY_S = 2
_AGAIN = "Send the same request again after Retry-After seconds; what was stored meanwhile is recognised."

_HEADERS = {
    HTTPStatus.UNAUTHORIZED: {"WWW-Authenticate": "Bearer"},
    # What is left of the body is not read.
    HTTPStatus.REQUEST_TIMEOUT: {"Connection": "close"},
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE: {"Connection": "close"},
}

_log = structlog.get_logger(__name__)


class Told(BaseModel):
    """What is wrong."""

    model_config = ConfigDict(extra="forbid")

    what: str = Field(description="what is wrong")
    where: str = Field(description="the field, header or path that it is about")
    mend: str = Field(description="what to do")


class Fault(BaseModel):
    """The body of every answer that is not a success."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [
                {
                    "error": {
                        "what": "unknown class 'frud'",
                        "where": "label",
                        "mend": "Mend this field and send it again.",
                    }
                }
            ]
        },
    )

    error: Told


class RefusedError(QuietCornerError):
    """A request that is answered with a fault."""

    def __init__(self, status: HTTPStatus, what: str, *, where: str, mend: str, retry_after_s: float | None = None):
        """Note the status and what is told."""
        super().__init__(what)
        self.status, self.told, self.retry_after_s = status, Told(what=what, where=where, mend=mend), retry_after_s


Answers = dict[int | str, dict[str, Any]]
"""Answers by status, as FastAPI describes them."""

TOLD: Answers = {
    status.value: {"model": Fault, "description": told}
    for status, told in (
        (HTTPStatus.BAD_REQUEST, "The body is no JSON"),
        (HTTPStatus.UNAUTHORIZED, "No live token"),
        (HTTPStatus.FORBIDDEN, "The token's scope does not allow this"),
        (HTTPStatus.NOT_FOUND, "The token opens no such project, or it has no such thing"),
        (HTTPStatus.REQUEST_TIMEOUT, "The body came too slowly"),
        (HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "The body is too long"),
        (HTTPStatus.UNPROCESSABLE_ENTITY, "A field is wrong"),
        (HTTPStatus.TOO_MANY_REQUESTS, "Too many requests with this token: see Retry-After"),
        (HTTPStatus.INTERNAL_SERVER_ERROR, "The server failed"),
        (HTTPStatus.SERVICE_UNAVAILABLE, "The database or Redis is away, or too much waits: see Retry-After"),
    )
}
"""What every route may answer that needs a token."""


def split_reason(reason: str) -> tuple[str, str]:
    """`field: what is wrong` as (field, what is wrong); the field is `body` where none is named."""
    where, colon, what = reason.partition(": ")
    return (where, what) if colon and " " not in where else ("body", reason)


def respond(
    status: HTTPStatus, told: Told, *, headers: Mapping[str, str] | None = None, retry_after_s: float | None = None
) -> JSONResponse:
    """The answer that tells of a fault."""
    more = {} if retry_after_s is None else {"Retry-After": str(max(1, round(retry_after_s)))}
    return JSONResponse(Fault(error=told).model_dump(), status_code=status, headers={**(headers or {}), **more})


def install(app: FastAPI) -> None:
    """Let every error of the application be told in this shape."""
    for kind, handler in _HANDLERS.items():
        app.add_exception_handler(kind, handler)


async def tell(request: Request, error: Exception) -> JSONResponse:
    """The answer to a request that met with an error."""
    handler = next(handler for kind, handler in _HANDLERS.items() if isinstance(error, kind))
    return await handler(request, error)


async def refused(_request: Request, error: Any) -> JSONResponse:
    """The answer to a request that met with a `RefusedError`."""
    return respond(error.status, error.told, headers=_HEADERS.get(error.status), retry_after_s=error.retry_after_s)


async def _database_away(_request: Request, error: Exception) -> JSONResponse:
    _log.warning("http.database_away", error=str(error))
    return _away("the database can't be reached", where="database")


async def _redis_away(_request: Request, error: Exception) -> JSONResponse:
    _log.warning("http.redis_away", error=str(error))
    return _away("Redis can't be reached: tasks can't be leased now; answers are taken as always", where="Redis")


def _away(what: str, *, where: str) -> JSONResponse:
    told = Told(what=what, where=where, mend=_AGAIN)
    return respond(HTTPStatus.SERVICE_UNAVAILABLE, told, retry_after_s=_AWAY_S)


async def _invalid(_request: Request, error: Any) -> JSONResponse:
    fault = error.errors()[0]
    where = ".".join(str(part) for part in fault["loc"][1:]) or "body"
    told = Told(what=fault["msg"], where=where, mend="Mend this field; /openapi.json says what is expected.")
    return respond(HTTPStatus.UNPROCESSABLE_ENTITY, told)


async def _of_the_framework(request: Request, error: Any) -> JSONResponse:
    told = Told(
        what=str(error.detail), where=_place(request), mend="/openapi.json lists the paths and what they expect."
    )
    return respond(HTTPStatus(error.status_code), told, headers=error.headers)


async def _unexpected(request: Request, error: Exception) -> JSONResponse:
    _log.error("http.failed", method=request.method, path=request.url.path, exc_info=error)
    told = Told(
        what="the server failed unexpectedly",
        where=_place(request),
        mend="Its log says why. Send the same again: what was stored is recognised by its ids.",
    )
    return respond(HTTPStatus.INTERNAL_SERVER_ERROR, told)


def _place(request: Request) -> str:
    return f"{request.method} {request.url.path}"[:200]


_HANDLERS: dict[type[Exception], Callable[[Request, Any], Coroutine[Any, Any, JSONResponse]]] = {
    RefusedError: refused,
    DatabaseUnavailableError: _database_away,
    RedisError: _redis_away,
    RequestValidationError: _invalid,
    HTTPException: _of_the_framework,
    Exception: _unexpected,
}
