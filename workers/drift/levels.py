"""How severe a window is, and when windows open a campaign."""

from collections.abc import Sequence
from enum import StrEnum

# Affected shares of a window: `warn` from the first on, `act` beyond the second.
_WARN, _ACT = 0.02, 0.05
_COOL_DOWN_WINDOWS = 3


class Level(StrEnum):
    """How much of a window is affected: nothing known, under 2 %, 2 to 5 %, over 5 %."""

    QUIET = "quiet"
    NOTE = "note"
    WARN = "warn"
    ACT = "act"


def level_of(share: float, *, content: bool, mix: bool) -> Level:
    """The level of a window: from the affected share, never from a p-value, which only says how sure the alarm is.

    Args:
        share: Affected share of the items.
        content: Whether novelty or cells raised an alarm.
        mix: Whether the source mix did; alone it is never more than a note, since labels would not mend it.
    """
    if not content:
        return Level.NOTE if mix else Level.QUIET
    if share > _ACT:
        return Level.ACT
    return Level.WARN if share >= _WARN else Level.NOTE


def opens_campaign(levels: Sequence[str], *, windows_since_campaign: int | None, lasts: bool = False) -> bool:
    """Whether the newest window opens a campaign.

    It does at `act`, at `warn` for the second time in three windows, and at any level where what its items say `lasts`:
    a new kind of a rare class is small by nature.

    Args:
        levels: Of the project's windows, the newest last.
        windows_since_campaign: Windows from the one that opened the last campaign to the newest; None before the
            first. Three windows after a campaign open none: its labels are still on their way.
        lasts: See `workers.drift.watch.lasts`.
    """
    if windows_since_campaign is not None and windows_since_campaign <= _COOL_DOWN_WINDOWS:
        return False
    newest = levels[-1:]
    severe = [level for level in levels[-3:] if level in (Level.WARN, Level.ACT)]
    return newest == [Level.ACT] or (newest == [Level.WARN] and len(severe) >= 2) or lasts
