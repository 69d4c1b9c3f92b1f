"""Leases: what to do with each open assignment, given what stands on the queue. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class OpenAssignment:
    """An open assignment as the database has it. `leased_until` is None while no annotator is known to hold it."""

    id: int
    lease: int
    stream_id: str | None
    annotator: str | None
    leased_until: float | None


@dataclass(frozen=True)
class Pending:
    """An entry that an annotator has read: who, and how long ago it was read or renewed."""

    annotator: str
    idle_s: float


@dataclass(frozen=True)
class QueueState:
    """What stands on the tasks stream.

    Attributes:
        entries: id of each entry -> the assignment and the lease number that it names, None where it names none; None
            when the stream is known to hold just the entries of the open assignments.
        pending: entries read and not acknowledged.
        last_delivered: id of the newest entry that was ever read.
    """

    entries: Mapping[str, tuple[int, int] | None] | None
    pending: Mapping[str, Pending]
    last_delivered: str


@dataclass(frozen=True)
class LeasePlan:
    """What a sweep does.

    Attributes:
        adopt: assignment id -> entry: what a worker put on the stream before it died, and did not write down.
        hold: assignment id -> (annotator, leased until): leases to write down.
        requeue: assignments to put on the queue anew, under the next lease number.
        remove: stream entries to delete: expired ones, and ones that no open assignment stands behind.
    """

    adopt: dict[int, str]
    hold: dict[int, tuple[str | None, float]]
    requeue: list[int]
    remove: list[str]


# A lease that moved less than this was not renewed: the clocks' own noise.
_RENEWED_S = 1.0


def plan_leases(assignments: Sequence[OpenAssignment], queue: QueueState, *, lease_s: float, time: float) -> LeasePlan:
    """Compare open assignments with the queue.

    An assignment whose entry vanished (Redis lost its data) is queued anew as soon as nobody holds a lease on it. An
    entry that a client acknowledged without answering counts as held until its lease has run out. An entry that nobody
    wrote down is adopted, as an annotator may have read it: to queue the assignment anew would put the item into two
    hands.

    Args:
        assignments: All open assignments of the project.
        queue: The queue at about the same time.
        lease_s: How long a lease lasts without renewal.
        time: Now, by the database's clock.
    """
    entries = queue.entries or {}
    named = {name: entry for entry, name in reversed(list(entries.items())) if name is not None}
    adopt = {
        assignment.id: named[assignment.id, assignment.lease]
        for assignment in assignments
        if assignment.stream_id is None and (assignment.id, assignment.lease) in named
    }
    hold: dict[int, tuple[str | None, float]] = {}
    requeue: list[int] = []
    remove: list[str] = []
    for assignment in assignments:
        entry = assignment.stream_id
        if entry is None:
            continue
        until = assignment.leased_until
        if queue.entries is not None and entry not in queue.entries:
            if until is None or until <= time:
                requeue.append(assignment.id)
            continue
        if holder := queue.pending.get(entry):
            until = time + lease_s - holder.idle_s
            if until > time and _is_news(assignment, holder.annotator, until):
                hold[assignment.id] = (holder.annotator, until)
        elif position(entry) <= position(queue.last_delivered) and until is None:
            until = time + lease_s
            hold[assignment.id] = (None, until)
        if until is not None and until <= time:
            requeue.append(assignment.id)
            remove.append(entry)
    known = {*(assignment.stream_id for assignment in assignments), *adopt.values()}
    remove += [entry for entry in entries if entry not in known]
    return LeasePlan(adopt, hold, requeue, remove)


def _is_news(assignment: OpenAssignment, annotator: str, until: float) -> bool:
    return (
        assignment.annotator != annotator
        or assignment.leased_until is None
        or abs(assignment.leased_until - until) > _RENEWED_S
    )


def position(entry: str) -> tuple[int, int]:
    """Where an entry stands in its stream, by its id."""
    milliseconds, _, sequence = entry.partition("-")
    return int(milliseconds), int(sequence or 0)
