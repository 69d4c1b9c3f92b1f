"""Who may do what: tokens with their scopes, projects, ends and rates."""

import time

import pytest

from shared.repository.tokens import revoke_token
from shared.tokens import Scope, new_secret, parse, written
from tests.live import wait_for
from tests.workers.gateway.server import PROJECT, Api, answer, api, told
from tests.workers.intake.test_ingest import make_project
from workers.gateway.buckets import Bucket
from workers.gateway.keyring import Keyring

__all__ = ["api"]

ROUTES = [
    ("POST", "submissions", answer(), {Scope.ANNOTATE, Scope.SUBMIT}),
    ("POST", "items", {"text": "a text"}, {Scope.SUBMIT}),
    ("POST", "leases", {"annotator": "anna"}, {Scope.ANNOTATE}),
    ("POST", "leases/1/renew", {"annotator": "anna", "lease": 1}, {Scope.ANNOTATE}),
    ("POST", "leases/1/return", {"annotator": "anna", "lease": 1}, {Scope.ANNOTATE}),
    ("GET", "status", None, set(Scope)),
    ("GET", "batches/newest", None, {Scope.READ}),
    ("GET", "batches/1", None, {Scope.READ}),
    ("GET", "report", None, {Scope.READ}),
    ("GET", "/metrics", None, {Scope.READ}),
]


def test_each_route_is_open_to_its_scopes_and_to_no_other(api: Api) -> None:
    tokens = {scope: api.token(scope) for scope in Scope}
    for method, path, body, scopes in ROUTES:
        assert told(api.ask(method, path, body, token=None)) == (401, "Authorization")
        for scope, token in tokens.items():
            status = api.ask(method, path, body, token=token).status_code
            assert (status == 403) == (scope not in scopes | {Scope.ADMIN}), (method, path, scope)
            assert status not in (401, 500)


def test_every_route_of_the_document_is_among_those_that_are_looked_at(api: Api) -> None:
    paths = api.ask("GET", "/openapi.json", token=None).json()["paths"]
    prefix = "/v1/projects/{project}/"
    listed = {(method.upper(), path.removeprefix(prefix)) for path, methods in paths.items() for method in methods}
    looked_at = {
        (method, path.replace("/1", "/{assignment}" if "leases" in path else "/{round}"))
        for method, path, _, _ in ROUTES
    }
    assert listed - looked_at == {("GET", "/health"), ("GET", "/health/live")}


def test_a_token_of_one_project_does_not_even_learn_that_another_exists(api: Api) -> None:
    other = make_project(api.held.database, "others")
    token = api.token(Scope.ADMIN, project_id=other)
    assert api.ask("GET", "/v1/projects/others/status", token=token).status_code == 200
    closed = api.ask("GET", "status", token=token)
    missing = api.ask("GET", "/v1/projects/nowhere/status", token=token)
    assert told(closed) == told(missing) == (404, "path")
    assert closed.text.replace(PROJECT, "nowhere") == missing.text
    assert api.ask("GET", "/metrics", token=token).status_code == 403


def test_a_path_that_names_no_project_is_not_found(api: Api) -> None:
    token = api.token(Scope.ADMIN)
    for name in ("%00", "%ff", "..%2f..%2fetc", "x" * 10_000, "%F0%9F%98%80", "%7f"):
        assert told(api.ask("GET", f"/v1/projects/{name}/status", token=token))[0] == 404


def test_a_revoked_token_opens_nothing_within_a_second_or_two(api: Api) -> None:
    token = api.token(Scope.READ)
    assert api.ask("GET", "status", token=token).status_code == 200
    number, _ = parse(token) or (0, "")
    with api.held.database.write() as session:
        revoke_token(session, number, who="tester")
    wait_for(lambda: api.ask("GET", "status", token=token).status_code == 401, what="the end of the token", limit_s=5)


def test_a_token_is_known_the_moment_it_is_made(api: Api) -> None:
    for _ in range(3):
        assert api.ask("GET", "status", token=api.token(Scope.READ)).status_code == 200


def test_made_up_tokens_do_not_make_the_server_read_the_database_each_time(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    reads = 0
    read = Keyring.refresh

    def counting(keyring: Keyring, asked_at: float) -> None:
        nonlocal reads
        reads += 1
        read(keyring, asked_at)

    monkeypatch.setattr(Keyring, "refresh", counting)
    began = time.monotonic()
    for number in range(60):
        assert api.ask("GET", "status", token=written(10**9 + number, new_secret())).status_code == 401
    assert reads <= 10 + 11 * (time.monotonic() - began) + 1


def test_an_expired_token_and_a_wrong_secret_open_nothing(api: Api) -> None:
    over = api.token(Scope.READ, lasts_s=-1.0)
    number, _ = parse(api.token(Scope.READ)) or (0, "")
    for token in (over, written(number, new_secret()), written(10**17, new_secret()), "qc_1_", "x", ""):
        assert told(api.ask("GET", "status", token=token)) == (401, "Authorization")


def test_a_token_that_comes_too_often_is_told_when_to_come_again(api: Api) -> None:
    keyring = Keyring(api.held.database, rate=0.5)
    token = f"Bearer {api.token(Scope.READ)}"
    keyring.refresh(time.monotonic())
    keyring.open(token, (Scope.READ,))
    with pytest.raises(Exception, match=r"more than 0\.5 requests a second") as refused:
        keyring.open(token, (Scope.READ,))
    assert 0 < refused.value.retry_after_s <= 2  # type: ignore[attr-defined] # RefusedError


def test_a_bucket_gives_its_rate_in_the_long_run_and_its_size_at_once() -> None:
    bucket = Bucket(rate=10.0, size=20.0, level=20.0, at=0.0)
    assert [bucket.take(0.0) for _ in range(20)] == [0.0] * 20
    assert bucket.take(0.0) == pytest.approx(0.1)
    assert bucket.take(0.1) == 0.0
    taken = sum(bucket.take(0.1 + step / 1_000) == 0.0 for step in range(10_000))
    assert taken == pytest.approx(100, abs=1)
    bucket.take(time.monotonic() + 1e9)
    assert bucket.level == 19.0
