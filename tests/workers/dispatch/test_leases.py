"""What a sweep does with each open assignment."""

from workers.dispatch.leases import OpenAssignment, Pending, QueueState, plan_leases

LEASE_S, NOW = 60.0, 1_000.0


def queued(number: int = 1, *, until: float | None = None, annotator: str | None = None) -> OpenAssignment:
    return OpenAssignment(number, 1, f"{number}-0", annotator, until)


def state(
    *,
    pending: dict[str, Pending] | None = None,
    last: str = "0-0",
    entries: dict[str, tuple[int, int] | None] | None = None,
) -> QueueState:
    return QueueState(entries, pending or {}, last)


def test_an_entry_that_nobody_has_read_is_left_alone() -> None:
    plan = plan_leases([queued()], state(), lease_s=LEASE_S, time=NOW)
    assert (plan.hold, plan.requeue, plan.remove) == ({}, [], [])


def test_a_read_entry_is_held_until_its_lease_ends() -> None:
    plan = plan_leases([queued()], state(pending={"1-0": Pending("ann", 20.0)}, last="1-0"), lease_s=LEASE_S, time=NOW)
    assert plan.hold == {1: ("ann", NOW + 40.0)}
    assert plan.requeue == []


def test_a_lease_that_was_not_renewed_is_not_written_again() -> None:
    known = queued(until=NOW + 40.2, annotator="ann")
    plan = plan_leases([known], state(pending={"1-0": Pending("ann", 20.0)}, last="1-0"), lease_s=LEASE_S, time=NOW)
    assert plan.hold == {}


def test_renewal_moves_the_end_of_the_lease() -> None:
    known = queued(until=NOW + 1, annotator="ann")
    plan = plan_leases([known], state(pending={"1-0": Pending("ann", 0.0)}, last="1-0"), lease_s=LEASE_S, time=NOW)
    assert plan.hold == {1: ("ann", NOW + LEASE_S)}


def test_an_expired_lease_is_taken_back_and_its_entry_removed() -> None:
    known = queued(until=NOW - 1, annotator="ann")
    plan = plan_leases([known], state(pending={"1-0": Pending("ann", 61.0)}, last="1-0"), lease_s=LEASE_S, time=NOW)
    assert (plan.requeue, plan.remove) == ([1], ["1-0"])


def test_after_redis_lost_its_data_what_nobody_holds_is_queued_anew_at_once() -> None:
    held, free = queued(1, until=NOW + 30, annotator="ann"), queued(2)
    plan = plan_leases([held, free], state(entries={}), lease_s=LEASE_S, time=NOW)
    assert plan.requeue == [2]
    later = plan_leases([held], state(entries={}), lease_s=LEASE_S, time=NOW + 31)
    assert later.requeue == [1]


def test_an_entry_acknowledged_without_an_answer_comes_back_after_a_lease() -> None:
    acknowledged = state(last="1-0")
    plan = plan_leases([queued()], acknowledged, lease_s=LEASE_S, time=NOW)
    assert plan.hold == {1: (None, NOW + LEASE_S)}
    later = plan_leases([queued(until=NOW + LEASE_S)], acknowledged, lease_s=LEASE_S, time=NOW + 61)
    assert later.requeue == [1]


def test_an_entry_without_an_open_assignment_is_removed() -> None:
    plan = plan_leases([queued(2)], state(entries={"1-0": (1, 1), "2-0": (2, 1)}), lease_s=LEASE_S, time=NOW)
    assert plan.remove == ["1-0"]
    assert plan.requeue == []


def unwritten(number: int, *, lease: int) -> OpenAssignment:
    return OpenAssignment(number, lease, None, None, None)


def test_an_entry_that_was_not_written_down_is_adopted_and_not_queued_twice() -> None:
    plan = plan_leases([unwritten(1, lease=2)], state(entries={"7-0": (1, 2)}), lease_s=LEASE_S, time=NOW)
    assert plan.adopt == {1: "7-0"}
    assert plan.remove == []


def test_an_unwritten_entry_of_an_earlier_lease_is_removed() -> None:
    plan = plan_leases([unwritten(1, lease=3)], state(entries={"7-0": (1, 2), "8-0": None}), lease_s=LEASE_S, time=NOW)
    assert plan.adopt == {}
    assert plan.remove == ["7-0", "8-0"]


def test_of_two_unwritten_entries_of_one_lease_the_first_is_adopted_and_the_other_removed() -> None:
    twice = state(entries={"7-0": (1, 1), "8-0": (1, 1)})
    plan = plan_leases([unwritten(1, lease=1)], twice, lease_s=LEASE_S, time=NOW)
    assert (plan.adopt, plan.remove) == ({1: "7-0"}, ["8-0"])
