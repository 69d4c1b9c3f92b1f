"""Lanes: one worker at a time on one thing of one project, whatever crashes.

A lane is a row with `requested` and `completed` counters and a lease. A transaction that brings new work calls
`request`; a worker that `claim`s the lane gets a fencing token one higher than any before it, computes with no
transaction open, and `complete`s in the transaction that writes its result. A worker whose lease was taken over holds
an old token: its `complete` raises and nothing of its transaction is written. Work requested while the lane is held
leaves `requested > completed`, so no wake-up is lost, and any number of requests before a claim are one piece of work.

The design follows the job leases of procrastinate and the fencing tokens of Kleppmann, "How to do distributed
locking" (2016).

Requests that turn out to ask for nothing may be answered without a claim, see `answer`. Who looks at them so and dies
leaves no trace: what is found waiting later on is claimed.
"""

import math
import threading
import time
from collections.abc import Callable, Collection, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import partial

import structlog
from sqlalchemy import ColumnElement, and_, bindparam, case, func, insert, not_, or_, select, update
from sqlmodel import Session, col

from shared.away import is_away
from shared.company import Company
from shared.crash_points import name_commit
from shared.database import Database, now
from shared.errors import DatabaseUnavailableError, LeaseLostError
from shared.pulse import Pulse
from shared.settings import LONGEST_LEASE_S
from shared.tables import Lane
from shared.tokens import new_secret

ROUND, EMBED, DRIFT, EVALUATE, DISPATCH = "round", "embed", "drift", "evaluate", "dispatch"
LABELS, CAMPAIGN = "labels", "campaign"
ROOMS = (ROUND, EMBED, DRIFT, EVALUATE, DISPATCH, LABELS, CAMPAIGN)

# A lane whose holder died this often is set aside until `release_quarantine`: the work itself may kill.
MOST_ATTEMPTS = 5
_RETRY_S = 0.5

# Put together once: each answer runs it.
_REQUEST = (
    update(Lane)
    .where(col(Lane.project_id) == bindparam("project"), col(Lane.room) == bindparam("in_room"))
    .values(requested=Lane.requested + 1)
)

_COMPANY = Company()

_log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class Claim:
    """The right to work on a lane until another claim gets a higher token."""

    project_id: int
    room: str
    token: int
    requested: int
    """How far the requests went when the lane was claimed: what `complete` will have answered."""
    secret: str = field(default="", compare=False, repr=False)
    """What the holder and those who read the database know, and nobody else."""
    pulse: Pulse = field(default_factory=Pulse, compare=False, repr=False)


@dataclass(frozen=True)
class Standing:
    """How some lanes stand, all projects together: whether there is work that nobody does.

    Attributes:
        waiting: Lanes that have work, are free and are not set aside.
        held: Lanes that somebody holds now.
        done: A number that changes with each claim, completion and lost lease.
    """

    waiting: int
    held: int
    done: int


def open_lanes(session: Session, project_id: int) -> None:
    """Make the lanes of a new project."""
    session.connection().execute(insert(Lane), [{"project_id": project_id, "room": room} for room in ROOMS])


def request(session: Session, project_id: int, room: str) -> None:
    """Ask for one more run of a lane. Call it in the transaction that brings the work."""
    session.connection().execute(_REQUEST, {"project": project_id, "in_room": room})


def claim(
    session: Session, *, project_id: int, room: str, owner: str, lease_s: float, tried: bool = True
) -> Claim | None:
    """Take the lane if it has work and nobody holds it, else return None. One atomic statement.

    Args:
        session: A writing transaction.
        project_id: The project.
        room: The lane's room.
        owner: Who claims it, for people to read.
        lease_s: How long it is held without `renew`.
        tried: Whether to take it after an attempt that failed or died, too.
    """
    at, secret = now(session), new_secret()
    row = (
        session.connection()
        .execute(
            update(Lane)
            .where(
                col(Lane.project_id) == project_id,
                col(Lane.room) == room,
                _may_be_claimed(at),
                *([] if tried else [col(Lane.attempts) == 0]),
            )
            .values(owner=owner, until=at + lease_s, token=Lane.token + 1, attempts=Lane.attempts + 1, secret=secret)
            .returning(col(Lane.token), col(Lane.requested))
        )
        .one_or_none()
    )
    if row is None:
        return None
    name_commit(session, f"{room}.claim", project_id)
    return Claim(project_id, room, row.token, row.requested, secret)


def claim_of_another(session: Session, *, project_id: int, room: str, token: int) -> Claim | None:
    """The claim under which another worker holds the lane; None where it does so no more. It is for helping alone."""
    lane = session.get(Lane, (project_id, room))
    if lane is None or lane.token != token or lane.owner is None:
        return None
    return Claim(project_id, room, token, lane.requested, lane.secret or "")


def renew(session: Session, claimed: Claim, *, lease_s: float) -> None:
    """Hold the lane for another `lease_s`. Raises `LeaseLostError` when another worker has it."""
    _as_holder(session, claimed, until=now(session) + lease_s)


