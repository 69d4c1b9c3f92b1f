"""When a round starts."""

import math
from dataclasses import dataclass

from shared.project import ProjectConfig


@dataclass(frozen=True)
class Situation:
    """What the trigger looks at.

    Attributes:
        waiting: open assignments, leased ones included.
        new_labels: submissions that the last round did not know of.
        since_last_s: seconds since the last round's batch; infinite before the first.
        campaign: whether a campaign waits for its batch.
        asked: whether a person asked for a batch now.
    """

    waiting: int
    new_labels: int
    since_last_s: float
    campaign: bool
    asked: bool


def due(config: ProjectConfig, situation: Situation) -> str | None:
    """Why a round is due, in words; None when it is not."""
    trigger, size = config.batch_trigger, config.selection.batch_size
    if situation.asked:
        return "asked for"
    if situation.campaign:
        return "a campaign waits for its batch"
    if situation.waiting >= 2 * size:
        return None  # annotators are far behind: another batch would be chosen with a model that is old by its turn
    low = max(1, math.ceil(trigger.queue_below * size))
    if situation.waiting < low:
        return f"fewer than {low} assignment(s) wait"
    if trigger.new_labels is not None and situation.new_labels >= trigger.new_labels:
        return f"{situation.new_labels} new label(s)"
    if trigger.after_s is not None and situation.new_labels and situation.since_last_s >= trigger.after_s:
        return f"{situation.since_last_s:.0f} s since the last batch"
    return None
