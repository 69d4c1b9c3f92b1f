"""Shared work: whatever helpers and Redis do, the holder has every result, in order, and it is the right one."""

import multiprocessing
import os
import signal
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from threading import Thread

import numpy as np
import pytest
import redis
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from kombu.exceptions import OperationalError

from shared.arrays import dump_arrays, load_arrays
from shared.lanes import EMBED, Claim
from shared.settings import Settings
from tests.live import wait_for
from workers import sharing
from workers.sharing import AHEAD, Arrays, Board, Helper, Parts, Sharing, take_seat

PROJECT, TOKEN = 7, 5


@pytest.fixture(autouse=True)
def _quick_helpers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sharing, "_HELPER_WAITS_S", 0.02)


def claim(token: int, known: str = "to few") -> Claim:
    return Claim(PROJECT, EMBED, token, 1, known)


def ask(number: int) -> bytes:
    return dump_arrays({"number": np.array([number])}, {})


def answer(number: int) -> Arrays:
    return {"square": np.array([number**2, number])}


def helper(asked: bytes) -> Arrays:
    return answer(int(load_arrays(asked)[0]["number"][0]))


class Work:
    """A holder's work; `called` are the seats that it sent, `done` the parts that it did itself."""

    def __init__(self, settings: Settings, count: int, *, token: int = TOKEN) -> None:
        self.settings, self.token = settings, token
        self.called: list[int] = []
        self.done: list[int] = []
        self.meanwhile: Callable[[int], object] = lambda _: None
        self.call: Callable[[int], None] = self.called.append
        self.sharing = Sharing(settings, claim(token), Parts(count, ask, self._do, lambda seats: self.call(seats)))

    def _do(self, number: int) -> Arrays:
        self.done.append(number)
        self.meanwhile(number)
        return answer(number)

    def board(self, *, token: int | None = None) -> Board:
        token = self.token if token is None else token
        return Board.of(self.settings, claim(token))

    def help(self, do: Helper = helper) -> bool:
        """One helper takes a seat; whether it passed it on."""
        passed: list[bool] = []
        take_seat(self.board(), prepare=lambda: do, pass_on=lambda: passed.append(True))
        return bool(passed)

    def results(self) -> list[list[int]]:
        return [result["square"].tolist() for result in self.sharing.results()]


def squares(count: int) -> list[list[int]]:
    return [[number**2, number] for number in range(count)]


def test_a_holder_alone_does_every_part_once_and_leaves_nothing_in_redis(
    redis_settings: Settings, redis_client: redis.Redis
) -> None:
    work = Work(redis_settings, 40)
    assert work.results() == squares(40)
    assert work.done == list(range(40))
    assert work.sharing.by_others == 0
    assert work.called == [AHEAD - 1]
    assert redis_client.keys() == []


def test_of_work_in_one_part_nothing_is_shared(redis_settings: Settings) -> None:
    work = Work(redis_settings, 1)
    assert work.results() == squares(1)
    assert work.called == []


def test_helpers_do_what_is_open_and_the_holder_the_rest(redis_settings: Settings) -> None:
    work = Work(redis_settings, 40)
    work.meanwhile = lambda _: (work.help(), work.help())
    assert work.results() == squares(40)
    assert work.sharing.by_others == 26
    assert len(work.done) == 14


def test_a_seat_is_passed_on_as_long_as_the_holder_goes_on(redis_settings: Settings) -> None:
    work = Work(redis_settings, 3)
    seats: list[bool] = []
    work.meanwhile = lambda _: seats.extend(work.help() for _ in range(3))
    assert work.results() == squares(3)
    assert seats == [True, True, True]
    assert not work.help(), "it is over"


def test_a_helper_that_can_not_do_it_as_the_holder_does_takes_no_part(redis_settings: Settings) -> None:
    work = Work(redis_settings, 5)
    work.meanwhile = lambda _: take_seat(work.board(), prepare=lambda: None, pass_on=pytest.fail)
    assert work.results() == squares(5)
    assert work.done == [0, 1, 2, 3, 4]


def test_a_seat_of_work_that_is_over_prepares_nothing(redis_settings: Settings) -> None:
    take_seat(Work(redis_settings, 5).board(), prepare=pytest.fail, pass_on=pytest.fail)


def test_parts_that_do_not_come_back_are_done_by_the_holder_and_a_seat_is_sent_for_each(
    redis_settings: Settings,
) -> None:
    work = Work(redis_settings, 6)
    work.meanwhile = lambda number: [work.board().take() for _ in range(2)] if number == 0 else None
    assert work.results() == squares(6)
    assert sorted(work.done) == list(range(6))
    assert work.called == [5, 1, 1]


def test_the_holder_does_not_wait_longer_than_it_would_take_itself(redis_settings: Settings) -> None:
    work = Work(redis_settings, 2)

    def slowly(number: int) -> None:
        time.sleep(0.2)
        if number == 0:
            work.board().take()

    work.meanwhile = slowly
    began = time.monotonic()
    assert work.results() == squares(2)
    assert time.monotonic() - began < 1.5


