"""When the watchdog takes a worker for wedged."""

from workers.supervisor.watchdog import Sight, Step, Vigil

WAITING = Sight(waiting=True, working=False, done=(5, None))


def verdicts(*sights: Sight | None, every_s: float = 10.0, patience_s: float = 60.0) -> list[Step]:
    vigil = Vigil(patience_s)
    return [vigil.judge(sight, time=100.0 + number * every_s) for number, sight in enumerate(sights)]


def test_work_that_lies_is_first_hinted_at_once_more_and_then_the_worker_ends() -> None:
    steps = verdicts(*[WAITING] * 9)
    assert steps[:4] == [Step.NOTHING] * 4
    assert steps[4:] == [Step.REMIND, Step.NOTHING, Step.NOTHING, Step.END, Step.END]


def test_a_worker_without_work_is_left_alone() -> None:
    assert set(verdicts(*[Sight(waiting=False, working=False, done=(5, None))] * 20)) == {Step.NOTHING}


def test_a_worker_at_work_is_left_alone_however_much_waits() -> None:
    assert set(verdicts(*[Sight(waiting=True, working=True, done=(5, None))] * 20)) == {Step.NOTHING}


def test_anything_that_gets_done_is_progress() -> None:
    lanes = [Sight(waiting=True, working=False, done=(number, None)) for number in range(20)]
    outbox = [Sight(waiting=True, working=False, done=(5, number)) for number in range(20)]
    assert set(verdicts(*lanes) + verdicts(*outbox)) == {Step.NOTHING}


def test_time_without_database_or_redis_does_not_count() -> None:
    assert set(verdicts(*[WAITING] * 3, *[None] * 10, *[WAITING] * 3)) == {Step.NOTHING}


def test_time_for_which_the_process_was_stopped_does_not_count() -> None:
    vigil = Vigil(60.0)
    assert [vigil.judge(WAITING, time=time) for time in (100.0, 110.0, 500.0, 510.0)] == [Step.NOTHING] * 4
