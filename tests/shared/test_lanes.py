"""A lane is held by one worker at a time, and no request is ever lost."""

import errno
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import pytest
import redis
from sqlmodel import Session, col, select

from shared import lanes
from shared.database import Database, now
from shared.errors import DatabaseUnavailableError, LeaseLostError
from shared.settings import LONGEST_LEASE_S
from shared.tables import Lane, Project
from tests.live import wait_for


def make_project(database: Database, name: str = "tickets") -> int:
    with database.write() as session:
        project = Project(name=name, config={}, created_at=0.0)
        session.add(project)
        session.flush()
        lanes.open_lanes(session, project.id)
        return project.id


def take(database: Database, project_id: int, *, owner: str = "a", lease_s: float = 30.0) -> lanes.Claim | None:
    with database.write() as session:
        return lanes.claim(session, project_id=project_id, room=lanes.ROUND, owner=owner, lease_s=lease_s)


def ask(database: Database, project_id: int) -> None:
    with database.write() as session:
        lanes.request(session, project_id, lanes.ROUND)


def begin(database: Database) -> tuple[int, lanes.Claim]:
    """A new project whose lane was asked for once, and is held."""
    project_id = make_project(database)
    ask(database, project_id)
    claimed = take(database, project_id)
    assert claimed is not None
    return project_id, claimed


def finish(database: Database, claimed: lanes.Claim) -> None:
    with database.write() as session:
        lanes.complete(session, claimed)


def test_a_lane_without_a_request_is_not_given_out(database: Database) -> None:
    assert take(database, make_project(database)) is None


def test_any_number_of_requests_is_one_piece_of_work(database: Database) -> None:
    project_id = make_project(database)
    for _ in range(5):
        ask(database, project_id)
    claimed = take(database, project_id)
    assert claimed is not None
    finish(database, claimed)
    assert take(database, project_id) is None


def test_a_request_that_comes_during_a_run_leads_to_another_run(database: Database) -> None:
    project_id, claimed = begin(database)
    ask(database, project_id)
    finish(database, claimed)
    assert take(database, project_id) is not None


def test_requests_that_ask_for_nothing_are_answered_without_a_claim_and_later_ones_are_not(database: Database) -> None:
    project_id = make_project(database)
    for _ in range(3):
        ask(database, project_id)
    with database.read() as session:
        requested = lanes.asked_for(session, project_id, lanes.ROUND)
    assert requested == 3
    ask(database, project_id)
    for _ in range(2):
        with database.write() as session:
            lanes.answer(session, project_id, lanes.ROUND, requested=requested)
    with database.read() as session:
        assert lanes.asked_for(session, project_id, lanes.ROUND) == 4
        assert session.get_one(Lane, (project_id, lanes.ROUND)).completed == 3
    claimed = take(database, project_id)
    assert claimed is not None
    assert claimed.token == 1
    finish(database, claimed)
    with database.write() as session:
        lanes.answer(session, project_id, lanes.ROUND, requested=requested)
        assert session.get_one(Lane, (project_id, lanes.ROUND)).completed == 4


def test_after_an_attempt_that_failed_requests_are_answered_by_a_claim_alone(database: Database) -> None:
    project_id, claimed = begin(database)
    with database.write() as session:
        lanes.give_back(session, claimed, error="a fault")
        lanes.answer(session, project_id, lanes.ROUND, requested=1)
        lane = session.get_one(Lane, (project_id, lanes.ROUND))
        assert (lane.completed, lane.attempts, lane.error) == (0, 1, "a fault")
    again = take(database, project_id)
    assert again is not None
    finish(database, again)
    with database.read() as session:
        lane = session.get_one(Lane, (project_id, lanes.ROUND))
        assert (lane.completed, lane.attempts, lane.error) == (1, 0, None)


def test_a_held_lane_is_answered_by_its_holder_alone(database: Database) -> None:
    project_id, claimed = begin(database)
    with database.write() as session:
        assert lanes.asked_for(session, project_id, lanes.ROUND) is None
        lanes.answer(session, project_id, lanes.ROUND, requested=1)
    with database.read() as session:
        assert lanes.has_work(session, project_id, lanes.ROUND)
    finish(database, claimed)
    with database.read() as session:
        assert lanes.asked_for(session, project_id, lanes.ROUND) is None


def test_a_held_lane_is_refused_to_others_until_its_lease_ends(database: Database) -> None:
    project_id = make_project(database)
    ask(database, project_id)
    first = take(database, project_id, lease_s=0.2)
    assert first is not None
    assert take(database, project_id, owner="b") is None
    time.sleep(0.3)
    second = take(database, project_id, owner="b")
    assert second is not None
    assert second.token > first.token


