"""The HTTP API for tests: the real application on a real database and Redis, asked in this process."""

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import pytest
from httpx2 import Response
from sqlmodel import col, select
from starlette.testclient import TestClient

from shared.database import Database
from shared.repository.tokens import create_token
from shared.settings import Settings
from shared.streams import connect
from shared.tables import DeadLetter, Submission
from shared.tokens import Scope
from tests.workers.intake.test_ingest import item, make_project, store
from workers.context import Context
from workers.gateway import aftermath
from workers.gateway.api import create_api

PROJECT = "tickets"


@dataclass(frozen=True)
class Api:
    """A served project with two items, `one` and `two`, and the classes `common` and `fraud`."""

    held: Context
    client: TestClient
    project_id: int

    def token(self, *scopes: Scope, project_id: int | None = None, lasts_s: float | None = None) -> str:
        """A new token."""
        with self.held.database.write() as session:
            _, token = create_token(
                session, name="test", scopes=scopes, project_id=project_id, lasts_s=lasts_s, who="tester"
            )
        return token

    def ask(self, method: str, path: str, body: Any = None, *, token: str | None, raw: bytes | None = None) -> Response:
        """Send a request; a path that does not begin with / is below the project."""
        headers = {} if token is None else {"Authorization": f"Bearer {token}"}
        content = raw if raw is not None else None if body is None else json.dumps(body).encode()
        if content is not None:
            headers["Content-Type"] = "application/json"
        url = path if path.startswith("/") else f"/v1/projects/{PROJECT}/{path}"
        return self.client.request(method, url, content=content, headers=headers)

    def submissions(self) -> list[Submission]:
        """All that is stored, in its order."""
        with self.held.database.read() as session:
            return list(session.exec(select(Submission).order_by(col(Submission.id))))

    def dead(self) -> list[DeadLetter]:
        """All that was refused, in its order."""
        with self.held.database.read() as session:
            return list(session.exec(select(DeadLetter).order_by(col(DeadLetter.id))))


def answer(**changes: Any) -> dict[str, Any]:
    """A good submission, but for the changes."""
    return {"submission_id": "s-1", "item_id": "one", "annotator": "anna", "label": "fraud", **changes}


@contextmanager
def served(database: Database, settings: Settings) -> Iterator[Api]:
    """The API for the length of the block."""
    held = Context(settings, database, connect(settings))
    project_id = make_project(database)
    store(database, project_id, item("one", "the first"), item("two", "the second"))

    def hint(_event: str, _project_id: int) -> None:
        held.redis.ping()  # as far as a hint needs Redis, and no further: no worker is there to hear it

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(aftermath, "send_hint", hint)
        with TestClient(create_api(held), raise_server_exceptions=False) as client:
            yield Api(held, client, project_id)


@pytest.fixture
def api(database: Database, redis_settings: Settings) -> Iterator[Api]:
    """The API on each database, with Redis."""
    with served(database, redis_settings) as found:
        yield found


def told(response: Response) -> tuple[int, str]:
    """Status and place of a fault, whose shape is looked at."""
    fault = response.json()
    assert fault.keys() == {"error"}
    assert fault["error"].keys() == {"what", "where", "mend"}
    assert all(isinstance(part, str) and part for part in fault["error"].values())
    return response.status_code, fault["error"]["where"]


def receipts(response: Response) -> list[tuple[str, str]]:
    """Status and reason of each receipt."""
    assert response.status_code == 200, response.text
    rows: Sequence[dict[str, Any]] = response.json()["receipts"]
    return [(row["status"], row["reason"] or "") for row in rows]