def check(session: Session, claimed: Claim) -> None:
    """Check inside a writing transaction that the lane is still held; it keeps others out until the commit."""
    name_commit(session, f"{claimed.room}.check", claimed.project_id)
    _as_holder(session, claimed, token=claimed.token)


def confirm(session: Session, claimed: Claim) -> None:
    """`check`, where the transaction stores a part of the work for good: the next attempt begins behind it."""
    name_commit(session, f"{claimed.room}.confirm", claimed.project_id)
    _as_holder(session, claimed, attempts=0)
    claimed.pulse.beat()


def complete(session: Session, claimed: Claim) -> None:
    """Give the lane back as done up to the requests seen at the claim. Raises `LeaseLostError`."""
    name_commit(session, f"{claimed.room}.complete", claimed.project_id)
    _as_holder(session, claimed, completed=claimed.requested, owner=None, until=None, attempts=0, error=None)


def give_back(session: Session, claimed: Claim, *, error: str, counts: bool = True) -> None:
    """Give the lane back undone, with the reason.

    Args:
        session: A writing transaction.
        claimed: What is given back.
        error: The reason.
        counts: Whether the attempt counts: the lane can be claimed again until its attempts are used up.
    """
    # Those before the last part that was stored are forgotten already.
    forgiven = {} if counts else {"attempts": case((col(Lane.attempts) > 0, Lane.attempts - 1), else_=0)}
    _as_holder(session, claimed, owner=None, until=None, error=error[:2_000], **forgiven)


def interrupt(session: Session, project_id: int, room: str) -> None:
    """Take the lane from whoever holds it and leave it free: what is being computed there is out of date.

    The holder's `complete` raises `LeaseLostError`, and its work is done anew.
    """
    session.connection().execute(
        update(Lane)
        .where(col(Lane.project_id) == project_id, col(Lane.room) == room)
        .values(token=Lane.token + 1, owner=None, until=None, attempts=0)
    )


def asked_for(session: Session, project_id: int, room: str) -> int | None:
    """How far the requests of a lane go that could be claimed now; None where it could not.

    What is read after it, in the same transaction, knows of all that they ask for.
    """
    statement = select(col(Lane.requested)).where(
        col(Lane.project_id) == project_id,
        col(Lane.room) == room,
        _may_be_claimed(now(session)),
    )
    return session.connection().execute(statement).scalar_one_or_none()


def answer(session: Session, project_id: int, room: str, *, requested: int) -> None:
    """Call the requests up to there done, without a claim: they ask for nothing.

    Who holds the lane does so himself, and after an attempt that died the lane is claimed, so that attempts add up.
    """
    name_commit(session, f"{room}.answer", project_id)
    session.connection().execute(
        update(Lane)
        .where(
            col(Lane.project_id) == project_id,
            col(Lane.room) == room,
            col(Lane.completed) < requested,
            col(Lane.attempts) == 0,
            is_free(now(session)),
        )
        .values(completed=requested, owner=None, until=None, error=None)
    )


def has_work(session: Session, project_id: int, room: str) -> bool:
    """Whether a lane has work that is not done yet, held or not."""
    statement = select(col(Lane.room)).where(col(Lane.project_id) == project_id, col(Lane.room) == room, _has_work())
    return session.connection().execute(statement).first() is not None


def lagging(session: Session) -> list[tuple[int, str]]:
    """`(project_id, room)` of every lane that has work, is free and is not set aside."""
    rows = session.connection().execute(
        select(col(Lane.project_id), col(Lane.room))
        .where(_may_be_claimed(now(session)))
        .order_by(col(Lane.project_id), col(Lane.room))
    )
    return [(row.project_id, row.room) for row in rows]


def is_free(time: float) -> ColumnElement[bool]:
    """That nobody holds a lane. A lease that ends later than any can is from before the clock was set back: its holder
    renews it by the new clock, or finds by its token that another one has claimed the lane."""
    longest = 2 * LONGEST_LEASE_S  # as `time` may be from before the lease was renewed
    return or_(col(Lane.until).is_(None), col(Lane.until) < time, col(Lane.until) > time + longest)


def set_aside(session: Session) -> list[Lane]:
    """Every lane that has work, is free and failed too often to be claimed again."""
    waits = select(Lane).where(_has_work(), is_free(now(session)), col(Lane.attempts) >= MOST_ATTEMPTS)
    return list(session.scalars(waits.order_by(col(Lane.project_id), col(Lane.room))))


def standing(session: Session, rooms: Collection[str]) -> Standing:
    """How the lanes of these rooms stand."""
    at = now(session)
    statement = select(
        func.count().filter(_may_be_claimed(at)),
        func.count().filter(not_(is_free(at))),
        func.coalesce(func.sum(col(Lane.token) + col(Lane.completed)), 0),
    ).where(col(Lane.room).in_(rooms))
    return Standing(*session.connection().execute(statement).one())