def test_a_lease_from_before_the_clock_was_set_back_keeps_nobody_waiting_and_its_holder_writes_nothing(
    database: Database,
) -> None:
    project_id, first = begin(database)

    def set_clock_back(by_s: float) -> None:
        with database.write() as session:
            lane = _lane(session, project_id)
            lane.until = (lane.until or 0.0) + by_s

    set_clock_back(LONGEST_LEASE_S - 60.0)
    assert take(database, project_id, owner="b") is None  # which some lease may be
    set_clock_back(LONGEST_LEASE_S + 600.0)
    with database.read() as session:
        assert (project_id, lanes.ROUND) in lanes.lagging(session)
        assert lanes.standing(session, [lanes.ROUND]).held == 0
    second = take(database, project_id, owner="b")
    assert second is not None
    with pytest.raises(LeaseLostError):
        finish(database, first)
    finish(database, second)


def test_work_that_was_set_aside_is_shown_and_released_though_the_clock_was_set_back(database: Database) -> None:
    project_id, _ = begin(database)
    with database.write() as session:
        lane = _lane(session, project_id)
        lane.attempts, lane.until = lanes.MOST_ATTEMPTS, now(session) + 3 * LONGEST_LEASE_S
    with database.write() as session:
        assert [lane.room for lane in lanes.set_aside(session)] == [lanes.ROUND]
        assert lanes.release_quarantine(session, project_id) == [lanes.ROUND]
    assert take(database, project_id) is not None


def test_a_worker_that_lost_its_lease_writes_nothing(database: Database) -> None:
    project_id = make_project(database)
    ask(database, project_id)
    first = take(database, project_id, lease_s=0.1)
    time.sleep(0.2)
    second = take(database, project_id, owner="b")
    assert first is not None
    assert second is not None
    with pytest.raises(LeaseLostError), database.write() as session:
        session.add(Project(name="must not appear", config={}, created_at=0.0))
        lanes.complete(session, first)
    with database.read() as session:
        assert session.exec(select(Project.name)).all() == ["tickets"]
    finish(database, second)


def test_a_lane_that_keeps_failing_is_set_aside_and_can_be_released(database: Database) -> None:
    project_id = make_project(database)
    ask(database, project_id)
    for _ in range(lanes.MOST_ATTEMPTS):
        claimed = take(database, project_id)
        assert claimed is not None
        with database.write() as session:
            lanes.give_back(session, claimed, error="it broke")
    assert take(database, project_id) is None
    with database.write() as session:
        assert lanes.lagging(session) == []
        lanes.release_quarantine(session, project_id)
    assert take(database, project_id) is not None


def test_a_held_lane_stays_held_while_its_block_runs_past_the_lease(database: Database) -> None:
    project_id = make_project(database)
    ask(database, project_id)
    with lanes.held(database, project_id=project_id, room=lanes.ROUND, owner="a", lease_s=1.0) as claimed:
        assert claimed is not None
        time.sleep(1.5)
        assert take(database, project_id, owner="b") is None
        finish(database, claimed)


def test_an_error_in_the_block_gives_the_lane_back_with_its_reason(database: Database) -> None:
    project_id = make_project(database)
    ask(database, project_id)
    with (
        pytest.raises(ZeroDivisionError),
        lanes.held(database, project_id=project_id, room=lanes.ROUND, owner="a", lease_s=30.0),
    ):
        raise ZeroDivisionError("by zero")
    with database.read() as session:
        assert "by zero" in (_lane(session, project_id).error or "")
    assert take(database, project_id) is not None


def test_redis_the_database_or_room_on_the_disk_being_away_is_no_reason_to_set_a_lane_aside(database: Database) -> None:
    project_id = make_project(database)
    ask(database, project_id)
    full = OSError(errno.ENOSPC, "away")
    for error in (
        redis.ConnectionError("away"),
        redis.TimeoutError("away"),
        DatabaseUnavailableError("away"),
        full,
    ) * 3:
        with (
            pytest.raises(type(error)),
            lanes.held(database, project_id=project_id, room=lanes.ROUND, owner="a", lease_s=30.0) as claimed,
        ):
            assert claimed is not None
            raise error
    with database.read() as session:
        assert "away" in (_lane(session, project_id).error or "")
    assert take(database, project_id) is not None


