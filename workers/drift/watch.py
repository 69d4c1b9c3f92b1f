"""The watch: what windows show one after another, and what becomes an alarm. Pure; its state is JSON.

A statistic raises an alarm when a window is at `act`, when it is at `warn` for the second time in three windows, when
three windows in a row show anything, or when evidence gathered over windows is enough (see `workers.drift.evidence`).
One alarm is live for each statistic: it goes on while it lasts, its level can only rise, and it is over after three
windows that show less than half of what it began with. For three more windows only `act` raises it again.

The budget of false alarms holds for ever: a single window spends a fixed part of it (see `workers.drift.channels`), and
the gathered evidence raises a false alarm in at most one of so many windows in the mean. Both are told in
`docs/drift.md`.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

import numpy as np

from workers.drift.channels import CONTENT, patience
from workers.drift.detectors import Numbers
from workers.drift.evidence import gather
from workers.drift.levels import Level, level_of
from workers.drift.report import WindowReport
from workers.drift.statistics import Tally, Verdict

_CALM_WINDOWS = 3
_REST_WINDOWS = 3
_REMEMBERED = 2
_SEVERE = (Level.WARN, Level.ACT)
_ORDER = tuple(Level)


@dataclass(frozen=True)
class Live:
    """An alarm that is not over.

    Attributes:
        level: the highest so far.
        share: of the items that were affected when it was raised.
        calm: windows since then, the last ones in a row, that showed less than half of it.
    """

    level: Level
    share: float
    calm: int = 0


@dataclass(frozen=True)
class Memory:
    """What is kept of one statistic from window to window.

    Attributes:
        held: evidence (j,) of each bet, by category; categories without any are left out.
        levels: of the last two windows.
        live: its alarm; None where there is none.
        rest: windows for which only `act` raises an alarm.
    """

    held: Mapping[str, tuple[float, ...]] = field(default_factory=dict)
    levels: tuple[Level, ...] = ()
    live: Live | None = None
    rest: int = 0

    @property
    def is_blank(self) -> bool:
        """Whether it says no more than none at all."""
        return self == Memory(levels=self.levels) and not any(level is not Level.QUIET for level in self.levels)


@dataclass(frozen=True)
class WatchState:
    """What the watch remembers, by the name of the statistic."""

    memories: Mapping[str, Memory] = field(default_factory=dict)

    def dump(self) -> dict[str, Any]:
        """As JSON values."""
        return {
            name: {
                "held": {category: list(bets) for category, bets in memory.held.items()},
                "levels": [level.value for level in memory.levels],
                "live": None if memory.live is None else [memory.live.level, memory.live.share, memory.live.calm],
                "rest": memory.rest,
            }
            for name, memory in self.memories.items()
        }

    @classmethod
    def load(cls, stored: Mapping[str, Any] | None) -> "WatchState":
        """What `dump` wrote; the state before the first window where there is nothing."""
        return cls(
            {
                name: Memory(
                    held={category: tuple(bets) for category, bets in memory["held"].items()},
                    levels=tuple(Level(level) for level in memory["levels"]),
                    live=None
                    if memory["live"] is None
                    else Live(Level(memory["live"][0]), memory["live"][1], memory["live"][2]),
                    rest=memory["rest"],
                )
                for name, memory in (stored or {}).items()
            }
        )


class Kind(StrEnum):
    """What happened to an alarm in a window."""

    RAISED = "raised"
    GREW = "grew"
    OVER = "over"


@dataclass(frozen=True)
class Change:
    """Something that happened to an alarm.

    Attributes:
        kind: what.
        channel: what was watched.
        scope: the part of it; empty for the whole.
        level: of the alarm.
        share: of the window's items that are affected.
        gathered: categories in which evidence gathered over windows; empty where this window shows it by itself.
    """

    kind: Kind
    channel: str
    scope: str
    level: Level
    share: float
    gathered: tuple[str, ...] = ()


def advance(state: WatchState, report: WindowReport, *, budget: float) -> tuple[WatchState, tuple[Change, ...]]:
    """Take in one window.

    Args:
        state: After the window before, or the empty one.
        report: On the window, with the same budget.
        budget: False alarms that 1,000 windows may bring, of all statistics together.

    Returns:
        The state after it, and what happened to alarms.
    """
    memories, changes = dict(state.memories), []
    for verdict in report.verdicts:
        memory, change = _step(memories.pop(verdict.name, Memory()), verdict, budget)
        if not memory.is_blank:
            memories[verdict.name] = memory
        if change is not None:
            changes.append(change)
    return WatchState(dict(sorted(memories.items()))), tuple(changes)


def lasts(state: WatchState, report: WindowReport) -> bool:
    """Whether items show drift in a window, and showed some in one of the two before it, whose `state` this is."""
    before = [
        level
        for channel in CONTENT
        for level in state.memories.get(channel.value, Memory()).levels
        if level is not Level.QUIET
    ]
    return bool(before) and any(verdict.alarm for verdict in report.verdicts if verdict.channel in CONTENT)


def level_after(report: WindowReport, changes: tuple[Change, ...]) -> Level:
    """Level of a window, with what many windows show together: of what items say, or a note of all else."""
    raised = [
        change.level if change.channel in CONTENT else Level.NOTE for change in changes if change.kind is Kind.RAISED
    ]
    return max([report.level, *raised], key=_ORDER.index)


def _step(memory: Memory, verdict: Verdict, budget: float) -> tuple[Memory, Change | None]:
    if memory.live is not None:
        return _go_on(memory, memory.live, verdict)
    held, gathered = _gather(memory.held, verdict, budget)
    level, share = verdict.level, verdict.share
    if gathered:
        more, fewer = (sum(max(0.0, sign * one) for one in gathered.values()) for sign in (1, -1))
        share = max(share, more, fewer)  # what one category lost is what another one won
        level = max(level, level_of(share, content=True, mix=False), key=_ORDER.index)
    levels = (*memory.levels, level)
    again = level is Level.WARN and sum(one in _SEVERE for one in levels) >= 2
    lasts = len(levels) > _REMEMBERED and Level.QUIET not in levels
    wanted = level is Level.ACT or (not memory.rest and (again or lasts or bool(gathered)))
    kept = levels[-_REMEMBERED:]
    if not wanted:
        return Memory({} if gathered else held, kept, None, max(0, memory.rest - 1)), None
    raised = Change(Kind.RAISED, verdict.channel, verdict.scope, level, share, tuple(gathered))
    return Memory({}, kept, Live(level, share)), raised


def _go_on(memory: Memory, live: Live, verdict: Verdict) -> tuple[Memory, Change | None]:
    """Evidence does not gather meanwhile: what it would show is known."""
    levels = (*memory.levels, verdict.level)[-_REMEMBERED:]
    calm = live.calm + 1 if verdict.share < live.share / 2 else 0
    if calm >= _CALM_WINDOWS:
        over = Change(Kind.OVER, verdict.channel, verdict.scope, live.level, verdict.share)
        return Memory({}, levels, None, _REST_WINDOWS), over
    if _ORDER.index(verdict.level) <= _ORDER.index(live.level):
        return Memory({}, levels, Live(live.level, live.share, calm)), None
    grew = Change(Kind.GREW, verdict.channel, verdict.scope, verdict.level, verdict.share)
    return Memory({}, levels, Live(verdict.level, live.share, calm)), grew


def _gather(
    held: Mapping[str, tuple[float, ...]], verdict: Verdict, budget: float
) -> tuple[dict[str, tuple[float, ...]], dict[str, float]]:
    """Evidence after the window, and the affected share by category where it is enough for an alarm."""
    tally = verdict.tally
    if tally is None:
        return dict(held), {}
    after = gather(_as_array(held, tally), tally.factors)
    enough = patience(verdict.channel, budget=budget, scopes=verdict.scopes) * len(tally.names)
    fired = np.flatnonzero(after.mean(axis=0) >= enough)
    known = set(tally.names)
    kept = {name: bets for name, bets in held.items() if name not in known}  # of sources that sent nothing, say
    for place in np.flatnonzero(after.any(axis=0)):
        kept[tally.names[place]] = tuple(float(f"{bet:.6g}") for bet in after[:, place])
    return dict(sorted(kept.items())), {tally.names[place]: float(tally.share[place]) for place in fired}


def _as_array(held: Mapping[str, tuple[float, ...]], tally: Tally) -> Numbers:
    """(j, k) evidence by bet and category."""
    nothing = (0.0,) * len(tally.factors)
    return np.array([held.get(name, nothing) for name in tally.names], dtype=np.float64).T
