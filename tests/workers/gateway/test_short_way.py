"""Answers by the short way get what the framework's route would have given them, and are counted with its own."""

import asyncio
import json
from typing import Any

import pytest

from shared.errors import DatabaseUnavailableError
from shared.tokens import Scope
from tests.workers.gateway.server import Api, answer, api, told
from tests.workers.gateway.test_incoming import BAD, BODIES
from tests.workers.intake.test_ingest import make_project
from workers.gateway import group_commit, keyring, short_way
from workers.gateway.buckets import Bucket
from workers.gateway.reception import Desk, Visitor

__all__ = ["api"]

REQUESTS: list[Any] = [
    answer(),
    [answer(submission_id="1"), answer(submission_id="2", item_id="three")],
    [answer(submission_id=f"many-{number}") for number in range(40)],
    *(row for row, _ in BAD),
]


class Ways:
    """Sends requests the long way or the short one, and sees which was gone."""

    def __init__(self, api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
        self.api, self.may_be_short = api, True
        self.gone: list[bool] = []
        visit_at_once = Desk.visit_at_once

        def chosen(desk: Desk, header: str | None, project: str, *scopes: Scope) -> Visitor | None:
            self.gone.append(True)  # for one who is refused, too
            visitor = visit_at_once(desk, header, project, *scopes) if self.may_be_short else None
            self.gone[-1] = visitor is not None
            return visitor

        monkeypatch.setattr(Desk, "visit_at_once", chosen)
        monkeypatch.setattr(keyring, "_FRESH_S", 60.0)  # else every request may be the one that reads them again

    def ask(self, raw: bytes, *, token: str | None, short: bool) -> tuple[int, Any, Any]:
        """Status, content and the headers that a sender goes by."""
        self.may_be_short = short
        self.api.ask("GET", "status", token=token)  # the token is known now
        response = self.api.ask("POST", "submissions", raw=raw, token=token)
        headers = {name: response.headers.get(name) for name in ("content-type", "retry-after", "www-authenticate")}
        return response.status_code, response.json(), headers

    def both(self, short: bytes, long: bytes, *, token: str | None) -> tuple[Any, Any]:
        """What bodies get the short way and the long one."""
        found = self.ask(short, token=token, short=True)
        assert self.gone[-1]
        return found, self.ask(long, token=token, short=False)


@pytest.fixture
def ways(api: Api, monkeypatch: pytest.MonkeyPatch) -> Ways:
    found = Ways(api, monkeypatch)
    api.ask("GET", "status", token=api.token(Scope.READ))  # the project is known now
    return found


def named(body: Any, way: str) -> bytes:
    """A body whose good submission ids are of this way alone."""
    return json.dumps(body).replace('"submission_id": "', f'"submission_id": "{way}-').encode()


def test_both_ways_give_the_same_answer_to_every_kind_of_body(ways: Ways) -> None:
    token = ways.api.token(Scope.SUBMIT)
    for body in REQUESTS:
        for _ in range(2):  # the second time it is a duplicate
            short, long = ways.both(named(body, "a"), named(body, "b"), token=token)
            assert json.dumps(short).replace("a-", "b-") == json.dumps(long).replace("a-", "b-")
    for raw, status in BODIES:
        if status == 413:
            continue
        short, long = ways.both(raw, raw, token=token)
        assert short == long
        assert short[0] == status


def test_a_body_that_is_too_long_is_refused_before_anybody_asks_whose_it_is(ways: Ways) -> None:
    for token in (None, ways.api.token(Scope.SUBMIT)):
        asked = len(ways.gone)
        assert told(ways.api.ask("POST", "submissions", raw=BODIES[-1][0], token=token)) == (413, "body")
        assert len(ways.gone) == asked


def test_only_who_would_be_let_in_goes_the_short_way_and_hears_the_same(ways: Ways) -> None:
    other = make_project(ways.api.held.database, "others")
    strangers = [None, "nonsense", ways.api.token(Scope.ADMIN, project_id=other)]
    found = []
    for token in [*strangers, *(ways.api.token(scope) for scope in Scope)]:
        short = ways.ask(b"[]", token=token, short=True)
        assert ways.gone[-1] is (token not in strangers)
        assert short == ways.ask(b"[]", token=token, short=False)
        found.append(short[0])
    assert sorted(set(found)) == [401, 403, 404, 422]


def test_what_is_not_known_yet_goes_the_long_way_first(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    ways, token = Ways(api, monkeypatch), api.token(Scope.SUBMIT)
    for number in range(2):
        assert api.ask("POST", "submissions", answer(submission_id=f"{number}"), token=token).status_code == 200
    assert ways.gone == [False, True]
    assert api.ask("POST", "/v1/projects/nowhere/submissions", [], token=token).status_code == 404
    assert ways.gone[-1] is False


def test_a_request_is_counted_against_the_rate_once_whichever_way_it_goes(
    ways: Ways, monkeypatch: pytest.MonkeyPatch
) -> None:
    taken: list[float] = []
    take = Bucket.take

    def counted(bucket: Bucket, time: float) -> float:
        taken.append(time)
        return take(bucket, time)

    monkeypatch.setattr(Bucket, "take", counted)
    token = ways.api.token(Scope.SUBMIT)
    ways.ask(b"[]", token=token, short=True)
    for short in (True, False):
        ways.may_be_short = short
        taken.clear()
        ways.api.ask("POST", "submissions", raw=b"[]", token=token)
        assert len(taken) == 1


def test_both_ways_are_counted_as_one_route(ways: Ways) -> None:
    token, reader = ways.api.token(Scope.SUBMIT), ways.api.token(Scope.READ)
    ways.both(named(answer(), "a"), named(answer(), "b"), token=token)
    lines = ways.api.ask("GET", "/metrics", token=reader).text.splitlines()
    [line] = [line for line in lines if line.startswith("quietcorner_http_requests_total") and "/submissions" in line]
    assert line == 'quietcorner_http_requests_total{route="/v1/projects/{project}/submissions",status="200"} 2.0'


@pytest.mark.parametrize(
    ("error", "status", "where"),
    [
        (DatabaseUnavailableError("away"), 503, "database"),
        (ZeroDivisionError("a fault of ours"), 500, "POST /v1/projects/tickets/submissions"),
        (TimeoutError("of the database's driver"), 500, "POST /v1/projects/tickets/submissions"),
    ],
)
def test_faults_are_told_in_the_one_shape(
    ways: Ways, monkeypatch: pytest.MonkeyPatch, error: Exception, status: int, where: str
) -> None:
    def fail(*_: Any) -> None:
        raise error

    monkeypatch.setattr(group_commit, "store_answers", fail)
    short, long = ways.both(named(answer(), "a"), named(answer(), "b"), token=ways.api.token(Scope.SUBMIT))
    assert short == long
    assert (short[0], short[1]["error"]["where"]) == (status, where)


def test_an_answer_that_takes_too_long_is_given_up(ways: Ways, monkeypatch: pytest.MonkeyPatch) -> None:
    async def never(*_: Any) -> None:
        await asyncio.Event().wait()

    monkeypatch.setattr(short_way, "ANSWER_S", 0.05)
    monkeypatch.setattr(short_way, "take_answers", never)
    status, fault, _ = ways.ask(named(answer(), "a"), token=ways.api.token(Scope.SUBMIT), short=True)
    assert (status, fault["error"]["where"]) == (503, "/v1/projects/tickets/submissions")
    assert ways.gone[-1]


def test_a_sender_who_is_gone_before_the_body_came_does_no_harm() -> None:
    sent: list[Any] = []

    async def receive() -> dict[str, str]:
        return {"type": "http.disconnect"}

    async def send(message: Any) -> None:
        sent.append(message)

    way: Any = short_way.ShortWay
    scope = {"type": "http", "method": "POST", "path": "/v1/projects/p/submissions", "headers": []}
    asyncio.run(way(None, None, None)(scope, receive, send))
    assert sent == []