def test_a_holder_whose_lane_was_taken_over_stops_sharing(redis_settings: Settings) -> None:
    work, later = Work(redis_settings, 30), Work(redis_settings, 30, token=TOKEN + 1)
    work.meanwhile = lambda number: later.board().keep() if number == 4 else work.help()
    assert work.results() == squares(30)
    assert 0 < work.sharing.by_others <= 4
    assert later.results() == squares(30)


def test_without_redis_or_without_a_broker_the_holder_goes_on_alone(redis_settings: Settings, tmp_path: Path) -> None:
    away = Work(redis_settings.model_copy(update={"redis_url": f"unix://{tmp_path}/none.sock"}), 20)
    assert away.results() == squares(20)

    work = Work(redis_settings, 20)

    def no_broker(_: int) -> None:
        raise OperationalError("away")

    work.call = no_broker
    assert work.results() == squares(20)
    assert work.done == list(range(20))


EVENTS = (
    "help",
    "take and keep",
    "flush",
    "garbage",
    "second",
    "of others",
    "late",
    "taken over",
    "forged",
    "nonsense",
    "no number",
)


@given(st.integers(2, 30), st.lists(st.sampled_from(EVENTS), max_size=30))
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_whatever_helpers_and_redis_do_all_results_are_there_in_order(
    redis_settings: Settings, redis_client: redis.Redis, count: int, events: Sequence[str]
) -> None:
    redis_client.flushall()
    work, left = Work(redis_settings, count), iter(events)
    kept: list[tuple[int, bytes]] = []

    def meanwhile(_: int) -> None:
        match next(left, ""):
            case "help":
                work.help()
            case "take and keep":
                kept.extend(filter(None, [work.board().wait_for_part(0.02)]))
            case "flush":
                redis_client.flushall()
            case "garbage":
                work.board().hand_in(b"\x05\0\0\0\0\0\0\0hello")
            case "second":
                for number, asked in kept[:1] * 2:
                    work.board().hand_in(result_of(number, asked))
            case "of others":
                work.board().hand_in(dump_arrays({"square": np.zeros(2)}, {"part": 1, "asked": "another"}))
            case "late":
                for number, asked in kept:
                    work.board().hand_in(result_of(number, asked))
            case "forged":
                outsider = Board.of(redis_settings, claim(TOKEN, "guessed"))
                for number in range(count):
                    forged = {"part": number, "asked": sharing._digest(ask(number))}
                    outsider.hand_in(dump_arrays({"square": np.zeros(2)}, forged))
            case "nonsense":
                redis_client.rpush(f"quietcorner:shared:embed:{PROJECT}:{TOKEN}:open", "-3", "99", b"\xff")
            case "no number":
                redis_client.set(f"quietcorner:shared:embed:{PROJECT}", "five")
            case "taken over":
                work.board(token=TOKEN + 1).keep()

    work.meanwhile = meanwhile
    assert work.results() == squares(count)


def result_of(number: int, asked: bytes) -> bytes:
    return dump_arrays(answer(number), {"part": number, "asked": sharing._digest(asked)})


def test_a_helper_does_nothing_for_whoever_does_not_know_the_secret(redis_settings: Settings) -> None:
    outsider = Board.of(redis_settings, claim(TOKEN, "guessed"))
    outsider.keep()
    outsider.put({0: ask(0)})

    def refuse(_: bytes) -> Arrays:
        raise AssertionError("nobody who may asked for it")

    assert Work(redis_settings, 5).help(refuse)


def hang(settings: Settings, folder: Path) -> None:
    """A helper that takes a part, says so and comes to no end."""

    def do(_: bytes) -> Arrays:
        (folder / "taken").touch()
        time.sleep(600)
        raise AssertionError

    board = Board.of(settings, claim(TOKEN))
    take_seat(board, prepare=lambda: do, pass_on=lambda: None)


def test_a_helper_killed_in_the_middle_of_a_part_costs_time_and_nothing_else(
    redis_settings: Settings, tmp_path: Path
) -> None:
    work = Work(redis_settings, 8)
    processes = []

    def kill_one(number: int) -> None:
        time.sleep(0.05)
        if number == 0:
            process = multiprocessing.get_context("fork").Process(target=hang, args=(redis_settings, tmp_path))
            process.start()
            processes.append(process)
            wait_for((tmp_path / "taken").exists, what="a part to be taken")
            assert process.pid is not None
            os.kill(process.pid, signal.SIGKILL)

    work.meanwhile = kill_one
    assert work.results() == squares(8)
    assert sorted(work.done) == list(range(8))
    [process] = processes
    process.join()
    assert process.exitcode == -signal.SIGKILL


def test_helpers_beside_the_holder_share_the_parts(redis_settings: Settings) -> None:
    work = Work(redis_settings, 30)
    work.meanwhile = lambda _: time.sleep(0.02)

    def slow_helper(asked: bytes) -> Arrays:
        time.sleep(0.02)
        return helper(asked)

    def help_on() -> None:
        while work.help(slow_helper):
            pass

    def call(seats: int) -> None:
        threads.extend(Thread(target=help_on) for _ in range(min(seats, 2)))
        for thread in threads:
            thread.start()

    threads: list[Thread] = []
    work.call = call
    began = time.monotonic()
    assert work.results() == squares(30)
    for thread in threads:
        thread.join()
    assert work.sharing.by_others >= 10
    assert time.monotonic() - began < 5
