"""When a round starts."""

import math
from dataclasses import dataclass

from shared.project import ProjectConfig

# While embedding has only begun, a round chooses one of so many: who labels a beginning as fast as it is embedded gets
# items at random, in effect.
_CHOICE = 5
# Nobody waits longer than this for a better choice, whatever keeps the embedding, or for the last labels to be learned.
_PATIENCE_S = 60.0


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


@dataclass(frozen=True)
class Filling:
    """How far the pool has vectors, while embedding goes on.

    Attributes:
        items: of the project.
        embedded: texts with a vector.
        chosen: items that rounds have chosen so far.
    """

    items: int
    embedded: int
    chosen: int


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


def may_rest(config: ProjectConfig, situation: Situation) -> bool:
    """Whether a round that is due need not be now, given that no item is left to choose: it would only train."""
    if situation.asked or situation.campaign or situation.new_labels >= config.selection.batch_size:
        return False
    return not situation.new_labels or situation.since_last_s < _PATIENCE_S


def too_early(config: ProjectConfig, situation: Situation, filling: Filling) -> bool:
    """Whether a round that is due had better wait for embedding, since it would choose from too little."""
    if situation.asked or situation.campaign or filling.embedded >= filling.items / 2:
        return False
    wanted = _CHOICE * (filling.chosen + config.selection.batch_size)
    return filling.embedded < wanted and situation.since_last_s < _PATIENCE_S
