"""Items and answers over HTTP: durable when the answer comes, each bad row refused once, with Redis or without."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from shared.database import Database
from shared.settings import Settings
from shared.tokens import Scope
from tests.workers.gateway.server import PROJECT, Api, answer, api, receipts, served, told
from tests.workers.intake.test_ingest import stored_items

__all__ = ["api"]


def test_an_answer_is_stored_when_it_is_acknowledged_and_counts_once(api: Api) -> None:
    token = api.token(Scope.ANNOTATE)
    first = api.ask("POST", "submissions", answer(), token=token)
    assert (first.status_code, first.json()["status"]) == (200, "accepted")
    assert [row.submission_id for row in api.submissions()] == ["s-1"]
    again = api.ask("POST", "submissions", answer(), token=token)
    assert (again.status_code, again.json()["status"]) == (200, "duplicate")
    other = api.ask("POST", "submissions", answer(label="common"), token=token)
    assert told(other) == (422, "submission_id")
    assert [row.label for row in api.submissions()] == ["fraud"]


BAD: list[tuple[Any, str]] = [
    (5, "body"),
    ([], "body"),
    ({}, "submission_id"),
    (answer(submission_id=""), "submission_id"),
    (answer(submission_id="b-1", label="frud"), "label"),
    (answer(submission_id="b-2", label=[[[]]]), "label"),
    (answer(submission_id="b-3", item_id="three"), "item_id"),
    (answer(submission_id="b-4", annotator="anna anna"), "annotator"),
    (answer(submission_id="b-5", assignment=10**30), "assignment"),
    (answer(submission_id="b-6", more=1), "more"),
    (answer(submission_id="b-7", project="elsewhere"), "project"),
    (answer(submission_id="b-8", item_id="\ud800"), "data"),
    (answer(submission_id="b-9", label="x\0"), "label"),
]
"""Rows that can't be taken, and the field that the reason names."""


def test_each_bad_row_is_refused_once_with_its_field_and_the_rest_go_in(api: Api) -> None:
    rows = [answer(submission_id="first"), *(row for row, _ in BAD), answer(submission_id="last", item_id="two")]
    done = receipts(api.ask("POST", "submissions", rows, token=api.token(Scope.SUBMIT)))
    assert [status for status, _ in done] == ["accepted", *["refused"] * len(BAD), "accepted"]
    for (_, field), (_, reason) in zip(BAD, done[1:-1], strict=True):
        assert reason.startswith(f"{field}: ")
    assert [row.submission_id for row in api.submissions()] == ["first", "last"]
    assert sorted(letter.reason for letter in api.dead()) == sorted(reason for _, reason in done[1:-1])
    assert {letter.origin for letter in api.dead()} == {"http"}


def test_a_bad_row_alone_is_answered_with_422_and_its_field(api: Api) -> None:
    token = api.token(Scope.SUBMIT)
    for row, field in BAD[2:]:
        assert told(api.ask("POST", "submissions", row, token=token)) == (422, field)
    assert len(api.dead()) == len(BAD[2:])


@pytest.mark.parametrize("project", [None, PROJECT])
def test_the_project_that_the_path_says_may_be_repeated_or_left_open(project: str | None, api: Api) -> None:
    done = receipts(api.ask("POST", "submissions", [answer(project=project)], token=api.token(Scope.SUBMIT)))
    assert [status for status, _ in done] == ["accepted"]


BODIES = [
    (b"", 400),
    (b"{", 400),
    (b"\xff", 400),
    (b"[" * 100_000, 400),
    (b"9" * 10_000, 400),
    (b"null", 422),
    (b"[]", 422),
    (b"[" + b",".join([b"1"] * 1_001) + b"]", 422),
    (b" " * (4 * 2**20 + 1), 413),
]


def test_a_body_of_another_shape_is_refused_whole(api: Api) -> None:
    token = api.token(Scope.SUBMIT)
    for raw, status in BODIES:
        for path in ("submissions", "items"):
            assert told(api.ask("POST", path, token=token, raw=raw)) == (status, "body")
    assert (api.dead(), api.submissions()) == ([], [])


def test_items_come_in_once_and_bad_rows_name_their_field(api: Api) -> None:
    token = api.token(Scope.SUBMIT)
    rows: list[Any] = [
        {"id": "three", "text": "the third"},
        {"id": "one", "text": "another text under a known id"},
        {"text": " "},
        {"id": "four", "text": "x", "timestamp": "yesterday"},
        {"id": "five", "text": "x", "risk": "much"},
        "five",
        {"id": "two", "text": "the second"},
    ]
    done = api.ask("POST", "items", rows, token=token).json()
    assert (done["added"], done["already_there"]) == (1, 1)
    assert [(row["row"], row["where"]) for row in done["refused"]] == [
        (1, "id"),
        (2, "text"),
        (3, "timestamp"),
        (4, "risk"),
        (5, "body"),
    ]
    assert set(stored_items(api.held.database, api.project_id)) == {"one", "two", "three"}
    assert told(api.ask("POST", "items", {"text": ""}, token=token)) == (422, "text")
    again = api.ask("POST", "items", rows[0], token=token).json()
    assert (again["added"], again["already_there"]) == (0, 1)


def test_with_redis_away_answers_and_items_are_taken_and_only_leases_wait(
    database: Database, settings: Settings
) -> None:
    with served(database, settings) as api:
        token = api.token(Scope.ADMIN)
        assert api.ask("POST", "submissions", answer(), token=token).status_code == 200
        assert api.ask("POST", "items", {"id": "three", "text": "the third"}, token=token).json()["added"] == 1
        refused = api.ask("POST", "leases", {"annotator": "anna"}, token=token)
        assert told(refused) == (503, "Redis")
        assert int(refused.headers["Retry-After"]) >= 1
        health = api.ask("GET", "/health", token=None)
        assert (health.status_code, health.json()["status"]) == (200, "no Redis")
        assert len(api.submissions()) == 1


def test_answers_sent_at_the_same_time_are_each_stored_once_and_told_what_became_of_them(api: Api) -> None:
    token = api.token(Scope.SUBMIT)
    rows = [answer(submission_id=f"s-{number % 30}", annotator=f"a-{number % 30}") for number in range(60)]
    rows[7] = answer(submission_id="bad", label="frud")
    with ThreadPoolExecutor(12) as threads:
        done = list(threads.map(lambda row: api.ask("POST", "submissions", row, token=token), rows))
    statuses = [response.json().get("status", response.status_code) for response in done]
    stored = [row.submission_id for row in api.submissions()]
    assert sorted(stored) == sorted({row["submission_id"] for row in rows} - {"bad"})
    assert statuses.count("accepted") == len(stored)
    assert statuses.count("duplicate") == 59 - len(stored)
    assert [place for place, status in enumerate(statuses) if status == 422] == [7]