def test_a_database_that_is_away_in_the_middle_of_the_work_counts_for_nothing_once_it_is_back(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    project_id = make_project(database)
    ask(database, project_id)
    write = database.write

    @contextmanager
    def fail() -> Iterator[Session]:
        raise DatabaseUnavailableError("away")
        yield

    for _ in range(lanes.MOST_ATTEMPTS):
        with (
            pytest.raises(DatabaseUnavailableError),
            lanes.held(database, project_id=project_id, room=lanes.ROUND, owner="a", lease_s=30.0) as claimed,
        ):
            assert claimed is not None
            monkeypatch.setattr(database, "write", fail)
            threading.Timer(0.2, monkeypatch.setattr, (database, "write", write)).start()
            with database.write():
                pass
    with database.read() as session:
        lane = _lane(session, project_id)
        assert (lane.attempts, lane.owner) == (0, None)


def test_a_block_that_shows_nothing_for_long_is_given_up_and_its_lease_runs_out(database: Database) -> None:
    project_id = make_project(database)
    ask(database, project_id)
    given_up = threading.Event()
    with lanes.held(
        database,
        project_id=project_id,
        room=lanes.ROUND,
        owner="a",
        lease_s=0.3,
        patience_s=0.4,
        give_up=given_up.set,
    ) as claimed:
        assert claimed is not None
        assert given_up.wait(10)
        time.sleep(0.4)
        assert take(database, project_id, owner="b") is not None


def test_a_block_that_stores_a_part_now_and_then_is_not_given_up(database: Database) -> None:
    project_id = make_project(database)
    ask(database, project_id)
    given_up = threading.Event()
    with lanes.held(
        database, project_id=project_id, room=lanes.ROUND, owner="a", lease_s=0.3, patience_s=1.0, give_up=given_up.set
    ) as claimed:
        assert claimed is not None
        for _ in range(4):
            time.sleep(0.4)
            with database.write() as session:
                lanes.confirm(session, claimed)
        assert not given_up.is_set()
        finish(database, claimed)


def test_only_a_part_that_is_stored_makes_the_attempts_begin_anew(database: Database) -> None:
    project_id, claimed = begin(database)
    for step, attempts in ((lanes.check, 1), (lanes.confirm, 0)):
        with database.write() as session:
            step(session, claimed)
            assert _lane(session, project_id).attempts == attempts


def test_a_failure_that_is_forgiven_after_a_part_was_stored_leaves_no_attempt_to_spare(database: Database) -> None:
    project_id, claimed = begin(database)
    with database.write() as session:
        lanes.confirm(session, claimed)
        lanes.give_back(session, claimed, error="away", counts=False)
    with database.read() as session:
        assert _lane(session, project_id).attempts == 0


def test_the_standing_of_lanes_tells_work_that_nobody_does(database: Database) -> None:
    project_id = make_project(database)
    ask(database, project_id)
    with database.read() as session:
        before = lanes.standing(session, [lanes.ROUND])
        assert (before.waiting, before.held) == (1, 0)
        assert lanes.standing(session, [lanes.EMBED]).waiting == 0
    assert take(database, project_id) is not None
    with database.read() as session:
        after = lanes.standing(session, [lanes.ROUND])
    assert (after.waiting, after.held) == (0, 1)
    assert after.done != before.done


def test_of_many_workers_at_once_exactly_one_gets_the_lane(database: Database) -> None:
    project_id = make_project(database)
    ask(database, project_id)
    got: list[lanes.Claim | None] = []
    threads = [
        threading.Thread(target=lambda n=number: got.append(take(database, project_id, owner=str(n))))
        for number in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(claimed is not None for claimed in got) == 1


def _lane(session: Session, project_id: int) -> Lane:
    return session.exec(select(Lane).where(col(Lane.project_id) == project_id, col(Lane.room) == lanes.ROUND)).one()


def test_a_claim_can_be_looked_up_as_long_as_it_holds_and_each_has_a_secret_of_its_own(database: Database) -> None:
    project_id = make_project(database)

    def found(token: int) -> str | None:
        with database.read() as session:
            known = lanes.claim_of_another(session, project_id=project_id, room=lanes.ROUND, token=token)
            return None if known is None else known.secret

    secrets = set()
    for _ in range(2):
        ask(database, project_id)
        claimed = take(database, project_id)
        assert claimed is not None
        assert found(claimed.token) == claimed.secret
        assert found(claimed.token - 1) is None
        assert claimed.secret not in repr(claimed)
        secrets.add(claimed.secret)
        finish(database, claimed)
        assert found(claimed.token) is None
    assert len(secrets) == 2


def test_what_was_tried_in_vain_is_held_alone_in_its_process_and_fresh_work_in_company(database: Database) -> None:
    tried, claimed = begin(database)
    with database.write() as session:
        lanes.give_back(session, claimed, error="a fault")
    fresh = [make_project(database, name) for name in ("other", "third")]
    for project_id in fresh:
        ask(database, project_id)
    begun, finished = list[int](), threading.Event()

    def work(project_id: int) -> None:
        with lanes.held(database, project_id=project_id, room=lanes.ROUND, owner="a", lease_s=30.0) as claimed:
            assert claimed is not None
            begun.append(project_id)
            finished.wait(10)
            with database.write() as session:
                lanes.complete(session, claimed)

    with ThreadPoolExecutor(3) as threads:
        beside = [threads.submit(work, project_id) for project_id in fresh]
        wait_for(lambda: len(begun) == 2, what="both to begin")
        alone = threads.submit(work, tried)
        time.sleep(0.3)
        assert sorted(begun) == fresh
        finished.set()
        for one in (*beside, alone):
            one.result(10)
    assert begun[-1] == tried