def release_quarantine(session: Session, project_id: int) -> list[str]:
    """Let the project's lanes that were set aside run again; returns which were."""
    statement = select(col(Lane.room)).where(col(Lane.project_id) == project_id, col(Lane.attempts) >= MOST_ATTEMPTS)
    released = list(session.connection().execute(statement.order_by(col(Lane.room))).scalars())
    session.connection().execute(update(Lane).where(col(Lane.project_id) == project_id).values(attempts=0, error=None))
    return released


@contextmanager
def held(
    database: Database,
    *,
    project_id: int,
    room: str,
    owner: str,
    lease_s: float,
    patience_s: float = math.inf,
    give_up: Callable[[], None] = lambda: None,
) -> Iterator[Claim | None]:
    """Claim a lane for the length of the block and keep the lease alive meanwhile; None when there is nothing to do.

    The block ends with `complete` in its own writing transaction. An error in the block gives the lane back undone.
    After an attempt that failed or died no other lane is held in this process meanwhile, see `shared.company`.

    Args:
        database: Where the lane is.
        project_id: The project.
        room: The lane's room.
        owner: Who claims it, for people to read.
        lease_s: How long a holder that died keeps others waiting.
        patience_s: A block that did not `confirm` anything for this long hangs: its lease is not renewed any more.
        give_up: Called when the block hangs, from another thread.
    """
    with ExitStack() as company:
        claimed = _claim_in_company(company, database, project_id=project_id, room=room, owner=owner, lease_s=lease_s)
        if claimed is None:
            yield None
            return
        with _beating(database, claimed, lease_s, patience_s, give_up):
            yield claimed


def _claim_in_company(
    company: ExitStack, database: Database, *, project_id: int, room: str, owner: str, lease_s: float
) -> Claim | None:
    """Claim a lane in the company that is right for it, which `company` leaves."""
    take = partial(claim, project_id=project_id, room=room, owner=owner, lease_s=lease_s)
    company.enter_context(_COMPANY.beside_others())
    with database.write() as session:
        claimed = take(session, tried=False)
        if claimed is not None or asked_for(session, project_id, room) is None:
            return claimed
    company.close()
    company.enter_context(_COMPANY.alone())
    with database.write() as session:
        return take(session)


@contextmanager
def _beating(
    database: Database, claimed: Claim, lease_s: float, patience_s: float, give_up: Callable[[], None]
) -> Iterator[None]:
    project_id, room = claimed.project_id, claimed.room
    stop = threading.Event()
    heart = threading.Thread(target=_beat, args=(database, claimed, lease_s, stop, patience_s, give_up), daemon=True)
    heart.start()
    try:
        yield
    except LeaseLostError:
        _log.warning("lane.lost", project_id=project_id, room=room, token=claimed.token)
        raise
    except Exception as error:
        _give_back(database, claimed, error, lease_s)
        raise
    finally:
        stop.set()
        heart.join()


def _give_back(database: Database, claimed: Claim, error: Exception, lease_s: float) -> None:
    """Give the lane back after an error. A database that is away is waited for, as it may be what the error is of: one
    that nobody could write down would count."""
    end = time.monotonic() + lease_s
    while True:
        try:
            with database.write() as session:
                give_back(session, claimed, error=f"{type(error).__name__}: {error}", counts=not is_away(error))
            return
        except DatabaseUnavailableError:
            if time.monotonic() > end:
                raise
        time.sleep(_RETRY_S)


def _beat(
    database: Database,
    claimed: Claim,
    lease_s: float,
    stop: threading.Event,
    patience_s: float,
    give_up: Callable[[], None],
) -> None:
    while not stop.wait(lease_s / 3):
        if claimed.pulse.silent_s() > patience_s:
            _log.error("lane.hangs", project_id=claimed.project_id, room=claimed.room, silent_s=patience_s)
            give_up()
            return
        try:
            with database.write() as session:
                renew(session, claimed, lease_s=lease_s)
        except LeaseLostError:
            return  # the block finds out when it commits
        except DatabaseUnavailableError as error:
            _log.warning("lane.not_renewed", project_id=claimed.project_id, room=claimed.room, error=str(error))


def _as_holder(session: Session, claimed: Claim, **values: object) -> None:
    found = session.connection().execute(
        update(Lane)
        .where(
            col(Lane.project_id) == claimed.project_id,
            col(Lane.room) == claimed.room,
            col(Lane.token) == claimed.token,
            col(Lane.owner).is_not(None),
        )
        .values(**values)
    )
    if found.rowcount != 1:
        raise LeaseLostError(
            f"project {claimed.project_id}: another worker took over {claimed.room!r} after token {claimed.token}"
        )


def _may_be_claimed(time: float) -> ColumnElement[bool]:
    return and_(_has_work(), is_free(time), col(Lane.attempts) < MOST_ATTEMPTS)


def _has_work() -> ColumnElement[bool]:
    return col(Lane.requested) > col(Lane.completed)
